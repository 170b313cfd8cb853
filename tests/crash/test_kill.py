"""mailhook between two Postfix queues is killed at every step, and at random: nothing is lost or left over."""

import asyncio
import random
import signal
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import get_args

import pytest

from mailhook.front.sink import Received
from mailhook.journal import Step
from tests.peers.mails import TOMORROW, Meeting, message_id, ordinary, recipients, shown, untraced
from tests.peers.site import Room, Site, site
from tests.peers.waiting import eventually_async

pytestmark = pytest.mark.peers

RUNNER = Path(__file__).with_name("runner.py")

# What is done in a worker's lease is taken up by others a minute after the kill: those come first.
UPKEEP = ("claimed", "done")
CREATION = ("reserved", "created", "confirmed")
MESSAGE = tuple(name for name in get_args(Step) if name != "inspect")

GUESTS = ("anna@partner.example", "boris@partner.example", "kate@partner.example")
ORDINARY = 4
PATIENCE = 120.0


@dataclass
class Calendar:
    """What the organizer wants, and every mail that was sent for it: (Message-ID, recipient) → content."""

    meetings: dict[str, Meeting] = field(default_factory=dict)
    cancelled: set[str] = field(default_factory=set)
    sent: dict[tuple[str, str], bytes] = field(default_factory=dict)

    def wave(self, number: int) -> Iterator[tuple[str, bytes]]:
        """Two new meetings, one moved, one cancelled, ordinary mail; one copy for each recipient."""
        for name in ("a", "b"):
            uid = f"{name}-{number}@example.org"
            self.meetings[uid] = Meeting(uid, GUESTS, f"Meeting {uid}")
            yield from self._copies(self.meetings[uid], "REQUEST")
        moved = self.meetings.get(f"a-{number - 1}@example.org")
        if moved is not None:
            later = TOMORROW + timedelta(hours=number)
            self.meetings[moved.uid] = replace(moved, start=later, sequence=1)
            yield from self._copies(self.meetings[moved.uid], "REQUEST")
        dropped = self.meetings.get(f"b-{number - 1}@example.org")
        if dropped is not None:
            self.cancelled.add(dropped.uid)
            yield from self._copies(replace(dropped, sequence=1), "CANCEL")
        for one in range(ORDINARY):
            name = f"plain-{number}-{one}"
            yield self._sent(f"<{name}@example.org>", GUESTS[0], ordinary(name))

    def _copies(self, meeting: Meeting, method: str) -> Iterator[tuple[str, bytes]]:
        content = meeting.mail(method)
        for guest in meeting.recipients:
            yield self._sent(f"<{method.lower()}.{meeting.sequence}.{meeting.uid}>", guest, content)

    def _sent(self, name: str, guest: str, content: bytes) -> tuple[str, bytes]:
        self.sent[name, guest] = content
        return guest, content


async def _killed_at(place: Site, step: str, number: int, mails: Sequence[tuple[str, bytes]]) -> None:
    """Run until the kill with `mails` in flight, then in peace until all of them are through."""
    serve = ("serve", "--config", str(place.config))
    await place.mailhook.start(str(RUNNER), step, str(number), *serve)
    await asyncio.gather(*(place.submit([guest], content) for guest, content in mails))
    assert await place.mailhook.ended() == -signal.SIGKILL
    await place.mailhook.start()
    await place.emptied()
    await place.mailhook.stop(signal.SIGKILL)


async def test_kills_lose_nothing_and_leave_nothing(tmp_path: Path) -> None:
    dice = random.Random(20261123)
    kills = [(step, dice.randint(1, 2)) for step in UPKEEP]
    kills += [(step, dice.randint(1, 2)) for step in CREATION]
    kills += [(step, dice.randint(1, 6)) for step in MESSAGE]
    kills += [("any", dice.randint(1, 80)) for _ in range(2)]
    kills += [("moment", dice.randint(1, 400)) for _ in range(3)]
    calendar = Calendar()
    async with site(tmp_path) as place:
        first = list(calendar.wave(0))
        await asyncio.gather(*(place.submit([guest], content) for guest, content in first))
        await place.emptied()
        await place.mailhook.stop()
        for number, (step, occurrence) in enumerate(kills, start=1):
            await _killed_at(place, step, occurrence, list(calendar.wave(number)))
        await place.mailhook.start()
        arrived = await place.emptied()
        assert not place.bounces()
        links = _checked(calendar, arrived)
        await _recovered(place, calendar, links)


def _checked(calendar: Calendar, arrived: Sequence[Received]) -> dict[str, str]:
    """Every mail arrived, each as it should be, all copies of a meeting with one link; that link by UID."""
    links: dict[str, set[str]] = {}
    counted: Counter[tuple[str, str]] = Counter()
    for mail in arrived:
        (guest,) = recipients(mail)
        name = message_id(mail)
        counted[name, guest] += 1
        original = calendar.sent[name, guest]
        if not name.startswith("<request."):
            assert untraced(mail.content) == original, name
            continue
        seen, uid = shown(mail), name.removesuffix(">").split(".", 2)[2]
        assert seen.link, f"{name} has no link"
        assert f"DTSTART:{seen.start:%Y%m%dT%H%M%SZ}".encode() in original
        links.setdefault(uid, set()).add(seen.link)
    lost = calendar.sent.keys() - counted.keys()
    assert not lost
    assert links.keys() == calendar.meetings.keys()
    assert {uid: len(several) for uid, several in links.items() if len(several) > 1} == {}
    print(f"{len(calendar.sent)} mails sent, {counted.total() - len(counted)} delivered more than once")
    return {uid: link for uid, several in links.items() for link in several}


async def _recovered(place: Site, calendar: Calendar, links: dict[str, str]) -> None:
    """What is at Videomost is what the organizer wants, no more and no less."""
    living = {uid: meeting for uid, meeting in calendar.meetings.items() if uid not in calendar.cancelled}
    wanted = {(meeting.summary, links[uid], f"{meeting.start:%H:%M}") for uid, meeting in living.items()}

    async def look() -> list[tuple[str, str, str]]:
        return sorted(
            (room.topic, room.link, _hour(room)) for room in await place.rooms() if not room.deleted
        )

    async def as_wanted() -> bool:
        return await look() == sorted(wanted)

    try:
        await eventually_async(as_wanted, "Videomost is as it should be", PATIENCE)
    except AssertionError:
        assert await look() == sorted(wanted)
    assert sum(room.deleted for room in await place.rooms()) == len(calendar.cancelled)


def _hour(room: Room) -> str:
    return room.start.partition("T")[2][:5]
