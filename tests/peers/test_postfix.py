"""mailhook serve as a content filter of a real Postfix, set up as docs/postfix.md says."""

import asyncio
import email
import re
from datetime import timedelta

import httpx
import pytest

from mailhook.config import load, problems
from mailhook.doctor import Level, examine
from tests.peers.fragments import commands, fragments
from tests.peers.mails import (
    ANNA,
    BORIS,
    KATE,
    MEETING,
    ODD,
    ORGANIZER,
    TOMORROW,
    Meeting,
    is_bounce,
    message_id,
    ordinary,
    recipients,
    shown,
    submit,
    untraced,
)
from tests.peers.postfix import PICKED_OUT, REFUSED
from tests.peers.signer import HEADER, Signer, signature
from tests.peers.site import Site
from tests.peers.waiting import eventually, eventually_async, found_in

pytestmark = pytest.mark.peers


async def test_the_doctor_finds_all_well(site: Site) -> None:
    found = await examine(load(site.config), problems(site.config))
    wrong = [
        each for each in found if each.level is not Level.OK and each.subject not in {"settings", "disk"}
    ]
    assert wrong == []
    assert await site.postfix.queue() == []


async def test_ordinary_mail_arrives_as_it_was_submitted(site: Site) -> None:
    mails = [ordinary(f"odd-{number}", body) for number, body in enumerate(ODD)]
    for mail in mails:
        await site.submit([ANNA], mail)
    arrived = await site.arrived(len(mails))
    assert {message_id(one): untraced(one.content) for one in arrived} == {
        f"<odd-{number}@example.org>": mail for number, mail in enumerate(mails)
    }
    assert site.mailhook.output().count("decision=pass") == len(mails)


async def test_an_invitation_arrives_with_a_working_link(site: Site) -> None:
    await site.submit(MEETING.recipients, MEETING.mail())
    (arrived,) = await site.arrived(1)
    seen = shown(arrived)
    assert recipients(arrived) == [ANNA, BORIS]
    assert seen.link.startswith(f"http://127.0.0.1:{site.postfix.ports.videomost}/service/join/?confid=")
    assert (seen.summary, seen.start) == (MEETING.summary, MEETING.start)
    (room,) = await site.rooms()
    assert (room.topic, room.link) == (MEETING.summary, seen.link)
    async with httpx.AsyncClient(trust_env=False) as browser:
        page = await browser.get(seen.link)
    assert page.status_code == 200
    assert MEETING.summary in page.text


async def test_an_update_keeps_the_link_and_a_cancellation_deletes_the_conference(site: Site) -> None:
    await site.submit(MEETING.recipients, MEETING.mail())
    (first,) = await site.arrived(1)
    later = TOMORROW + timedelta(hours=3)
    moved = Meeting(MEETING.uid, MEETING.recipients, "Бюджет, позже", later, sequence=1)
    await site.submit(moved.recipients, moved.mail())
    second = (await site.arrived(2))[1]
    assert shown(second).link == shown(first).link

    async def followed() -> bool:
        (room,) = await site.rooms()
        return room.topic == moved.summary and f"{later:%H:%M}" in room.start

    await eventually_async(followed, "the conference is moved")
    cancel = Meeting(MEETING.uid, MEETING.recipients, moved.summary, later, sequence=2).mail("CANCEL")
    await site.submit(MEETING.recipients, cancel)
    third = (await site.arrived(3))[2]
    assert untraced(third.content) == cancel

    async def deleted() -> bool:
        (room,) = await site.rooms()
        return room.deleted

    await eventually_async(deleted, "the conference is deleted")


async def test_only_mail_of_own_users_is_filtered(site: Site) -> None:
    ports = site.postfix.ports
    inbound = Meeting("inbound@example.org", (ANNA,), "From outside").mail()
    await submit(ports.inbound, [ANNA], inbound)
    (arrived,) = await site.arrived(1)
    assert untraced(arrived.content) == inbound
    assert "message" not in site.mailhook.output().partition("listening")[2]

    await submit(ports.groupware, [ANNA], Meeting("groupware@example.org", (ANNA,), "Groupware").mail())
    assert shown((await site.arrived(2))[1]).link
    await submit(
        ports.inbound,
        [ANNA],
        Meeting("by-address@example.org", (ANNA,), "By address").mail(),
        source=PICKED_OUT,
    )
    assert shown((await site.arrived(3))[2]).link


async def test_parameters_go_through(site: Site) -> None:
    await submit(
        site.postfix.ports.submission,
        [ANNA],
        ordinary("parameters"),
        mail_options=("BODY=8BITMIME", "RET=HDRS", "ENVID=Quite+20Odd"),
        rcpt_options=("NOTIFY=FAILURE,DELAY", "ORCPT=rfc822;Anna+2BX@Partner.Example"),
    )
    (arrived,) = await site.arrived(1)
    assert {b"BODY=8BITMIME", b"RET=HDRS", b"ENVID=Quite+20Odd"} <= set(arrived.mail.argument.split())
    said = arrived.recipients[0].argument
    assert b"ORCPT=rfc822;Anna+2BX@Partner.Example" in said
    assert re.search(rb"NOTIFY=(FAILURE,DELAY|DELAY,FAILURE)", said)


async def test_the_logs_join_both_sides_and_name_the_true_client(site: Site) -> None:
    came = await submit(
        site.postfix.ports.submission, MEETING.recipients, MEETING.mail(), source="127.0.0.40"
    )
    await site.arrived(1)
    back = await site.postfix.logged(
        rf"postfix/from-mailhook/smtpd\[\d+\]: (\w+): client=\S+, orig_queue_id={came}, orig_client=\S*\[127.0.0.40\]"
    )
    await site.postfix.logged(
        rf"postfix/to-mailhook/smtp\[\d+\]: {came}: .*status=sent \(250 .* queued as {back[1]}\)"
    )
    line = await found_in(site.mailhook.output, rf".* message .*ident={came} .*")
    assert f"hop_ident={back[1]}" in line[0]
    assert "decision=rewrite" in line[0]
    assert shown(site.world.messages[0]).link.partition("confid=")[2] not in site.mailhook.output()


async def test_mail_is_signed_once_and_behind_mailhook(site: Site) -> None:
    signer = Signer()
    await signer.start()
    try:
        await site.postfix.obey(f"postconf -e smtpd_milters=inet:127.0.0.1:{signer.port} && postfix reload")
        for port in (site.postfix.ports.submission, site.postfix.ports.groupware):
            await submit(port, [ANNA], Meeting(f"{port}@example.org", (ANNA,), "Signed").mail())
        for mail in await site.arrived(2):
            assert shown(mail).link
            _, _, body = mail.content.partition(b"\r\n\r\n")
            signed = [line for line in mail.content.split(b"\r\n") if line.startswith(HEADER)]
            assert signed == [HEADER + b": " + signature(body)]
    finally:
        signer.close()


async def test_a_refused_recipient_bounces_alone(site: Site) -> None:
    await site.submit([ANNA, REFUSED, BORIS], MEETING.mail())
    arrived = await site.arrived(2)
    (bounce,) = (mail for mail in arrived if is_bounce(mail))
    (mail,) = (mail for mail in arrived if not is_bounce(mail))
    assert recipients(mail) == [ANNA, BORIS]
    assert recipients(bounce) == [ORGANIZER]
    assert shown(mail).link
    report = email.message_from_bytes(bounce.content).get_payload(1)
    assert not isinstance(report, str)
    failed = re.findall(r"Final-Recipient: rfc822;\s*(\S+)", report.as_string())
    assert failed == [REFUSED]
    assert "550 5.1.1" in bounce.content.decode()


async def test_invitations_wait_in_the_queue_while_videomost_is_down(site: Site) -> None:
    await site.videomost.stop()
    await site.submit(MEETING.recipients, MEETING.mail())
    (waiting,) = await site.postfix.queue_is(
        lambda queue: [mail.queue for mail in queue] == ["deferred"], "the invitation is deferred"
    )
    assert "451 4.3.2" in waiting.reasons[0]
    await site.submit([KATE], ordinary("meanwhile"))
    (passed,) = await site.arrived(1)
    assert message_id(passed) == "<meanwhile@example.org>"
    await site.videomost.start()
    await site.postfix.flush()
    assert shown((await site.arrived(2))[1]).link


async def test_ordinary_mail_passes_invitations_that_wait(site: Site) -> None:
    meetings = [Meeting(f"slow-{number}@example.org", (ANNA,), f"Slow {number}") for number in range(12)]
    await site.fault(create={"delay": 3600.0})
    for meeting in meetings:
        await site.submit(meeting.recipients, meeting.mail())

    async def all_asked() -> bool:
        return await site.creates() == len(meetings)

    await eventually_async(all_asked, "a conference is asked for by each invitation")
    for number in range(20):
        await site.submit([KATE], ordinary(f"quick-{number}"))
    assert all(recipients(mail) == [KATE] for mail in await site.arrived(20))
    # 10 may wait (policy.max_waiting), the others were sent back at once.
    await site.postfix.logged(r"status=deferred \(host 127.0.0.1.* said: 451 4.3.2")
    await site.videomost.stop()
    await site.videomost.start()
    arrived = await site.emptied()
    links = {shown(mail).link for mail in arrived if recipients(mail) == [ANNA]}
    assert "" not in links
    assert len(links) == len(meetings) == sum(not room.deleted for room in await site.rooms())
    assert not site.bounces()


async def test_a_stop_in_the_middle_of_traffic_loses_nothing(site: Site) -> None:
    meetings = [Meeting(f"stop-{number}@example.org", (ANNA,), f"Stop {number}") for number in range(10)]
    mails = {meeting.uid: meeting.mail() for meeting in meetings}
    mails |= {f"plain-{number}": ordinary(f"plain-{number}") for number in range(30)}
    copies = [(f"guest-{copy}@partner.example", mail) for copy in range(3) for mail in mails.values()]
    await site.fault(create={"delay": 0.5})
    traffic = asyncio.gather(*(site.submit([guest], mail) for guest, mail in copies))
    await site.arrived(10)
    assert await site.mailhook.stop() == 0
    before = len(site.world.messages)
    await traffic
    await site.mailhook.start()
    arrived = await site.emptied()
    assert before < len(copies), "the traffic was over before the stop"
    assert len({(message_id(mail), *recipients(mail)) for mail in arrived}) == len(copies)
    assert len(arrived) == len(copies)  # a stop in good order delivers nothing twice
    links = {shown(mail).link for mail in arrived if "stop-" in message_id(mail)}
    assert "" not in links
    assert len(links) == len(meetings)
    assert "Traceback" not in site.mailhook.output()


async def test_mail_that_waited_while_mailhook_was_down_arrives_by_itself(site: Site) -> None:
    """An hour of Postfix's pauses, each a hundredth as long; nobody flushes its queue."""
    assert "maximal_backoff_time = 10m\n" in fragments("/etc/postfix/main.cf")
    for name, seconds in (("minimal_backoff_time", 3), ("maximal_backoff_time", 6), ("queue_run_delay", 3)):
        await site.postfix.run("postconf", "-e", f"{name}={seconds}s")
    await site.postfix.run("postfix", "reload")
    await site.mailhook.stop()
    meetings = [Meeting(f"down-{number}@example.org", (ANNA,), f"Down {number}") for number in range(20)]
    mails = {message_id_of(meeting): meeting.mail() for meeting in meetings}
    mails |= {f"<plain-{number}@example.org>": ordinary(f"plain-{number}") for number in range(80)}
    for mail in mails.values():
        await site.submit([ANNA], mail)

    def tried() -> bool:
        return site.postfix.log().count("status=deferred") >= 4 * len(mails)

    await eventually(tried, "each mail has been tried in vain four times")
    assert site.world.messages == []
    await site.mailhook.start()
    arrived = await site.arrived(len(mails))

    async def nothing_waits() -> bool:
        return not await site.postfix.queue()

    await eventually_async(nothing_waits, "the queue is empty")
    assert len(site.world.messages) == len(mails)
    assert {message_id(mail) for mail in arrived} == mails.keys()
    assert all(shown(mail).link for mail in arrived if "down-" in message_id(mail))
    assert all(
        untraced(mail.content) == mails[message_id(mail)] for mail in arrived if "plain-" in message_id(mail)
    )
    assert not site.bounces()


def message_id_of(meeting: Meeting) -> str:
    return f"<request.{meeting.sequence}.{meeting.uid}>"


async def test_the_documented_commands_switch_it_off_and_on(site: Site) -> None:
    off, on = (site.postfix.ports.put_into(line) for line in commands("postconf -e "))
    invitation = MEETING.mail()
    await site.mailhook.stop()
    await site.submit([ANNA], invitation)
    await site.postfix.queue_is(
        lambda queue: [mail.queue for mail in queue] == ["deferred"], "the invitation is deferred"
    )
    await site.postfix.obey(off)
    await site.submit([BORIS], invitation)
    (direct,) = await site.arrived(1)
    assert recipients(direct) == [BORIS]
    assert untraced(direct.content) == invitation
    (requeue,) = commands("postsuper ")
    await site.postfix.obey(requeue)
    assert recipients((await site.arrived(2))[1]) == [ANNA]

    await site.postfix.obey(on)
    await site.mailhook.start()
    await site.submit([KATE], Meeting("again@example.org", (KATE,), "Again").mail())
    assert shown((await site.arrived(3))[2]).link
