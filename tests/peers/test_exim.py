"""mailhook serve behind a real Exim, set up as docs/exim.md says."""

import asyncio
import re
import smtplib
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest

from mailhook.config import load, problems
from mailhook.doctor import Level, examine
from tests.peers.exim import Exim
from tests.peers.mails import (
    ANNA,
    BORIS,
    KATE,
    MEETING,
    ODD,
    ORGANIZER,
    Meeting,
    is_bounce,
    message_id,
    ordinary,
    recipients,
    shown,
    untraced,
)
from tests.peers.postfix import PICKED_OUT, REFUSED, free_ports
from tests.peers.site import Surroundings, surroundings
from tests.peers.waiting import eventually, found_in

pytestmark = pytest.mark.peers("exim")


@pytest.fixture(name="exim")
async def _exim() -> AsyncIterator[Exim]:
    exim = Exim(free_ports())
    try:
        await exim.start()
        yield exim
        # pytest shows it when a test fails.
        print(exim.log())
    finally:
        await exim.stop()


@pytest.fixture(name="around")
async def _around(tmp_path: Path, exim: Exim) -> AsyncIterator[Surroundings]:
    async with surroundings(tmp_path, exim.ports) as around:
        yield around


async def submit(
    port: int,
    to: Sequence[str],
    content: bytes,
    *,
    login: bool = True,
    mail_options: Sequence[str] = (),
    rcpt_options: Sequence[str] = (),
    source: str = "127.0.0.1",
) -> str:
    """Hand a mail in as a user's program would; Exim's name for it."""

    def say() -> str:
        with smtplib.SMTP("127.0.0.1", port, "laptop.example.org", 60, (source, 0)) as client:
            client.ehlo()
            if login:
                client.login("ivan", "secret")
            said = [client.mail(ORGANIZER, mail_options)]
            said += [client.rcpt(recipient, rcpt_options) for recipient in to]
            assert all(code == 250 for code, _ in said), said
            code, text = client.data(content)
            assert code == 250, text
            return text.decode().partition("id=")[2]

    return await asyncio.to_thread(say)


async def test_mail_of_own_users_goes_through_as_it_is(around: Surroundings, exim: Exim) -> None:
    mails = [ordinary(f"odd-{number}", body) for number, body in enumerate(ODD)]
    for mail in mails:
        await submit(around.ports.submission, [ANNA], mail)
    await submit(
        around.ports.submission,
        [KATE],
        ordinary("parameters"),
        mail_options=("RET=HDRS", "ENVID=Quite+20Odd"),
        rcpt_options=("NOTIFY=FAILURE", "ORCPT=rfc822;Kate+2BX@Partner.Example"),
    )
    arrived = await around.arrived(len(mails) + 1)
    came = {message_id(one): untraced(one.content) for one in arrived}
    assert came == {
        **{f"<odd-{number}@example.org>": mail for number, mail in enumerate(mails)},
        "<parameters@example.org>": ordinary("parameters"),
    }
    (asked,) = (one for one in arrived if recipients(one) == [KATE])
    assert {b"RET=HDRS", b"ENVID=Quite+20Odd"} <= set(asked.mail.parameters)
    assert set(asked.recipients[0].parameters) == {
        b"NOTIFY=FAILURE",
        b"ORCPT=rfc822;Kate+2BX@Partner.Example",
    }
    assert around.mailhook.output().count("decision=pass") == len(mails) + 1


async def test_an_invitation_arrives_with_a_working_link_and_a_refused_recipient_bounces_alone(
    around: Surroundings, exim: Exim
) -> None:
    first = await submit(around.ports.submission, [ANNA, REFUSED, BORIS], MEETING.mail())
    arrived = await around.arrived(2)
    (bounce,) = (mail for mail in arrived if is_bounce(mail))
    (mail,) = (mail for mail in arrived if not is_bounce(mail))
    assert recipients(mail) == [ANNA, BORIS]
    (room,) = await around.rooms()
    assert (room.topic, room.link) == (MEETING.summary, shown(mail).link)
    assert recipients(bounce) == [ORGANIZER]
    assert REFUSED in bounce.content.decode()
    # The two names of the mail are joined by both logs.
    line = await found_in(exim.log, rf'{first} => \S+ R=mailhook T=mailhook .*C="250 OK id=(\S+)"')
    assert f"hop_ident={line[1]}" in around.mailhook.output()


async def test_only_mail_of_own_users_is_filtered_and_the_doctor_misses_xforward(
    around: Surroundings, exim: Exim
) -> None:
    found = await examine(load(around.config), problems(around.config))
    (missed,) = (
        each for each in found if each.level is not Level.OK and each.subject not in {"settings", "disk"}
    )
    assert (missed.level, missed.subject) == (Level.WARNING, "next hop's limits")
    assert missed.sentence.startswith("it does not offer XFORWARD")
    inbound = Meeting("inbound@example.org", (ANNA,), "From outside").mail()
    await submit(around.ports.inbound, [ANNA], inbound, login=False)
    (arrived,) = await around.arrived(1)
    assert untraced(arrived.content) == inbound
    assert "message" not in around.mailhook.output().partition("listening")[2]
    groupware = Meeting("groupware@example.org", (ANNA,), "Groupware").mail()
    await submit(around.ports.inbound, [ANNA], groupware, login=False, source=PICKED_OUT)
    assert shown((await around.arrived(2))[1]).link


async def test_mail_waits_in_the_queue_while_mailhook_or_videomost_is_down(
    around: Surroundings, exim: Exim
) -> None:
    await around.mailhook.stop()
    names = [await submit(around.ports.submission, [KATE], ordinary(f"waits-{n}")) for n in range(3)]
    await found_in(exim.log, rf"{names[-1]} == {KATE} R=mailhook T=mailhook defer")
    assert sorted(await exim.queue()) == sorted(names)
    await around.videomost.stop()
    await around.mailhook.start()
    await exim.flush()
    assert {message_id(mail) for mail in await around.arrived(3)} == {
        f"<waits-{n}@example.org>" for n in range(3)
    }
    waiting = await submit(around.ports.submission, MEETING.recipients, MEETING.mail())
    await found_in(exim.log, rf"{waiting} == .* defer .*451 4\.3\.2")
    # Exim remembers that of this mail only.
    await submit(around.ports.submission, [KATE], ordinary("meanwhile"))
    assert message_id((await around.arrived(4))[3]) == "<meanwhile@example.org>"
    await around.videomost.start()
    await exim.flush()
    assert shown((await around.arrived(5))[4]).link
    await eventually(lambda: re.search(rf"{waiting} Completed", exim.log()), "the queue is empty")
