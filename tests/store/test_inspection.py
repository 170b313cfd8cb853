"""A store looked at from outside, while it is in use."""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from mailhook.core.meeting import Meeting, MeetingKey
from mailhook.errors import Temporary
from mailhook.ports import Circumstances
from mailhook.store.inspection import inspect
from mailhook.store.migration import migrations
from mailhook.store.sqlite import SqliteStore

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
PATIENCE = timedelta(seconds=30)


@dataclass
class Clock:
    now: datetime = NOON

    def __call__(self) -> datetime:
        return self.now


def wanted(meeting: Meeting, _: Circumstances) -> tuple[Meeting, None]:
    return Meeting(meeting.key, wanted=True), None


async def test_a_store_in_use(tmp_path: Path) -> None:
    store, clock = tmp_path / "store.db", Clock()
    used = await SqliteStore.open(store, clock)
    await used.change(MeetingKey("boss@example.org", "1"), wanted)
    before = inspect(store, PATIENCE)
    assert (before.schema, before.known, before.meetings) == (len(migrations()), len(migrations()), 1)
    assert (before.damage, before.signed_at) == ("", None)
    await used.note("signed-before-us")
    clock.now += timedelta(hours=1)
    await used.note("signed-before-us")
    assert inspect(store, PATIENCE).signed_at == NOON + timedelta(hours=1)
    await used.change(MeetingKey("boss@example.org", "2"), wanted)
    assert len(await used.all()) == 2
    await used.close()


@pytest.mark.parametrize(
    "spoil", [lambda path: path.write_bytes(b"x" * 9000), lambda path: path.mkdir(), lambda path: None]
)
def test_what_is_no_store(tmp_path: Path, spoil: Callable[[Path], object]) -> None:
    spoil(tmp_path / "store.db")
    with pytest.raises(Temporary, match=r"store\.db failed"):
        inspect(tmp_path / "store.db", PATIENCE)


async def test_damage_is_found_in_what_no_meeting_is_read_from(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    store = await SqliteStore.open(path, Clock())
    await store.close()
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("CREATE TABLE spare (text TEXT)")
        connection.execute("CREATE INDEX spare_text ON spare (text)")
        connection.execute("INSERT INTO spare VALUES ('kept')")
        (page,) = connection.execute(
            "SELECT rootpage FROM sqlite_master WHERE name = 'spare_text'"
        ).fetchone()
    with path.open("r+b") as file:
        file.seek((page - 1) * 4096)
        file.write(b"\xff" * 4096)
    assert inspect(path, PATIENCE).damage


async def test_a_file_that_is_still_empty(tmp_path: Path) -> None:
    (tmp_path / "store.db").touch()
    assert inspect(tmp_path / "store.db", PATIENCE).schema == 0
