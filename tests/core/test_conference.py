"""The transition table: what it allows, and that nothing else moves."""

import pytest

from mailhook.core.conference import TRANSITIONS, IllegalTransitionError, Move, State, step

LIVES = [
    ("reserve confirm announce finish reopen announce condemn deleted", State.GONE),
    ("reserve release reserve confirm", State.READY),
    ("reserve reserve confirm", State.READY),
    ("reserve confirm condemn deleted reserve confirm announce", State.ANNOUNCED),
    ("reserve confirm condemn reserve", State.RESERVED),
    ("reserve confirm announce lose reserve", State.RESERVED),
    ("reserve confirm finish condemn", State.ENDING),
]


@pytest.mark.parametrize(("moves", "end"), LIVES)
def test_lives(moves: str, end: State) -> None:
    state = State.ABSENT
    for move in moves.split():
        state = step(state, Move(move))
    assert state is end


@pytest.mark.parametrize("move", Move)
@pytest.mark.parametrize("state", State)
def test_only_the_table_moves(state: State, move: Move) -> None:
    if (state, move) in TRANSITIONS:
        assert step(state, move) is TRANSITIONS[state, move]
    else:
        with pytest.raises(IllegalTransitionError, match=f"{state}.*{move}"):
            step(state, move)


def test_ending_has_no_way_back() -> None:
    after = {TRANSITIONS[state, move] for state, move in TRANSITIONS if state is State.ENDING}
    assert after == {State.GONE, State.RESERVED}


def test_every_state_is_reached_and_left() -> None:
    assert {state for state, _ in TRANSITIONS} == set(State)
    assert set(TRANSITIONS.values()) == set(State)
