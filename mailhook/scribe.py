"""The worker that brings the link into the organizers' own copies of their events, and takes it out again.

What: `run` takes the meetings of which a copy is to be looked at, decides on the fresh row (`core.copies`), lets the
writer of that kind of copy work, a few at a time, and writes the result. It is a worker of its own, so that a slow
calendar server keeps neither a conference nor a notice waiting.

Not here: the decisions (`core.copies`), the copies (`organizer.caldav`).

Errors: none comes out of `run`; what a write failed with is written into its meeting.
"""

import asyncio

from mailhook import journal
from mailhook.core.copies import CopyTask, Stands, claim, stood, unwritten
from mailhook.core.meeting import Meeting, MeetingKey
from mailhook.core.policy import Policy
from mailhook.errors import MailhookError, Temporary
from mailhook.ports import Circumstances, CopyWriter, Store

TICK = 5.0
"""Seconds between two looks at the store."""

AT_ONCE = 4
"""How many copies are worked on at the same time."""

LOOK = 20
"""How many meetings one look takes."""

PATIENCE = 300.0
"""Seconds that one copy may take; shorter than `core.copies.LEASE`."""


class Scribe:
    """One for each kind of copy; others may work on the same store."""

    def __init__(self, store: Store, writer: CopyWriter, policy: Policy) -> None:
        self._store = store
        self._writer = writer
        self._policy = policy
        self._busy = asyncio.Lock()
        self._hands = asyncio.Semaphore(AT_ONCE)

    async def run(self, clock_tick: float = TICK) -> None:
        """Work until cancelled."""
        while True:
            worked = 0
            try:
                worked = await self.once()
            except MailhookError as error:
                journal.event("copies-failed", by=self._writer.kind.value, error=str(error))
            if worked < LOOK:
                await asyncio.sleep(clock_tick)

    async def once(self) -> int:
        """Work on what is due now; of how many copies something was decided."""
        async with self._busy:
            keys = await self._store.copies(self._writer.kind, LOOK)
            return sum(await asyncio.gather(*(self._try(key) for key in keys)))

    async def _try(self, key: MeetingKey) -> bool:
        try:
            async with self._hands:
                await self._bring(key)
        except Exception as error:
            # Its text may be of the event, which bears the link.
            journal.event("copy-fault", uid=key.uid, by=self._writer.kind.value, error=type(error).__name__)
            return False
        return True

    async def _bring(self, key: MeetingKey) -> None:
        """What fails unforeseen is tried again when its time is over."""
        kind = self._writer.kind

        def decide(meeting: Meeting, c: Circumstances) -> tuple[Meeting, CopyTask | None]:
            return claim(meeting, kind, self._policy, c.now)

        task = await self._store.change(key, decide)
        if task is None:
            return
        outcome = await self._written(task)
        journal.step("copy-written")
        self._tell(task, outcome)

        def write(meeting: Meeting, c: Circumstances) -> tuple[Meeting, None]:
            if isinstance(outcome, Stands):
                return stood(meeting, kind, task, outcome, c.now), None
            hopeless = not isinstance(outcome, Temporary)
            return unwritten(meeting, kind, str(outcome), c.now, hopeless=hopeless), None

        await self._store.change(key, write)

    async def _written(self, task: CopyTask) -> Stands | MailhookError:
        try:
            async with asyncio.timeout(PATIENCE):
                return await self._writer.write(task)
        except MailhookError as error:
            return error
        except TimeoutError:
            return Temporary("it took too long")

    def _tell(self, task: CopyTask, outcome: Stands | MailhookError) -> None:
        error = str(outcome) if isinstance(outcome, MailhookError) else ""
        done = "link" if task.details else "no-link"
        changed = isinstance(outcome, Stands) and outcome.changed
        journal.event(
            "copy",
            uid=task.key.uid,
            organizer=task.key.organizer,
            by=self._writer.kind.value,
            wanted=done,
            changed=changed,
            error=error,
        )
