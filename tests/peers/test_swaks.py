"""The listener's TLS and logins with clients that others have written: swaks and openssl s_client."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest

from mailhook.certificates import Kept, Pem, server
from mailhook.front import auth
from mailhook.front.dialogue import Terms
from mailhook.front.listener import Listener
from mailhook.front.sink import Sink
from mailhook.front.standing import Entry
from mailhook.nexthop.pool import Pool
from tests.authority import Authority
from tests.dialogs.conftest import PassThrough

pytestmark = pytest.mark.peers("swaks")


@dataclass
class Door:
    """A listener that takes mail by login only."""

    port: int
    sink: Sink
    ca: str

    async def swaks(self, *options: str) -> tuple[int, str]:
        mail = ("--from", "a@x.test", "--to", "b@x.test", "--body", "hello", "--timeout", "20")
        ca = ("--tls-ca-path", self.ca, "--tls-verify")
        return await run("swaks", "--server", f"127.0.0.1:{self.port}", *mail, *ca, *options)


async def run(*command: str, said: bytes = b"") -> tuple[int, str]:
    process = await asyncio.create_subprocess_exec(
        *command,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await process.communicate(said)
    assert process.returncode is not None
    return process.returncode, output.decode("utf-8", "replace")


@pytest.fixture(name="door")
async def _door(tmp_path: Path) -> AsyncIterator[Door]:
    authority = Authority(tmp_path)
    pem = authority.pem()
    passwords = tmp_path / "passwords"
    passwords.write_text(auth.line("bob", "hunter2"))
    mine = Pem(pem.certificate, pem.key)
    entry = Entry("optional", Kept(partial(server, mine), mine), auth.Passwords(str(passwords)))
    async with AsyncExitStack() as stack:
        sink = Sink()
        await sink.start()
        stack.push_async_callback(sink.close)
        pool = Pool("127.0.0.1", sink.port, hostname="mailhook.test")
        stack.push_async_callback(pool.close)
        terms = Terms("mailhook.test", allow=("192.0.2.0/24",), entry=entry)
        listener = Listener(PassThrough(pool), terms)
        await listener.start()
        stack.push_async_callback(listener.drain, 0)
        yield Door(listener.port, sink, authority.file)


@pytest.mark.parametrize("mechanism", ["PLAIN", "LOGIN"])
async def test_swaks_logs_in_under_tls(door: Door, mechanism: str) -> None:
    login = ("--auth", mechanism, "--auth-user", "bob", "--auth-password", "hunter2")
    status, output = await door.swaks("-tls", *login)
    assert status == 0, output
    assert [message.content.rstrip().endswith(b"hello") for message in door.sink.messages] == [True]


@pytest.mark.parametrize(
    "options",
    [
        ("-tls",),
        ("--auth", "PLAIN", "--auth-user", "bob", "--auth-password", "hunter2"),
        ("-tls", "--auth", "PLAIN", "--auth-user", "bob", "--auth-password", "wrong"),
    ],
    ids=["no login", "no TLS", "wrong password"],
)
async def test_swaks_gets_no_mail_in_otherwise(door: Door, options: tuple[str, ...]) -> None:
    status, output = await door.swaks(*options)
    assert status != 0, output
    assert door.sink.messages == []


@pytest.mark.parametrize(("version", "spoken"), [("-tls1_1", False), ("-tls1_2", True), ("-tls1_3", True)])
async def test_openssl_speaks_modern_tls(door: Door, version: str, spoken: bool) -> None:
    where = ("-connect", f"127.0.0.1:{door.port}", "-starttls", "smtp", "-CAfile", door.ca)
    _, output = await run("openssl", "s_client", *where, version, "-verify_return_error", said=b"QUIT\r\n")
    assert ("Verify return code: 0 (ok)" in output and "Cipher is (NONE)" not in output) == spoken, output
