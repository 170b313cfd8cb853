import email
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailhook.core import header_values, message
from mailhook.errors import Unreadable

DATA = Path(__file__).parent / "data"

MIXED = b"""\
From: a@corp.example
Content-Type: multipart/mixed;
 boundary="outer b"

preamble
--outer b\t
Content-Type: multipart/alternative; boundary=inner

--inner
Content-Type: text/plain

plain
--inner
Content-Type: TEXT/HTML; charset=UTF-8
Content-Transfer-Encoding: Base64

aGk=

--inner--
between
--outer b
Content-Type: application/ics; name*0*=utf-8''%D0%B2; name*1=".ics"

ics
--outer b--
epilogue
"""


def bodies(raw: bytes) -> list[tuple[str, bytes]]:
    read = message.read(raw)
    return [(part.content_type, raw[part.body_start : part.body_end]) for part in read.parts]


def with_line_ends(raw: bytes, line_end: bytes) -> bytes:
    return raw.replace(b"\n", line_end)


@pytest.mark.parametrize("line_end", [b"\n", b"\r\n"])
def test_leaves_are_found_in_order_with_their_offsets(line_end: bytes) -> None:
    raw = with_line_ends(MIXED, line_end)
    assert bodies(raw) == [
        ("text/plain", b"plain"),
        ("text/html", b"aGk=" + line_end),
        ("application/ics", b"ics"),
    ]


def test_a_part_knows_its_header_and_what_is_around_it() -> None:
    read = message.read(MIXED)
    plain, html, ics = read.parts
    assert (html.encoding, html.charset) == ("base64", "UTF-8")
    assert message.body(read, html) == b"hi"
    assert plain.inside == html.inside == ("multipart/mixed", "multipart/alternative")
    assert ics.inside == ("multipart/mixed",)
    assert ics.filename == "в.ics"
    assert MIXED[ics.header_start : ics.body_start].startswith(b"Content-Type: application/ics")


def test_header_offsets_and_values_are_those_of_the_bytes() -> None:
    for header in message.read(MIXED).headers:
        stood = MIXED[header.start : header.end]
        assert stood.lower() == header.name.encode() + b":" + header.value.lower()


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (b"", [("text/plain", b"")]),
        (b"\n", [("text/plain", b"")]),
        (b"Subject: x\n\nbody", [("text/plain", b"body")]),
        (b"no header at all\nbody", [("text/plain", b"no header at all\nbody")]),
        (b"From x@y Mon\nSubject: x\n\nbody", [("text/plain", b"body")]),
        (b"Content-Type: multipart/mixed; boundary=b\n\n--b\n\nx", [("text/plain", b"x")]),
        (b"Content-Type: multipart/mixed; boundary=b\n\n--b\n\nx\n--bc\n--b--", [("text/plain", b"x\n--bc")]),
        (b"Content-Type: multipart/mixed; boundary=b\n\n--b\n--b--", [("text/plain", b"")]),
        (b"Content-Type: multipart/mixed; boundary=b\n\nnone", [("multipart/mixed", b"none")]),
        (b"Content-Type: multipart/mixed\n\n--\nx", [("multipart/mixed", b"--\nx")]),
        (b"Content-Type: multipart/digest; boundary=b\n\n--b\n\nx", [("message/rfc822", b"x")]),
        (b"Content-Type: nonsense\n\nx", [("text/plain", b"x")]),
    ],
)
def test_odd_structures(raw: bytes, expected: list[tuple[str, bytes]]) -> None:
    assert bodies(raw) == expected


@pytest.mark.parametrize("kind", ["multipart/encrypted", "message/rfc822", "message/partial"])
def test_encrypted_and_enclosed_content_is_one_leaf(kind: str) -> None:
    inner = b"--b\nContent-Type: text/calendar\n\nBEGIN:VCALENDAR\n--b--\n"
    raw = b"Content-Type: " + kind.encode() + b"; boundary=b\n\n" + inner
    assert bodies(raw) == [(kind, inner)]


def test_what_a_signature_covers_is_read() -> None:
    inner = b"--b\n\nx\n--b\nContent-Type: application/pgp-signature\n\ny\n--b--\n"
    raw = b'Content-Type: multipart/signed; boundary="b"\n\n' + inner
    assert bodies(raw) == [("text/plain", b"x"), ("application/pgp-signature", b"y")]


def nested(depth: int) -> bytes:
    heads = (
        b"Content-Type: multipart/mixed; boundary=b%d\n\n--b%d\n" % (level, level) for level in range(depth)
    )
    return b"".join(heads) + b"\nx"


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (nested(message.MAX_DEPTH + 1), "nested"),
        (nested(3000), "nested"),
        (b"Content-Type: multipart/mixed; boundary=b\n\n" + b"--b\n" * 50_000, "too many parts"),
        (b"Content-Type: multipart/mixed; boundary=b\n\n--b\n" + b"--bx\n" * 200_000, "look like boundaries"),
        (b"Subject: " + b"x" * message.MAX_HEADER + b"\n\n", "header too long"),
        (b"Subject: x\n" * 30_000, "header too long"),
    ],
)
def test_bounds(raw: bytes, reason: str) -> None:
    with pytest.raises(Unreadable, match=reason):
        message.read(raw)


def test_what_is_within_the_bounds_is_read() -> None:
    assert bodies(nested(message.MAX_DEPTH)) == [("text/plain", b"x")]


@pytest.mark.parametrize("path", sorted(DATA.glob("*.eml")), ids=lambda path: path.stem)
def test_real_messages_have_the_parts_that_the_email_package_finds(path: Path) -> None:
    raw = path.read_bytes()
    read = message.read(raw)
    ours = [(part.content_type, message.body(read, part).rstrip()) for part in read.parts]
    theirs = [part for part in email.message_from_bytes(raw).walk() if not part.is_multipart()]
    expected = []
    for part in theirs:
        payload = part.get_payload(decode=True)
        assert isinstance(payload, bytes)
        expected.append((part.get_content_type(), payload.rstrip()))
    assert ours == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("plain", "plain"),
        ("=?utf-8?q?=D0=98=D0=B2?=", "Ив"),
        ("=?UTF-8?B?0JjQsg==?= end", "Ив end"),
        ("=?utf-8?q?=D0?= =?utf-8?q?=98?=", "И"),
        ("=?utf-8?q?a?==?utf-8?q?_b?=", "a b"),
        ("=?koi8-r?q?=C1?= =?utf-8?q?b?=", "аb"),
        ("=?no-such?q?a?=", "a"),
        ("=?utf-8?q?=FF?=", "\ufffd"),
        ("=?utf-8?q?unclosed", "=?utf-8?q?unclosed"),
        ("=?punycode?q?a-?=", "a-"),
    ],
)
def test_encoded_words(value: str, expected: str) -> None:
    assert header_values.decoded_words(value) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("A@B.example", ("a@b.example",)),
        ('"Doe, John" <j@x>, k@x', ("j@x", "k@x")),
        ("Doe, John <j@x>", ("j@x",)),
        ('"a b"@x', ('"a b"@x',)),
        ("<@route:u@x>", ("u@x",)),
        ("Group: a@x, B <b@x>;, c@x", ("a@x", "b@x", "c@x")),
        ("a@x (comment, (with <i@n> in) it)", ("a@x",)),
        ("undisclosed-recipients:;", ()),
        ("", ()),
        ("<>", ()),
        ("=?utf-8?q?a=2C_b=40c?= <d@e>", ("d@e",)),
    ],
)
def test_addresses(value: str, expected: tuple[str, ...]) -> None:
    assert header_values.addresses(value) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("Mon, 23 Nov 2026 03:20:03 +0300", datetime(2026, 11, 23, 0, 20, 3, tzinfo=UTC)),
        ("Mon, 23 Nov 2026 03:20:03 -0000", datetime(2026, 11, 23, 3, 20, 3, tzinfo=UTC)),
        ("yesterday", None),
        ("Mon, 99 Nov 2026 03:20:03 +0300", None),
        ("Fri, 31 Dec 9999 23:00:00 -2300", None),
        ("", None),
    ],
)
def test_dates(value: str, expected: datetime | None) -> None:
    assert header_values.date(value) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("text/Plain; Charset=UTF-8", {"charset": "UTF-8"}),
        (r'a/b; name="x;\"y\""; z=1', {"name": 'x;"y"', "z": "1"}),
        ("a/b; name*=utf-8'ru'%D0%B2; q", {"name": "в"}),
        ("a/b; name*1=b; name*0=a", {"name": "ab"}),
        ("a/b; name*0*=koi8-r''%C1; name*1=b", {"name": "аb"}),
        ("a/b; name*0=a; name*0=b", {"name": "a"}),
        ("a/b; name*=%zz", {"name": "%zz"}),
        ('a/b; name="unclosed; z=1', {"name": '"unclosed', "z": "1"}),
    ],
)
def test_parameters(value: str, expected: dict[str, str]) -> None:
    assert header_values.parameters(value)[1] == expected


@pytest.mark.parametrize(
    ("charset", "body", "expected"),
    [
        (b"windows-1251", "Встреча".encode("cp1251"), "Встреча"),
        (b"no-such-charset", "Встреча".encode(), "Встреча"),
        (b"utf-8", b"\xe9t\xe9", "été"),
        (b"unicode_escape", rb"\u0041", r"\u0041"),
        (b"hex", b"4142", "4142"),
        (b"rot13", b"uryyb", "uryyb"),
        (b"zip", "Встреча".encode(), "Встреча"),
    ],
)
def test_text_in_right_and_wrong_charsets(charset: bytes, body: bytes, expected: str) -> None:
    read = message.read(b"Content-Type: text/plain; charset=" + charset + b"\n\n" + body)
    assert message.text(read, read.parts[0]) == expected


def test_header_accessors() -> None:
    read = message.read(
        b"To: A <A@x>,\n b@x\nDate: Mon, 23 Nov 2026 03:20:03 +0300\nSubject: a\n =?utf-8?q?b?=\n\n"
    )
    assert message.addresses(read, "to") == ("a@x", "b@x")
    assert message.header(read, "SUBJECT") == "a b"
    assert message.header(read, "absent") is None
    assert message.date(read) == datetime(2026, 11, 23, 0, 20, 3, tzinfo=UTC)


def test_an_encoding_that_is_not_mimes_is_unreadable() -> None:
    read = message.read(b"Content-Transfer-Encoding: x-uuencode\n\nbegin 644 x\n")
    with pytest.raises(Unreadable):
        message.body(read, read.parts[0])


PIECES = st.sampled_from(
    [
        b"\n",
        b"\r\n",
        b"\r",
        b" ",
        b"--b",
        b"--",
        b"Content-Type: multipart/mixed; boundary=b\n",
        b"Content-Type: text/calendar; charset=x\n",
        b'Content-Type: a/b; c="',
        b"Content-Transfer-Encoding: base64\n",
        b"Content-Transfer-Encoding: quoted-printable\n",
        b"Subject: =?utf-8?b?x",
        b"To: <a@b>,(",
        b"Date: 1 Jan",
        b"=3D",
        b"=\n",
        b"\x00",
        b"\xff",
    ]
)


@given(st.one_of(st.binary(max_size=300), st.lists(PIECES, max_size=30).map(b"".join)))
def test_arbitrary_bytes_are_read_or_unreadable(raw: bytes) -> None:
    try:
        read = message.read(raw)
    except Unreadable:
        return
    for name in ("subject", "to", "date", "content-type"):
        message.header(read, name)
        message.addresses(read, name)
    message.date(read)
    end = 0
    for part in read.parts:
        assert end <= part.header_start <= part.body_start <= part.body_end <= len(raw)
        end = part.body_end
        message.body(read, part)
        message.text(read, part)
        message.disposition(part)
