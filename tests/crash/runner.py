"""`mailhook serve` of which processes are killed (SIGKILL) at named instants.

    python -m tests.crash.runner serve PLAN --config FILE

PLAN is a folder that holds the next kill, an empty file named VICTIM.STEP.COUNT.NUMBER, or nothing: then nobody dies.
STEP is a name that `mailhook.journal.step` is called with, or "any"; the first worker that comes there for the
COUNT-th time removes the file, so that nobody dies twice, and kills. With the STEP "moment" it does so COUNT
milliseconds after its next step, wherever it then is. VICTIM is "worker" (itself), "supervisor", or "both". NUMBER
tells two kills apart.
"""

import os
import signal
import socket
import sys
import threading
from pathlib import Path

from mailhook import journal, supervisor, worker
from mailhook.channel import Channel


class Killer:
    """To be called at every step of a worker. One whose supervisor is dead already kills nobody."""

    def __init__(self, plan: Path) -> None:
        self._plan = plan
        self._supervisor = os.getppid()
        self._known = ""
        self._left = 0

    def __call__(self, name: str) -> None:
        plan = next(iter(os.listdir(self._plan)), "")
        if not plan or os.getppid() != self._supervisor:
            return
        fresh, self._known = plan != self._known, plan
        _, step, count, _ = plan.split(".")
        if fresh:
            self._left = int(count)
        if step == "moment":
            if fresh:
                threading.Timer(self._left / 1000, self._kill, (plan,)).start()
        elif step in {name, "any"}:
            self._left -= 1
            if self._left == 0:
                self._kill(plan)

    def _kill(self, plan: str) -> None:
        try:
            supervisor = os.pidfd_open(self._supervisor)
            if os.getppid() != self._supervisor:
                return
            (self._plan / plan).unlink()
        except (FileNotFoundError, ProcessLookupError):
            return
        victim = plan.partition(".")[0]
        if victim != "worker":
            signal.pidfd_send_signal(supervisor, signal.SIGKILL)
        if victim != "supervisor":
            os.kill(os.getpid(), signal.SIGKILL)


def _main(role: str, plan: str, *rest: str) -> int:
    if role == "serve":
        return supervisor.serve(Path(rest[-1]), (sys.executable, "-m", "tests.crash.runner", "work", plan))
    journal.on_step.append(Killer(Path(plan)))
    return worker.main(Channel(socket.socket(fileno=int(rest[-1]))))


if __name__ == "__main__":
    sys.exit(_main(*sys.argv[1:]))
