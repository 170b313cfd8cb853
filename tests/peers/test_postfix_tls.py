"""Postfix hands mail in by STARTTLS with a login, and takes it back by STARTTLS: each verifies the other."""

from pathlib import Path

import pytest

from mailhook.config import load, problems
from mailhook.doctor import Level, examine
from mailhook.front import auth
from tests.authority import Authority
from tests.peers.mails import Meeting, ordinary, shown, untraced
from tests.peers.site import Site

pytestmark = pytest.mark.peers

ANNA = "anna@partner.example"


@pytest.fixture(name="safe")
async def _safe(site: Site) -> Site:
    """The site, with TLS on both ways; mailhook lets Postfix in by its login alone."""
    ports, folder = site.postfix.ports, site.postfix.home / "config"
    authority = Authority(folder)
    here = authority.pem("mailhook.test", file="mailhook")
    there = authority.pem("mail.example.org", file="postfix")
    (folder / "passwords").write_text(auth.line("postfix", "hunter2"))
    (folder / "login").write_text(f"[127.0.0.1]:{ports.mailhook} postfix:hunter2\n")
    await site.mailhook.stop()
    _configure(
        site.config,
        {
            "#allow =": 'allow = ["192.0.2.0/24"]\n#allow =',
            '#starttls = "off"': f'starttls = "required"\npasswords_file = "{folder}/passwords"',
            '#tls_cert = ""\n#tls_key = ""': f'tls_cert = "{here.certificate}"\ntls_key = "{here.key}"',
            '#tls = "off"': f'tls = "starttls"\nca_file = "{authority.file}"\ntls_name = "mail.example.org"',
        },
    )
    await site.mailhook.start()
    run = site.postfix.run
    await run("postconf", "-M", "tlsmgr/unix=tlsmgr unix - - n 1000? 1 tlsmgr")
    back, feed = f"127.0.0.1:{ports.back}/inet", "mailhook/unix"
    for service, setting in (
        (back, "smtpd_tls_security_level=encrypt"),
        (back, f"smtpd_tls_chain_files={there.key},{there.certificate}"),
        (feed, "smtp_tls_security_level=secure"),
        (feed, f"smtp_tls_CAfile={authority.file}"),
        (feed, "smtp_tls_secure_cert_match=mailhook.test"),
        (feed, "smtp_tls_loglevel=1"),
        (feed, "smtp_sasl_auth_enable=yes"),
        (feed, "smtp_sasl_mechanism_filter=plain"),
        (feed, f"smtp_sasl_password_maps=texthash:{folder}/login"),
        (feed, "smtp_sasl_security_options=noanonymous"),
    ):
        await run("postconf", "-P", f"{service}/{setting}")
    await site.postfix.obey("postfix reload")
    return site


def _configure(config: Path, changes: dict[str, str]) -> None:
    text = config.read_text(encoding="utf-8")
    for example, ours in changes.items():
        assert example in text, example
        text = text.replace(example, ours, 1)
    config.write_text(text, encoding="utf-8")


async def test_mail_goes_by_tls_both_ways(safe: Site) -> None:
    mail = ordinary("safe", b"x" * 300_000 + b"\r\n")
    await safe.submit([ANNA], mail)
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
