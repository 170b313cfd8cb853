"""The life of meetings in real groupware: an organizer works in the calendar, and the conference is what is meant.

Each server hands its mail to mailhook inside the organizer's request; when that is answered, all mail has gone through.
"""

import email
import re
from collections.abc import AsyncIterator, Collection
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import pytest
import pytest_asyncio

from mailhook.front.sink import Received
from tests.peers.caldav import DOMAIN, MOSCOW, Event
from tests.peers.cyrus import Cyrus
from tests.peers.groupware import Groupware, served
from tests.peers.sogo import Sogo
from tests.peers.waiting import eventually
from tests.relay.rig import Clock, World, world

pytestmark = pytest.mark.asyncio(loop_scope="module")

ANNA, BORIS, KATE = "anna@partner.example", "boris@partner.example", "kate@partner.example"
OLGA = f"olga@{DOMAIN}"
BEYOND_GRACE = timedelta(hours=1, minutes=1)
HOUR, DAY, WEEK = timedelta(hours=1), timedelta(days=1), timedelta(weeks=1)
TODAY = datetime.now(MOSCOW).replace(hour=10, minute=0, second=0, microsecond=0)
MONDAY = TODAY + timedelta(days=42 - TODAY.weekday())
UID = "meeting-1"
EVENT = Event("Бюджет", (ANNA, BORIS), MONDAY)
SERIES = replace(EVENT, extra=("RRULE:FREQ=WEEKLY;COUNT=6;BYDAY=MO",))


@dataclass(frozen=True)
class Place:
    """Of a conference that stands."""

    topic: str
    start: datetime
    people: tuple[str, ...]


def second() -> str:
    return f"{datetime.now(UTC):%H:%M:%S}"


def place(event: Event) -> Place:
    """Where the conference of `event` belongs."""
    return Place(event.summary, event.start.astimezone(UTC), event.people)


@dataclass
class Office:
    """Ivan's calendar, with mailhook behind its server."""

    server: Groupware
    here: World
    saved: str = ""

    async def save(self, *events: Event) -> list[Received]:
        """The mails that go out, once everything is done that follows from them."""
        known = len(self.here.messages)
        await self.a_second_passes()
        await self.server.account("ivan").save(UID, *events)
        await self.pass_over_the_grace()
        return self.here.messages[known:]

    async def delete(self) -> None:
        await self.a_second_passes()
        await self.server.account("ivan").delete(UID)
        await self.pass_over_the_grace()

    async def a_second_passes(self) -> None:
        """Revisions are told apart by the second, and nobody saves an event twice in one."""
        self.saved = await eventually(
            lambda: second() if second() != self.saved else "", "a second has passed"
        )

    async def pass_over_the_grace(self) -> None:
        await self.here.settle()
        self.here.clock.forward(BEYOND_GRACE)
        await self.here.settle()

    async def at(self, moment: datetime) -> None:
        self.here.clock.now = moment.astimezone(UTC)
        await self.here.settle()

    def places(self) -> list[Place]:
        """Of all conferences that stand."""
        return [
            Place(
                room.spec.topic, room.spec.start, tuple(person.address for person in room.spec.participants)
            )
            for room in self.here.rooms()
        ]

    async def doubtful(self) -> bool:
        meeting = await self.here.meeting(UID)
        return meeting is not None and bool(meeting.doubtful)

    def created(self) -> int:
        return self.here.calls("create")


def bear(mails: list[Received], link: str) -> bool:
    """Whether the link stands in the HTML and in the calendar of every mail."""
    wanted = {"text/html": link.replace("&", "&amp;").encode(), "text/calendar": link.encode()}
    return bool(mails) and all(
        wanted[kind] in text for mail in mails for kind, text in readable(mail, wanted)
    )


def readable(mail: Received, kinds: Collection[str]) -> list[tuple[str, bytes]]:
    """The unfolded text of the parts of those `kinds`, of which there is one each."""
    parts = [
        part for part in email.message_from_bytes(mail.content).walk() if part.get_content_type() in kinds
    ]
    assert {part.get_content_type() for part in parts} == set(kinds)
    bodies = ((part.get_content_type(), part.get_payload(decode=True)) for part in parts)
    return [(kind, re.sub(rb"\r?\n ", b"", body)) for kind, body in bodies if isinstance(body, bytes)]


def recipients(mails: list[Received]) -> set[str]:
    return {rcpt.address for mail in mails for rcpt in mail.recipients}


@pytest_asyncio.fixture(
    scope="module",
    loop_scope="module",
    name="server",
    params=[
        pytest.param(Cyrus, id="cyrus", marks=pytest.mark.peers("cyrus")),
        pytest.param(Sogo, id="sogo", marks=pytest.mark.peers("sogo")),
    ],
)
async def _server(request: pytest.FixtureRequest) -> AsyncIterator[Groupware]:
    async with served(request.param) as server:
        yield server


@pytest_asyncio.fixture(loop_scope="module", name="office")
async def _office(server: Groupware) -> AsyncIterator[Office]:
    async with world(clock=Clock(datetime.now(UTC)), port=server.smtp) as here:
        yield Office(server, here)
        await server.account("ivan").forget(UID)


async def test_an_event(office: Office) -> None:
    first = await office.save(EVENT)
    (room,) = office.here.rooms()
    link = office.here.sandbox.link(room)
    assert recipients(first) == {ANNA, BORIS}
    assert bear(first, link)
    assert office.places() == [place(EVENT)]

    moved = EVENT.moved(timedelta(hours=3))
    assert bear(await office.save(moved), link)
    assert office.places() == [place(moved)]

    renamed = replace(moved, summary="Бюджет и риски")
    assert bear(await office.save(renamed), link)
    assert office.places() == [place(renamed)]

    more = replace(renamed, people=(ANNA, BORIS, KATE))
    told = await office.save(more)
    assert KATE in recipients(told)
    assert bear(told, link)
    assert office.places() == [place(more)]

    fewer = replace(more, people=(ANNA, KATE))
    await office.save(fewer)
    assert office.places() == [place(fewer)]

    again = replace(fewer, people=(ANNA, BORIS, KATE))
    assert bear(await office.save(again), link)
    assert office.places() == [place(again)]

    await office.delete()
    assert office.places() == []
    assert office.created() == 1


async def test_an_exchange_of_people_together_with_a_move(office: Office) -> None:
    await office.save(EVENT)
    changed = replace(EVENT, people=(ANNA, KATE)).moved(DAY)
    await office.save(changed)
    assert office.places() == [place(changed)]
    assert office.created() == 1


async def test_an_event_whose_status_is_cancelled(office: Office) -> None:
    await office.save(EVENT)
    await office.save(EVENT.cancelled())
    assert office.places() == []


async def test_nobody_is_invited_any_more(office: Office) -> None:
    await office.save(EVENT)
    await office.save(replace(EVENT, people=()))
    assert office.places() == []


async def test_an_event_becomes_a_series_and_an_event_again(office: Office) -> None:
    await office.save(EVENT)
    await office.save(replace(SERIES, sequence=1))
    assert office.places() == [place(EVENT)]
    single = replace(EVENT, sequence=2).moved(WEEK)
    await office.save(single)
    assert office.places() == [place(single)]
    assert office.created() == 1


async def test_a_series_with_exceptions(office: Office) -> None:
    await office.save(SERIES)
    assert office.places() == [place(SERIES)]

    without_first = SERIES.without(MONDAY)
    await office.save(without_first)
    second = MONDAY + WEEK
    assert office.places() == [replace(place(SERIES), start=second.astimezone(UTC))]

    one = replace(without_first.at(second), people=(ANNA, BORIS, KATE)).moved(DAY)
    await office.save(without_first, one)
    assert office.places() == [place(one)]

    third = MONDAY + 2 * WEEK
    without_third = without_first.without(third)
    await office.save(without_third, one)
    assert office.places() == [place(one)]

    await office.at(one.end + 2 * HOUR)
    assert office.places() == [replace(place(SERIES), start=(MONDAY + 3 * WEEK).astimezone(UTC))]

    await office.delete()
    assert office.places() == []
    assert office.created() == 1


async def test_an_occurrence_whose_status_is_cancelled(office: Office) -> None:
    await office.save(SERIES)
    told = await office.save(SERIES, SERIES.at(MONDAY).cancelled())
    assert bool(told) is office.server.mails_cancelled_occurrences
    start = MONDAY + WEEK if office.server.mails_cancelled_occurrences else MONDAY
    assert office.places() == [replace(place(SERIES), start=start.astimezone(UTC))]


async def test_somebody_leaves_a_series(office: Office) -> None:
    await office.save(SERIES)
    fewer = replace(SERIES, people=(ANNA,), sequence=1)
    await office.save(fewer)
    assert office.places() == [place(fewer)]
    await office.delete()
    assert office.places() == []


async def test_somebody_leaves_a_series_that_has_an_exception(office: Office) -> None:
    moved = SERIES.at(MONDAY + WEEK).moved(DAY)
    await office.save(SERIES)
    await office.save(SERIES, moved)
    fewer = replace(SERIES, people=(ANNA,), sequence=1)
    await office.save(fewer, replace(moved, people=(ANNA,), sequence=3))
    whole = office.server.uninvites_from_whole_series
    assert office.places() == [place(fewer if whole else SERIES)]
    await office.delete()
    assert office.places() == ([] if whole else [replace(place(SERIES), people=(BORIS,))])
    assert await office.doubtful() is not whole


async def test_a_colleague_who_may_get_no_mail(office: Office) -> None:
    event = replace(EVENT, people=(ANNA, OLGA))
    told = await office.save(event)
    assert (OLGA in recipients(told)) is office.server.mails_own_people
    assert office.places() == [place(event)]
    await office.delete()
    if office.server.mails_own_people:
        assert office.places() == []
    else:  # Olga was never told by mail that she is invited, nor that she is not
        assert office.places() == [replace(place(event), people=(OLGA,))]
        assert await office.doubtful()
