"""mailhook serve as a before-queue filter (smtpd_proxy_filter) of a real Postfix, set up as docs/postfix.md says."""

import re
import smtplib
from asyncio import to_thread
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from mailhook.config import load
from tests.peers.fragments import fragments
from tests.peers.mails import (
    ANNA,
    BORIS,
    MEETING,
    ODD,
    ORGANIZER,
    message_id,
    ordinary,
    recipients,
    shown,
    submit,
    untraced,
)
from tests.peers.postfix import REFUSED, free_ports
from tests.peers.site import Site, configured, site

pytestmark = pytest.mark.peers


@pytest.fixture(name="site")
async def _site(tmp_path: Path) -> AsyncIterator[Site]:
    async with site(tmp_path, fragments("/etc/mailhook/config.toml: before the queue")) as started:
        yield started


async def test_what_users_send_arrives_and_what_they_hear_is_the_queues(site: Site) -> None:
    for number, body in enumerate(ODD):
        name = await submit(site.ports.before, [ANNA], ordinary(f"odd-{number}", body), source="127.0.0.40")
        # The name in the reply is that of the one queue there is.
        await site.postfix.logged(
            rf"postfix/from-mailhook/smtpd\[\d+\]: {name}: client=\S+, orig_client=\S*\[127.0.0.40\]"
        )
    arrived = await site.arrived(len(ODD))
    assert {message_id(one): untraced(one.content) for one in arrived} == {
        f"<odd-{number}@example.org>": ordinary(f"odd-{number}", body) for number, body in enumerate(ODD)
    }


async def test_an_invitation_has_its_link_and_a_refused_recipient_is_told_at_once(site: Site) -> None:
    def say() -> dict[str, tuple[int, bytes]]:
        with smtplib.SMTP("127.0.0.1", site.ports.before, "laptop.example.org", 60) as client:
            options, each = ("BODY=8BITMIME", "RET=HDRS", "ENVID=Quite+20Odd"), ("NOTIFY=FAILURE",)
            return client.sendmail(ORGANIZER, [ANNA, REFUSED, BORIS], MEETING.mail(), options, each)

    ((refused, (code, _)),) = (await to_thread(say)).items()
    assert (refused, code) == (REFUSED, 550)
    (arrived,) = await site.arrived(1)
    (room,) = await site.rooms()
    assert (room.topic, room.link) == (MEETING.summary, shown(arrived).link)
    assert recipients(arrived) == [ANNA, BORIS]
    assert {b"RET=HDRS", b"ENVID=Quite+20Odd"} <= set(arrived.mail.parameters)
    assert arrived.recipients[0].parameter(b"NOTIFY") == b"FAILURE"
    assert not site.bounces()


async def test_without_videomost_there_is_no_link_and_without_mailhook_no_mail(site: Site) -> None:
    await site.videomost.stop()
    mail = MEETING.mail()
    await submit(site.ports.before, MEETING.recipients, mail)
    (arrived,) = await site.arrived(1)
    assert untraced(arrived.content) == mail
    assert "decision=pass" in site.mailhook.output()
    await site.mailhook.stop()
    with pytest.raises(AssertionError, match="451"):
        await submit(site.ports.before, [ANNA], ordinary("down"))
    assert len(site.world.messages) == 1


def test_the_documented_times_fit(tmp_path: Path) -> None:
    """Postfix waits so long for each reply; what we wait for must end before."""
    lines = fragments("/etc/postfix/master.cf: before the queue, add to submission, submissions")
    (patience,) = re.findall(r"smtpd_proxy_timeout=(\d+)s", lines)
    own = fragments("/etc/mailhook/config.toml: before the queue")
    settings = load(configured(free_ports(), tmp_path, own))
    hop = settings.nexthop
    content = settings.policy.deadline + hop.data_timeout
    envelope = hop.connect_timeout + hop.command_timeout
    assert max(content, envelope).total_seconds() < int(patience)
