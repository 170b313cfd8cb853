"""The hops that are measured, each as its users run it: its own process, limits and a log in a file.

What: `Hop` is a port and a process tree, and what it has cost; `mailhook`, `pump` and `sandbox` start one.

Not here: other people's hops (peers), what is sent through them (workloads, latency).

Errors: AssertionError when one does not listen in time, or its event loop is not the one that it should be.
"""

import os
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import monotonic, sleep
from typing import NamedTuple

NONE, PUMP = "no hop", "a pump (C, looks at nothing)"
TICKS = os.sysconf("SC_CLK_TCK")

# The status page is on, as by default, one port above: `free_ports` leaves it free.
CONFIG = """
[listen]
port = {port}
workers = {workers}
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
[http]
port = {http_port}
"""


class Cpu(NamedTuple):
    """Seconds."""

    user: float
    system: float


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

    def cpu(self) -> Cpu:
        """Of all its processes, those that have ended included."""
        found = [_cpu(pid) for pid in self.pids()]
        return Cpu(sum(each.user for each in found), sum(each.system for each in found))

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
                ["postfix", "-c", config, "stop"], check=False, env=environment(), capture_output=True
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


def _read(file: str) -> str:
    """ "" if the process has ended."""
    try:
        return Path(file).read_text()
    except OSError:
        return ""


def _stat(pid: int) -> list[str]:
    """proc(5), from the state on; [] if it has ended."""
    return _read(f"/proc/{pid}/stat").rpartition(") ")[2].split()


def _cpu(pid: int) -> Cpu:
    fields = _stat(pid) or ["0"] * 15
    user, system, ended_user, ended_system = (int(field) / TICKS for field in fields[11:15])
    return Cpu(user + ended_user, system + ended_system)


def _peak(pid: int) -> float:
    lines = _read(f"/proc/{pid}/status").splitlines()
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM")), 0.0)


def environment() -> dict[str, str]:
    """With what Debian has in sbin."""
    return {**os.environ, "PATH": f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/bin"}


def free_ports() -> Iterator[int]:
    """Below the range from which connections are given their ports; the one above each is free too."""
    for port in range(21000 + os.getpid() % 2500 * 2, 32000, 2):
        if _is_free(port) and _is_free(port + 1):
            yield port


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def listening(port: int, within: float = 60.0) -> None:
    end = monotonic() + within
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        except OSError:
            assert monotonic() < end, f"nothing listens on {port}"
            sleep(0.05)


def started(
    name: str,
    port: int,
    line: Sequence[str],
    log: Path,
    *,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
) -> Hop:
    with log.open("ab") as file:
        process = subprocess.Popen(line, stdout=file, stderr=file, cwd=cwd, env=env)
    listening(port)
    return Hop(name, port, process)


def sandbox(home: Path, port: int, name: str = "sandbox") -> Hop:
    line = [sys.executable, "-m", "mailhook.cli", "sandbox", "--port", str(port)]
    return started(name, port, line, home / f"{name}.log")


def pump(home: Path, port: int, next_port: int) -> Hop:
    line = [str(home / "pump"), str(port), str(next_port)]
    return started(PUMP, port, line, home / "pump.log")


def mailhook(home: Path, port: int, next_port: int, videomost: int, *, uvloop: bool, workers: int = 1) -> Hop:
    """Without `uvloop` it is hidden, as where it is not installed."""
    several = f", {workers} processes" if workers > 1 else ""
    name = f"mailhook{several}{', uvloop' if uvloop else ''}"
    own = home / name.replace(", ", "-").replace(" ", "-")
    own.mkdir()
    (own / "config.toml").write_text(
        CONFIG.format(
            port=port, workers=workers, next_port=next_port, sandbox=videomost, home=own, http_port=port + 1
        )
    )
    line = [sys.executable, "-m", "mailhook", "serve", "--config", str(own / "config.toml")]
    hop = started(name, port, line, own / "log", env=os.environ if uvloop else _without_uvloop(home))
    _on_the_right_loop(hop, own / "log", uvloop, workers)
    return hop


def _without_uvloop(home: Path) -> dict[str, str]:
    """An environment in which no process finds it, those included that mailhook starts."""
    hiding = home / "without-uvloop"
    hiding.mkdir(exist_ok=True)
    (hiding / "uvloop.py").write_text('raise ImportError("hidden by the benchmark")\n')
    found = os.environ.get("PYTHONPATH")
    return {**os.environ, "PYTHONPATH": f"{hiding}:{found}" if found else str(hiding)}


def _on_the_right_loop(hop: Hop, log: Path, uvloop: bool, workers: int) -> None:
    """Of the processes that relay mail; what else runs does not matter."""
    end = monotonic() + 60
    # Said when all of them accept.
    while " listening " not in log.read_text():
        assert monotonic() < end, f"{hop.name} is not ready: {log.read_text()}"
        sleep(0.05)
    relaying = [pid for pid in hop.pids() if "mailhook.worker" in _read(f"/proc/{pid}/cmdline")]
    assert len(relaying) == workers, f"{hop.name} has {len(relaying)} workers"
    for pid in relaying:
        assert ("/uvloop/" in _read(f"/proc/{pid}/maps")) == uvloop, f"{hop.name}: the wrong event loop"
