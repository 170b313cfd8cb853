"""The link in the organizer's event on CalDAV servers that mail nobody, with the mails of another server."""

from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.peers.plain_caldav import PlainCalDav, Radicale, Xandikos
from tests.relay.mails import ANNA, BORIS, IVAN, NOW, Event, invitation, link_in
from tests.relay.rig import World, world

EVENT = Event(attendees=(ANNA, BORIS))
KIND = {"Content-Type": "text/calendar; charset=utf-8"}
PLACES = ("DESCRIPTION", "LOCATION", "URL", "CONFERENCE")


@pytest.fixture(name="server", params=[Radicale, Xandikos])
async def _server(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[PlainCalDav]:
    kind: type[PlainCalDav] = request.param
    server = kind(tmp_path)
    await server.start()
    yield server
    await server.stop()


async def save(server: PlainCalDav, event: Event, name: str = "event", calendar: str = "work") -> None:
    text = event.calendar().replace(f"METHOD:{event.method}\r\n", "")
    answer = await server.account(calendar).ask("PUT", f"{name}.ics", text.encode(), **KIND)
    assert answer.is_success, (answer.status_code, answer.text)


async def mail(here: World, event: Event) -> list[bytes]:
    """To everybody, at the clock's time."""
    told = replace(event, stamp=here.clock.now)
    return [await here.passes(invitation(told, person), IVAN, person) for person in event.attendees]


def shown(text: str, link: str) -> list[str]:
    lines = text.splitlines()
    return [name for name in PLACES if any(line.startswith(name) and link in line for line in lines)]


@pytest.mark.parametrize("by_itself", [False, True])
async def test_the_life_of_an_event(server: PlainCalDav, by_itself: bool) -> None:
    own: Mapping[str, Any] = server.found_by_itself() if by_itself else server.caldav()
    async with world(caldav=own) as here:
        await save(server, replace(EVENT, uid="another"), "another")
        await save(server, EVENT)
        await mail(here, EVENT)
        await here.written()
        link = here.link()
        assert shown(await server.account().stored("event"), link) == list(PLACES)
        assert link not in await server.account().stored("another")

        moved = replace(EVENT, sequence=1, start=NOW + timedelta(days=8))
        await save(server, moved)
        assert all(link_in(content) == link for content in await mail(here, moved))
        await here.written()
        stored = await server.account().stored("event")
        assert shown(stored, link) == list(PLACES)
        assert "SEQUENCE:1" in stored
        assert f"DTSTART:{moved.start:%Y%m%dT%H%M%SZ}" in stored

        here.clock.forward(timedelta(minutes=6))
        lines = (await server.account().stored("event")).splitlines()
        kept = tuple(line for line in lines if line.startswith(("CONFERENCE", "X-VIDEOMOST")))
        bare = replace(moved, sequence=2, location="", description="Повестка", extra=kept)
        await save(server, bare)
        assert not any(link_in(content) for content in await mail(here, bare))
        await here.written()
        assert link not in await server.account().stored("event")
        here.clock.forward(timedelta(hours=1))
        await here.settle()
        assert here.rooms() == []


async def test_an_event_that_comes_late_and_moves_to_another_calendar(server: PlainCalDav) -> None:
    async with world(caldav=server.caldav()) as here:
        await mail(here, EVENT)
        await here.written()
        meeting = await here.meeting(EVENT.uid)
        assert meeting is not None
        assert ["no such event" in copy.error for copy in meeting.copies.values()] == [True]
        await save(server, EVENT, calendar="home")
        here.clock.forward(timedelta(minutes=4))
        await here.written()
        assert shown(await server.account("home").stored("event"), here.link()) == list(PLACES)

        await server.account("home").delete("event")
        await save(server, replace(EVENT, sequence=1, hours=2), calendar="work")
        await mail(here, replace(EVENT, sequence=1, hours=2))
        await here.written()
        assert shown(await server.account("work").stored("event"), here.link()) == list(PLACES)
        assert len(here.rooms()) == here.calls("create") == 1


async def test_what_no_mail_tells(server: PlainCalDav) -> None:
    async with world(caldav=server.caldav()) as here:
        await save(server, replace(EVENT, uid="another"), "another")
        await save(server, EVENT)
        await mail(here, EVENT)
        await here.written()
        here.clock.forward(timedelta(minutes=6))

        moved = replace(EVENT, stamp=here.clock.now, start=NOW + timedelta(days=8), location=here.link())
        await save(server, moved)
        await here.looked()
        assert [room.spec.start for room in here.rooms()] == [moved.start]
        await here.written()

        second = replace(EVENT, uid="second")
        await save(server, second, "second")
        await mail(here, second)
        await here.written()
        for _round in range(8):
            await here.looked()

        await server.account().delete("event")
        for _round in range(6):
            await here.looked()
        assert len(here.rooms()) == 2
        for _round in range(18):
            await here.looked()
        assert len(here.rooms()) == 1


async def test_what_else_is_stored_stays_as_it_is(server: PlainCalDav) -> None:
    odd = replace(EVENT, extra=('X-ODD;P="a,b":v\\,w', "CATEGORIES:a,b", "SEQUENCE-X:1"))
    async with world(caldav=server.caldav()) as here:
        await save(server, odd)
        before = (await server.account().stored("event")).splitlines()
        await mail(here, odd)
        await here.written()
        after = (await server.account().stored("event")).splitlines()
        kept = [line for line in after if line in before]
        assert kept == [line for line in before if not line.startswith(("LOCATION", "DESCRIPTION"))]
