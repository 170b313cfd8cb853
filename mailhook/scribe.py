"""The worker that brings the link into the organizers' own copies of their events, and takes it out again.

What: `run` takes the meetings of which a copy is to be looked at, decides on the fresh row (`core.copies`), lets the
writer of that kind of copy work, a few at a time, and writes the result; copies that are as they should be are looked
at from time to time (`core.watch`), where that is asked for. It is a worker of its own, so that a slow
calendar server keeps neither a conference nor a notice waiting.

Not here: the decisions, the copies (`organizer.caldav`).

Errors: none comes out of `run`; what a write failed with is written into its meeting.
"""

import asyncio
import logging
from collections.abc import Awaitable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TypeVar, assert_never

from mailhook import journal
from mailhook.core.copies import OFF, CopyTask, LookTask, claim, stood, unseen, unwritten
from mailhook.core.meeting import Meeting, MeetingKey
from mailhook.core.policy import Policy
from mailhook.core.watch import TOGETHER, Absent, is_believable, looked
from mailhook.errors import MailhookError, Temporary
from mailhook.ports import Circumstances, CopyWatcher, CopyWriter, Store

T = TypeVar("T")

TICK = 5.0
"""Seconds between two looks at the store."""

AT_ONCE = 4
"""How many copies are worked on at the same time."""

LOOK = 20
"""How many meetings one look takes."""

PATIENCE = 300.0
"""Seconds that one copy may take; shorter than `core.copies.LEASE`."""


@dataclass(frozen=True)
class Watch:
    """Who looks at copies that are as they should be, and how often."""

    watcher: CopyWatcher
    every: timedelta


class Scribe:
    """One for each kind of copy; others may work on the same store."""

    def __init__(self, store: Store, writer: CopyWriter, policy: Policy, watch: Watch | None = None) -> None:
        self._store = store
        self._writer = writer
        self._kind = writer.kind
        self._policy = policy
        self._watch = watch
        self._busy = asyncio.Lock()
        self._hands = asyncio.Semaphore(AT_ONCE)

    async def run(self, clock_tick: float = TICK) -> None:
        """Work until cancelled."""
        while True:
            worked = 0
            try:
                worked = await self.once()
            except MailhookError as error:
                journal.event("copies-failed", by=self._kind.value, error=str(error))
            if worked < LOOK:
                await asyncio.sleep(clock_tick)

    async def once(self) -> int:
        """Work on what is due now; of how many copies something was decided."""
        async with self._busy:
            keys = await self._store.copies(self._kind, LOOK)
            return sum(await asyncio.gather(*(self._try(key) for key in keys)))

    async def _try(self, key: MeetingKey) -> bool:
        try:
            async with self._hands:
                await self._bring(key)
        except Exception as error:
            # Its text may be of the event, which bears the link.
            journal.event("copy-fault", uid=key.uid, by=self._kind.value, error=type(error).__name__)
            return False
        return True

    async def _bring(self, key: MeetingKey) -> None:
        """What fails unforeseen is tried again when its time is over."""
        every = self._watch.every if self._watch else OFF

        def decide(meeting: Meeting, c: Circumstances) -> tuple[Meeting, CopyTask | LookTask | None]:
            return claim(meeting, self._kind, self._policy, c.now, every)

        task = await self._store.change(key, decide)
        match task:
            case None:
                return
            case CopyTask():
                await self._write(task)
            case LookTask():
                await self._look(task)
            case _:
                assert_never(task)

    # --- writing ---------------------------------------------------------------------------------------

    async def _write(self, task: CopyTask) -> None:
        outcome = await self._tried(self._writer.write(task))
        journal.step("copy-written")
        done = "link" if task.details else "no-link"
        self._tell("copy", task.key, outcome, wanted=done, changed=getattr(outcome, "changed", False))

        def note(meeting: Meeting, c: Circumstances) -> tuple[Meeting, None]:
            if isinstance(outcome, MailhookError):
                return self._unwritten(meeting, outcome, c.now), None
            return stood(meeting, self._kind, task, outcome, c.now), None

        await self._store.change(task.key, note)

    def _unwritten(self, meeting: Meeting, error: MailhookError, now: datetime) -> Meeting:
        hopeless = not isinstance(error, Temporary)
        return unwritten(meeting, self._kind, str(error), now, hopeless=hopeless)

    async def _tried(self, work: Awaitable[T]) -> T | MailhookError:
        try:
            async with asyncio.timeout(PATIENCE):
                return await work
        except MailhookError as error:
            return error
        except TimeoutError:
            return Temporary("it took too long")

    def _tell(self, name: str, key: MeetingKey, outcome: object, **fields: str | bool) -> None:
        error = str(outcome) if isinstance(outcome, MailhookError) else ""
        known = {"uid": key.uid, "organizer": key.organizer, "by": self._kind.value}
        journal.event(name, level=None, **known, **fields, error=error)

    # --- looking ---------------------------------------------------------------------------------------

    async def _look(self, task: LookTask) -> None:
        if self._watch is None:
            return
        every, seen = self._watch.every, await self._tried(self._watch.watcher.look(task))
        if isinstance(seen, Absent):
            seen = await self._compared(task.key, seen)

        def note(meeting: Meeting, c: Circumstances) -> tuple[Meeting, Meeting | None]:
            if isinstance(seen, MailhookError):
                return unseen(meeting, self._kind, str(seen), c.now, every), None
            after = looked(meeting, self._kind, task, seen, self._policy, c.now, every)
            return after, after if after.delete_at != meeting.delete_at else None

        decided = await self._store.change(task.key, note)
        if decided is not None or isinstance(seen, MailhookError):
            going = decided is not None and decided.delete_at is not None
            self._tell("watch", task.key, seen, seen=type(seen).__name__, conference_goes=going)

    async def _compared(self, key: MeetingKey, seen: Absent) -> Absent:
        """With what else is missed; a calendar that lost events may be one that is being restored or moved."""
        others = await self._store.of_organizer(key.organizer)
        seen = replace(seen, others=tuple(others), missed=await self._store.missed(self._kind, TOGETHER))
        own = next((meeting for meeting in others if meeting.key == key), None)
        first = own is not None and own.delete_at is None and own.copies[self._kind].missing is None
        if own is not None and first and not is_believable(own, self._kind, seen):
            known = {"uid": key.uid, "organizer": key.organizer, "by": self._kind.value}
            journal.event("event-missing", level=logging.ERROR, **known, missed=seen.missed, kept="in doubt")
        return seen
