"""What clients meet before their content: who is turned away, and which commands are answered in the negative.

What: `turned_away` and `answered` are called where it happens, and pass it on to who counts; `LastHour` knows how often
somebody was turned away in the last hour.

Not here: who is turned away (`front`), counting for Prometheus (`meter`).

Errors: none. Hooks are called in the midst of a dialogue, so that they have to be quick and raise nothing.
"""

from collections import Counter, deque
from collections.abc import Callable, Mapping
from typing import Literal

Why = Literal["not-allowed", "limits", "login", "tls", "http-password"]

WHYS: tuple[Why, ...] = ("not-allowed", "limits", "login", "tls", "http-password")

Verb = Literal["EHLO", "MAIL", "RCPT"]

on_turned_away: list[Callable[[Why], None]] = []
on_answered: list[Callable[[Verb, int], None]] = []
"""Command, and the code of a reply that is not positive."""

MINUTE, HOUR = 60.0, 3600.0


def turned_away(why: Why) -> None:
    """A client could not get in."""
    for hook in on_turned_away:
        hook(why)


def answered(verb: Verb, code: int) -> None:
    """A command before the content was answered 4xx or 5xx."""
    for hook in on_answered:
        hook(verb, code)


class LastHour:
    """`now`: seconds of any clock that does not go back; counted by the minute."""

    def __init__(self) -> None:
        self._minutes: deque[tuple[float, Counter[Why]]] = deque()

    def note(self, why: Why, now: float) -> None:
        if not self._minutes or now >= self._minutes[-1][0] + MINUTE:
            self._minutes.append((now, Counter()))
        self._minutes[-1][1][why] += 1

    def counts(self, now: float) -> Mapping[Why, int]:
        while self._minutes and now >= self._minutes[0][0] + HOUR:
            self._minutes.popleft()
        return sum((counts for _, counts in self._minutes), Counter())
