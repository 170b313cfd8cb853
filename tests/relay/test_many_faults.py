"""A thousand invitations while every fifth answer of the provider goes wrong."""

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from mailhook import flight
from mailhook.admin import is_pending
from mailhook.provider.sandbox_faults import Fault
from tests.contract.rigs import plain
from tests.contract.servers import Plain
from tests.contract.stub import Stub
from tests.relay.mails import ANNA, IVAN, NOW, Event, invitation, link_in
from tests.relay.rig import Client, World, world

PATIENCE = timedelta(seconds=1)
"""For one call: a busy machine may well take a fifth of a second to answer."""
LONG = 1.5
"""Seconds after which nobody waits for the answer any more."""

FAULTS = (
    Fault(status=500),
    Fault(status=503),
    Fault(status=429),
    Fault(status=401),
    Fault(status=404, body="<p>nginx</p>"),
    Fault(status=422),
    Fault(delay=LONG, status=503),
    Fault(fail_after=True),
    Fault(fail_after=True, status=502, body="<p>bad gateway</p>"),
    Fault(fail_after=True, body="<p>maintenance</p>"),
    Fault(body='{"id": "x", "join_url": "https://elsewhere.example/"}'),
    Fault(body='{"id": "x", "jo'),
    Fault(body="", truncate=True),
)
RULES = {
    "max_conferences_per_organizer_per_hour": 100_000,
    "max_deletions_per_hour": 100_000,
    "on_failure": "defer",
}
CONNECTIONS = 20


LATE = Fault(delay=LONG)
"""Carried out when the client has given up already."""


class Weather(dict[str, Fault]):
    """The present fault of an operation: every fifth time one of `faults`, drawn anew."""

    def __init__(self, seed: int, *faults: Fault) -> None:
        super().__init__()
        self.faults = faults or FAULTS
        self.chance = random.Random(seed)
        self.drawn: Counter[str] = Counter()

    def get(self, key: str, default: Any = None) -> Any:
        wrong = key != "" and self.chance.random() < 0.2
        self.drawn["wrong" if wrong else "right"] += 1
        return self.chance.choice(self.faults) if wrong else default


@pytest.fixture(autouse=True)
def _short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(flight, "FIRST_PAUSE", 0.01)


def mails(count: int) -> list[bytes]:
    """Seven of ten are new meetings, the others move one of them."""
    new = [replace(Event(), uid=f"meeting-{number}@corp.example") for number in range(count * 7 // 10)]
    moved = [
        replace(event, sequence=1, stamp=NOW + timedelta(minutes=1), start=event.start + timedelta(days=1))
        for event in new[: count - len(new)]
    ]
    return [invitation(event) for event in (*new, *moved)]


async def hand_in(here: World, content: bytes, doors: asyncio.Semaphore) -> int:
    async with doors, await Client.connect(here.port) as client:
        return (await client.send(content, IVAN, ANNA)).code


async def later(here: World, by: timedelta, server: Stub | None) -> None:
    """The clock goes on by minutes at once, but not past what a server is still carrying out for a client that left.

    Such a room stands after parts of a second: minutes later, when the worker looks for it, it is there.
    """
    if server is not None:
        await server.quiet()
    here.clock.forward(by)


async def queue(here: World, waiting: list[bytes], server: Stub | None = None) -> int:
    """As a mail server's queue does: what is answered 451 comes again after a while; how many rounds that took."""
    doors = asyncio.Semaphore(CONNECTIONS)
    for rounds in range(1, 40):
        codes = await asyncio.gather(*(hand_in(here, content, doors) for content in waiting))
        assert set(codes) <= {250, 451}
        waiting = [content for content, code in zip(waiting, codes, strict=True) if code == 451]
        if not waiting:
            return rounds
        await later(here, timedelta(minutes=2), server)
    raise AssertionError(f"{len(waiting)} mails were never taken")


async def idle(here: World, server: Stub | None = None) -> None:
    """Until the worker has nothing left to do, nor anything to try again."""
    for _ in range(60):
        while await here.app.sync.once():
            pass
        meetings = await here.app.store.all()
        if not any(is_pending(meeting, here.clock.now) or meeting.lease for meeting in meetings):
            return
        await later(here, timedelta(minutes=20), server)
    raise AssertionError("the worker does not come to rest")


async def test_a_thousand_invitations() -> None:
    sent = mails(1000)
    async with world(RULES, videomost={"timeout": PATIENCE}) as here:
        weather = Weather(1)
        here.sandbox.faults = weather
        await queue(here, sent)
        await idle(here)
        assert weather.drawn["wrong"] > 200
        assert len(here.messages) == 1000
        meetings = await here.app.store.all()
        links = {meeting.key.uid: meeting.link for meeting in meetings}
        assert len(links) == 700
        rooms = here.rooms()
        assert sorted(room.id for room in rooms) == sorted(
            link.conference_id for link in links.values() if link is not None
        )
        assert Counter(room.spec.start for room in rooms) == {
            Event().start + timedelta(days=1): 300,
            Event().start: 400,
        }
        standing = {here.sandbox.link(room) for room in rooms}
        told = [link for message in here.messages if (link := link_in(message.content))]
        assert set(told) <= standing
        assert len(told) > 600


@asynccontextmanager
async def elsewhere(server: Plain, *, finds: bool) -> AsyncIterator[World]:
    """mailhook before a server that chooses the ids itself."""
    await server.start()
    data = plain(Plain.PASSWORD, finds=finds).model_dump(exclude_unset=True)
    own: Mapping[str, Any] = {
        "base_url": server.url,
        "link_hosts": ("127.0.0.1",),
        "timeout": PATIENCE,
        "preset": "none",
        **data,
    }
    try:
        async with world(RULES, videomost=own) as here:
            yield here
    finally:
        await server.stop()


async def test_a_room_that_stands_long_after_its_client_has_left_goes() -> None:
    server = Plain()
    async with elsewhere(server, finds=True) as here:
        server.faults["create"] = replace(LATE, times=1)
        assert await queue(here, [invitation(Event())], server) == 1
        assert [len(meeting.suspects) for meeting in await here.app.store.all()] == [1]
        await idle(here, server)
        await server.quiet()
        assert sum(asked.path.endswith("/delete") for asked in server.heard) == 1
        (link,) = [meeting.link for meeting in await here.app.store.all() if meeting.link]
        assert [str(number) for number in server.rooms] == [link.conference_id]


async def test_a_room_too_many_goes_though_its_link_cannot_be_used() -> None:
    server = Plain()
    async with elsewhere(server, finds=True) as here:
        server.faults["create"] = replace(LATE, times=1)
        await queue(here, [invitation(Event())], server)
        server.link_base = "https://elsewhere.example"
        await idle(here, server)
        (link,) = [meeting.link for meeting in await here.app.store.all() if meeting.link]
        assert [str(number) for number in server.rooms] == [link.conference_id]


async def test_a_server_that_chooses_the_ids_and_finds() -> None:
    server = Plain()
    async with elsewhere(server, finds=True) as here:
        server.faults = Weather(2, *FAULTS, LATE, LATE, LATE)
        await queue(here, mails(150), server)
        await idle(here, server)
        assert len(here.messages) == 150
        links = [meeting.link for meeting in await here.app.store.all()]
        assert sorted(server.rooms) == sorted(int(link.conference_id) for link in links if link)
        assert len(links) == len(server.rooms) == 105


async def test_a_server_that_cannot_find_has_its_doubts_listed() -> None:
    """No orphan is not promised there; but each one belongs to a meeting that is listed for the administrator."""
    server = Plain()
    async with elsewhere(server, finds=False) as here:
        server.faults = Weather(3, *FAULTS, LATE)
        await queue(here, mails(150), server)
        server.faults = {}
        for _ in range(12):
            while await here.app.sync.once():
                pass
            await later(here, timedelta(minutes=20), server)
        assert len(here.messages) == 150
        meetings = await here.app.store.all()
        known = {int(meeting.link.conference_id) for meeting in meetings if meeting.link}
        assert len(known) == 105
        orphans = Counter(room.ref for number, room in server.rooms.items() if number not in known)
        assert orphans
        doubtful = [meeting for meeting in meetings if any(s.unsearchable for s in meeting.suspects)]
        assert sum(orphans.values()) <= sum(len(meeting.suspects) for meeting in doubtful)
        assert not any(meeting.wake_at and meeting.wake_at <= here.clock.now for meeting in doubtful)
