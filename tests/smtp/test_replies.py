"""Replies: wire form, and cutting a stream of any pieces into them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailhook.errors import Temporary
from mailhook.smtp.replies import LOCAL_ERROR, Reply, ReplyParser, reply

LINE = st.binary(max_size=40).map(lambda raw: raw.replace(b"\n", b"").rstrip(b"\r"))
REPLIES = st.builds(Reply, st.integers(200, 599), st.lists(LINE, min_size=1, max_size=4).map(tuple))


@given(st.lists(REPLIES, max_size=4), st.data())
def test_what_is_written_is_read_again_in_pieces_of_any_size(sent: list[Reply], data: st.DataObject) -> None:
    wire = b"".join(one.wire() for one in sent)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(wire)), max_size=6)))
    parser, read = ReplyParser(), []
    for start, end in zip([0, *cuts], [*cuts, len(wire)], strict=True):
        read += parser.feed(wire[start:end])
    assert read == sent


def test_the_wire_form_has_the_code_on_every_line() -> None:
    assert reply(250, "one", "two").wire() == b"250-one\r\n250 two\r\n"


@pytest.mark.parametrize(
    ("wire", "expected"),
    [
        (b"250\r\n", Reply(250, (b"",))),
        (b"250 \r\n", Reply(250, (b"",))),
        (b"250-a\n250 b\n", Reply(250, (b"a", b"b"))),
        (b"250-a\r\n251 b\r\n", Reply(251, (b"a", b"b"))),
    ],
)
def test_sloppy_replies_are_understood(wire: bytes, expected: Reply) -> None:
    assert ReplyParser().feed(wire) == [expected]


@pytest.mark.parametrize(
    "wire", [b"hello\r\n", b"25 x\r\n", b"199 x\r\n", b"250_x\r\n", b"\r\n", b"600 x\r\n"]
)
def test_what_is_not_a_reply_is_temporary(wire: bytes) -> None:
    with pytest.raises(Temporary, match="not an SMTP reply"):
        ReplyParser().feed(wire)


@pytest.mark.parametrize("piece", [b"x" * 70_000, b"250-x\r\n" * 20_000])
def test_an_endless_reply_is_temporary(piece: bytes) -> None:
    with pytest.raises(Temporary):
        ReplyParser().feed(piece)


def test_kinds() -> None:
    kinds = [(r.positive, r.permanent) for r in (reply(250, ""), reply(354, ""), LOCAL_ERROR)]
    assert kinds == [(True, False), (True, False), (False, False)]
    assert reply(550, "").permanent


def test_text_is_one_line_for_the_log() -> None:
    assert Reply(550, (b"5.7.1 no \xff", b"really")).text == "550 5.7.1 no \\xff really"


@pytest.mark.parametrize(("code", "lines"), [(100, (b"x",)), (600, (b"x",)), (250, ())])
def test_an_impossible_reply_cannot_be_made(code: int, lines: tuple[bytes, ...]) -> None:
    with pytest.raises(ValueError, match="not a reply"):
        Reply(code, lines)
