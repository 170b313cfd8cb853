"""Clients that take more than their share: others are served, nothing is refused for good, memory is bounded."""

from __future__ import annotations

import asyncio
import logging
import resource
import socket
from typing import TYPE_CHECKING

import pytest

from mailhook.front import descriptors, dialogue, intake, smtp
from mailhook.front.dialogue import Terms
from mailhook.front.limits import Limits
from mailhook.smtp import replies
from mailhook.smtp.commands import Rcpt
from mailhook.smtp.replies import Reply, reply
from tests.dialogs.conftest import PassThrough

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mailhook.front.smtp import Listener
    from tests.dialogs.conftest import Peer, Rig

ENVELOPE = b"MAIL FROM:<a@x.test>\r\nRCPT TO:<b@x.test>\r\nDATA\r\n"
MIB = 1 << 20


async def limited(rig: Rig, **limits: int) -> tuple[Listener, PassThrough]:
    peer, reception = await rig.through(Terms("mailhook.test", limits=Limits(**limits)))
    assert (await peer.ask(b"QUIT\r\n")).code == 221
    assert await peer.closed()
    return rig.listeners[0], reception


async def served(rig: Rig, peer: Peer) -> None:
    """A mail of this client goes through."""
    before = len(rig.sink.messages)
    assert await peer.codes(ENVELOPE, 3) == [250, 250, 354]
    assert (await peer.ask(b"x\r\n.\r\n")).code == 250
    assert len(rig.sink.messages) == before + 1


async def refused(rig: Rig, listener: Listener) -> Reply:
    peer = await rig.connect(listener)
    said = (await peer.hear())[0]
    assert await peer.closed()
    return said


async def endlessly(peer: Peer, line: bytes) -> None:
    async with asyncio.timeout(20):
        while True:
            await peer.say(line * 10_000)


# --- connections


async def test_connections_of_one_peer_are_bounded(rig: Rig, caplog: pytest.LogCaptureFixture) -> None:
    listener, _ = await limited(rig, max_connections_per_peer=3)
    first, *_ = [await rig.client(listener) for _ in range(3)]
    assert [await refused(rig, listener) for _ in range(20)] == [replies.TOO_MANY_FROM_YOU] * 20
    assert caplog.text.count("refused") == 1
    await served(rig, first)


@pytest.mark.parametrize("limit", ["max_connections", "max_connections_per_peer"])
async def test_idle_connections_make_room(rig: Rig, monkeypatch: pytest.MonkeyPatch, limit: str) -> None:
    monkeypatch.setattr(smtp, "IDLE", -1.0)
    listener, reception = await limited(rig, **{limit: 3})
    amid, loris, idle = [await rig.client(listener) for _ in range(3)]
    assert (await amid.ask(b"MAIL FROM:<a@x>\r\n")).code == 250
    # Half a command is as idle as none.
    await loris.say(b"MAIL FR")
    assert (await idle.ask(b"NOOP\r\n")).code == 250
    newcomer = await rig.client(listener)
    assert (await loris.hear())[0] == replies.MADE_ROOM
    await served(rig, newcomer)
    # A mail that is under way is never cut off.
    assert await amid.codes(b"RCPT TO:<b@x>\r\nDATA\r\n", 2) == [250, 354]
    assert (await amid.ask(b".\r\n")).code == 250
    assert reception.deliveries.qsize() == 2


async def test_who_speaks_is_not_idle(rig: Rig) -> None:
    listener, _ = await limited(rig, max_connections=2)
    peers = [await rig.client(listener) for _ in range(2)]
    assert await refused(rig, listener) == replies.TOO_MANY_CONNECTIONS
    for peer in peers:
        await served(rig, peer)


def unconnected() -> socket.socket:
    sock = socket.socket()
    sock.setblocking(False)
    return sock


@pytest.fixture
def few_descriptors() -> Iterator[None]:
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


async def test_without_descriptors_others_are_served_and_it_is_told_once(
    rig: Rig, caplog: pytest.LogCaptureFixture, few_descriptors: None
) -> None:
    loop = asyncio.get_running_loop()
    descriptors.survive(loop)
    listener, _ = await limited(rig)
    first = await rig.client(listener)
    await served(rig, first)
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    # The lowest free descriptor is the limit: not one connection more can be accepted.
    probe = await asyncio.open_connection("127.0.0.1", listener.port)
    assert (await probe[0].readline()).startswith(b"220 ")
    told = asyncio.Event()

    class Telling(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            told.set()

    handler = Telling()
    logging.getLogger("mailhook.front.descriptors").addHandler(handler)
    waiting = [unconnected() for _ in range(3)]
    lowest = waiting[-1].fileno() + 1
    resource.setrlimit(resource.RLIMIT_NOFILE, (lowest, hard))
    for sock in waiting:
        await loop.sock_connect(sock, ("127.0.0.1", listener.port))
    await told.wait()
    await served(rig, first)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(lowest + 100, hard), hard))
    for sock in waiting:
        assert (await loop.sock_recv(sock, 100)).startswith(b"220 ")
        sock.close()
    logging.getLogger("mailhook.front.descriptors").removeHandler(handler)
    probe[1].close()
    assert caplog.text.count("cannot accept") == 1
    assert "Traceback" not in caplog.text


def test_descriptors_are_provided_up_to_the_hard_limit(few_descriptors: None) -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (512, hard))
    assert descriptors.provide(600) == 600
    assert resource.getrlimit(resource.RLIMIT_NOFILE)[0] == 600 + descriptors.SPARE
    assert descriptors.provide(hard + 1) == hard - descriptors.SPARE


# --- time


@pytest.mark.parametrize(
    "begin", [b"", b"MAIL FROM:<a@x>\r\nRC", ENVELOPE + b"Subject: "], ids=["command", "amid", "content"]
)
async def test_a_client_that_trickles_is_sent_away(rig: Rig, begin: bytes) -> None:
    peer, _ = await rig.through(Terms("mailhook.test", timeout=0.5))

    async def trickle() -> None:
        await peer.say(begin)
        while True:
            await peer.say(b"x")
            await asyncio.sleep(0.05)

    trickling = asyncio.create_task(trickle())
    try:
        async with asyncio.timeout(10):
            said = await peer.hear(1 + begin.count(b"\r\n"))
    finally:
        trickling.cancel()
        await asyncio.gather(trickling, return_exceptions=True)
    assert said[-1] == replies.CLIENT_TIMEOUT
    assert rig.sink.messages == []


async def test_a_client_that_never_reads_is_cut_off(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    peer, _ = await rig.through(Terms("mailhook.test", timeout=0.5))
    peer.writer.transport.pause_reading()  # type: ignore[attr-defined]
    with pytest.raises(ConnectionError):
        await endlessly(peer, b"VRFY x\r\n")
    assert rig.listeners[0].connections == 0


# --- floods


async def test_a_flood_of_commands_leaves_others_their_turn(rig: Rig) -> None:
    flooding, _ = await rig.through()
    other = await rig.client(rig.listeners[0])
    await flooding.say(b"NOOP\r\n" * 100_000)
    await served(rig, other)
    assert {said.code for said in await flooding.hear(100_000)} == {250}


async def test_a_flood_of_errors_ends(rig: Rig) -> None:
    peer, _ = await rig.through()
    await peer.say(b"what?\r\n" * dialogue.MAX_FAULTS)
    assert (await peer.hear(dialogue.MAX_FAULTS))[-1] == replies.TOO_MANY_FAULTS
    assert await peer.closed()


async def test_a_thousand_recipients_with_their_own_replies(rig: Rig) -> None:
    no = reply(450, "4.2.0 later")
    rig.sink.answer = lambda said: no if isinstance(said, Rcpt) and b"7" in said.argument else None
    peer, _ = await rig.through()
    count = 1000
    await peer.say(b"MAIL FROM:<a@x>\r\n" + b"".join(b"RCPT TO:<r%d@x>\r\n" % n for n in range(count)))
    said = await peer.hear(1 + count)
    assert [each.code for each in said[1:]] == [450 if "7" in str(n) else 250 for n in range(count)]
    assert (await peer.ask(b"DATA\r\n")).code == 354
    assert (await peer.ask(b".\r\n")).code == 250
    assert len(rig.sink.messages[0].recipients) == sum("7" not in str(n) for n in range(count))


async def test_too_many_recipients_are_for_another_transaction(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dialogue, "MAX_RECIPIENTS", 10)
    peer, _ = await rig.through()
    for _ in range(2):
        await peer.say(b"MAIL FROM:<a@x>\r\n" + b"RCPT TO:<b@x>\r\n" * 12 + b"DATA\r\n")
        said = await peer.hear(14)
        assert said[11:13] == [replies.TOO_MANY_RECIPIENTS] * 2
        assert [each.code for each in (*said[:11], said[13])] == [250] * 11 + [354]
        assert (await peer.ask(b".\r\n")).code == 250
    assert [len(message.recipients) for message in rig.sink.messages] == [10, 10]


async def test_recipients_that_do_not_fit_into_memory_wait(rig: Rig) -> None:
    listener, _ = await limited(rig, max_in_flight=80_000)
    greedy, other = await rig.client(listener), await rig.client(listener)
    await greedy.say(b"MAIL FROM:<a@x>\r\n" + b"RCPT TO:<%s@x>\r\n" % (b"b" * 1000) * 12)
    said = [each.code for each in await greedy.hear(13)]
    assert said == [250] * 10 + [452] * 3
    assert (await other.ask(b"MAIL FROM:<%s@x>\r\n" % (b"a" * 1000))).code == 452
    assert (await greedy.ask(b"RSET\r\n")).code == 250
    await served(rig, other)


async def test_one_transaction_too_many_comes_again(rig: Rig) -> None:
    listener, _ = await limited(rig, max_transactions=1)
    first, second = await rig.client(listener), await rig.client(listener)
    assert (await first.ask(b"MAIL FROM:<a@x>\r\n")).code == 250
    await second.say(b"MAIL FROM:<a@x>\r\nRCPT TO:<b@x>\r\nDATA\r\n")
    assert await second.hear(3) == [*[replies.TOO_MANY_TRANSACTIONS] * 2, replies.MAIL_FIRST]
    assert await first.codes(b"QUIT\r\n", 1) == [221]
    assert await first.closed()
    await served(rig, second)


@pytest.mark.parametrize("how", ["command", "content"])
async def test_a_client_that_lets_its_mail_wait_keeps_no_session_from_others(
    rig: Rig, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    monkeypatch.setattr(smtp, "IDLE", -1.0 if how == "command" else 10.0)
    monkeypatch.setattr(smtp, "SLOW", -1.0)
    pool = await rig.pool(await rig.sink_port(), limit=1)
    terms = Terms("mailhook.test", limits=Limits(sessions=1))
    listener = await rig.listener(PassThrough(pool), terms)
    stalling, other = await rig.client(listener), await rig.client(listener)
    if how == "command":
        assert (await stalling.ask(b"MAIL FROM:<a@x>\r\n")).code == 250
    else:
        assert await stalling.codes(ENVELOPE, 3) == [250, 250, 354]
    await served(rig, other)
    assert (await stalling.hear())[0] == replies.MADE_ROOM


async def test_noop_does_not_keep_a_session_from_others(rig: Rig) -> None:
    listener, _ = await limited(rig)
    peer = await rig.client(listener)
    assert (await peer.ask(b"MAIL FROM:<a@x>\r\n")).code == 250
    (connection,) = listener.admission.guests
    before = connection.since
    assert await peer.codes(b"NOOP\r\nVRFY a\r\nHELP\r\nFOO\r\n", 4) == [250, 252, 214, 500]
    assert connection.since == before
    assert (await peer.ask(b"RCPT TO:<b@x>\r\n")).code == 250
    assert connection.since > before


# --- octets


async def test_content_that_does_not_fit_into_memory_is_served_from_files(rig: Rig) -> None:
    listener, _ = await limited(rig, max_in_flight=100_000)
    peers = [await rig.client(listener) for _ in range(10)]
    body = b"x" * 98 + b"\r\n"
    for peer in peers:
        assert await peer.codes(ENVELOPE, 3) == [250, 250, 354]
        await peer.say(body * 900)
    for peer in peers:
        assert (await peer.ask(b".\r\n")).code == 250
    assert [message.wire for message in rig.sink.messages] == [body * 900] * 10


async def test_a_refused_message_without_end_is_not_read_for_ever(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(intake, "MAX_DISCARDED", 10 * MIB)
    rig.sink.extensions = ("PIPELINING", "SIZE 1000")
    peer, _ = await rig.through()
    assert await peer.codes(ENVELOPE, 3) == [250, 250, 354]
    with pytest.raises(ConnectionError):
        await endlessly(peer, b"X-Endless: header\r\n")
    assert rig.sink.messages == []
    await served(rig, await rig.client(rig.listeners[0]))
