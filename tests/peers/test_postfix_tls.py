"""Postfix hands mail in by STARTTLS with a login, and takes it back by STARTTLS: each verifies the other.

Set up as docs/postfix.md says, section 7.
"""

import re

import pytest

from mailhook.config import load, problems
from mailhook.doctor import Level, examine
from mailhook.front import auth
from tests.authority import Authority
from tests.peers.fragments import fragments
from tests.peers.mails import Meeting, ordinary, shown, untraced
from tests.peers.site import Site, configured

pytestmark = pytest.mark.peers

ANNA = "anna@partner.example"


@pytest.fixture(name="safe")
async def _safe(site: Site) -> Site:
    """The site, set up as docs/postfix.md says for two machines; mailhook lets Postfix in by its login alone."""
    folder = site.postfix.home / "config"
    authority = Authority(folder)
    authority.pem("mailhook.example.org", file="mailhook")
    authority.pem("mail.example.org", file="mail")
    (folder / "passwords").write_text(auth.line("postfix", "PASSWORD"))
    (folder / "login").write_text(_here(site, fragments("/etc/postfix/mailhook/login")))
    await site.mailhook.stop()
    login = fragments("/etc/mailhook/config.toml: a login, in [listen]")
    own = fragments("/etc/mailhook/config.toml: on two machines").replace("[listen]\n", f"[listen]\n{login}")
    # Not in `allow`, where Postfix's address stays the documented one.
    own = own.replace('host = "192.0.2.10"', 'host = "127.0.0.1"')
    assert configured(site.ports, site.config.parent, _here(site, own)) == site.config
    await site.mailhook.start()
    await site.postfix.run("postconf", "-M", "tlsmgr/unix=tlsmgr unix - - n 1000? 1 tlsmgr")
    await _set(site, "mailhook/unix", "on two machines, in mailhook")
    await _set(site, "mailhook/unix", "a login, in mailhook")
    await _set(site, f"127.0.0.1:{site.ports.back}/inet", "on two machines, in 192.0.2.10:10226")
    await site.postfix.obey("postfix reload")
    return site


async def _set(site: Site, service: str, title: str) -> None:
    lines = re.findall(r"^  -o (.+)$", fragments(f"/etc/postfix/master.cf: {title}"), re.MULTILINE)
    for line in lines:
        await site.postfix.run("postconf", "-P", f"{service}/{_here(site, line)}")


def _here(site: Site, text: str) -> str:
    """With this site's folder and ports, and mailhook on this machine."""
    for documented in ("/etc/postfix/mailhook", "/etc/mailhook"):
        text = text.replace(documented, str(site.postfix.home / "config"))
    return site.ports.put_into(text).replace("192.0.2.20", "127.0.0.1")


async def test_mail_goes_by_tls_both_ways(safe: Site) -> None:
    mail = ordinary("safe", b"x" * 300_000 + b"\r\n")
    await safe.submit([ANNA], mail)
    await safe.arrived(1)
    await safe.submit([ANNA], Meeting("safe@example.org", (ANNA,), "Safe").mail())
    first, second = await safe.arrived(2)
    assert untraced(first.content) == mail
    assert shown(second).link
    assert b"with ESMTPS id" in second.content
    await safe.postfix.logged(r"to-mailhook/smtp\[\d+\]: Verified TLS connection established to .*TLSv1\.3")


async def test_the_doctor_finds_all_well(safe: Site) -> None:
    found = await examine(load(safe.config), problems(safe.config))
    wrong = [each for each in found if each.level is Level.FAILURE]
    assert wrong == []
    assert any("speaks TLSv1.3" in each.sentence for each in found)


async def test_a_wrong_login_keeps_mail_in_the_queue(safe: Site) -> None:
    (safe.postfix.home / "config" / "passwords").write_text(auth.line("postfix", "other"))
    await safe.submit([ANNA], ordinary("kept"))
    (kept,) = await safe.postfix.queue_is(
        lambda queue: any(mail.queue == "deferred" for mail in queue), "the mail is deferred"
    )
    assert "535 5.7.8" in kept.reasons[0]
    assert safe.world.messages == []
