"""What the conference of a meeting should be, who takes part in it, and when.

What: `desired` says, purely, what the conference should be at a moment and until when that answer holds; `upcoming`
yields the occurrences of a whole meeting.

Not here: what is known of a meeting (`meeting`), bringing the conference there (`upkeep`), expansion of one component's
rule (`recurrence`).

Errors: none.
"""

import re
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from heapq import merge

from mailhook.core import ranges
from mailhook.core.conference import Conference, Person, Spec, State
from mailhook.core.meeting import MASTER, Component, Meeting
from mailhook.core.order import is_before
from mailhook.core.ranges import Part
from mailhook.core.recurrence import Occurrence, Standing, first, standing, unfollowed

LONGEST_TOPIC = 250
MAX_PARTICIPANTS = 1000
"""Of more the rest is not told to the provider; they have the link all the same."""
_UNPRINTED = re.compile(r"[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
"""Control characters, and those that turn the direction of what follows, the link too (Unicode, UAX #9 §2)."""
EVER = datetime(1900, 1, 1, tzinfo=UTC)


def participants(meeting: Meeting, at: Occurrence | None = None) -> tuple[Person, ...]:
    """Individuals of the meeting without the organizer and those who were un-invited.

    `at`: only those of the series and of the override that takes place then. Default: of any living component.
    """
    people: dict[str, Person] = {}
    for component in meeting.living if at is None else _held(meeting, at):
        for attendee in component.attendees:
            address = attendee.person.address
            if attendee.individual and address not in {meeting.key.organizer, *meeting.left}:
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
    ends = [part for part in parts if part.cancelled]
    living = (c for c in meeting.living if not any(_ends(part, c) for part in ends))
    places = (first(c.schedule) for c in living if c.key != MASTER and c.schedule is not None)
    overrides = sorted(occurrence for occurrence in places if occurrence.end > since)
    if master is None or master.cancelled or master.schedule is None:
        return iter(overrides)
    moved = [Part(c.instance, None if c.cancelled else c.schedule) for c in parts if c.instance]
    found = ranges.occurrences(master.schedule, moved, since)
    return merge((occurrence for original, occurrence in found if original not in instances), overrides)


def _ends(part: Component, override: Component) -> bool:
    """Whether the end of the series at `part` (cancelled) takes the override with it."""
    return part.key <= override.key and not is_before(part.stamp, override.stamp)


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
    place = standing(upcoming(meeting, now - roll_after), now, roll_after) or endless(meeting)
    if place is None and _stands_ahead(meeting.conference, now):
        place = _last(meeting)
    if place is None:
        return Rest(meeting.delete_at, over=meeting.delete_at is None)
    spec = Spec(
        topic=topic(meeting),
        start=place.occurrence.start,
        end=place.occurrence.end,
        timezone=_timezone(meeting),
        owner=meeting.organizer,
        participants=participants(meeting, place.occurrence)[:MAX_PARTICIPANTS],
    )
    ends = [moment for moment in (place.until, meeting.delete_at) if moment is not None]
    return Room(spec, min(ends, default=None))


def _stands_ahead(conference: Conference, now: datetime) -> bool:
    """Whether a conference that may be moved has a date that is still to come."""
    movable = conference.state in {State.READY, State.ANNOUNCED}
    return movable and conference.applied is not None and conference.applied.end > now


def _last(meeting: Meeting) -> Standing | None:
    """The last occurrence, to which a conference goes back whose series was ended early."""
    last = deque(upcoming(meeting, EVER), maxlen=1)
    return Standing(last[0], None) if last else None


def endless(meeting: Meeting) -> Standing | None:
    """Where a series stands whose rule is not followed: at its first instance, for ever."""
    for component in meeting.living:
        schedule = component.schedule
        if schedule is not None and unfollowed(schedule):
            return Standing(first(schedule), None)
    return None


def _leading(meeting: Meeting) -> Component | None:
    """The component that names the meeting: the master, or else the newest living one."""
    master = meeting.component(MASTER)
    if master is not None and not master.cancelled:
        return master
    return max(meeting.living, key=lambda c: (c.stamp.sequence, c.key), default=None)


def topic(meeting: Meeting) -> str:
    """SUMMARY, shortened: a long title must not cost the link."""
    leading = _leading(meeting)
    return shortened(leading.summary) if leading else ""


def shortened(text: str) -> str:
    """One line of what can be seen, cut to LONGEST_TOPIC characters."""
    line = " ".join(_UNPRINTED.sub(" ", text[: 4 * LONGEST_TOPIC]).split())
    return line if len(line) <= LONGEST_TOPIC else f"{line[: LONGEST_TOPIC - 1]}…"


def _timezone(meeting: Meeting) -> str:
    leading = _leading(meeting)
    return (leading.schedule.zone if leading and leading.schedule else "") or "UTC"
