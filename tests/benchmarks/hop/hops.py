"""The hops that are measured, each as its users run it: its own process, limits and a log in a file.

What: `Hop` is a port and a process tree; `mailhook`, `postfix`, `haraka`, `proxy` and `sandbox` start one.

Not here: what is sent through them (__main__).

Errors: AssertionError when one does not listen in time; CalledProcessError when it cannot be installed.
"""

import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import monotonic, sleep

from tests.peers.postfix import OWN_CF, SERVICES

HERE = Path(__file__).parent
TICKS = os.sysconf("SC_CLK_TCK")
HARAKA = "Haraka@3.3.4"

CONFIG = """
[listen]
port = {port}
[nexthop]
port = {next_port}
[provider]
kind = "videomost"
[provider.videomost]
base_url = "http://127.0.0.1:{sandbox}"
[store]
path = "{home}/mailhook.db"
[policy]
organizer_domains = ["corp.example"]
max_conferences_per_organizer_per_hour = 10000000
"""

MAIN_CF = f"""{OWN_CF}\
message_size_limit = 100000000
mailhook_destination_concurrency_limit = 20
mailhook_initial_destination_concurrency = 20
mailhook_destination_concurrency_failed_cohort_limit = 0
"""

# Before the queue: the proxy. After the queue, with and without mailhook, for the latency through Postfix: as in
# docs/postfix.md.
MASTER_CF = f"""
127.0.0.1:{{proxy}} inet n - n - - smtpd
  -o smtpd_proxy_filter=127.0.0.1:{{sink}}
127.0.0.1:{{direct}} inet n - n - - smtpd
  -o content_filter=mailhook:[127.0.0.1]:{{sink}}
127.0.0.1:{{hooked}} inet n - n - - smtpd
  -o content_filter=mailhook:[127.0.0.1]:{{mailhook}}
mailhook unix - - n - 20 smtp
  -o smtp_send_xforward_command=yes
  -o disable_mime_output_conversion=yes
{SERVICES}"""

# Whoever connects may relay, as a client of a hop may.
RELAYING = """
exports.hook_connect = (next, connection) => { connection.relaying = true; next() }
exports.hook_rcpt = (next) => next(OK)
"""


@dataclass
class Hop:
    """`process`, or `master`: the file that names the process from which all others of it come."""

    name: str
    port: int
    process: "subprocess.Popen[bytes] | None" = None
    master: Path | None = None

    def pids(self) -> list[int]:
        if self.process is None:
            return [] if self.master is None else _tree(int(self.master.read_text()))
        return _tree(self.process.pid)

    def cpu(self) -> float:
        """Seconds, of all its processes, those that have ended included."""
        return sum(_cpu(pid) for pid in self.pids())

    def forget_peak(self) -> None:
        for pid in self.pids():
            Path(f"/proc/{pid}/clear_refs").write_text("5")

    def peak(self) -> float:
        """MiB of the largest of its processes since `forget_peak`."""
        return max((_peak(pid) for pid in self.pids()), default=0.0)

    def stop(self) -> None:
        if self.process is not None:
            self.process.terminate()
            self.process.wait()
        elif self.master is not None:
            config = self.master.parents[2] / "config"
            subprocess.run(
                ["postfix", "-c", config, "stop"], check=False, env=_environment(), capture_output=True
            )


def _tree(root: int) -> list[int]:
    children: dict[int, list[int]] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        fields = _stat(int(stat.parent.name))
        if fields:
            children.setdefault(int(fields[1]), []).append(int(stat.parent.name))
    found = [root]
    for pid in found:
        found += children.get(pid, [])
    return found


def _stat(pid: int) -> list[str]:
    """proc(5), from the state on; [] if it has ended."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()
    except OSError:
        return []


def _cpu(pid: int) -> float:
    fields = _stat(pid)
    return sum(map(int, fields[11:15])) / TICKS if fields else 0.0


def _peak(pid: int) -> float:
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0.0
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM")), 0.0)


def _environment() -> dict[str, str]:
    return {**os.environ, "PATH": f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/bin"}


def free_ports() -> Iterator[int]:
    """Below the range from which connections are given their ports."""
    for port in range(21000 + os.getpid() % 5000, 32000):
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        yield port


def _listening(port: int, within: float = 60.0) -> None:
    end = monotonic() + within
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        except OSError:
            assert monotonic() < end, f"nothing listens on {port}"
            sleep(0.05)


def _started(name: str, port: int, line: Sequence[str], log: Path, cwd: Path | None = None) -> Hop:
    with log.open("ab") as file:
        process = subprocess.Popen(line, stdout=file, stderr=file, cwd=cwd)
    _listening(port)
    return Hop(name, port, process)


def sandbox(home: Path, port: int) -> Hop:
    line = [sys.executable, "-m", "mailhook.cli", "sandbox", "--port", str(port)]
    return _started("sandbox", port, line, home / "sandbox.log")


def mailhook(home: Path, port: int, next_port: int, videomost: int, *, uvloop: bool) -> Hop:
    """Without `uvloop` it is hidden, as where it is not installed."""
    name = "mailhook, uvloop" if uvloop else "mailhook"
    own = home / name.replace(", ", "-")
    own.mkdir()
    (own / "config.toml").write_text(
        CONFIG.format(port=port, next_port=next_port, sandbox=videomost, home=own)
    )
    hidden = "" if uvloop else "sys.modules['uvloop'] = None; "
    code = f"import sys; {hidden}from mailhook.cli import main; sys.exit(main())"
    line = [sys.executable, "-c", code, "serve", "--config", str(own / "config.toml")]
    return _started(name, port, line, own / "log")


def proxy(home: Path, port: int, next_port: int) -> Hop:
    line = [sys.executable, str(HERE / "proxy.py"), str(port), str(next_port), str(home / "proxy.log")]
    return _started("aiosmtpd Proxy", port, line, home / "proxy.out")


def haraka(home: Path, cache: Path, port: int, next_port: int) -> Hop:
    """Installed by npm into `cache` unless it is there."""
    module = cache / "node_modules" / "Haraka"
    if not module.exists():
        cache.mkdir(parents=True, exist_ok=True)
        line = ["npm", "install", "--ignore-scripts", "--no-audit", "--no-fund", HARAKA]
        subprocess.run(line, cwd=cache, check=True, capture_output=True)
    own = home / "haraka"
    (own / "config").mkdir(parents=True)
    (own / "plugins").mkdir()
    (own / "plugins" / "relaying.js").write_text(RELAYING)
    settings = {
        "smtp.ini": f"listen=127.0.0.1:{port}\nnodes=0\n",
        "plugins": "relaying\nqueue/smtp_proxy\n",
        "smtp_proxy.ini": f"host=127.0.0.1\nport={next_port}\nenable_outbound=true\n",
        "databytes": "100000000",
        "loglevel": "NOTICE",
        "me": "haraka.example",
        "host_list": "partner.example",
    }
    # A section that is missing is not taken from the defaults.
    settings["connection.ini"] = (module / "config" / "connection.ini").read_text()
    for name, content in settings.items():
        (own / "config" / name).write_text(content)
    return _started(
        "Haraka smtp_proxy", port, ["node", str(module / "bin" / "haraka"), "-c", str(own)], own / "log", own
    )


def postfix(home: Path, ports: dict[str, int]) -> Hop:
    """One instance for `ports`: proxy, direct, hooked; sink and mailhook are where they send to."""
    own = home / "postfix"
    for name in ("config", "queue", "data"):
        (own / name).mkdir(parents=True)
    shutil.chown(own / "data", "postfix")
    (own / "config" / "main.cf").write_text(MAIN_CF.format(home=own))
    (own / "config" / "master.cf").write_text(MASTER_CF.format(**ports))
    subprocess.run(
        ["postfix", "-c", own / "config", "start"], check=True, env=_environment(), capture_output=True
    )
    _listening(ports["proxy"])
    return Hop("Postfix smtpd proxy", ports["proxy"], master=own / "queue" / "pid" / "master.pid")
