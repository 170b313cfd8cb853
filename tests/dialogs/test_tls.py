"""TLS of both sides: mailhook's pool hands mail to mailhook's listener, which relays to the sink."""

from __future__ import annotations

import asyncio
import os
import ssl
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import pytest

from mailhook.certificates import Kept, Pem, client, server
from mailhook.core import hashed
from mailhook.errors import Misconfigured, Temporary
from mailhook.front import auth, smtp
from mailhook.front.dialogue import Terms
from mailhook.front.limits import Limits
from mailhook.front.standing import Entry
from mailhook.nexthop.pool import Pool
from mailhook.nexthop.session import Safety
from mailhook.smtp import replies
from mailhook.smtp.auth import Credentials
from tests.authority import Authority

if TYPE_CHECKING:
    from mailhook.front.smtp import Listener
    from tests.dialogs.conftest import Hop, Peer, Rig

NOBODY = ("192.0.2.0/24",)
LOCAL = ("127.0.0.0/8",)
MAIL = b"MAIL FROM:<a@x.test>\r\nRCPT TO:<b@x.test>\r\nDATA\r\n"
EHLO = b"EHLO client.test\r\n"
PLAIN = b"AUTH PLAIN AGJvYgBodW50ZXIy\r\n"  # bob, hunter2


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


@pytest.fixture(name="passwords")
def _passwords(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setattr(hashed, "COST", 10)
    file = tmp_path / "passwords"
    file.write_text(f"# people\n\n{auth.line('bob', 'hunter2')}\n")
    return str(file)


def kept(pem: Pem) -> Kept:
    return Kept(partial(server, pem), pem)


async def listener(
    rig: Rig, entry: Entry, allow: tuple[str, ...] = LOCAL, patience: float = 30.0, most: int = 1000
) -> Listener:
    limits = Limits(max_connections=most)
    terms = Terms("mailhook.test", allow=allow, entry=entry, timeout=patience, limits=limits)
    from tests.dialogs.conftest import PassThrough  # noqa: PLC0415

    return await rig.listener(PassThrough(await rig.pool(await rig.sink_port())), terms)


def entry(
    authority: Authority,
    starttls: Literal["optional", "required"] = "optional",
    passwords: str = "",
    client_ca: str = "",
) -> Entry:
    pem = authority.pem()
    mine = Pem(pem.certificate, pem.key, client_ca)
    return Entry(starttls, kept(mine), auth.Passwords(passwords) if passwords else None, bool(client_ca))


async def over_tls(peer: Peer, authority: Authority, own: Pem | None = None) -> Peer:
    """Says STARTTLS and shakes hands; nothing is said after."""
    assert (await peer.ask(b"STARTTLS\r\n")).code == 220
    pem = Pem(own.certificate, own.key, authority.file) if own else Pem(authority=authority.file)
    await peer.writer.start_tls(client(pem, verified=True), server_hostname="127.0.0.1")
    return peer


# --- in -----------------------------------------------------------------------------------------------------------


async def test_starttls_resets_the_session(rig: Rig, authority: Authority) -> None:
    """RFC 3207 §4.2: EHLO has to be said again, and the offer of STARTTLS is gone."""
    peer = await rig.client(await listener(rig, entry(authority)))
    assert b"STARTTLS" in (await peer.ask(EHLO)).lines
    await peer.codes(b"XFORWARD ADDR=192.0.2.1\r\nMAIL FROM:<a@x.test>\r\n", 2)
    await over_tls(peer, authority)
    assert (await peer.ask(b"MAIL FROM:<a@x.test>\r\n")).code == 503
    hello = await peer.ask(EHLO)
    assert b"STARTTLS" not in hello.lines
    assert (await peer.ask(b"STARTTLS\r\n")).code == 503
    assert await peer.codes(MAIL, 3) == [250, 250, 354]
    assert (await peer.ask(b"hello\r\n.\r\n")).code == 250
    assert dict(rig.sink.messages[0].xforward) == {}


async def test_what_is_behind_starttls_is_never_a_command(rig: Rig, authority: Authority) -> None:
    peer = await rig.client(await listener(rig, entry(authority)))
    assert (await peer.ask(b"STARTTLS\r\nEHLO evil.test\r\nMAIL FROM:<evil@x.test>\r\n")).code == 220
    await peer.writer.start_tls(
        client(Pem(authority=authority.file), verified=True), server_hostname="127.0.0.1"
    )
    assert (await peer.ask(b"RCPT TO:<b@x.test>\r\n")).code == 503
    assert (await peer.ask(b"NOOP\r\n")).code == 250


async def test_required_tls_takes_no_mail_in_the_clear(rig: Rig, authority: Authority) -> None:
    peer = await rig.client(await listener(rig, entry(authority, "required")))
    assert await peer.codes(MAIL, 3) == [450, 450, 450]
    await over_tls(peer, authority)
    assert (await peer.ask(EHLO)).code == 250
    assert await peer.codes(MAIL, 3) == [250, 250, 354]


async def test_a_handshake_that_hangs_ends(rig: Rig, authority: Authority) -> None:
    peer = await rig.client(await listener(rig, entry(authority), patience=0.2))
    assert (await peer.ask(b"STARTTLS\r\n")).code == 220
    async with asyncio.timeout(20):
        assert await peer.closed()


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
async def test_modern_versions_are_spoken(rig: Rig, authority: Authority, version: ssl.TLSVersion) -> None:
    peer = await rig.client(await listener(rig, entry(authority)))
    assert (await peer.ask(b"STARTTLS\r\n")).code == 220
    context = client(Pem(authority=authority.file), verified=True)
    context.minimum_version = context.maximum_version = version
    await peer.writer.start_tls(context, server_hostname="127.0.0.1")
    assert (await peer.ask(EHLO)).code == 250


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion.TLSv1_1 is deprecated")
async def test_old_versions_are_not_spoken(rig: Rig, authority: Authority) -> None:
    peer = await rig.client(await listener(rig, entry(authority)))
    assert (await peer.ask(b"STARTTLS\r\n")).code == 220
    context = client(Pem(authority=authority.file), verified=True)
    context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_1
    context.set_ciphers("DEFAULT@SECLEVEL=0")
    with pytest.raises((ssl.SSLError, ConnectionError)):
        await peer.writer.start_tls(context, server_hostname="127.0.0.1")


@pytest.mark.parametrize("verb", ["GET", "POST", "PUT", "HEAD", "CONNECT", "OPTIONS", "DELETE", "PRI"])
@pytest.mark.parametrize("hello", [b"", EHLO])
async def test_http_closes_the_connection(rig: Rig, authority: Authority, verb: str, hello: bytes) -> None:
    peer = await rig.client(await listener(rig, entry(authority)), hello)
    await peer.say(verb.encode() + b" / HTTP/1.1\r\nHost: x\r\n\r\nEHLO x\r\n" + MAIL)
    assert await peer.closed()


# --- who may come in ----------------------------------------------------------------------------------------------


async def test_a_stranger_without_a_way_in_is_sent_away(rig: Rig, authority: Authority) -> None:
    peer = await rig.connect(await listener(rig, entry(authority), NOBODY))
    assert (await peer.hear())[0].code == 421


async def test_a_stranger_hands_in_mail_only_after_a_login(
    rig: Rig, authority: Authority, passwords: str
) -> None:
    peer = await rig.client(await listener(rig, entry(authority, passwords=passwords), NOBODY))
    hello = await peer.ask(EHLO)
    assert not any(line.startswith((b"AUTH", b"XFORWARD")) for line in hello.lines)
    assert await peer.codes(MAIL, 3) == [450, 450, 450]
    assert (await peer.ask(PLAIN)).code == 538
    await over_tls(peer, authority)
    assert b"AUTH PLAIN LOGIN" in (await peer.ask(EHLO)).lines
    assert await peer.codes(MAIL, 3) == [450, 450, 450]
    assert (await peer.ask(PLAIN)).code == 235
    assert (await peer.ask(PLAIN)).code == 503
    assert (await peer.ask(b"XFORWARD ADDR=10.0.0.1\r\n")).code == 550
    assert await peer.codes(b"MAIL FROM:<a@x.test> AUTH=<>\r\nRCPT TO:<b@x.test>\r\nDATA\r\n", 3) == [
        *(250, 250, 354)
    ]
    assert (await peer.ask(b"hello\r\n.\r\n")).code == 250
    (message,) = rig.sink.messages
    assert message.mail.argument == b"<a@x.test>"
    assert dict(message.xforward) == {}


async def test_login_by_steps(rig: Rig, authority: Authority, passwords: str) -> None:
    peer = await rig.client(await listener(rig, entry(authority, passwords=passwords), NOBODY))
    await over_tls(peer, authority)
    await peer.ask(EHLO)
    assert (await peer.ask(b"AUTH LOGIN\r\n")).lines == (b"VXNlcm5hbWU6",)
    assert (await peer.ask(b"Ym9i\r\n")).lines == (b"UGFzc3dvcmQ6",)
    assert (await peer.ask(b"*\r\n")).code == 501
    assert await peer.codes(b"AUTH LOGIN\r\nYm9i\r\naHVudGVyMg==\r\n", 3) == [334, 334, 235]


async def test_guessing_is_cut_off_and_tells_nothing(rig: Rig, authority: Authority, passwords: str) -> None:
    peer = await rig.client(await listener(rig, entry(authority, passwords=passwords), NOBODY))
    await over_tls(peer, authority)
    await peer.ask(EHLO)
    wrong = await peer.ask(b"AUTH PLAIN AGJvYgBodW50ZXIz\r\n")  # bob
    unknown = await peer.ask(b"AUTH PLAIN AGV2ZQBodW50ZXIy\r\n")  # eve
    assert wrong == unknown
    assert wrong.code == 535
    assert (await peer.ask(b"AUTH PLAIN AGJvYgBodW50ZXIz\r\n")).code == 421
    assert await peer.closed()


async def test_a_file_that_cannot_be_read_puts_logins_off(
    rig: Rig, authority: Authority, passwords: str
) -> None:
    peer = await rig.client(await listener(rig, entry(authority, passwords=passwords), NOBODY))
    await over_tls(peer, authority)
    await peer.ask(EHLO)
    os.unlink(passwords)
    assert [(await peer.ask(PLAIN)).code for _ in range(3)] == [454, 454, 421]
    assert await peer.closed()


async def test_logins_that_are_none_are_tries_too(rig: Rig, authority: Authority, passwords: str) -> None:
    peer = await rig.client(await listener(rig, entry(authority, passwords=passwords), NOBODY))
    await over_tls(peer, authority)
    await peer.ask(EHLO)
    assert [(await peer.ask(b"AUTH PLAIN !\r\n")).code for _ in range(3)] == [501, 501, 421]
    assert await peer.closed()


async def test_a_certificate_lets_in(rig: Rig, authority: Authority) -> None:
    there = await listener(rig, entry(authority, client_ca=authority.file), NOBODY)
    peer = await over_tls(await rig.client(there), authority)
    await peer.ask(EHLO)
    assert (await peer.ask(b"MAIL FROM:<a@x.test>\r\n")).code == 450
    own = authority.pem("branch.test", file="branch")
    peer = await over_tls(await rig.client(there), authority, own)
    await peer.ask(EHLO)
    assert (await peer.ask(b"MAIL FROM:<a@x.test>\r\n")).code == 250


async def test_a_certificate_of_another_authority_does_not(
    rig: Rig, authority: Authority, tmp_path: Path
) -> None:
    there = await listener(rig, entry(authority, client_ca=authority.file), NOBODY)
    other = Authority(tmp_path, "other").pem("branch.test", file="foreign")
    peer = await rig.client(there)
    # Under TLS 1.3 the client learns it only when it reads.
    with pytest.raises((OSError, EOFError)):
        await _greeted(peer, authority, other)


async def _greeted(peer: Peer, authority: Authority, own: Pem) -> None:
    await over_tls(peer, authority, own)
    await peer.ask(EHLO)


async def test_strangers_do_not_take_all_places(rig: Rig, authority: Authority, passwords: str) -> None:
    there = await listener(rig, entry(authority, passwords=passwords), NOBODY, most=4)
    first = await rig.client(there)
    peer = await rig.connect(there)
    assert (await peer.hear())[0].code == 421
    # Who has logged in is none any more.
    await over_tls(first, authority)
    await first.ask(EHLO)
    assert (await first.ask(PLAIN)).code == 235
    await rig.client(there)


async def test_a_stranger_does_not_take_the_places_of_others(
    rig: Rig, authority: Authority, passwords: str
) -> None:
    there = await listener(rig, entry(authority, passwords=passwords), NOBODY, most=80)
    for _ in range(2):
        await rig.client(there)
    assert (await (await rig.connect(there)).hear())[0] == replies.TOO_MANY_FROM_YOU
    reader, writer = await asyncio.open_connection("127.0.0.1", there.port, local_addr=("127.0.0.5", 0))
    assert (await reader.readline()).startswith(b"220 ")
    writer.close()


async def test_a_stranger_who_lingers_makes_room(
    rig: Rig, authority: Authority, passwords: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(smtp, "IDLE", -1.0)
    there = await listener(rig, entry(authority, passwords=passwords), NOBODY, most=4)
    first = await rig.client(there)
    await rig.client(there)
    assert (await first.hear())[0] == replies.MADE_ROOM
    assert await first.closed()


async def test_a_handshake_that_fails_is_told_once(
    rig: Rig, authority: Authority, caplog: pytest.LogCaptureFixture
) -> None:
    there = await listener(rig, entry(authority))
    for _ in range(5):
        peer = await rig.client(there)
        assert (await peer.ask(b"STARTTLS\r\n")).code == 220
        await peer.say(b"no handshake\r\n")
        assert await peer.closed()
    assert caplog.text.count("no TLS: ") == 1


# --- certificates that change ------------------------------------------------------------------------------------


def renewed(file: str, content: bytes) -> None:
    """As a client of ACME does it: a new file in place of the old one."""
    Path(f"{file}.new").write_bytes(content)
    os.replace(f"{file}.new", file)


def test_a_renewed_certificate_is_used_at_once(authority: Authority) -> None:
    pem = authority.pem()
    held = kept(pem)
    first = held.context()
    assert held.context() is first
    authority.pem(days=10)
    assert held.context() is not first


def test_a_broken_pair_keeps_the_old_one_and_says_so(
    authority: Authority, caplog: pytest.LogCaptureFixture
) -> None:
    pem = authority.pem()
    held = kept(pem)
    first, certificate = held.context(), Path(pem.certificate).read_bytes()
    other = authority.pem(file="other")
    renewed(pem.certificate, Path(other.certificate).read_bytes())
    assert held.context() is first
    assert held.context() is first
    assert [record.levelname for record in caplog.records] == ["ERROR"]
    assert "do not belong together" in caplog.text
    renewed(pem.certificate, certificate)
    assert held.context() is not first


def test_an_expired_pair_keeps_the_one_that_is_valid(
    authority: Authority, caplog: pytest.LogCaptureFixture
) -> None:
    held = kept(authority.pem())
    first = held.context()
    authority.pem(days=-1)
    assert held.context() is first
    assert [record.levelname for record in caplog.records] == ["ERROR"]
    assert "has expired, and the one before has not" in caplog.text
    authority.pem(days=10)
    assert held.context() is not first


def test_an_expired_pair_is_used_in_place_of_an_expired_one(authority: Authority) -> None:
    held = kept(authority.pem(days=-2))
    first = held.context()
    authority.pem(days=-1)
    assert held.context() is not first


def test_what_cannot_be_used_is_named(authority: Authority, tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match="No such file"):
        server(Pem(str(tmp_path / "none.pem")))
    (tmp_path / "empty.pem").write_text("")
    with pytest.raises(Misconfigured, match=r"empty\.pem"):
        server(Pem(str(tmp_path / "empty.pem")))


# --- out ----------------------------------------------------------------------------------------------------------


def safety(
    tls: Literal["starttls", "implicit", "opportunistic"],
    pem: Pem,
    name: str = "127.0.0.1",
    credentials: Credentials | None = None,
) -> Safety:
    verified = tls != "opportunistic"
    return Safety(tls, lambda: client(pem, verified=verified), name, credentials)


async def asked(rig: Rig, port: int, how: Safety) -> Pool:
    pool = Pool("127.0.0.1", port, hostname="mailhook.test", connect_timeout=10, safety=how)
    rig.stack.push_async_callback(pool.close)
    return pool


async def test_mail_goes_out_by_tls_with_a_login(rig: Rig, authority: Authority, passwords: str) -> None:
    from tests.dialogs.conftest import PassThrough  # noqa: PLC0415

    there = await listener(rig, entry(authority, "required", passwords), NOBODY)
    how = safety("starttls", Pem(authority=authority.file), credentials=Credentials("bob", "hunter2"))
    here = await rig.listener(PassThrough(await asked(rig, there.port, how)))
    peer = await rig.client(here)
    for number in (1, 2):
        assert await peer.codes(MAIL, 3) == [250, 250, 354]
        assert (await peer.ask(b"x" * 300_000 + b"\r\n.\r\n")).code == 250
        assert len(rig.sink.messages) == number
    capabilities = await PassThrough(await asked(rig, there.port, how)).capabilities()
    assert "STARTTLS" not in capabilities
    assert "AUTH" in capabilities


How = Callable[[Authority], Safety]


@pytest.mark.parametrize(
    ("how", "said"),
    [
        (lambda ca: safety("starttls", Pem()), "certificate verify failed"),
        (lambda ca: safety("starttls", Pem(authority=ca.file), "other.test"), "not valid for 'other.test'"),
        (
            lambda ca: safety("starttls", Pem(authority=ca.file), credentials=Credentials("bob", "no")),
            "refuses our login: 535",
        ),
    ],
    ids=["unknown authority", "other name", "wrong password"],
)
async def test_a_next_hop_that_is_not_trusted(
    rig: Rig, authority: Authority, passwords: str, how: How, said: str
) -> None:
    there = await listener(rig, entry(authority, passwords=passwords), LOCAL)
    pool = await asked(rig, there.port, how(authority))
    with pytest.raises(Temporary, match=said):
        await pool.capabilities()


def hop_saying(*answers: bytes) -> Hop:
    """A next hop that greets, and answers each line with the next of `answers`."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 hop.test ESMTP\r\n")
        for answer in answers:
            await reader.readline()
            writer.write(answer)
        await reader.read()

    return talk


OFFERS = b"250-hop.test\r\n250 STARTTLS\r\n"


@pytest.mark.parametrize(
    ("answers", "said"),
    [
        ([b"250 hop.test\r\n"], "offers no STARTTLS"),
        ([OFFERS, b"454 no\r\n"], "refuses STARTTLS: 454"),
        ([OFFERS, b"220 go\r\n250-hop.test\r\n250 AUTH PLAIN\r\n"], "behind its answer to STARTTLS"),
        ([OFFERS, b"220 go\r\n250-ho"], "behind its answer to STARTTLS"),
        ([b"500 no\r\n", b"250 hop.test\r\n"], "offers no STARTTLS"),
    ],
)
async def test_nobody_talks_us_out_of_tls(
    rig: Rig, authority: Authority, answers: list[bytes], said: str
) -> None:
    port = await rig.hop_port(hop_saying(*answers))
    pool = await asked(
        rig,
        port,
        safety("starttls", Pem(authority=authority.file), credentials=Credentials("bob", "hunter2")),
    )
    with pytest.raises(Temporary, match=said):
        await pool.capabilities()


async def test_a_next_hop_that_hangs_in_the_handshake(rig: Rig, authority: Authority) -> None:
    port = await rig.hop_port(hop_saying(OFFERS, b"220 go\r\n"))
    how = safety("starttls", Pem(authority=authority.file))
    pool = Pool("127.0.0.1", port, hostname="mailhook.test", connect_timeout=0.3, safety=how)
    rig.stack.push_async_callback(pool.close)
    async with asyncio.timeout(20):
        with pytest.raises(Temporary, match="no TLS"):
            await pool.capabilities()


async def test_opportunistic_tls(rig: Rig, authority: Authority) -> None:
    there = await listener(rig, entry(authority), LOCAL)
    pool = await asked(rig, there.port, safety("opportunistic", Pem()))
    assert "STARTTLS" not in await pool.capabilities()
    plain = await asked(rig, rig.sink.port, safety("opportunistic", Pem()))
    assert "PIPELINING" in await plain.capabilities()


async def test_implicit_tls(rig: Rig, authority: Authority) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 hop.test ESMTP\r\n")
        await reader.readline()
        writer.write(b"250-hop.test\r\n250 SIZE 7\r\n")
        await reader.read()
        writer.close()

    there = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=server(authority.pem()))
    rig.stack.callback(there.close)
    port = there.sockets[0].getsockname()[1]
    pool = await asked(rig, port, safety("implicit", Pem(authority=authority.file)))
    assert (await pool.capabilities()).size == 7
    untrusted = await asked(rig, port, safety("implicit", Pem()))
    with pytest.raises(Temporary, match="certificate verify failed"):
        await untrusted.capabilities()
