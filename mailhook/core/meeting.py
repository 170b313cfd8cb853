"""What is known of a meeting, and its questions: who takes part, what the conference should be.

What: a `Meeting` is all that is known of one (organizer, UID): its components as last revised, the holders (who
was told of what by a mail that passed), its conference, and what keeps the worker busy. `desired` says, purely,
what the conference should be at a moment and until when that answer holds.

Not here: how a message changes a meeting (`revision`), who may act (`policy`), I/O (`flight`, `sync`), when
the worker looks (`waking`).
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from heapq import merge
from typing import assert_never

from mailhook.core import ranges
from mailhook.core.conference import Conference, JoinDetails, Person, Spec, State
from mailhook.core.ranges import Part
from mailhook.core.recurrence import Occurrence, Schedule, Standing, expandable, first, standing

NOBODY = Person("")
LONGEST_TOPIC = 250
UNSCHEDULED = Conference()
MASTER = ""
"""The component key of a VEVENT without RECURRENCE-ID."""


@dataclass(frozen=True, order=True)
class MeetingKey:
    """`organizer`: lower case, domain alias resolved; `uid` as it stands (RFC 5545 §3.8.4.7)."""

    organizer: str
    uid: str


@dataclass(frozen=True)
class Stamp:
    """What orders revisions of a component (RFC 5546 §2.1.5), and the message's Date."""

    sequence: int = 0
    dtstamp: datetime | None = None
    last_modified: datetime | None = None
    date: datetime | None = None


@dataclass(frozen=True)
class Attendee:
    """An ATTENDEE: `kind` is CUTYPE in upper case (INDIVIDUAL when absent)."""

    person: Person
    kind: str = "INDIVIDUAL"

    @property
    def individual(self) -> bool:
        return self.kind not in {"ROOM", "RESOURCE"}


@dataclass(frozen=True)
class Component:
    """A VEVENT as last revised. `key` is RECURRENCE-ID as a UTC instant in basic form, or MASTER.

    `ranged`: it stands for the later instances too (RANGE=THISANDFUTURE). `added`: an instance that the rule lacks.
    """

    key: str
    stamp: Stamp
    summary: str
    schedule: Schedule | None
    attendees: tuple[Attendee, ...] = ()
    cancelled: bool = False
    ranged: bool = False
    added: bool = False

    @property
    def instance(self) -> datetime | None:
        """The instance that an override replaces: its original start."""
        return datetime.strptime(self.key, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC) if self.key else None


@dataclass(frozen=True)
class Told:
    """A recipient was told of the component `key` in the revision `stamp`, by so many `copies` of the mail.

    `cancelled`: a CANCEL has taken this one instance from him, who still holds the series.
    """

    key: str
    stamp: Stamp
    copies: int = 1
    cancelled: bool = False


@dataclass(frozen=True)
class Leftover:
    """A room that must go: it lost a race, or its generation has ended."""

    conference_id: str
    provider: str


@dataclass(frozen=True)
class Suspect:
    """After a create without a clear answer what bears the key of `generation`, but the meeting's own room, must go.

    `due`: when to look for the last time; None: now, and once more later, because an answer may come late.
    `unsearchable`: the provider has no means to look; it stays listed for the administrator.
    """

    generation: int
    provider: str
    due: datetime | None = None
    unsearchable: bool = False


@dataclass(frozen=True)
class Lease:
    """Who works on the conference at present, and until when nobody else does."""

    token: str
    until: datetime


@dataclass(frozen=True)
class Meeting:
    """All that is known of one (organizer, UID).

    told          recipient → what he was told by REQUESTs that passed, and not un-invited from
    ever_told     everyone who was ever told by mail
    left          who was un-invited → by what; no participant, whatever an ATTENDEE list says, until he is told of
                  something newer
    wanted        a conference is wanted: later REQUESTs need no marker, not even after a deletion by CANCEL
    markers       how the newest revision of the master asks for a conference
    borne         the newest revision of the master in which the organizer's own copy is known to bear the link
    removed       the organizer has taken the link away: only a marker that is new brings a conference again
    elsewhere     rooms of other providers: neither used nor changed here, and found again when one of them is back
    delete_at     when the conference goes, unless a REQUEST is seen meanwhile; once past, there shall be none
    doubtful      why nobody can tell whether the meeting lives ("" when there is no doubt)
    first_seen    revision fingerprint → when a REQUEST of it was first deferred
    wake_at       when the worker has to look again; `error`, `attempts`: why it did not succeed so far, and `retry_at`:
                  not before that
    """

    key: MeetingKey
    organizer: Person = NOBODY
    components: tuple[Component, ...] = ()
    told: Mapping[str, tuple[Told, ...]] = field(default_factory=dict)
    ever_told: frozenset[str] = frozenset()
    left: Mapping[str, tuple[Told, ...]] = field(default_factory=dict)
    wanted: bool = False
    markers: frozenset[str] = frozenset()
    borne: Stamp | None = None
    removed: bool = False
    conference: Conference = UNSCHEDULED
    elsewhere: tuple[Conference, ...] = ()
    leftovers: tuple[Leftover, ...] = ()
    suspects: tuple[Suspect, ...] = ()
    delete_at: datetime | None = None
    doubtful: str = ""
    first_seen: Mapping[str, datetime] = field(default_factory=dict)
    wake_at: datetime | None = None
    lease: Lease | None = None
    attempts: int = 0
    error: str = ""
    retry_at: datetime | None = None

    def component(self, key: str) -> Component | None:
        return next((component for component in self.components if component.key == key), None)

    @property
    def living(self) -> tuple[Component, ...]:
        return tuple(component for component in self.components if not component.cancelled)

    @property
    def link(self) -> JoinDetails | None:
        """The join details that a mail may bear now."""
        conference = self.conference
        match conference.state:
            case State.READY | State.ANNOUNCED | State.FINISHED:
                return conference.details
            case State.ABSENT | State.RESERVED | State.ENDING | State.GONE:
                return None
            case _:
                assert_never(conference.state)


def participants(meeting: Meeting, at: Occurrence | None = None) -> tuple[Person, ...]:
    """Individuals of the meeting without the organizer and those who were un-invited.

    `at`: only those of the series and of the override that takes place then. Default: of any living component.
    """
    organizer = {meeting.organizer.address, meeting.key.organizer}
    people: dict[str, Person] = {}
    for component in meeting.living if at is None else _held(meeting, at):
        for attendee in component.attendees:
            address = attendee.person.address
            if attendee.individual and address not in organizer and address not in meeting.left:
                known = people.get(address)
                people[address] = known if known and known.name else attendee.person
    return tuple(people[address] for address in sorted(people))


def _held(meeting: Meeting, at: Occurrence) -> list[Component]:
    """The master, the override that takes place at `at`, and those that stand for it too."""
    places = [(c, first(c.schedule) if c.schedule else None) for c in meeting.living]
    return [c for c, o in places if c.key == MASTER or o == at or (c.ranged and o is not None and o < at)]


def upcoming(meeting: Meeting, since: datetime) -> Iterator[Occurrence]:
    """Occurrences of the whole meeting that end after `since`, in order of start.

    An override, cancelled or not, replaces the master's instance of its RECURRENCE-ID (RFC 5545 §3.8.4.4).
    """
    master = meeting.component(MASTER)
    instances = {c.instance for c in meeting.components if c.key != MASTER}
    parts = [c for c in meeting.components if c.ranged]
    living = (c for c in meeting.living if not any(_ends(part, c) for part in parts))
    places = (first(c.schedule) for c in living if c.key != MASTER and c.schedule is not None)
    overrides = sorted(occurrence for occurrence in places if occurrence.end > since)
    if master is None or master.cancelled or master.schedule is None:
        return iter(overrides)
    moved = [Part(c.instance, None if c.cancelled else c.schedule) for c in parts if c.instance]
    found = ranges.occurrences(master.schedule, moved, since)
    return merge((occurrence for original, occurrence in found if original not in instances), overrides)


def _ends(part: Component, override: Component) -> bool:
    """Whether the end of the series at `part` takes the override with it."""
    return part.cancelled and part.key <= override.key and override.stamp.sequence <= part.stamp.sequence


@dataclass(frozen=True)
class Room:
    """There should be a conference like `spec`; the answer holds until `until` (None: until told otherwise)."""

    spec: Spec
    until: datetime | None


@dataclass(frozen=True)
class NoRoom:
    """There should be no conference."""


@dataclass(frozen=True)
class Rest:
    """Leave things as they are until `until`. `over`: the last occurrence has passed."""

    until: datetime | None
    over: bool = False


Desired = Room | NoRoom | Rest


def desired(meeting: Meeting, now: datetime, roll_after: timedelta) -> Desired:
    """What the conference should be at `now` (UTC); pure, the heart of the level-triggered worker."""
    if meeting.delete_at is not None and meeting.delete_at <= now:
        return NoRoom()
    if not meeting.wanted:
        return Rest(meeting.delete_at)
    place = standing(upcoming(meeting, now - roll_after), now, roll_after) or _endless(meeting)
    if place is None:
        return Rest(meeting.delete_at, over=meeting.delete_at is None)
    spec = Spec(
        topic=topic(meeting),
        start=place.occurrence.start,
        end=place.occurrence.end,
        timezone=_timezone(meeting),
        owner=meeting.organizer,
        participants=participants(meeting, place.occurrence),
    )
    ends = [moment for moment in (place.until, meeting.delete_at) if moment is not None]
    return Room(spec, min(ends, default=None))


def _endless(meeting: Meeting) -> Standing | None:
    """Where a series stands whose rule cannot be expanded: at its first instance, for ever."""
    for component in meeting.living:
        schedule = component.schedule
        if schedule is not None and schedule.rrule and not expandable(schedule):
            return Standing(first(schedule), None)
    return None


def _leading(meeting: Meeting) -> Component | None:
    """The component that names the meeting: the master, or else the newest living one."""
    master = meeting.component(MASTER)
    if master is not None and not master.cancelled:
        return master
    return max(meeting.living, key=lambda c: (c.stamp.sequence, c.key), default=None)


def topic(meeting: Meeting) -> str:
    """SUMMARY, cut to LONGEST_TOPIC characters: a long title must not cost the link."""
    leading = _leading(meeting)
    summary = leading.summary if leading else ""
    return summary if len(summary) <= LONGEST_TOPIC else f"{summary[: LONGEST_TOPIC - 1]}…"


def _timezone(meeting: Meeting) -> str:
    leading = _leading(meeting)
    return (leading.schedule.zone if leading and leading.schedule else "") or "UTC"
