"""mailhook without its mail server: what the domain does with a mail, and its worker with a provider that always works.

Not here: mails (dialects), expectations.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Literal, assert_never

from mailhook.core.conference import JoinDetails, Spec
from mailhook.core.meeting import Meeting
from mailhook.core.outcome import succeeded
from mailhook.core.policy import wish
from mailhook.core.reservation import Granted, conference_key, confirm, reserve
from mailhook.core.revision import (
    Condemn,
    Create,
    Insert,
    Leave,
    announce,
    look,
    postponed,
    renounce,
    withdraw,
)
from mailhook.core.unheard import unheard
from mailhook.core.uninviting import cancel, unlist
from mailhook.core.upkeep import (
    CreateRoom,
    DeleteLeftover,
    DeleteRoom,
    Limited,
    Nothing,
    Recover,
    RecreateRoom,
    Task,
    UpdateRoom,
    claim,
)
from tests.core.dialects import Letter
from tests.core.invitations import POLICY
from tests.core.meetings import KEY

PROVIDER = "p"
HOST = "videomost.example"
RULES = replace(POLICY, max_deletions_per_hour=1000, max_conferences_per_organizer_per_hour=1000)

Fate = Literal[
    "passes", "passes twice", "is put off by the next hop", "finds no provider", "is refused", "is lost"
]


@dataclass
class Hop:
    """`doomed` is asked before a room is deleted."""

    doomed: Callable[[str], None]
    meeting: Meeting = field(default_factory=lambda: Meeting(KEY))
    rooms: dict[str, Spec] = field(default_factory=dict)

    def takes(self, letter: Letter, fate: Fate, now: datetime) -> bool:
        """Whether the client need not come again with it."""
        if fate == "is lost":
            return True
        if letter.invitation.cancels:
            if fate.startswith("passes"):
                self.meeting = cancel(self.meeting, letter.invitation, letter.recipients, RULES, now)
            else:
                self.is_unheard(letter, None, fate, now)
            return fate not in {"is put off by the next hop", "finds no provider"}
        ours = [self.meeting.link.link] if self.meeting.link else []
        wanted = wish(RULES, letter.invitation, [HOST], ours)
        self.meeting, plan = look(self.meeting, letter.invitation, wanted, RULES, now, letter.recipients)
        match plan:
            case Leave():
                return fate != "is put off by the next hop"
            case Condemn(why):
                if fate.startswith("passes"):
                    self.meeting = renounce(self.meeting, letter.invitation, why, RULES, now)
                return fate not in {"is put off by the next hop", "finds no provider"}
            case Create() if fate == "finds no provider":
                self.meeting, _ = postponed(self.meeting, letter.invitation, now)
                return False
            case Create(spec):
                self.create(spec, now)
            case Insert():
                pass
            case _:
                assert_never(plan)
        return self.relays(letter, fate, now)

    def relays(self, letter: Letter, fate: Fate, now: datetime) -> bool:
        before, linked = self.meeting, self.meeting.link is not None
        self.meeting = announce(before, letter.invitation, letter.recipients, RULES, now, linked=linked)
        if fate == "is put off by the next hop":
            self.is_unheard(letter, before, fate, now)
            return False
        if fate == "is refused":
            self.meeting = withdraw(self.meeting, before, letter.invitation, letter.recipients, RULES, now)
        else:
            self.meeting = unlist(self.meeting, before, letter.invitation, letter.recipients, RULES, now)
        return True

    def is_unheard(self, letter: Letter, before: Meeting | None, fate: Fate, now: datetime) -> None:
        refused = fate == "is refused"
        self.meeting = unheard(
            self.meeting, before, letter.invitation, letter.recipients, RULES, now, refused=refused
        )

    def create(self, spec: Spec, now: datetime) -> None:
        self.meeting, grant = reserve(self.meeting, "token", PROVIDER, RULES, now, 0)
        assert isinstance(grant, Granted)
        room = conference_key(b"secret", KEY, grant.generation)
        self.rooms[room] = spec
        details = JoinDetails(room, f"https://{HOST}/{room}")
        self.meeting, _ = confirm(self.meeting, "token", spec, details, PROVIDER, RULES, now)

    def works(self, now: datetime) -> None:
        """All that is due."""
        for _ in range(20):
            self.meeting, task = claim(self.meeting, "worker", PROVIDER, RULES, now, 0)
            if isinstance(task, Nothing):
                return
            self.does(task, now)
            self.meeting = succeeded(self.meeting, "worker", task, RULES, now)
        raise AssertionError(f"never at rest: {self.meeting}")

    def does(self, task: Task, now: datetime) -> None:
        match task:
            case CreateRoom(spec):
                self.create(spec, now)
            case UpdateRoom(room, spec):
                assert room in self.rooms
                self.rooms[room] = spec
            case DeleteRoom(room):
                self.delete(room)
            case DeleteLeftover(leftover):
                self.delete(leftover.conference_id)
            case RecreateRoom() | Recover() | Nothing() | Limited():
                raise AssertionError(task)
            case _:
                assert_never(task)

    def delete(self, room: str) -> None:
        self.doomed(room)
        del self.rooms[room]
