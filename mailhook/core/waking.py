"""When the worker has to look at a meeting.

What: `awake` keeps `Meeting.wake_at` true after every change; the store finds what is due by it.

Not here: what is then to be done (`upkeep`).
"""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import assert_never

from mailhook.core.aim import NoRoom, Rest, Room, desired
from mailhook.core.conference import State
from mailhook.core.meeting import Meeting


def next_wake(meeting: Meeting, now: datetime, roll_after: timedelta) -> datetime | None:
    """When the worker has to look at the meeting; None when nothing can become due by itself."""
    conference = meeting.conference
    if meeting.lease is not None:
        return meeting.lease.until
    if conference.state is State.RESERVED:
        return _latest(conference.lease_until, None if meeting.wanted else meeting.delete_at)
    if meeting.leftovers or conference.state is State.ENDING:
        return now
    doubt = doubt_at(meeting)
    looks = (max(now, suspect.due or now) for suspect in meeting.suspects if not suspect.unsearchable)
    return min(
        (moment for moment in (_by_itself(meeting, now, roll_after), doubt, *looks) if moment), default=None
    )


def doubt_at(meeting: Meeting) -> datetime | None:
    """When it becomes doubtful whether anybody holds the meeting, because nobody has heard of the newest mail."""
    stands = meeting.conference.state in {State.READY, State.ANNOUNCED}
    settled = meeting.doubtful or meeting.delete_at is not None or not meeting.wanted
    if settled or not stands or not meeting.told or meeting.told.keys() - meeting.unheard.keys():
        return None
    return max(meeting.unheard[who] for who in meeting.told)


def _by_itself(meeting: Meeting, now: datetime, roll_after: timedelta) -> datetime | None:
    """When what is desired differs from what is."""
    conference = meeting.conference
    wish = desired(meeting, now, roll_after)
    match wish:
        case NoRoom():
            return now if meeting.link else None
        case Rest(until, over):
            unfinished = over and conference.state in {State.READY, State.ANNOUNCED}
            return now if unfinished else until
        case Room(spec, until):
            reopened = conference.state is State.FINISHED
            return now if spec != conference.applied or reopened else until
        case _:
            assert_never(wish)


def _latest(*moments: datetime | None) -> datetime | None:
    return max((moment for moment in moments if moment is not None), default=None)


def awake(meeting: Meeting, now: datetime, roll_after: timedelta) -> Meeting:
    """`meeting` with `wake_at` as its new state asks for; a failing one keeps its retry time."""
    wake = next_wake(meeting, now, roll_after)
    if meeting.error and wake is not None and meeting.retry_at is not None:
        wake = max(wake, meeting.retry_at)
    return meeting if wake == meeting.wake_at else replace(meeting, wake_at=wake)
