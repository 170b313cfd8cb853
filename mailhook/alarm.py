"""One timer for all the waits of a connection.

What: `Alarm` rings when a wait has taken too long. A timer of its own for each wait costs more than most waits take;
this one is left running, and moved on when it goes off too early.

Not here: what is waited for (`front`, `nexthop`).

Errors: none.
"""

import asyncio
from collections.abc import Callable


class Alarm:
    """`ring` is called once for a wait that is over time.

    The loop is kept, because to ask which one runs costs a system call (getpid, before Python 3.12).
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, ring: Callable[[], None]) -> None:
        self._loop = loop
        self._ring = ring
        self._due: float | None = None
        self._timer: asyncio.TimerHandle | None = None

    def set(self, within: float) -> None:
        """A wait begins that may take so many seconds."""
        self._due = self._loop.time() + within
        if self._timer is not None and self._timer.when() > self._due:
            self._stop()
        if self._timer is None:
            self._timer = self._loop.call_at(self._due, self._look)

    def clear(self) -> None:
        """The wait is over."""
        self._due = None

    def close(self) -> None:
        """For good: timer and alarm hold on to what they would ring."""
        self._stop()
        self._ring = _nothing

    def _stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _look(self) -> None:
        self._timer = None
        if self._due is None:
            return
        if self._loop.time() < self._due:
            self._timer = self._loop.call_at(self._due, self._look)
        else:
            self._due = None
            self._ring()


def _nothing() -> None:
    pass
