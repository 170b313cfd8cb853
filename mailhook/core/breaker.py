"""A circuit breaker: when a provider has failed for a while, it is left alone, and asked by one call at a time again.

    CLOSED ──FAILURES in a row──► OPEN ──REST is over: one call──► PROBING ──it succeeds──► CLOSED
                                   ▲                                  │
                                   └──────────────it fails────────────┘

What: `admit`, `succeeded`, `failed`, pure; `now` is a moment of one clock, which may be set back. Every move begins a
new period, and what comes of a call counts in the period in which it was admitted only: an answer that comes late says
nothing of the present.

Not here: what counts as a failure, and whose calls these are (guard).

Errors: none.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

FAILURES = 5
"""Conferences in a row of which a call has failed that open it: one that fails again and again is its own fault."""

REST = timedelta(seconds=30)
"""How long an open one admits nothing; and how long the answer to a probe is awaited, before another one is sent."""


@dataclass(frozen=True)
class Closed:
    """All is well; `failing`: the conferences of which calls have failed since the last success."""

    period: int = 0
    failing: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Open:
    """Nothing is admitted for REST after `since`."""

    period: int
    since: datetime


@dataclass(frozen=True)
class Probing:
    """One call has been admitted at `since`; others are not."""

    period: int
    since: datetime


Breaker = Closed | Open | Probing


def admit(breaker: Breaker, now: datetime) -> tuple[Breaker, int | None]:
    """The period to which a call belongs that may be made now; None: it may not."""
    match breaker:
        case Closed(period):
            return breaker, period
        case Open(period, since) | Probing(period, since):
            # A clock that was set back must not keep it open for long.
            rested = not since <= now < since + REST
            return (Probing(period + 1, now), period + 1) if rested else (breaker, None)


def succeeded(breaker: Breaker, period: int) -> Breaker:
    """After a call of `period` that the provider has answered as one that works, be it with a refusal."""
    match breaker:
        case Closed(present) if present == period:
            return Closed(present)
        case Probing(present) if present == period:
            return Closed(present + 1)
        case _:
            return breaker


def failed(breaker: Breaker, period: int, conference: str, now: datetime) -> Breaker:
    """After a call of `period`, about `conference`, that shows that the provider does not work now."""
    match breaker:
        case Closed(present, failing) if present == period:
            failing |= {conference}
            return Closed(present, failing) if len(failing) < FAILURES else Open(present + 1, now)
        case Probing(present) if present == period:
            return Open(present + 1, now)
        case _:
            return breaker
