"""What the worker has to do for a meeting.

What: `claim` picks the next `Task` on a fresh row and takes the lease, pure, carried out inside `store.change`.

Not here: what its results mean (`outcome`), I/O (`sync`), creation (`reservation`), and what should be (`aim.desired`).
"""

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import assert_never

from mailhook.core.aim import NoRoom, Rest, Room, desired
from mailhook.core.conference import Move, Spec, State, step
from mailhook.core.meeting import Lease, Leftover, Meeting, Suspect
from mailhook.core.policy import Policy
from mailhook.core.reservation import released
from mailhook.core.unheard import doubted
from mailhook.core.waking import awake, doubt_at, next_wake

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
    """A deletion is due, but as many as `policy` allows were made in the last hour: so many."""

    deleted: int


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
                ), Limited(deleted_last_hour)
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
    """What needs no call: a conference whose last occurrence has passed, or that has occurrences again; a doubt."""
    doubt = doubt_at(meeting)
    if doubt is not None and doubt <= now:
        meeting = doubted(meeting)
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
