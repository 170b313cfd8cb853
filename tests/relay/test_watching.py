"""What those see who watch: health, readiness, metrics and the status page, over HTTP."""

import asyncio
import json
import socket
import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing, suppress
from pathlib import Path

import httpx
import pytest

from mailhook.front.spool import Spool
from mailhook.front.status_page import HEADERS
from mailhook.front.status_words import REASONS, WORDS
from mailhook.monitoring import BOUNDS
from tests.relay.mails import ANNA, IVAN, ORDINARY, Event, invitation
from tests.relay.processes import Outside, fresh, serving, write_settings
from tests.relay.rig import PATIENCE, Client, until
from tests.relay.watched import HOSTILE, Watched, day, trouble, watched

PASSWORD = "correct horse battery"


@pytest.fixture
async def open_page(tmp_path: Path) -> AsyncIterator[Watched]:
    async with watched(tmp_path) as page:
        yield page


@pytest.fixture
async def secret_page(tmp_path: Path) -> AsyncIterator[Watched]:
    async with watched(tmp_path, {"on_failure": "pass"}, PASSWORD) as page:
        yield page


async def ready(page: Watched) -> tuple[int, list[str]]:
    async with page.browser() as browser:
        answer = await browser.get("/ready")
    told = answer.json()
    assert told["ready"] is (answer.status_code == 200)
    return answer.status_code, told["reasons"]


# --- health and readiness -----------------------------------------------------------------------------------


async def test_health(open_page: Watched) -> None:
    assert await open_page.text("/health") == "ok\n"


async def test_ready(open_page: Watched) -> None:
    assert await ready(open_page) == (200, [])


async def test_not_ready_without_the_next_hop(open_page: Watched) -> None:
    await open_page.here.sink.close()
    status, (reason,) = await ready(open_page)
    assert status == 503
    assert reason.startswith("next hop: ")
    assert "cannot connect to the next hop" in reason
    assert "Mail or conferences stand still" in await open_page.text("/?lang=en")


async def test_not_ready_while_the_store_cannot_be_written(
    open_page: Watched, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mailhook.sight.PATIENCE", 0.1)
    with closing(sqlite3.connect(tmp_path / "store.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        status, (reason,) = await ready(open_page)
    assert status == 503
    assert reason.startswith("store: ")


async def test_readiness_is_asked_for_once_for_all(open_page: Watched) -> None:
    async with open_page.browser() as browser:
        known = open_page.here.sink.connections
        await asyncio.gather(*(browser.get("/ready") for _ in range(20)))
    assert open_page.here.sink.connections == known + 1


async def test_who_does_not_know_the_password_gets_no_details(secret_page: Watched) -> None:
    await secret_page.here.sink.close()
    async with httpx.AsyncClient(base_url=secret_page.url, trust_env=False) as stranger:
        assert (await stranger.get("/health")).status_code == 200
        assert (await stranger.get("/ready")).json() == {"ready": False, "reasons": ["next hop"]}


# --- who may look -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/", "/metrics"])
async def test_a_password_is_asked_for(secret_page: Watched, path: str) -> None:
    async with httpx.AsyncClient(base_url=secret_page.url, trust_env=False) as stranger:
        for auth in (None, ("admin", "wrong"), ("admin", ""), ("admin", PASSWORD + "x"), (PASSWORD, "")):
            answer = await stranger.get(path, auth=auth)
            assert answer.status_code == 401
            assert answer.headers["www-authenticate"].startswith('Basic realm="mailhook"')
        for given in ("Basic", "Basic ???", "Basic YWRtaW4", f"Bearer {PASSWORD}", "Basic \xff"):
            answer = await stranger.get(path, headers=[(b"Authorization", given.encode("latin-1"))])
            assert answer.status_code == 401
    assert await secret_page.text(path)


@pytest.mark.parametrize(
    ("name", "status"),
    [
        ("127.0.0.1", 200),
        ("127.0.0.1:10227", 200),
        ("localhost:8000", 200),
        ("[::1]:10227", 200),
        ("[::1]", 200),
        ("attacker.example", 421),
        ("attacker.example:10227", 421),
        ("127.0.0.1.attacker.example", 421),
        ("localhost.attacker.example", 421),
        ("192.0.2.1", 421),
        ("", 421),
    ],
)
async def test_another_sites_page_cannot_look(open_page: Watched, name: str, status: int) -> None:
    """A name of his own that he lets point to 127.0.0.1 (DNS rebinding)."""
    async with open_page.browser() as browser:
        for path in ("/", "/metrics"):
            assert (await browser.get(path, headers={"Host": name})).status_code == status


async def test_behind_a_password_any_name_will_do(secret_page: Watched) -> None:
    await secret_page.text(Host="mailhook.corp.example")


async def test_nothing_can_be_changed(open_page: Watched) -> None:
    async with open_page.browser() as browser:
        for method in ("POST", "PUT", "DELETE", "PATCH"):
            assert (await browser.request(method, "/")).status_code == 405
        assert (await browser.get("/docs")).status_code == 404


# --- metrics ------------------------------------------------------------------------------------------------


async def test_metrics(secret_page: Watched) -> None:
    await day(secret_page.here)
    await trouble(secret_page.here)
    async with secret_page.browser() as browser:
        answer = await browser.get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain; version=")
    samples = answer.text.splitlines()
    assert set(samples) >= {
        'mailhook_messages_total{decision="rewrite",outcome="delivered",reason="rewritten"} 3.0',
        'mailhook_messages_total{decision="pass",outcome="delivered",reason="ordinary"} 1.0',
        'mailhook_messages_total{decision="pass",outcome="delivered",reason="without-link"} 1.0',
        'mailhook_provider_calls_total{operation="create",outcome="ok"} 3.0',
        'mailhook_conferences{state="announced"} 3.0',
        "mailhook_doubtful 1.0",
        'mailhook_pending{kind="conference"} 1.0',
        "mailhook_held_bytes 0.0",
    }
    assert not any(secret in answer.text for secret in (IVAN, ANNA, "confpass", "weekly", HOSTILE))


async def test_mail_in_hand_is_counted(open_page: Watched) -> None:
    """A message of which the end has not come."""
    async with await Client.connect(open_page.here.port) as client:
        await client.envelope(IVAN, ANNA)
        assert (await client.ask(b"DATA\r\n")).code == 354
        client.writer.write(b"Subject: long\r\n\r\n" + b"x" * 500 + b"\r\n")
        await until(lambda: Spool.held > 500)
        samples = (await open_page.text("/metrics")).splitlines()
        assert (await client.ask(b".\r\n")).code == 250
    (held,) = (line for line in samples if line.startswith("mailhook_held_bytes"))
    assert float(held.rpartition(" ")[2]) > 500
    assert 'mailhook_nexthop_sessions{state="busy"} 1.0' in samples
    assert "mailhook_clients 1.0" in samples
    assert Spool.held == 0


async def test_metrics_without_a_store(open_page: Watched, tmp_path: Path) -> None:
    (tmp_path / "store.db").rename(tmp_path / "elsewhere.db")
    samples = await open_page.text("/metrics")
    assert "mailhook_store_readable 0.0" in samples
    assert "mailhook_messages_total" in samples


# --- the page -----------------------------------------------------------------------------------------------


async def test_a_good_day(open_page: Watched) -> None:
    await day(open_page.here)
    text = await open_page.text("/?lang=en")
    assert "<h1>All is well</h1>" in text
    assert text.count("link written") == 3
    for reason in ("rewritten", "no-marker", "foreign-organizer", "method-reply"):
        assert f"<code>{reason}</code>" in text
        assert REASONS[reason][1].replace("'", "&#x27;") in text
    assert "ordinary" not in text
    assert "announced: 3" in text


async def test_a_bad_day(secret_page: Watched) -> None:
    await day(secret_page.here)
    await trouble(secret_page.here)
    text = await secret_page.text("/?lang=ru")
    assert "<h1>Нужно посмотреть</h1>" in text
    assert "Videomost: не работает" in text
    assert "perhaps un-invited: boris@partner.example" in text
    assert "answered 503" in text
    assert "waits@corp.example" in text


async def test_the_page_runs_and_loads_nothing(open_page: Watched) -> None:
    async with open_page.browser() as browser:
        answer = await browser.get("/")
    assert {name: answer.headers[name] for name in HEADERS} == HEADERS
    policy = answer.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; style-src 'sha256-")
    assert "unsafe" not in policy
    assert "<script" not in answer.text
    assert "src=" not in answer.text


async def test_what_mails_say_is_text(secret_page: Watched) -> None:
    await day(secret_page.here)
    text = await secret_page.text("/?links=1")
    assert "&lt;script&gt;document.title=&quot;owned&quot;" in text
    assert "<script" not in text
    assert "<img" not in text


async def test_topics_and_links_are_shown_on_demand_behind_a_password(secret_page: Watched) -> None:
    await day(secret_page.here)
    hidden, shown = await secret_page.text(), await secret_page.text("/?links=1")
    assert "confpass" not in hidden
    assert "Бюджет" not in hidden
    assert shown.count("confpass") == 3
    assert "Бюджет" in shown


async def test_topics_and_links_are_never_shown_without_a_password(open_page: Watched) -> None:
    await day(open_page.here)
    text = await open_page.text("/?links=1&lang=en")
    assert "confpass" not in text
    assert "Бюджет" not in text
    assert "only where http.password_file is set" in text


@pytest.mark.parametrize(
    ("path", "accepted", "expected"),
    [
        ("/", "", "ru"),
        ("/", "en-GB,en;q=0.9,ru;q=0.1", "en"),
        ("/", "ru-RU,ru;q=0.9,en;q=0.1", "ru"),
        ("/", "de, en;q=0.5", "en"),
        ("/", "de", "ru"),
        ("/?lang=en", "ru", "en"),
        ("/?lang=ru", "en", "ru"),
        ("/?lang=xx", "en", "en"),
    ],
)
async def test_languages(open_page: Watched, path: str, accepted: str, expected: str) -> None:
    assert f'<html lang="{expected}">' in await open_page.text(path, **{"Accept-Language": accepted})


def test_every_word_is_there_in_both_languages() -> None:
    assert set(WORDS["ru"]) == set(WORDS["en"])
    for words in WORDS.values():
        assert all(words.values())


async def test_ordinary_mail_writes_nothing(open_page: Watched, tmp_path: Path) -> None:
    log = tmp_path / "store.db-wal"
    before = await asyncio.to_thread(lambda: log.stat().st_size)
    for _ in range(3):
        await open_page.here.passes(ORDINARY)
    await open_page.here.app.monitor.remember()
    assert await asyncio.to_thread(lambda: log.stat().st_size) == before


async def test_decisions_outlive_the_process(tmp_path: Path) -> None:
    async with watched(tmp_path) as page:
        await page.here.send(invitation(Event(location="Room 5")))
    async with watched(tmp_path) as page:
        assert "<code>no-marker</code>" in await page.text()


async def test_decisions_hold_no_link(tmp_path: Path) -> None:
    async with watched(tmp_path) as page:
        await page.here.send(invitation(Event(uid="https://x.example/?confid=1&confpass=2")))
    with closing(sqlite3.connect(tmp_path / "store.db")) as connection:
        ((document,),) = connection.execute("SELECT document FROM decision").fetchall()
    assert json.loads(document)["uid"] == "[join link]"


async def test_a_link_in_a_uid_is_hidden(secret_page: Watched) -> None:
    await secret_page.here.send(invitation(Event(uid="https://x.example/?confid=1&confpass=2")))
    text = await secret_page.text("/")
    assert "announced" in await secret_page.text("/?lang=en")
    assert "[join link]" in text
    assert "confpass" not in text


async def test_decisions_that_cannot_be_kept_hold_up_no_mail(open_page: Watched, tmp_path: Path) -> None:
    (tmp_path / "store.db").rename(tmp_path / "elsewhere.db")
    mail = invitation(Event(method="REPLY"))
    assert (await open_page.here.send(mail)).code == 250
    await open_page.here.app.monitor.remember()


# --- mail goes on -------------------------------------------------------------------------------------------


async def test_a_look_at_the_store_that_hangs_holds_up_no_mail(
    open_page: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The disk answers when the test says so."""
    monkeypatch.setattr("mailhook.sight.PATIENCE", PATIENCE)
    hanging, let_go = asyncio.Event(), asyncio.Event()
    loop = asyncio.get_running_loop()

    def connect(*_: object, **__: object) -> sqlite3.Connection:
        loop.call_soon_threadsafe(hanging.set)
        asyncio.run_coroutine_threadsafe(let_go.wait(), loop).result(30)
        raise sqlite3.OperationalError("disk I/O error")

    monkeypatch.setattr("mailhook.store.observer.sqlite3.connect", connect)
    looking = asyncio.create_task(open_page.text("/metrics"))
    await hanging.wait()
    assert (await open_page.here.send(invitation(Event()))).code == 250
    assert not looking.done()
    let_go.set()
    assert "mailhook_store_readable 0.0" in await looking


async def test_connections_that_say_nothing_are_cut_off(open_page: Watched) -> None:
    port = int(open_page.url.rpartition(":")[2])
    silent = [await asyncio.open_connection("127.0.0.1", port) for _ in range(BOUNDS.connections)]
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    with suppress(ConnectionError):
        assert await reader.read() == b""
    assert (await open_page.here.send(ORDINARY)).code == 250
    for _, each in (*silent, (reader, writer)):
        each.close()


async def test_a_fault_of_the_page_is_logged_and_nothing_else(
    open_page: Watched, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def broken(*_: object, **__: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("mailhook.sight.Sight.status", broken)
    async with open_page.browser() as browser:
        assert (await browser.get("/")).status_code == 500
        assert (await browser.get("/health")).status_code == 200
    assert "ZeroDivisionError" in caplog.text


# --- as a process -------------------------------------------------------------------------------------------


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


async def test_serve_is_watched(outside: Outside, tmp_path: Path) -> None:
    port = free_port()
    settings = write_settings(
        outside.settings, hop=outside.sink.port, base=outside.sandbox.url, store=tmp_path / "s.db", http=port
    )
    async with serving(settings) as served, httpx.AsyncClient(trust_env=False) as browser:
        await until(lambda: any('"watching"' in line for line in served.log))
        url = f"http://127.0.0.1:{port}"
        assert (await browser.get(f"{url}/ready")).json() == {"ready": True, "reasons": []}
        assert "mailhook_processes 1.0" in (await browser.get(f"{url}/metrics")).text
        assert "Videomost" in (await browser.get(url)).text


async def test_processes_answer_for_each_other(outside: Outside, tmp_path: Path) -> None:
    port, (hop, base) = free_port(), (outside.sink.port, outside.sandbox.url)
    settings = write_settings(
        outside.settings, hop=hop, base=base, store=tmp_path / "s.db", http=port, workers=2
    )
    expected = {
        'mailhook_messages_total{decision="pass",outcome="delivered",reason="ordinary"} 2.0',
        'mailhook_messages_total{decision="rewrite",outcome="delivered",reason="rewritten"} 2.0',
        "mailhook_processes 2.0",
        'mailhook_conferences{state="announced"} 1.0',
    }
    mail = invitation(fresh())
    async with serving(settings) as served:
        for _ in range(2):
            async with await Client.connect(served.port) as client:
                for content in (ORDINARY, mail):
                    assert (await client.send(content, IVAN, ANNA)).code == 250
        async with asyncio.timeout(PATIENCE):
            told = 0
            while told < 10:
                # Each on a connection of its own, which either of the two may take.
                async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", trust_env=False) as browser:
                    metrics, page = await browser.get("/metrics"), await browser.get("/?lang=en")
                ready = expected <= set(metrics.text.splitlines()) and page.text.count("link written") == 2
                told += ready


async def test_a_port_that_is_taken_holds_up_no_mail(outside: Outside, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        settings = write_settings(
            outside.settings,
            hop=outside.sink.port,
            base=outside.sandbox.url,
            store=tmp_path / "s.db",
            http=taken.getsockname()[1],
        )
        async with serving(settings) as served, await Client.connect(served.port) as client:
            await until(lambda: any('"http-unavailable"' in line for line in served.log))
            assert (await client.send(ORDINARY, IVAN, ANNA)).code == 250
