"""What is SQLite's own: the file, its faults, its schema, several processes."""
# ruff: noqa: ASYNC240 - a test may wait for its own small files

import asyncio
import os
import signal
import sqlite3
import stat
import sys
from collections.abc import AsyncIterator
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from mailhook.core.conference import Conference, JoinDetails, State
from mailhook.core.meeting import CopyKind, Meeting, MeetingKey
from mailhook.core.order import Stamp
from mailhook.errors import Misconfigured, Permanent, Temporary
from mailhook.ports import Circumstances
from mailhook.store import rows
from mailhook.store.migration import migrations
from mailhook.store.sqlite import SqliteStore
from tests.store.disks import full_disk

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
KEY = MeetingKey("boss@example.org", "uid")


def now() -> datetime:
    return NOON


async def opened(path: Path) -> SqliteStore:
    return await SqliteStore.open(path, now, patience=timedelta(milliseconds=50))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "mailhook.db"


@pytest.fixture
async def store(path: Path) -> AsyncIterator[SqliteStore]:
    store = await opened(path)
    yield store
    await store.close()


async def increment(store: SqliteStore, error: str = "") -> int:
    def decide(before: Meeting, circumstances: Circumstances) -> tuple[Meeting, int]:
        return replace(before, attempts=before.attempts + 1, error=error), before.attempts + 1

    return await store.change(KEY, decide)


def direct(path: Path) -> "closing[sqlite3.Connection]":
    return closing(sqlite3.connect(path, isolation_level=None))


# --- the file ---------------------------------------------------------------------------------------------


async def test_the_file_is_the_owners_alone(store: SqliteStore, path: Path) -> None:
    await increment(store)
    assert {stat.S_IMODE(file.stat().st_mode) for file in path.parent.iterdir()} == {0o600}


async def test_what_was_stored_is_there_after_a_restart(store: SqliteStore, path: Path) -> None:
    await increment(store)
    secret = await store.secret()
    await store.close()
    again = await opened(path)
    assert await again.secret() == secret
    assert await increment(again) == 2
    await again.close()


async def test_commits_survive_a_power_cut(store: SqliteStore, path: Path) -> None:
    def settings(connection: sqlite3.Connection) -> tuple[str, int]:
        (journal,) = connection.execute("PRAGMA journal_mode").fetchone()
        (synchronous,) = connection.execute("PRAGMA synchronous").fetchone()
        return journal, synchronous

    assert await store._run(settings) == ("wal", 2)


async def test_columns_beside_the_document(store: SqliteStore, path: Path) -> None:
    ready = Conference(State.READY, details=JoinDetails("room", "https://x.example/?confid=1&confpass=2"))
    await store.change(KEY, lambda before, known: (Meeting(KEY, conference=ready, wake_at=NOON), None))
    with direct(path) as connection:
        row = connection.execute("SELECT state, conference_id, wake_at, updated_at FROM meeting").fetchone()
    assert row == ("ready", "room", NOON.timestamp(), NOON.timestamp())


async def test_an_unchanged_meeting_writes_nothing(store: SqliteStore, path: Path) -> None:
    await increment(store)
    with direct(path) as connection:
        (version,) = connection.execute("PRAGMA data_version").fetchone()
        await store.change(KEY, lambda before, known: (replace(before), None))
        assert connection.execute("PRAGMA data_version").fetchone() == (version,)
        await increment(store)
        assert connection.execute("PRAGMA data_version").fetchone() != (version,)


async def test_purge_forgets_what_the_limits_no_longer_need(store: SqliteStore, path: Path) -> None:
    with direct(path) as connection:
        for days in (0, 2):
            row = ("create", f"{days}@example.org", "uid", 1, (NOON - timedelta(days=days)).timestamp())
            connection.execute("INSERT INTO ledger VALUES (?, ?, ?, ?, ?)", row)
        assert await store.purge(NOON) == 0
        assert connection.execute("SELECT organizer FROM ledger").fetchall() == [("0@example.org",)]


async def test_text_that_cannot_be_stored_harms_no_other_meeting(store: SqliteStore) -> None:
    broken = MeetingKey("boss@example.org", "\ud800")
    with pytest.raises(Permanent):
        await store.change(broken, lambda before, known: (before, None))
    with pytest.raises(Permanent):
        await store.change(KEY, lambda before, known: (replace(before, error="\ud800"), None))
    assert await increment(store) == 1


# --- faults, and recovery by itself -----------------------------------------------------------------------


async def test_a_locked_store_is_temporary(store: SqliteStore, path: Path) -> None:
    with direct(path) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(Temporary, match="locked"):
            await increment(store)
        other.execute("ROLLBACK")
    assert await increment(store) == 1


async def test_a_full_disk_is_temporary_and_loses_nothing(store: SqliteStore, path: Path) -> None:
    await increment(store)
    with full_disk(path), pytest.raises(Temporary, match=r"full|I/O"):
        await increment(store, error="x" * 100_000)
    assert await store.get(KEY) == Meeting(KEY, attempts=1)
    assert await increment(store) == 2


async def test_a_corrupt_file_is_temporary_until_it_is_restored(path: Path, tmp_path: Path) -> None:
    store = await opened(path)
    await increment(store)
    await store.close()
    backup = tmp_path / "backup"
    backup.write_bytes(path.read_bytes())
    store = await opened(path)
    garbage = tmp_path / "garbage"
    garbage.write_bytes(b"no database" * 1000)
    garbage.replace(path)
    with pytest.raises(Temporary, match="not a database"):
        await increment(store)
    backup.replace(path)
    assert await increment(store) == 2
    await store.close()


async def test_a_corrupt_file_is_refused_at_the_start(path: Path) -> None:
    path.write_bytes(b"no database" * 1000)
    with pytest.raises(Temporary, match="not a database"):
        await opened(path)


async def test_a_lost_file_is_not_replaced_by_an_empty_one(
    store: SqliteStore, path: Path, tmp_path: Path
) -> None:
    await increment(store)
    aside = tmp_path / "aside"
    path.rename(aside)
    with pytest.raises(Temporary, match="No such file"):
        await increment(store)
    assert not path.exists()
    aside.rename(path)
    assert await increment(store) == 2


async def test_a_directory_that_is_missing(tmp_path: Path) -> None:
    with pytest.raises(Temporary, match="No such file"):
        await opened(tmp_path / "nowhere" / "mailhook.db")


async def test_a_store_that_nobody_may_write(tmp_path: Path) -> None:
    with pytest.raises(Temporary, match="Is a directory"):
        await opened(tmp_path)


async def test_a_broken_row_shows_no_link(store: SqliteStore, path: Path) -> None:
    await increment(store)
    with direct(path) as connection:
        connection.execute('UPDATE meeting SET document = \'{"link": "https://x/?confid=1&confpass=2"}\'')
    with pytest.raises(Temporary, match="cannot be read") as caught:
        await store.get(KEY)
    assert "confpass" not in str(caught.value)


# --- the schema -------------------------------------------------------------------------------------------


async def test_a_newer_schema_is_refused(store: SqliteStore, path: Path) -> None:
    with direct(path) as connection:
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        connection.execute(f"PRAGMA user_version = {version + 1}")
    with pytest.raises(Misconfigured, match=f"schema {version + 1}.* knows up to {version}"):
        await opened(path)


async def test_a_migration_that_fails_leaves_no_half_of_it(path: Path) -> None:
    with direct(path) as connection:
        connection.execute("CREATE TABLE ledger (something_else)")
    with pytest.raises(Temporary, match="already exists"):
        await opened(path)
    with direct(path) as connection:
        assert connection.execute("SELECT name FROM sqlite_master").fetchall() == [("ledger",)]
        assert connection.execute("PRAGMA user_version").fetchone() == (0,)


async def test_an_earlier_store_does_not_take_a_cut_text_for_a_link_taken_out(path: Path) -> None:
    """It remembered the revision that bore the link, and not enough of its text. One bad row harms nothing."""
    with direct(path) as connection:
        for script in migrations()[:3]:
            connection.executescript(script)
        connection.execute("PRAGMA user_version = 3")
        old = rows.document(Meeting(KEY, borne=Stamp(1, NOON)))
        for uid, document in (("uid", old.replace('"passage":null', '"borne_after":40')), ("bad", "{")):
            row = (KEY.organizer, uid, "absent", None, None, 0.0, document, None)
            connection.execute("INSERT INTO meeting VALUES (?, ?, ?, ?, ?, ?, ?, ?)", row)
    store = await opened(path)
    (meeting,) = await store.all()
    assert (meeting.key, meeting.borne) == (KEY, None)
    await store.close()


async def test_an_earlier_store_knows_whose_its_links_are(path: Path) -> None:
    """Written before there was a table of links; the same link twice harms nothing."""
    details = JoinDetails("room", "https://vm.corp.example/1")
    with direct(path) as connection:
        for number, script in enumerate(migrations()[:3], 1):
            connection.executescript(script)
            connection.execute(f"PRAGMA user_version = {number}")
        for uid, room in (("a", details), ("b", details), ("c", None)):
            state = State.READY if room else State.ABSENT
            meeting = Meeting(replace(KEY, uid=uid), conference=Conference(state, details=room))
            row = (KEY.organizer, uid, state, None, None, 0.0, rows.document(meeting), None)
            connection.execute("INSERT INTO meeting VALUES (?, ?, ?, ?, ?, ?, ?, ?)", row)
    store = await opened(path)
    assert await store.makers([details.link, ""]) == {
        details.link: {replace(KEY, uid="a"), replace(KEY, uid="b")}
    }
    await store.close()


async def test_a_store_of_an_earlier_version_has_the_copies_of_its_conferences_looked_at(path: Path) -> None:
    room = Conference(State.ANNOUNCED, details=JoinDetails("room", "https://x.example/?confid=1&confpass=2"))
    with direct(path) as connection:
        for script in migrations()[:3]:
            connection.executescript(script)
        connection.execute("PRAGMA user_version = 3")
        for uid, conference in (("stands", room), ("is over", Conference(State.GONE))):
            columns = (KEY.organizer, uid, conference.state.value, None, None, NOON.timestamp())
            document = rows.document(Meeting(replace(KEY, uid=uid), conference=conference))
            connection.execute("INSERT INTO meeting VALUES (?, ?, ?, ?, ?, ?, ?, NULL)", (*columns, document))
    store = await opened(path)
    for kind in CopyKind:
        assert [key.uid for key in await store.copies(kind, 10)] == ["stands"]
    assert len(await store.all()) == 2
    await store.close()


async def test_stores_that_are_opened_at_once_migrate_once(path: Path) -> None:
    stores = await asyncio.gather(*(SqliteStore.open(path, now) for _ in range(8)))
    secrets = await asyncio.gather(*(store.secret() for store in stores))
    assert len(set(secrets)) == 1
    for store in stores:
        await store.close()


# --- several processes ------------------------------------------------------------------------------------

WRITER = """
import asyncio, sys
from dataclasses import replace
from datetime import UTC, datetime
from mailhook.core.meeting import MeetingKey
from mailhook.store.migration import migrations
from mailhook.store.rows import document
from mailhook.store.sqlite import SqliteStore

async def write(path: str, times: int) -> None:
    store = await SqliteStore.open(path, lambda: datetime.now(UTC))
    for _ in range(times):
        done = await store.change(
            MeetingKey("boss@example.org", "uid"),
            lambda before, known: (replace(before, attempts=before.attempts + 1), before.attempts + 1),
        )
        print(done, flush=True)
    await store.close()

asyncio.run(write(sys.argv[1], int(sys.argv[2])))
"""


async def writer(path: Path, times: int) -> asyncio.subprocess.Process:
    root = str(Path(__file__).parents[2])
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        WRITER,
        str(path),
        str(times),
        stdout=asyncio.subprocess.PIPE,
        env=os.environ | {"PYTHONPATH": root},
    )


async def test_processes_that_race_lose_nothing(path: Path) -> None:
    writers = [await writer(path, 200) for _ in range(2)]
    for process in writers:
        await process.communicate()
        assert process.returncode == 0
    store = await opened(path)
    assert await increment(store) == 401
    await store.close()


async def test_a_writer_killed_at_work_loses_nothing_that_it_reported(path: Path) -> None:
    process = await writer(path, 1_000_000)
    assert process.stdout is not None
    for _ in range(20):
        await process.stdout.readline()
    process.send_signal(signal.SIGKILL)
    output, _ = await process.communicate()
    reported = 20 + len(output.splitlines())
    store = await opened(path)
    assert await increment(store) - 1 in {reported, reported + 1}
    await store.close()
    with direct(path) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
