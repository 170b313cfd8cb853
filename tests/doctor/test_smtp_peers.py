"""The listener and the next hop: healthy ones, dead ones, and such as refuse."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from ipaddress import ip_network
from pathlib import Path

import pytest

from mailhook.app import running
from mailhook.doctor import Level, examine, hop, listener
from mailhook.front.sink import Answer, Sink, accept
from mailhook.smtp import commands
from mailhook.smtp.ehlo import Capabilities
from mailhook.smtp.replies import reply
from tests.authority import Authority
from tests.doctor.rig import PATIENCE, Site, changed, server

OK, WARNING, FAILURE = Level.OK, Level.WARNING, Level.FAILURE


# --- the listener --------------------------------------------------------------------------------------------


ONE, SOME = ip_network("192.0.2.17/32"), ip_network("10.1.0.0/16")
LOOPBACK = (ip_network("127.0.0.0/8"), ip_network("::1/128"))


@pytest.mark.parametrize(
    ("loopback", "allow", "level", "said"),
    [
        (True, LOOPBACK, OK, "only this machine can reach"),
        (True, (SOME,), OK, "only this machine can reach"),
        (False, LOOPBACK, WARNING, "turns away all but this machine"),
        (False, (*LOOPBACK, ONE), OK, "takes mail from 192.0.2.17/32 only"),
        (False, (*LOOPBACK, ONE, SOME), WARNING, "65537 addresses (192.0.2.17/32, 10.1.0.0/16)"),
    ],
)
def test_exposure(loopback: bool, allow: listener.Networks, level: Level, said: str) -> None:
    found = listener.exposed("192.0.2.1", loopback, allow)
    assert (found.level, said in found.sentence) == (level, True), found


@pytest.mark.parametrize(
    ("host", "level"),
    [("127.0.0.1", OK), ("0.0.0.0", WARNING), ("192.0.2.1", FAILURE), ("no.such.host.invalid", FAILURE)],
)
async def test_exposure_of_an_address(site: Site, host: str, level: Level) -> None:
    listen = site.settings.listen.model_copy(update={"host": host})
    assert (await site.finding("exposure", listen=listen)).level is level


async def test_nobody_listens(site: Site, dead_port: int) -> None:
    listen = site.settings.listen.model_copy(update={"port": dead_port})
    found = await site.finding("listener", listen=listen)
    assert (found.level, "Connection refused" in found.sentence) == (WARNING, True)
    any_port = site.settings.listen.model_copy(update={"port": 0})
    assert (await site.finding("listener", listen=any_port)).level is WARNING


async def test_somebody_else_listens(site: Site) -> None:
    listen = site.settings.listen.model_copy(update={"port": site.sink.port})
    found = await site.finding("listener", listen=listen)
    assert (found.level, "220 sink ESMTP" in found.sentence) == (FAILURE, True)


async def test_a_listener_everywhere_is_found_on_loopback(site: Site) -> None:
    listen = site.settings.listen.model_copy(update={"host": "0.0.0.0"})
    assert (await site.finding("listener", listen=listen)).level is OK


async def test_a_listener_that_does_not_let_us_in(site: Site, tmp_path: Path) -> None:
    strict = site.settings.listen.model_copy(update={"allow": (SOME,), "port": 0})
    async with running(changed(site.settings, listen=strict)) as app:
        there = strict.model_copy(update={"port": app.listener.port})
        found = await site.finding("listener", listen=there)
    assert (found.level, "does not let this machine" in found.sentence) == (WARNING, True)


# --- the next hop --------------------------------------------------------------------------------------------


@asynccontextmanager
async def next_hop(answer: Answer = accept, extensions: Sequence[str] | None = None) -> AsyncIterator[Sink]:
    sink = Sink(answer) if extensions is None else Sink(answer, tuple(extensions))
    await sink.start()
    try:
        yield sink
    finally:
        await sink.close()


def refusing(kinds: type | tuple[type, ...], code: int) -> Answer:
    return lambda said: reply(code, "no") if isinstance(said, kinds) else None


@pytest.mark.parametrize(
    ("kinds", "said"),
    [
        ((commands.Mail,), "refuses mail from us: 530 no"),
        ((commands.Ehlo, commands.Helo), "refuses the name mailhook.test: 530 no"),
    ],
)
async def test_a_next_hop_that_refuses(site: Site, kinds: tuple[type, ...], said: str) -> None:
    async with next_hop(refusing(kinds, 530)) as sink:
        there = site.settings.nexthop.model_copy(update={"port": sink.port})
        found = await site.finding("next hop", nexthop=there)
        assert (found.level, said in found.sentence) == (FAILURE, True), found
        assert "docs/postfix.md" in found.advice


async def test_a_next_hop_that_knows_only_helo(site: Site) -> None:
    async with next_hop(refusing(commands.Ehlo, 502)) as sink:
        there = site.settings.nexthop.model_copy(update={"port": sink.port})
        assert (await site.finding("next hop", nexthop=there)).level is OK
        limits = await site.finding("next hop's limits", nexthop=there)
    assert limits.level is WARNING
    assert all(word in limits.sentence for word in ("SIZE", "8BITMIME", "SMTPUTF8", "XFORWARD"))


async def test_a_next_hop_that_is_not_there(site: Site, dead_port: int) -> None:
    there = site.settings.nexthop.model_copy(update={"port": dead_port})
    found = await site.finding("next hop", nexthop=there)
    assert (found.level, found.sentence) == (
        FAILURE,
        f"127.0.0.1:{dead_port}: no connection: Connection refused",
    )


@pytest.mark.parametrize(
    ("bytes_", "said"), [(b"HTTP/1.1 400\r\n", "not an SMTP reply"), (b"", "without an answer")]
)
async def test_a_next_hop_that_speaks_no_smtp(site: Site, bytes_: bytes, said: str) -> None:
    async def talk(writer: asyncio.StreamWriter) -> None:
        writer.write(bytes_)
        writer.close()

    async with server(talk) as port:
        there = site.settings.nexthop.model_copy(update={"port": port})
        found = await site.finding("next hop", nexthop=there)
    assert (found.level, said in found.sentence) == (FAILURE, True), found


async def test_a_loop(site: Site) -> None:
    there = site.settings.nexthop.model_copy(update={"port": site.settings.listen.port})
    found = await site.finding("next hop", nexthop=there)
    assert (found.level, "is mailhook itself" in found.sentence) == (FAILURE, True)
    listen = site.settings.listen.model_copy(update={"hostname": "another.test"})
    found = await site.finding("next hop", nexthop=there, listen=listen)
    assert (found.level, "is a mailhook (mailhook.test)" in found.sentence) == (FAILURE, True)


ALL = dict.fromkeys(("PIPELINING", "8BITMIME", "SMTPUTF8", "DSN", "XFORWARD"), b"")


@pytest.mark.parametrize(
    ("size", "max_size", "level", "said"),
    [
        (b"40000000", 0, OK, "mail of up to 40000000 octets"),
        (b"0", 0, OK, "mail of any size"),
        (b"", 50_000_000, OK, "mail of any size"),
        (b"40000000", 50_000_000, WARNING, "listen.max_size is 50000000 octets"),
        (b"1000000", 0, WARNING, "the largest mail that it takes has 1000000 octets"),
    ],
)
def test_limits(size: bytes, max_size: int, level: Level, said: str) -> None:
    (found,) = hop.limits(Capabilities({**ALL, "SIZE": size}), max_size)
    assert (found.level, said in found.sentence) == (level, True), found


@pytest.mark.parametrize("tls", ["starttls", "implicit"])
async def test_a_next_hop_without_the_tls_that_is_asked_for(site: Site, tls: str) -> None:
    there = site.settings.nexthop.model_copy(update={"tls": tls})
    found = await site.finding("next hop", nexthop=there, patience=3.0)
    assert found.level is FAILURE, found


async def test_tls_of_the_listener_is_tried(site: Site, tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    pem = authority.pem()
    secure = {"starttls": "required", "tls_cert": pem.certificate, "tls_key": pem.key, "port": 0}
    store = site.settings.store.model_copy(update={"path": str(tmp_path / "other.db")})
    listen = site.settings.listen.model_copy(update=secure)
    async with running(changed(site.settings, listen=listen, store=store)) as app:
        here = listen.model_copy(update={"port": app.listener.port})
        found = await examine(changed(site.settings, listen=here), (), PATIENCE)
        told = [each for each in found if each.subject == "listener"]
        assert [each.level for each in told] == [OK, OK]
        assert "TLSv1.3" in told[1].sentence
