"""The circuit breaker, as a table of moves."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailhook.core.breaker import FAILURES, REST, Breaker, Closed, Open, Probing, admit, failed, succeeded
from tests.core.invitations import at

NOW = at("2027-02-01 12:00")
SECOND = timedelta(seconds=1)


@pytest.mark.parametrize(
    ("breaker", "after", "admitted", "then"),
    [
        (Closed(), timedelta(0), True, Closed()),
        (Closed(FAILURES - 1), timedelta(0), True, Closed(FAILURES - 1)),
        (Open(NOW), timedelta(0), False, Open(NOW)),
        (Open(NOW), REST - SECOND, False, Open(NOW)),
        (Open(NOW), REST, True, Probing(NOW + REST)),
        (Open(NOW), -SECOND, True, Probing(NOW - SECOND)),
        (Probing(NOW), SECOND, False, Probing(NOW)),
        (Probing(NOW), REST, True, Probing(NOW + REST)),
    ],
)
def test_admission(breaker: Breaker, after: timedelta, admitted: bool, then: Breaker) -> None:
    assert admit(breaker, NOW + after) == (then, admitted)


@pytest.mark.parametrize(
    ("breaker", "then"),
    [
        (Closed(), Closed(1)),
        (Closed(FAILURES - 2), Closed(FAILURES - 1)),
        (Closed(FAILURES - 1), Open(NOW)),
        (Probing(NOW - SECOND), Open(NOW)),
        (Open(NOW - SECOND), Open(NOW - SECOND)),
    ],
)
def test_failure(breaker: Breaker, then: Breaker) -> None:
    assert failed(breaker, NOW) == then


@pytest.mark.parametrize("breaker", [Closed(3), Open(NOW), Probing(NOW)])
def test_success(breaker: Breaker) -> None:
    assert succeeded(breaker) == Closed()


@given(st.lists(st.tuples(st.booleans(), st.integers(-100, 100)), max_size=60))
def test_it_is_never_shut_for_ever(moves: list[tuple[bool, int]]) -> None:
    """Whatever happens, and whatever the clock does: within REST somebody may ask."""
    breaker: Breaker = Closed()
    now = NOW
    for success, step in moves:
        now += timedelta(seconds=step)
        breaker, admitted = admit(breaker, now)
        if admitted:
            breaker = succeeded(breaker) if success else failed(breaker, now)
    assert admit(breaker, now + REST)[1]
