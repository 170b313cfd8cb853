"""Who leaves a meeting: recipients of a CANCEL, and who is listed no more.

What: pure functions (meeting, message, moment) → meeting, carried out inside `store.change`, both after the dot:

    cancel      of a CANCEL: its recipients hold its components no longer
    unlist      of a REQUEST: who was listed in a component, and is not in its newer revision

When nobody is left, the conference goes after the grace time; when in doubt the room is kept.

Not here: who comes (`revision`), what one recipient holds (`holders`).
"""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import datetime

from mailhook.core.aim import EVER, endless, upcoming
from mailhook.core.holders import (
    held_by_none,
    holds,
    lost_an_instance,
    lost_by_all,
    still_told,
    taken,
    without,
)
from mailhook.core.itip import MAX_ATTENDEES, Invitation
from mailhook.core.meeting import MASTER, Component, Meeting
from mailhook.core.merging import entomb, without_instances
from mailhook.core.order import is_later
from mailhook.core.policy import Policy, guests
from mailhook.core.removal import RESOURCE_REMOVED, is_outdated, willed
from mailhook.core.revision import condemn
from mailhook.core.waking import awake


def cancel(
    meeting: Meeting, invitation: Invitation, recipients: Iterable[str], policy: Policy, now: datetime
) -> Meeting:
    """The meeting after a CANCEL has passed to `recipients`.

    Neither STATUS nor the ATTENDEE list of a CANCEL is believed: who holds the meeting is known from the envelopes.
    A CANCEL is stale for a recipient to whom a newer REQUEST has passed.
    """
    told = dict(meeting.told)
    left = dict(meeting.left)
    for address in guests(policy, invitation, recipients):
        rest = still_told(told.pop(address, ()), invitation)
        if holds(rest):
            told[address] = rest
        else:
            left[address] = taken((*left.get(address, ()), *rest), invitation)
    unheard = {address: since for address, since in meeting.unheard.items() if address in told}
    unlisted = meeting.unlisted - guests(policy, invitation, recipients)
    changed = replace(meeting, told=told, left=left, unheard=unheard, unlisted=unlisted)
    changed = _thinned(changed, meeting, invitation, recipients, policy, now)
    books = any(address in policy.resource and address in left for address in recipients)
    if books and _cancels_series(invitation) and not is_outdated(meeting, invitation):
        changed = _released(changed, invitation, policy, now)
    return awake(changed, now, policy.roll_after)


def _released(meeting: Meeting, invitation: Invitation, policy: Policy, now: datetime) -> Meeting:
    """The resource by which the conference was booked has been called off."""
    at = meeting.delete_at or now + policy.delete_grace
    return condemn(willed(replace(meeting, doubtful=""), invitation, RESOURCE_REMOVED), at, policy, now)


def _thinned(
    meeting: Meeting,
    before: Meeting,
    invitation: Invitation,
    recipients: Iterable[str],
    policy: Policy,
    now: datetime,
) -> Meeting:
    """The meeting with what follows from who still holds it."""
    if not meeting.told:
        return _abandoned(meeting, invitation, policy, now)
    changed = entomb(meeting, invitation, _held_by_none(meeting, invitation, policy))
    changed = without_instances(changed, lost_by_all(changed.told))
    changed = _doubted(changed, before, invitation, guests(policy, invitation, recipients))
    if before.wanted and _has_instances(before) and not _has_instances(changed):
        changed = replace(changed, delete_at=now + policy.delete_grace)
    return changed


def _held_by_none(meeting: Meeting, invitation: Invitation, policy: Policy) -> set[str]:
    """Components of a CANCEL that nobody holds any more. The series is one, if all who are left hold instances only."""
    keys = {event.component.key for event in invitation.events}
    none = held_by_none(meeting.told, keys)
    return none - {MASTER} if _untold(meeting, policy) else none


def _cancels_series(invitation: Invitation) -> bool:
    return any(event.component.key == MASTER for event in invitation.events)


def _has_instances(meeting: Meeting) -> bool:
    """Whether any is left; of a rule that is not followed others than the first may be."""
    return next(upcoming(meeting, EVER), None) is not None or endless(meeting) is not None


def _doubted(meeting: Meeting, before: Meeting, invitation: Invitation, people: set[str]) -> Meeting:
    """In doubt, where all is called off to some, and whoever still holds it may have been un-invited too.

    SOGo un-invites from a whole series by a CANCEL that names one instance. A list that was invited may have been
    expanded before the CANCEL, which then comes to people who were neither told nor listed. And of whom the newest
    list does not name, nobody knows whether he is meant.
    """
    if not _cancels_series(invitation):
        return meeting
    holders = ", ".join(sorted(meeting.told))
    if people & before.told.keys() and all(map(lost_an_instance, meeting.told.values())):
        return replace(meeting, doubtful=f"perhaps un-invited: {holders}")
    listed = _addresses_of(meeting.components)
    if people and people.isdisjoint(before.ever_told | before.left.keys() | listed):
        return replace(meeting, doubtful=f"perhaps lists of which members were un-invited: {holders}")
    if listed.isdisjoint(meeting.told):
        return replace(meeting, doubtful=f"listed no more: {holders}")
    return meeting


def _abandoned(meeting: Meeting, invitation: Invitation, policy: Policy, now: datetime) -> Meeting:
    """Nobody holds the meeting any more: its conference goes after the grace time, unless that is in doubt."""
    untold = _untold(meeting, policy, invitation)
    if meeting.wanted and untold:
        return replace(meeting, doubtful=f"never told by mail: {', '.join(untold)}")
    if meeting.wanted and meeting.unlisted:
        people = ", ".join(sorted(meeting.unlisted))
        return replace(meeting, doubtful=f"listed no more, but never cancelled: {people}")
    keys = (event.component.key for event in invitation.events)
    buried = entomb(meeting, invitation, keys)
    return replace(buried, delete_at=now + policy.delete_grace, doubtful="") if meeting.wanted else buried


def _untold(meeting: Meeting, policy: Policy, invitation: Invitation | None = None) -> list[str]:
    """Individuals who are listed, but were never told by mail: internal people of some servers.

    A CANCEL's own list is not believed, but raises doubt too: the mail to somebody who is new may have been lost.
    """
    listed = _listed(meeting)
    if invitation is not None:
        listed |= _individuals(event.component for event in invitation.events)
    others = listed - meeting.ever_told - meeting.left.keys() - {meeting.key.organizer}
    return sorted(others - set(policy.ignore_recipients))


def _listed(meeting: Meeting) -> set[str]:
    return _individuals(meeting.components)


def _individuals(components: Iterable[Component]) -> set[str]:
    """Individuals of the last known lists of these."""
    return {a.person.address for component in components for a in component.attendees if a.individual}


# --- by list -------------------------------------------------------------------------------------------


def unlist(
    meeting: Meeting,
    before: Meeting,
    invitation: Invitation,
    recipients: Iterable[str],
    policy: Policy,
    now: datetime,
) -> Meeting:
    """The meeting after a REQUEST has passed that lists some holders no more; `before`: as it was before that.

    Only who was listed by address can be un-listed: a mailing list, or somebody behind an alias, is told all the same.
    """
    told, left, out = dict(meeting.told), dict(meeting.left), set()
    for new, gone in _unlisted(before, invitation, set(recipients)):
        for address in gone & told.keys():
            rest = without(told[address], new)
            if holds(rest):
                told[address] = rest
            elif len(told) > 1:
                del told[address]
                left[address] = taken((*left.get(address, ()), *rest), invitation)
                out.add(address)
    # In a mail to several the list is nobody's own view.
    unlisted = meeting.unlisted | (out if len(set(recipients)) <= 1 else set())
    changed = replace(meeting, told=told, left=left, unlisted=unlisted)
    changed = without_instances(changed, lost_by_all(told))
    return awake(changed, now, policy.roll_after)


def is_shortened(before: Meeting, invitation: Invitation, recipients: Iterable[str]) -> bool:
    """Whether some holder is listed no more."""
    return any(gone & before.told.keys() for _, gone in _unlisted(before, invitation, set(recipients)))


def _unlisted(
    before: Meeting, invitation: Invitation, recipients: set[str]
) -> Iterator[tuple[Component, set[str]]]:
    """Components in a strictly newer revision, each with those whom it does not list any more.

    A list that is no more than one attendee's own view says nothing of others: some servers show each only himself.
    """
    for event in invitation.events:
        new, known = event.component, before.component(event.component.key)
        listed = _addresses(new)
        people = _individuals((new,))
        own_view = len(recipients) <= 1 and people <= recipients | {invitation.key.organizer}
        partial = own_view or not listed or len(new.attendees) >= MAX_ATTENDEES
        if known is not None and not partial and is_later(new.stamp, known.stamp):
            yield new, _addresses(known) - listed - recipients


def _addresses(component: Component) -> set[str]:
    return _addresses_of((component,))


def _addresses_of(components: Iterable[Component]) -> set[str]:
    return {attendee.person.address for component in components for attendee in component.attendees}
