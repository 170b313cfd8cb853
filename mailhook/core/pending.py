"""What of a meeting is not as it should be, because it failed or is in doubt.

What: `pending` names the kinds of it. Each is tried again by itself, but for a room that nobody can look for.

Not here: what is merely due (`waking`), telling the administrator (`admin`), counting (the store).

Errors: none.
"""

from enum import StrEnum

from mailhook.core.copies import failing_copies
from mailhook.core.meeting import Meeting
from mailhook.core.notice import news


class Pending(StrEnum):
    """`LEFTOVER`: a room that must go. `SUSPECT`: there may be one that must. The copies are the organizer's own."""

    CONFERENCE = "conference"
    LEFTOVER = "leftover"
    SUSPECT = "suspect"
    CALDAV = "caldav"
    IMAP = "imap"
    NOTICE = "notice"


def pending(meeting: Meeting) -> tuple[Pending, ...]:
    """The kinds of what has failed so far, or is in doubt; nothing where all is well."""
    found = {
        Pending.CONFERENCE: bool(meeting.error) and meeting.wake_at is not None,
        Pending.LEFTOVER: bool(meeting.leftovers),
        Pending.SUSPECT: bool(meeting.suspects),
        Pending.NOTICE: bool(meeting.notices.error) and bool(news(meeting)),
        **{Pending(kind.value): True for kind in failing_copies(meeting)},
    }
    return tuple(kind for kind, stands in found.items() if stands)
