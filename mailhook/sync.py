"""The worker that brings conferences from what they are to what they should be.

What: `run` takes meetings whose time has come, and for each does one task at a time: create, update, delete, or
remove a leftover. What is to be done is decided on the fresh row (`core.upkeep`), with a lease in it, so that any
number of processes may work on one store. There are no stored commands: what failed is decided anew later.

Not here: the decisions (`core.upkeep`), creation for a mail that waits (`flight`).

Errors: none comes out of `run`; what a meeting failed with is written into it and listed by `pending`.
"""

import asyncio
import logging
from collections.abc import Callable
from datetime import datetime, timedelta
from secrets import token_hex
from typing import assert_never

from mailhook import journal
from mailhook.core.conference import Spec
from mailhook.core.meeting import Meeting, MeetingKey
from mailhook.core.outcome import failed, lost, recreated, refused, succeeded
from mailhook.core.policy import Policy
from mailhook.core.reservation import conference_key
from mailhook.core.upkeep import (
    LIMIT_PAUSE,
    CreateRoom,
    DeleteLeftover,
    DeleteRoom,
    Limited,
    Nothing,
    Recover,
    RecreateRoom,
    Task,
    UpdateRoom,
    claim,
)
from mailhook.errors import Gone, MailhookError, Permanent
from mailhook.flight import Flight
from mailhook.ports import Circumstances, Provider, Store

TICK = 1.0
"""Seconds between two looks at the store: other processes change it without telling us."""

AT_ONCE = 4
"""How many meetings are worked on at the same time."""

MAX_TASKS = 10
"""How many tasks one call does for a meeting: more would mean that a task does not change its row."""

SET_ASIDE = 60.0
"""Seconds for which a meeting whose row cannot be changed is left alone."""

PURGE_EVERY = timedelta(hours=6)


class Sync:
    """One worker; `keep`: how long a meeting that needs nothing any more is remembered."""

    def __init__(
        self,
        store: Store,
        provider: Provider,
        flight: Flight,
        secret: bytes,
        policy: Policy,
        keep: timedelta,
        clock: Callable[[], datetime],
    ) -> None:
        self._store = store
        self._provider = provider
        self._flight = flight
        self._secret = secret
        self._policy = policy
        self._keep = keep
        self._clock = clock
        self._purge_at = self._alarm_at = clock()
        self._set_aside: dict[MeetingKey, float] = {}

    async def run(self, clock_tick: float = TICK) -> None:
        """Work until cancelled."""
        while True:
            busy = 0
            try:
                busy = await self.once()
                await self._purge_sometimes()
            except MailhookError as error:
                journal.event("sync-failed", error=str(error))
            if not busy:
                await asyncio.sleep(clock_tick)

    async def once(self) -> int:
        """Work on what is due now; how many meetings that were."""
        now = asyncio.get_running_loop().time()
        self._set_aside = {key: until for key, until in self._set_aside.items() if until > now}
        due = await self._store.due(AT_ONCE + len(self._set_aside))
        keys = [key for key in due if key not in self._set_aside][:AT_ONCE]
        results = await asyncio.gather(*(self.bring(key) for key in keys), return_exceptions=True)
        for key, fault in zip(keys, results, strict=True):
            if fault is not None:
                # Not even its row can be changed; it must not keep the worker from the others.
                self._set_aside[key] = now + SET_ASIDE
                journal.event("conference-fault", uid=key.uid, error=f"{type(fault).__name__}: {fault}")
        return sum(fault is None for fault in results)

    async def _purge_sometimes(self) -> None:
        now = self._clock()
        if now >= self._purge_at:
            self._purge_at = now + PURGE_EVERY
            await self._store.purge(now - self._keep)

    async def bring(self, key: MeetingKey) -> None:
        """Do what is due for one meeting; an unexpected fault is written into it like any other."""
        token = token_hex(8)
        for _ in range(MAX_TASKS):
            task = await self._claim(key, token)
            if isinstance(task, Nothing):
                return
            if isinstance(task, Limited):
                self._alarm(key, task)
                return
            journal.step("claimed")
            try:
                await self._do(key, token, task)
            except Gone as error:
                await self._lost(key, token, error)
            except Permanent as error:
                if not await self._refused(key, token, task, str(error)):
                    return
            except MailhookError as error:
                await self._failed(key, token, task, str(error))
                return
            except Exception as error:
                await self._failed(key, token, task, f"{type(error).__name__}: {error}")
                return
            else:
                journal.step("done")
                await self._succeeded(key, token, task)

    def _alarm(self, key: MeetingKey, task: Limited) -> None:
        """One line as long as it lasts, not one for each meeting that waits."""
        now = self._clock()
        if now < self._alarm_at:
            return
        self._alarm_at = now + LIMIT_PAUSE
        limit = self._policy.max_deletions_per_hour
        why = (
            f"{task.deleted} conferences were deleted in the last hour, policy.max_deletions_per_hour is {limit}: "
            "no more are for now. If that many meetings did not end, stop mailhook and look (mailhook pending list)"
        )
        journal.event("deletion-limit", level=logging.ERROR, uid=key.uid, organizer=key.organizer, error=why)

    async def _claim(self, key: MeetingKey, token: str) -> Task:
        def decide(meeting: Meeting, c: Circumstances) -> tuple[Meeting, Task]:
            return claim(meeting, token, self._provider.identity, self._policy, c.now, c.deleted())

        return await self._store.change(key, decide)

    async def _do(self, key: MeetingKey, token: str, task: Task) -> None:
        match task:
            case CreateRoom(spec):
                await self._flight.create(key, spec)
            case UpdateRoom(conference_id, spec):
                await self._provider.update(conference_id, spec)
            case RecreateRoom(generation, spec):
                await self._recreate(key, token, generation, spec)
            case DeleteRoom(conference_id):
                await self._provider.delete(conference_id)
            case DeleteLeftover(leftover):
                await self._provider.delete(leftover.conference_id)
            case Recover(generation, keep):
                await self._recover(key, conference_key(self._secret, key, generation), keep)
            case Nothing() | Limited():
                pass
            case _:
                assert_never(task)

    async def _recover(self, key: MeetingKey, name: str, keep: str) -> None:
        """Remove what bears the key `name`, but the room `keep`."""
        if self._provider.finds:
            for room in await self._provider.find(name):
                if room.conference_id != keep:
                    await self._provider.delete(room.conference_id)
        elif self._provider.chooses_id:
            if name != keep:
                await self._provider.delete(name)
        else:
            why = "there may be a conference that nobody uses, and the provider cannot find it: look for it by hand"
            journal.event("conference-in-doubt", uid=key.uid, organizer=key.organizer, error=why)

    async def _succeeded(self, key: MeetingKey, token: str, task: Task) -> None:
        journal.event("conference", uid=key.uid, organizer=key.organizer, done=type(task).__name__)
        looked = self._provider.finds or self._provider.chooses_id

        def decide(meeting: Meeting, c: Circumstances) -> tuple[Meeting, None]:
            return succeeded(meeting, token, task, self._policy, c.now, looked=looked), None

        await self._store.change(key, decide)

    async def _recreate(self, key: MeetingKey, token: str, generation: int, spec: Spec) -> None:
        """The id is the same, and with it, as far as the provider keeps it, the link."""
        if not self._provider.chooses_id:
            raise Permanent("the provider does not let us choose the id of a conference")
        details = await self._provider.create(spec, conference_key(self._secret, key, generation))

        def decide(meeting: Meeting, c: Circumstances) -> tuple[Meeting, bool]:
            after = recreated(meeting, token, spec, details, self._policy, c.now)
            return after, after.link == meeting.link

        kept = await self._store.change(key, decide)
        journal.event("conference-recreated", uid=key.uid, organizer=key.organizer, same_link=kept)

    async def _refused(self, key: MeetingKey, token: str, task: Task, error: str) -> bool:
        """Whether there is something else to try at once."""
        if not isinstance(task, UpdateRoom | RecreateRoom):
            await self._failed(key, token, task, error)
            return False
        journal.event("conference-refused", uid=key.uid, task=type(task).__name__, error=error)

        def decide(meeting: Meeting, c: Circumstances) -> tuple[Meeting, bool]:
            after = refused(meeting, token, error, self._policy, c.now)
            return after, after.conference != meeting.conference

        changed = await self._store.change(key, decide)
        if changed and isinstance(task, RecreateRoom):
            journal.event("conference-replaced", uid=key.uid, organizer=key.organizer)
        return changed

    async def _lost(self, key: MeetingKey, token: str, error: Gone) -> None:
        journal.event("conference-lost", uid=key.uid, organizer=key.organizer, error=str(error))

        def decide(meeting: Meeting, c: Circumstances) -> tuple[Meeting, None]:
            return lost(meeting, token, self._policy, c.now), None

        await self._store.change(key, decide)

    async def _failed(self, key: MeetingKey, token: str, task: Task, error: str) -> None:
        journal.event("conference-failed", uid=key.uid, task=type(task).__name__, error=error)

        def decide(meeting: Meeting, c: Circumstances) -> tuple[Meeting, None]:
            return failed(meeting, token, error, self._policy, c.now, task), None

        await self._store.change(key, decide)
