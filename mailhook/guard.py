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
"""Seconds; the longest pause before the first repetition, and half of that before the second."""


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
        """Repeated after an unclear answer only where that makes no second room."""

        async def attempt(unclear: bool) -> JoinDetails:
            if unclear and not self.chooses_id:
                found = await self._provider.find(key)
                if found:
                    return found[0]
            return await self._provider.create(spec, key)

        return await self._repeated(attempt, makes=True)

    async def update(self, conference_id: str, spec: Spec) -> None:
        await self._repeated(lambda _: self._provider.update(conference_id, spec))

    async def delete(self, conference_id: str) -> None:
        await self._repeated(lambda _: self._provider.delete(conference_id))

    async def find(self, key: str) -> tuple[JoinDetails, ...]:
        return await self._repeated(lambda _: self._provider.find(key))

    async def ping(self) -> None:
        await self._repeated(lambda _: self._provider.ping())

    async def close(self) -> None:
        await self._provider.close()

    async def _repeated(self, attempt: Callable[[bool], Awaitable[T]], *, makes: bool = False) -> T:
        """`attempt` is told whether an earlier one may have had an effect; `makes`: that effect may be a room."""
        end = asyncio.get_running_loop().time() + self._patience
        repeatable = not makes or self.chooses_id or self.finds
        unclear = False
        for number in range(ATTEMPTS):
            try:
                return await self._admitted(attempt, unclear)
            except Temporary as error:
                unclear = unclear or not isinstance(error, Unsent)
                pause = random.uniform(0, FIRST_PAUSE * 2**number)  # noqa: S311 - no secret
                late = asyncio.get_running_loop().time() + pause >= end
                last = late or number + 1 == ATTEMPTS or not isinstance(self._breaker, Closed)
                if last or (unclear and not repeatable):
                    raise _whole(error, unclear) from None
                await asyncio.sleep(pause)
            except Permanent as error:
                if makes and unclear:
                    raise Temporary(f"{error}; before that no clear answer came") from None
                raise
        raise AssertionError("the last attempt returns or raises")

    async def _admitted(self, attempt: Callable[[bool], Awaitable[T]], unclear: bool) -> T:
        self._breaker, allowed = breaker.admit(self._breaker, self._clock())
        if not allowed:
            raise Unsent("the provider has failed several times in a row and is left alone for a moment")
        try:
            answer = await attempt(unclear)
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


def _whole(error: Temporary, unclear: bool) -> Temporary:
    """What the call ends with: an earlier attempt may have had the effect that the last one has not had."""
    return Temporary(str(error)) if unclear and isinstance(error, Unsent) else error
