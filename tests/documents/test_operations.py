"""The commands of docs/operations.md do what is said of them."""

import asyncio
import re
import shlex
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest

from mailhook.core.meeting import Meeting, MeetingKey
from mailhook.ports import Circumstances
from mailhook.store.sqlite import SqliteStore

PAGE = (Path(__file__).parents[2] / "docs" / "operations.md").read_text(encoding="utf-8")
NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)


def commands(section: str, folder: Path) -> Iterator[list[str]]:
    """The commands of a section, with folders below `folder`, for who runs the test; without those to systemd."""
    text = PAGE.partition(f"\n## {section}\n")[2].partition("\n## ")[0]
    for line in re.findall(r"```sh\n(.*?)```", text, re.DOTALL)[0].splitlines():
        own = line.replace("/var/lib/mailhook", f"{folder}/lib").replace("/var/backups", f"{folder}/backups")
        own = re.sub(r"runuser -u mailhook -- |-[og] mailhook ", "", own)
        if not own.startswith("systemctl"):
            yield shlex.split(own)


def carry_out(section: str, folder: Path) -> None:
    for command in commands(section, folder):
        subprocess.run(command, check=True, capture_output=True, timeout=60)


async def opened(folder: Path) -> SqliteStore:
    return await SqliteStore.open(folder / "lib" / "mailhook.db", lambda: NOON)


async def told(store: SqliteStore, number: int) -> None:
    def decide(meeting: Meeting, _: Circumstances) -> tuple[Meeting, None]:
        return Meeting(meeting.key, wanted=True), None

    await store.change(MeetingKey("ivan@corp.example", f"{number:05}"), decide)


async def uids(store: SqliteStore) -> list[str]:
    return sorted(meeting.key.uid for meeting in await store.all())


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "lib").mkdir()
    (tmp_path / "backups").mkdir()
    return tmp_path


@pytest.mark.peers("sqlite3")
async def test_a_backup_is_whole_while_mailhook_writes(folder: Path) -> None:
    store = await opened(folder)
    for number in range(50):
        await told(store, number)

    async def go_on() -> None:
        number = 50
        while True:
            await told(store, number)
            number += 1

    writing = asyncio.create_task(go_on())
    await asyncio.to_thread(carry_out, "Backup", folder)
    writing.cancel()
    await asyncio.wait({writing})
    await store.close()
    with closing(sqlite3.connect(folder / "backups" / "mailhook" / "mailhook.db")) as copy:
        assert copy.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        found = [uid for (uid,) in copy.execute("SELECT uid FROM meeting ORDER BY uid")]
    assert found[:50] == [f"{number:05}" for number in range(50)]


@pytest.mark.peers("sqlite3")
async def test_restoring_brings_back_what_was_and_nothing_else(folder: Path) -> None:
    """Also after a crash, which leaves the log of the last writes beside the old file."""
    store = await opened(folder)
    await told(store, 1)
    await asyncio.to_thread(carry_out, "Backup", folder)
    await told(store, 2)
    left = {path: path.read_bytes() for path in (folder / "lib").iterdir()}
    await store.close()
    for path, content in left.items():
        path.write_bytes(content)
    assert {path.name for path in left} == {"mailhook.db", "mailhook.db-wal", "mailhook.db-shm"}
    await asyncio.to_thread(carry_out, "Restoring", folder)
    store = await opened(folder)
    assert await uids(store) == ["00001"]
    await store.close()
    assert (folder / "lib" / "mailhook.db").stat().st_mode & 0o777 == 0o600


async def test_the_store_can_be_moved_with_all_its_files(folder: Path) -> None:
    store = await opened(folder)
    await told(store, 1)
    left = {path: path.read_bytes() for path in (folder / "lib").iterdir()}
    await store.close()
    for path, content in left.items():
        path.write_bytes(content)
    (move,) = commands("Moving the store", folder)
    assert move == ["mv", f"{folder}/lib/mailhook.db*", "/srv/mailhook/"]
    (folder / "srv").mkdir()
    for path in (folder / "lib").glob("mailhook.db*"):
        path.rename(folder / "srv" / path.name)
    store = await SqliteStore.open(folder / "srv" / "mailhook.db", lambda: NOON)
    assert await uids(store) == ["00001"]
    await store.close()
