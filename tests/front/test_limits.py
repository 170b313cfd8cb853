"""The accounts of what clients take up, by themselves."""

from hypothesis import given
from hypothesis import strategies as st

from mailhook.front.limits import SLOWEST, Budget, Limits, Load, Patience, Seldom
from mailhook.smtp import replies


def test_a_peer_that_runs_wild_leaves_room_for_others() -> None:
    load = Load(Limits(max_connections=3, max_connections_per_peer=2))
    assert [load.connect("a") for _ in range(3)] == [None, None, replies.TOO_MANY_FROM_YOU]
    assert [load.connect(peer) for peer in "bc"] == [None, replies.TOO_MANY_CONNECTIONS]
    load.disconnect("a")
    assert load.connect("c") is None


def test_transactions_are_counted() -> None:
    load = Load(Limits(max_transactions=2))
    assert [load.begin() for _ in range(3)] == [True, True, False]
    load.end()
    assert load.begin()


@given(st.lists(st.integers(0, 150)))
def test_a_budget_is_never_overdrawn(wishes: list[int]) -> None:
    budget = Budget(100)
    granted = [wish for wish in wishes if budget.take(wish)]
    assert sum(granted) <= 100
    for wish in granted:
        budget.give(wish)
    assert budget.take(100)
    assert not budget.take(1)


@given(st.lists(st.tuples(st.floats(0.01, 10), st.integers(0, 5))))
def test_a_trickle_uses_the_time_up(reads: list[tuple[float, int]]) -> None:
    patience, now, octets = Patience(300, 0.0), 0.0, 0
    for pause, count in reads:
        now, octets = now + pause, octets + count
        patience.earn(count, now)
    assert now + patience.left(now) <= max(300 + octets / SLOWEST, now) + 1e-6


def test_a_fair_rate_is_enough_for_ever() -> None:
    patience = Patience(10, 0.0)
    for second in range(1, 1000):
        patience.earn(SLOWEST, float(second))
    assert patience.left(999.0) == 10


def test_time_saved_is_not_kept_for_later() -> None:
    patience = Patience(10, 0.0)
    patience.earn(10_000_000, 1.0)
    assert patience.left(1.0) == 10
    patience.renew(5.0)
    assert (patience.since, patience.left(5.0), patience.left(20.0)) == (5.0, 10, 0)


def test_a_flood_is_told_once_and_then_seldom() -> None:
    seldom = Seldom(60)
    assert [seldom.due(float(second)) for second in (0, 1, 2, 59, 60, 61, 200)] == [
        *(1, None, None, None),
        *(4, None, 2),
    ]
