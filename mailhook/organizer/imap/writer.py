"""The organizer's sent copies as one of the copies that are kept as they should be.

What: `SentMailWriter` is `ports.CopyWriter` over `SentCopies`, for the mails that told of a meeting.

Not here: what is written (`core.sent_mail`), when (`scribe`).

Errors: those of `SentCopies`. Temporary while the newest mail is not in the folder: programs put it there after they
have handed it in. Permanent for one that must not be touched.
"""

from functools import partial
from typing import assert_never

from mailhook.core.copies import CopyTask, Stands
from mailhook.core.meeting import CopyKind
from mailhook.core.sent_mail import SentMailEditor
from mailhook.errors import Permanent, Temporary, Unreadable
from mailhook.organizer.imap.sent import LeftAlone, NotFound, Outcome, Replaced, SentCopies, Unchanged


class SentMailWriter:
    """`ports.CopyWriter`. What the organizer takes out of sent mail means nothing, so nothing there `bears` a link."""

    kind = CopyKind.IMAP

    def __init__(self, copies: SentCopies, editor: SentMailEditor) -> None:
        self._copies = copies
        self._editor = editor

    async def write(self, task: CopyTask) -> Stands:
        """The newest mail must be there; of the others those that still are."""
        if not task.message_ids:
            raise Permanent("the mails of the meeting bear no Message-ID by which they could be found")
        changed = [
            self._is_changed(await self._replaced(name, task), must=name == task.message_ids[-1])
            for name in reversed(task.message_ids)
        ]
        return Stands(changed=any(changed), bears=False)

    async def _replaced(self, name: str, task: CopyTask) -> Outcome:
        try:
            return await self._copies.replace(task.key.organizer, name, partial(self._editor.edit, task=task))
        except Unreadable as fault:
            return LeftAlone(str(fault))

    def _is_changed(self, outcome: Outcome, *, must: bool) -> bool:
        match outcome:
            case Replaced():
                return True
            case Unchanged():
                return False
            case NotFound() if must:
                raise Temporary("the sent mail is not, or not yet, in the folder")
            case LeftAlone(why) if must:
                raise Permanent(f"the sent mail is left as it is: {why}")
            case NotFound() | LeftAlone():
                return False
            case _:
                assert_never(outcome)

    async def close(self) -> None:
        """It holds no connection."""
