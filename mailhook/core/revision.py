"""How a message changes what is known of a meeting: revisions, holders, un-inviting, cancelling.

What: pure functions (meeting, message, moment) → meeting, carried out inside `store.change`:

    look        a REQUEST has come: what is to be done with it (`Plan`), decided on fresh state
    announce    before the dot: the revision, and the recipients who are about to be told
    withdraw    after the dot: those whom the next hop refused for good were not told after all
    cancel      after the dot of a CANCEL: its recipients hold its components no longer
    postponed   a REQUEST that has to wait for the provider: since when this revision is kept waiting

What keeps a room alive is written before a mail can be delivered, what removes one only after. When in doubt the
room is kept.

Not here: the questions a meeting answers (`meeting`), who may act (`policy`).
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from hashlib import sha256
from typing import assert_never

from mailhook.core.conference import JoinDetails, Move, Spec, State, step
from mailhook.core.itip import Event, Invitation
from mailhook.core.meeting import (
    MASTER,
    Component,
    Meeting,
    NoRoom,
    Rest,
    Room,
    Stamp,
    Told,
    awake,
    desired,
)
from mailhook.core.policy import OptedOut, Policy, Unwanted, Wanted, Wish

UNCLAIMED = timedelta(days=1)
"""How long a room that no mail has announced yet is kept for the client's next attempt."""


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


# --- a REQUEST -----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Insert:
    """The conference stands: write its link into the message."""

    details: JoinDetails


@dataclass(frozen=True)
class Create:
    """A conference like `spec` is needed first."""

    spec: Spec


@dataclass(frozen=True)
class Leave:
    """Relay unchanged and learn nothing; `reason` for the log."""

    reason: str


@dataclass(frozen=True)
class Condemn:
    """Relay unchanged; the organizer wants no conference any more."""

    reason: str


Plan = Insert | Create | Leave | Condemn


def look(
    meeting: Meeting, invitation: Invitation, wish: Wish, policy: Policy, now: datetime
) -> tuple[Meeting, Plan]:
    """What to do with a REQUEST of `meeting`; seeing it alone postpones a deletion that is due."""
    plan = _plan(meeting, invitation, wish, policy, now)
    match plan:
        case Leave() | Condemn():
            return meeting, plan
        case Insert() | Create():
            return awake(_spared(meeting, policy, now), now, policy.roll_after), plan
        case _:
            assert_never(plan)


def _plan(meeting: Meeting, invitation: Invitation, wish: Wish, policy: Policy, now: datetime) -> Plan:
    match wish:
        case OptedOut(why):
            return Condemn(why) if meeting.link else Leave(why)
        case Unwanted(why) if not (meeting.wanted or meeting.link):
            return Leave(why)
        case Unwanted() | Wanted():
            pass
        case _:
            assert_never(wish)
    if meeting.link is not None:
        return Insert(meeting.link)
    if _buried(meeting, invitation):
        return Leave("cancelled-already")
    revised = replace(revise(meeting, invitation), wanted=True, delete_at=None)
    aim = desired(revised, now, policy.roll_after)
    match aim:
        case Room(spec):
            return Create(spec)
        case Rest() | NoRoom():
            return Leave("over")
        case _:
            assert_never(aim)


def _spared(meeting: Meeting, policy: Policy, now: datetime) -> Meeting:
    later = now + policy.delete_grace
    if meeting.delete_at is None or not meeting.wanted or meeting.delete_at >= later:
        return meeting
    return replace(meeting, delete_at=later)


def _buried(meeting: Meeting, invitation: Invitation) -> bool:
    """Whether a CANCEL has already overtaken every component of this REQUEST (a tombstone)."""

    def overtaken(event: Event) -> bool:
        known = meeting.component(event.component.key) or meeting.component(MASTER)
        return known is not None and known.cancelled and is_older(event.component.stamp, known.stamp)

    return all(overtaken(event) for event in invitation.events)


def revise(meeting: Meeting, invitation: Invitation) -> Meeting:
    """`meeting` with the components of a REQUEST or ADD that are not older than what is known."""
    components = {component.key: component for component in meeting.components}
    for event in invitation.events:
        new = event.component
        known = components.get(new.key)
        if known is None or not is_older(new.stamp, known.stamp):
            components[new.key] = new if known is None else _merged(known, new)
    return replace(
        meeting,
        organizer=invitation.organizer,
        components=tuple(components[key] for key in sorted(components)),
    )


def _merged(known: Component, new: Component) -> Component:
    """The newer component; copies of one revision that list different people are joined."""
    same = (known.stamp.sequence, known.stamp.dtstamp) == (new.stamp.sequence, new.stamp.dtstamp)
    if not same or known.schedule != new.schedule or known.cancelled:
        return new
    people = {attendee.person.address: attendee for attendee in (*known.attendees, *new.attendees)}
    newest = known.stamp if is_older(new.stamp, known.stamp) else new.stamp
    return replace(new, attendees=tuple(people.values()), stamp=newest)


def announce(
    meeting: Meeting,
    invitation: Invitation,
    recipients: Iterable[str],
    policy: Policy,
    now: datetime,
    *,
    linked: bool,
) -> Meeting:
    """The meeting once `recipients` may be told of `invitation`; `linked`: the message bears the link."""
    told = dict(meeting.told)
    people = [address for address in recipients if address not in policy.ignore_recipients]
    for address in people:
        told[address] = _told_more(told.get(address, ()), invitation)
    conference = meeting.conference
    if linked:
        move = Move.REOPEN if conference.state is State.FINISHED else Move.ANNOUNCE
        conference = replace(conference, state=step(conference.state, move))
    changed = replace(
        revise(meeting, invitation),
        told=told,
        ever_told=meeting.ever_told | set(people),
        left=meeting.left - set(people),
        wanted=True,
        delete_at=None,
        doubtful="",
        first_seen={},
        conference=conference,
    )
    return awake(changed, now, policy.roll_after)


def _told_more(known: tuple[Told, ...], invitation: Invitation) -> tuple[Told, ...]:
    entries = {entry.key: entry for entry in known}
    for event in invitation.events:
        component = event.component
        before = entries.get(component.key)
        if before is None or not is_older(component.stamp, before.stamp):
            entries[component.key] = Told(component.key, component.stamp)
    return tuple(entries[key] for key in sorted(entries))


def withdraw(
    meeting: Meeting, before: Meeting, refused: Iterable[str], policy: Policy, now: datetime
) -> Meeting:
    """The meeting after a definite refusal of `refused`: what they hold is again what they held `before`."""
    told = dict(meeting.told)
    gone = set(refused)
    for address in gone & told.keys():
        if address in before.told:
            told[address] = before.told[address]
        else:
            del told[address]
    strangers = gone - before.ever_told
    changed = replace(meeting, told=told, ever_told=meeting.ever_told - strangers)
    if not told and changed.link:
        changed = replace(changed, delete_at=now + UNCLAIMED)
    return awake(changed, now, policy.roll_after)


# --- a CANCEL ------------------------------------------------------------------------------------------


def cancel(
    meeting: Meeting, invitation: Invitation, recipients: Iterable[str], policy: Policy, now: datetime
) -> Meeting:
    """The meeting after a CANCEL has passed to `recipients`.

    Neither STATUS nor the ATTENDEE list of a CANCEL is believed: who holds the meeting is known from the envelopes.
    A CANCEL is stale for a recipient to whom a newer REQUEST has passed.
    """
    told = dict(meeting.told)
    left = set(meeting.left)
    for address in recipients:
        rest = _still_told(told.pop(address, ()), invitation)
        if rest:
            told[address] = rest
        elif address not in policy.ignore_recipients:
            left.add(address)
    changed = replace(meeting, told=told, left=frozenset(left))
    if not told:
        changed = _abandoned(_entombed(changed, invitation), policy, now)
    return awake(changed, now, policy.roll_after)


def _still_told(known: tuple[Told, ...], invitation: Invitation) -> tuple[Told, ...]:
    cancelled = {event.component.key: event.component.stamp for event in invitation.events}

    def survives(entry: Told) -> bool:
        stamp = cancelled.get(entry.key, cancelled.get(MASTER))
        return stamp is None or is_older(stamp, entry.stamp)

    return tuple(entry for entry in known if survives(entry))


def _entombed(meeting: Meeting, invitation: Invitation) -> Meeting:
    """Mark what the CANCEL names, so that a REQUEST which it overtook is known to be dead."""
    components = {component.key: component for component in meeting.components}
    for event in invitation.events:
        new = event.component
        known = components.get(new.key)
        if known is None or not is_older(new.stamp, known.stamp):
            components[new.key] = replace(known or new, stamp=new.stamp, cancelled=True)
    return replace(meeting, components=tuple(components[key] for key in sorted(components)))


def _abandoned(meeting: Meeting, policy: Policy, now: datetime) -> Meeting:
    """Nobody holds the meeting any more: its conference goes after the grace time, unless that is in doubt."""
    if not meeting.wanted:
        return meeting
    untold = _untold(meeting, policy)
    if untold:
        return replace(meeting, doubtful=f"never told by mail: {', '.join(untold)}")
    return replace(meeting, delete_at=now + policy.delete_grace)


def _untold(meeting: Meeting, policy: Policy) -> list[str]:
    """Individuals of the last known ATTENDEE lists who were never told by mail: internal people of some servers."""
    known = {
        attendee.person.address
        for component in meeting.components
        for attendee in component.attendees
        if attendee.individual
    }
    others = known - meeting.ever_told - meeting.left - {meeting.organizer.address, meeting.key.organizer}
    return sorted(others - set(policy.ignore_recipients))


def condemn(meeting: Meeting, at: datetime, policy: Policy, now: datetime) -> Meeting:
    """The meeting once somebody who may say so wants no conference: it goes at `at`."""
    return awake(replace(meeting, delete_at=at), now, policy.roll_after)


# --- waiting for the provider --------------------------------------------------------------------------


def fingerprint(invitation: Invitation) -> str:
    """The same for all copies of one revision, whoever they are addressed to."""
    marks = sorted(
        f"{e.component.key} {e.component.stamp.sequence} {e.component.stamp.dtstamp} {e.component.schedule}"
        for e in invitation.events
    )
    return sha256("\n".join(marks).encode("utf-8", "replace")).hexdigest()[:16]


def postponed(meeting: Meeting, invitation: Invitation, now: datetime) -> tuple[Meeting, datetime]:
    """The meeting, and since when this revision has been kept waiting."""
    mark = fingerprint(invitation)
    since = meeting.first_seen.get(mark, now)
    return replace(meeting, first_seen={**meeting.first_seen, mark: since}), since
