"""What follows from what stands in the organizer's own copies of an event.

What: `known_to_bear`, `was_written_into` and `passages` tell `removal` whether he can have taken the link out,
`is_written` and `is_hoped_for` tell `notice` whether a mail has to bring it.

Not here: what must stand there (`copies`).

Errors: none.
"""

from collections.abc import Collection
from datetime import timedelta

from mailhook.core.copies import HOPEFUL, desired, is_due
from mailhook.core.meeting import Copy, CopyKind, Meeting, Passage
from mailhook.core.order import Stamp

OPEN = timedelta(minutes=5)
"""A program that had the event open when the link was written may save it as it was."""


def was_written_into(meeting: Meeting) -> bool:
    """Whether we have put the present link into the event that the organizer edits, whatever has become of it."""
    copy = meeting.copies.get(CopyKind.CALDAV)
    return copy is not None and meeting.link is not None and copy.link == meeting.link.link


def known_to_bear(meeting: Meeting, stamp: Stamp) -> bool:
    """Whether a REQUEST of `stamp` is of a copy that bore the link before, by a write of ours."""
    changed = max((m for m in (stamp.dtstamp, stamp.last_modified) if m is not None), default=stamp.date)
    return any(
        copy.at is not None
        and stamp.date is not None
        and copy.at + OPEN < stamp.date
        and (changed is None or copy.at <= changed)
        for copy in _bearing(meeting)
    )


def passages(meeting: Meeting) -> list[Passage]:
    """Where DESCRIPTION bears the link in the copies that do."""
    return [copy.passage for copy in _bearing(meeting) if copy.passage is not None]


def _bearing(meeting: Meeting) -> list[Copy]:
    """Copies in which the present link was found, in the present revision, and by the last look too."""
    return [
        copy
        for kind, copy in meeting.copies.items()
        if copy.bears and copy.missing is None and not copy.ended and copy.standing == desired(meeting, kind)
    ]


def is_written(meeting: Meeting, kinds: Collection[CopyKind]) -> bool:
    """Whether a copy that its owner looks at was found to hold the link since this generation was announced.

    `kinds`: which are written where people see it. Where there is one of the calendar, sent mail alone will not do.
    """
    link = meeting.link.link if meeting.link else ""
    telling = {CopyKind.CALDAV} & set(kinds) or set(kinds)
    copies = [meeting.copies[kind] for kind in telling if kind in meeting.copies]
    return bool(link) and any(copy.link == link and copy.at for copy in copies)


def is_hoped_for(meeting: Meeting, kinds: Collection[CopyKind]) -> bool:
    """Whether one of `kinds` may soon hold the link."""
    waiting = (kind for kind in kinds if is_due(meeting, kind))
    return any(meeting.copies.get(kind, Copy()).attempts < HOPEFUL for kind in waiting)
