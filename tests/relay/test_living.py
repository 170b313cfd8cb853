"""What must never delete the room of a living meeting, although it looks like an end."""

import re
from dataclasses import replace
from datetime import timedelta
from email.utils import format_datetime

import httpx
import pytest

from tests.relay.mails import ANNA, BORIS, IVAN, NOW, Event, invitation, link_in
from tests.relay.rig import World, world

ROOM = "room@corp.example"
WEEKLY = replace(Event(), attendees=(ANNA, BORIS), extra=("RRULE:FREQ=WEEKLY",))
INSTANCE = f"RECURRENCE-ID:{WEEKLY.start + timedelta(days=7):%Y%m%dT%H%M%SZ}"


def later(event: Event, minutes: int, **changes: object) -> Event:
    return replace(event, sequence=minutes, stamp=NOW + timedelta(minutes=minutes), **changes)  # type: ignore[arg-type]


async def told(here: World, event: Event, *people: str) -> None:
    for person in people:
        await here.passes(invitation(event, person), IVAN, person)


async def after_the_grace(here: World) -> int:
    here.clock.forward(timedelta(hours=2))
    await here.settle()
    return len(here.rooms())


async def test_an_instance_without_a_conference_leaves_the_series_its_own() -> None:
    async with world() as here:
        await told(here, WEEKLY, ANNA, BORIS)
        off = later(WEEKLY, 1, description="in person #novideomost", extra=(INSTANCE,))
        await told(here, off, ANNA, BORIS)
        assert await after_the_grace(here) == 1


@pytest.mark.parametrize("invited", [True, False])
async def test_a_resource_called_off_from_an_instance_leaves_the_series_its_room(invited: bool) -> None:
    async with world({"resource": (ROOM,)}) as here:
        await told(here, WEEKLY, ANNA, BORIS)
        if invited:
            await told(here, later(WEEKLY, 1, attendees=(ANNA, BORIS, ROOM), extra=(INSTANCE,)), ROOM)
        await told(here, later(WEEKLY, 2, method="CANCEL", extra=(INSTANCE,)), ROOM)
        assert await after_the_grace(here) == 1


async def test_a_resource_called_off_stays_so_whatever_comes_first() -> None:
    event = replace(Event(), location="", attendees=(ANNA, BORIS, ROOM))
    without = later(event, 2, attendees=(ANNA, BORIS))
    async with world({"resource": (ROOM,)}) as here:
        await told(here, event, ANNA, BORIS, ROOM)
        await told(here, later(event, 2, method="CANCEL"), ROOM)
        content = invitation(without, ANNA)
        assert link_in(await here.passes(content)) == ""
        assert await after_the_grace(here) == 0


async def test_copies_of_one_change_that_differ_take_no_link_away() -> None:
    async with world() as here:
        await told(here, replace(Event(), attendees=(ANNA, BORIS)), ANNA, BORIS)
        bearing = later(replace(Event(), attendees=(ANNA, BORIS), description=here.link()), 1)
        await told(here, bearing, ANNA)
        bare = invitation(replace(bearing, description="Повестка"), BORIS)
        a_second_later = format_datetime(bearing.stamp + timedelta(seconds=1)).encode()
        await here.passes(bare.replace(format_datetime(bearing.stamp).encode(), a_second_later), IVAN, BORIS)
        assert await after_the_grace(here) == 1


async def test_the_cabinet_shows_a_series_once_at_its_nearest_date() -> None:
    async with world() as here, httpx.AsyncClient(base_url=here.sandbox.url, trust_env=False) as browser:
        await told(here, WEEKLY, ANNA, BORIS)
        for week in (0, 1, 2):
            for person in (IVAN, ANNA, BORIS):
                page = (await browser.get("/cabinet", params={"user": person})).text
                dates = re.findall(r'<time datetime="(.*?)">', page)
                assert dates == [(WEEKLY.start + timedelta(weeks=week)).isoformat()]
                assert page.count("<li ") == 1
            here.clock.now = WEEKLY.start + timedelta(weeks=week, hours=3)
            await here.settle()
