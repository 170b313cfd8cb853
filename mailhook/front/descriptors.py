"""File descriptors: as many as the settings may need, and what happens when there are none left.

What: `provide` raises the soft limit of this process, as far as the system allows; `survive` makes the event loop tell
of a listening socket that cannot accept in one line now and then. Accepting goes on by itself: asyncio looks
again after a second, and connections that are open are served meanwhile.

Not here: limits on clients (limits).

Errors: none.
"""

import asyncio
import errno
import logging
import resource
from typing import Any

from mailhook.front.limits import Seldom

SPARE = 100
"""For the store, the provider, pages and logs."""

SHORTAGE = {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM}

log = logging.getLogger("mailhook.front.descriptors")


def provide(needed: int) -> int:
    """How many of `needed` descriptors there are to be had now, beside those that are spare."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = needed + SPARE
    if soft != resource.RLIM_INFINITY and soft < wanted:
        soft = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    return needed if soft == resource.RLIM_INFINITY else min(needed, max(soft - SPARE, 1))


def survive(loop: asyncio.AbstractEventLoop) -> None:
    """asyncio would tell each failed accept with a traceback, more than a hundred times a second."""
    seldom = Seldom(60)

    def handle(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        fault = context.get("exception")
        if not (isinstance(fault, OSError) and fault.errno in SHORTAGE and "socket" in context):
            loop.default_exception_handler(context)
        elif (times := seldom.due(loop.time())) is not None:
            log.error("cannot accept connections for now (%d times): %s; raise LimitNOFILE", times, fault)

    loop.set_exception_handler(handle)
