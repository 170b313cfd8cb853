import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailhook.core.splice_text import Text, place
from mailhook.core.splices import Position, apply
from mailhook.core.text_blocks import BEGIN, END, MAX_BLOCKS, blocks, flowed, links, marked

LINK = "https://vm.example/?a=1&b=2"
BLOCK = marked(f"Name\n{LINK}")
NEW = BLOCK.encode()
OLDER = marked("Old\nhttps://vm.example/old").encode()
OPEN = OLDER.partition(b"\n")[0]
"""Its begin mark."""


def placed(data: bytes, position: Position = "bottom") -> bytes:
    return apply(data, place(data, NEW, Text(position, b"\n", frozenset({LINK}))))


@pytest.mark.parametrize(
    ("data", "top", "bottom"),
    [
        (b"", NEW, NEW),
        (b"a", NEW + b"\n\na", b"a\n\n" + NEW),
        (b"a\n", NEW + b"\n\na\n", b"a\n\n" + NEW + b"\n"),
        (b"a\n\n", NEW + b"\n\na\n\n", b"a\n\n" + NEW + b"\n"),
        (b"\na", NEW + b"\n\na", b"\na\n\n" + NEW),
        (b"\n", NEW + b"\n", b"\n" + NEW + b"\n"),
        (b" ", NEW + b"\n ", b" \n" + NEW),
        (b"\xef\xbb\xbfa", b"\xef\xbb\xbf" + NEW + b"\n\na", b"\xef\xbb\xbfa\n\n" + NEW),
    ],
)
def test_positions(data: bytes, top: bytes, bottom: bytes) -> None:
    assert placed(data, "top") == top
    assert placed(data, "bottom") == bottom


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"a\n" + OLDER + b"\nb", b"a\n" + NEW + b"\nb"),
        (OLDER + b"\n" + OLDER + b"\nb", NEW + b"\n\nb"),
        (b"Text: " + OLDER, b"Text: " + NEW),
        (OPEN + b"\nOld\nhttps://vm.exam", NEW),
        (OPEN + b"\r\nOld\r\n\r\nmine", NEW + b"\r\n\r\nmine"),
        (OPEN + b"\nOld\n\nmine\n\n" + OLDER + b"\nb", NEW + b"\n\nmine\n\n\nb"),
        (OPEN + b"\nOld\nhttps://vm.example/old\nmine\nmine too", NEW + b"\nmine\nmine too"),
        (OPEN + b"\nOld\nhttps://vm.example/old\n_______ /Vide", NEW),
        (OPEN + b"\nOld\nhttps://vm.example/old\n\n", NEW + b"\n\n"),
        (b"<p>" + OLDER + b"</p>", b"<p>" + NEW + b"</p>"),
    ],
    ids=[
        *("in place", "only one", "mid-line", "truncated", "end mark lost", "end mark lost, another block"),
        *("end mark deleted", "end mark cut off", "end mark lost at the end", "in markup"),
    ],
)
def test_an_older_block_is_replaced(data: bytes, expected: bytes) -> None:
    assert placed(data) == expected


def test_a_block_in_quoted_text_is_history() -> None:
    quoted = b"> " + OLDER.replace(b"\n", b"\n> ")
    assert list(blocks(quoted)) == []
    assert placed(quoted) == quoted + b"\n\n" + NEW


def test_a_mark_inside_the_text_cannot_end_the_block() -> None:
    text = marked(f"topic {END}\n{BEGIN}\nlink")
    assert list(blocks(text.encode())) == [(0, len(text))]


def test_links_are_those_alone_on_a_line_of_a_block() -> None:
    assert list(links(b"https://no.example/\n" + OLDER)) == ["https://vm.example/old"]


def test_format_flowed_is_space_stuffed() -> None:
    assert flowed("a\n b\nFrom c\n>d\nFromage") == "a\n  b\n From c\n >d\nFromage"


FRAGMENTS = st.sampled_from([b"a", b" ", b"\n", b"\n\n", b"> ", BEGIN.encode(), END.encode(), OLDER, NEW])


@given(st.lists(FRAGMENTS, max_size=12).map(b"".join), st.sampled_from(["top", "bottom"]))
def test_twice_is_once(data: bytes, position: Position) -> None:
    once = placed(data, position)
    assert placed(once, position) == once
    assert NEW in once


def test_a_text_of_nothing_but_marks_is_left_alone() -> None:
    data = f"{BEGIN}\n".encode() * (MAX_BLOCKS + 1)
    assert placed(data) == data
    assert list(blocks(data)) == []
