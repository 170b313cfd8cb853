"""What the results of the worker's tasks mean for a meeting.

What: after the I/O of a `Task` one of `succeeded`, `recreated`, `lost`, `refused`, `failed` writes the result. All
pure, carried out inside `store.change`; without the lease that was taken for the task they change nothing.

Not here: which task is next (`upkeep`), I/O (`sync`).

Errors: none.
"""

from dataclasses import replace
from datetime import datetime
from typing import assert_never

from mailhook.core.aim import Desired, Room, desired
from mailhook.core.conference import Conference, JoinDetails, Move, Spec, State, step
from mailhook.core.meeting import Cause, Leftover, Meeting, Suspect
from mailhook.core.policy import Policy
from mailhook.core.reservation import LATE, retried_later
from mailhook.core.upkeep import (
    CreateRoom,
    DeleteLeftover,
    DeleteRoom,
    Limited,
    Nothing,
    Recover,
    RecreateRoom,
    Task,
    UpdateRoom,
)
from mailhook.core.waking import awake


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
    if move is Move.DELETED:
        # Whoever comes back later is invited anew, and gets the new link.
        return replace(meeting, conference=gone, unlinked=False, superseded="")
    return replace(_superseded(meeting), conference=gone)


def _superseded(meeting: Meeting) -> Meeting:
    """The link of an announced room will not do any more; news of it, though there may have been such before."""
    conference = meeting.conference
    if conference.details is None or conference.state not in {State.ANNOUNCED, State.FINISHED}:
        return meeting
    settled = dict(meeting.notices.settled)
    settled.pop(Cause.REPLACED, None)
    notices = replace(meeting.notices, settled=settled)
    return replace(meeting, superseded=conference.details.link, notices=notices)


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
    kept = meeting.link is None or meeting.link.link == details.link
    changed = replace(meeting if kept else _superseded(meeting), conference=room) if meeting.link else meeting
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
