"""`mailhook serve` of which a worker kills itself (SIGKILL) at a named instant.

    python -m tests.crash.runner serve VICTIM STEP COUNT --config FILE

STEP is a name that `mailhook.journal.step` is called with, or "any"; the worker that first comes there dies at the
COUNT-th of them. With the STEP "moment" it dies COUNT milliseconds after the first step of any name, wherever it then
is. VICTIM is "worker", "supervisor" (which dies in its stead) or "both". A worker that is started again lives.
"""

import os
import signal
import socket
import sys
import threading
from collections.abc import Callable
from itertools import count
from pathlib import Path

from mailhook import journal, supervisor, worker
from mailhook.channel import Channel

KILLED = "MAILHOOK_TEST_KILLED"
"""Names a file that is there as soon as the kill has been done: nobody is killed twice."""


def _die(victim: str) -> Callable[[], None]:
    def kill() -> None:
        try:
            os.close(os.open(os.environ[KILLED], os.O_CREAT | os.O_EXCL))
        except FileExistsError:
            return
        if victim != "worker":
            os.kill(os.getppid(), signal.SIGKILL)
        if victim != "supervisor":
            os.kill(os.getpid(), signal.SIGKILL)

    return kill


def _hook(die: Callable[[], None], chosen: str, number: int) -> None:
    occurrences = count(1)

    def at_step(name: str) -> None:
        if chosen in {name, "any"} and next(occurrences) == number:
            die()

    def at_moment(_: str) -> None:
        if next(occurrences) == 1:
            threading.Timer(number / 1000, die).start()

    journal.on_step.append(at_moment if chosen == "moment" else at_step)


def _main(role: str, victim: str, step: str, number: str, *rest: str) -> int:
    if role == "serve":
        command = (sys.executable, "-m", "tests.crash.runner", "work", victim, step, number)
        return supervisor.serve(Path(rest[-1]), command)
    _hook(_die(victim), step, int(number))
    return worker.main(Channel(socket.socket(fileno=int(rest[-1]))))


if __name__ == "__main__":
    sys.exit(_main(*sys.argv[1:]))
