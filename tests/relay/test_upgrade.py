"""A store that an earlier version wrote lives on in this one: docs/operations.md, "Upgrading"."""

import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from mailhook.core.conference import State
from mailhook.core.meeting import MeetingKey
from mailhook.provider.sandbox import Sandbox
from mailhook.store.migration import migrations
from mailhook.store.sqlite import SqliteStore
from tests.relay.mails import ANNA, BORIS, IVAN, NOW, Event, invitation, link_in
from tests.relay.rig import Clock, World, world

RELEASED = sorted((Path(__file__).parents[1] / "store" / "released").glob("*.sql"))
WRITTEN = datetime(2026, 11, 23, 2, 31, tzinfo=UTC)
GRACE = timedelta(hours=2)

LINK = "https://videomost.corp.example/service/join/?confid={}&confpass={}"
MEETINGS = {
    "single": (State.ANNOUNCED, LINK.format("315bffeacbde9df0345c77f6de737374", "0414"), {ANNA, BORIS}),
    "weekly": (State.ANNOUNCED, LINK.format("09522671fa440f6b43310a669210b0e4", "8092"), {ANNA}),
    "called-off": (State.ANNOUNCED, LINK.format("7873e7a840639b56fea06e40f71158a9", "7872"), set()),
    "deleted": (State.GONE, "", set()),
    "cancelled-first": (State.ABSENT, "", set()),
    "borne": (State.ANNOUNCED, LINK.format("3a5d922dee9979b04980b5f4a1f28005", "7467"), {ANNA}),
    "deferred": (State.RESERVED, "", set()),
}


def laid(script: Path, folder: Path, url: str = "http://127.0.0.1:18080") -> Path:
    """The store of `script` as a file, its conferences at `url`."""
    path = folder / "mailhook.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(script.read_text(encoding="utf-8").replace("http://127.0.0.1:18080", url))
    return path


@pytest.fixture(params=RELEASED, ids=lambda path: path.stem)
def script(request: pytest.FixtureRequest) -> Path:
    assert isinstance(request.param, Path)
    return request.param


@pytest.fixture
async def upgraded(script: Path, tmp_path: Path) -> AsyncIterator[World]:
    """The relay of today with that store."""
    sandbox = Sandbox()
    await sandbox.start()
    store = laid(script, tmp_path, sandbox.url)
    async with world(store=str(store), clock=Clock(WRITTEN), videomost={"base_url": sandbox.url}) as rig:
        yield replace(rig, sandbox=sandbox)
    await sandbox.stop()


async def test_every_meeting_survives(script: Path, tmp_path: Path) -> None:
    store = await SqliteStore.open(laid(script, tmp_path), Clock(WRITTEN))
    found = {
        meeting.key.uid.partition("@")[0]: (
            meeting.conference.state,
            meeting.link.link if meeting.link else "",
            set(meeting.told),
        )
        for meeting in await store.all()
    }
    await store.close()
    assert found == MEETINGS


def test_the_first_schema_is_among_them(script: Path, tmp_path: Path) -> None:
    with closing(sqlite3.connect(laid(script, tmp_path))) as connection:
        (version,) = connection.execute("PRAGMA user_version").fetchone()
    assert f"schema-{version}" == script.stem
    assert 0 < version <= len(migrations())
    assert RELEASED[0].stem == "schema-1"


async def test_an_invitation_of_before_keeps_its_link(upgraded: World) -> None:
    moved = Event(
        uid="single@corp.example", attendees=(ANNA, BORIS), sequence=2, start=NOW + timedelta(days=8)
    )
    stamped = replace(moved, stamp=WRITTEN)
    assert link_in(await upgraded.passes(invitation(stamped))) == MEETINGS["single"][1]


async def test_a_deletion_that_was_due_is_carried_out(upgraded: World) -> None:
    upgraded.clock.forward(GRACE)
    await upgraded.settle()
    assert upgraded.sandbox.counts["7873e7a840639b56fea06e40f71158a9"]["delete"] == 1
    meeting = await upgraded.app.store.get(MeetingKey(IVAN, "called-off@corp.example"))
    assert meeting is not None
    assert meeting.conference.state is State.GONE


async def test_an_invitation_that_was_deferred_gets_its_link(upgraded: World) -> None:
    late = Event(uid="deferred@corp.example")
    assert b"/service/join/?confid=" in await upgraded.passes(invitation(late))
    meeting = await upgraded.app.store.get(MeetingKey(IVAN, "deferred@corp.example"))
    assert meeting is not None
    assert meeting.conference.state is State.ANNOUNCED
