"""Ordinary mail leaves as it came: content, envelope, and the replies on the way back."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from mailhook.front.sink import Received
from mailhook.smtp import replies
from mailhook.smtp.commands import Command, Data, Mail, Rcpt
from mailhook.smtp.content import EndOfData, dot_stuff
from mailhook.smtp.replies import Reply, reply

if TYPE_CHECKING:
    from tests.dialogs.conftest import PassThrough, Peer, Rig

ENVELOPE = b"MAIL FROM:<a@x.test>\r\nRCPT TO:<b@x.test>\r\nDATA\r\n"
PARTS = st.lists(
    st.binary(max_size=60) | st.sampled_from([b"\r\n", b"\r", b"\n", b".", b"\r\n."]), max_size=20
)


@pytest.fixture
async def wired(rig: Rig) -> tuple[Peer, PassThrough]:
    return await rig.through()


async def send(peer: Peer, wire: bytes) -> Reply:
    assert await peer.codes(ENVELOPE, 3) == [250, 250, 354]
    return await peer.ask(wire + b".\r\n")


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\r\n",
        b"Subject: x\r\n\r\nbody\r\n",
        bytes(range(256)) * 4 + b"\r\n",
        b"\0\0\0\r\n",
        b"bare\rcarriage\r\r\nreturn\r\n",
        b"bare\nline\n\nfeed\r\n",
        b"x" * 100_000 + b"\r\n" + b"\xd0\xb6" * 100_000 + b"\r\n",
        b".\r\n..\r\n...\r\n.x\r\n",
        b"\n..\n\r..\r\r\n",
    ],
    ids=lambda content: f"{content[:12]!r}",
)
async def test_content_is_the_same_bytes(rig: Rig, content: bytes) -> None:
    peer, _ = await rig.through()
    assert (await send(peer, dot_stuff(content))).code == 250
    assert [message.content for message in rig.sink.messages] == [content]


async def test_25_mib_are_the_same_bytes(rig: Rig) -> None:
    content = b"".join(hashlib.sha256(b"%d" % n).hexdigest().encode() + b"\r\n" for n in range(400_000))
    assert len(content) > 25 << 20
    peer, _ = await rig.through()
    assert (await send(peer, content)).code == 250
    assert rig.sink.messages[0].wire == content


@settings(deadline=None, max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(parts=PARTS)
@example(parts=[b"\n.\r\nRSET\r\n"])
async def test_any_content_is_the_same_bytes_or_ambiguous(
    rig: Rig, wired: tuple[Peer, PassThrough], parts: list[bytes]
) -> None:
    content = b"".join(parts) + b"\r\n"
    scanner = EndOfData()
    scanner.feed(dot_stuff(content) + b".\r\n")
    rig.sink.messages.clear()
    said = await send(wired[0], dot_stuff(content))
    if scanner.ambiguous:
        assert said == replies.AMBIGUOUS_END
        assert rig.sink.messages == []
    else:
        assert said.code == 250
        assert [message.content for message in rig.sink.messages] == [content]


@pytest.mark.parametrize(
    "argument",
    [
        b"<>",
        b" <a@x.test>",
        b'<"ab"@x>',
        b"<@r:u@x>",
        b"a@x.test",
        b"<A@x.test> SIZE=1000 BODY=8BITMIME SMTPUTF8",
        b"<a@x.test> body=8bitmime RET=hdrs ENVID=QQ+3D314",
        b"<a@x.test> AUTH=e+3Dmc2@example.com",
        "<ж@б.test> SMTPUTF8".encode(),
    ],
)
async def test_mail_goes_through_as_it_came(rig: Rig, argument: bytes) -> None:
    peer, _ = await rig.through()
    said = await peer.codes(b"MAIL FROM:%s\r\nRCPT TO:<b@x>\r\nDATA\r\n" % argument, 3)
    assert said == [250, 250, 354]
    assert (await peer.ask(b".\r\n")).code == 250
    assert rig.sink.messages[0].mail == Mail(argument)


@pytest.mark.parametrize(
    "argument",
    [
        b'<"ab"@x>',
        b"<@r:u@x>",
        b"<Postmaster>",
        b"<b@x> NOTIFY=SUCCESS,failure ORCPT=rfc822;Bob+2BX@X.test",
        b"<b@x> RRVS=2014-04-03T23:01:00Z;C",
    ],
)
async def test_rcpt_goes_through_as_it_came(rig: Rig, argument: bytes) -> None:
    peer, _ = await rig.through()
    said = await peer.codes(b"MAIL FROM:<a@x>\r\nRCPT TO:%s\r\nRCPT TO:<c@x>\r\nDATA\r\n" % argument, 4)
    assert said == [250, 250, 250, 354]
    assert (await peer.ask(b".\r\n")).code == 250
    assert rig.sink.messages[0].recipients == (Rcpt(argument), Rcpt(b"<c@x>"))


async def test_each_command_has_the_next_hops_own_reply(rig: Rig) -> None:
    no = reply(550, "5.1.1 <c@x>: unknown here", "and elsewhere")
    later = reply(450, "4.2.0 <d@x>: greylisted")
    queued = reply(250, "2.0.0 Ok: queued as 4ABCDE", "second line")

    def answer(said: Command | Received) -> Reply | None:
        special: dict[object, Reply] = {
            Rcpt(b"<c@x>"): no,
            Rcpt(b"<d@x>"): later,
            Mail(b"<a@x>"): reply(250, "2.1.0 yes, a@x"),
        }
        return queued if isinstance(said, Received) else special.get(said)

    rig.sink.answer = answer
    peer, _ = await rig.through()
    await peer.say(b"MAIL FROM:<a@x>\r\nRCPT TO:<b@x>\r\nRCPT TO:<c@x>\r\nRCPT TO:<d@x>\r\nDATA\r\n")
    said = await peer.hear(5)
    assert said[0].lines == (b"2.1.0 yes, a@x",)
    assert said[2:4] == [no, later]
    assert said[4].code == 354
    assert await peer.ask(b"x\r\n.\r\n") == queued
    assert rig.sink.messages[0].recipients == (Rcpt(b"<b@x>"),)


async def test_a_refused_mail_refuses_its_recipients(rig: Rig) -> None:
    no = reply(550, "5.7.1 not you")
    rig.sink.answer = lambda said: no if isinstance(said, Mail) else None
    peer, _ = await rig.through()
    await peer.say(ENVELOPE)
    assert await peer.hear(3) == [no, replies.MAIL_FIRST, replies.MAIL_FIRST]


async def test_a_refused_data_is_the_reply_to_the_dot(rig: Rig) -> None:
    no = reply(451, "4.7.1 not now", "really")
    rig.sink.answer = lambda said: no if isinstance(said, Data) else None
    peer, _ = await rig.through()
    assert await send(peer, b"x\r\n") == no


async def test_a_refused_message_is_the_reply_to_the_dot(rig: Rig) -> None:
    no = reply(554, "5.6.0 no such content here")
    rig.sink.answer = lambda said: no if isinstance(said, Received) else None
    peer, _ = await rig.through()
    assert await send(peer, b"x\r\n") == no
    rig.sink.answer = lambda said: None
    assert (await send(peer, b"y\r\n")).code == 250
    assert [message.connection for message in rig.sink.messages] == [2]


async def test_xforward_goes_through_and_ends_with_the_transaction(rig: Rig) -> None:
    peer, _ = await rig.through()
    said = await peer.codes(
        b"XFORWARD NAME=c.test ADDR=192.0.2.7 PORT=2525\r\n"
        b"XFORWARD PROTO=ESMTP HELO=c+20x IDENT=4ABC SOURCE=REMOTE\r\n" + ENVELOPE,
        5,
    )
    assert said == [250, 250, 250, 250, 354]
    assert (await peer.ask(b".\r\n")).code == 250
    assert (await send(peer, b"")).code == 250
    first, second = rig.sink.messages
    assert first.xforward == {
        "NAME": b"c.test",
        "ADDR": b"192.0.2.7",
        "PORT": b"2525",
        "PROTO": b"ESMTP",
        "HELO": b"c+20x",
        "IDENT": b"4ABC",
        "SOURCE": b"REMOTE",
    }
    assert second.xforward == {}


async def test_candidates_are_told_from_other_mail(rig: Rig) -> None:
    peer, reception = await rig.through()
    await send(peer, b"Content-Type: Text/Calendar\r\n")
    await send(peer, b"Content-Type: text/plain\r\n")
    assert reception.candidates == [True, False]
