"""`mailhook serve` that kills itself (SIGKILL) at a named instant.

    python -m tests.crash.runner STEP COUNT serve --config FILE

STEP is a name that `mailhook.journal.step` is called with, or "any"; the process dies at the COUNT-th of them. With the
STEP "moment" it dies COUNT milliseconds after the first step of any name, wherever it then is.
"""

import os
import signal
import sys
import threading
from itertools import count

from mailhook import cli, journal


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _hook(chosen: str, number: int) -> None:
    occurrences = count(1)

    def at_step(name: str) -> None:
        if chosen in {name, "any"} and next(occurrences) == number:
            _die()

    def at_moment(_: str) -> None:
        if next(occurrences) == 1:
            threading.Timer(number / 1000, _die).start()

    journal.on_step.append(at_moment if chosen == "moment" else at_step)


if __name__ == "__main__":
    _hook(sys.argv[1], int(sys.argv[2]))
    sys.exit(cli.main(sys.argv[3:]))
