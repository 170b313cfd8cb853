"""Random deeds of an organizer, told in the dialect of each server: in the end the conference is what he means.

What: a machine per dialect. The mails of one save and of the next are handed in in any order, some twice, some put off
by the next hop, some by ourselves because no room can be made. When all have passed and the grace is over, the rooms at
the provider are those that the organizer's calendar stands for, or the meeting is listed as doubtful; and no room that
a living meeting has is ever deleted.

Not here: the provider's faults and crashes (test_upkeep_machine).
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from random import Random
from typing import Literal, assert_never

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from mailhook.core.conference import JoinDetails, Spec
from mailhook.core.meeting import Meeting
from mailhook.core.policy import Wanted
from mailhook.core.reservation import Granted, conference_key, confirm, reserve
from mailhook.core.revision import Condemn, Create, Insert, Leave, announce, look, postponed
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
    succeeded,
)
from tests.core.dialects import DIALECTS, HOUR, WEEK, Dialect, Event, Letter, Raise, letters
from tests.core.invitations import POLICY, at
from tests.core.meetings import KEY

START = at("2027-03-01 00:00")
PROVIDER = "p"
RULES = replace(POLICY, max_deletions_per_hour=1000, max_conferences_per_organizer_per_hour=1000)
PEOPLE = ("anna@partner.example", "boris@partner.example", "kate@partner.example", "petr@corp.example")
SOMEBODY = st.sampled_from(PEOPLE)

Fate = Literal["passes", "passes twice", "is put off by the next hop", "finds no provider"]
FATES = st.sampled_from(
    ["passes", "passes", "passes", "passes twice", "is put off by the next hop", "finds no provider"]
)


@dataclass
class Hop:
    """mailhook with a provider that always works; `doomed` is asked before a room is deleted."""

    doomed: Callable[[str], None]
    meeting: Meeting = field(default_factory=lambda: Meeting(KEY))
    rooms: dict[str, Spec] = field(default_factory=dict)

    def takes(self, letter: Letter, fate: Fate, now: datetime) -> bool:
        """Whether the client need not come again with it."""
        if letter.invitation.cancels:
            if fate.startswith("passes"):
                self.meeting = cancel(self.meeting, letter.invitation, letter.recipients, RULES, now)
            return fate.startswith("passes")
        wish = Wanted("keyword")
        self.meeting, plan = look(self.meeting, letter.invitation, wish, RULES, now, letter.recipients)
        match plan:
            case Leave():
                return fate != "is put off by the next hop"
            case Condemn():
                raise AssertionError("nobody wanted it gone")
            case Create() if fate == "finds no provider":
                self.meeting, _ = postponed(self.meeting, letter.invitation, now)
                return False
            case Create(spec):
                self.create(spec, now)
            case Insert():
                pass
            case _:
                assert_never(plan)
        before, linked = self.meeting, self.meeting.link is not None
        self.meeting = announce(before, letter.invitation, letter.recipients, RULES, now, linked=linked)
        if fate == "is put off by the next hop":
            return False
        self.meeting = unlist(self.meeting, before, letter.invitation, letter.recipients, RULES, now)
        return True

    def create(self, spec: Spec, now: datetime) -> None:
        self.meeting, grant = reserve(self.meeting, "token", PROVIDER, RULES, now, 0)
        assert isinstance(grant, Granted)
        room = conference_key(b"secret", KEY, grant.generation)
        self.rooms[room] = spec
        details = JoinDetails(room, f"https://videomost.example/{room}")
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


class Office(RuleBasedStateMachine):
    """`event`: what stands in the organizer's calendar; `on_the_way`: mails in the queue of his server."""

    dialect: Dialect

    def __init__(self) -> None:
        super().__init__()
        self.now = START
        self.hop = Hop(self.spare)
        self.event: Event | None = None
        self.on_the_way: list[Letter] = []
        self.saves = 0
        self.shown = ""

    # --- what the organizer does --------------------------------------------------------------------------

    def save(self, new: Event | None, *kinds: Raise) -> None:
        """A minute after the last save; a server does nothing when nothing has changed."""
        self.now += timedelta(minutes=1)
        self.saves += 1
        if new is not None:
            raised = sum(self.dialect.raises.get(kind, 0) for kind in kinds)
            old = self.event
            people_only = old is not None and set(kinds) == {"people"} and old.people >= new.people
            new = replace(
                new,
                sequence=new.sequence + raised,
                stamp=new.stamp or self.now,
                modified=new.modified if people_only else self.now,
            )
        self.on_the_way += letters(self.dialect, self.event, new, self.now, self.saves)
        self.event = new

    @precondition(lambda self: self.event is None)
    @rule(people=st.sets(SOMEBODY, min_size=1), days=st.integers(2, 9), weekly=st.booleans())
    def create(self, people: set[str], days: int, weekly: bool) -> None:
        """The first time, or again after it was deleted."""
        self.save(Event("first", self.later(days), weekly, frozenset(people)))

    def later(self, days: int) -> datetime:
        """Never the time of an occurrence that was called off before: whether it lives again nobody can tell."""
        return self.now.replace(hour=0, minute=0) + timedelta(days=days, minutes=self.saves)

    @precondition(lambda self: self.event is not None)
    @rule(days=st.integers(2, 9))
    def move(self, days: int) -> None:
        assert self.event is not None
        if not self.event.off:
            self.save(replace(self.event, start=self.later(days)), "move")

    @precondition(lambda self: self.event is not None)
    @rule(name=st.sampled_from(["first", "second", "third"]))
    def rename(self, name: str) -> None:
        assert self.event is not None
        if name != self.event.name:
            self.save(replace(self.event, name=name), "rename")

    @precondition(lambda self: self.event is not None)
    @rule(who=SOMEBODY)
    def add(self, who: str) -> None:
        assert self.event is not None
        if who not in self.event.people:
            self.save(replace(self.event, people=self.event.people | {who}), "people")

    @precondition(lambda self: self.event is not None)
    @rule(who=SOMEBODY)
    def remove(self, who: str) -> None:
        assert self.event is not None
        if who in self.event.people:
            self.save(replace(self.event, people=self.event.people - {who}), "people")

    @precondition(lambda self: self.event is not None)
    @rule(out=SOMEBODY, new=SOMEBODY, days=st.integers(2, 9))
    def exchange_and_move(self, out: str, new: str, days: int) -> None:
        """Three changes in one save."""
        assert self.event is not None
        people = (self.event.people - {out}) | {new}
        if people != self.event.people and not self.event.off:
            self.save(replace(self.event, people=people, start=self.later(days)), "move", "people")

    @precondition(lambda self: self.event is not None and self.event.weekly)
    @rule(which=st.integers(0, 4))
    def call_one_off(self, which: int) -> None:
        assert self.event is not None
        occurrence = self.event.start + which * WEEK
        if occurrence not in self.event.off and len(self.event.occurrences()) > 1:
            self.save(replace(self.event, off=self.event.off | {occurrence}), "call-off")

    @precondition(lambda self: self.event is not None)
    @rule()
    def delete(self) -> None:
        self.save(None)

    # --- what becomes of the mails ------------------------------------------------------------------------

    @precondition(lambda self: self.on_the_way)
    @rule(which=st.integers(0, 20), fate=FATES)
    def hand_in(self, which: int, fate: Fate) -> None:
        letter = self.on_the_way[which % len(self.on_the_way)]
        if self.hop.takes(letter, fate, self.now):
            self.on_the_way.remove(letter)
            if fate == "passes twice":
                self.hop.takes(letter, "passes", self.now)
        self.hop.works(self.now)

    @rule(order=st.randoms(use_true_random=False), days=st.sampled_from([0, 0, 7]))
    def settle(self, order: Random, days: int) -> None:
        """All mails pass, and the grace; then look."""
        order.shuffle(self.on_the_way)
        self.quiet(timedelta(days=days))

    def teardown(self) -> None:
        self.quiet(timedelta())

    def quiet(self, time: timedelta) -> None:
        for letter in self.on_the_way:
            assert self.hop.takes(letter, "passes", self.now)
        self.on_the_way.clear()
        self.now += RULES.delete_grace + timedelta(minutes=1) + time
        self.hop.works(self.now)
        self.as_meant()

    # --- what is meant ------------------------------------------------------------------------------------

    def next_start(self) -> datetime | None:
        """Where the conference belongs: none without people, none when all is over."""
        if self.event is None or not self.event.people:
            return None
        ahead = (s for s in self.event.occurrences() if s + HOUR + RULES.roll_after > self.now)
        return next(ahead, None)

    def spare(self, room: str) -> None:
        assert self.next_start() is None, f"{room} goes, and {self.event} lives"

    def as_meant(self) -> None:
        start, doubt, rooms = self.next_start(), self.hop.meeting.doubtful, self.hop.rooms
        if self.event is None or not self.event.people:
            assert not rooms or doubt
            self.shown = ""
        elif start is not None:
            ((room, spec),) = rooms.items()
            assert self.shown in {"", room}, "the link has changed"
            self.shown = room
            if not doubt:
                found = (spec.topic, spec.start, {person.address for person in spec.participants})
                assert found == (self.event.name, start, set(self.event.people))

    @invariant()
    def one_room_at_most(self) -> None:
        assert len(self.hop.rooms) <= 1


@pytest.mark.parametrize("dialect", DIALECTS, ids=lambda dialect: dialect.name)
def test_in_the_end_the_conference_is_what_the_organizer_means(dialect: Dialect) -> None:
    machine = type("Office", (Office,), {"dialect": dialect})
    rules = settings(
        max_examples=150,
        stateful_step_count=14,
        deadline=None,
        derandomize=True,
        suppress_health_check=list(HealthCheck),
    )
    run_state_machine_as_test(machine, settings=rules)
