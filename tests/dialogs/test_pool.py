"""The pool: when a connection is used again, and what a next hop that dies costs."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
from asyncio import StreamReader, StreamWriter
from collections.abc import Awaitable, Callable, Iterator
from typing import TYPE_CHECKING

import pytest

from mailhook.errors import Temporary
from mailhook.front.sink import Received
from mailhook.front.spool import Spool
from mailhook.nexthop import pool as pool_module
from mailhook.ports import Answered, Client, Content, Lost
from mailhook.smtp.commands import Command, Data, Mail, Rcpt
from mailhook.smtp.replies import reply

if TYPE_CHECKING:
    from mailhook.nexthop.pool import Pool
    from tests.dialogs.conftest import Rig

CLIENT = Client("127.0.0.1", b"client.test", True, {"NAME": b"n", "ADDR": b"192.0.2.1", "PROTO": b"ESMTP"})
MAIL, BOB, CAROL = Mail(b"<a@x>"), Rcpt(b"<b@x>"), Rcpt(b"<c@x>")
EHLO = b"250-hop\r\n250 PIPELINING\r\n"


def content(wire: bytes = b"Subject: x\r\n\r\n") -> Spool:
    spool = Spool()
    spool.write(wire)
    return spool


async def relay(pool: Pool, *recipients: Rcpt, wire: bytes = b"x\r\n") -> Answered | Lost:
    transaction = pool.transaction(CLIENT)
    await transaction.envelope([MAIL, *(recipients or (BOB,))])
    with contextlib.closing(content(wire)) as spool:
        return await transaction.deliver(spool)


async def test_a_connection_is_used_again_after_success(rig: Rig) -> None:
    pool = await rig.pool(await rig.sink_port())
    await pool.capabilities()
    for _ in range(3):
        assert isinstance(await relay(pool), Answered)
    assert [message.connection for message in rig.sink.messages] == [1, 1, 1]


@pytest.mark.parametrize("refused", [MAIL, CAROL, Data(), Received])
async def test_a_connection_is_not_used_again_after_a_refusal(rig: Rig, refused: Command | type) -> None:
    def answer(said: Command | Received) -> object:
        return reply(450, "4.0.0 no") if refused in (said, type(said)) else None

    rig.sink.answer = answer  # type: ignore[assignment]
    pool = await rig.pool(await rig.sink_port())
    await relay(pool, BOB, CAROL)
    rig.sink.answer = lambda said: None
    await relay(pool)
    assert rig.sink.messages[-1].connection == 2


async def test_a_connection_is_not_used_again_after_abandon(rig: Rig) -> None:
    pool = await rig.pool(await rig.sink_port())
    transaction = pool.transaction(CLIENT)
    await transaction.envelope([MAIL, BOB])
    await transaction.abandon()
    await transaction.abandon()
    await relay(pool)
    assert rig.sink.messages[-1].connection == 2
    with contextlib.closing(content()) as spool:
        lost = await transaction.deliver(spool)
    assert lost == Lost(False, "there is no transaction with the next hop")
    with pytest.raises(Temporary):
        await transaction.envelope([BOB])


async def test_an_idle_connection_is_left_after_its_time(rig: Rig) -> None:
    left = asyncio.Event()

    async def hop(reader: StreamReader, writer: StreamWriter) -> None:
        writer.write(b"220 hop\r\n")
        await reader.readline()
        writer.write(EHLO)
        assert await reader.readline() == b"QUIT\r\n"
        left.set()

    pool = await rig.pool(await rig.hop_port(hop), idle=0.01)
    await pool.capabilities()
    await left.wait()


async def test_each_idle_connection_is_left_after_its_time(rig: Rig) -> None:
    left: asyncio.Queue[bytes] = asyncio.Queue()

    async def hop(reader: StreamReader, writer: StreamWriter) -> None:
        await scripted(reader, writer, *WHOLE)
        left.put_nowait(await reader.readline())

    pool = await rig.pool(await rig.hop_port(hop), idle=0.01)
    for together in (1, 3):
        await asyncio.gather(*(relay(pool) for _ in range(together)))
        assert [await left.get() for _ in range(together)] == [b"QUIT\r\n"] * together
        assert pool.usage.idle == 0


async def test_an_envelope_without_commands_takes_no_connection(rig: Rig) -> None:
    pool = await rig.pool(await rig.sink_port())
    await pool.transaction(CLIENT).abandon()
    assert rig.sink.connections == 0


async def test_the_limit_bounds_what_is_open(rig: Rig) -> None:
    pool = await rig.pool(await rig.sink_port(), limit=2, seconds=0.5)
    first, second, third = (pool.transaction(CLIENT) for _ in range(3))
    await first.envelope([MAIL, BOB])
    await second.envelope([MAIL, BOB])
    with pytest.raises(Temporary, match="in use"):
        await third.envelope([MAIL, BOB])
    await first.abandon()
    assert isinstance(await relay(pool), Answered)


async def test_nobody_listens(rig: Rig) -> None:
    port = await rig.sink_port()
    await rig.sink.close()
    pool = await rig.pool(port)
    with pytest.raises(Temporary, match="cannot connect"):
        await pool.capabilities()
    with pytest.raises(Temporary, match="cannot connect"):
        await pool.transaction(CLIENT).envelope([MAIL])


@pytest.mark.parametrize("greeting", [b"554 go away\r\n", b"421 busy\r\n", b"SSH-2.0-x\r\n", b""])
async def test_a_next_hop_that_does_not_greet(rig: Rig, greeting: bytes) -> None:
    async def hop(reader: StreamReader, writer: StreamWriter) -> None:
        writer.write(greeting)
        await writer.drain()

    pool = await rig.pool(await rig.hop_port(hop))
    with pytest.raises(Temporary):
        await pool.capabilities()


async def test_a_next_hop_that_is_silent(rig: Rig) -> None:
    async def hop(reader: StreamReader, writer: StreamWriter) -> None:
        await reader.read()

    pool = await rig.pool(await rig.hop_port(hop), seconds=0.5)
    with pytest.raises(Temporary, match="did not answer"):
        await pool.capabilities()


async def scripted(reader: StreamReader, writer: StreamWriter, *turns: tuple[bytes, bytes]) -> None:
    """Greet, then for each turn wait until it is said, and answer."""
    buffer = b""
    for awaited, answer in ((b"", b"220 hop\r\n"), (b"EHLO mailhook.test\r\n", EHLO), *turns):
        while not buffer.startswith(awaited):
            data = await reader.read(65536)
            if not data:
                raise EOFError
            buffer += data
        buffer = buffer[len(awaited) :]
        writer.write(answer)
    assert buffer == b""


Turns = tuple[tuple[bytes, bytes], ...]
ENVELOPE = b"MAIL FROM:<a@x>\r\nRCPT TO:<b@x>\r\n"
ACCEPTED = b"250 ok\r\n250 ok\r\n"
WHOLE: Turns = ((ENVELOPE, ACCEPTED), (b"DATA\r\n", b"354 go\r\n"), (b"x\r\n.\r\n", b"250 kept\r\n"))


def hops(*scripts: Turns) -> Callable[[StreamReader, StreamWriter], Awaitable[None]]:
    """Each connection follows the next script and is then closed; a connection too many is refused."""
    rest = list(scripts)

    async def hop(reader: StreamReader, writer: StreamWriter) -> None:
        if not rest:
            writer.write(b"421 one connection too many\r\n")
            return
        await scripted(reader, writer, *rest.pop(0))

    return hop


@pytest.mark.parametrize(
    "first",
    [
        (),
        ((ENVELOPE, b"421 4.4.2 timeout\r\n"),),
        ((ENVELOPE, b"250 ok\r\n"),),
        ((ENVELOPE, ACCEPTED),),
        ((ENVELOPE, ACCEPTED + b"421 4.4.2 timeout\r\n"),),
        ((ENVELOPE, ACCEPTED), (b"DATA\r\n", b"")),
        ((ENVELOPE, ACCEPTED), (b"DATA\r\n", b"421 4.4.2 timeout\r\n")),
    ],
)
async def test_a_connection_that_dies_before_content_is_replaced_once(rig: Rig, first: Turns) -> None:
    # The first connection is one that was used before, so that a 421 is a time-out and no answer.
    pool = await rig.pool(await rig.hop_port(hops(first, WHOLE)))
    await pool.capabilities()
    assert await relay(pool) == Answered(reply(250, "kept"))


async def test_a_connection_that_dies_twice_is_lost(rig: Rig) -> None:
    died: Turns = ((ENVELOPE, ACCEPTED), (b"DATA\r\n", b""))
    pool = await rig.pool(await rig.hop_port(hops(died, died, WHOLE)))
    delivery = await relay(pool)
    assert isinstance(delivery, Lost)
    assert not delivery.after_dot


async def test_a_fresh_connection_that_refuses_what_was_accepted_is_lost(rig: Rig) -> None:
    again: Turns = ((ENVELOPE, b"250 ok\r\n450 later\r\n"),)
    pool = await rig.pool(await rig.hop_port(hops(((ENVELOPE, ACCEPTED),), again, WHOLE)))
    delivery = await relay(pool)
    assert delivery == Lost(False, "the next hop now refuses what it accepted: 450 later")


async def test_a_refused_recipient_is_not_said_again(rig: Rig) -> None:
    both = ENVELOPE + b"RCPT TO:<c@x>\r\n"
    first: Turns = ((both, b"250 ok\r\n250 ok\r\n450 later\r\n"),)
    pool = await rig.pool(await rig.hop_port(hops(first, WHOLE)))
    assert await relay(pool, BOB, CAROL) == Answered(reply(250, "kept"))


async def test_a_421_of_a_fresh_connection_is_its_answer(rig: Rig) -> None:
    pool = await rig.pool(await rig.hop_port(hops(((ENVELOPE, b"421 4.7.0 busy\r\n"),), WHOLE)))
    said = await pool.transaction(CLIENT).envelope([MAIL, BOB])
    assert said == [reply(421, "4.7.0 busy")] * 2


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (b"", Lost(True, "")),
        (b"25", Lost(True, "")),
        (b"nonsense\r\n", Lost(True, "")),
        (b"421 4.3.0 dying\r\n", Answered(reply(421, "4.3.0 dying"))),
    ],
)
async def test_after_the_dot_nothing_is_tried_again(
    rig: Rig, answer: bytes, expected: Answered | Lost
) -> None:
    pool = await rig.pool(await rig.hop_port(hops((*WHOLE[:2], (b"x\r\n.\r\n", answer)), WHOLE)))
    delivery = await relay(pool)
    if isinstance(expected, Lost):
        assert isinstance(delivery, Lost)
        assert delivery.after_dot
    else:
        assert delivery == expected


async def test_no_answer_to_the_dot_in_time(rig: Rig) -> None:
    async def hop(reader: StreamReader, writer: StreamWriter) -> None:
        await scripted(reader, writer, *WHOLE[:2])
        await reader.read()

    pool = await rig.pool(await rig.hop_port(hop), seconds=0.5)
    delivery = await relay(pool)
    assert delivery == Lost(True, "the next hop did not answer in time")


BIG = b"x" * 998 + b"\r\n"


@pytest.mark.parametrize("keeps_reading", [True, False])
@pytest.mark.parametrize("code", [b"452 4.3.1 full\r\n", b"552 5.3.4 too much\r\n", b"421 4.3.2 leaving\r\n"])
async def test_a_refusal_inside_the_content_is_the_answer(rig: Rig, code: bytes, keeps_reading: bool) -> None:
    async def hop(reader: StreamReader, writer: StreamWriter) -> None:
        await scripted(reader, writer, *WHOLE[:1], (b"DATA\r\n", b"354 go\r\n"))
        await reader.readexactly(100_000)
        writer.write(code)
        await writer.drain()
        if keeps_reading:
            await reader.read()

    pool = await rig.pool(await rig.hop_port(hop))
    delivery = await relay(pool, wire=BIG * 30_000)
    assert isinstance(delivery, Answered)
    assert delivery.reply.wire() == code


async def test_a_refusal_is_read_also_when_the_next_write_fails(rig: Rig) -> None:
    arrived: asyncio.Queue[StreamWriter] = asyncio.Queue()

    async def hop(reader: StreamReader, writer: StreamWriter) -> None:
        arrived.put_nowait(writer)
        await scripted(reader, writer, *WHOLE[:1], (b"DATA\r\n", b"354 go\r\n"))
        await asyncio.Event().wait()

    class Interrupted(Spool):
        """Between two chunks, without a turn of the event loop, the next hop refuses and closes."""

        def chunks(self) -> Iterator[bytes]:
            yield BIG
            yield BIG
            peer = socket.socket(fileno=os.dup(arrived.get_nowait().get_extra_info("socket").fileno()))
            peer.send(b"552 5.3.4 too much\r\n")
            peer.shutdown(socket.SHUT_RDWR)
            peer.close()
            for _ in range(3):
                yield BIG

    pool = await rig.pool(await rig.hop_port(hop))
    transaction = pool.transaction(CLIENT)
    await transaction.envelope([MAIL, BOB])
    assert await transaction.deliver(Interrupted()) == Answered(reply(552, "5.3.4 too much"))


async def test_an_acceptance_inside_the_content_may_be_a_delivery(rig: Rig) -> None:
    async def hop(reader: StreamReader, writer: StreamWriter) -> None:
        await scripted(reader, writer, *WHOLE[:1], (b"DATA\r\n", b"354 go\r\n"))
        writer.write(b"250 queued\r\n")
        await reader.read()

    pool = await rig.pool(await rig.hop_port(hop))
    delivery = await relay(pool, wire=BIG * 30_000)
    assert isinstance(delivery, Lost)
    assert delivery.after_dot


async def test_a_next_hop_that_leaves_inside_the_content(rig: Rig) -> None:
    async def hop(reader: StreamReader, writer: StreamWriter) -> None:
        await scripted(reader, writer, *WHOLE[:1], (b"DATA\r\n", b"354 go\r\n"))
        await reader.readexactly(100_000)

    pool = await rig.pool(await rig.hop_port(hop))
    delivery = await relay(pool, wire=BIG * 30_000)
    assert isinstance(delivery, Lost)
    assert not delivery.after_dot


async def test_without_pipelining_one_command_at_a_time(rig: Rig) -> None:
    said: list[bytes] = []

    async def hop(reader: StreamReader, writer: StreamWriter) -> None:
        writer.write(b"220 hop\r\n")
        while not said or said[-1] != b"DATA\r\n":
            data = await reader.read(65536)
            said.append(data)
            answers = {b"EHLO": b"502 what?\r\n", b"DATA": b"354 go\r\n"}
            writer.write(answers.get(data[:4], b"250 ok\r\n"))
        await reader.readuntil(b"\r\n.\r\n")
        writer.write(b"250 kept\r\n")

    pool = await rig.pool(await rig.hop_port(hop))
    assert await relay(pool, BOB, CAROL) == Answered(reply(250, "kept"))
    assert said == [
        b"EHLO mailhook.test\r\n",
        b"HELO mailhook.test\r\n",
        b"MAIL FROM:<a@x>\r\n",
        b"RCPT TO:<b@x>\r\n",
        b"RCPT TO:<c@x>\r\n",
        b"DATA\r\n",
    ]


@pytest.mark.parametrize(
    ("announced", "line", "answer"),
    [
        (b"XFORWARD NAME PROTO", b"XFORWARD NAME=n PROTO=ESMTP\r\n", b"250 ok\r\n"),
        (b"XFORWARD ADDR", b"XFORWARD ADDR=192.0.2.1\r\n", b"501 not from you\r\n"),
        (b"DSN", b"", b""),
    ],
)
async def test_xforward_is_what_the_next_hop_takes(
    rig: Rig, announced: bytes, line: bytes, answer: bytes
) -> None:
    async def hop(reader: StreamReader, writer: StreamWriter) -> None:
        writer.write(b"220 hop\r\n")
        await reader.readline()
        writer.write(b"250-hop\r\n250-PIPELINING\r\n250 " + announced + b"\r\n")
        assert await reader.readexactly(len(line + ENVELOPE)) == line + ENVELOPE
        writer.write(answer + ACCEPTED)
        await reader.read()

    pool = await rig.pool(await rig.hop_port(hop))
    assert await pool.transaction(CLIENT).envelope([MAIL, BOB]) == [reply(250, "ok")] * 2


@pytest.mark.parametrize(("wire", "expected"), [(b"", b""), (b"no end", b"no end\r\n"), (b"a\r", b"a\r\r\n")])
async def test_the_final_dot_stands_on_its_own_line(rig: Rig, wire: bytes, expected: bytes) -> None:
    pool = await rig.pool(await rig.sink_port())
    await relay(pool, wire=wire)
    assert rig.sink.messages[0].wire == expected


class Unreadable:
    """A content whose file fails."""

    size = 1

    def chunks(self) -> object:
        yield b"x"
        yield b"y"
        raise OSError("I/O error")

    def wire(self) -> bytes:
        raise OSError("I/O error")


async def test_content_that_cannot_be_read_is_never_delivered(rig: Rig) -> None:
    pool = await rig.pool(await rig.sink_port())
    transaction = pool.transaction(CLIENT)
    await transaction.envelope([MAIL, BOB])
    unreadable: Content = Unreadable()  # type: ignore[assignment]
    assert await transaction.deliver(unreadable) == Lost(False, "I/O error")
    assert isinstance(await relay(pool), Answered)
    assert [message.wire for message in rig.sink.messages] == [b"x\r\n"]


async def test_a_cancelled_transaction_gives_its_place_back(rig: Rig) -> None:
    reached = asyncio.Event()

    async def hop(reader: StreamReader, writer: StreamWriter) -> None:
        await scripted(reader, writer, *WHOLE[:2], (b"x\r\n.\r\n", b""))
        reached.set()
        await reader.read()

    pool = await rig.pool(await rig.hop_port(hop), limit=1)
    for _ in range(2):
        reached.clear()
        task = asyncio.create_task(relay(pool))
        await reached.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task


async def test_capabilities_are_asked_once_for_many(rig: Rig) -> None:
    pool = await rig.pool(await rig.sink_port())
    found = await asyncio.gather(*(pool.capabilities() for _ in range(20)))
    assert rig.sink.connections == 1
    assert all(capabilities.size == 104857600 for capabilities in found)


async def test_capabilities_are_asked_again_when_their_time_is_over(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pool_module, "CAPABILITIES_FOR", 0.0)
    pool = await rig.pool(await rig.sink_port())
    assert "DSN" in await pool.capabilities()
    rig.sink.extensions = ("SIZE 5",)
    changed = await pool.capabilities()
    assert (changed.size, "DSN" in changed) == (5, False)
