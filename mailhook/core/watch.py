"""What the organizer's event tells when it is looked at again, although no mail has told of it.

What: `looked` takes what was seen of a copy that is as it should be: the link was taken out of it, it was moved,
cancelled or deleted, or it lives. Pure, carried out inside `store.change`.

A migration, a restored backup or lost rights must delete no conference. So absence counts only after two searches of
all the organizer's calendars in vain, at least an hour apart, in each of which other events of his were seen; and what
is seen counts only if it says that it is newer than what was seen before.

Not here: when a copy is looked at (`copies`), I/O (`scribe`, `organizer`).

Errors: none; what cannot be read decides nothing.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import assert_never

from mailhook.core import contentlines, itip, splice_calendar
from mailhook.core.bearing import shows_openly
from mailhook.core.copies import LookTask
from mailhook.core.itip import Invitation, NotOurs
from mailhook.core.meeting import MASTER, Component, Copy, CopyKind, Meeting, Place
from mailhook.core.merging import revise
from mailhook.core.order import Stamp, is_later
from mailhook.core.policy import Policy, defaults
from mailhook.core.removal import LINK_REMOVED, is_cut, is_outdated
from mailhook.core.revision import renounce
from mailhook.core.waking import awake
from mailhook.core.written import OPEN
from mailhook.errors import Unreadable

APART = timedelta(hours=1)
"""Between two searches in vain that count."""

GONE, CANCELLED = "gone", "cancelled"
DISTANT, SELDOM = timedelta(days=2), 6
"""An event that is further away is looked at so many times less often."""


@dataclass(frozen=True)
class Unchanged:
    """It is what it was."""


@dataclass(frozen=True)
class Present:
    """It has changed: `content` is the calendar object. `places`: where it is now."""

    content: bytes
    places: tuple[Place, ...]


@dataclass(frozen=True)
class Absent:
    """It is in none of the organizer's calendars. `others`: other events of his were seen there."""

    others: bool


Seen = Unchanged | Present | Absent


def looked(
    meeting: Meeting,
    kind: CopyKind,
    task: LookTask,
    seen: Seen,
    policy: Policy,
    now: datetime,
    every: timedelta,
) -> Meeting:
    """The meeting after one look; `every`: how often events are looked at."""
    copy = meeting.copies.get(kind, Copy())
    if copy.places != task.places:
        return meeting
    copy = replace(copy, busy=False, next_at=None, watch_at=now + _pause(meeting, copy, now, every), error="")
    match seen:
        case Unchanged():
            # That of a cancelled event says only that it is cancelled still.
            after = _with(meeting, kind, copy) if copy.ended == CANCELLED else _alive(meeting, kind, copy)
        case Present():
            after = _present(meeting, kind, copy, seen, policy, now)
        case Absent(others):
            after = _absent(meeting, kind, copy, policy, now, others=others)
        case _:
            assert_never(seen)
    return awake(after, now, policy.roll_after)


def _pause(meeting: Meeting, copy: Copy, now: datetime, every: timedelta) -> timedelta:
    applied = meeting.conference.applied
    distant = applied is not None and applied.start - now > DISTANT
    return every * SELDOM if distant and copy.missing is None and not copy.ended else every


def _with(meeting: Meeting, kind: CopyKind, copy: Copy) -> Meeting:
    return replace(meeting, copies={**meeting.copies, kind: copy})


# --- it is there ---------------------------------------------------------------------------------------


def _alive(meeting: Meeting, kind: CopyKind, copy: Copy) -> Meeting:
    """The event stands: that ends every doubt, and a deletion that only its absence had called for."""
    if copy.ended and meeting.delete_at == copy.goes_at:
        meeting = replace(meeting, delete_at=None)
    return _with(replace(meeting, doubtful=""), kind, _there(copy))


def _there(copy: Copy) -> Copy:
    return replace(copy, missing=None, ended="", goes_at=None)


def _present(
    meeting: Meeting, kind: CopyKind, copy: Copy, seen: Present, policy: Policy, now: datetime
) -> Meeting:
    event = _read(seen.content, meeting, policy)
    if event is None:
        return _with(meeting, kind, copy)
    copy = replace(copy, places=seen.places)
    if event.cancels:
        return _ended(meeting, kind, copy, CANCELLED, policy, now)
    stamp = _stamp(event)
    newer = is_later(stamp, copy.stamp)
    link = meeting.link
    if link is not None and copy.bears and not shows_openly(event, link):
        settled = newer and now >= (copy.at or now) + OPEN and not is_outdated(meeting, event)
        known = [copy.passage] if copy.passage else []
        if settled and not is_cut(event, link.link, known):
            there = _with(meeting, kind, _there(replace(copy, stamp=stamp)))
            return renounce(replace(there, doubtful=""), event, LINK_REMOVED, policy, now)
        return _with(meeting, kind, replace(copy, standing=""))
    if newer:
        meeting, copy = _moved(meeting, event), replace(copy, stamp=stamp)
    return _alive(meeting, kind, copy)


def _read(content: bytes, meeting: Meeting, policy: Policy) -> Invitation | None:
    """The stored event as if it had been mailed when it was last changed."""
    try:
        calendar = contentlines.read(content, "utf-8")
    except Unreadable:
        return None
    blocks = splice_calendar.events(calendar, meeting.key.uid)[: itip.MAX_EVENTS]
    found = itip.assembled("REQUEST", calendar, blocks, defaults(policy), None) if blocks else None
    if found is None or isinstance(found, NotOurs) or found.key != meeting.key:
        return None
    events = tuple(
        replace(e, component=replace(e.component, stamp=_dated(e.component.stamp))) for e in found.events
    )
    return replace(found, events=events)


def _dated(stamp: Stamp) -> Stamp:
    moments = [moment for moment in (stamp.dtstamp, stamp.last_modified) if moment is not None]
    return replace(stamp, date=max(moments, default=None))


def _stamp(event: Invitation) -> Stamp:
    """Of the master, as an editor of the stored event notes it."""
    components = [each.component for each in event.events]
    master = next((each for each in components if each.key == MASTER), components[0])
    return replace(master.stamp, date=None)


def _moved(meeting: Meeting, event: Invitation) -> Meeting:
    """What the event says beyond what the mails have said; the same in other words changes nothing."""
    after = revise(meeting, event)
    return meeting if _said(after.components) == _said(meeting.components) else after


def _said(components: Iterable[Component]) -> set[object]:
    return {(c.key, c.summary, c.schedule, c.cancelled, frozenset(c.attendees)) for c in components}


# --- it is not -----------------------------------------------------------------------------------------


def _absent(
    meeting: Meeting, kind: CopyKind, copy: Copy, policy: Policy, now: datetime, *, others: bool
) -> Meeting:
    if not others:
        return _with(meeting, kind, replace(copy, missing=None))
    if copy.missing is None or now - copy.missing < APART:
        first = copy.missing or now
        return _with(
            meeting, kind, replace(copy, missing=first, watch_at=max(first + APART, now + APART / 6))
        )
    return _ended(meeting, kind, copy, GONE, policy, now)


def _ended(meeting: Meeting, kind: CopyKind, copy: Copy, why: str, policy: Policy, now: datetime) -> Meeting:
    """No mail has said so: the conference goes after the grace, unless the event is back until then."""
    if meeting.delete_at is not None:
        return _with(meeting, kind, copy)
    grace = policy.delete_grace
    ended = replace(copy, ended=why, goes_at=now + grace, watch_at=now + grace / 2)
    return _with(replace(meeting, delete_at=now + grace, doubtful=""), kind, ended)
