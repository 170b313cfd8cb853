import base64
import quopri
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailhook.core import mime_bodies
from mailhook.core.mime_bodies import decode, encode, quoted_printable
from mailhook.core.splices import Splice, apply
from mailhook.errors import Unreadable

TEXT = st.text("aб🙂= \t.\n", max_size=200).map(str.encode)
BREAK = st.sampled_from([b"\n", b"\r\n"])


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (b"a=3Db", b"a=b"),
        (b"a=\r\nb", b"ab"),
        (b"a= \t\r\nb", b"ab"),
        (b"a  \r\nb", b"a\r\nb"),
        (b"a=20\nb", b"a \nb"),
        (b"=d0=B2", "в".encode()),
        (b"=zz=4", b"=zz=4"),
        (b"a=", b"a"),
        (b"", b""),
    ],
)
def test_quoted_printable(raw: bytes, expected: bytes) -> None:
    assert decode(raw, "quoted-printable") == expected


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (b"aGk=", b"hi"),
        (b"a G\r\nk", b"hi"),
        (b"aGk=aGk=", b"hihi"),
        (b"aGkx\n!", b"hi1"),
        (b"a", b""),
        (b"", b""),
    ],
)
def test_base64_is_read_as_far_as_it_goes(raw: bytes, expected: bytes) -> None:
    assert decode(raw, "base64") == expected


@pytest.mark.parametrize("encoding", ["", "7bit", "8bit", "binary", "8-bit", "utf-8"])
def test_no_encoding(encoding: str) -> None:
    assert decode(b"=3D\xff", encoding) == b"=3D\xff"


def test_uuencode_is_unreadable() -> None:
    with pytest.raises(Unreadable):
        decode(b"begin 644 x", "x-uuencode")


@given(st.binary(max_size=300), BREAK)
def test_any_octets_survive_quoted_printable(data: bytes, line_end: bytes) -> None:
    raw = encode(data, "quoted-printable", b"x" + line_end, line_end)
    assert decode(raw, "quoted-printable") == data
    assert quopri.decodestring(raw) == data
    assert all(len(line) <= mime_bodies.MAX_ENCODED_LINE for line in raw.split(line_end))


ENCODED = st.lists(
    st.sampled_from(
        [b"=", b"=4", b"=41", b"=d0", b"=20", b" ", b"\t", b"\r", b"\n", b"\r\n", b"=\r\n", b"=\n", b"a"]
    ),
    max_size=30,
).map(b"".join)


def slowly(raw: bytes) -> bytes:
    """RFC 2045 §6.7 line by line; what is no escape stays."""
    out = []
    for line in re.findall(rb"[^\n]*\n|[^\n]+\Z", raw):
        bare = line.rstrip(b"\r\n")
        text, eol = bare.rstrip(b" \t"), line[len(bare) :]
        text, eol = (text[:-1], b"") if text.endswith(b"=") else (text, eol)
        out.append(re.sub(rb"=([0-9A-Fa-f]{2})", lambda m: bytes.fromhex(m[1].decode()), text) + eol)
    return b"".join(out)


@given(ENCODED, st.sampled_from([b"", b"a" * 80 + b"=\r\n"]))
def test_damaged_quoted_printable_is_read_line_by_line(raw: bytes, before: bytes) -> None:
    raw = before * 200 + raw
    assert decode(raw, "quoted-printable") == slowly(raw)


@pytest.mark.parametrize("at", [0, 9_000, 20_000, 29_999, 30_000])
def test_an_edit_far_inside_leaves_all_other_lines(at: int) -> None:
    raw = b"".join(b"%05d=\r\n=20\n" % number for number in range(30_000 // 7))
    edited = quoted_printable(raw).spliced([Splice(at, at, b"-+-")])
    text = decode(raw, "quoted-printable")
    assert decode(edited, "quoted-printable") == apply(text, [Splice(at, at, b"-+-")])
    assert edited.replace(b"-+-", b"") == raw


@given(st.binary(min_size=1, max_size=300), st.integers(1, 19).map(lambda n: n * 4), BREAK, st.booleans())
def test_base64_keeps_line_length_line_end_and_last_line_end(
    data: bytes, width: int, line_end: bytes, last: bool
) -> None:
    like = (b"A" * width + line_end) * 2 + (b"" if last else b"AAAA")
    raw = encode(data, "base64", like, b"\r\n")
    assert base64.b64decode(raw) == data
    assert raw.endswith(line_end) == last
    assert all(len(line) <= width for line in raw.split(line_end))


@given(
    TEXT, BREAK, st.booleans(), st.lists(st.tuples(st.integers(0, 200), st.integers(0, 40), TEXT), max_size=3)
)
def test_edits_of_quoted_printable_decode_to_edits_of_the_text(
    text: bytes, line_end: bytes, soft: bool, wanted: list[tuple[int, int, bytes]]
) -> None:
    text = text.replace(b"\n", line_end)
    raw = encode(text, "quoted-printable", line_end, line_end)
    if soft:
        raw = b"".join(bytes((octet,)) + (b"=" + line_end if octet == 97 else b"") for octet in raw)
    splices: list[Splice] = []
    done = 0
    for start, length, new in sorted(wanted):
        at = min(len(text), done + start)
        to = min(len(text), at + length)
        if line_end not in (text[at - 1 : at + 1], text[to - 1 : to + 1]):
            splices.append(Splice(at, to, new.replace(b"\n", line_end)))
            done = to
    edited = quoted_printable(raw).spliced(splices, line_end)
    assert decode(edited, "quoted-printable") == apply(text, splices)
    assert all(len(line) <= mime_bodies.MAX_ENCODED_LINE for line in edited.split(line_end))


def test_lines_that_are_not_edited_keep_their_encoding() -> None:
    raw = b"=41bc =\r\n  def\r\nsecond=20\r\n"
    edited = quoted_printable(raw).spliced([Splice(12, 12, "в".encode())])
    assert edited == b"=41bc =\r\n  def\r\ns=D0=B2econd=20\r\n"


def test_a_body_in_one_giant_line_is_encoded_anew() -> None:
    raw = b"x" * 5000
    edited = quoted_printable(raw).spliced([Splice(2500, 2500, b"-")])
    assert decode(edited, "quoted-printable") == b"x" * 2500 + b"-" + b"x" * 2500
    assert max(map(len, edited.split(b"\r\n"))) == mime_bodies.MAX_ENCODED_LINE
