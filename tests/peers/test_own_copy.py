"""The link in the organizer's own event in real groupware, and no attendee gets a mail more for it."""

import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest
import pytest_asyncio

from mailhook.front.sink import Received, Sink
from tests.peers.caldav import Account, Event
from tests.peers.cyrus import Cyrus, CyrusByItself
from tests.peers.groupware import Groupware, served
from tests.peers.sogo import Sogo
from tests.peers.test_groupware import ANNA, BORIS, MONDAY, bear, readable, recipients, second
from tests.peers.waiting import eventually
from tests.relay.rig import Clock, World, world

pytestmark = pytest.mark.asyncio(loop_scope="module")

EVENT = Event("Бюджет", (ANNA, BORIS), MONDAY)
EARLIER = timedelta(hours=3)
"""So much mailhook's clock is behind the server's: what is told later is known to be later than what was written."""

HOUR = timedelta(hours=1)


@dataclass
class Steps:
    """What the organizer does with an event; `told`: who was mailed at each step, in order of the alphabet."""

    account: Account
    uid: str
    messages: list[Received]
    after: Callable[[], Awaitable[None]]
    told: dict[str, list[str]] = field(default_factory=dict)
    mails: list[Received] = field(default_factory=list)
    saved: str = ""
    sequence: int = 0

    async def do(self, name: str, act: Awaitable[None]) -> None:
        """`act`, and whatever follows from it."""
        known = len(self.messages)
        self.saved = await eventually(lambda: second() if second() != self.saved else "", "a second passes")
        await act
        await self.after()
        self.mails = self.messages[known:]
        self.told[name] = sorted(rcpt.address for mail in self.mails for rcpt in mail.recipients)

    async def create(self) -> None:
        await self.do("create", self.account.save(self.uid, EVENT))

    async def reschedule(self, hour: int) -> None:
        times = ((r"^(DTSTART;.*T)\d\d", rf"\g<1>{hour}"), (r"^(DTEND;.*T)\d\d", rf"\g<1>{hour + 1}"))
        await self.do("reschedule", self.edit(*times))

    async def describe(self) -> None:
        await self.do("description", self.edit((r"Повестка", "План и повестка")))

    async def delete(self) -> None:
        await self.do("delete", self.account.delete(self.uid))

    async def edit(self, *changes: tuple[str, str]) -> None:
        self.sequence += 1
        await self.account.edit(self.uid, self.sequence, *changes)


@pytest_asyncio.fixture(
    scope="module",
    loop_scope="module",
    name="server",
    params=[
        pytest.param(Cyrus, id="cyrus", marks=pytest.mark.peers("cyrus")),
        pytest.param(CyrusByItself, id="cyrus-own-login", marks=pytest.mark.peers("cyrus")),
        pytest.param(Sogo, id="sogo", marks=pytest.mark.peers("sogo")),
    ],
)
async def _server(request: pytest.FixtureRequest) -> AsyncIterator[Groupware]:
    async with served(request.param) as server:
        yield server


async def told_without_mailhook(
    server: Groupware, steps: Callable[[Steps], Awaitable[None]]
) -> dict[str, list[str]]:
    sink = Sink()
    await sink.start(port=server.smtp)
    try:

        async def nothing() -> None:
            pass

        plain = Steps(server.account("ivan"), "plain", sink.messages, nothing)
        await steps(plain)
        return plain.told
    finally:
        await sink.close()


@dataclass
class Office:
    here: World
    steps: Steps
    server: Groupware

    @property
    def link(self) -> str:
        return self.here.link()

    async def places(self) -> set[str]:
        """The properties of the organizer's event that hold the link."""
        meeting = await self.here.meeting(self.steps.uid)
        assert meeting is not None
        assert [copy.error for copy in meeting.copies.values()] == [""]
        lines = (await self.steps.account.stored(self.steps.uid)).splitlines()
        return {re.split("[;:]", line)[0] for line in lines if self.link in line}


@pytest_asyncio.fixture(loop_scope="module", name="office")
async def _office(server: Groupware) -> AsyncIterator[Office]:
    async with AsyncExitStack() as stack:
        clock = Clock(datetime.now(UTC) - EARLIER)
        here = await stack.enter_async_context(world(clock=clock, port=server.smtp, caldav=server.caldav()))
        steps = Steps(server.account("ivan"), "own-copy", here.messages, here.written)
        yield Office(here, steps, server)
        await server.account("ivan").forget("own-copy")
        await here.written()


async def everything(steps: Steps) -> None:
    await steps.create()
    await steps.reschedule(14)
    await steps.describe()
    await steps.delete()


async def test_not_one_mail_more_is_sent(server: Groupware, office: Office) -> None:
    steps, stored = office.steps, {"DESCRIPTION", "URL", "CONFERENCE"}
    if isinstance(server, Cyrus):
        stored |= {"LOCATION"}
    await steps.create()
    assert await office.places() == stored
    assert bear(steps.mails, office.link)
    await steps.reschedule(14)
    assert await office.places() == stored
    assert bear(steps.mails, office.link)
    await steps.describe()
    assert await office.places() == stored
    assert "План и повестка" in await steps.account.stored(steps.uid)
    assert len(office.here.rooms()) == office.here.calls("create") == 1
    await steps.delete()
    office.here.clock.forward(HOUR)
    await office.here.settle()
    assert office.here.rooms() == []


async def test_the_count(server: Groupware) -> None:
    plain = await told_without_mailhook(server, everything)
    async with world(
        clock=Clock(datetime.now(UTC) - EARLIER), port=server.smtp, caldav=server.caldav()
    ) as here:
        steps = Steps(server.account("ivan"), "counted", here.messages, here.written)
        await everything(steps)
        assert {name: len(told) for name, told in plain.items()}["create"] == 2
        assert steps.told == plain


async def test_a_removed_link_takes_the_conference(server: Groupware, office: Office) -> None:
    """SOGo mails nobody when a description changes: there it is a look at the event that shows it."""
    steps = office.steps
    await steps.create()
    link = office.link
    without: tuple[tuple[str, str], ...] = (
        (r"^(?:URL|CONFERENCE).*\n", ""),
        (r"_______ Videomost.*/Videomost ______(\\n)*", ""),
        (r"^LAST-MODIFIED:.*$", f"LAST-MODIFIED:{datetime.now(UTC):%Y%m%dT%H%M%SZ}"),
    )
    if isinstance(server, Cyrus):
        without = (*without, (r"^LOCATION:.*$", "LOCATION:"))
    await steps.do("removed", steps.edit(*without))
    if isinstance(server, Sogo):
        assert steps.told["removed"] == []
        await office.here.looked()
        await office.here.written()
    else:
        assert recipients(steps.mails) == {ANNA, BORIS}
        texts = [text for sent in steps.mails for _, text in readable(sent, ("text/html", "text/calendar"))]
        assert not any(link.encode() in text or b"confid" in text for text in texts)
    stored = await steps.account.stored(steps.uid)
    assert link not in stored
    # Somebody else's edit of nothing but an X- property is his personal view of the event there, and no more.
    assert ("X-VIDEOMOST-CONFERENCE" in stored) is (type(server) is Cyrus)
    office.here.clock.forward(HOUR)
    await office.here.settle()
    assert office.here.rooms() == []
