"""Modified UTF-7 and quoting (RFC 3501 §5.1.3, §4.3)."""

import imaplib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailhook.organizer.imap.answers import values
from mailhook.organizer.imap.names import decoded, encoded, quoted, readable

NAMES = st.text(st.characters(exclude_categories=["Cs"]))


@pytest.mark.parametrize(
    ("name", "wire"),
    [
        ("Sent", "Sent"),
        ("INBOX.Sent Items", "INBOX.Sent Items"),
        ("~peter/mail/台北/日本語", "~peter/mail/&U,BTFw-/&ZeVnLIqe-"),
        ("Отправленные", "&BB4EQgQ,BEAEMAQyBDsENQQ9BD0ESwQ1-"),
        ("R&D", "R&-D"),
        ("&", "&-"),
        ("&я", "&-&BE8-"),
        ("😀", "&2D3eAA-"),
        ("a\tb\r\n", "a&AAk-b&AA0ACg-"),
        ("", ""),
    ],
)
def test_known_names(name: str, wire: str) -> None:
    assert (encoded(name), decoded(wire)) == (wire, name)


@given(NAMES)
def test_there_and_back(name: str) -> None:
    wire = encoded(name)
    assert decoded(wire) == name
    assert all(" " <= char <= "~" for char in wire)


@given(st.text(st.sampled_from("&-,+/=AQEBODйЯ ~\x7f"), max_size=12))
def test_what_is_decoded_is_the_only_way_to_write_it(wire: str) -> None:
    try:
        name = decoded(wire)
    except ValueError:
        assert readable(wire) == wire
    else:
        assert encoded(name) == wire


@pytest.mark.parametrize(
    "wire", ["&", "a&b", "&AA-", "&Jjo!", "&U,BTFw-&ZeVnLIqe-", "&AGE-", "Отправленные", "&2D0-"]
)
def test_what_is_no_modified_utf7(wire: str) -> None:
    with pytest.raises(ValueError, match=r"modified UTF-7|decode"):
        decoded(wire)


@given(NAMES)
def test_a_quoted_name_is_read_as_it_was(name: str) -> None:
    wire = encoded(name)
    assert values([quoted(wire).encode("ascii")]) == [wire.encode("ascii")]
    assert quoted(wire) == imaplib.IMAP4._quote(object(), wire)  # type: ignore[attr-defined]
