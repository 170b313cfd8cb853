"""Whatever is handed in, the outcome is one of three: the same bytes arrive, a rewritten message arrives, or 4xx.

The only 5xx of ours is for content that two servers may see the end of in different places (SMTP smuggling).
"""

import asyncio
import re
from collections.abc import Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from mailhook.core.policy import Envelope
from mailhook.journal import Story
from mailhook.phrasebook import Phrasebook
from mailhook.pipeline import Pipeline
from mailhook.texts import manner
from mailhook.verdict import Defer, Pass
from mailhook.writer import Carriage
from tests.relay.mails import ANNA, IVAN, Event, invitation
from tests.relay.rig import Client, World, world

LONE_DOT = re.compile(rb"[\r\n]\.[\r\n]")
MARKER = b"X-Mailhook-Conference:"
POLICY = {"trigger": "always", "max_conferences_per_organizer_per_hour": 100_000}
PIECES = st.sampled_from(
    [
        *(
            b"\r\n",
            b"\n",
            b"\r",
            b"\r\n\r\n",
            b".",
            b"\r\n.",
            b"\n.\r\n",
            b"\x00",
            b"\xff\xfe",
            b" ",
            b"=",
            b'"',
        ),
        *(
            b"From: ivan@corp.example\r\n",
            b"Sender: x@y\r\n",
            b"MIME-Version: 1.0\r\n",
            b"Subject: =?utf-8?q?=?=\r\n",
        ),
        *(
            b"Content-Type: text/calendar; method=REQUEST\r\n",
            b"Content-Type: multipart/mixed; boundary=x\r\n",
        ),
        *(b"Content-Type: text/html; charset=utf-16\r\n", b"Content-Type: application/ics; name=a.ics\r\n"),
        *(b"Content-Transfer-Encoding: base64\r\n", b"Content-Transfer-Encoding: quoted-printable\r\n"),
        *(b"Content-Length: 99999999999\r\n", b"X-Mailhook-Conference: 1\r\n", b"Date: Mon, 99 Foo 0000\r\n"),
        *(b"--x\r\n", b"--x--\r\n", b"--=_test\r\n", b"--=_test--\r\n", b"<!--", b"</body>", b"<style>"),
        *(
            b"BEGIN:VCALENDAR\r\n",
            b"END:VCALENDAR\r\n",
            b"BEGIN:VEVENT\r\n",
            b"END:VEVENT\r\n",
            b"BEGIN:VTIMEZONE\r\n",
        ),
        *(
            b"METHOD:REQUEST\r\n",
            b"METHOD:CANCEL\r\n",
            b"UID:u\r\n",
            b"UID:\r\n",
            b"SEQUENCE:-1\r\n",
            b"DTSTAMP:x\r\n",
        ),
        *(
            b"ORGANIZER:mailto:ivan@corp.example\r\n",
            b"ATTENDEE:mailto:anna@partner.example\r\n",
            b"ATTENDEE;CN=\xff:\r\n",
        ),
        *(
            b"DTSTART:20261201T100000Z\r\n",
            b"DTSTART;TZID=Nowhere:99999999T999999\r\n",
            b"DURATION:-P9999999D\r\n",
        ),
        *(
            b"DTSTART;VALUE=DATE:00010101\r\n",
            b"RRULE:FREQ=SECONDLY;BYMONTH=2;BYMONTHDAY=30\r\n",
            b"RRULE:FREQ\r\n",
        ),
        *(
            b"RECURRENCE-ID;RANGE=THISANDFUTURE:20261208T100000Z\r\n",
            b"EXDATE:\r\n",
            b"RDATE;VALUE=PERIOD:1/2\r\n",
        ),
        *(
            b'DESCRIPTION;ALTREP="data:text/html,%":\\\r\n',
            b"LOCATION:Videomost\r\n",
            b"STATUS:CANCELLED\r\n",
        ),
        *(
            b"_______ Videomost _______",
            b"<!-- videomost:begin -->",
            b"https://videomost.corp.example/service/join/?",
        ),
    ]
)
GLUED = st.lists(PIECES | st.binary(max_size=20), max_size=60).map(b"".join)


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    """An invitation with spans of it replaced by something else."""
    method = draw(st.sampled_from(["REQUEST", "REQUEST", "CANCEL", "REPLY"]))
    content = invitation(Event(uid=draw(st.sampled_from(["a", "b", "ü"])), method=method))
    for _ in range(draw(st.integers(0, 4))):
        start = draw(st.integers(0, len(content)))
        end = draw(st.integers(start, min(len(content), start + 80)))
        content = content[:start] + draw(PIECES | st.binary(max_size=20)) + content[end:]
    return content


CONTENTS = st.one_of(damaged(), GLUED, st.binary(max_size=400))


@dataclass
class Running:
    runner: asyncio.Runner
    world: World
    pipeline: Pipeline


@pytest.fixture(scope="module")
def here() -> Iterator[Running]:
    with asyncio.Runner() as runner:
        stack = AsyncExitStack()
        started = runner.run(stack.enter_async_context(world(POLICY)))
        app = started.app
        parts = (
            app.settings.policy,
            Phrasebook(app.settings).blocks,
            manner(app.settings),
            app.provider.identity,
        )
        yield Running(runner, started, Pipeline(app.store, app.flight, *parts, started.clock))
        runner.run(stack.aclose())


@settings(max_examples=300, deadline=None)
@given(CONTENTS)
@example(b"")
@example(invitation(Event()))
def test_the_pipeline_relays_or_defers(here: Running, content: bytes) -> None:
    envelope = Envelope(IVAN, "127.0.0.1", (ANNA,))
    verdict = here.runner.run(
        here.pipeline.examine(envelope, content, Carriage(True, None), story := Story())
    )
    match verdict:
        case Pass(content=None):
            assert not story.places
        case Pass(content=rewritten):
            assert rewritten is not None
            assert MARKER in rewritten
            assert story.places
        case Defer():
            raise AssertionError("the provider answers, so nothing has to wait")


@settings(max_examples=300, deadline=None)
@given(CONTENTS)
@example(b"")
@example(b"\n.\r\nMAIL FROM:<smuggled@x.example>\r\n")
@example(invitation(Event()))
def test_the_listener_passes_rewrites_or_defers(here: Running, content: bytes) -> None:
    content += b"" if content.endswith(b"\r\n") or not content else b"\r\n"  # SMTP has no other end
    known = len(here.world.messages)

    async def sent() -> int:
        async with await Client.connect(here.world.port) as client:
            reply = await client.send(content, IVAN, ANNA)
            assert (await client.ask(b"NOOP\r\n")).code == 250
            return reply.code

    code = here.runner.run(sent())
    arrived, story = here.world.messages[known:], here.world.stories[-1]
    if code == 550:
        assert LONE_DOT.search(content)
        assert arrived == []
    elif code != 250:
        assert (400 <= code < 500, arrived) == (True, [])
    elif story["decision"] == "rewrite":
        assert [MARKER in each.content for each in arrived] == [True]
    else:
        assert [each.content for each in arrived] == [content]
        assert story["reason"] != "fault", story["error"]
