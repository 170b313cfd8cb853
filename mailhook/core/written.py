"""What follows from what stands in the organizer's own copies of an event.

What: `known_to_bear` and `passages` tell `removal` whether he can have taken the link out, `is_written` and
`is_hoped_for` tell `notice` whether a mail has to bring it.

Not here: what must stand there (`copies`).

Errors: none.
"""

from collections.abc import Collection
from datetime import datetime, timedelta

from mailhook.core.copies import HOPEFUL, desired, is_due
from mailhook.core.meeting import Copy, CopyKind, Meeting, Passage

OPEN = timedelta(minutes=5)
"""A program that had the event open when the link was written may save it as it was."""


def known_to_bear(meeting: Meeting, sent: datetime | None) -> bool:
    """Whether a REQUEST that was sent at `sent` is of a copy that bore the link before, by a write of ours."""
    return sent is not None and any(
        copy.at is not None and copy.at + OPEN < sent for copy in _bearing(meeting)
    )


def passages(meeting: Meeting) -> list[Passage]:
    """Where DESCRIPTION bears the link in the copies that do, or in his own REQUESTs."""
    known = (meeting.passage, *(copy.passage for copy in _bearing(meeting)))
    return [passage for passage in known if passage is not None]


def _bearing(meeting: Meeting) -> list[Copy]:
    """Copies in which the present link was found, in the present revision."""
    return [c for kind, c in meeting.copies.items() if c.bears and c.standing == desired(meeting, kind)]


def is_written(meeting: Meeting) -> bool:
    """Whether some copy was found to hold the link, in whatever place, since this generation was announced."""
    link = meeting.link.link if meeting.link else ""
    return bool(link) and any(copy.link == link and copy.at for copy in meeting.copies.values())


def is_hoped_for(meeting: Meeting, kinds: Collection[CopyKind]) -> bool:
    """Whether one of `kinds` may soon hold the link."""
    waiting = (kind for kind in kinds if is_due(meeting, kind))
    return any(meeting.copies.get(kind, Copy()).attempts < HOPEFUL for kind in waiting)
