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


@pytest.mark.parametrize("field", ["DKIM-Signature", "DomainKey-Signature"])
async def test_a_signature_of_ours_before_us_is_a_warning(
    field: str, caplog: pytest.LogCaptureFixture
) -> None:
    content = invitation(Event(), **{field.replace("-", "_"): "a=rsa-sha1; s=x; d=corp.example; b=AAAA"})
    async with world() as here:
        assert await here.passes(ORDINARY)
        assert await here.passes(content) == content
        assert here.stories[-1]["reason"] == "dkim-signed"
    levels = [each.levelname for each in caplog.records if each.getMessage() == "message"]
    assert levels == ["INFO", "WARNING"]


async def test_a_link_that_cannot_be_taken_out_for_a_signature_is_a_warning(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with world() as here:
        await here.passes(invitation(Event()))
        out = signed(invitation(replace(Event(), summary="#novideomost", sequence=1)))
        assert await here.passes(out) == out
        assert here.stories[-1]["reason"] == "opted-out"
        assert here.stories[-1]["sealed"] == ("dkim-signed",)
    assert [each.levelname for each in caplog.records if each.getMessage() == "message"][-1] == "WARNING"


async def test_strip_takes_the_older_kind_of_signature_too() -> None:
    ours, theirs = (
        "a=rsa-sha1; c=nofws; q=dns; s=x; d=" + each for each in ("corp.example", "partner.example")
    )
    async with world(rewrite=STRIP) as here:
        arrived = await here.passes(invitation(Event(), DomainKey_Signature=ours))
        assert b"DomainKey-Signature" not in arrived
        arrived = await here.passes(invitation(Event(), DomainKey_Signature=theirs))
        assert theirs.encode() in arrived


async def test_what_strip_takes_did_not_verify_any_more_and_what_it_leaves_is_not_ours() -> None:
    mail = signed(signed(invitation(Event()), b"partner.example"), fields=(b"from",))
    async with world(rewrite=STRIP) as here:
        arrived = await here.passes(mail)
    signature = mail[: mail.index(b"DKIM-Signature", 1)]
    assert b"d=corp.example" in signature
    assert verifies(mail)
    assert not verifies(signature + arrived)
    assert arrived.startswith(mail[len(signature) :].partition(b"From:")[0])


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


CLEAR = (
    b"-----BEGIN PGP SIGNED MESSAGE-----\r\nHash: SHA256\r\n\r\nCome at nine\r\n"
    b"-----BEGIN PGP SIGNATURE-----\r\nx\r\n-----END PGP SIGNATURE-----"
)
ENCRYPTED = b"-----BEGIN PGP MESSAGE-----\r\n\r\nhQEM\r\n-----END PGP MESSAGE-----"


@pytest.mark.parametrize("armour", [CLEAR, ENCRYPTED], ids=["clear-signed", "encrypted"])
async def test_a_text_in_armour_stays_and_the_calendar_beside_it_bears_the_link(armour: bytes) -> None:
    text = "Вы приглашены: Бюджет\r\n".encode()
    mail = invitation(Event()).replace(text, text + armour + b"\r\n", 1)
    assert armour in mail
    async with world() as here:
        arrived = await here.passes(mail)
        assert here.stories[-1]["reason"] == "rewritten"
        assert here.stories[-1]["sealed"] == ("pgp",)
        assert "text/plain" not in here.stories[-1]["places"]
        assert "DESCRIPTION" in here.stories[-1]["places"]
        assert here.link().encode() in arrived.replace(b"\r\n ", b"")
    boundary = b"--=_test"
    assert arrived.split(boundary)[1] == mail.split(boundary)[1]
    assert arrived.split(boundary)[2] != mail.split(boundary)[2]


async def test_a_calendar_in_armour_passes_and_says_why() -> None:
    calendar = Event().calendar().encode()
    mail = invitation(Event()).replace(calendar, CLEAR.replace(b"Come at nine\r\n", calendar))
    assert mail.count(b"PGP SIGNED") == 1
    async with world() as here:
        assert await here.passes(mail) == mail
        assert here.stories[-1]["reason"] == "pgp"
        assert here.rooms() == []


@pytest.mark.parametrize(
    ("kind", "body", "reason"),
    [
        ("multipart/encrypted; protocol=application/pgp-encrypted; boundary=b", b"--b--", "encrypted"),
        ("application/pkcs7-mime; smime-type=enveloped-data; name=smime.p7m", b"MIAG", "encrypted"),
        ("application/pkcs7-mime; smime-type=signed-data; name=smime.p7m", b"MIAG", "signed"),
        ("Application/MS-TNEF; name=winmail.dat", b"eJ8+", "tnef"),
        ("text/plain", CLEAR, "pgp"),
        ("text/plain", ENCRYPTED, "pgp"),
        ("text/plain", b"multipart/encrypted, application/ms-tnef", "ordinary"),
    ],
)
async def test_mail_that_shows_no_calendar_says_why(kind: str, body: bytes, reason: str) -> None:
    mail = f"From: <{IVAN}>\r\nTo: <{ANNA}>\r\nContent-Type: {kind}\r\n\r\n".encode() + body + b"\r\n"
    async with world() as here:
        for size in (0, 2_000_000):  # in memory, and in a file
            whole = mail + b"MIAGMIAGMIAG\r\n" * (size // 14)
            assert await here.passes(whole) == whole
            assert here.stories[-1]["reason"] == reason


@pytest.mark.parametrize("dkim", ["skip", "strip"])
async def test_a_message_in_custody_is_not_broken(dkim: str) -> None:
    content = invitation(Event(), ARC_Seal="i=1; a=rsa-sha256; cv=none; d=corp.example; s=x; b=AAAA")
    async with world(rewrite={"dkim": dkim}) as here:
        assert await here.passes(content) == content
        assert here.stories[-1]["reason"] == "arc-sealed"
        assert here.rooms() == []
