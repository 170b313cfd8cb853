"""Random deeds of an organizer, told in the dialect of each server: in the end the conference is what he means.

What: a machine per dialect. The mails of one save and of the next are handed in in any order, some twice, some put off
by the next hop, some by ourselves because no room can be made. When all have passed and the grace is over, the rooms at
the provider are those that the organizer's calendar stands for, or the meeting is listed as doubtful; and no room that
a living meeting has is ever deleted, even if mails are lost or refused: then whoever has been told still finds it.

Not here: the provider's faults and crashes (test_upkeep_machine).
"""

from dataclasses import replace
from datetime import datetime, timedelta
from random import Random

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

from tests.core.dialects import DIALECTS, HOUR, WEEK, Dialect, Event, Letter, Raise, letters
from tests.core.hop import RULES, Fate, Hop
from tests.core.invitations import at

START = at("2027-03-01 00:00")
AGENDA = "agenda"
PEOPLE = ("anna@partner.example", "boris@partner.example", "kate@partner.example", "petr@corp.example")
SOMEBODY = st.sampled_from(PEOPLE)
MARKS = ("keyword", "category", "resource")
FATES: st.SearchStrategy[Fate] = st.sampled_from(
    ["passes", "passes", "passes", "passes twice", "is put off by the next hop", "finds no provider"]
)
BAD_FATES: st.SearchStrategy[Fate] = st.sampled_from(["is lost", "is refused"])


def there_is_an_event(office: "Office") -> bool:
    return office.event is not None


class Office(RuleBasedStateMachine):
    """What the organizer does, and what becomes of the mails.

    event       what stands in his calendar
    on_the_way  mails in the queue of his server
    wants       whether he wants a conference; `link_taken`: no more since he took the link out of the event
    lossy       mails were lost or refused, so that not everything that he means can be known
    entangled   a new event under this UID may look like one whose resource was released, or link taken out
    informed    person → the newest save of which a REQUEST has passed to him
    since       person, or "" for the wish → the save that last brought him in, or changed the wish
    """

    dialect: Dialect

    def __init__(self) -> None:
        super().__init__()
        self.now = START
        self.hop = Hop(self.spare)
        self.event: Event | None = None
        self.on_the_way: list[Letter] = []
        self.saves = 0
        self.shown = ""
        self.wants = True
        self.link_taken = False
        self.lossy = False
        self.entangled = False
        self.informed: dict[str, int] = {}
        self.since: dict[str, int] = {}

    # --- what the organizer does --------------------------------------------------------------------------

    @property
    def present(self) -> Event:
        assert self.event is not None
        return self.event

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
            known = old.people if old else frozenset()
            self.since |= dict.fromkeys(new.people - known, self.saves)
        self.on_the_way += letters(self.dialect, self.event, new, self.now, self.saves)
        self.event = new

    def wish(self, wants: bool) -> None:
        """From the next save on."""
        self.wants = wants
        self.since[""] = self.saves + 1

    def later(self, days: int) -> datetime:
        """Never the time of an occurrence that was called off before: whether it lives again nobody can tell."""
        return self.now.replace(hour=0, minute=0) + timedelta(days=days, minutes=self.saves)

    @precondition(lambda self: self.event is None and not self.entangled)
    @rule(
        people=st.sets(SOMEBODY, min_size=1),
        days=st.integers(2, 9),
        weekly=st.booleans(),
        marks=st.sets(st.sampled_from(MARKS), min_size=1),
    )
    def create(self, people: set[str], days: int, weekly: bool, marks: set[str]) -> None:
        """The first time, or again after it was deleted, under its UID."""
        self.wish(True)
        self.link_taken = False
        self.entangled |= "resource" in marks
        self.save(
            Event("first", self.later(days), weekly, frozenset(people), text=AGENDA, marks=frozenset(marks))
        )

    @precondition(there_is_an_event)
    @rule(days=st.integers(2, 9))
    def move(self, days: int) -> None:
        if not self.present.off and not self.present.moved:
            self.save(replace(self.present, start=self.later(days)), "move")

    @precondition(there_is_an_event)
    @rule(name=st.sampled_from(["first", "second", "third"]))
    def rename(self, name: str) -> None:
        if name != self.present.name:
            self.save(replace(self.present, name=name), "rename")

    @precondition(there_is_an_event)
    @rule(who=SOMEBODY)
    def add(self, who: str) -> None:
        if who not in self.present.people:
            self.save(replace(self.present, people=self.present.people | {who}), "people")

    @precondition(there_is_an_event)
    @rule(who=SOMEBODY)
    def remove(self, who: str) -> None:
        if who in self.present.people:
            self.save(replace(self.present, people=self.present.people - {who}), "people")

    @precondition(there_is_an_event)
    @rule(out=SOMEBODY, new=SOMEBODY, days=st.integers(2, 9))
    def exchange_and_move(self, out: str, new: str, days: int) -> None:
        """Three changes in one save."""
        event = self.present
        people = (event.people - {out}) | {new}
        if people != event.people and not event.off and not event.moved:
            self.save(replace(event, people=people, start=self.later(days)), "move", "people")

    @precondition(lambda self: self.event is not None and self.event.weekly)
    @rule(which=st.integers(0, 4))
    def call_one_off(self, which: int) -> None:
        """Maybe one that was moved before."""
        event, originals = self.present, self.present.originals
        if which < len(originals) > 1:
            gone = originals[which]
            moved = tuple(pair for pair in event.moved if pair[0] != gone)
            self.save(replace(event, off=event.off | {gone}, moved=moved), "call-off")

    @precondition(lambda self: self.event is not None and self.event.weekly and not self.event.opted_out)
    @rule(which=st.integers(0, 4), hours=st.integers(-48, 48))
    def move_one(self, which: int, hours: int) -> None:
        """Of instances that have no conference nothing is remembered."""
        event, originals = self.present, self.present.originals
        if which < len(originals) and hours:
            start = originals[which] + timedelta(hours=hours, minutes=self.saves)
            others = dict(event.moved) | {originals[which]: start}
            if start > self.now + HOUR:
                self.save(replace(event, moved=tuple(sorted(others.items()))), "move-one")

    @precondition(lambda self: self.event is not None and self.event.weekly)
    @rule(weeks=st.integers(1, 4))
    def end_early(self, weeks: int) -> None:
        event, end = self.present, self.present.start + weeks * WEEK
        if weeks < event.weeks:
            off = frozenset(start for start in event.off if start < end)
            moved = tuple(pair for pair in event.moved if pair[0] < end)
            shorter = replace(event, weeks=weeks, off=off, moved=moved)
            if shorter.originals:
                self.save(shorter, "shorten")

    @precondition(there_is_an_event)
    @rule()
    def delete(self) -> None:
        self.save(None)

    # --- whether he wants a conference --------------------------------------------------------------------

    @precondition(lambda self: self.event is not None and self.event.text == AGENDA)
    @rule()
    def opt_out_or_in(self) -> None:
        if not self.link_taken and (self.wants or self.present.opted_out):
            self.wish(not self.wants)
            self.save(replace(self.present, opted_out=not self.present.opted_out), "rename")

    @precondition(lambda self: self.event is not None and self.event.text == AGENDA and self.wants)
    @rule()
    def release_the_resource(self) -> None:
        """Other marks that are left standing ask for nothing new; but they do, if other mails overtake this one."""
        marks = self.present.marks
        if "resource" in marks and (len(marks) == 1 or not self.on_the_way):
            self.wish(False)
            self.save(replace(self.present, marks=marks - {"resource"}), "people")
            if len(marks) > 1:
                self.quiet(timedelta())

    @precondition(lambda self: self.event is not None and not self.event.opted_out)
    @rule(mark=st.sampled_from(MARKS))
    def mark(self, mark: str) -> None:
        """A mark that was not there is a new wish."""
        event = self.present
        if mark not in event.marks:
            self.wish(True)
            self.link_taken = False
            self.entangled |= mark == "resource"
            kinds: tuple[Raise, ...] = ("marks", "people") if mark == "resource" else ("marks",)
            self.save(replace(event, marks=event.marks | {mark}, name=f"{event.name}!"), "rename", *kinds)

    @precondition(lambda self: self.event is not None and self.hop.meeting.link and not self.on_the_way)
    @rule()
    def paste_the_link(self) -> None:
        event, link = self.present, self.hop.meeting.link
        if self.wants and event.text == AGENDA and link is not None:
            self.entangled = True
            text = f"{AGENDA}\\n\\nJoin here:\\n{link.link}"
            self.save(replace(event, text=text, name=f"{event.name}+"), "text", "rename")

    @precondition(lambda self: self.event is not None and self.event.text != AGENDA and not self.on_the_way)
    @rule(text=st.sampled_from([AGENDA, "", "age"]))
    def take_the_link_away(self, text: str) -> None:
        """By hand; or a phone does that cuts texts off or drops them, which means nothing."""
        if self.hop.meeting.borne is None or self.hop.meeting.renounced:
            return
        if text == AGENDA:
            self.wish(False)
            self.link_taken = True
        new = replace(self.present, text=text, name=f"{self.present.name}-")
        self.save(new, "text", "rename")

    # --- what becomes of the mails ------------------------------------------------------------------------

    @precondition(lambda self: self.on_the_way)
    @rule(which=st.integers(0, 20), fate=FATES)
    def hand_in(self, which: int, fate: Fate) -> None:
        letter = self.on_the_way[which % len(self.on_the_way)]
        if self.takes(letter, fate):
            self.on_the_way.remove(letter)
            if fate == "passes twice":
                self.takes(letter, "passes")
        self.hop.works(self.now)

    @precondition(lambda self: self.on_the_way)
    @rule(which=st.integers(0, 20), fate=BAD_FATES)
    def fail(self, which: int, fate: Fate) -> None:
        self.lossy = True
        self.hand_in(which, fate)

    def takes(self, letter: Letter, fate: Fate) -> bool:
        taken = self.hop.takes(letter, fate, self.now)
        if fate.startswith("passes") and not letter.invitation.cancels:
            for who in letter.recipients:
                self.informed[who] = max(letter.saved, self.informed.get(who, 0))
        return taken

    @rule(order=st.randoms(use_true_random=False), days=st.sampled_from([0, 0, 7]))
    def settle(self, order: Random, days: int) -> None:
        """All mails pass, and the grace; then look."""
        order.shuffle(self.on_the_way)
        self.quiet(timedelta(days=days))

    def teardown(self) -> None:
        self.quiet(timedelta())

    def quiet(self, time: timedelta) -> None:
        for letter in self.on_the_way:
            assert self.takes(letter, "passes")
        self.on_the_way.clear()
        self.now += RULES.delete_grace + timedelta(minutes=1) + time
        self.hop.works(self.now)
        self.as_meant()

    # --- what is meant ------------------------------------------------------------------------------------

    def next_start(self) -> datetime | None:
        """Where the conference belongs: none without people, none when all is over, none that nobody wants."""
        if self.event is None or not self.event.people or not self.wants:
            return None
        ahead = (s for s in self.event.occurrences() if s + HOUR + RULES.roll_after > self.now)
        return next(ahead, None)

    def is_known(self) -> bool:
        """Whether a mail has told anybody who is still invited that he is, and of the present wish."""
        people = self.event.people if self.event else frozenset()
        return any(self.informed.get(who, 0) >= max(self.since[who], self.since[""]) for who in people)

    def spare(self, room: str) -> None:
        living = self.next_start() is not None and self.is_known()
        assert not living, f"{room} goes, and {self.event} lives"

    def as_meant(self) -> None:
        start, doubt, rooms = self.next_start(), self.hop.meeting.doubtful, self.hop.rooms
        if self.lossy:
            assert start is None or not self.is_known() or rooms
        elif self.event is None or not self.event.guests or not self.wants:
            assert not rooms or doubt
            self.shown = ""
        elif start is not None and self.is_known():
            ((room, spec),) = rooms.items()
            assert self.shown in {"", room}, "the link has changed"
            self.shown = room
            if not doubt:
                found = {person.address for person in spec.participants} - self.dialect.internal
                assert (spec.topic, spec.start) == (self.event.name, start)
                assert found == set(self.event.people - self.dialect.internal)
        elif start is None and not doubt and self.event.people:
            assert all(spec.end <= self.now for spec in rooms.values()), (
                "it stands ahead of the last occurrence"
            )

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
