"""Changes that come while others are being committed, committed together: each transaction waits for the disk once.

What: `Changes` hands the changes of a process to the store's thread, one transaction at a time. None is answered
before its transaction has been committed.

Not here: what a change does (`sqlite`), the connection (`file`).

Errors: what a change raises comes to who asked for it, and to nobody else.
"""

import asyncio
import sqlite3
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, Generic, TypeVar

from mailhook.store.migration import transaction

R = TypeVar("R")

Work = Callable[[sqlite3.Connection], R]

MOST = 32
"""Changes in one transaction: other processes wait for its end."""


@dataclass(frozen=True)
class _Asked(Generic[R]):
    work: Work[R]
    answer: "asyncio.Future[R]"


class Changes:
    """`run`: on the store's thread."""

    def __init__(self, run: Callable[[Work[list[Any]]], Awaitable[list[Any]]]) -> None:
        self._run = run
        self._asked: deque[_Asked[Any]] = deque()
        self._turns: asyncio.Task[None] | None = None

    async def made(self, work: Work[R]) -> R:
        """The answer of `work`, which is committed. It runs once more if its transaction failed: it must be pure."""
        asked = _Asked[R](work, asyncio.get_running_loop().create_future())
        self._asked.append(asked)
        if self._turns is None:
            self._turns = asyncio.create_task(self._take_turns(), name="changes of the store")
        return await asked.answer

    async def ended(self) -> None:
        """All that has been asked for so far is answered."""
        if self._turns is not None:
            await asyncio.wait({self._turns})

    async def _take_turns(self) -> None:
        try:
            while self._asked:
                await self._answer([self._asked.popleft() for _ in range(min(len(self._asked), MOST))])
        finally:
            self._turns = None

    async def _answer(self, asked: list[_Asked[Any]]) -> None:
        try:
            answers = await self._run(partial(_together, [each.work for each in asked]))
        except Exception as fault:
            if len(asked) == 1:
                _settle(asked[0].answer, partial(asked[0].answer.set_exception, fault))
                return
            # Which of them was at fault, each finds out by itself.
            for each in asked:
                await self._answer([each])
            return
        for each, answer in zip(asked, answers, strict=True):
            _settle(each.answer, partial(each.answer.set_result, answer))


def _together(works: list[Work[Any]], connection: sqlite3.Connection) -> list[Any]:
    with transaction(connection):
        return [work(connection) for work in works]


def _settle(answer: "asyncio.Future[Any]", settle: Callable[[], None]) -> None:
    """Unless who asked is gone."""
    if not answer.done():
        settle()
