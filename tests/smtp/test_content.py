"""Content: end of data, dots, ambiguity, and the look for invitations, each across any chunk borders."""

import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mailhook.smtp.content import END, EndOfData, Inspector, dot_stuff, dot_unstuff

# Bytes that make line ends and dots likely.
TEXT = st.lists(st.sampled_from([b"\r", b"\n", b".", b"\r\n", b"x", b"\0", b"\xff"]), max_size=40).map(
    b"".join
)
CHUNKS = st.lists(st.integers(1, 9), min_size=1, max_size=30)


def pieces(wire: bytes, sizes: list[int]) -> list[bytes]:
    found: list[bytes] = []
    at = 0
    while at < len(wire):
        size = sizes[len(found) % len(sizes)]
        found.append(wire[at : at + size])
        at += size
    return found


def scan(wire: bytes, sizes: list[int], *, strict: bool = False) -> tuple[EndOfData, bytes]:
    """The scanner after `wire`, and the content; what came behind the end is completed in `rest`."""
    end, content, behind = EndOfData(strict=strict), b"", b""
    for piece in pieces(wire, sizes):
        if end.finished:
            behind += piece
        else:
            content += end.feed(piece)
    end.rest += behind
    return end, content


@given(TEXT, CHUNKS)
@example(b"", [1])
@example(b".", [1])
@example(b".\r\n", [2])
@example(b"..\r\n.", [3])
def test_the_end_is_found_wherever_it_is_cut(text: bytes, sizes: list[int]) -> None:
    content = dot_stuff(text + b"\r\n")
    end, found = scan(content + b".\r\nQUIT\r\n", sizes)
    assert end.finished
    assert found == content
    assert end.rest == b"QUIT\r\n"
    assert dot_unstuff(found) == text + b"\r\n"
    assert end.stuffed == len(found) - len(dot_unstuff(found))


@given(CHUNKS)
def test_an_empty_message(sizes: list[int]) -> None:
    end, found = scan(b".\r\nQUIT\r\n", sizes)
    assert (end.finished, found, end.rest) == (True, b"", b"QUIT\r\n")


@given(TEXT, CHUNKS)
def test_nothing_else_ends_the_data(text: bytes, sizes: list[int]) -> None:
    end, found = scan(text, sizes)
    at = (b"\r\n" + text).find(END)
    assert end.finished == (at >= 0)
    assert text.startswith(found)
    assert found == text[:at] if at >= 0 else len(text) - len(found) <= 4


@given(TEXT, CHUNKS)
@example(b"a\n.\r\nMAIL", [5])
@example(b"\r\n.\r\n.\r\n", [1])
@example(b"\r.\n", [1])
@example(b"a\r\n\0.", [1])
@example(b"\0\0\0\0\0\0.\0\0\0\0\0\0\r\n", [3])
@example(b"\0x.\r\n\0.x\r\n", [2])
def test_a_lone_dot_between_other_line_ends_is_ambiguous(text: bytes, sizes: list[int]) -> None:
    wire = dot_stuff(text + b"\r\n") + b".\r\n"
    content = (b"\r\n" + wire.removesuffix(b".\r\n")).replace(b"\0", b"")
    assert scan(wire, sizes)[0].ambiguous == (re.search(rb"[\r\n]\.[\r\n]", content) is not None)


@given(TEXT, CHUNKS)
@example(b"abc\r\n", [4])
@example(b"abc\n", [4])
@example(b"abc\r", [1])
def test_a_bare_newline_is_seen_wherever_it_is_cut(text: bytes, sizes: list[int]) -> None:
    wire = dot_stuff(text + b"\r\n")
    bare = re.search(rb"\r(?!\n)|(?<!\r)\n", wire) is not None
    assert scan(wire + b".\r\n", sizes, strict=True)[0].bare == bare


@pytest.mark.parametrize(
    "wire",
    [
        b"a\r\n\0.\r\nb",
        b"a\r\n.\0\r\nb",
        b"a\r\0\n.\r\nb",
        b"\0.\0\n",
        b"a\n.\r\nb",
        b"a\r\n.\nb",
        b"a\n.\nb",
        b"a\r.\rb",
        b"a\r.\r\nb",
        b".\nb",
        b".\rb",
    ],
)
def test_ambiguous(wire: bytes) -> None:
    for size in range(1, 9):
        assert scan(wire + b"\r\n.\r\n", [size])[0].ambiguous


@pytest.mark.parametrize("wire", [b"a\nb\rc", b"..\r\n", b"a\n..\r\n", b"\n.b", b"a.\r\n", b"\n\n\r\r"])
def test_not_ambiguous(wire: bytes) -> None:
    for size in range(1, 9):
        assert not scan(wire + b"\r\n.\r\n", [size])[0].ambiguous


@given(TEXT)
def test_stuffing_and_unstuffing_are_inverse(text: bytes) -> None:
    wire = dot_stuff(text)
    assert dot_unstuff(wire) == text
    assert dot_stuff(dot_unstuff(wire)) == wire
    assert END not in b"\r\n" + wire


@given(
    st.sampled_from([b": text/calendar", b":TEXT/Calendar", b"\tapplication/ICS", b"invite.ics", b".ICS"]),
    st.binary(max_size=30),
    CHUNKS,
)
def test_a_candidate_is_seen_across_borders(needle: bytes, around: bytes, sizes: list[int]) -> None:
    inspector = Inspector()
    for piece in pieces(around + needle + around, sizes):
        inspector.feed(piece)
    assert inspector.candidate


@given(
    st.lists(st.sampled_from([b"text/cal", b"text/", b"endar", b".ic", b"application/", b" "]), max_size=4),
    CHUNKS,
)
def test_the_inspector_sees_what_a_search_in_the_whole_sees(words: list[bytes], sizes: list[int]) -> None:
    text = b":" + b"".join(words)
    inspector = Inspector()
    for piece in pieces(text, sizes):
        inspector.feed(piece)
    assert inspector.candidate == any(
        word in text for word in (b"text/calendar", b"application/ics", b".ics")
    )


def test_a_media_type_inside_base64_is_none() -> None:
    inspector = Inspector()
    inspector.feed(b"\r\nQUFB" * 20 + b"text/calendar" + b"QUFB\r\n")
    assert not inspector.candidate
