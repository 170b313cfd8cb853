"""What the administrator is told when mail stands still outside: next hop, clients, certificates, passwords."""

import asyncio
import re
import signal
import ssl
from datetime import UTC, datetime, timedelta
from os import kill
from pathlib import Path

import httpx
import pytest

from tests.authority import Authority
from tests.relay.mails import ANNA, IVAN, ORDINARY
from tests.relay.processes import Outside, serving, write_settings
from tests.relay.rig import Client, Clock, until
from tests.relay.test_watching import PASSWORD, free_port
from tests.relay.watched import Watched, watched


async def figure(page: Watched, name: str) -> float:
    (value,) = re.findall(rf"^{re.escape(name)} (.*)$", await page.text("/metrics"), re.MULTILINE)
    return float(value)


# --- the next hop -------------------------------------------------------------------------------------------


async def test_a_dead_next_hop_is_told_by_the_mail_it_stops(tmp_path: Path) -> None:
    async with watched(tmp_path) as page:
        async with await Client.connect(page.here.port) as client:
            await client.send(ORDINARY, IVAN, ANNA)
            assert await figure(page, "mailhook_nexthop_reachable") == 1
            await page.here.sink.close()
            codes = [(await client.ask(f"MAIL FROM:<{IVAN}>\r\n".encode())).code]
        assert codes == [451]
        assert await figure(page, 'mailhook_envelope_refusals_total{class="4xx",command="MAIL"}') == 1
        assert await figure(page, "mailhook_nexthop_reachable") == 0


async def test_a_dead_next_hop_is_told_while_no_mail_comes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mailhook.monitoring.PULSE", 0.02)
    monkeypatch.setattr("mailhook.monitoring.PROBE", 0.0)
    async with watched(tmp_path) as page:
        assert await figure(page, "mailhook_nexthop_reachable") == 1
        port = page.here.sink.port
        await page.here.sink.close()
        await gauge(page, 0)
        await page.here.sink.start(port=port)
        await gauge(page, 1)


async def gauge(page: Watched, value: float) -> None:
    while await figure(page, "mailhook_nexthop_reachable") != value:
        pass


# --- who cannot get in --------------------------------------------------------------------------------------


async def test_clients_that_are_not_in_allow_are_told_of(tmp_path: Path) -> None:
    async with watched(tmp_path, listen={"allow": ("192.0.2.1/32",)}) as page:
        assert "<h1>Всё в порядке</h1>" in await page.text("/?lang=ru")
        for _ in range(2):
            with pytest.raises(EOFError):
                await Client.connect(page.here.port)
        assert await figure(page, 'mailhook_clients_refused_total{why="not-allowed"}') == 2
        assert "Refused in the last hour, not in listen.allow: 2" in await page.text("/?lang=en")
        assert "<h1>Нужно посмотреть</h1>" in await page.text("/?lang=ru")


async def test_clients_that_are_too_many_are_told_of(tmp_path: Path) -> None:
    async with (
        watched(tmp_path, listen={"max_connections": 1, "max_connections_per_peer": 1}) as page,
        await Client.connect(page.here.port),
    ):
        with pytest.raises(EOFError):
            await Client.connect(page.here.port)
        assert await figure(page, 'mailhook_clients_refused_total{why="limits"}') == 1


async def test_handshakes_that_fail_are_told_of(tmp_path: Path) -> None:
    pem = Authority(tmp_path).pem()
    listen = {"starttls": "optional", "tls_cert": pem.certificate, "tls_key": pem.key}
    async with watched(tmp_path, listen=listen) as page, await Client.connect(page.here.port) as client:
        assert (await client.ask(b"STARTTLS\r\n")).code == 220
        with pytest.raises(ssl.SSLError):
            # The authority is not among those of the system.
            await client.writer.start_tls(ssl.create_default_context(), server_hostname="127.0.0.1")
        await until(lambda: page.here.app.listener.connections == 0)
        assert await figure(page, 'mailhook_clients_refused_total{why="tls"}') == 1


async def test_logins_that_fail_are_told_of(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    pem, passwords = authority.pem(), tmp_path / "passwords"
    passwords.touch()
    listen = {
        "starttls": "optional",
        "tls_cert": pem.certificate,
        "tls_key": pem.key,
        "passwords_file": str(passwords),
    }
    async with watched(tmp_path, listen=listen) as page, await Client.connect(page.here.port) as client:
        assert (await client.ask(b"STARTTLS\r\n")).code == 220
        context = ssl.create_default_context(cafile=authority.file)
        await client.writer.start_tls(context, server_hostname="127.0.0.1")
        assert (await client.ask(b"EHLO client.test\r\n")).code == 250
        assert (await client.ask(b"AUTH PLAIN AGJvYgBodW50ZXIy\r\n")).code == 535
        assert await figure(page, 'mailhook_clients_refused_total{why="login"}') == 1
        assert "Logins that failed in the last hour: 1" in await page.text("/?lang=en")


async def test_wrong_passwords_for_the_page_are_told_of(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with watched(tmp_path, password=PASSWORD) as page:
        async with httpx.AsyncClient(base_url=page.url, trust_env=False) as stranger:
            assert (await stranger.get("/")).status_code == 401
            for _ in range(5):
                assert (await stranger.get("/", auth=("admin", "wrong"))).status_code == 401
        assert await figure(page, 'mailhook_clients_refused_total{why="http-password"}') == 5
    assert caplog.text.count("127.0.0.1: wrong password for the status page or metrics (1 times)") == 1
    assert caplog.text.count("wrong password") == 1


# --- certificates -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("days", "told"),
    [(90.5, None), (14.5, None), (13.5, "expires in 13 days"), (-1, "has expired")],
)
async def test_a_certificate_that_expires_is_told_of(tmp_path: Path, days: float, told: str | None) -> None:
    pem = Authority(tmp_path).pem(days=days)
    listen = {"starttls": "optional", "tls_cert": pem.certificate, "tls_key": pem.key}
    async with watched(tmp_path, listen=listen, clock=Clock(datetime.now(UTC))) as page:
        left = await figure(page, 'mailhook_certificate_expiry_seconds{side="listener"}')
        text = await page.text("/?lang=en")
    assert abs(left - days * 86400) < 3600
    assert ("All is well" in text) is (told is None)
    assert told is None or told in text


async def test_a_certificate_that_cannot_be_read_again_is_told_of(tmp_path: Path) -> None:
    pem = Authority(tmp_path).pem()
    listen = {"starttls": "optional", "tls_cert": pem.certificate, "tls_key": pem.key}
    async with watched(tmp_path, listen=listen, clock=Clock(datetime.now(UTC))) as page:
        assert "All is well" in await page.text("/?lang=en")
        await asyncio.to_thread(Path(pem.certificate).write_text, "nothing")
        page.here.clock.forward(timedelta(minutes=1))
        text = await page.text("/?lang=en")
        assert f"Certificate {pem.certificate}: cannot be read" in text
        assert await figure(page, 'mailhook_certificate_expiry_seconds{side="listener"}') > 0


# --- the supervisor -----------------------------------------------------------------------------------------


async def test_what_the_supervisor_warns_of_is_counted(outside: Outside, tmp_path: Path) -> None:
    """A worker that was killed, and settings that cannot be used; any worker tells of it."""
    port = free_port()
    hop, base, store = outside.sink.port, outside.sandbox.url, tmp_path / "s.db"
    settings = write_settings(outside.settings, hop=hop, base=base, store=store, http=port, workers=2)
    async with serving(settings, RUNTIME_DIRECTORY=str(tmp_path)) as served:
        kill(served.workers[0], signal.SIGKILL)
        await until(lambda: bool(served.told("worker-started")))
        settings.write_text("[nonsense]\n")
        served.reload()
        await until(lambda: bool(served.told("settings-kept")))
        kept = len(served.told("settings-kept"))
        async with httpx.AsyncClient(trust_env=False) as browser:
            samples = (await browser.get(f"http://127.0.0.1:{port}/metrics")).text.splitlines()
        files = await asyncio.to_thread(lambda: list(tmp_path.glob("mailhook-*/counter_*.db")))
    assert 'mailhook_warnings_total{event="worker-died"} 1.0' in samples
    assert f'mailhook_warnings_total{{event="settings-kept"}} {kept}.0' in samples
    assert len(files) == 3, files
