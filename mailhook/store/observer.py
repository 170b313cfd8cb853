"""A store as an administrator's page and a monitoring server see it, beside the mail.

What: `Observer` reads over a connection of its own that cannot write, in a thread of its own: a file system that hangs
holds up nobody but who asked.

Not here: what the answers mean (`admin`, `meter`).

Errors: Temporary with SQLite's reason; it also ends what takes too long. Misconfigured: another schema.
"""

import asyncio
import sqlite3
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import datetime
from pathlib import Path
from time import monotonic
from typing import TypeVar

from mailhook.core.meeting import Meeting
from mailhook.core.pending import pending
from mailhook.errors import Temporary
from mailhook.ports import Decision, Holdings
from mailhook.store import rows
from mailhook.store.migration import require_current

R = TypeVar("R")

PATIENCE = 2.0
"""Seconds that one look may take."""

STEPS = 10_000
"""Of SQLite's machine, between two looks at the clock."""

MOST = 1000
"""Meetings that are read to tell what is pending; more are only counted as the kinds of these."""

_STATES = "SELECT state, count(*) FROM meeting GROUP BY state"
_DOUBTFUL = "SELECT count(*) FROM meeting WHERE doubtful"
_DUE = "SELECT count(*), min(wake_at) FROM meeting WHERE wake_at <= ?"
_PENDING = "SELECT document, pending_since FROM meeting WHERE pending_since IS NOT NULL ORDER BY pending_since LIMIT ?"
_ALARMING = "SELECT document FROM meeting WHERE doubtful ORDER BY updated_at DESC LIMIT ?"
_STANDING = (
    "SELECT document FROM meeting WHERE (organizer, uid) IN (SELECT organizer, uid FROM meeting"
    " WHERE state IN ('ready', 'announced') ORDER BY updated_at DESC LIMIT ?) ORDER BY updated_at DESC"
)
"""The inner one by the index alone: documents are long."""
_DECISIONS = "SELECT document FROM decision ORDER BY id DESC LIMIT ?"


class Observer:
    """`path` of the store's file, which is looked for at each call."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="mailhook-observer")

    async def holdings(self, now: datetime) -> Holdings:
        return await self._run(lambda connection: _holdings(connection, now.timestamp()))

    async def pending(self, limit: int) -> list[Meeting]:
        """What has failed so far or is in doubt, the longest so at the head."""
        return await self._meetings(_PENDING, limit)

    async def doubtful(self, limit: int) -> list[Meeting]:
        return await self._meetings(_ALARMING, limit)

    async def standing(self, limit: int) -> list[Meeting]:
        """Meetings with a conference, the last changed at the head."""
        return await self._meetings(_STANDING, limit)

    async def decisions(self, limit: int) -> list[Decision]:
        """The newest first."""

        def work(connection: sqlite3.Connection) -> list[Decision]:
            return [rows.decision(document) for (document,) in connection.execute(_DECISIONS, (limit,))]

        return await self._run(work)

    def close(self) -> None:
        self._thread.shutdown(wait=False, cancel_futures=True)

    async def _meetings(self, query: str, limit: int) -> list[Meeting]:
        def work(connection: sqlite3.Connection) -> list[Meeting]:
            return [rows.meeting(document) for document, *_ in connection.execute(query, (limit,))]

        return await self._run(work)

    async def _run(self, work: Callable[[sqlite3.Connection], R]) -> R:
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._look, work)

    def _look(self, work: Callable[[sqlite3.Connection], R]) -> R:
        end = monotonic() + PATIENCE
        address = f"{Path(self._path).absolute().as_uri()}?mode=ro"
        try:
            with closing(sqlite3.connect(address, uri=True, isolation_level=None)) as connection:
                connection.execute(f"PRAGMA busy_timeout = {int(PATIENCE * 1000)}")
                connection.set_progress_handler(lambda: monotonic() > end, STEPS)
                require_current(connection)
                return work(connection)
        except sqlite3.Error as fault:
            raise Temporary(f"the store {self._path} failed: {fault}") from fault


def _holdings(connection: sqlite3.Connection, now: float) -> Holdings:
    kinds: Counter[str] = Counter()
    oldest: dict[str, float] = {}
    for document, since in connection.execute(_PENDING, (MOST,)):
        for kind in pending(rows.meeting(document)):
            kinds[kind.value] += 1
            oldest.setdefault(kind.value, max(now - since, 0.0))
    due, waiting = connection.execute(_DUE, (now,)).fetchone()
    if due:
        kinds["due"], oldest["due"] = due, max(now - waiting, 0.0)
    (doubtful,) = connection.execute(_DOUBTFUL).fetchone()
    return Holdings(dict(connection.execute(_STATES)), dict(kinds), oldest, doubtful)
