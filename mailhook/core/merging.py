"""What becomes of a meeting's components.

What: `revise` takes the components of a REQUEST in, `entomb` marks those
of a CANCEL. Copies of one change, in whatever order they come, leave the same components.

Not here: which of two revisions is the older (`order`), who was told of them (`revision`).
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace

from mailhook.core.itip import Invitation
from mailhook.core.meeting import MASTER, Attendee, Component, Meeting
from mailhook.core.order import Stamp, is_before, is_copy, is_older, is_overtaken, newest
from mailhook.core.recurrence import instances_at


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
        return (
            known is not None and known.cancelled and is_overtaken(new.key, new.stamp, known.key, known.stamp)
        )

    return all(overtaken(event.component) for event in invitation.events)


def revise(meeting: Meeting, invitation: Invitation) -> Meeting:
    """`meeting` with the components of a REQUEST or ADD that are not older than what is known."""
    components = {component.key: component for component in meeting.components}
    for event in invitation.events:
        new = event.component
        components[new.key] = _revised(components.get(new.key), new, meeting.key.organizer)
    for key in _orphans(meeting, invitation, components):
        del components[key]
    stale, sender = is_stale(meeting, invitation), invitation.organizer
    return replace(
        meeting,
        organizer=meeting.organizer if stale else sender,
        language=meeting.language if stale else invitation.languages.get(invitation.key.organizer, ""),
        components=tuple(components[key] for key in sorted(components)),
    )


def _orphans(meeting: Meeting, invitation: Invitation, components: Mapping[str, Component]) -> set[str]:
    """Overrides of instances that a newer, rescheduled series does not have any more, or has called off since."""
    master, known = components.get(MASTER), meeting.component(MASTER)
    if master is None or master.schedule is None:
        return set()
    sent = {event.component.key: event.component for event in invitation.events}
    fresh = MASTER in sent and is_copy(sent[MASTER].stamp, master.stamp)
    if fresh and known is not None and known.schedule == master.schedule:
        return set()
    asked = components.keys() - sent.keys() if fresh else sent.keys() & components.keys()
    doubtful = [c for c in map(components.__getitem__, asked) if _precedes(c, master)]
    moments = {c.instance: c.key for c in doubtful if c.instance is not None}
    # A server that writes EXDATE for what it also overrides had it there before.
    always = known.schedule.exdates if fresh and known and known.schedule else ()
    off = set(master.schedule.exdates).difference(always)
    stands = instances_at(master.schedule, moments) - off
    return set(moments.values()) - {moments[each] for each in stands}


def _precedes(component: Component, master: Component) -> bool:
    same = is_copy(component.stamp, master.stamp)
    return not component.added and not same and is_before(component.stamp, master.stamp)


def _revised(known: Component | None, new: Component, organizer: str) -> Component:
    """The newer component; copies of one change that list different people are joined.

    One copy's view never shortens a list: some servers show each attendee only his own part. So a list of one person
    is joined too, of whatever change: who left is known otherwise.
    """
    if known is None:
        return new
    same = (known.schedule, known.summary, known.cancelled) == (new.schedule, new.summary, new.cancelled)
    if same and is_copy(new.stamp, known.stamp):
        return replace(new, attendees=_joined(known, new), stamp=newest(new.stamp, known.stamp))
    if is_older(new.stamp, known.stamp):
        return known
    people = {a.person.address for a in new.attendees if a.individual} - {organizer}
    return replace(new, attendees=_joined(known, new)) if len(people) == 1 else new


def _joined(known: Component, new: Component) -> tuple[Attendee, ...]:
    people = sorted((*known.attendees, *new.attendees), key=_order)
    return tuple({attendee.person.address: attendee for attendee in people}.values())


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
    if not lost:
        return meeting
    components = {component.key: component for component in meeting.components}
    for key, stamp in lost.items():
        known = components.get(key)
        if known is None:
            components[key] = Component(key, stamp, "", None, cancelled=True)
        elif not (known.cancelled or known.ranged or is_older(stamp, known.stamp)):
            components[key] = replace(known, stamp=stamp, cancelled=True)
    return replace(meeting, components=tuple(components[key] for key in sorted(components)))
