"""Meetings in an SQLite file that several processes share.

What: `SqliteStore` is `ports.Store` over plain sqlite3. All work of a process goes through one thread, which owns the
connection; processes take turns by BEGIN IMMEDIATE. WAL and synchronous=FULL: what was committed survives a power cut.

Not here: what a meeting is (`core.meeting`) and how it becomes a row (`rows`).

Errors: Temporary with SQLite's reason (corrupt, read-only, full, locked, lost). The connection is then opened anew at
the next call, so the store recovers by itself. Misconfigured: a later version of mailhook wrote the schema. Permanent:
a meeting whose text cannot be stored (see `rows`).
"""

import asyncio
import json
import logging
import secrets
import sqlite3
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Self, TypeVar

from mailhook.core.copies import due_at
from mailhook.core.meeting import CopyKind, Meeting, MeetingKey
from mailhook.core.pending import pending
from mailhook.errors import MailhookError, Temporary
from mailhook.ports import Circumstances, Decide, Decision, Sighting
from mailhook.store import rows
from mailhook.store.changes import Changes
from mailhook.store.file import Access, File
from mailhook.store.migration import transaction

T = TypeVar("T")
R = TypeVar("R")

HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
SECRET_LENGTH = 32
DECISIONS = 500
"""So many are kept, the newest."""

_SELECT = "SELECT document FROM meeting WHERE organizer = ? AND uid = ?"
_LOG = logging.getLogger("mailhook.store")

_ALL = "SELECT document, organizer, uid FROM meeting ORDER BY wake_at IS NULL, wake_at, organizer, uid"
_DUE = "SELECT organizer, uid FROM meeting WHERE wake_at <= ? ORDER BY wake_at LIMIT ?"
_NEWS = "SELECT organizer, uid FROM meeting WHERE notice_at <= ? ORDER BY notice_at LIMIT ?"
_COPIES = {
    kind: f"SELECT organizer, uid FROM meeting WHERE {kind}_at <= ? ORDER BY {kind}_at LIMIT ?"  # noqa: S608
    for kind in CopyKind
}
_OF_ORGANIZER = "SELECT document, organizer, uid FROM meeting WHERE organizer = ? ORDER BY uid"
_MISSED = {
    kind: "SELECT count(*) FROM meeting WHERE json_extract(document, '$.copies."  # noqa: S608
    f"{kind}.missing') > ? AND {kind}_at IS NOT NULL"
    for kind in CopyKind
}
"""Moments are stored as ISO 8601 in UTC, so text orders them."""
_WRITE = "INSERT OR REPLACE INTO meeting VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
_PENDING_SINCE = "SELECT pending_since FROM meeting WHERE organizer = ? AND uid = ?"
_LINK = "INSERT OR REPLACE INTO link VALUES (?, ?, ?)"
_MAKERS = "SELECT link, organizer, uid FROM link WHERE link IN (SELECT value FROM json_each(?))"
_PURGE_LINKS = (
    "DELETE FROM link WHERE NOT EXISTS"
    " (SELECT * FROM meeting WHERE meeting.organizer = link.organizer AND meeting.uid = link.uid)"
)
_PURGE = "DELETE FROM meeting WHERE wake_at IS NULL AND updated_at < ?"
_REMEMBER = "INSERT INTO decision (at, document) VALUES (?, ?)"
_FORGET = "DELETE FROM decision WHERE id <= (SELECT max(id) FROM decision) - ?"
_COUNT = "INSERT OR REPLACE INTO ledger VALUES (?, ?, ?, ?, ?)"
_CREATED = "SELECT count(*) FROM ledger WHERE kind = 'create' AND organizer = ? AND +at > ?"
"""By the key (`+`): the index holds all organizers'."""
_DELETED = "SELECT count(*) FROM ledger WHERE kind = 'delete' AND at > ?"


class SqliteStore:
    """`ports.Store` in one SQLite file; ":memory:" is a store of this process alone, for demo and tests."""

    def __init__(
        self, path: str, clock: Callable[[], datetime], patience: timedelta, access: Access = "make"
    ) -> None:
        """Use `open`."""
        self._file = File(path, patience, access)
        self._clock = clock
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="mailhook-store")
        self._changes = Changes(self._run)

    @classmethod
    async def open(
        cls,
        path: str | Path,
        clock: Callable[[], datetime],
        patience: timedelta = timedelta(seconds=5),
        access: Access = "make",
    ) -> Self:
        """Open `path`.

        `clock` gives aware datetimes. `patience`: how long a call waits for another process's transaction.
        """
        store = cls(str(path), clock, patience, access)
        try:
            await store._run(lambda _: None)
        except MailhookError:
            await store.close()
            raise
        return store

    @classmethod
    def known(
        cls, path: str | Path, clock: Callable[[], datetime], patience: timedelta = timedelta(seconds=5)
    ) -> Self:
        """A file that `open` has opened before, maybe in another process: it need not be in order now, and if it is
        lost it is not made anew.
        """
        store = cls(str(path), clock, patience)
        store._file.made = True
        return store

    async def change(self, key: MeetingKey, decide: Decide[T]) -> T:
        """See `ports.Store.change`. A change that has begun completes even if the caller is cancelled."""
        return await self._changes.made(lambda connection: self._change(connection, key, decide))

    async def get(self, key: MeetingKey) -> Meeting | None:
        return await self._run(lambda connection: _read(connection, key))

    async def all(self) -> list[Meeting]:
        """See `ports.Store.all`; a row that cannot be read is left out, and told."""

        def work(connection: sqlite3.Connection) -> list[Meeting]:
            return [meeting for row in connection.execute(_ALL) if (meeting := _readable(*row)) is not None]

        return await self._run(work)

    async def due(self, limit: int) -> list[MeetingKey]:
        return await self._waiting(_DUE, limit)

    async def news(self, limit: int) -> list[MeetingKey]:
        return await self._waiting(_NEWS, limit)

    async def copies(self, kind: CopyKind, limit: int) -> list[MeetingKey]:
        return await self._waiting(_COPIES[kind], limit)

    async def of_organizer(self, organizer: str) -> list[Meeting]:
        """See `ports.Store.of_organizer`; a row that cannot be read is left out, and told."""

        def work(connection: sqlite3.Connection) -> list[Meeting]:
            found = connection.execute(_OF_ORGANIZER, (organizer,))
            return [meeting for row in found if (meeting := _readable(*row)) is not None]

        return await self._run(work)

    async def missed(self, kind: CopyKind, within: timedelta) -> int:
        def work(connection: sqlite3.Connection) -> int:
            since = (self._clock() - within).astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S")
            return _count(connection, _MISSED[kind], since)

        return await self._run(work)

    async def _waiting(self, query: str, limit: int) -> list[MeetingKey]:
        def work(connection: sqlite3.Connection) -> list[MeetingKey]:
            found = connection.execute(query, (self._clock().timestamp(), limit))
            return [MeetingKey(organizer, uid) for organizer, uid in found]

        return await self._run(work)

    async def purge(self, before: datetime) -> int:
        """See `ports.Store.purge`; what the hourly limits no longer need is forgotten too."""

        def work(connection: sqlite3.Connection) -> int:
            with transaction(connection):
                connection.execute("DELETE FROM ledger WHERE at < ?", ((self._clock() - DAY).timestamp(),))
                purged = connection.execute(_PURGE, (before.timestamp(),)).rowcount
                connection.execute(_PURGE_LINKS)
                return purged

        return await self._run(work)

    async def makers(self, links: Collection[str]) -> dict[str, frozenset[MeetingKey]]:
        def work(connection: sqlite3.Connection) -> dict[str, frozenset[MeetingKey]]:
            found: dict[str, set[MeetingKey]] = {}
            for link, *key in connection.execute(_MAKERS, (json.dumps(list(links)),)):
                found.setdefault(link, set()).add(MeetingKey(*key))
            return {link: frozenset(keys) for link, keys in found.items()}

        return await self._run(work)

    async def note(self, sighting: Sighting) -> None:
        def work(connection: sqlite3.Connection) -> None:
            with transaction(connection):
                connection.execute(
                    "INSERT OR REPLACE INTO sighting VALUES (?, ?)", (sighting, self._clock().timestamp())
                )

        await self._run(work)

    async def remember(self, decisions: Sequence[Decision]) -> None:
        def work(connection: sqlite3.Connection) -> None:
            documents = [(rows.seconds(each.at), rows.decision_document(each)) for each in decisions]
            with transaction(connection):
                connection.executemany(_REMEMBER, documents)
                connection.execute(_FORGET, (DECISIONS,))

        await self._run(work)

    async def check(self) -> None:
        """See `ports.Store.check`: a real write to the disk, which changes nothing."""

        def work(connection: sqlite3.Connection) -> None:
            with transaction(connection):
                (version,) = connection.execute("PRAGMA user_version").fetchone()
                connection.execute(f"PRAGMA user_version = {version}")

        await self._run(work)

    async def secret(self) -> bytes:
        """See `ports.Store.secret`: 32 bytes."""
        return await self._run(_secret)

    async def close(self) -> None:
        """Close when the calls that wait have been done; harmless when closed."""
        await self._changes.ended()
        with suppress(RuntimeError):  # the thread has been shut down before
            await asyncio.get_running_loop().run_in_executor(self._thread, self._file.close)
        self._thread.shutdown(wait=False)

    async def _run(self, work: Callable[[sqlite3.Connection], R]) -> R:
        loop = asyncio.get_running_loop()
        try:
            call = loop.run_in_executor(self._thread, self._file.use, work)
        except RuntimeError:
            raise Temporary("the store is closed") from None
        return await call

    def _change(self, connection: sqlite3.Connection, key: MeetingKey, decide: Decide[T]) -> T:
        now = self._clock()
        since = (now - HOUR).timestamp()
        circumstances = Circumstances(
            now,
            created_by_organizer=lambda: _count(connection, _CREATED, key.organizer, since),
            deleted=lambda: _count(connection, _DELETED, since),
        )
        before = _read(connection, key) or Meeting(key)
        after, answer = decide(before, circumstances)
        if after != before:
            _write(connection, before, after, now)
        return answer


def _read(connection: sqlite3.Connection, key: MeetingKey) -> Meeting | None:
    row = connection.execute(_SELECT, rows.columns(key)).fetchone()
    return rows.meeting(row[0]) if row else None


def _count(connection: sqlite3.Connection, query: str, *of: str | float) -> int:
    (count,) = connection.execute(query, of).fetchone()
    return int(count)


def _readable(document: str, organizer: str, uid: str) -> Meeting | None:
    try:
        return rows.meeting(document)
    except Temporary as fault:
        _LOG.error("the meeting %s of %s is left out: %s", uid, organizer, fault)
        return None


def _write(connection: sqlite3.Connection, before: Meeting, after: Meeting, now: datetime) -> None:
    key, conference = before.key, after.conference
    room = conference.details.conference_id if conference.details else None
    moments = (rows.seconds(after.wake_at), now.timestamp())
    connection.execute(
        _WRITE,
        (
            *(*rows.columns(key), conference.state.value, room, *moments, rows.document(after)),
            rows.notice_at(after),
            *(rows.seconds(due_at(after, kind)) for kind in CopyKind),
            _pending_since(connection, after, now),
            bool(after.doubtful) and after.link is not None,
        ),
    )
    for link in rows.links(after) - rows.links(before):
        connection.execute(_LINK, (link, *rows.columns(key)))
    if kind := rows.counted(before, after):
        connection.execute(_COUNT, (kind, *rows.columns(key), conference.generation, now.timestamp()))


def _pending_since(connection: sqlite3.Connection, meeting: Meeting, now: datetime) -> float | None:
    """Since when it is so, however often it was tried meanwhile."""
    if not pending(meeting):
        return None
    row = connection.execute(_PENDING_SINCE, rows.columns(meeting.key)).fetchone()
    return now.timestamp() if row is None or row[0] is None else float(row[0])


def _secret(connection: sqlite3.Connection) -> bytes:
    offer = ("conference-id", secrets.token_bytes(SECRET_LENGTH))
    with transaction(connection):
        connection.execute("INSERT OR IGNORE INTO secret VALUES (?, ?)", offer)
        (value,) = connection.execute("SELECT value FROM secret WHERE name = ?", offer[:1]).fetchone()
    return bytes(value)
