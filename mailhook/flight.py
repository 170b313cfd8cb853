"""One create at a time per meeting, in all processes.

What: `obtain` returns the join details of a meeting's conference, creating it if there is none. The first to ask in
this process starts a flight: a task of its own, which no client's disappearance cancels; others of this process
await it. Among processes the reservation in the store decides: one creates and renews its lease meanwhile, the others
look at the row until it is there, and take over when the lease has run out.

Not here: whether a conference is wanted, and what becomes of a mail that cannot have its link (`pipeline`).

Errors: Temporary (also: not within the deadline, too many wait), Permanent, Misconfigured.
"""

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from secrets import token_hex
from typing import assert_never

from mailhook import journal
from mailhook.core.conference import JoinDetails, Spec, usable
from mailhook.core.meeting import Meeting, MeetingKey
from mailhook.core.policy import Policy
from mailhook.core.reservation import (
    LEASE,
    Grant,
    Granted,
    Held,
    Standing,
    TooMany,
    conference_key,
    confirm,
    doubt,
    give_up,
    renew,
    reserve,
)
from mailhook.errors import MailhookError, Permanent, Temporary, Unsent
from mailhook.guard import LeftAloneError
from mailhook.ports import Circumstances, Provider, Store

LOOK_AGAIN = 0.1
"""Seconds between two looks at a row that another process holds."""

ATTEMPTS = 3
"""How often at most a create is tried for one mail."""

FIRST_PAUSE = 0.25
"""Seconds: the longest pause before the second attempt; before the third it is twice as long."""

PATIENCE = 3.0
"""Seconds after which an invitation counts as waiting: so long all copies of one may wait for a slow provider."""


def pause(number: int) -> float:
    """Seconds after the attempt `number`, counted from 0: some chance, and more each time."""
    return random.uniform(0, FIRST_PAUSE * 2**number)  # noqa: S311 - no secret


class Flight:
    """Creates conferences; `secret` keys their ids."""

    def __init__(self, store: Store, provider: Provider, secret: bytes, policy: Policy) -> None:
        self._store = store
        self._provider = provider
        self._secret = secret
        self._policy = policy
        self._under_way: dict[MeetingKey, asyncio.Task[JoinDetails]] = {}
        self._failed: dict[MeetingKey, MailhookError] = {}
        self._waiting = 0

    async def obtain(self, key: MeetingKey, spec: Spec) -> JoinDetails:
        """The conference's join details within `policy.deadline`, for a mail that waits for them."""
        flight = self._flight(key, spec)
        try:
            async with asyncio.timeout(self._policy.deadline.total_seconds()):
                done, _ = await asyncio.wait({flight}, timeout=PATIENCE)
                if done:
                    return flight.result()
                async with self._a_place_to_wait():
                    return await asyncio.shield(flight)
        except TimeoutError:
            raise self._late(key, "within policy.deadline") from None

    async def create(self, key: MeetingKey, spec: Spec) -> JoinDetails:
        """The same where no mail waits: it takes no place of those that may."""
        try:
            return await asyncio.shield(self._flight(key, spec))
        except TimeoutError:
            raise self._late(key, "in time") from None

    def _late(self, key: MeetingKey, limit: str) -> Temporary:
        last = self._failed.get(key)
        return Temporary(f"the provider has not answered {limit}" + (f" (last: {last})" if last else ""))

    def _flight(self, key: MeetingKey, spec: Spec) -> "asyncio.Task[JoinDetails]":
        flight = self._under_way.get(key)
        if flight is None:
            flight = asyncio.create_task(self._fly(key, spec), name=f"create {key.uid}")
            self._under_way[key] = flight
            flight.add_done_callback(lambda done: self._landed(key, done))
        return flight

    def _landed(self, key: MeetingKey, flight: "asyncio.Task[JoinDetails]") -> None:
        del self._under_way[key]
        self._failed.pop(key, None)
        if not flight.cancelled():
            flight.exception()

    @asynccontextmanager
    async def _a_place_to_wait(self) -> AsyncIterator[None]:
        if self._waiting >= self._policy.max_waiting:
            raise Temporary("policy.max_waiting invitations wait for the provider already")
        self._waiting += 1
        try:
            yield
        finally:
            self._waiting -= 1

    async def close(self) -> None:
        """Let creates that are under way end, so that none is left without its row."""
        if self._under_way:
            await asyncio.wait(self._under_way.values(), timeout=LEASE.total_seconds())
        for flight in tuple(self._under_way.values()):
            flight.cancel()

    async def _fly(self, key: MeetingKey, spec: Spec) -> JoinDetails:
        token = token_hex(8)
        async with asyncio.timeout(self._policy.deadline.total_seconds() + LEASE.total_seconds()):
            while True:
                grant = await self._reserve(key, token)
                match grant:
                    case Standing(details):
                        return details
                    case Granted(generation):
                        created = await self._create(key, spec, token, generation)
                        if created is not None:
                            return created
                    case TooMany():
                        raise Permanent("policy.max_conferences_per_organizer_per_hour is reached")
                    case Held():
                        pass
                    case _:
                        assert_never(grant)
                await asyncio.sleep(LOOK_AGAIN)

    async def _reserve(self, key: MeetingKey, token: str) -> Grant:
        def decide(meeting: Meeting, c: Circumstances) -> tuple[Meeting, Grant]:
            identity = self._provider.identity
            return reserve(meeting, token, identity, self._policy, c.now, c.created_by_organizer())

        return await self._store.change(key, decide)

    async def _create(self, key: MeetingKey, spec: Spec, token: str, generation: int) -> JoinDetails | None:
        """The details that count, whoever made them; None if another process is at it by now."""
        name = conference_key(self._secret, key, generation)
        journal.step("reserved")
        try:
            details = await self._persisted(key, token, name, spec)
        except MailhookError as error:
            await self._give_up(key, token, error)
            raise
        journal.step("created")

        def decide(meeting: Meeting, c: Circumstances) -> tuple[Meeting, JoinDetails | None]:
            identity = self._provider.identity
            return confirm(meeting, token, spec, details, identity, self._policy, c.now)

        settled = await self._store.change(key, decide)
        journal.step("confirmed")
        return settled

    async def _persisted(self, key: MeetingKey, token: str, name: str, spec: Spec) -> JoinDetails:
        """The provider's answer; after a failure it is asked again, if that makes no room that nobody finds."""
        end = asyncio.get_running_loop().time() + self._policy.deadline.total_seconds()
        for number in range(ATTEMPTS - 1):
            try:
                return await self._held(key, token, name, spec)
            except Temporary as error:
                clear = isinstance(error, Unsent)
                late = asyncio.get_running_loop().time() >= end
                if late or isinstance(error, LeftAloneError) or not (clear or self._traceable):
                    raise
                self._failed[key] = error
            if not clear:
                await self._store.change(key, lambda meeting, _: (doubt(meeting, token), None))
            await asyncio.sleep(pause(number))
        return await self._held(key, token, name, spec)

    @property
    def _traceable(self) -> bool:
        """Whether a room that was made without a clear answer is found by the next attempt, or is the same one."""
        return self._provider.chooses_id or self._provider.finds

    async def _held(self, key: MeetingKey, token: str, name: str, spec: Spec) -> JoinDetails:
        """The provider's answer, while the lease is renewed."""
        create = asyncio.create_task(self._made(name, spec))

        def decide(meeting: Meeting, c: Circumstances) -> tuple[Meeting, None]:
            return renew(meeting, token, self._policy, c.now), None

        try:
            while True:
                done, _ = await asyncio.wait({create}, timeout=LEASE.total_seconds() / 3)
                if done:
                    return create.result()
                await self._store.change(key, decide)
        finally:
            create.cancel()

    async def _made(self, name: str, spec: Spec) -> JoinDetails:
        """Where the id is not ours, it is asked first, if that can be, whether the room is there already."""
        if self._provider.finds and not self._provider.chooses_id:
            details = usable(await self._provider.find(name))
            if details is not None:
                return details
        return await self._provider.create(spec, name)

    async def _give_up(self, key: MeetingKey, token: str, error: MailhookError) -> None:
        def decide(meeting: Meeting, c: Circumstances) -> tuple[Meeting, None]:
            nothing_sent = isinstance(error, Unsent) and not meeting.conference.uncertain
            refused = not isinstance(error, Temporary) or nothing_sent
            return give_up(meeting, token, str(error), self._policy, c.now, refused=refused), None

        await self._store.change(key, decide)
