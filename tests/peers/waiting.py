"""Waiting on a condition, for peers that are processes and cannot tell us."""

import asyncio
import re
from collections.abc import Awaitable, Callable
from typing import TypeVar

T = TypeVar("T")

PATIENCE = 90.0
LOOK_AGAIN = 0.05


async def eventually(look: Callable[[], T], what: str, patience: float = PATIENCE) -> T:
    """What `look` returns, as soon as that is true; fails, naming `what`, after `patience` seconds."""

    async def looked() -> T:
        return look()

    return await eventually_async(looked, what, patience)


async def eventually_async(look: Callable[[], Awaitable[T]], what: str, patience: float = PATIENCE) -> T:
    try:
        async with asyncio.timeout(patience):
            while not (found := await look()):  # noqa: ASYNC110 - nothing in this process could set an event
                await asyncio.sleep(LOOK_AGAIN)
            return found
    except TimeoutError:
        raise AssertionError(f"not within {patience:g} s: {what}") from None


async def found_in(text: Callable[[], str], pattern: str) -> re.Match[str]:
    """The first match of `pattern` in what `text` returns, as soon as there is one."""
    found = await eventually(lambda: re.search(pattern, text()), f"there is {pattern}")
    assert found is not None
    return found
