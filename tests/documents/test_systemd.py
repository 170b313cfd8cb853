"""The units of docs/examples/systemd fit the settings, and systemd takes them."""

import re
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest

from mailhook.config import Settings
from mailhook.front import descriptors

UNITS = Path(__file__).parents[2] / "docs" / "examples" / "systemd"
OPERATIONS = (UNITS.parents[1] / "operations.md").read_text(encoding="utf-8")
DEFAULTS = Settings()


def option(unit: str, name: str) -> str:
    (value,) = re.findall(rf"^{name}=(.*)$", (UNITS / unit).read_text(encoding="utf-8"), re.MULTILINE)
    return str(value)


def test_the_service_runs_a_command_that_is_there() -> None:
    program, command, *rest = option("mailhook.service", "ExecStart").split()
    assert (program, rest) == ("/opt/mailhook/bin/mailhook", ["--config", "/etc/mailhook/config.toml"])
    assert command == "serve"


def test_stopping_waits_for_the_last_answer() -> None:
    longest = DEFAULTS.policy.deadline + DEFAULTS.nexthop.data_timeout
    assert timedelta(seconds=int(option("mailhook.service", "TimeoutStopSec"))) > longest


def test_there_are_files_enough_for_all_connections() -> None:
    listen, hop = DEFAULTS.listen, DEFAULTS.nexthop
    needed = listen.max_connections + listen.max_transactions + hop.max_sessions + descriptors.SPARE
    assert int(option("mailhook.service", "LimitNOFILE")) > needed


def test_the_store_may_be_written() -> None:
    folder = Path("/var/lib") / option("mailhook.service", "StateDirectory")
    assert Path(DEFAULTS.store.path).parent == folder
    assert f"d {folder} 0700  mailhook mailhook" in (UNITS / "tmpfiles.conf").read_text(encoding="utf-8")


def test_the_socket_is_at_the_address_of_the_settings() -> None:
    assert option("mailhook.socket", "ListenStream") == f"{DEFAULTS.listen.host}:{DEFAULTS.listen.port}"
    assert option("mailhook.socket", "FileDescriptorName") == "smtp"
    assert option("mailhook-http.socket", "FileDescriptorName") == "http"
    assert option("mailhook-http.socket", "Service") == "mailhook.service"


@pytest.fixture
def units(tmp_path: Path) -> list[str]:
    """Copies whose program is there."""
    for path in [*UNITS.glob("*.service"), *UNITS.glob("*.socket")]:
        text = path.read_text(encoding="utf-8").replace("/opt/mailhook/bin/mailhook", sys.executable)
        (tmp_path / path.name).write_text(text, encoding="utf-8")
    return [str(path) for path in sorted(tmp_path.iterdir())]


@pytest.mark.peers("systemd")
def test_systemd_finds_nothing_wrong(units: list[str]) -> None:
    done = subprocess.run(
        ["systemd-analyze", "verify", *units], check=False, capture_output=True, text=True, timeout=60
    )
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.peers("systemd")
def test_the_exposure_is_what_the_document_says(units: list[str]) -> None:
    (service,) = (unit for unit in units if unit.endswith(".service"))
    command = ["systemd-analyze", "security", "--offline=true", "--no-pager", service]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=60)
    (exposure,) = re.findall(r"Overall exposure level for mailhook.service: (\S+)", done.stdout)
    assert f"calls the exposure {exposure} of 10" in OPERATIONS
