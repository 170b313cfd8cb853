"""Mail that bears a signature: it goes on as it came and still verifies, or without the signature that was of ours.

dkimpy signs and verifies; `keys/` holds a key that serves nothing but these tests.
"""

import re
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import dkim
import pytest

from tests.relay.mails import ANNA, IVAN, ORDINARY, Event, invitation, link_in
from tests.relay.rig import world

KEYS = Path(__file__).parent / "keys"
CANCEL = replace(Event(), method="CANCEL", sequence=1)
STRIP = {"dkim": "strip"}


def signed(
    content: bytes, domain: bytes = b"corp.example", fields: Iterable[bytes] = (b"from", b"to")
) -> bytes:
    key = (KEYS / "dkim.key").read_bytes()
    signature: bytes = dkim.sign(content, b"test", domain, key, include_headers=[*fields])
    return signature + content


def verifies(content: bytes) -> bool:
    """Whether the first signature holds, by the public key that every domain is said to have."""
    record = (KEYS / "dkim.txt").read_bytes().strip()
    held: bool = dkim.verify(content, dnsfunc=lambda name, timeout=5: record)
    return held


def domains(content: bytes) -> list[bytes]:
    return re.findall(rb"^DKIM-Signature:.*?d=([\w.]+)", content, re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (ORDINARY, "ordinary"),
        (invitation(CANCEL), "cancel"),
        (invitation(replace(Event(), method="REPLY")), "method-reply"),
        (invitation(Event()), "dkim-signed"),
    ],
    ids=["ordinary", "cancel", "reply", "request"],
)
async def test_signed_mail_that_passes_still_verifies(content: bytes, reason: str) -> None:
    async with world() as here:
        mail = signed(content)  # its signature bears the second
        arrived = await here.passes(mail)
        assert arrived == mail
        assert here.stories[-1]["reason"] == reason
    assert verifies(arrived)
    assert not verifies(arrived.replace(b"</p>", b"!</p>").replace(b"Ordinary", b"ordinary"))


async def test_strip_takes_the_broken_signature_of_ours_and_no_other() -> None:
    mail = signed(signed(signed(invitation(Event()), b"partner.example"), b"mail.corp.example"))
    async with world(rewrite=STRIP) as here:
        arrived = await here.passes(mail)
        assert link_in(arrived) == here.link()
    assert domains(mail) == [b"corp.example", b"mail.corp.example", b"partner.example"]
    assert domains(arrived) == [b"partner.example"]
    again = signed(arrived)  # at re-injection, after mailhook
    assert verifies(again)


@pytest.mark.parametrize("content", [ORDINARY, invitation(CANCEL)], ids=["ordinary", "cancel"])
async def test_strip_leaves_a_signature_that_stays_valid(content: bytes) -> None:
    async with world(rewrite=STRIP) as here:
        mail = signed(content)
        arrived = await here.passes(mail)
    assert arrived == mail
    assert verifies(arrived)


async def test_strip_when_a_link_is_taken_out() -> None:
    """An opt-out cuts what the sender's server had kept of the block: that breaks the signature as well."""
    async with world(rewrite=STRIP) as here:
        kept = (await here.passes(invitation(Event()))).partition(b"X-Mailhook-Conference:")
        told = kept[0] + kept[2].partition(b"\r\n")[2]
        out = told.replace(b"SEQUENCE:0", b"SEQUENCE:1\r\nCATEGORIES:x").replace(
            b"SUMMARY:", b"SUMMARY:#novideomost "
        )
        arrived = await here.passes(signed(out))
        assert here.stories[-1]["reason"] == "opted-out"
    assert not link_in(arrived)
    assert domains(arrived) == []


SEALED = (
    f"From: <{IVAN}>\r\nTo: <{ANNA}>\r\nMIME-Version: 1.0\r\nContent-Type: multipart/signed;"
    ' protocol="application/pgp-signature"; micalg=pgp-sha256; boundary="sig"\r\n\r\n--sig\r\n'
).encode()
AFTER = b"\r\n--sig\r\nContent-Type: application/pgp-signature\r\n\r\nsignature\r\n--sig--\r\n"


def sealed(event: Event) -> bytes:
    inner = invitation(event).partition(b"MIME-Version: 1.0\r\n")[2]
    return SEALED + inner + AFTER


@pytest.mark.parametrize("dkim", ["skip", "strip"])
async def test_what_a_person_has_signed_passes_and_says_why(dkim: str) -> None:
    async with world(rewrite={"dkim": dkim}) as here:
        assert await here.passes(sealed(Event())) == sealed(Event())
        assert here.stories[-1]["reason"] == "signed"
        assert here.stories[-1]["uid"] == Event().uid
        assert here.rooms() == []


async def test_a_signed_update_and_a_signed_cancel_count() -> None:
    """The meeting had its link by an unsigned mail; its organizer signs from now on."""
    async with world() as here:
        await here.passes(invitation(Event()))
        later = replace(Event(), start=Event().start.replace(hour=9), sequence=1)
        assert await here.passes(sealed(later)) == sealed(later)
        await here.settle()
        (room,) = here.rooms()
        assert room.spec.start.hour == 9
        await here.passes(sealed(replace(CANCEL, sequence=2)))
        meeting = await here.meeting(Event().uid)
    assert meeting is not None
    assert meeting.told == {}


@pytest.mark.parametrize("dkim", ["skip", "strip"])
async def test_a_message_in_custody_is_not_broken(dkim: str) -> None:
    content = invitation(Event(), ARC_Seal="i=1; a=rsa-sha256; cv=none; d=corp.example; s=x; b=AAAA")
    async with world(rewrite={"dkim": dkim}) as here:
        assert await here.passes(content) == content
        assert here.stories[-1]["reason"] == "arc-sealed"
        assert here.rooms() == []
