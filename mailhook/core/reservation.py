"""Who creates the room of a meeting: a reservation with a lease, of which one creator at a time holds the token.

What: `reserve`, `renew`, `confirm`, `give_up`, pure, carried out inside `store.change`. Whoever is not sure any more to
hold the reservation learns it from `confirm`, and uses what counts.

Not here: I/O (`flight`), and what should be (`aim.desired`).
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from hashlib import sha256
from hmac import new as hmac

from mailhook.core.conference import Conference, JoinDetails, Move, Spec, State, step
from mailhook.core.meeting import Leftover, Meeting, MeetingKey, Suspect
from mailhook.core.policy import Policy
from mailhook.core.revision import UNCLAIMED
from mailhook.core.waking import awake

LEASE = timedelta(seconds=6)
"""How long a worker that does not renew its lease is taken to be alive."""

LATE = timedelta(minutes=15)
"""How long after a create without a clear answer its room may still appear."""

BACKOFF_FIRST = timedelta(seconds=10)
BACKOFF_MOST = timedelta(hours=1)


def conference_key(secret: bytes, key: MeetingKey, generation: int) -> str:
    """Our opaque name of one generation's room, for the provider: 32 hex digits."""
    text = f"{key.organizer}\0{key.uid}\0{generation}".encode("utf-8", "surrogatepass")
    return hmac(secret, text, sha256).hexdigest()[:32]


def of_provider(meeting: Meeting, identity: str) -> Meeting:
    """The meeting as this provider may see it: another one's room is neither used nor changed nor deleted."""
    current = meeting.conference
    if current.provider in {"", identity}:
        return meeting
    every = (*meeting.elsewhere, current)
    back = next((each for each in every if each.provider == identity), None)
    fresh = Conference(generation=max(each.generation for each in every) + 1)
    others = tuple(each for each in every if each is not back)
    return replace(meeting, conference=back or fresh, elsewhere=others)


@dataclass(frozen=True)
class Granted:
    """The caller creates the room of `generation`, and confirms with its token."""

    generation: int


@dataclass(frozen=True)
class Held:
    """Somebody else is creating the room."""


@dataclass(frozen=True)
class Standing:
    """The room stands already."""

    details: JoinDetails


@dataclass(frozen=True)
class TooMany:
    """The organizer has made as many conferences in the last hour as `policy` allows."""


Grant = Granted | Held | Standing | TooMany


def reserve(
    meeting: Meeting, token: str, identity: str, policy: Policy, now: datetime, made_last_hour: int
) -> tuple[Meeting, Grant]:
    """Ask for the right to create the room; the lease is `LEASE` long and wants renewing."""
    meeting = of_provider(meeting, identity)
    conference = meeting.conference
    if meeting.link is not None:
        return meeting, Standing(meeting.link)
    again = conference.state is State.RESERVED
    if again and conference.lease_until is not None and conference.lease_until > now:
        return meeting, Held()
    if not again and made_last_hour >= policy.max_conferences_per_organizer_per_hour:
        return meeting, TooMany()
    spent = conference.state in {State.GONE, State.ENDING}
    reserved = Conference(
        state=step(conference.state, Move.RESERVE),
        generation=conference.generation + (1 if spent else 0),
        token=token,
        lease_until=now + LEASE,
        provider=identity,
        uncertain=again,
    )
    leftovers = meeting.leftovers
    if conference.state is State.ENDING and conference.details:
        leftovers = (*leftovers, Leftover(conference.details.conference_id, conference.provider))
    unclaimed = meeting.delete_at if meeting.wanted else now + UNCLAIMED
    changed = replace(meeting, conference=reserved, leftovers=leftovers, delete_at=unclaimed)
    return awake(changed, now, policy.roll_after), Granted(reserved.generation)


def renew(meeting: Meeting, token: str, policy: Policy, now: datetime) -> Meeting:
    """The lease of a slow create, made longer by its owner."""
    if not _owns(meeting, token):
        return meeting
    conference = replace(meeting.conference, lease_until=now + LEASE)
    return awake(replace(meeting, conference=conference), now, policy.roll_after)


def doubt(meeting: Meeting, token: str) -> Meeting:
    """An unclear answer came, and the owner creates once more: there may be a room beside that of the next answer."""
    if not _owns(meeting, token):
        return meeting
    return replace(meeting, conference=replace(meeting.conference, uncertain=True))


def _owns(meeting: Meeting, token: str) -> bool:
    return meeting.conference.state is State.RESERVED and meeting.conference.token == token


def confirm(
    meeting: Meeting,
    token: str,
    spec: Spec,
    details: JoinDetails,
    identity: str,
    policy: Policy,
    now: datetime,
) -> tuple[Meeting, JoinDetails | None]:
    """Write the room that the provider `identity` made, if the reservation still holds; returns the details that count.

    A loser's room is listed as a leftover. Providers that let us choose the id answer both creates with one room:
    then it is the winner's, and none too many.
    """
    conference = meeting.conference
    if not _owns(meeting, token):
        if conference.details and conference.details.conference_id == details.conference_id:
            return meeting, meeting.link
        leftover = Leftover(details.conference_id, identity)
        changed = replace(meeting, leftovers=(*meeting.leftovers, leftover))
        return awake(changed, now, policy.roll_after), meeting.link
    ready = replace(
        conference,
        state=step(conference.state, Move.CONFIRM),
        token="",
        lease_until=None,
        details=details,
        applied=spec,
        uncertain=False,
    )
    extra = tuple(each for each in meeting.leftovers if each.conference_id != details.conference_id)
    suspects = meeting.suspects
    if conference.uncertain:
        suspects = (*suspects, Suspect(conference.generation, identity, due=now + LATE))
    changed = replace(meeting, conference=ready, leftovers=extra, suspects=suspects)
    changed = replace(changed, attempts=0, error="", borne=None)
    return awake(changed, now, policy.roll_after), details


def give_up(
    meeting: Meeting, token: str, error: str, policy: Policy, now: datetime, *, refused: bool
) -> Meeting:
    """After a failed create. `refused`: this one has made no room; else the reservation stays, free to take."""
    if not _owns(meeting, token):
        return meeting
    conference = meeting.conference
    if not refused:
        meeting = replace(meeting, conference=replace(conference, token="", lease_until=now))
    elif conference.uncertain:
        meeting = released(meeting)
    else:
        free = Conference(
            step(conference.state, Move.RELEASE), conference.generation, provider=conference.provider
        )
        meeting = replace(meeting, conference=free)
    return retried_later(meeting, error, policy, now)


def released(meeting: Meeting) -> Meeting:
    """A reservation without a clear answer is let go: whatever bears its key is a suspect from now on."""
    conference = meeting.conference
    free = Conference(
        step(conference.state, Move.RELEASE), conference.generation + 1, provider=conference.provider
    )
    suspect = Suspect(conference.generation, conference.provider)
    return replace(meeting, conference=free, suspects=(*meeting.suspects, suspect))


def forgotten(meeting: Meeting, policy: Policy, now: datetime) -> Meeting:
    """The meeting after an administrator has looked himself for what the provider cannot find."""
    left = tuple(suspect for suspect in meeting.suspects if not suspect.unsearchable)
    return awake(replace(meeting, suspects=left), now, policy.roll_after)


def retried_later(meeting: Meeting, error: str, policy: Policy, now: datetime) -> Meeting:
    """The meeting after a failure: listed as pending, and tried again after a pause that grows."""
    attempts = meeting.attempts + 1
    pause = min(BACKOFF_FIRST * 2 ** min(attempts - 1, 12), BACKOFF_MOST)
    changed = replace(meeting, attempts=attempts, error=error, retry_at=now + pause)
    return awake(changed, now, policy.roll_after)
