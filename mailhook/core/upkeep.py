"""What the worker has to do for a meeting, and what its results mean.

What: `claim` picks the next `Task` on a fresh row and takes the lease; after the I/O one of `succeeded`, `lost`,
`failed` writes the result. All pure, carried out inside `store.change`.

Not here: I/O (`sync`), creation (`reservation`), and what should be (`meeting.desired`).
"""

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import assert_never

from mailhook.core.aim import Desired, NoRoom, Rest, Room, desired
from mailhook.core.conference import Conference, JoinDetails, Move, Spec, State, step
from mailhook.core.meeting import Lease, Leftover, Meeting, Suspect
from mailhook.core.policy import Policy
from mailhook.core.reservation import LATE, released, retried_later
from mailhook.core.waking import awake, next_wake

TASK_LEASE = timedelta(minutes=1)
"""How long a worker may take for one task before another one takes it up."""

LIMIT_PAUSE = timedelta(minutes=15)
"""After how long a deletion beyond `policy.max_deletions_per_hour` is tried again."""


@dataclass(frozen=True)
class Nothing:
    """All is as desired, or somebody else is at work."""


@dataclass(frozen=True)
class CreateRoom:
    """`attempts`: those that had failed before."""

    spec: Spec
    attempts: int = field(default=0, compare=False)


@dataclass(frozen=True)
class UpdateRoom:
    conference_id: str
    spec: Spec


@dataclass(frozen=True)
class RecreateRoom:
    """A room that has ended and cannot be moved, made anew under the id of `generation`, if the provider lets us."""

    generation: int
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
    """A create without a clear answer: whatever room bears the key of `generation` goes, but for the room `keep`."""

    generation: int
    keep: str = field(default="", compare=False)


@dataclass(frozen=True)
class Limited:
    """A deletion is due, but as many as `policy` allows were made in the last hour."""


Task = Nothing | CreateRoom | UpdateRoom | RecreateRoom | DeleteRoom | DeleteLeftover | Recover | Limited


def claim(
    meeting: Meeting, token: str, identity: str, policy: Policy, now: datetime, deleted_last_hour: int
) -> tuple[Meeting, Task]:
    """The next task of a meeting that is due, and the meeting with the lease taken for it.

    What cannot be undone is in the meeting before the call is made: ENDING, or a reservation let go.
    """
    if meeting.wake_at is None or meeting.wake_at > now or (meeting.lease and meeting.lease.until > now):
        return meeting, Nothing()
    meeting = _settled(replace(meeting, lease=None), policy, now)
    task = _task(meeting, identity, policy, now)
    conference = meeting.conference
    match task:
        case Nothing() | Limited():
            return _at_rest(meeting, identity, policy, now), task
        case DeleteRoom() if conference.state is not State.ENDING:
            if deleted_last_hour >= policy.max_deletions_per_hour:
                later = now + LIMIT_PAUSE
                return replace(
                    meeting, error="policy.max_deletions_per_hour is reached", wake_at=later, retry_at=later
                ), Limited()
            meeting = replace(
                meeting, conference=replace(conference, state=step(conference.state, Move.CONDEMN))
            )
        case Recover() if conference.state is State.RESERVED:
            meeting = released(meeting)
        case CreateRoom() | UpdateRoom() | RecreateRoom() | DeleteRoom() | DeleteLeftover() | Recover():
            pass
        case _:
            assert_never(task)
    lease = Lease(token, now + TASK_LEASE)
    return awake(replace(meeting, lease=lease, error="", wake_at=None), now, policy.roll_after), task


def _settled(meeting: Meeting, policy: Policy, now: datetime) -> Meeting:
    """Moves that need no call: a conference whose last occurrence has passed, or that has occurrences again."""
    aim = desired(meeting, now, policy.roll_after)
    conference = meeting.conference
    if isinstance(aim, Rest) and aim.over and conference.state in {State.READY, State.ANNOUNCED}:
        conference = replace(conference, state=step(conference.state, Move.FINISH))
    elif isinstance(aim, Room) and conference.state is State.FINISHED:
        conference = replace(conference, state=step(conference.state, Move.REOPEN))
    return replace(meeting, conference=conference)


def _at_rest(meeting: Meeting, identity: str, policy: Policy, now: datetime) -> Meeting:
    """There is nothing to do. What another provider's room would need does not bring the meeting up again."""
    suspects = tuple(suspect for suspect in meeting.suspects if suspect.provider == identity)
    own = replace(meeting, leftovers=(), suspects=suspects)
    wake = next_wake(own, now, policy.roll_after)
    return replace(meeting, error="", attempts=0, wake_at=wake if wake and wake > now else None)


def _task(meeting: Meeting, identity: str, policy: Policy, now: datetime) -> Task:
    """The conference first, because people wait for it; then what is too many."""
    conference = meeting.conference
    if conference.provider in {"", identity}:
        task = _for_conference(meeting, policy, now)
        if not isinstance(task, Nothing) or conference.state is State.RESERVED:
            return task
    for leftover in meeting.leftovers:
        if leftover.provider == identity:
            return DeleteLeftover(leftover)
    own = (s for s in meeting.suspects if s.provider == identity and not s.unsearchable)
    due = (suspect for suspect in own if suspect.due is None or suspect.due <= now)
    return next((_recovery(meeting, suspect) for suspect in due), Nothing())


def _recovery(meeting: Meeting, suspect: Suspect) -> Recover:
    conference = meeting.conference
    own = conference.details if conference.generation == suspect.generation else None
    return Recover(suspect.generation, own.conference_id if own else "")


def _for_conference(meeting: Meeting, policy: Policy, now: datetime) -> Task:
    conference = meeting.conference
    reserved = conference.state is State.RESERVED
    if reserved and conference.lease_until is not None and conference.lease_until > now:
        return Nothing()
    if conference.state is State.ENDING and conference.details:
        return DeleteRoom(conference.details.conference_id)
    aim = desired(meeting, now, policy.roll_after)
    match aim:
        case Room(spec):
            return _towards(meeting, spec)
        case Rest() if reserved and meeting.wanted:
            return Recover(conference.generation)
        case Rest():
            return Nothing()
        case NoRoom() if reserved:
            return Recover(conference.generation)
        case NoRoom():
            return DeleteRoom(meeting.link.conference_id) if meeting.link else Nothing()
        case _:
            assert_never(aim)


def _towards(meeting: Meeting, spec: Spec) -> Task:
    if meeting.link is None:
        return CreateRoom(spec, meeting.attempts)
    if meeting.conference.applied != spec and meeting.conference.immovable:
        return RecreateRoom(meeting.conference.generation, spec)
    if meeting.conference.applied != spec:
        return UpdateRoom(meeting.link.conference_id, spec)
    return Nothing()


def succeeded(
    meeting: Meeting, token: str, task: Task, policy: Policy, now: datetime, *, looked: bool = True
) -> Meeting:
    """The meeting after `task` was done at the provider; `looked`: it can find a room, or remove it by its key."""
    if not (meeting.lease and meeting.lease.token == token):
        return meeting
    meeting = replace(meeting, lease=None, attempts=0, error="")
    conference = meeting.conference
    match task:
        case UpdateRoom(conference_id, spec) if _is(conference, conference_id):
            meeting = replace(meeting, conference=replace(conference, applied=spec))
        case DeleteRoom(conference_id):
            if conference.state is State.ENDING and _is(conference, conference_id):
                meeting = _gone(meeting, Move.DELETED)
            extra = tuple(each for each in meeting.leftovers if each.conference_id != conference_id)
            meeting = replace(meeting, leftovers=extra)
        case DeleteLeftover(leftover):
            meeting = replace(meeting, leftovers=tuple(x for x in meeting.leftovers if x != leftover))
        case Recover(generation):
            seen = (_seen(s, now, looked) if s.generation == generation else s for s in meeting.suspects)
            meeting = replace(meeting, suspects=tuple(suspect for suspect in seen if suspect is not None))
        case UpdateRoom() | RecreateRoom() | CreateRoom() | Nothing() | Limited():
            pass
        case _:
            assert_never(task)
    return awake(meeting, now, policy.roll_after)


def _seen(suspect: Suspect, now: datetime, looked: bool) -> Suspect | None:
    """What is to be looked at once more, or listed, or nothing."""
    if not looked:
        return replace(suspect, unsearchable=True)
    if suspect.due is None:
        return replace(suspect, due=now + LATE)
    return suspect if suspect.due > now else None


def _is(conference: Conference, conference_id: str) -> bool:
    return conference.details is not None and conference.details.conference_id == conference_id


def _gone(meeting: Meeting, move: Move) -> Meeting:
    conference = meeting.conference
    gone = Conference(step(conference.state, move), conference.generation, provider=conference.provider)
    return replace(meeting, conference=gone)


def lost(meeting: Meeting, token: str, policy: Policy, now: datetime) -> Meeting:
    """The provider has no such room any more: the next generation is created, if one is still desired."""
    if not (meeting.lease and meeting.lease.token == token):
        return meeting
    meeting = replace(meeting, lease=None)
    match meeting.conference.state:
        case State.READY | State.ANNOUNCED | State.FINISHED:
            return awake(_gone(meeting, Move.LOSE), now, policy.roll_after)
        case State.ENDING:
            return awake(_gone(meeting, Move.DELETED), now, policy.roll_after)
        case State.ABSENT | State.RESERVED | State.GONE:
            return retried_later(meeting, "the provider knows no such room", policy, now)
        case _:
            assert_never(meeting.conference.state)


def refused(meeting: Meeting, token: str, error: str, policy: Policy, now: datetime) -> Meeting:
    """The meeting after the provider has refused an update or a re-creation for good.

    A room whose date is still to come keeps its link, and the update is tried again. One that has ended is made anew
    under its id; where that is refused too, the next generation takes its place, and its room goes when that stands.
    One that should go back to a date that has passed, because nothing is to come, stays where it is.
    """
    if not (meeting.lease and meeting.lease.token == token):
        return meeting
    conference, link = meeting.conference, meeting.link
    aim = desired(meeting, now, policy.roll_after)
    if link is not None and isinstance(aim, Room) and aim.spec.end <= now:
        finished = replace(conference, state=step(conference.state, Move.FINISH))
        return awake(replace(meeting, lease=None, conference=finished), now, policy.roll_after)
    if link is None or not _has_ended(conference, aim, now):
        return failed(meeting, token, error, policy, now)
    meeting = replace(meeting, lease=None)
    if not conference.immovable:
        return awake(replace(meeting, conference=replace(conference, immovable=True)), now, policy.roll_after)
    old = Leftover(link.conference_id, conference.provider)
    gone = _gone(replace(meeting, leftovers=(*meeting.leftovers, old)), Move.LOSE)
    return awake(gone, now, policy.roll_after)


def _has_ended(conference: Conference, aim: Desired, now: datetime) -> bool:
    """Whether the room's date has passed, and it is wanted for another one."""
    applied = conference.applied
    return (
        applied is not None and isinstance(aim, Room) and applied.end <= now and aim.spec.start >= applied.end
    )


def recreated(
    meeting: Meeting, token: str, spec: Spec, details: JoinDetails, policy: Policy, now: datetime
) -> Meeting:
    """The meeting after its room was made anew like `spec`; its link is the same if the provider kept it."""
    if not (meeting.lease and meeting.lease.token == token):
        return meeting
    room = replace(meeting.conference, applied=spec, details=details, immovable=False)
    changed = replace(meeting, conference=room) if meeting.link else meeting
    return awake(replace(changed, lease=None, attempts=0, error=""), now, policy.roll_after)


def failed(
    meeting: Meeting, token: str, error: str, policy: Policy, now: datetime, task: Task | None = None
) -> Meeting:
    """The meeting after a task that did not succeed: tried again later, and listed as pending."""
    if not (meeting.lease and meeting.lease.token == token):
        return meeting
    meeting = replace(meeting, lease=None)
    if isinstance(task, CreateRoom) and meeting.attempts > task.attempts:
        # The create has counted itself when it was given up.
        meeting = replace(meeting, attempts=meeting.attempts - 1)
    return retried_later(meeting, error, policy, now)


def retried_now(meeting: Meeting, policy: Policy, now: datetime) -> Meeting:
    """The meeting as an administrator wants it tried at once."""
    return awake(replace(meeting, error="", wake_at=None), now, policy.roll_after)
