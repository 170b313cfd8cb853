"""mailhook between two Postfix queues, of which workers, the supervisor, or both are killed amid mail.

What: `run` submits mails and invitations through a site, kills, and checks that every mail arrived as it should, and
that Videomost holds what the organizer wants, no more and no less.

Not here: how a process is killed (runner), and how often (test_kill, __main__).
"""

import asyncio
import random
import signal
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import timedelta
from itertools import count
from pathlib import Path
from typing import get_args

from mailhook.front.sink import Received
from mailhook.journal import Step
from tests.peers.mails import TOMORROW, Meeting, message_id, ordinary, recipients, shown, untraced
from tests.peers.site import Room, Site, site
from tests.peers.waiting import eventually, eventually_async

VICTIMS = ("worker", "supervisor", "both")
UPKEEP = ("claimed", "done")
CREATION = ("reserved", "created", "confirmed", "create")
MESSAGE = tuple(name for name in get_args(Step) if name not in {"inspect", "create"})

GUESTS = ("anna@partner.example", "boris@partner.example", "kate@partner.example")
ORDINARY = 4
IN_A_ROW = 3
"""Kills, each amid new traffic, before all mail is let through."""

NEXT_WAVE = 5.0
"""Seconds until more mails are sent where those that there were have not led to a kill."""

PATIENCE = 120.0
"""Seconds until the last lease of a killed process has run out, and its work is done by another."""


@dataclass
class Calendar:
    """What the organizer wants, and every mail that was sent for it: (Message-ID, recipient) → content.

    `under_way`, `through`: waves of which mails may still come, and of which all have arrived.
    """

    meetings: dict[str, Meeting] = field(default_factory=dict)
    cancelled: set[str] = field(default_factory=set)
    sent: dict[tuple[str, str], bytes] = field(default_factory=dict)
    waves: Iterator[int] = field(default_factory=count)
    under_way: list[int] = field(default_factory=list)
    through: deque[int] = field(default_factory=deque)

    def wave(self) -> Iterator[tuple[str, bytes]]:
        """Two new meetings, ordinary mail, and of a wave that is through one meeting moved and one cancelled; a copy
        for each recipient.
        """
        number = next(self.waves)
        self.under_way.append(number)
        for name in ("a", "b"):
            uid = f"{name}-{number}@example.org"
            self.meetings[uid] = Meeting(uid, GUESTS, f"Meeting {uid}")
            yield from self._copies(self.meetings[uid], "REQUEST")
        if self.through:
            yield from self._changed(self.through.popleft(), number)
        for one in range(ORDINARY):
            name = f"plain-{number}-{one}"
            yield self._sent(f"<{name}@example.org>", GUESTS[0], ordinary(name))

    def _changed(self, old: int, number: int) -> Iterator[tuple[str, bytes]]:
        moved, dropped = (self.meetings[f"{name}-{old}@example.org"] for name in ("a", "b"))
        later = TOMORROW + timedelta(hours=number % 1000 + 1)
        self.meetings[moved.uid] = replace(moved, start=later, sequence=1)
        yield from self._copies(self.meetings[moved.uid], "REQUEST")
        self.cancelled.add(dropped.uid)
        yield from self._copies(replace(dropped, sequence=1), "CANCEL")

    def all_through(self) -> None:
        self.through.extend(self.under_way)
        self.under_way.clear()

    def _copies(self, meeting: Meeting, method: str) -> Iterator[tuple[str, bytes]]:
        content = meeting.mail(method)
        for guest in meeting.recipients:
            yield self._sent(f"<{method.lower()}.{meeting.sequence}.{meeting.uid}>", guest, content)

    def _sent(self, name: str, guest: str, content: bytes) -> tuple[str, bytes]:
        self.sent[name, guest] = content
        return guest, content


@dataclass(frozen=True)
class Kill:
    """See `runner`."""

    victim: str
    step: str
    count: int


def steps(dice: random.Random) -> list[Kill]:
    """One at each step, of one victim after the other, and some at random.

    The random ones first: a lease that is taken over late costs a minute.
    """
    chosen = [("moment", dice.randint(1, 400)) for _ in range(3)]
    chosen += [("any", dice.randint(1, 80)) for _ in range(3)]
    chosen += [(step, dice.randint(1, 2)) for step in (*UPKEEP, *CREATION)]
    chosen += [(step, dice.randint(1, 6)) for step in MESSAGE]
    first = dice.randrange(len(VICTIMS))
    return [
        Kill(VICTIMS[(first + number) % len(VICTIMS)], step, count)
        for number, (step, count) in enumerate(chosen)
    ]


@dataclass
class Run:
    """What has been done so far."""

    place: Site
    plan: Path
    calendar: Calendar = field(default_factory=Calendar)
    kills: int = 0

    async def start(self) -> None:
        serve = ("-m", "tests.crash.runner", "serve", str(self.plan), "--config", str(self.place.config))
        await self.place.mailhook.start(*serve)

    async def wave(self) -> None:
        mails = list(self.calendar.wave())
        await asyncio.gather(*(self.place.submit([guest], content) for guest, content in mails))

    async def emptied(self) -> None:
        await self.place.emptied()
        self.calendar.all_through()

    async def kill(self, kill: Kill) -> None:
        """Until it is done, with new mails and what is left of earlier ones in flight."""
        self.kills += 1
        plan = self.plan / f"{kill.victim}.{kill.step}.{kill.count}.{self.kills}"
        plan.touch()
        while plan.exists():
            await self.place.postfix.flush()
            await self.wave()
            with suppress(AssertionError):
                await eventually(lambda: not plan.exists(), f"{kill}", NEXT_WAVE)
        if kill.victim != "worker":
            assert await self.place.mailhook.ended() == -signal.SIGKILL, kill
            await self.start()


async def run(folder: Path, kills: Sequence[Kill], workers: int, tell: Callable[[str], None] = print) -> None:
    """AssertionError: something is lost, or left over, or not as it should be."""
    async with site(folder, f"[listen]\nworkers = {workers}") as place:
        here = Run(place, folder / "plan")
        here.plan.mkdir()
        for _ in range(IN_A_ROW):
            await here.wave()
        await here.emptied()
        await place.mailhook.stop(signal.SIGKILL)
        await here.start()
        for number, kill in enumerate(kills, 1):
            await here.kill(kill)
            if number % IN_A_ROW == 0 or number == len(kills):
                await here.emptied()
                tell(f"{number} kills, {len(here.calendar.sent)} mails")
        assert not place.bounces()
        links, twice = _checked(here.calendar, list(place.world.messages))
        await _recovered(place, here.calendar, links)
        tell(
            f"workers = {workers}: {len(kills)} kills, {len(here.calendar.sent)} mails sent, 0 lost, {twice} delivered "
            f"more than once; {len(links)} meetings, each with one conference, {len(here.calendar.cancelled)} cancelled"
        )


def _checked(calendar: Calendar, arrived: Sequence[Received]) -> tuple[dict[str, str], int]:
    """Every mail arrived, each as it should be, all copies of a meeting with one link; that link by UID.

    And how many mails came more often than once.
    """
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
    return {uid: link for uid, several in links.items() for link in several}, counted.total() - len(counted)


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
