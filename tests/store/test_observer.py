"""A store seen beside the mail: what is counted, what is listed, and that looking changes nothing."""

import os
import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from mailhook.core.conference import Conference, JoinDetails, State
from mailhook.core.meeting import Leftover, Meeting, MeetingKey, Suspect
from mailhook.errors import Misconfigured, Temporary
from mailhook.ports import Circumstances, Decision
from mailhook.store import rows
from mailhook.store.file import Access
from mailhook.store.migration import migrations
from mailhook.store.observer import Observer
from mailhook.store.sqlite import DECISIONS, SqliteStore

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
ROOM = Conference(State.ANNOUNCED, details=JoinDetails("room", "https://x.example/?confid=1&confpass=2"))


@dataclass
class Clock:
    now: datetime = NOON

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "store.db"


@pytest.fixture
async def store(path: Path, clock: Clock) -> AsyncIterator[SqliteStore]:
    store = await SqliteStore.open(path, clock)
    yield store
    await store.close()


@pytest.fixture
async def observer(path: Path) -> AsyncIterator[Observer]:
    observer = Observer(str(path))
    yield observer
    observer.close()


def list_of(folder: Path) -> list[str]:
    return [file.name for file in folder.iterdir()]


def content(file: Path) -> bytes:
    return file.read_bytes()


async def become(store: SqliteStore, uid: str, **fields: object) -> None:
    def decide(meeting: Meeting, _: Circumstances) -> tuple[Meeting, None]:
        return replace(meeting, **fields), None  # type: ignore[arg-type]

    await store.change(MeetingKey("boss@example.org", uid), decide)


async def test_an_empty_store(store: SqliteStore, observer: Observer) -> None:
    holdings = await observer.holdings(NOON)
    assert (holdings.conferences, holdings.pending, holdings.oldest, holdings.doubtful) == ({}, {}, {}, 0)
    assert await observer.decisions(10) == []


async def test_what_a_store_holds_is_counted(store: SqliteStore, observer: Observer) -> None:
    await become(store, "stands", conference=ROOM, doubtful="told-by-mail-only")
    await become(store, "failed", error="503", wake_at=NOON + timedelta(minutes=5))
    await become(store, "both", leftovers=(Leftover("x", "p"),), suspects=(Suspect(1, "p"),))
    await become(store, "late", wake_at=NOON - timedelta(minutes=2))
    holdings = await observer.holdings(NOON)
    assert holdings.conferences == {"announced": 1, "absent": 3}
    assert holdings.pending == {"conference": 1, "leftover": 1, "suspect": 1, "due": 1}
    assert holdings.oldest == {"conference": 0, "leftover": 0, "suspect": 0, "due": 120}
    assert holdings.doubtful == 1
    assert [meeting.key.uid for meeting in await observer.doubtful(5)] == ["stands"]
    assert [meeting.key.uid for meeting in await observer.standing(5)] == ["stands"]
    assert {meeting.key.uid for meeting in await observer.pending(5)} == {"failed", "both"}


async def test_pending_counts_from_the_first_failure(
    store: SqliteStore, observer: Observer, clock: Clock
) -> None:
    for attempt in range(1, 4):
        await become(store, "failed", error="503", attempts=attempt, wake_at=NOON + timedelta(days=1))
        clock.now += timedelta(minutes=10)
    assert (await observer.holdings(clock.now)).oldest == {"conference": 1800}
    await become(store, "failed", error="")
    assert (await observer.holdings(clock.now)).oldest == {}
    await become(store, "failed", error="again")
    assert (await observer.holdings(clock.now)).oldest == {"conference": 0}


async def test_the_newest_decisions_are_kept(store: SqliteStore, observer: Observer) -> None:
    made = [Decision(NOON, "pass", "no-marker", 250, uid=str(n)) for n in range(DECISIONS + 20)]
    for start in range(0, len(made), 50):
        await store.remember(made[start : start + 50])
    assert await observer.decisions(DECISIONS * 2) == made[:19:-1]


async def test_a_check_writes_and_changes_nothing(store: SqliteStore, path: Path) -> None:
    before = path.with_name("store.db-wal").stat().st_size
    await store.check()
    assert path.with_name("store.db-wal").stat().st_size > before
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA user_version").fetchone() == (len(migrations()),)


async def test_a_store_that_is_locked_fails_its_check(path: Path, clock: Clock) -> None:
    store = await SqliteStore.open(path, clock, timedelta(milliseconds=1))
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(Temporary, match="locked"):
            await store.check()
    await store.check()
    await store.close()


async def test_an_observer_reads_while_another_writes(
    store: SqliteStore, observer: Observer, path: Path
) -> None:
    await become(store, "stands", conference=ROOM)
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        assert (await observer.holdings(NOON)).conferences == {"announced": 1}


async def test_an_observer_without_a_store(observer: Observer, path: Path) -> None:
    with pytest.raises(Temporary, match="unable to open"):
        await observer.holdings(NOON)
    assert list_of(path.parent) == []


async def test_an_observer_sees_that_a_row_is_broken(
    store: SqliteStore, observer: Observer, path: Path
) -> None:
    await become(store, "failed", error="503", wake_at=NOON)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("UPDATE meeting SET document = '{}'")
        connection.commit()
    with pytest.raises(Temporary, match="cannot be read"):
        await observer.holdings(NOON)


async def test_an_earlier_store_knows_what_is_pending(path: Path, clock: Clock, observer: Observer) -> None:
    """One bad row harms nothing."""
    waiting = {"error": "503", "wake_at": NOON + timedelta(hours=1)}
    with closing(sqlite3.connect(path)) as connection:
        for script in migrations()[:5]:
            connection.executescript(script)
        connection.execute("PRAGMA user_version = 5")
        for uid, meeting in {
            "failed": Meeting(MeetingKey("a@b", "failed"), **waiting),  # type: ignore[arg-type]
            "left": Meeting(MeetingKey("a@b", "left"), leftovers=(Leftover("x", "p"),)),
            "doubt": Meeting(MeetingKey("a@b", "doubt"), conference=ROOM, doubtful="why"),
            "well": Meeting(MeetingKey("a@b", "well")),
        }.items():
            state = meeting.conference.state.value
            document = rows.document(meeting)
            row = ("a@b", uid, state, rows.seconds(meeting.wake_at), NOON.timestamp(), document)
            connection.execute(
                "INSERT INTO meeting (organizer, uid, state, wake_at, updated_at, document) VALUES (?,?,?,?,?,?)",
                row,
            )
        connection.execute(
            "INSERT INTO meeting (organizer, uid, state, updated_at, document) VALUES ('a@b','bad','absent',0,'{')"
        )
        connection.commit()
    store = await SqliteStore.open(path, clock)
    holdings = await observer.holdings(NOON + timedelta(minutes=1))
    assert holdings.oldest == {"conference": 60, "leftover": 60}
    assert holdings.doubtful == 1
    await store.close()


# --- opened by commands -------------------------------------------------------------------------------------


@pytest.mark.parametrize("access", ["look", "change"])
async def test_a_command_makes_no_store(path: Path, clock: Clock, access: Access) -> None:
    with pytest.raises(Misconfigured, match="does not exist: there is none until mailhook serve has made it"):
        await SqliteStore.open(path, clock, access=access)
    assert list_of(path.parent) == []


@pytest.mark.parametrize("access", ["look", "change"])
async def test_a_command_migrates_no_store(path: Path, clock: Clock, access: Access) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(migrations()[0])
        connection.execute("PRAGMA user_version = 1")
    before = content(path)
    with pytest.raises(Misconfigured, match="schema 1, this version of mailhook works with"):
        await SqliteStore.open(path, clock, access=access)
    assert content(path) == before


async def test_looking_cannot_write(store: SqliteStore, path: Path, clock: Clock) -> None:
    await become(store, "stands", conference=ROOM)
    looking = await SqliteStore.open(path, clock, access="look")
    assert [meeting.key.uid for meeting in await looking.all()] == ["stands"]
    with pytest.raises(Temporary, match="readonly"):
        await become(looking, "stands", error="x")
    await looking.close()


NOBODY = 65534
root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root: what it does with another user's store")


@root
@pytest.mark.parametrize("access", ["look", "change"])
async def test_what_root_does_stays_its_owners(path: Path, clock: Clock, access: Access) -> None:
    """SQLite gives the files beside a database to whom that belongs, if root makes them."""
    await (await SqliteStore.open(path, clock)).close()
    os.chown(path, NOBODY, NOBODY)
    store = await SqliteStore.open(path, clock, access=access)
    if access == "change":
        await become(store, "stands", conference=ROOM)
    assert len(await store.all()) == (access == "change")
    assert {file.stat().st_uid for file in path.parent.iterdir()} == {NOBODY}
    await store.close()


@pytest.mark.parametrize("access", ["look", "change"])
async def test_another_user_is_sent_away(
    path: Path, clock: Clock, access: Access, monkeypatch: pytest.MonkeyPatch
) -> None:
    await (await SqliteStore.open(path, clock)).close()
    monkeypatch.setattr(os, "geteuid", lambda: NOBODY)
    with pytest.raises(Misconfigured, match=f"belongs to user {os.getuid()}: run this as that user"):
        await SqliteStore.open(path, clock, access=access)
