"""The listener when something goes wrong: clients that vanish, faults of ours, limits, and the end of service."""

from __future__ import annotations

import asyncio
import io
import logging
import socket
import tempfile
from collections.abc import Sequence
from typing import TYPE_CHECKING

import pytest

from mailhook.errors import Temporary
from mailhook.front import smtp
from mailhook.front.dialogue import Terms
from mailhook.front.limits import Limits
from mailhook.front.smtp import Listener
from mailhook.ports import Answered, Client, Content
from mailhook.smtp import replies
from mailhook.smtp.commands import Mail, Rcpt
from mailhook.smtp.ehlo import Capabilities
from mailhook.smtp.replies import Reply, reply

if TYPE_CHECKING:
    from tests.dialogs.conftest import Peer, Rig

ENVELOPE = b"MAIL FROM:<a@x.test>\r\nRCPT TO:<b@x.test>\r\nDATA\r\n"


async def begin(peer: Peer) -> None:
    assert await peer.codes(ENVELOPE, 3) == [250, 250, 354]


# --- clients that go


async def test_a_client_that_half_closes_gets_its_reply_however_long_it_takes(rig: Rig) -> None:
    peer, reception = await rig.through()
    reception.gate.clear()
    await begin(peer)
    await peer.say(b"x\r\n.\r\n")
    peer.writer.write_eof()
    await reception.waiting.wait()
    reception.gate.set()
    assert (await peer.hear())[0].code == 250
    assert await peer.closed()


async def test_a_client_cut_off_behind_the_dot_does_not_stop_its_mail(rig: Rig) -> None:
    peer, reception = await rig.through()
    reception.gate.clear()
    await begin(peer)
    await peer.say(b"x\r\n.\r\n")
    await reception.waiting.wait()
    peer.reset()
    # By the time that another client is served, the listener has seen the reset.
    await rig.client(rig.listeners[0])
    reception.gate.set()
    async with asyncio.timeout(10):
        assert isinstance(await reception.deliveries.get(), Answered)
    assert len(rig.sink.messages) == 1


@pytest.mark.parametrize("how", ["abort", "close", "half-close"])
async def test_a_client_that_vanishes_inside_the_content_delivers_nothing(rig: Rig, how: str) -> None:
    peer, reception = await rig.through()
    await begin(peer)
    await peer.say(b"x\r\n" * 1000)
    match how:
        case "abort":
            peer.writer.transport.abort()
        case "close":
            peer.writer.close()
        case _:
            peer.writer.write_eof()
            assert await peer.closed()
    # The connection to the next hop was given up, so the next mail comes by another one.
    other = await rig.client(rig.listeners[0])
    await begin(other)
    assert (await other.ask(b"y\r\n.\r\n")).code == 250
    assert [message.wire for message in rig.sink.messages] == [b"y\r\n"]
    assert reception.deliveries.qsize() == 1


async def test_a_silent_client_is_sent_away(rig: Rig) -> None:
    peer, _ = await rig.through(Terms("mailhook.test", timeout=0.5))
    assert (await peer.hear())[0] == replies.CLIENT_TIMEOUT
    assert await peer.closed()


async def test_no_timer_runs_while_we_work(rig: Rig) -> None:
    peer, reception = await rig.through(Terms("mailhook.test", timeout=0.5))
    reception.gate.clear()
    await begin(peer)
    await peer.say(b"x\r\n.\r\n")
    idle = await rig.client(rig.listeners[0])
    # Another connection's time-out, twice, tells that ours would have come.
    assert (await idle.hear())[0] == replies.CLIENT_TIMEOUT
    idle = await rig.client(rig.listeners[0])
    assert (await idle.hear())[0] == replies.CLIENT_TIMEOUT
    reception.gate.set()
    assert (await peer.hear())[0].code == 250


# --- faults of ours


class Broken:
    """A reception and submission with a fault at one place."""

    def __init__(self, where: str) -> None:
        self.where = where
        self.aborted = 0

    def fail(self, here: str) -> None:
        if self.where == here:
            raise ConnectionResetError("a fault of ours")

    async def capabilities(self) -> Capabilities:
        if self.where == "unreachable":
            raise Temporary("the next hop is down")
        self.fail("capabilities")
        return Capabilities()

    def submission(self, client: Client) -> Broken:
        self.fail("submission")
        return self

    async def envelope(self, commands: Sequence[Mail | Rcpt]) -> list[Reply]:
        self.fail("envelope")
        return [replies.OK] * len(commands)

    async def content(self, content: Content, candidate: bool) -> Reply:
        self.fail("content")
        return replies.OK

    async def abort(self, why: str = "") -> None:
        self.aborted += 1


@pytest.mark.parametrize(
    ("where", "said"),
    [
        ("capabilities", [451, 503, 503, 503]),
        ("submission", [250, 451, 451, 503]),
        ("envelope", [250, 451, 451, 503]),
        ("content", [250, 250, 250, 354, 451]),
    ],
)
async def test_a_fault_is_never_a_5xx(
    rig: Rig, caplog: pytest.LogCaptureFixture, where: str, said: list[int]
) -> None:
    broken = Broken(where)
    peer = await rig.client(await rig.listener(broken), hello=b"")
    wire = b"HELO c\r\n" + ENVELOPE + (b"x\r\n.\r\n" if where == "content" else b"")
    assert await peer.codes(wire, len(said)) == said
    assert "fault while answering" in caplog.text
    assert broken.aborted == (where in {"envelope", "content"})
    assert (await peer.ask(b"NOOP\r\n")).code == 250


async def test_an_unreachable_next_hop_is_421(rig: Rig) -> None:
    peer = await rig.client(await rig.listener(Broken("unreachable")), hello=b"")
    assert await peer.ask(b"EHLO c\r\n") == replies.HOP_UNREACHABLE
    assert await peer.closed()


async def test_a_full_disk_is_452_and_the_connection_goes_on(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    peer, reception = await rig.through()
    await begin(peer)
    with monkeypatch.context() as patch:
        patch.setattr(tempfile, "TemporaryFile", lambda **_: io.FileIO("/dev/full", "wb"))
        assert await peer.ask(b"x" * 3_000_000 + b"\r\n.\r\n") == replies.NO_SPACE
    await begin(peer)
    assert (await peer.ask(b"y\r\n.\r\n")).code == 250
    assert [message.wire for message in rig.sink.messages] == [b"y\r\n"]
    assert reception.deliveries.qsize() == 1


# --- limits


@pytest.mark.parametrize(
    ("hop_size", "max_size", "octets", "code"),
    [
        (1000, 0, 1000, 250),
        (1000, 0, 1001, 552),
        (0, 100, 101, 552),
        (1000, 100, 101, 552),
        (100, 1000, 101, 552),
        (0, 0, 200_000, 250),
    ],
)
async def test_size_is_that_of_the_content_without_stuffing(
    rig: Rig, hop_size: int, max_size: int, octets: int, code: int
) -> None:
    rig.sink.extensions = ("PIPELINING", f"SIZE {hop_size}")
    peer, _ = await rig.through(Terms("mailhook.test", max_size=max_size))
    await begin(peer)
    wire = b"..\r\n" * 10 + b"x" * (octets - 32) + b"\r\n.\r\n"
    assert (await peer.ask(wire)).code == code
    assert len(rig.sink.messages) == (code == 250)
    assert (await peer.ask(b"NOOP\r\n")).code == 250


async def test_a_declared_size_is_judged_by_the_next_hop(rig: Rig) -> None:
    no = reply(552, "5.3.4 the next hop says so")
    rig.sink.answer = lambda said: no if isinstance(said, Mail) and said.parameter(b"SIZE") else None
    peer, _ = await rig.through(Terms("mailhook.test", max_size=10))
    assert await peer.ask(b"MAIL FROM:<a@x> SIZE=5\r\n") == no


@pytest.mark.parametrize("line", [b"NOOP " + b"x" * 65_536, b"x" * 65_600], ids=["whole", "endless"])
async def test_an_over_long_line_ends_the_connection(rig: Rig, line: bytes) -> None:
    peer, _ = await rig.through()
    assert await peer.ask(line + (b"\r\n" if line.startswith(b"NOOP") else b"")) == replies.LINE_TOO_LONG
    assert await peer.closed()


async def test_a_long_line_below_the_limit_is_a_command(rig: Rig) -> None:
    peer, _ = await rig.through()
    path = b"<" + b"a" * 60_000 + b"@x.test>"
    assert (await peer.ask(b"MAIL FROM:" + path + b"\r\n")).code == 250


async def test_many_recipients_in_one_write(rig: Rig) -> None:
    peer, _ = await rig.through()
    count = 5000
    wire = b"MAIL FROM:<a@x>\r\n" + b"".join(b"RCPT TO:<r%d@x>\r\n" % n for n in range(count)) + b"DATA\r\n"
    codes = await peer.codes(wire, count + 2)
    assert codes == [250] * (count + 1) + [354]
    assert (await peer.ask(b".\r\n")).code == 250
    assert len(rig.sink.messages[0].recipients) == count


async def test_a_stranger_is_sent_away_for_now(rig: Rig, caplog: pytest.LogCaptureFixture) -> None:
    listener = await rig.listener(Broken(""), Terms("mailhook.test", allow=("192.0.2.0/24", "2001:db8::/32")))
    peer = await rig.connect(listener)
    assert (await peer.hear())[0] == replies.NOT_ALLOWED
    assert await peer.closed()
    assert "127.0.0.1: client refused, not in listen.allow (1 times)" in caplog.text


async def test_a_flood_of_strangers_is_told_once(rig: Rig, caplog: pytest.LogCaptureFixture) -> None:
    listener = await rig.listener(Broken(""), Terms("mailhook.test", allow=("192.0.2.0/24",)))
    for _ in range(20):
        assert (await (await rig.connect(listener)).hear())[0] == replies.NOT_ALLOWED
    assert caplog.text.count("not in listen.allow") == 1


async def test_one_connection_too_many(rig: Rig) -> None:
    listener = await rig.listener(Broken(""), Terms("mailhook.test", limits=Limits(max_connections=1)))
    first = await rig.client(listener)
    second = await rig.connect(listener)
    assert (await second.hear())[0] == replies.TOO_MANY_CONNECTIONS
    assert (await first.ask(b"QUIT\r\n")).code == 221
    assert await first.closed()
    await rig.client(listener)


# --- the end of service


async def test_drain_dismisses_the_idle_and_lets_a_mail_behind_its_dot_finish(rig: Rig) -> None:
    idle, reception = await rig.through()
    listener = rig.listeners[0]
    port = listener.port
    reception.gate.clear()
    busy, between = await rig.client(listener), await rig.client(listener)
    await begin(busy)
    assert (await between.ask(b"MAIL FROM:<a@x>\r\n")).code == 250
    await busy.say(b"x\r\n.\r\nNOOP\r\n")
    await reception.waiting.wait()
    draining = asyncio.create_task(listener.drain(30))
    assert (await idle.hear())[0] == replies.SHUTTING_DOWN
    assert (await between.hear())[0] == replies.SHUTTING_DOWN
    with pytest.raises(OSError, match="Connect"):
        await rig.dial(port)
    assert not draining.done()
    reception.gate.set()
    assert [said.code for said in await busy.hear(2)] == [250, 421]
    await draining
    assert len(rig.sink.messages) == 1


async def test_drain_lets_content_come_to_its_end(rig: Rig) -> None:
    peer, _ = await rig.through()
    await begin(peer)
    draining = asyncio.create_task(rig.listeners[0].drain(30))
    assert (await peer.ask(b"x\r\n.\r\n")).code == 250
    await draining
    assert len(rig.sink.messages) == 1


async def test_drain_does_not_wait_for_content_that_does_not_come(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(smtp, "IDLE", -1.0)
    peer, _ = await rig.through()
    await begin(peer)
    await peer.say(b"x\r\n")
    await rig.listeners[0].drain(3600)
    assert (await peer.hear())[0] == replies.SHUTTING_DOWN
    assert await peer.closed()
    assert rig.sink.messages == []


async def test_drain_ends_when_its_grace_is_over(rig: Rig) -> None:
    peer, reception = await rig.through()
    reception.gate.clear()
    await begin(peer)
    await peer.say(b"x\r\n.\r\n")
    await reception.waiting.wait()
    await rig.listeners[0].drain(0)
    assert await peer.closed()
    assert rig.sink.messages == []


async def test_it_listens_on_a_socket_that_is_given(rig: Rig) -> None:
    with socket.create_server(("127.0.0.1", 0)) as sock:
        listener = Listener(Broken(""), Terms("mailhook.test"))
        await listener.start(sockets=[sock])
        await rig.client(listener)
        await listener.drain(0)


async def test_the_library_is_silent(rig: Rig, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        peer, _ = await rig.through()
        await begin(peer)
        await peer.ask(b"x\r\n.\r\n")
    assert [record for record in caplog.records if record.name == "mail.log"] == []
