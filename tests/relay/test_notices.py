"""Notices to the organizer, all the way to the receiving server."""

import email
import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from email.message import EmailMessage
from email.policy import default
from typing import Any

from mailhook import admin
from mailhook.core.meeting import Meeting
from mailhook.core.notice import LEASE, SETTLE
from mailhook.front.sink import Received, Sink
from mailhook.journal import on_step
from mailhook.provider.sandbox_faults import Fault
from mailhook.smtp.commands import Command, Mail, Rcpt
from mailhook.smtp.replies import Reply
from tests.relay.mails import ANNA, BORIS, IVAN, NOW, Event, invitation, link_in
from tests.relay.rig import World, world

ON: Mapping[str, Any] = {"enabled": True, "sender": "videomost@corp.example"}
PASS = {"on_failure": "pass"}
DOWN, REFUSED = Fault(status=503), Fault(status=422)
BOTH = replace(Event(), attendees=(ANNA, BORIS))


async def told(here: World) -> int:
    """How many notices come of what is news now."""
    before = len(notices(here))
    await here.settle()
    assert here.app.courier is not None
    await here.app.courier.once()
    here.clock.forward(SETTLE)
    await here.app.courier.once()
    return len(notices(here)) - before


def notices(here: World) -> list[tuple[Received, EmailMessage]]:
    parsed = ((each, email.message_from_bytes(each.content, policy=default)) for each in here.messages)
    return [(each, message) for each, message in parsed if message["Auto-Submitted"]]


def lines(here: World) -> list[str]:
    """Of the only notice's text."""
    ((_, message),) = notices(here)
    return str(message.get_content()).splitlines()


async def known(here: World) -> Meeting:
    meeting = await here.meeting(Event().uid)
    assert meeting is not None
    return meeting


async def shown(here: World) -> str:
    """What `conferences show` says of notices."""
    row = admin.everything(await known(here), here.app.settings.policy, here.clock.now, links=False)
    return json.dumps(row["notices"])


async def test_the_organizer_gets_the_link_once() -> None:
    async with world(notice=ON) as here:
        for person in (ANNA, BORIS):
            await here.passes(invitation(BOTH, person), IVAN, person)
        assert [await told(here) for _ in range(3)] == [1, 0, 0]
        ((received, message),) = notices(here)
        assert (received.mail.address, [rcpt.address for rcpt in received.recipients]) == ("", [IVAN])
        assert message["Auto-Submitted"] == "auto-generated"
        assert message["To"].addresses[0].addr_spec == IVAN
        assert message["From"].addresses[0].addr_spec == "videomost@corp.example"
        assert message["X-Mailhook-Conference"]
        assert "Бюджет" in message["Subject"]
        assert here.link() in lines(here)
        assert any("#novideomost" in line for line in lines(here))
        assert any(ANNA in line and BORIS in line for line in lines(here))
        assert '"cause": "link", "told"' in await shown(here)


async def test_its_language_is_the_organizers() -> None:
    async with world(notice=ON) as here:
        content = invitation(Event()).replace(b"ORGANIZER:", b"ORGANIZER;LANGUAGE=en-GB:")
        await here.passes(content)
        await told(here)
        assert any("Attendees" in line for line in lines(here))


async def test_a_second_pass_ignores_it() -> None:
    async with world(notice=ON) as here:
        await here.passes(invitation(Event()))
        await told(here)
        content = here.messages[-1].content
        assert await here.passes(content, "", IVAN) == content


async def test_a_link_that_came_late_is_brought() -> None:
    async with world(PASS, notice=ON) as here:
        here.sandbox.faults["create"] = DOWN
        assert link_in(await here.passes(invitation(Event()))) == ""
        assert await told(here) == 0
        here.sandbox.faults.clear()
        here.clock.forward(timedelta(hours=1))
        assert [await told(here) for _ in range(3)] == [1, 0, 0]
        assert here.link() in lines(here)
        assert (await known(here)).unlinked


async def test_that_there_is_no_link_is_told_and_the_link_when_it_is_there() -> None:
    async with world(PASS, notice=ON) as here:
        here.sandbox.faults["create"] = REFUSED
        await here.passes(invitation(Event()))
        for _ in range(6):
            here.clock.forward(timedelta(minutes=30))
            await told(here)
        assert not any("http" in line for line in lines(here))
        here.sandbox.faults.clear()
        here.clock.forward(timedelta(hours=6))
        assert await told(here) == 1
        assert here.link() in str(notices(here)[-1][1].get_content()).splitlines()


async def test_a_link_that_was_replaced_is_brought() -> None:
    async with world(notice=ON) as here:
        await here.passes(invitation(Event()))
        await told(here)
        old = here.link()
        await here.app.provider.delete(here.rooms()[0].id)
        await here.passes(invitation(replace(Event(), sequence=1, stamp=NOW + timedelta(minutes=1), hours=2)))
        assert [await told(here) for _ in range(3)] == [1, 0, 0]
        text = str(notices(here)[-1][1].get_content())
        assert here.link() in text
        assert old not in text


async def test_a_deletion_is_told() -> None:
    async with world(notice=ON) as here:
        await here.passes(invitation(Event()))
        await told(here)
        await here.passes(invitation(replace(Event(), method="CANCEL", stamp=NOW + timedelta(minutes=1))))
        assert await told(here) == 0
        here.clock.forward(timedelta(hours=2))
        assert [await told(here) for _ in range(3)] == [1, 0, 0]
        assert "удалена" in notices(here)[-1][1]["Subject"]


async def test_a_doubt_is_told() -> None:
    petr = "petr@corp.example"
    event = replace(Event(), attendees=(ANNA, petr))
    async with world(notice=ON) as here:
        await here.passes(invitation(event))
        await told(here)
        await here.passes(invitation(replace(event, method="CANCEL", stamp=NOW + timedelta(minutes=1))))
        assert (await known(here)).doubtful
        assert [await told(here) for _ in range(3)] == [1, 0, 0]
        assert "ещё нужна" in notices(here)[-1][1]["Subject"]


async def test_without_the_setting_there_is_none() -> None:
    async with world() as here:
        await here.passes(invitation(Event()))
        await here.settle()
        assert here.app.courier is None
        assert notices(here) == []


async def test_a_next_hop_that_does_not_take_it_is_tried_again() -> None:
    refusing = True

    def answer(said: Command | Received) -> Reply | None:
        null = isinstance(said, Mail) and said.address == ""
        return Reply(451, (b"4.3.0 later",)) if refusing and null else None

    async with world(notice=ON, sink=Sink(answer)) as here:
        await here.passes(invitation(Event()))
        assert [await told(here) for _ in range(2)] == [0, 0]
        assert "4.3.0 later" in await shown(here)
        assert link_in(await here.passes(invitation(Event(), BORIS), IVAN, BORIS))
        refusing = False
        here.clock.forward(timedelta(minutes=5))
        assert [await told(here) for _ in range(3)] == [1, 0, 0]
        assert here.link() in lines(here)
        assert "later" not in await shown(here)


async def test_that_a_signed_invitation_has_no_link_is_told_once() -> None:
    signature = b"DKIM-Signature: v=1; a=rsa-sha256; d=corp.example; s=x; h=from; bh=AAAA; b=BBBB\r\n"
    async with world(notice=ON) as here:
        for person in (ANNA, BORIS):
            content = signature + invitation(BOTH, person)
            assert await here.passes(content, IVAN, person) == content
        assert [await told(here) for _ in range(3)] == [1, 0, 0]
        assert (here.rooms(), here.calls("create")) == ([], 0)
        ((_, message),) = notices(here)
        assert message["Subject"].endswith(Event().summary)
        assert any("подписано (dkim-signed)" in line for line in lines(here))
        later = replace(BOTH, sequence=1, stamp=NOW + timedelta(minutes=9))
        assert link_in(await here.passes(invitation(later), IVAN, ANNA))
        assert [await told(here) for _ in range(3)] == [1, 0, 0]
        assert here.link() in str(notices(here)[-1][1].get_content())


async def test_a_next_hop_that_refuses_it_is_not_asked_again() -> None:
    asked: list[str] = []

    def answer(said: Command | Received) -> Reply | None:
        if isinstance(said, Rcpt) and said.address == IVAN:
            asked.append(said.address)
            return Reply(550, (b"5.1.1 nobody",))
        return None

    async with world(notice=ON, sink=Sink(answer)) as here:
        await here.passes(invitation(Event()))
        for _ in range(10):
            await told(here)
            here.clock.forward(timedelta(hours=7))
        assert len(asked) == 1


async def test_a_crash_after_sending_repeats_it_once() -> None:
    def crash(step: str) -> None:
        if step == "notice-sent":
            on_step.remove(crash)
            raise RuntimeError

    async with world(notice=ON) as here:
        await here.passes(invitation(Event()))
        on_step.append(crash)
        assert await told(here) == 1
        assert crash not in on_step
        assert await told(here) == 0
        here.clock.forward(LEASE)
        assert [await told(here) for _ in range(3)] == [1, 0, 0]
        assert len(notices(here)) == 2
