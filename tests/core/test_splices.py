import re

import pytest

from mailhook.core.splices import Splice, apply, decoded, effective


def test_splices_are_made_at_once_and_insertions_keep_their_order() -> None:
    splices = [
        Splice(5, 6, b"F"),
        Splice(0, 0, b"1"),
        Splice(0, 0, b"2"),
        Splice(0, 1, b"A"),
        Splice(6, 6, b"!"),
    ]
    assert apply(b"abcdef", splices) == b"12AbcdeF!"


def test_overlapping_splices_are_refused() -> None:
    with pytest.raises(ValueError, match="overlapping"):
        apply(b"abc", [Splice(0, 2, b""), Splice(1, 3, b"")])


def test_what_would_change_nothing_is_left_out() -> None:
    assert effective(b"abc", [Splice(0, 1, b"a"), Splice(1, 1, b""), Splice(2, 3, b"")]) == [
        Splice(2, 3, b"")
    ]


def test_offsets_through_a_layer() -> None:
    layer = decoded(b"a%41%42b", re.compile(rb"%.."), lambda token: bytes.fromhex(token[1:].decode()))
    assert layer.content == b"aABb"
    assert [layer.origin(offset) for offset in range(5)] == [0, 1, 4, 7, 8]
    assert layer.lifted([Splice(1, 3, b"x")], bytes.upper) == [Splice(1, 7, b"X")]
