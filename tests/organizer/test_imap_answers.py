"""Answers of IMAP servers as values."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailhook.organizer.imap.answers import Value, code, values


@pytest.mark.parametrize(
    ("parts", "read"),
    [
        ([b"1 2 30"], ["1", "2", "30"]),
        ([b""], []),
        ([b'(\\HasNoChildren \\Sent) "/" Sent'], [["\\HasNoChildren", "\\Sent"], b"/", "Sent"]),
        ([b'() NIL "a \\"b\\" \\\\"'], [[], "NIL", b'a "b" \\']),
        ([b'(("INBOX." ".")) NIL NIL'], [[[b"INBOX.", b"."]], "NIL", "NIL"]),
        (
            [
                b"7 FETCH (UID 5 FLAGS (\\Seen $Done) BODY[HEADER.FIELDS (MESSAGE-ID)] {4}",
                bytearray(b"(\r\n)"),
                b")",
            ],
            [
                "7",
                "FETCH",
                ["UID", "5", "FLAGS", ["\\Seen", "$Done"], "BODY[HEADER.FIELDS (MESSAGE-ID)]", b"(\r\n)"],
            ],
        ),
        (
            [b"1 FETCH (BODY[]<0> {0}", bytearray(b""), b" UID 9)"],
            ["1", "FETCH", ["BODY[]<0>", b"", "UID", "9"]],
        ),
        ([b'() "/" {3}', bytearray(b'a"b')], [[], b"/", b'a"b']),
    ],
)
def test_answers(parts: list[bytes | bytearray], read: list[Value]) -> None:
    assert values(parts) == read


@pytest.mark.parametrize("line", [b"(", b")", b"(a))", b'"a', b"((a)"])
def test_what_cannot_be_read(line: bytes) -> None:
    with pytest.raises(ValueError, match=r"list|string"):
        values([line])


@given(st.lists(st.one_of(st.binary(max_size=30), st.binary(max_size=30).map(bytearray)), max_size=6))
def test_anything_is_read_or_refused(parts: list[bytes | bytearray]) -> None:
    with suppress(ValueError):
        assert isinstance(values(parts), list)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("[OVERQUOTA] Quota exceeded", ("OVERQUOTA", "")),
        ("[uidvalidity 12] UIDs valid", ("UIDVALIDITY", "12")),
        ("[PERMANENTFLAGS (\\Seen \\*)] Limited", ("PERMANENTFLAGS", "(\\Seen \\*)")),
        ("Done", ("", "")),
        ("", ("", "")),
    ],
)
def test_response_codes(text: str, found: tuple[str, str]) -> None:
    assert code(text) == found
