"""Servers that greet strangely, fall silent or talk nonsense: an error in time, and nothing is waited for twice."""

import asyncio
import logging
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress

import pytest

from mailhook.errors import MailhookError, Misconfigured, Permanent, Temporary
from mailhook.organizer.imap import Account, SentCopies, Server
from mailhook.organizer.imap.server import Tls

PATIENCE = 60.0
"""Seconds for an answer that comes."""

IMPATIENCE = 1.0
"""Seconds for one that never does."""


@asynccontextmanager
async def speaking(*lines: bytes, end: bool = False) -> AsyncIterator[tuple[int, list[bytes]]]:
    """A server that says the first line at once, and one more after each command (`%t` is its tag); then none.

    `end`: it closes after its last line.
    """
    heard: list[bytes] = []
    talks: list[asyncio.Task[None]] = []

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        rest = list(lines)
        writer.write(rest.pop(0) if rest else b"")
        while rest and (line := await reader.readline()):
            heard.append(line)
            writer.write(rest.pop(0).replace(b"%t", line.split()[0]))
        while not end and (line := await reader.readline()):
            heard.append(line)
            if line.endswith(b" LOGOUT\r\n"):
                return

    async def served(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            with suppress(ConnectionError):
                await talk(reader, writer)
        finally:
            writer.close()

    def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        talks.append(asyncio.create_task(served(reader, writer)))

    listener = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield listener.sockets[0].getsockname()[1], heard
    finally:
        listener.close()
        await asyncio.gather(*talks)


async def tried(port: int, tls: Tls = "off", patience: float = PATIENCE) -> MailhookError:
    copies = SentCopies(Server("127.0.0.1", port, tls, timeout=patience), Account(password="hunter2"))
    with pytest.raises(MailhookError) as raised:
        await copies.replace("ivan@example.org", "<a@b>", lambda _: None)
    assert "hunter2" not in str(raised.value)
    return raised.value


OK = b"* OK ready\r\n"
CAPABILITY = b"* CAPABILITY IMAP4rev1 AUTH=PLAIN SASL-IR\r\n%t OK\r\n"
IN = b"%t OK in\r\n"


@pytest.mark.parametrize(
    ("lines", "kind", "said"),
    [
        ([], Temporary, "does not greet as an IMAP server"),
        ([b"* BYE too many\r\n"], Temporary, "does not greet as an IMAP server: * BYE too many"),
        ([b"220 smtp ESMTP OK\r\n"], Temporary, "does not greet as an IMAP server: 220"),
        ([b"* PREAUTH welcome\r\n"], Misconfigured, "PREAUTH"),
        ([OK], Temporary, "did not answer CAPABILITY within 1 s"),
        ([OK, b"%t BAD what\r\n"], Permanent, "does not know CAPABILITY: what"),
        ([OK, b"\xff\xfe nonsense\r\n* \xff 1\r\n"], Temporary, "closed the connection at CAPABILITY"),
        ([OK, b"B7 OK done\r\n"], Temporary, "closed the connection at CAPABILITY"),
        ([OK, b"+ go on\r\n"], Temporary, "did not answer CAPABILITY"),
        (
            [OK, b"* CAPABILITY IMAP4rev1 LOGINDISABLED\r\n%t OK\r\n"],
            Misconfigured,
            "does not offer AUTH=PLAIN",
        ),
        ([OK, CAPABILITY, b"+ \r\n"], Temporary, "did not answer AUTHENTICATE"),
        (
            [OK, CAPABILITY, b"%t NO [AUTHENTICATIONFAILED] no\r\n"],
            Misconfigured,
            "refuses the login of ivan@",
        ),
        ([OK, CAPABILITY, b"%t NO [AUTHORIZATIONFAILED] no\r\n"], Permanent, "refuses the login of ivan@"),
        ([OK, CAPABILITY, b"%t NO [UNAVAILABLE] down\r\n"], Temporary, "refuses the login of ivan@"),
        ([OK, CAPABILITY, IN, CAPABILITY], Misconfigured, "does not tell which mailbox holds sent mail"),
        (
            [OK, CAPABILITY, IN, CAPABILITY.replace(b"SASL-IR", b"SPECIAL-USE"), b"* LIST (\r\n%t OK\r\n"],
            Temporary,
            "cannot be read: a list is not closed",
        ),
        (
            [
                *(OK, CAPABILITY, IN, CAPABILITY.replace(b"SASL-IR", b"SPECIAL-USE")),
                *(b'* LIST (\\Sent) "/" Sent\r\n%t OK\r\n', b"* 0 EXISTS\r\n%t OK [READ-WRITE] done\r\n"),
            ],
            Permanent,
            "does not tell UIDVALIDITY",
        ),
    ],
)
@pytest.mark.parametrize("end", [False, True])
async def test_servers(lines: Sequence[bytes], kind: type[MailhookError], said: str, end: bool) -> None:
    async with speaking(*lines, end=end) as (port, _):
        silent = not lines or said.startswith("did not answer")
        error = await tried(port, patience=IMPATIENCE if silent else PATIENCE)
    expected = "closed the connection" if end and said.startswith("did not answer") else said
    assert (type(error), expected in str(error)) == (kind, True), error


async def test_nobody_is_there() -> None:
    async with speaking(OK) as (port, _):
        pass
    assert "no connection" in str(await tried(port))


@pytest.mark.parametrize("tls", ["starttls", "implicit"])
async def test_a_handshake_that_never_ends(tls: Tls) -> None:
    lines = [OK, b"%t OK begin\r\n"] if tls == "starttls" else []
    async with speaking(*lines) as (port, _):
        assert "no connection within" in str(await tried(port, tls, IMPATIENCE))


async def test_what_comes_before_the_handshake_is_not_believed() -> None:
    async with speaking(OK, b"%t OK begin\r\n* CAPABILITY AUTH") as (port, heard):
        error = await tried(port, "starttls")
    assert "more than its answer before TLS" in str(error)
    assert len(heard) == 1 or b"LOGOUT" in heard[-1]


@pytest.mark.parametrize("answer", [b"%t NO not now\r\n", b"%t BAD unknown\r\n"])
async def test_without_starttls_no_password_is_sent(answer: bytes) -> None:
    async with speaking(OK, answer, b"%t OK bye\r\n") as (port, heard):
        error = await tried(port, "starttls")
    assert isinstance(error, Misconfigured)
    assert [line.split()[1] for line in heard] == [b"STARTTLS", b"LOGOUT"]


async def test_a_cancelled_run_leaves_at_once() -> None:
    async with speaking(OK) as (port, heard):
        copies = SentCopies(Server("127.0.0.1", port, "off", timeout=PATIENCE), Account(password="x"))
        run = asyncio.create_task(copies.replace("ivan@example.org", "<a@b>", lambda _: None))
        async with asyncio.timeout(PATIENCE / 2):
            while not heard:  # noqa: ASYNC110 - the server's other end
                await asyncio.sleep(0.01)
            run.cancel()
            with pytest.raises(asyncio.CancelledError):
                await run
    assert len(heard) == 1


async def test_nothing_of_it_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    said = b"* OK https://vm.example.org/join\r\n%t NO [AUTHENTICATIONFAILED] no\r\n"
    async with speaking(OK, CAPABILITY.replace(b" AUTH=PLAIN", b""), said) as (port, heard):
        await tried(port)
    assert any(b"hunter2" in line for line in heard)
    assert "hunter2" not in caplog.text
    assert "/join" not in caplog.text
