"""The sink: what it keeps, and how it refuses."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from mailhook.smtp.commands import Mail, Rcpt
from mailhook.smtp.replies import reply

if TYPE_CHECKING:
    from tests.dialogs.conftest import Peer, Rig

MESSAGE = b"MAIL FROM:<a@x> SIZE=5\r\nRCPT TO:<B@x> NOTIFY=NEVER\r\nDATA\r\n..x\r\n.\r\n"


async def sink_client(rig: Rig) -> Peer:
    peer = await rig.dial(await rig.sink_port())
    assert (await peer.hear())[0].code == 220
    assert (await peer.ask(b"EHLO c.test\r\n")).code == 250
    return peer


async def test_a_message_is_kept_with_its_envelope(rig: Rig) -> None:
    peer = await sink_client(rig)
    assert await peer.codes(b"XFORWARD NAME=n\r\n" + MESSAGE, 5) == [250, 250, 250, 354, 250]
    (message,) = await rig.sink.wait_for(1)
    assert message.helo == b"c.test"
    assert message.mail == Mail(b"<a@x> SIZE=5")
    assert message.recipients == (Rcpt(b"<B@x> NOTIFY=NEVER"),)
    assert (message.wire, message.content) == (b"..x\r\n", b".x\r\n")
    assert message.xforward == {"NAME": b"n"}


async def test_who_waits_is_woken(rig: Rig) -> None:
    peer = await sink_client(rig)
    waiting = asyncio.create_task(rig.sink.wait_for(2))
    await peer.codes(MESSAGE, 4)
    assert not waiting.done()
    await peer.codes(MESSAGE, 4)
    assert len(await waiting) == 2


async def test_it_can_refuse_and_leave(rig: Rig) -> None:
    peer = await sink_client(rig)
    rig.sink.answer = lambda said: reply(421, "4.0.0 no more") if isinstance(said, Rcpt) else None
    assert await peer.codes(b"MAIL FROM:<a@x>\r\nRCPT TO:<b@x>\r\n", 2) == [250, 421]
    assert await peer.closed()
    assert rig.sink.messages == []


async def test_order_and_goodbye(rig: Rig) -> None:
    peer = await sink_client(rig)
    assert await peer.codes(b"DATA\r\nRCPT TO:<a@x>\r\nMAIL FROM:<a@x>\r\nMAIL FROM:<a@x>\r\nRSET\r\n", 5) == [
        503, 503, 250, 503, 250,
    ]  # fmt: skip
    assert await peer.codes(b"NOOP\r\nWHAT\r\nHELO c\r\nQUIT\r\n", 4) == [250, 500, 250, 221]
    assert await peer.closed()
