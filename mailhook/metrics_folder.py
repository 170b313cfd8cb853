"""The folder that the processes of `mailhook serve` share for their figures (prometheus_client's multiprocess mode).

What: `forget_process` takes away what a process that has ended no longer has in hand; `Events` writes down what the
supervisor, which counts nothing else, has had to warn of, and `events` reads it.

Not here: the files of prometheus_client (`meter`); nothing of it is imported, since the supervisor imports little.

Errors: none. Warnings that cannot be written are not counted; the log has them.
"""

import json
import logging
from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

EVENTS = "supervisor.json"


class Events:
    """A hook for `journal.on_event`."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / EVENTS
        self._counts: Counter[str] = Counter()

    def __call__(self, name: str, level: int) -> None:
        if level < logging.WARNING:
            return
        self._counts[name] += 1
        with suppress(OSError):
            fresh = self._file.with_suffix(".new")
            fresh.write_text(json.dumps(self._counts), encoding="utf-8")
            fresh.replace(self._file)


def events(folder: Path) -> Mapping[str, int]:
    """How often the supervisor has told of each."""
    try:
        told = json.loads((folder / EVENTS).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    assert isinstance(told, dict)
    return told


def forget_process(folder: Path, pid: int) -> None:
    """Its gauges count no more; what it has counted stays.

    So does prometheus_client.multiprocess.mark_process_dead, which would have to be imported for it.
    """
    for file in folder.glob(f"gauge_live*_{pid}.db"):
        file.unlink(missing_ok=True)
