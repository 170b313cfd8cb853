"""The organizer's sent copy of an invitation: the link goes in, or comes out, as in the mail that went.

What: `SentMailEditor.edit` makes of the copy what a `CopyTask` asks for, by the same splices as in the mail itself.
Twice is once.

Not here: finding and replacing it (`organizer.imap`).

Errors: Unreadable for what cannot be read, or holds no such invitation that may be changed (it is sealed).
"""

from collections.abc import Callable

from mailhook.core import message
from mailhook.core.copies import CopyTask
from mailhook.core.rewrite import Rewritten, remove, rewrite
from mailhook.core.stored_event import Fashion, block_for
from mailhook.core.wording import Wording
from mailhook.errors import Unreadable


class SentMailEditor:
    """One for the process."""

    def __init__(self, wording: Callable[[], Wording], fashion: Fashion) -> None:
        self._wording = wording
        self._fashion = fashion

    def edit(self, stored: bytes, task: CopyTask) -> bytes | None:
        """None: it is as it should be."""
        result = self._edited(stored, task)
        if task.details is not None and not result.places:
            raise Unreadable("it holds no such invitation, or none that may be changed")
        return None if result.content == stored else result.content

    def _edited(self, stored: bytes, task: CopyTask) -> Rewritten:
        parsed, options = message.read(stored), self._fashion.options
        former, name = task.former
        details = task.details
        if details is None:
            return remove(parsed, former, name, options)
        block = block_for(task, details, self._wording(), self._fashion)
        old = task.copied | ({former} - {"", details.link})
        return rewrite(parsed, block, details.link, details.conference_id, options, task.key.uid, old)
