"""What the organizer's event tells when it is looked at again, although no mail has told of it.

What: `looked` takes what was seen of a copy that is as it should be: the link was taken out of it, it was moved,
cancelled or deleted, or it lives. Pure, carried out inside `store.change`.

A migration, a restored backup or lost rights must delete no conference. So absence counts only after two searches of
all the organizer's calendars in vain, at least an hour apart, each of which `is_believable`; else it is a doubt. And
what is seen counts only if it says that it is newer than what was seen before.

Not here: when a copy is looked at (`copies`), I/O (`scribe`, `organizer`).

Errors: none; what cannot be read decides nothing.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import assert_never
from urllib.parse import unquote

from mailhook.core import contentlines, itip, splice_calendar
from mailhook.core.bearing import shows_openly
from mailhook.core.copies import LookTask, known, located
from mailhook.core.itip import Invitation, NotOurs
from mailhook.core.meeting import MASTER, Component, Copy, CopyKind, Meeting, Place
from mailhook.core.merging import revise
from mailhook.core.order import Stamp, is_later
from mailhook.core.policy import Policy, defaults
from mailhook.core.removal import LINK_REMOVED, is_outdated, is_taken_out
from mailhook.core.revision import renounce
from mailhook.core.waking import awake
from mailhook.core.written import OPEN
from mailhook.errors import Unreadable

APART = timedelta(hours=1)
"""Between two searches in vain that count."""

TOGETHER, FEW = timedelta(hours=2), 3
"""When so many other events are missed within that time, something is wrong with the server, and none is gone."""

GONE, CANCELLED = "gone", "cancelled"
MISSING = "the event is in none of the organizer's calendars"
DISTANT, SELDOM = timedelta(days=2), 6
"""An event that is further away is looked at so many times less often."""


@dataclass(frozen=True)
class Unchanged:
    """It is what it was."""


@dataclass(frozen=True)
class Present:
    """It has changed: `content` is the calendar object. `places`: where it is now; `twins`: its further copies."""

    content: bytes
    places: tuple[Place, ...]
    twins: tuple[bytes, ...] = ()


@dataclass(frozen=True)
class Veiled:
    """An event with its UID is there, of which nobody can tell whether it is the organizer's."""


@dataclass(frozen=True)
class Absent:
    """It is nowhere. `beside`: what the calendars in which it was last found hold now, none if nobody can tell.

    What the store adds: `others`, all meetings of the organizer, and how many events of whomever were `missed` within
    TOGETHER.
    """

    beside: tuple[Place, ...] = ()
    others: tuple[Meeting, ...] = ()
    missed: int = 0


Seen = Unchanged | Present | Veiled | Absent


def looked(
    meeting: Meeting,
    kind: CopyKind,
    task: LookTask,
    seen: Seen,
    policy: Policy,
    now: datetime,
    every: timedelta,
) -> Meeting:
    """The meeting after one look; `every`: how often events are looked at.

    A look tells nothing of a meeting of which a mail has passed since it began.
    """
    copy = meeting.copies.get(kind, Copy())
    if copy.places != task.places:
        return meeting
    copy = replace(copy, busy=False, next_at=None, watch_at=now + _pause(meeting, copy, now, every), error="")
    if known(meeting) != task.known:
        return _with(meeting, kind, copy)
    match seen:
        case Unchanged():
            # That of a cancelled event says only that it is cancelled still.
            after = (
                _with(meeting, kind, copy) if copy.ended == CANCELLED else _alive(meeting, kind, copy, now)
            )
        case Present():
            after = _present(meeting, kind, copy, seen, policy, now)
        case Veiled():
            after = _with(meeting, kind, replace(copy, lost=None))
        case Absent():
            believed = is_believable(meeting, kind, seen)
            after = _absent(meeting, kind, copy, policy, now, believed=believed)
        case _:
            assert_never(seen)
    return awake(after, now, policy.roll_after)


def _pause(meeting: Meeting, copy: Copy, now: datetime, every: timedelta) -> timedelta:
    applied = meeting.conference.applied
    distant = applied is not None and applied.start - now > DISTANT
    return every * SELDOM if distant and copy.lost is None and not copy.ended else every


def _with(meeting: Meeting, kind: CopyKind, copy: Copy) -> Meeting:
    return replace(meeting, copies={**meeting.copies, kind: copy})


# --- it is there ---------------------------------------------------------------------------------------


def _alive(meeting: Meeting, kind: CopyKind, copy: Copy, now: datetime) -> Meeting:
    """The event stands: that ends every doubt, and a deletion that only its absence had called for."""
    if copy.ended:
        meeting = _revoked(meeting, copy)
    return _with(replace(meeting, doubtful=""), kind, _there(copy, now))


def _there(copy: Copy, now: datetime) -> Copy:
    return replace(located(copy, copy.places, now), ended="", goes_at=None)


def _present(
    meeting: Meeting, kind: CopyKind, copy: Copy, seen: Present, policy: Policy, now: datetime
) -> Meeting:
    event = _read(seen.content, meeting, policy)
    if event is None:
        return _with(meeting, kind, copy)
    stamp = _stamp(event)
    newer = is_later(stamp, copy.stamp)
    twins = [twin for each in seen.twins if (twin := _read(each, meeting, policy)) is not None]
    copy = located(copy, seen.places, now)
    if event.cancels:
        over = newer and all(twin.cancels for twin in twins)
        return _ended(meeting, kind, copy, CANCELLED, policy, now) if over else _with(meeting, kind, copy)
    link = meeting.link
    if link is not None and not shows_openly(event, link):
        settled = newer and now >= (copy.at or now) + OPEN and not is_outdated(meeting, event)
        bore = [copy.passage] if copy.bears and copy.passage else []
        one = not any(shows_openly(twin, link) for twin in twins)
        if settled and one and is_taken_out(event, link, bore):
            there = _with(meeting, kind, _there(replace(copy, stamp=stamp), now))
            return renounce(replace(there, doubtful=""), event, LINK_REMOVED, policy, now)
        copy = replace(copy, standing="")
    if newer:
        meeting, copy = _moved(meeting, event), replace(copy, stamp=stamp)
    return _alive(meeting, kind, copy, now)


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


def is_believable(meeting: Meeting, kind: CopyKind, seen: Absent) -> bool:
    """Whether only this event is gone, from a calendar that is otherwise what it was.

    In the same calendar another event of the organizer must stand as it did when this one was last seen, with a link
    that came to stand there no earlier than in this one: so it is the same server, and no older state of it. And none
    of his others may be missing, there or elsewhere.
    """
    copy = meeting.copies.get(kind, Copy())
    calendars = {_calendar(place) for place in copy.places}
    there = {unquote(place.url): place.tag for place in seen.beside}
    beside = [
        (other.copies[kind], place)
        for other in seen.others
        if other.key != meeting.key and other.delete_at is None and kind in other.copies
        for place in other.copies[kind].places
    ]
    missed = any(each.missing is not None and _is_watched(each) for each, _ in beside)
    beside = [(each, place) for each, place in beside if _calendar(place) in calendars]
    complete = all(unquote(place.url) in there for each, place in beside if _is_watched(each))
    witnessed = any(
        _is_no_older(each, copy) and there.get(unquote(place.url)) == place.tag != ""
        for each, place in beside
    )
    return complete and witnessed and not missed and seen.missed < FEW


def _is_watched(copy: Copy) -> bool:
    return copy.watch_at is not None or copy.busy


def _is_no_older(other: Copy, copy: Copy) -> bool:
    """Whether `other` was written after `copy`, and has not changed since that was last seen."""
    if copy.at is None or copy.seen is None or other.at is None or other.tagged is None:
        return False
    return other.at >= copy.at and other.tagged <= copy.seen


def _calendar(place: Place) -> str:
    return unquote(place.url).rpartition("/")[0]


def _absent(
    meeting: Meeting, kind: CopyKind, copy: Copy, policy: Policy, now: datetime, *, believed: bool
) -> Meeting:
    lost = (copy.lost or now) if believed else None
    copy = replace(copy, missing=copy.missing or now, lost=lost)
    if copy.ended == GONE and lost is None:
        meeting, copy = _revoked(meeting, copy), replace(copy, ended="", goes_at=None)
    if meeting.delete_at is not None:
        return _with(meeting, kind, copy)
    if lost is not None and now - lost >= APART:
        return _ended(meeting, kind, copy, GONE, policy, now)
    if lost is not None:
        copy = replace(copy, watch_at=max(lost + APART, now + APART / 6))
    return _with(replace(meeting, doubtful=meeting.doubtful or MISSING), kind, copy)


def _revoked(meeting: Meeting, copy: Copy) -> Meeting:
    """Without the deletion that only this copy had called for."""
    return replace(meeting, delete_at=None) if meeting.delete_at == copy.goes_at else meeting


def _ended(meeting: Meeting, kind: CopyKind, copy: Copy, why: str, policy: Policy, now: datetime) -> Meeting:
    """No mail has said so: the conference goes after the grace, unless the event is back until then."""
    if meeting.delete_at is not None:
        return _with(meeting, kind, copy)
    grace = policy.delete_grace
    ended = replace(copy, ended=why, goes_at=now + grace, watch_at=now + grace / 2)
    return _with(replace(meeting, delete_at=now + grace, doubtful=""), kind, ended)
