"""What the worker has to do for a meeting, and what its results mean.

What: `claim` picks the next `Task` on a fresh row and takes the lease; after the I/O one of `succeeded`, `lost`,
`failed` writes the result. Creation has decisions of its own: `reserve`, `renew`, `confirm`, `give_up`. All pure,
carried out inside `store.change`.

Not here: I/O (`flight`, `sync`), and what should be (`meeting.desired`).
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from hashlib import sha256
from hmac import new as hmac
from typing import assert_never

from mailhook.core.conference import Conference, JoinDetails, Move, Spec, State, step
from mailhook.core.meeting import Leftover, Lease, Meeting, MeetingKey, NoRoom, Rest, Room, awake, desired
from mailhook.core.policy import Policy
from mailhook.core.revision import UNCLAIMED

LEASE = timedelta(seconds=6)
"""How long a worker that does not renew its lease is taken to be alive."""

BACKOFF_FIRST = timedelta(seconds=10)
BACKOFF_MOST = timedelta(hours=1)


def conference_key(secret: bytes, key: MeetingKey, generation: int) -> str:
    """Our opaque name of one generation's room, for the provider: 32 hex digits."""
    text = f"{key.organizer}\0{key.uid}\0{generation}".encode("utf-8", "surrogatepass")
    return hmac(secret, text, sha256).hexdigest()[:32]


def of_provider(meeting: Meeting, identity: str) -> Meeting:
    """The meeting as this provider may see it: another one's room is neither used nor changed nor deleted."""
    conference = meeting.conference
    if conference.provider in {"", identity}:
        return meeting
    return replace(meeting, conference=Conference(generation=conference.generation + 1))


# --- creation ------------------------------------------------------------------------------------------


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
    )
    leftovers = meeting.leftovers
    if conference.state is State.ENDING and conference.details:
        leftovers = (*leftovers, Leftover(conference.details.conference_id, conference.provider))
    unclaimed = None if meeting.wanted else now + UNCLAIMED
    changed = replace(meeting, conference=reserved, leftovers=leftovers, delete_at=unclaimed)
    return awake(changed, now, policy.roll_after), Granted(reserved.generation)


def renew(meeting: Meeting, token: str, policy: Policy, now: datetime) -> Meeting:
    """The lease of a slow create, made longer by its owner."""
    if not _owns(meeting, token):
        return meeting
    conference = replace(meeting.conference, lease_until=now + LEASE)
    return awake(replace(meeting, conference=conference), now, policy.roll_after)


def _owns(meeting: Meeting, token: str) -> bool:
    return meeting.conference.state is State.RESERVED and meeting.conference.token == token


def confirm(
    meeting: Meeting, token: str, spec: Spec, details: JoinDetails, policy: Policy, now: datetime
) -> tuple[Meeting, JoinDetails | None]:
    """Write the created room, if the reservation still holds; returns the details that count, if any do.

    A loser's room is listed as a leftover, unless it is the winner's: providers that let us choose the id answer
    both creates with one room.
    """
    conference = meeting.conference
    if _owns(meeting, token):
        ready = replace(
            conference,
            state=step(conference.state, Move.CONFIRM),
            token="",
            lease_until=None,
            details=details,
            applied=spec,
        )
        changed = replace(meeting, conference=ready, attempts=0, error="")
        return awake(changed, now, policy.roll_after), details
    current = conference.details.conference_id if conference.details else ""
    pending = conference.state is State.RESERVED
    if current == details.conference_id or pending:
        return meeting, meeting.link
    leftover = Leftover(details.conference_id, conference.provider)
    changed = replace(meeting, leftovers=(*meeting.leftovers, leftover))
    return awake(changed, now, policy.roll_after), meeting.link


def give_up(meeting: Meeting, token: str, error: str, policy: Policy, now: datetime, *, refused: bool) -> Meeting:
    """After a failed create. `refused`: there certainly is no room; else the reservation stays, free to take."""
    if not _owns(meeting, token):
        return meeting
    conference = meeting.conference
    if refused:
        conference = Conference(state=step(conference.state, Move.RELEASE), generation=conference.generation)
    else:
        conference = replace(conference, token="", lease_until=now)
    return _retried_later(replace(meeting, conference=conference), error, policy, now)


# --- upkeep --------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Nothing:
    """All is as desired, or somebody else is at work."""


@dataclass(frozen=True)
class CreateRoom:
    spec: Spec


@dataclass(frozen=True)
class UpdateRoom:
    conference_id: str
    spec: Spec


@dataclass(frozen=True)
class DeleteRoom:
    """The room of this generation: committed as ENDING before the call."""

    conference_id: str


@dataclass(frozen=True)
class DeleteLeftover:
    leftover: Leftover


@dataclass(frozen=True)
class Recover:
    """A reservation that nobody claimed: whatever room bears its key goes."""

    generation: int


@dataclass(frozen=True)
class Limited:
    """A deletion is due, but as many as `policy` allows were made in the last hour."""


Task = Nothing | CreateRoom | UpdateRoom | DeleteRoom | DeleteLeftover | Recover | Limited


def claim(
    meeting: Meeting, token: str, identity: str, policy: Policy, now: datetime, deleted_last_hour: int
) -> tuple[Meeting, Task]:
    """The next task of a meeting that is due, and the meeting with the lease taken for it."""
    if meeting.wake_at is None or meeting.wake_at > now or (meeting.lease and meeting.lease.until > now):
        return meeting, Nothing()
    meeting = replace(meeting, lease=None)
    task = _task(meeting, identity, policy, now)
    match task:
        case DeleteRoom() | Recover() if deleted_last_hour >= policy.max_deletions_per_hour:
            return replace(meeting, error="deletions per hour", wake_at=now + BACKOFF_MOST / 4), Limited()
        case DeleteRoom():
            meeting = _moved(meeting, Move.CONDEMN)
        case Nothing():
            return _settled(meeting, policy, now), task
        case CreateRoom() | UpdateRoom() | DeleteLeftover() | Recover() | Limited():
            pass
        case _:
            assert_never(task)
    lease = Lease(token, now + LEASE * 10)
    return awake(replace(meeting, lease=lease, error="", wake_at=None), now, policy.roll_after), task


def _task(meeting: Meeting, identity: str, policy: Policy, now: datetime) -> Task:
    conference = meeting.conference
    if conference.provider not in {"", identity}:
        return Nothing()
    for leftover in meeting.leftovers:
        if leftover.provider == identity:
            return DeleteLeftover(leftover)
    if conference.state is State.ENDING and conference.details:
        return DeleteRoom(conference.details.conference_id)
    aim = desired(meeting, now, policy.roll_after)
    match aim:
        case NoRoom():
            return _removal(meeting)
        case Room(spec):
            return _towards(meeting, spec)
        case Rest():
            return Nothing()
        case _:
            assert_never(aim)


def _removal(meeting: Meeting) -> Task:
    if meeting.link is not None:
        return DeleteRoom(meeting.link.conference_id)
    if meeting.conference.state is State.RESERVED:
        return Recover(meeting.conference.generation)
    return Nothing()


def _towards(meeting: Meeting, spec: Spec) -> Task:
    if meeting.link is None:
        return CreateRoom(spec)
    if meeting.conference.applied != spec:
        return UpdateRoom(meeting.link.conference_id, spec)
    return Nothing()


def _moved(meeting: Meeting, move: Move) -> Meeting:
    conference = meeting.conference
    if conference.state is State.ENDING:
        return meeting
    return replace(meeting, conference=replace(conference, state=step(conference.state, move)))


def _settled(meeting: Meeting, policy: Policy, now: datetime) -> Meeting:
    """Moves that need no call: a conference whose last occurrence has passed, or that has occurrences again."""
    aim = desired(meeting, now, policy.roll_after)
    state = meeting.conference.state
    if isinstance(aim, Rest) and aim.over and state in {State.READY, State.ANNOUNCED}:
        meeting = _moved(meeting, Move.FINISH)
    if isinstance(aim, Room) and state is State.FINISHED:
        meeting = _moved(meeting, Move.REOPEN)
    return awake(replace(meeting, error="", attempts=0), now, policy.roll_after)


def succeeded(meeting: Meeting, token: str, task: Task, policy: Policy, now: datetime) -> Meeting:
    """The meeting after `task` was done at the provider."""
    if not (meeting.lease and meeting.lease.token == token):
        return meeting
    meeting = replace(meeting, lease=None, attempts=0, error="")
    conference = meeting.conference
    match task:
        case UpdateRoom(_, spec):
            meeting = replace(meeting, conference=replace(conference, applied=spec))
        case DeleteRoom(conference_id):
            if conference.state is State.ENDING and _is(conference, conference_id):
                meeting = _moved_on(meeting, Move.DELETED)
            meeting = replace(
                meeting, leftovers=tuple(x for x in meeting.leftovers if x.conference_id != conference_id)
            )
        case DeleteLeftover(leftover):
            meeting = replace(meeting, leftovers=tuple(x for x in meeting.leftovers if x != leftover))
        case Recover(generation):
            if conference.state is State.RESERVED and conference.generation == generation:
                released = Conference(State.ABSENT, generation=generation + 1)
                meeting = replace(meeting, conference=released, delete_at=None)
        case CreateRoom() | Nothing() | Limited():
            pass
        case _:
            assert_never(task)
    return awake(meeting, now, policy.roll_after)


def _is(conference: Conference, conference_id: str) -> bool:
    return conference.details is not None and conference.details.conference_id == conference_id


def _moved_on(meeting: Meeting, move: Move) -> Meeting:
    """GONE: nothing is desired and nothing applied until a REQUEST asks for the next generation."""
    conference = meeting.conference
    gone = Conference(step(conference.state, move), conference.generation, provider=conference.provider)
    return replace(meeting, conference=gone, wanted=False, delete_at=None)


def lost(meeting: Meeting, token: str, policy: Policy, now: datetime) -> Meeting:
    """The provider has no such room any more: the next generation is created, if one is still desired."""
    if not (meeting.lease and meeting.lease.token == token):
        return meeting
    conference = meeting.conference
    gone = Conference(step(conference.state, Move.LOSE), conference.generation, provider=conference.provider)
    return awake(replace(meeting, lease=None, conference=gone), now, policy.roll_after)


def failed(meeting: Meeting, token: str, error: str, policy: Policy, now: datetime) -> Meeting:
    """The meeting after a task that did not succeed: tried again later, and listed as pending."""
    if not (meeting.lease and meeting.lease.token == token):
        return meeting
    return _retried_later(replace(meeting, lease=None), error, policy, now)


def _retried_later(meeting: Meeting, error: str, policy: Policy, now: datetime) -> Meeting:
    attempts = meeting.attempts + 1
    pause = min(BACKOFF_FIRST * 2 ** min(attempts - 1, 12), BACKOFF_MOST)
    changed = replace(meeting, attempts=attempts, error=error, wake_at=now + pause)
    return awake(changed, now, policy.roll_after)


def retried_now(meeting: Meeting, policy: Policy, now: datetime) -> Meeting:
    """The meeting as an administrator wants it tried at once."""
    return awake(replace(meeting, error="", wake_at=None), now, policy.roll_after)
