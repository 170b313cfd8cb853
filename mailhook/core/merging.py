"""Revisions: which of two is the older, and what becomes of a meeting's components.

What: `is_older` orders revisions of one component; `revise` takes the components of a REQUEST in, `entomb` marks those
of a CANCEL. Copies of one change, in whatever order they come, leave the same components.

Not here: who was told of them (`revision`).
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime

from mailhook.core.itip import Invitation
from mailhook.core.meeting import MASTER, Attendee, Component, Meeting, Stamp
from mailhook.core.recurrence import instances_at


def is_older(new: Stamp, known: Stamp) -> bool:
    """Whether `new` is a revision before `known` (RFC 5546 §2.1.5, as real servers keep it).

    Older if none of SEQUENCE, DTSTAMP, LAST-MODIFIED is higher and one is lower. Where they disagree or are all
    equal, the header Date decides, by the second; then arrival, so what comes later is not older.
    """
    signs = {
        _sign(new.sequence, known.sequence),
        _sign(new.dtstamp, known.dtstamp),
        _sign(new.last_modified, known.last_modified),
    }
    if signs in ({-1}, {-1, 0}):
        return True
    if signs in ({1}, {1, 0}):
        return False
    return _sign(new.date, known.date) == -1


def _sign(new: int | datetime | None, known: int | datetime | None) -> int:
    match new, known:
        case (int(), int()) | (datetime(), datetime()):
            return (new > known) - (new < known)  # type: ignore[operator]
        case _:
            return 0


def is_copy(one: Stamp, other: Stamp) -> bool:
    """Whether two mails may tell of the same change: they differ in the header Date at most."""
    return replace(one, date=None) == replace(other, date=None)


def is_later(new: Stamp, known: Stamp) -> bool:
    """Whether `new` is of a later change than `known`, and not only a later copy of the same one."""
    return is_older(known, new) and not is_copy(known, new)


def newest(one: Stamp, other: Stamp) -> Stamp:
    return one if is_older(other, one) else other


def is_stale(meeting: Meeting, invitation: Invitation) -> bool:
    """Whether every component of the message is known in a newer revision."""

    def older(new: Component) -> bool:
        known = meeting.component(new.key)
        return known is not None and is_older(new.stamp, known.stamp)

    return all(older(event.component) for event in invitation.events)


def is_buried(meeting: Meeting, invitation: Invitation) -> bool:
    """Whether a CANCEL has already overtaken every component of this REQUEST (a tombstone)."""

    def overtaken(new: Component) -> bool:
        known = meeting.component(new.key) or meeting.component(MASTER)
        return known is not None and known.cancelled and is_older(new.stamp, known.stamp)

    return all(overtaken(event.component) for event in invitation.events)


def revise(meeting: Meeting, invitation: Invitation) -> Meeting:
    """`meeting` with the components of a REQUEST or ADD that are not older than what is known."""
    components = {component.key: component for component in meeting.components}
    for event in invitation.events:
        new = event.component
        components[new.key] = _revised(components.get(new.key), new)
    for key in _orphans(meeting, invitation, components):
        del components[key]
    return replace(
        meeting,
        organizer=meeting.organizer if is_stale(meeting, invitation) else invitation.organizer,
        components=tuple(components[key] for key in sorted(components)),
    )


def _orphans(meeting: Meeting, invitation: Invitation, components: Mapping[str, Component]) -> set[str]:
    """Overrides of instances that a newer, rescheduled series does not have any more."""
    master, known = components.get(MASTER), meeting.component(MASTER)
    if master is None or master.schedule is None:
        return set()
    sent = {event.component.key for event in invitation.events}
    if MASTER in sent and known is not None and known.schedule == master.schedule:
        return set()
    asked = components.keys() - sent if MASTER in sent else sent & components.keys()
    doubtful = [c for c in map(components.__getitem__, asked) if _is_before(c, master)]
    moments = {c.instance: c.key for c in doubtful if c.instance is not None}
    return set(moments.values()) - {moments[each] for each in instances_at(master.schedule, moments)}


def _is_before(component: Component, master: Component) -> bool:
    same = is_copy(component.stamp, master.stamp)
    return not component.added and not same and is_older(component.stamp, master.stamp)


def _revised(known: Component | None, new: Component) -> Component:
    """The newer component; copies of one change that list different people are joined.

    One copy's view never shortens a list: some servers show each attendee only his own part.
    """
    if known is None:
        return new
    same = (known.schedule, known.summary, known.cancelled) == (new.schedule, new.summary, new.cancelled)
    if same and is_copy(new.stamp, known.stamp):
        people = sorted((*known.attendees, *new.attendees), key=_order)
        joined = {attendee.person.address: attendee for attendee in people}
        return replace(new, attendees=tuple(joined.values()), stamp=newest(new.stamp, known.stamp))
    return known if is_older(new.stamp, known.stamp) else new


def _order(attendee: Attendee) -> tuple[str, str, str]:
    return attendee.person.address, attendee.kind, attendee.person.name


def entomb(meeting: Meeting, invitation: Invitation, keys: Iterable[str]) -> Meeting:
    """`meeting` with those components of a CANCEL that are in `keys` marked, so that a REQUEST which it overtook
    is known to be dead."""
    components = {component.key: component for component in meeting.components}
    wanted = set(keys)
    for event in invitation.events:
        new = event.component
        known = components.get(new.key)
        if new.key not in wanted or (known is not None and is_older(new.stamp, known.stamp)):
            continue
        if known is None or new.ranged or not known.ranged:
            ended = replace(known or new, stamp=new.stamp, cancelled=True, ranged=new.ranged)
            components[new.key] = ended
    return replace(meeting, components=tuple(components[key] for key in sorted(components)))


def without_instances(meeting: Meeting, lost: Mapping[str, Stamp]) -> Meeting:
    """`meeting` with the instances in `lost` marked, unless a newer revision of one is known."""
    components = {component.key: component for component in meeting.components}
    for key, stamp in lost.items():
        known = components.get(key)
        if known is None:
            components[key] = Component(key, stamp, "", None, cancelled=True)
        elif not (known.cancelled or known.ranged or is_older(stamp, known.stamp)):
            components[key] = replace(known, stamp=stamp, cancelled=True)
    return replace(meeting, components=tuple(components[key] for key in sorted(components)))
