"""What stands between us and a provider: tries again what may be tried again, and leaves one alone that is down.

What: `Guard` is a `Provider` around another one, shared by all messages of the process and by the worker. A call that
failed for the moment is repeated, with a random pause, as long as that does no harm and the time of a waiting mail
lasts. After several failures in a row nothing is asked for a while (`core.breaker`): the failure policy then decides at
once, and a single call tries whether the provider is back.

Not here: what is asked of the provider (flight, sync), and what a failure means (pipeline, `core.upkeep`).

Errors: those of the provider; Unsent while it is left alone.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import TypeVar

from mailhook import journal
from mailhook.core import breaker
from mailhook.core.breaker import Closed, Open
from mailhook.core.conference import JoinDetails, Spec
from mailhook.errors import MailhookError, Misconfigured, Permanent, Temporary, Unsent
from mailhook.ports import Provider

T = TypeVar("T")

ATTEMPTS = 3
FIRST_PAUSE = 0.25
"""Seconds: the longest pause before the first repetition; before the second it is twice as long."""


def pause(number: int) -> float:
    """Seconds before the repetition `number`, counted from 0: some chance, and more each time."""
    return random.uniform(0, FIRST_PAUSE * 2**number)  # noqa: S311 - no secret


class Guard:
    """`patience`: seconds in which a call and its repetitions begin; `clock`: UTC."""

    def __init__(self, provider: Provider, patience: float, clock: Callable[[], datetime]) -> None:
        self._provider = provider
        self._patience = patience
        self._clock = clock
        self._breaker: breaker.Breaker = Closed()

    @property
    def identity(self) -> str:
        return self._provider.identity

    @property
    def chooses_id(self) -> bool:
        return self._provider.chooses_id

    @property
    def finds(self) -> bool:
        return self._provider.finds

    async def create(self, spec: Spec, key: str) -> JoinDetails:
        """Repeated only if nothing was sent: what an unclear answer has left must first be written down (flight)."""
        return await self._repeated(lambda: self._provider.create(spec, key), Unsent)

    async def update(self, conference_id: str, spec: Spec) -> None:
        await self._repeated(lambda: self._provider.update(conference_id, spec))

    async def delete(self, conference_id: str) -> None:
        await self._repeated(lambda: self._provider.delete(conference_id))

    async def find(self, key: str) -> tuple[JoinDetails, ...]:
        return await self._repeated(lambda: self._provider.find(key))

    async def ping(self) -> None:
        await self._repeated(self._provider.ping)

    async def close(self) -> None:
        await self._provider.close()

    async def _repeated(
        self, attempt: Callable[[], Awaitable[T]], harmless: type[Temporary] = Temporary
    ) -> T:
        """`harmless`: after which errors the attempt may be repeated."""
        end = asyncio.get_running_loop().time() + self._patience
        for number in range(ATTEMPTS - 1):
            try:
                return await self._admitted(attempt)
            except harmless:
                late = asyncio.get_running_loop().time() >= end
                if late or not isinstance(self._breaker, Closed):
                    raise
                await asyncio.sleep(pause(number))
        return await self._admitted(attempt)

    async def _admitted(self, attempt: Callable[[], Awaitable[T]]) -> T:
        self._breaker, allowed = breaker.admit(self._breaker, self._clock())
        if not allowed:
            raise Unsent("the provider has failed several times in a row and is left alone for a moment")
        try:
            answer = await attempt()
        except Permanent:
            self._works()
            raise
        except (Temporary, Misconfigured) as error:
            self._fails(error)
            raise
        self._works()
        return answer

    def _works(self) -> None:
        if not isinstance(self._breaker, Closed):
            journal.event("provider-back", provider=self.identity)
        self._breaker = breaker.succeeded(self._breaker)

    def _fails(self, error: MailhookError) -> None:
        before, self._breaker = self._breaker, breaker.failed(self._breaker, self._clock())
        if isinstance(before, Closed) and isinstance(self._breaker, Open):
            journal.event("provider-down", provider=self.identity, error=str(error))
