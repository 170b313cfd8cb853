"""What the examples of RFC 5546, section 4, mean for the conferences: the mails of rfc5546/, through the relay."""

from collections.abc import AsyncIterator
from datetime import timedelta
from itertools import islice
from pathlib import Path

import pytest
import pytest_asyncio

from mailhook.core.aim import upcoming
from mailhook.core.meeting import Meeting
from tests.golden.table import mails
from tests.relay.mails import NOW
from tests.relay.rig import World, world

pytestmark = pytest.mark.asyncio(loop_scope="module")

FOLDER = Path(__file__).parent / "rfc5546"
A = "a@corp.example"
GROUP = "calsrv.example.com-873970198738777@example.com"


@pytest_asyncio.fixture(scope="module", loop_scope="module", name="here")
async def _here() -> AsyncIterator[World]:
    """All is sent, and the time of grace is over."""
    async with world({"trigger": "always"}) as here:
        for mail in mails(FOLDER):
            assert (await here.send(mail.content, mail.sender, *mail.recipients)).code == 250
            await here.settle()
        here.clock.forward(timedelta(hours=2))
        await here.settle()
        yield here


async def known(here: World, uid: str) -> Meeting:
    meeting = await here.meeting(uid, A)
    assert meeting is not None
    return meeting


@pytest.mark.parametrize(
    ("uid", "starts"),
    [
        # §4.2.3 and §4.2.4: moved twice.
        (GROUP, ["2031-07-01 16:00"]),
        # §4.4.1: 14:00 in the zone of the message; one date excluded, one added.
        (
            "calsrv.example.com-873970198738777-4@example.com",
            ["2031-07-01 21:00", "2031-09-01 21:00", "2031-09-10 21:00"],
        ),
        # §4.4.2, §4.4.3, §4.4.5, §4.4.6: one moved, one cancelled, two hours earlier from September on, one added.
        (
            "guid-1@example.com",
            [
                "2031-06-01 21:00",
                "2031-07-03 21:00",
                "2031-07-15 21:00",
                "2031-09-01 19:00",
                "2031-10-01 19:00",
            ],
        ),
    ],
)
async def test_when_it_takes_place(here: World, uid: str, starts: list[str]) -> None:
    found = islice(upcoming(await known(here, uid), NOW), 5)
    assert [f"{each.start:%Y-%m-%d %H:%M}" for each in found] == starts


async def test_who_was_removed_takes_no_part(here: World) -> None:
    """§4.2.10, and those whom attendees told by themselves (§4.2.5, §4.2.8) hold nothing."""
    meeting = await known(here, GROUP)
    others = {"c@example.com", "d@example.com", "e@example.com"}
    assert set(meeting.told) == {*others, "conf_big@example.com"}
    room = here.sandbox.conferences[meeting.link.conference_id] if meeting.link else None
    assert room is not None
    assert {person.address for person in room.spec.participants} == others
    assert room.spec.topic == "Phone Conference"


@pytest.mark.parametrize("uid", ["calsrv.example.com-873970198738778@example.com", "guid-7@example.com"])
async def test_what_was_cancelled_has_no_conference(here: World, uid: str) -> None:
    """§4.2.9, §4.4.4."""
    assert (await known(here, uid)).link is None


async def test_nothing_else_has_one(here: World) -> None:
    assert len(here.rooms()) == 3
    assert len(await here.app.store.all()) == 5
