"""What an administrator sees and does: conferences and what is pending.

What: rows for `mailhook conferences` and `mailhook pending`, as JSON-ready mappings, and the two changes that an
administrator may ask for. Join links are shown only on demand.

Not here: printing (`cli`), deciding (`core`).

Errors: what the store raises.
"""

from collections.abc import Collection
from datetime import datetime
from typing import Any

from mailhook.core.aim import Room, desired, participants, topic
from mailhook.core.conference import State
from mailhook.core.copies import failing_copies, is_due, looked_at_now
from mailhook.core.meeting import Copy, CopyKind, Meeting, MeetingKey
from mailhook.core.notice import news
from mailhook.core.outcome import retried_now
from mailhook.core.pending import Pending
from mailhook.core.pending import pending as kinds_pending
from mailhook.core.policy import Policy
from mailhook.core.recurrence import unfollowed
from mailhook.core.reservation import forgotten
from mailhook.core.revision import condemn
from mailhook.ports import Circumstances, Store

Row = dict[str, Any]

LONGEST_RULE = 100
BY_MAIL = " (tried again when the deferred mail comes again)"
NOT_CALLED_FOR = "no mail has told of a conference that stands"
WAITING = "the mails of the change go first"
UNFOLLOWED = "the conference stays at its first date, because its rule {rule} is not followed: {why}"


def _moment(moment: datetime | None) -> str | None:
    return moment.isoformat(timespec="seconds") if moment else None


def overview(meeting: Meeting, policy: Policy, now: datetime) -> Row:
    """One line of `conferences list`. Times are UTC in ISO 8601."""
    aim = desired(meeting, now, policy.roll_after)
    details = meeting.conference.details
    return {
        "uid": meeting.key.uid,
        "organizer": meeting.key.organizer,
        "topic": topic(meeting),
        "state": meeting.conference.state.value,
        "next": _moment(aim.spec.start) if isinstance(aim, Room) else None,
        "holders": len(meeting.told),
        "conference_id": details.conference_id if details else None,
        "delete_at": _moment(meeting.delete_at),
        "doubtful": meeting.doubtful or None,
        "unfollowed": _unfollowed(meeting),
    }


def _unfollowed(meeting: Meeting) -> str | None:
    """Why the conference of a series does not move on to the next date."""
    schedules = (component.schedule for component in meeting.living if component.schedule is not None)
    faults = ((schedule.rrule[:LONGEST_RULE], unfollowed(schedule)) for schedule in schedules)
    return next((UNFOLLOWED.format(rule=rule, why=why) for rule, why in faults if why), None)


def everything(
    meeting: Meeting, policy: Policy, now: datetime, *, links: bool, kinds: Collection[CopyKind] = ()
) -> Row:
    """`conferences show`: all that is known; the join link only if `links`. `kinds`: the copies that are written."""
    conference = meeting.conference
    details, applied = conference.details, conference.applied
    return {
        **overview(meeting, policy, now),
        "provider": conference.provider or None,
        "generation": conference.generation,
        "start": _moment(applied.start) if applied else None,
        "end": _moment(applied.end) if applied else None,
        "timezone": applied.timezone if applied else None,
        "participants": [person.address for person in participants(meeting)],
        "told": {address: [entry.key or "all" for entry in told] for address, told in meeting.told.items()},
        "join_link": (details.link if links else "hidden, see --links") if details else None,
        "elsewhere": [
            f"{room.details.conference_id} at {room.provider}" for room in meeting.elsewhere if room.details
        ],
        "leftovers": [leftover.conference_id for leftover in meeting.leftovers],
        "suspects": suspects(meeting),
        "renounced": meeting.renounced or None,
        "copies": copies(meeting, kinds),
        "notices": notices(meeting),
        "wake_at": _moment(meeting.wake_at),
        "attempts": meeting.attempts,
        "error": meeting.error or None,
    }


def is_pending(meeting: Meeting, now: datetime) -> bool:
    """Not yet as desired: due already, or failed and waiting for its next attempt."""
    due = meeting.wake_at is not None and meeting.wake_at <= now
    return due or bool(kinds_pending(meeting))


def notices(meeting: Meeting) -> list[Row]:
    """What the organizer was told of by mail and when, or why not yet, and when that is tried again."""
    known = meeting.notices
    settled = [
        {"cause": cause.value, "told" if one.sent else "not_called_for": _moment(one.at)}
        for cause, one in sorted(known.settled.items())
    ]
    if not known.attempts:
        return settled
    why = {"error": known.error or None, "tried_again": _moment(known.next_at)}
    return [*settled, *({"cause": cause.value, **why} for cause in news(meeting))]


def copies(meeting: Meeting, kinds: Collection[CopyKind]) -> list[Row]:
    """Of each copy of the event that the organizer has: since when it is as it should be, or why not yet."""
    return [_copy(meeting, kind) for kind in CopyKind if kind in kinds or kind in meeting.copies]


def _copy(meeting: Meeting, kind: CopyKind) -> Row:
    copy = meeting.copies.get(kind, Copy())
    row: Row = {"by": kind.value}
    if copy.at is not None:
        row |= {"link" if copy.link else "no_link": _moment(copy.at)}
    if is_due(meeting, kind):
        return {**row, "why_not_yet": copy.error or WAITING, "tried_again": _moment(copy.next_at)}
    if copy.at is None:
        return {**row, "why_not": copy.error or NOT_CALLED_FOR}
    seen = {"missing_since": _moment(copy.missing), "looked_in_vain": copy.error, "ended": copy.ended}
    return {**row, **{name: value for name, value in seen.items() if value}}


def suspects(meeting: Meeting) -> list[Row]:
    """Generations of which the provider may hold a room that nobody uses; `looked_at`: when that is found out.

    "never": the provider cannot find a room, so that somebody has to look by hand.
    """
    return [
        {
            "generation": suspect.generation,
            "provider": suspect.provider,
            "looked_at": "never" if suspect.unsearchable else _moment(suspect.due or meeting.wake_at),
        }
        for suspect in meeting.suspects
    ]


def pending(meeting: Meeting) -> Row:
    """One line of `pending list`."""
    return {
        "uid": meeting.key.uid,
        "organizer": meeting.key.organizer,
        "state": meeting.conference.state.value,
        "attempts": meeting.attempts,
        "why": _why(meeting) + (BY_MAIL if _is_deferred(meeting) else ""),
        "suspects": len(meeting.suspects),
        "tried_again": None if _is_deferred(meeting) else _moment(_next_try(meeting)),
    }


def _why(meeting: Meeting) -> str:
    return meeting.error or _doubt(meeting) or _unwritten(meeting) or _untold(meeting) or "due"


def _is_deferred(meeting: Meeting) -> bool:
    """No mail has passed yet: whoever sent it tries again, and not the worker, which only clears away in the end."""
    unmade = meeting.conference.state in {State.ABSENT, State.RESERVED}
    return unmade and not (meeting.wanted or meeting.leftovers or meeting.suspects)


def _next_try(meeting: Meeting) -> datetime | None:
    return min(filter(None, (meeting.wake_at, *_tries(meeting))), default=None)


def _unwritten(meeting: Meeting) -> str:
    """Why a copy of the organizer's is not as it should be."""
    return "; ".join(f"{kind.value}: {copy.error}" for kind, copy in failing_copies(meeting).items())


def _untold(meeting: Meeting) -> str:
    """Why a notice has not reached the organizer."""
    return f"notice: {meeting.notices.error}" if Pending.NOTICE in kinds_pending(meeting) else ""


def _tries(meeting: Meeting) -> list[datetime | None]:
    notice = meeting.notices.next_at if _untold(meeting) else None
    return [*(copy.next_at for copy in failing_copies(meeting).values()), notice]


def _doubt(meeting: Meeting) -> str:
    if any(suspect.unsearchable for suspect in meeting.suspects):
        return "there may be a conference that nobody uses: look for it at the provider"
    return "an answer of the provider is in doubt" if meeting.suspects else ""


async def matching(store: Store, name: str) -> list[Meeting]:
    """Meetings by UID, conference id or organizer."""

    def fits(meeting: Meeting) -> bool:
        details = meeting.conference.details
        return name in {meeting.key.uid, meeting.key.organizer, details.conference_id if details else ""}

    return [meeting for meeting in await store.all() if fits(meeting)]


async def remove(store: Store, key: MeetingKey, policy: Policy) -> None:
    """Want no conference for this meeting any more, from now on."""

    def decide(meeting: Meeting, c: Circumstances) -> tuple[Meeting, None]:
        return condemn(meeting, c.now, policy, c.now), None

    await store.change(key, decide)


async def retry(store: Store, key: MeetingKey, policy: Policy) -> None:
    """Try at once what waits for its next attempt."""

    def decide(meeting: Meeting, c: Circumstances) -> tuple[Meeting, None]:
        return looked_at_now(retried_now(meeting, policy, c.now), c.now), None

    await store.change(key, decide)


async def forget(store: Store, key: MeetingKey, policy: Policy) -> None:
    """Take rooms that only a person can look for from the list: somebody has looked."""

    def decide(meeting: Meeting, c: Circumstances) -> tuple[Meeting, None]:
        return forgotten(meeting, policy, c.now), None

    await store.change(key, decide)
