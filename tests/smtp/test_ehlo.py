"""Capabilities: read from the next hop, told to the client."""

import pytest

from mailhook.smtp.ehlo import Capabilities
from mailhook.smtp.replies import Reply, reply

POSTFIX = reply(
    250, "mx.example", "PIPELINING", "SIZE 10240000", "VRFY", "ETRN", "STARTTLS", "AUTH PLAIN LOGIN",
    "ENHANCEDSTATUSCODES", "8BITMIME", "DSN", "SMTPUTF8", "CHUNKING", "X-UNHEARD-OF",
    "XFORWARD NAME ADDR PROTO HELO SOURCE PORT IDENT",
)  # fmt: skip
ALL = b"XFORWARD NAME ADDR PORT PROTO HELO IDENT SOURCE"


def test_postfix_is_understood() -> None:
    found = Capabilities.parse(POSTFIX)
    assert found.size == 10240000
    assert found.pipelining
    assert found.xforward == {"NAME", "ADDR", "PROTO", "HELO", "SOURCE", "PORT", "IDENT"}
    assert found.keywords["AUTH"] == b"PLAIN LOGIN"


def test_only_what_can_be_carried_is_announced() -> None:
    assert Capabilities.parse(POSTFIX).announce("hop.example").lines == (
        b"hop.example", b"PIPELINING", b"SIZE 10240000", b"8BITMIME", b"SMTPUTF8", b"DSN",
        b"ENHANCEDSTATUSCODES", ALL,
    )  # fmt: skip


def test_a_bare_next_hop_is_announced_with_what_is_ours() -> None:
    assert Capabilities().announce("hop", max_size=5).lines == (b"hop", b"PIPELINING", ALL)


@pytest.mark.parametrize(
    ("line", "max_size", "size", "announced"),
    [
        ("SIZE 100", 0, 100, b"SIZE 100"),
        ("SIZE 100", 50, 100, b"SIZE 50"),
        ("SIZE 100", 200, 100, b"SIZE 100"),
        ("SIZE 0", 0, None, b"SIZE"),
        ("SIZE", 0, None, b"SIZE"),
        ("size", 7, None, b"SIZE 7"),
        ("SIZE lots", 0, None, b"SIZE"),
    ],
)
def test_size_is_the_smaller_limit(line: str, max_size: int, size: int | None, announced: bytes) -> None:
    found = Capabilities.parse(reply(250, "mx", line))
    assert found.size == size
    assert announced in found.announce("hop", max_size).lines


def test_strange_lines_are_ignored() -> None:
    found = Capabilities.parse(
        Reply(250, (b"mx", b"", b"\xff\xfe", b"=what", b"dsn ", b"XFORWARD name \xff"))
    )
    assert set(found.keywords) == {"DSN", "XFORWARD"}
    assert "NAME" in found.xforward
