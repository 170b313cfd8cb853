"""Commands: what is recognised, and that arguments stay as they came."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailhook.smtp import commands, replies
from mailhook.smtp.commands import Command, Mail, Malformed, Rcpt, Xforward, parse


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (b"EHLO mx.example\r\n", commands.Ehlo(b"mx.example")),
        (b"ehlo mx.example", commands.Ehlo(b"mx.example")),
        (b"HELO mx", commands.Helo(b"mx")),
        (b"EHLO", Malformed(replies.syntax("EHLO hostname"))),
        (b"helo ", Malformed(replies.syntax("HELO hostname"))),
        (b"data", commands.Data()),
        (b"DATA ", commands.Data()),
        (b"DATA now", Malformed(replies.NO_ARGUMENT_ALLOWED)),
        (b"RSET", commands.Rset()),
        (b"QUIT\n", commands.Quit()),
        (b"NOOP whatever", commands.Noop()),
        (b"VRFY someone", commands.Vrfy()),
        (b"HELP", commands.Help()),
        (b"EXPN list", Malformed(replies.NOT_IMPLEMENTED)),
        (b"BDAT 10 LAST", Malformed(replies.NO_CHUNKING)),
        (b"XYZZY", Malformed(replies.UNKNOWN_COMMAND)),
        (b"", Malformed(replies.UNKNOWN_COMMAND)),
        (b"GET / HTTP/1.1", commands.HttpVerb()),
        (b"POST /mail HTTP/1.0", commands.HttpVerb()),
        (b"MAIL TO:<a@b>", Malformed(replies.syntax("MAIL FROM:<address>"))),
        (b"MAIL FROM:", Malformed(replies.syntax("MAIL FROM:<address>"))),
        (b"RCPT <a@b>", Malformed(replies.syntax("RCPT TO:<address>"))),
        (b"MAIL FROM:<a@b>\rRCPT TO:<c@d>", Malformed(replies.BAD_CHARACTER)),
        (b"MAIL FROM:<a\0@b>", Malformed(replies.BAD_CHARACTER)),
        (b"XFORWARD NAME=a ADDR=192.0.2.1", Xforward((("NAME", b"a"), ("ADDR", b"192.0.2.1")))),
        (b"xforward ident=[UNAVAILABLE]", Xforward((("IDENT", b"[UNAVAILABLE]"),))),
        (b"XFORWARD", Malformed(replies.syntax("XFORWARD attribute=value..."))),
        (b"XFORWARD name", Malformed(replies.syntax("XFORWARD attribute=value..."))),
    ],
)
def test_parse(line: bytes, expected: Command) -> None:
    assert parse(line) == expected


@pytest.mark.parametrize(
    ("argument", "path", "address", "parameters"),
    [
        (b"<>", b"<>", "", ()),
        (b" <A@B.Example>", b"<A@B.Example>", "a@b.example", ()),
        (b"<@r1,@r:U@x> SIZE=10", b"<@r1,@r:U@x>", "u@x", (b"SIZE=10",)),
        (b'<"a b>"@x> BODY=8bitMIME', b'<"a b>"@x>', '"a b>"@x', (b"BODY=8bitMIME",)),
        (b'<"a\\">"@x>  RET=HDRS ENVID=q+2B', b'<"a\\">"@x>', '"a\\">"@x', (b"RET=HDRS", b"ENVID=q+2B")),
        (b"a@b SIZE=1", b"a@b", "a@b", (b"SIZE=1",)),
        (b"<a@b", b"<a@b", "a@b", ()),
        ("<Ж@б> SMTPUTF8".encode(), "<Ж@б>".encode(), "ж@б", (b"SMTPUTF8",)),
        (b"<\xff@x>", b"<\xff@x>", "\\xff@x", ()),
    ],
)
def test_path_and_parameters(
    argument: bytes, path: bytes, address: str, parameters: tuple[bytes, ...]
) -> None:
    mail = parse(b"MAIL FROM:" + argument)
    assert isinstance(mail, Mail)
    assert (mail.argument, mail.path, mail.address, mail.parameters) == (argument, path, address, parameters)


@given(st.binary(min_size=1, max_size=200).filter(lambda raw: raw.strip() and not set(raw) & {0, 10, 13}))
def test_any_argument_is_forwarded_as_it_came(argument: bytes) -> None:
    mail, rcpt = parse(b"mail from:" + argument), parse(b"RCPT To:" + argument)
    assert isinstance(mail, Mail)
    assert isinstance(rcpt, Rcpt)
    assert mail.wire() == b"MAIL FROM:" + argument + b"\r\n"
    assert rcpt.wire() == b"RCPT TO:" + argument + b"\r\n"
    assert isinstance(mail.address + (rcpt.orcpt or ""), str)


@given(st.binary(max_size=200))
def test_every_line_is_some_command(line: bytes) -> None:
    assert parse(line) is not None


@pytest.mark.parametrize(
    ("parameters", "expected"),
    [
        (b"", None),
        (b" ORCPT=rfc822;Anna@Example.org NOTIFY=NEVER", "anna@example.org"),
        (b" NOTIFY=FAILURE orcpt=RFC822;a+2Bb@c", "a+b@c"),
        (b" ORCPT=utf-8;a@c", None),
        (b" ORCPT=rfc822;", None),
        (b" ORCPT", None),
    ],
)
def test_original_recipient(parameters: bytes, expected: str | None) -> None:
    assert Rcpt(b"<x@y>" + parameters).orcpt == expected
