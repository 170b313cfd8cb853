"""The circuit breaker, as a table of moves."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailhook.core.breaker import FAILURES, REST, Breaker, Closed, Open, Probing, admit, failed, succeeded
from tests.core.invitations import at

NOW = at("2027-02-01 12:00")
SECOND = timedelta(seconds=1)
MANY = frozenset(str(number) for number in range(FAILURES))
ALMOST = MANY - {"0"}


@pytest.mark.parametrize(
    ("breaker", "after", "then", "period"),
    [
        (Closed(), timedelta(0), Closed(), 0),
        (Closed(4, ALMOST), timedelta(0), Closed(4, ALMOST), 4),
        (Open(1, NOW), timedelta(0), Open(1, NOW), None),
        (Open(1, NOW), REST - SECOND, Open(1, NOW), None),
        (Open(1, NOW), REST, Probing(2, NOW + REST), 2),
        (Open(1, NOW), -SECOND, Probing(2, NOW - SECOND), 2),
        (Probing(2, NOW), SECOND, Probing(2, NOW), None),
        (Probing(2, NOW), REST, Probing(3, NOW + REST), 3),
    ],
)
def test_admission(breaker: Breaker, after: timedelta, then: Breaker, period: int | None) -> None:
    assert admit(breaker, NOW + after) == (then, period)


@pytest.mark.parametrize(
    ("breaker", "then"),
    [
        (Closed(1), Closed(1, frozenset({"0"}))),
        (Closed(1, frozenset({"0"})), Closed(1, frozenset({"0"}))),
        (Closed(1, ALMOST - {"1"}), Closed(1, MANY - {"1"})),
        (Closed(1, ALMOST), Open(2, NOW)),
        (Probing(1, NOW - SECOND), Open(2, NOW)),
    ],
)
def test_failure(breaker: Breaker, then: Breaker) -> None:
    assert failed(breaker, 1, "0", NOW) == then


@pytest.mark.parametrize(("breaker", "then"), [(Closed(1, ALMOST), Closed(1)), (Probing(1, NOW), Closed(2))])
def test_success(breaker: Breaker, then: Breaker) -> None:
    assert succeeded(breaker, 1) == then


@pytest.mark.parametrize("breaker", [Closed(2, ALMOST), Open(2, NOW), Probing(2, NOW)])
def test_what_comes_late_moves_nothing(breaker: Breaker) -> None:
    assert succeeded(breaker, 1) == failed(breaker, 1, "0", NOW) == breaker


@given(st.lists(st.tuples(st.booleans(), st.integers(-100, 100), st.integers(0, 9)), max_size=60))
def test_it_is_never_shut_for_ever(moves: list[tuple[bool, int, int]]) -> None:
    """Whatever happens, and whatever the clock does: within REST somebody may ask."""
    breaker: Breaker = Closed()
    now = NOW
    for success, step, conference in moves:
        now += timedelta(seconds=step)
        breaker, period = admit(breaker, now)
        if period is not None:
            breaker = succeeded(breaker, period) if success else failed(breaker, period, str(conference), now)
    assert admit(breaker, now + REST)[1] is not None
