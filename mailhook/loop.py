"""The event loop of a process that relays mail.

What: `run` takes uvloop where it is installed (`pip install mailhook[uvloop]`), else asyncio's own loop, and keeps the
garbage collector from looking again and again through what was loaded at the start and stays until the end.

Not here: what runs (`app`).

Errors: those of what runs.
"""

import asyncio
import gc
from collections.abc import Callable, Coroutine

COLLECT_AFTER = 2_000
"""Objects that come into being between two looks of the garbage collector, by default 700. 10 000 cost as much CPU, and
a mail that came when it was time to look waited for three times as long, up to 10 ms."""


def run(work: Coroutine[object, object, None]) -> None:
    """Run `work` to its end, as `asyncio.run` does."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(COLLECT_AFTER, 10, 10)
    with asyncio.Runner(loop_factory=_factory()) as runner:
        runner.run(work)


def _factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    try:
        import uvloop  # noqa: PLC0415 - it may not be installed
    except ImportError:
        return None
    return uvloop.new_event_loop
