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

RUNNER = ("-m", "tests.crash.runner")

UPKEEP = ("claimed", "done")
CREATION = ("reserved", "created", "confirmed", "create")
MESSAGE = tuple(name for name in get_args(Step) if name not in {"inspect", "create"})

GUESTS = ("anna@partner.example", "boris@partner.example", "kate@partner.example")
ORDINARY = 4
IN_A_ROW = 3
"""Kills, each amid new traffic, before all mail is let through."""

PATIENCE = 120.0
"""Seconds until the last lease of a killed process has run out, and its work is done by another."""


@dataclass
class Calendar:
    """What the organizer wants, and every mail that was sent for it: (Message-ID, recipient) → content."""

    meetings: dict[str, Meeting] = field(default_factory=dict)
    cancelled: set[str] = field(default_factory=set)
    sent: dict[tuple[str, str], bytes] = field(default_factory=dict)

    def wave(self, number: int) -> Iterator[tuple[str, bytes]]:
        """Two new meetings, one moved, one cancelled (if all their mail is through), ordinary mail; a copy for each
        recipient.
        """
        for name in ("a", "b"):
            uid = f"{name}-{number}@example.org"
            self.meetings[uid] = Meeting(uid, GUESTS, f"Meeting {uid}")
            yield from self._copies(self.meetings[uid], "REQUEST")
        moved = self.meetings.get(f"a-{number - IN_A_ROW}@example.org")
        if moved is not None:
            later = TOMORROW + timedelta(hours=number)
            self.meetings[moved.uid] = replace(moved, start=later, sequence=1)
            yield from self._copies(self.meetings[moved.uid], "REQUEST")
        dropped = self.meetings.get(f"b-{number - IN_A_ROW}@example.org")
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


def _kills(dice: random.Random) -> list[tuple[str, int]]:
    """The random ones first: a lease that is taken over late costs a minute."""
    kills = [("moment", dice.randint(1, 400)) for _ in range(3)]
    kills += [("any", dice.randint(1, 80)) for _ in range(3)]
    kills += [(step, dice.randint(1, 2)) for step in (*UPKEEP, *CREATION)]
    kills += [(step, dice.randint(1, 6)) for step in MESSAGE]
    return kills


async def _killed_at(place: Site, step: str, number: int, mails: Sequence[tuple[str, bytes]]) -> None:
    """Run, with `mails` and what is left of earlier ones in flight, until the kill."""
    await place.mailhook.start(*RUNNER, step, str(number), "serve", "--config", str(place.config))
    await place.postfix.flush()
    await _submitted(place, mails)
    assert await place.mailhook.ended() == -signal.SIGKILL, (step, number)


async def _submitted(place: Site, mails: Sequence[tuple[str, bytes]]) -> None:
    await asyncio.gather(*(place.submit([guest], content) for guest, content in mails))


async def test_kills_lose_nothing_and_leave_nothing(tmp_path: Path) -> None:
    kills = _kills(random.Random(20261123))
    calendar = Calendar()
    async with site(tmp_path) as place:
        for number in range(-IN_A_ROW, 0):
            await _submitted(place, list(calendar.wave(number)))
        await place.emptied()
        for number, (step, occurrence) in enumerate(kills):
            if number % IN_A_ROW == 0:
                await place.mailhook.stop(signal.SIGKILL)
            await _killed_at(place, step, occurrence, list(calendar.wave(number)))
            if number % IN_A_ROW == IN_A_ROW - 1 or number == len(kills) - 1:
                await place.mailhook.start()
                await place.emptied()
        assert not place.bounces()
        links = _checked(calendar, list(place.world.messages))
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
