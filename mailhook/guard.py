"""What stands between us and a provider: it leaves one alone that is down.

What: `Guard` is a `Provider` around another one, shared by all messages of the process and by the worker. After
failures of several conferences in a row nothing is asked for a while (`core.breaker`): the failure policy then decides
at once, and a single call tries whether the provider is back. A provider that answers is not down, whatever it says;
one whose answer is not awaited any longer is, as far as anybody knows.

Not here: what is asked of the provider, and again (flight, sync); what a failure means (pipeline, `core.upkeep`).

Errors: those of the provider; LeftAloneError while it is left alone.
"""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime
from time import perf_counter
from typing import TypeVar

from mailhook import journal
from mailhook.core import breaker
from mailhook.core.breaker import Closed, Open, Probing
from mailhook.core.conference import Found, JoinDetails, Spec
from mailhook.errors import Gone, MailhookError, Misconfigured, Permanent, Temporary, Unsent, Unusable
from mailhook.ports import BreakerState, Provider

T = TypeVar("T")

_STATES: dict[type[breaker.Breaker], BreakerState] = {Closed: "closed", Open: "open", Probing: "probing"}


class LeftAloneError(Unsent):
    """The provider was not asked, and will not be for a while."""


class Guard:
    """`clock`: UTC."""

    def __init__(self, provider: Provider, clock: Callable[[], datetime]) -> None:
        self._provider = provider
        self._clock = clock
        self._breaker: breaker.Breaker = Closed()
        self._last: MailhookError | None = None

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
        return await self._asked("create", key, lambda: self._provider.create(spec, key))

    async def update(self, conference_id: str, spec: Spec) -> None:
        await self._asked("update", conference_id, lambda: self._provider.update(conference_id, spec))

    async def delete(self, conference_id: str) -> None:
        await self._asked("delete", conference_id, lambda: self._provider.delete(conference_id))

    async def find(self, key: str) -> tuple[Found, ...]:
        return await self._asked("find", key, lambda: self._provider.find(key))

    async def ping(self) -> None:
        await self._asked("ping", "", self._provider.ping)

    async def close(self) -> None:
        await self._provider.close()

    @property
    def state(self) -> BreakerState:
        return _STATES[type(self._breaker)]

    @property
    def last_failure(self) -> str:
        """What the provider has last failed with while the breaker is not closed, or ""."""
        return "" if self.state == "closed" or self._last is None else str(self._last)

    async def look(self) -> None:
        """Whether the provider answers; who only looks neither opens the breaker nor closes it."""
        await _told("ping", self._provider.ping)

    async def _asked(self, operation: str, conference: str, call: Callable[[], Awaitable[T]]) -> T:
        return await _told(operation, lambda: self._admitted(conference, call))

    async def _admitted(self, conference: str, call: Callable[[], Awaitable[T]]) -> T:
        self._breaker, period = breaker.admit(self._breaker, self._clock())
        if period is None:
            why = "the provider has failed several times in a row and is left alone for a moment"
            raise LeftAloneError(f"{why} (last: {self._last})")
        try:
            answer = await call()
        except (Permanent, Unusable):
            self._works(period)
            raise
        except (Temporary, Misconfigured) as error:
            self._fails(period, conference, error)
            raise
        except asyncio.CancelledError:
            given_up = Temporary(f"{self.identity}: no answer in the time that a mail may wait")
            self._fails(period, conference, given_up)
            raise
        self._works(period)
        return answer

    def _works(self, period: int) -> None:
        before, self._breaker = self._breaker, breaker.succeeded(self._breaker, period)
        if isinstance(self._breaker, Closed) and not isinstance(before, Closed):
            journal.event("provider-back", provider=self.identity)

    def _fails(self, period: int, conference: str, error: MailhookError) -> None:
        before, self._last = self._breaker, error
        self._breaker = breaker.failed(before, period, conference, self._clock())
        if isinstance(before, Closed) and isinstance(self._breaker, Open):
            journal.event("provider-down", provider=self.identity, error=str(error))


async def _told(operation: str, call: Callable[[], Awaitable[T]]) -> T:
    """The answer to a call, which is counted."""
    begun, outcome = perf_counter(), "ok"
    try:
        return await call()
    except BaseException as error:
        outcome = _outcome(error)
        raise
    finally:
        journal.called(operation, outcome, perf_counter() - begun)


def _outcome(error: BaseException) -> str:
    """By what follows from it."""
    match error:
        case LeftAloneError():
            return "left-alone"
        case asyncio.CancelledError():
            return "given-up"
        case Gone():
            return "gone"
        case Permanent():
            return "refused"
        case Unusable():
            return "unusable"
        case Misconfigured():
            return "misconfigured"
        case Temporary():
            return "failed"
        case _:
            return "fault"
