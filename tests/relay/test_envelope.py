"""What the SMTP dialogue says of a mail: who sent it from where, and who really gets it."""

from dataclasses import replace
from datetime import timedelta

import pytest

from mailhook.front.sink import EXTENSIONS, Sink
from tests.relay.mails import ANNA, BORIS, IVAN, NOW, Event, invitation, link_in
from tests.relay.rig import Client, World, world

CANCEL = replace(Event(), method="CANCEL", sequence=1, stamp=NOW + timedelta(minutes=1))


async def said(here: World, content: bytes, *commands: str) -> str:
    """Hand in with these commands before DATA; the link that arrives."""
    async with await Client.connect(here.port) as client:
        for command in commands:
            assert (await client.ask(f"{command}\r\n".encode())).code == 250
        assert (await client.ask(b"DATA\r\n")).code == 354
        assert (await client.ask(content + b".\r\n")).code == 250
    return link_in(here.messages[-1].content)


@pytest.mark.parametrize(
    ("address", "trusted"),
    [
        ("10.1.2.3", True),
        ("IPV6:2001:db8::1", True),
        ("192.0.2.1", False),
        ("IPV6:2001:db9::1", False),
        ("nonsense", False),
        ("[UNAVAILABLE]", False),
    ],
)
async def test_the_network_from_which_mail_was_submitted(address: str, trusted: bool) -> None:
    async with world({"trusted_networks": ("10.0.0.0/8", "2001:db8::/32")}) as here:
        envelope = (f"XFORWARD ADDR={address}", f"MAIL FROM:<{IVAN}>", f"RCPT TO:<{ANNA}>")
        assert bool(await said(here, invitation(Event()), *envelope)) == trusted
        assert here.stories[-1]["reason"] == ("rewritten" if trusted else "untrusted-network")


async def test_xforward_of_one_mail_does_not_hold_for_the_next_connection() -> None:
    async with world({"trusted_networks": ("10.0.0.0/8",)}) as here:
        plain = (f"MAIL FROM:<{IVAN}>", f"RCPT TO:<{ANNA}>")
        assert await said(here, invitation(Event()), "XFORWARD ADDR=10.1.2.3", *plain)
        assert not await said(here, invitation(Event()), *plain)


async def test_the_original_recipient_is_the_holder() -> None:
    """Aliases are expanded before the filter; the CANCEL may be expanded to somebody else."""
    async with world() as here:
        orcpt = f"ORCPT=rfc822;{ANNA.upper()}"
        first = (f"MAIL FROM:<{IVAN}>", f"RCPT TO:<anna.1@inside.example> {orcpt}")
        assert await said(here, invitation(Event()), *first)
        meeting = await here.meeting(Event().uid)
        assert meeting is not None
        assert set(meeting.told) == {ANNA}
        second = (f"MAIL FROM:<{IVAN}>", f"RCPT TO:<anna.2@inside.example> {orcpt}")
        await said(here, invitation(CANCEL), *second)
        await here.settle()
        here.clock.forward(timedelta(hours=2))
        await here.settle()
        assert here.rooms() == []


async def test_addresses_are_compared_without_case() -> None:
    async with world() as here:
        assert link_in(await here.passes(invitation(Event()), "Ivan@Corp.EXAMPLE", "ANNA@partner.example"))
        await here.passes(invitation(CANCEL), IVAN, "anna@PARTNER.example")
        here.clock.forward(timedelta(hours=2))
        await here.settle()
        assert here.rooms() == []


async def test_an_alias_of_the_organizers_domain() -> None:
    async with world({"domain_aliases": {"corp.test": "corp.example"}}) as here:
        first = link_in(await here.passes(invitation(Event())))
        alias = replace(Event(), organizer="ivan@corp.test", sequence=1, stamp=NOW + timedelta(minutes=1))
        assert link_in(await here.passes(invitation(alias), "ivan@corp.test")) == first == here.link()


async def test_groupware_that_sends_from_its_own_address() -> None:
    async with world({"trusted_senders": ("noreply@corp.example",)}) as here:
        assert link_in(await here.passes(invitation(Event()), "noreply@corp.example"))


async def test_a_secretary_sends() -> None:
    async with world() as here:
        content = invitation(Event()).replace(b"ORGANIZER:", b'ORGANIZER;SENT-BY="mailto:Olga@corp.example":')
        assert link_in(await here.passes(content, "olga@corp.example"))
        foreign = content.replace(b"Olga@corp.example", b"olga@elsewhere.example")
        assert await here.passes(foreign, "olga@elsewhere.example") == foreign


async def test_a_mailing_list_is_ignored_as_a_holder() -> None:
    async with world({"ignore_recipients": ("archive@corp.example",)}) as here:
        await here.passes(invitation(Event()), IVAN, ANNA, "archive@corp.example")
        await here.passes(invitation(CANCEL), IVAN, ANNA)
        here.clock.forward(timedelta(hours=2))
        await here.settle()
        assert here.rooms() == []


async def test_a_signed_message_of_ours_is_not_broken() -> None:
    signature = b"DKIM-Signature: v=1; a=rsa-sha256; d=corp.example; s=x; h=from; bh=; b=\r\n"
    async with world() as here:
        mail = signature + invitation(Event())
        assert await here.passes(mail) == mail
        assert here.stories[-1]["reason"] == "dkim-signed"
        assert here.sandbox.counts == {}


@pytest.mark.parametrize("size", [2000, 100_000])
async def test_the_next_hops_size(size: int) -> None:
    """A rewritten message that the next hop would refuse goes as it came."""
    extensions = tuple(f"SIZE {size}" if each.startswith("SIZE") else each for each in EXTENSIONS)
    async with world(sink=Sink(extensions=extensions)) as here:
        mail = invitation(Event())
        assert (await here.passes(mail) == mail) == (size == 2000)


async def test_two_mails_on_one_connection() -> None:
    async with world() as here:
        async with await Client.connect(here.port) as client:
            for who in (ANNA, BORIS):
                assert (await client.send(invitation(Event(), who), IVAN, who)).code == 250
        assert [link_in(message.content) for message in here.messages] == [here.link()] * 2
