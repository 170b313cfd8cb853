"""The worker that tells organizers by notices what the mails to their attendees do not.

What: `run` takes the meetings of which there is news, decides on the fresh row (`core.notice`), sends one mail at a
time and writes the result. It is a worker of its own, so that a next hop that takes no notice keeps no conference
waiting.

Not here: the decisions (`core.notice`), the mail (`organizer.notice`).

Errors: none comes out of `run`; what a notice failed with is written into its meeting.
"""

import asyncio
from collections.abc import Collection

from mailhook import journal
from mailhook.core.meeting import CopyKind, Meeting, MeetingKey
from mailhook.core.notice import Notice, When, claim, refused, told, untold
from mailhook.core.policy import Policy
from mailhook.errors import MailhookError, Permanent, Temporary
from mailhook.ports import Circumstances, Notifier, Store

TICK = 5.0
"""Seconds between two looks at the store."""

AT_ONCE = 20
"""How many meetings one look takes."""

PATIENCE = 600.0
"""Seconds that one notice may take; shorter than `core.notice.LEASE`."""


class Courier:
    """One for the process; others may work on the same store."""

    def __init__(
        self, store: Store, notifier: Notifier, when: When, policy: Policy, kinds: Collection[CopyKind] = ()
    ) -> None:
        """`kinds`: the copies of organizers' events that are written where they see it."""
        self._store = store
        self._notifier = notifier
        self._when = when
        self._policy = policy
        self._kinds = kinds
        self._busy = asyncio.Lock()

    async def run(self, clock_tick: float = TICK) -> None:
        """Work until cancelled."""
        while True:
            try:
                await self.once()
            except MailhookError as error:
                journal.event("notices-failed", error=str(error))
            await asyncio.sleep(clock_tick)

    async def once(self) -> None:
        """Work on what is due now."""
        async with self._busy:
            for key in await self._store.news(AT_ONCE):
                await self._try(key)

    async def _try(self, key: MeetingKey) -> None:
        try:
            await self._tell(key)
        except Exception as error:
            # Its text may be of the notice, which bears the link.
            journal.event("notice-fault", uid=key.uid, error=type(error).__name__)

    async def _tell(self, key: MeetingKey) -> None:
        """What fails unforeseen is tried again when its time is over."""

        def decide(meeting: Meeting, c: Circumstances) -> tuple[Meeting, Notice | None]:
            return claim(meeting, self._when, self._policy, c.now, self._kinds)

        notice = await self._store.change(key, decide)
        if notice is None:
            return
        error = await self._sent(notice)
        journal.step("notice-sent")
        journal.event(
            "notice", uid=key.uid, organizer=key.organizer, cause=notice.cause.value, error=str(error or "")
        )

        def write(meeting: Meeting, c: Circumstances) -> tuple[Meeting, None]:
            if isinstance(error, Permanent):
                return refused(meeting, notice, c.now), None
            return (untold(meeting, str(error), c.now) if error else told(meeting, notice, c.now)), None

        await self._store.change(key, write)

    async def _sent(self, notice: Notice) -> MailhookError | None:
        """Why it has not gone, if it has not."""
        try:
            async with asyncio.timeout(PATIENCE):
                await self._notifier.send(notice)
        except MailhookError as error:
            return error
        except TimeoutError:
            return Temporary("the next hop did not answer in time")
        return None
