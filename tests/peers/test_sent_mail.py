"""The link in the organizer's sent mail, all the way from the mails to a real Dovecot."""

import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import pytest
import pytest_asyncio

from mailhook import admin
from mailhook.core.copies import LONGEST_PAUSE
from mailhook.core.notice import SETTLE
from mailhook.own_copies import copy_kinds
from tests.peers.dovecot import MASTER, MASTER_PASSWORD, USERS, Dovecot, dovecot
from tests.peers.mailbox import Mailbox
from tests.relay.mails import ANNA, NOW, Event, invitation, link_in
from tests.relay.rig import World, world

pytestmark = [pytest.mark.peers("dovecot"), pytest.mark.asyncio(loop_scope="module")]

IVAN = USERS[0]
FIRST = Event(organizer=IVAN)
LATER = replace(FIRST, sequence=1, stamp=NOW + timedelta(minutes=30), hours=2)
RULES = {"organizer_domains": ("example.org",)}
NOTICE: Mapping[str, Any] = {"enabled": True, "sender": "videomost@example.org"}


@pytest_asyncio.fixture(name="server", scope="module", loop_scope="module")
async def _server() -> AsyncIterator[Dovecot]:
    async with dovecot() as started:
        yield started


@dataclass
class Office:
    """mailhook, and Ivan's folder of sent mail."""

    here: World
    sent: Mailbox

    async def sends(self, event: Event) -> bytes:
        """By a program that saves what it has sent afterwards; what arrives."""
        mail = invitation(event)
        arrived = await self.here.passes(mail, IVAN)
        await self.sent.fill(mail, "(\\Seen \\Flagged)")
        return arrived

    async def copies(self) -> list[bytes]:
        return [stored.content.replace(b"\r\n ", b"") for stored in await self.sent.messages()]

    async def shown(self) -> Any:
        meeting = await self.here.meeting(FIRST.uid, IVAN)
        assert meeting is not None
        settings, now = self.here.app.settings, self.here.clock.now
        (row,) = admin.everything(meeting, settings.policy, now, links=False, kinds=copy_kinds(settings))[
            "copies"
        ]
        return row


@asynccontextmanager
async def office(server: Dovecot) -> AsyncIterator[Office]:
    imap = {
        "host": "127.0.0.1",
        "port": server.plain,
        "tls": "off",
        "login": f"{{address}}*{MASTER}",
        "password": MASTER_PASSWORD,
    }
    sent = Mailbox(server.plain, IVAN, f"{IVAN}-pw")
    await sent.hold()
    async with world(RULES, imap=imap, notice=NOTICE) as here:
        yield Office(here, sent)


async def test_the_sent_copy_has_the_link_as_the_mail_had_it(server: Dovecot) -> None:
    async with office(server) as own:
        arrived = await own.sends(FIRST)
        await own.here.written()
        (stored,) = await own.sent.messages()
        assert (stored.content, stored.flags) == (arrived, frozenset({"\\Seen", "\\Flagged"}))
        assert set(await own.shown()) == {"by", "link"}


async def test_a_program_that_saves_late(server: Dovecot) -> None:
    async with office(server) as own:
        mail = invitation(FIRST)
        arrived = await own.here.passes(mail, IVAN)
        await own.here.written()
        assert "not yet" in str(await own.shown())
        await own.sent.fill(mail)
        own.here.clock.forward(LONGEST_PAUSE)
        await own.here.written()
        assert [stored.content for stored in await own.sent.messages()] == [arrived]


async def test_both_mails_of_a_meeting_and_the_end_of_it(server: Dovecot) -> None:
    async with office(server) as own:
        await own.sends(FIRST)
        await own.sends(LATER)
        await own.here.written()
        link = own.here.link()
        assert [link_in(copy) for copy in await own.copies()] == [link, link]
        cancel = replace(LATER, method="CANCEL", sequence=2, stamp=NOW + timedelta(hours=1))
        await own.here.passes(invitation(cancel), IVAN, ANNA)
        own.here.clock.forward(timedelta(hours=2))
        await own.here.settle()
        assert own.here.rooms() == []
        await own.here.written()
        copies = await own.copies()
        assert len(copies) == 2
        assert not any(link.encode() in copy for copy in copies)


async def test_a_sealed_copy_is_left_alone_and_said_so(server: Dovecot) -> None:
    """What went through mailhook was not sealed: the program seals what it keeps."""
    async with office(server) as own:
        mail = invitation(FIRST)
        await own.here.passes(mail, IVAN)
        kind = rb'Content-Type: multipart/signed; protocol="application/pkcs7-signature"; micalg=sha-256;'
        sealed = re.sub(rb"Content-Type: multipart/alternative;", kind, mail, count=1)
        await own.sent.fill(sealed)
        await own.here.written()
        assert [stored.content for stored in await own.sent.messages()] == [sealed]
        assert "none that may be changed" in str(await own.shown())


async def test_no_notice_is_called_for_once_it_is_written(server: Dovecot) -> None:
    async with office(server) as own:
        await own.sends(FIRST)
        assert own.here.app.courier is not None
        await own.here.written()
        own.here.clock.forward(SETTLE * 2)
        await own.here.app.courier.once()
        assert len(own.here.messages) == 1
