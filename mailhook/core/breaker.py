"""A circuit breaker: when a provider has failed for a while, it is left alone, and asked by one call at a time again.

    CLOSED ──FAILURES in a row──► OPEN ──REST is over: one call──► PROBING ──it succeeds──► CLOSED
                                   ▲                                  │
                                   └──────────────it fails────────────┘

What: `admit`, `succeeded`, `failed`, pure; `now` is a moment of one clock, which may be set back.

Not here: what counts as a failure, and whose calls these are (guard).

Errors: none.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

FAILURES = 5
"""Failures in a row that open it."""

REST = timedelta(seconds=30)
"""How long an open one admits nothing; and how long the answer to a probe is awaited, before another one is sent."""


@dataclass(frozen=True)
class Closed:
    """All is well; `failures` in a row so far."""

    failures: int = 0


@dataclass(frozen=True)
class Open:
    """Nothing is admitted for REST after `since`."""

    since: datetime


@dataclass(frozen=True)
class Probing:
    """One call has been admitted at `since`; others are not."""

    since: datetime


Breaker = Closed | Open | Probing


def admit(breaker: Breaker, now: datetime) -> tuple[Breaker, bool]:
    """Whether a call may be made now."""
    match breaker:
        case Closed():
            return breaker, True
        case Open(since) | Probing(since):
            # A clock that was set back must not keep it open for long.
            rested = not since <= now < since + REST
            return (Probing(now), True) if rested else (breaker, False)


def succeeded(breaker: Breaker) -> Breaker:
    """After a call that the provider has answered as one that works, be it with a refusal."""
    del breaker
    return Closed()


def failed(breaker: Breaker, now: datetime) -> Breaker:
    """After a call that shows that the provider does not work now."""
    match breaker:
        case Closed(failures) if failures + 1 < FAILURES:
            return Closed(failures + 1)
        case Closed() | Probing():
            return Open(now)
        case Open():
            return breaker
