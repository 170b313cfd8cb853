"""The figures of all processes that share a folder, in one answer.

What: `AllProcesses` collects what is in the files of prometheus_client's multiprocess mode, and the events of the
supervisor. The counters of processes that have ended are folded into one file for each kind, else each reload would
leave files of 64 KiB that every answer has to read.

Not here: which metrics there are (`meter`), the events and gauges of who has ended (`metrics_folder`).

Errors: OSError where the folder cannot be read.
"""

import fcntl
import os
import re
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from prometheus_client import Metric
from prometheus_client.mmap_dict import MmapedDict
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

from mailhook.metrics_folder import events

KINDS = ("counter", "histogram")
"""Of files of which the values of two processes are added."""

WARNINGS = "mailhook_warnings"

TRIES, PAUSE = 20, 0.002
"""How often, and after how many seconds, who wants to read looks again while another process folds."""


class AllProcesses(Collector):
    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def collect(self) -> Iterable[Metric]:
        with _locked(self._folder, fcntl.LOCK_EX, tries=1) as alone:
            if alone:
                _fold(self._folder)
        # Read while another folds, what has ended would count twice or not at all.
        with _locked(self._folder, fcntl.LOCK_SH, tries=TRIES):
            found = list(MultiProcessCollector(None, str(self._folder)).collect())  # type: ignore[no-untyped-call]
        for metric in found:
            if metric.name == WARNINGS:
                _add_events(metric, self._folder)
        return found


@contextmanager
def _locked(folder: Path, kind: int, *, tries: int) -> Iterator[bool]:
    """Whether it could be locked: who waits for it longer than a moment would wait for a process that stands still."""
    file = os.open(folder / "lock", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    try:
        yield any(_lock(file, kind, pause=PAUSE if number else 0.0) for number in range(tries))
    finally:
        os.close(file)


def _lock(file: int, kind: int, *, pause: float) -> bool:
    time.sleep(pause)
    try:
        fcntl.flock(file, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _fold(folder: Path) -> None:
    for kind in KINDS:
        dead = [file for file in folder.glob(f"{kind}_*.db") if _has_ended(file)]
        if dead:
            _add(dead, folder / f"{kind}_ended.db")
            for file in dead:
                file.unlink()


def _has_ended(file: Path) -> bool:
    pid = re.fullmatch(r"[a-z]+_(\d+)\.db", file.name)
    if pid is None:
        return False
    try:
        os.kill(int(pid[1]), 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False
    return False


def _add(files: Iterable[Path], to: Path) -> None:
    """In a copy that takes its place, so that a process that is killed here does not leave half of it."""
    fresh = to.with_suffix(".new")
    fresh.unlink(missing_ok=True)
    sums: dict[str, float] = {}
    for file in (*files, *([to] if to.exists() else ())):
        for key, value, _, _ in MmapedDict.read_all_values_from_file(str(file)):  # type: ignore[no-untyped-call]
            sums[key] = sums.get(key, 0.0) + value
    total = MmapedDict(str(fresh))  # type: ignore[no-untyped-call]
    for key, value in sums.items():
        total.write_value(key, value, 0.0)  # type: ignore[no-untyped-call]
    total.close()  # type: ignore[no-untyped-call]
    fresh.replace(to)


def _add_events(metric: Metric, folder: Path) -> None:
    """To the workers' own, of the same name."""
    told = dict(events(folder))
    for number, sample in enumerate(metric.samples):
        more = told.pop(sample.labels["event"], 0)
        metric.samples[number] = sample._replace(value=sample.value + more)
    for event, count in told.items():
        metric.add_sample(f"{WARNINGS}_total", {"event": event}, count)
