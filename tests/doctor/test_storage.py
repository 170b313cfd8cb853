"""The store, what it remembers, and the disks."""

import asyncio
import json
import os
import re
import resource
import sqlite3
import sys
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Literal

import pytest

from mailhook.app import utc_now
from mailhook.doctor import Finding, Level, mounts, storage
from mailhook.store.sqlite import SqliteStore
from tests.doctor.rig import PATIENCE
from tests.relay.mails import ANNA, IVAN, Event, invitation
from tests.relay.processes import write_settings
from tests.relay.rig import settings_for, world

OK, WARNING, FAILURE = Level.OK, Level.WARNING, Level.FAILURE
MOMENT = datetime(2026, 3, 10, 12, 0, tzinfo=UTC)


# --- the store -----------------------------------------------------------------------------------------------


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Of a store that nobody has open."""

    async def make() -> None:
        store = await SqliteStore.open(tmp_path / "store.db", utc_now)
        await store.close()

    asyncio.run(make())
    return tmp_path / "store.db"


def found_at(path: Path, patience: float = PATIENCE) -> dict[str, Finding]:
    settings = settings_for("http://127.0.0.1:1", 1, store=str(path))
    return {each.subject: each for each in asyncio.run(storage.store(settings, patience))}


def test_no_store_yet(tmp_path: Path) -> None:
    found = found_at(tmp_path / "store.db")
    assert (found["store"].level, "the first start makes it" in found["store"].sentence) == (OK, True)
    assert os.listdir(tmp_path) == []
    (tmp_path / "store.db").touch(0o600)
    found = found_at(tmp_path / "store.db")
    assert (found["store"].level, "is empty" in found["store"].sentence) == (OK, True)


@pytest.mark.parametrize("folder", ["/proc", "/nowhere/at/all"])
def test_a_folder_that_takes_no_store(folder: str) -> None:
    found = found_at(Path(folder, "store.db"))["store"]
    assert (found.level, "none can be made" in found.sentence) == (FAILURE, True)
    assert f"install -d -o USER {folder}" in found.advice


def test_a_place_that_cannot_be_looked_at(tmp_path: Path) -> None:
    found = found_at(tmp_path / ("x" * 300))["store"]
    assert (found.level, "cannot be looked at: File name too long" in found.sentence) == (FAILURE, True), (
        found
    )


def test_a_damaged_store(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[4096:] = b"\xff" * (len(content) - 4096)
    path.write_bytes(content)
    found = found_at(path)["store"]
    assert (found.level, "malformed" in found.sentence or "damaged" in found.sentence) == (FAILURE, True), (
        found
    )


def test_something_that_is_no_store(path: Path) -> None:
    path.write_text("no database " * 1000)
    found = found_at(path)["store"]
    assert (found.level, "not a database" in found.sentence) == (FAILURE, True), found
    path.unlink()
    path.mkdir()
    assert found_at(path)["store"].level is FAILURE


def test_a_store_that_somebody_holds(path: Path) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        found = found_at(path, patience=0.1)["store"]
    assert (found.level, "locked" in found.sentence) == (FAILURE, True), found


@pytest.mark.parametrize(("by", "level"), [(-1, WARNING), (1, FAILURE)])
def test_a_store_of_another_version_stays_as_it_is(path: Path, by: int, level: Level) -> None:
    with closing(sqlite3.connect(path)) as connection:
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        connection.execute(f"PRAGMA user_version = {version + by}")
    found = found_at(path)["store"]
    assert (found.level, f"schema {version + by}" in found.sentence) == (level, True)
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA user_version").fetchone() == (version + by,)


def test_others_may_read_the_store(path: Path) -> None:
    assert found_at(path)["store's owner"].level is OK
    path.chmod(0o644)
    found = found_at(path)["store's owner"]
    assert (found.level, found.advice) == (WARNING, f"chmod 600 {path}")


@pytest.mark.parametrize(
    ("owners", "me", "levels"),
    [
        ({"": 7}, 7, []),
        ({"": 7, "-wal": 7, "-shm": 7}, 7, []),
        ({"": 7}, 0, [WARNING]),
        ({"": 7, "-wal": 0, "-shm": 0}, 7, [FAILURE, FAILURE]),
        ({"": 7, "-wal": 0}, 0, [FAILURE, WARNING]),
    ],
)
def test_files_of_several_owners(owners: dict[str, int], me: int, levels: list[Level]) -> None:
    files = {Path(f"/var/store.db{suffix}"): owner for suffix, owner in owners.items()}
    assert [each.level for each in storage._foreign(Path("/var/store.db"), files, me)] == levels


async def test_a_full_disk(path: Path, tmp_path: Path) -> None:
    """A limit on the size of files stands for the disk: SQLite cannot write there."""
    settings = write_settings(tmp_path / "mailhook.toml", hop=1, base="http://127.0.0.1:1", store=path)
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "mailhook.cli", "doctor", "--json", "--config", str(settings)),
        stdout=asyncio.subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0)),
    )
    output, _ = await process.communicate()
    (found,) = [each for each in json.loads(output) if each["subject"] == "store"]
    assert (process.returncode, found["level"]) == (1, "failure")
    assert re.search("full|disk I/O error", found["sentence"]), found


# --- signatures ----------------------------------------------------------------------------------------------


async def signature_at(path: Path) -> Finding:
    found = await storage.store(settings_for("http://127.0.0.1:1", 1, store=str(path)), PATIENCE)
    return next(each for each in found if each.subject == "signatures")


@pytest.mark.parametrize("dkim", ["skip", "strip"])
async def test_an_invitation_that_was_signed_before_it_came(
    tmp_path: Path, dkim: Literal["skip", "strip"]
) -> None:
    async with world(store=str(tmp_path / "store.db")) as here:
        clean = await signature_at(tmp_path / "store.db")
        await here.send(invitation(Event(), ANNA, DKIM_Signature="v=1; d=elsewhere.example; b=x"), IVAN, ANNA)
        foreign = await signature_at(tmp_path / "store.db")
        await here.send(invitation(Event(), ANNA, DKIM_Signature="v=1; d=corp.example; b=x"), IVAN, ANNA)
        with closing(sqlite3.connect(tmp_path / "store.db")) as connection:
            (at,) = connection.execute("SELECT at FROM sighting").fetchone()
        seen = storage.signatures(datetime.fromtimestamp(at, UTC), here.clock.now, dkim)
    assert (clean.level, foreign.level, seen.level) == (OK, OK, WARNING)
    assert {"skip": "without its link", "strip": "lost that signature"}[dkim] in seen.sentence


def test_a_signature_of_long_ago() -> None:
    assert storage.signatures(MOMENT, MOMENT + timedelta(days=8), "skip").level is OK


# --- disks ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("free", "level"),
    [(0, FAILURE), (50 * 2**20 - 1, FAILURE), (50 * 2**20, WARNING), (500 * 2**20, OK)],
)
def test_space(free: int, level: Level) -> None:
    assert storage.space(free, "/var").level is level


MOUNTED = r"""
22 28 0:20 / /proc rw,nosuid shared:12 - proc proc rw
28 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw
30 28 0:30 / /var/lib rw shared:2 - nfs4 server:/export rw,vers=4.2
31 28 0:31 / /var/lib/my\040mail rw - xfs /dev/sdb1 rw
32 28 0:32 / /run rw - tmpfs tmpfs rw
33 28 8:2 / /run rw - btrfs /dev/sdc rw
""".strip()


@pytest.mark.parametrize(
    ("place", "kind"),
    [
        ("/", "ext4"),
        ("/var/library", "ext4"),
        ("/var/lib", "nfs4"),
        ("/var/lib/mailhook", "nfs4"),
        ("/var/lib/my mail/deep", "xfs"),
        ("/run/mailhook", "btrfs"),
    ],
)
def test_kinds_of_file_systems(place: str, kind: str) -> None:
    assert mounts.kind_of(place, MOUNTED) == kind


def test_the_kernel_tells_of_this_machine() -> None:
    assert mounts.file_system(Path("/proc/self")) == "proc"


@pytest.mark.parametrize(
    ("kind", "levels"), [("nfs4", [WARNING]), ("tmpfs", [WARNING]), ("ext4", []), ("", [])]
)
def test_file_systems(kind: str, levels: list[Level]) -> None:
    assert [each.level for each in storage.suited(kind, Path("/var"))] == levels
