"""How a REQUEST changes what is known of a meeting.

What: pure functions (meeting, message, moment) → meeting, carried out inside `store.change`:

    look        a REQUEST has come: what is to be done with it (`Plan`), decided on fresh state
    announce    before the dot: the revision, and the recipients who are about to be told
    sealed      a REQUEST passes that cannot bear a link: only the organizer is told
    withdraw    after the dot: those whom the next hop refused for good were not told after all
    renounce    after the dot of a REQUEST with an opt-out: no conference any more
    postponed   a REQUEST that has to wait for the provider: since when this revision is kept waiting

What keeps a room alive is written before a mail can be delivered, what removes one only after. When in doubt the
room is kept.

Not here: the questions a meeting answers (`meeting`), the order of revisions (`merging`), who may act (`policy`), who
leaves (`uninviting`).
"""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from hashlib import sha256
from typing import assert_never

from mailhook.core.aim import NoRoom, Rest, Room, desired
from mailhook.core.conference import JoinDetails, Move, Spec, State, step
from mailhook.core.holders import holds, is_taken, lost_by_all, told_less, told_more
from mailhook.core.itip import Invitation
from mailhook.core.meeting import MASTER, Meeting, Sealed
from mailhook.core.merging import is_buried, revise, without_instances
from mailhook.core.policy import OptedOut, Policy, Unwanted, Wanted, Wish, guests, markers
from mailhook.core.removal import OPTED_OUT, is_outdated, noted, taken_away, willed
from mailhook.core.waking import awake

UNCLAIMED = timedelta(days=1)
"""How long a room that no mail has announced yet is kept for the client's next attempt."""

REMEMBERED = timedelta(days=6)
"""How long a revision's first attempt is remembered: longer than a queue keeps a mail."""

MAX_REMEMBERED = 50


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
    """Relay without the link of `details`, if it has one; the organizer wants no conference any more.

    Noted even where there is none: an older REQUEST that comes later shall not make one.
    """

    reason: str
    details: JoinDetails | None = field(default=None, compare=False)


Plan = Insert | Create | Leave | Condemn


def look(
    meeting: Meeting,
    invitation: Invitation,
    wish: Wish,
    policy: Policy,
    now: datetime,
    recipients: Iterable[str] = (),
) -> tuple[Meeting, Plan]:
    """What to do with a REQUEST of `meeting` to `recipients`; seeing it alone postpones a deletion that is due."""
    dead = _is_dead(meeting, invitation, recipients, policy)
    plan = _plan(meeting, invitation, wish, policy, now, dead=dead)
    match plan:
        case Leave() | Condemn():
            return meeting, plan
        case Insert() | Create():
            return awake(_spared(meeting, policy, now), now, policy.roll_after), plan
        case _:
            assert_never(plan)


def _plan(
    meeting: Meeting, invitation: Invitation, wish: Wish, policy: Policy, now: datetime, *, dead: bool
) -> Plan:
    match wish:
        case OptedOut(whole):
            return _opted_out(meeting, invitation, whole=whole)
        case Unwanted() | Wanted() if why := taken_away(meeting, invitation, wish, policy):
            return Leave(why) if is_outdated(meeting, invitation) else Condemn(why, meeting.link)
        case Unwanted(why) if meeting.link is None and (not meeting.wanted or why == "foreign-link"):
            return Leave(why)
        case Unwanted() | Wanted():
            pass
        case _:
            assert_never(wish)
    if meeting.link is not None:
        return Insert(meeting.link)
    if dead:
        return Leave("cancelled-already")
    # A new room is for those whom this REQUEST lists, whoever was un-invited before.
    revised = revise(_risen(meeting, invitation), invitation)
    aim = desired(replace(revised, wanted=True, delete_at=None, left={}), now, policy.roll_after)
    match aim:
        case Room(spec):
            return Create(spec)
        case Rest() | NoRoom():
            return Leave("over")
        case _:
            assert_never(aim)


def _opted_out(meeting: Meeting, invitation: Invitation, *, whole: bool) -> Plan:
    """An instance without a conference leaves that of its series alone."""
    own = whole or meeting.component(MASTER) is None
    if not own or is_outdated(meeting, invitation):
        return Leave(OPTED_OUT)
    return Condemn(OPTED_OUT, meeting.link)


def _is_dead(meeting: Meeting, invitation: Invitation, recipients: Iterable[str], policy: Policy) -> bool:
    """Whether a CANCEL has overtaken this REQUEST on the way to each of `recipients`.

    For others the meeting may live: a REQUEST waits for the provider, a CANCEL to somebody else is never held.
    """
    people = guests(policy, invitation, recipients)
    taken = (is_taken(meeting.left.get(address, ()), invitation) for address in people)
    return is_buried(meeting, invitation) and all(taken)


def _risen(meeting: Meeting, invitation: Invitation) -> Meeting:
    """Without the tombstone of a series or single event that lives for the recipients of `invitation`."""
    master = meeting.component(MASTER)
    if master is None or not master.cancelled or all(e.component.key != MASTER for e in invitation.events):
        return meeting
    return replace(meeting, components=tuple(c for c in meeting.components if c.key != MASTER))


def _spared(meeting: Meeting, policy: Policy, now: datetime) -> Meeting:
    later = now + policy.delete_grace
    if meeting.delete_at is None or meeting.delete_at >= later:
        return meeting
    return replace(meeting, delete_at=later)


def sealed(meeting: Meeting, invitation: Invitation, why: str) -> Meeting:
    """The meeting once a REQUEST has passed that asks for its first conference and cannot bear a link."""
    topic = next((event.component.summary for event in invitation.events), "")
    language = invitation.languages.get(invitation.key.organizer, "")
    return replace(meeting, organizer=invitation.organizer, language=language, sealed=Sealed(why, topic))


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
    if linked:
        meeting = _announced(meeting)
    if _is_dead(meeting, invitation, recipients, policy):
        return awake(meeting, now, policy.roll_after)
    people = guests(policy, invitation, recipients)
    holding = {
        address: told_more(meeting.told.get(address, ()), meeting.left.get(address, ()), invitation)
        for address in sorted(people)
    }
    holding = {address: entries for address, entries in holding.items() if holds(entries)}
    if people and not holding:
        return awake(meeting, now, policy.roll_after)
    meeting = _risen(meeting, invitation)
    changed = replace(
        revise(meeting, invitation),
        unlinked=meeting.unlinked or not linked,
        sealed=None,
        told={**meeting.told, **holding},
        ever_told=meeting.ever_told | people,
        left={address: by for address, by in meeting.left.items() if address not in holding},
        copied=meeting.copied | invitation.copied,
        unlisted=meeting.unlisted.difference(holding),
        unheard={address: since for address, since in meeting.unheard.items() if address not in holding},
    )
    changed = without_instances(changed, lost_by_all(changed.told))
    if not (is_outdated(meeting, invitation) and _renounced(meeting)):
        changed = replace(changed, wanted=True, delete_at=None, doubtful="")
        # What bears no marker, because a client has dropped it, says nothing new of the organizer's will.
        if meeting.renounced or markers(policy, invitation):
            changed = willed(changed, invitation)
        changed = noted(changed, meeting, invitation, policy)
    return awake(changed, now, policy.roll_after)


def _announced(meeting: Meeting) -> Meeting:
    conference = meeting.conference
    move = Move.REOPEN if conference.state is State.FINISHED else Move.ANNOUNCE
    return replace(meeting, conference=replace(conference, state=step(conference.state, move)))


def _renounced(meeting: Meeting) -> bool:
    return not meeting.wanted and meeting.delete_at is not None


def withdraw(
    meeting: Meeting,
    before: Meeting,
    invitation: Invitation,
    refused: Iterable[str],
    policy: Policy,
    now: datetime,
) -> Meeting:
    """The meeting after a definite refusal of `invitation` to `refused`; `before`: as it was before the announcing."""
    told = dict(meeting.told)
    gone = {address for address in refused if address in told}
    for address in gone:
        told[address] = told_less(told[address], before.told.get(address, ()), invitation)
        if not holds(told[address]):
            del told[address]
    lost = gone - told.keys()
    changed = replace(
        meeting,
        told=told,
        ever_told=meeting.ever_told - (lost - before.ever_told),
        left={**meeting.left, **{address: by for address, by in before.left.items() if address in lost}},
    )
    if not told and (changed.link or changed.conference.state is State.RESERVED):
        changed = _unclaimed(changed, before, policy, now)
    return awake(changed, now, policy.roll_after)


def _unclaimed(meeting: Meeting, before: Meeting, policy: Policy, now: datetime) -> Meeting:
    """Nobody was told: what was due before is due again, else the room waits for the client's next attempt."""
    if before.doubtful:
        return replace(meeting, doubtful=before.doubtful, delete_at=None)
    if before.delete_at is not None:
        return _spared(replace(meeting, delete_at=before.delete_at), policy, now)
    return replace(meeting, delete_at=now + UNCLAIMED)


# --- no conference any more ----------------------------------------------------------------------------


def renounce(meeting: Meeting, invitation: Invitation, why: str, policy: Policy, now: datetime) -> Meeting:
    """The meeting after a REQUEST by which the organizer wants no conference any more; `why`: see `Condemn`."""
    at = meeting.delete_at or now + policy.delete_grace
    changed = noted(revise(meeting, invitation), meeting, invitation, policy)
    return condemn(willed(changed, invitation, why), at, policy, now)


def condemn(meeting: Meeting, at: datetime, policy: Policy, now: datetime) -> Meeting:
    """The meeting once somebody who may say so wants no conference: it goes at `at`, and comes again by a marker."""
    return awake(replace(meeting, delete_at=at, wanted=False), now, policy.roll_after)


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
    # Not forgotten when a copy passes: the others of this revision have waited as long.
    recent = sorted((at, name) for name, at in meeting.first_seen.items() if now - at < REMEMBERED)
    kept = {name: at for at, name in recent[-MAX_REMEMBERED:]}
    return replace(meeting, first_seen={**kept, mark: since}), since
