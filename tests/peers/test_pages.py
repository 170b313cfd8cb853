"""What a person sees of the local Videomost in a real browser, on a phone and on a desktop, in Russian and English.

MAILHOOK_SCREENSHOTS=FOLDER leaves a picture of each page there.
"""

import os
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from mailhook.provider.sandbox import Sandbox
from tests.peers.chromium import DESKTOP, PHONE, Browser, Screen, browser

pytestmark = pytest.mark.peers("chromium")

NOW = datetime(2026, 3, 10, 9, 30, tzinfo=UTC)
HOSTILE = '"><script>document.title="owned"</script><img src=x onerror=alert(1)> \u202egnp.ecilop'
ANNA, BORIS = {"email": "anna@example.com", "name": "Анна Миллер"}, {"email": "boris@example.com"}
MANY = [{"email": f"a.very.long.name.of.guest.{n}@subsidiary.partner.example", "name": ""} for n in range(9)]

SCREENS = pytest.mark.parametrize("screen", [PHONE, DESKTOP], ids=lambda screen: screen.name)


@pytest.fixture(scope="module", name="chromium")
def _chromium() -> Iterator[Browser]:
    with browser() as started:
        yield started


@pytest.fixture(name="sandbox")
async def _sandbox() -> AsyncIterator[Sandbox]:
    """It is 12:30 in Moscow on Tuesday, 10 March 2026; Anna has five conferences."""
    sandbox = Sandbox(clock=lambda: NOW)
    await sandbox.start()
    async with httpx.AsyncClient(base_url=sandbox.url, trust_env=False) as client:
        for name, hours, topic in (
            ("over", -72, "Итоги февраля"),
            ("next-week", 167.5, HOSTILE),
            ("now", -0.5, "Планёрка отдела"),
            ("called-off", 30, "Встреча, которую отменили"),
            ("tonight", 11, "x" * 300),
        ):
            made = await client.put(f"/api/v1/conferences/{name}", json=conference(topic, hours))
            assert made.status_code == 201
        await client.delete("/api/v1/conferences/called-off")
    yield sandbox
    await sandbox.stop()


def conference(topic: str, hours: float) -> dict[str, Any]:
    start = NOW + timedelta(hours=hours)
    return {
        "topic": topic,
        "start": start.isoformat(),
        "end": (start + timedelta(hours=2)).isoformat(),
        "timezone": "Europe/Moscow",
        "owner": ANNA,
        "participants": [BORIS, *MANY],
    }


async def fits(chromium: Browser, screen: Screen) -> None:
    """Nothing stands beside the screen, and nothing is too small to read or to hit."""
    width, needed = await chromium.ask("return [innerWidth, document.documentElement.scrollWidth]")
    assert width == screen.width
    assert needed <= width
    smallest = await chromium.ask(
        "return Math.min(...[...document.querySelectorAll('body *')]"
        ".map(e => parseFloat(getComputedStyle(e).fontSize)))"
    )
    assert smallest >= 14
    low = await chromium.ask(
        "return [...document.querySelectorAll('a, button, input:not([type=hidden])')]"
        ".filter(e => e.getBoundingClientRect().height < 24).map(e => e.outerHTML)"
    )
    assert low == []


async def pictured(chromium: Browser, name: str) -> None:
    if folder := os.environ.get("MAILHOOK_SCREENSHOTS"):
        await chromium.picture(Path(folder) / f"{name}.png")


CABINET = {
    "ru": [
        ("Предстоящие", ""),
        ("Планёрка отдела", "идёт сейчас"),
        ("x" * 300, "предстоит"),
        ('"><script>document.title="owned"</script><img src=x onerror=alert(1)> gnp.ecilop', "предстоит"),
        ("Прошедшие", ""),
        ("Итоги февраля", "завершена"),
        ("Удалённые", ""),
        ("Встреча, которую отменили", "удалена"),
    ],
    "en": [
        ("Upcoming", ""),
        ("Планёрка отдела", "running now"),
        ("x" * 300, "upcoming"),
        ('"><script>document.title="owned"</script><img src=x onerror=alert(1)> gnp.ecilop', "upcoming"),
        ("Past", ""),
        ("Итоги февраля", "ended"),
        ("Deleted", ""),
        ("Встреча, которую отменили", "deleted"),
    ],
}
TIMES = {
    "ru": [
        "вт, 10 марта 2026, 12:00 – 14:00 (Europe/Moscow, UTC+3)",
        "вт, 10 марта 2026, 23:30 – ср, 11 марта 2026, 01:30 (Europe/Moscow, UTC+3)",
        "вт, 17 марта 2026, 12:00 – 14:00 (Europe/Moscow, UTC+3)",
        "сб, 7 марта 2026, 12:30 – 14:30 (Europe/Moscow, UTC+3)",
        "ср, 11 марта 2026, 18:30 – 20:30 (Europe/Moscow, UTC+3)",
    ],
    "en": [
        "Tue, 10 March 2026, 12:00 – 14:00 (Europe/Moscow, UTC+3)",
        "Tue, 10 March 2026, 23:30 – Wed, 11 March 2026, 01:30 (Europe/Moscow, UTC+3)",
        "Tue, 17 March 2026, 12:00 – 14:00 (Europe/Moscow, UTC+3)",
        "Sat, 7 March 2026, 12:30 – 14:30 (Europe/Moscow, UTC+3)",
        "Wed, 11 March 2026, 18:30 – 20:30 (Europe/Moscow, UTC+3)",
    ],
}


@SCREENS
@pytest.mark.parametrize("language", ["ru", "en"])
async def test_cabinet(chromium: Browser, sandbox: Sandbox, screen: Screen, language: str) -> None:
    await chromium.show(f"{sandbox.url}/cabinet?user=anna@example.com&lang={language}", screen)
    await pictured(chromium, f"cabinet-{language}-{screen.name}")
    cards = await chromium.seen("h2, h3, .badge")
    states = {state for _, state in CABINET[language]}
    paired = [
        (text, after if after in states else "") for text, after in zip(cards, [*cards[1:], ""], strict=True)
    ]
    assert [pair for pair in paired if pair[0] not in states] == CABINET[language]
    assert await chromium.seen("time") == TIMES[language]
    links = await chromium.seen("dd a")
    assert links == [
        sandbox.link(sandbox.conferences[name]) for name in ("now", "tonight", "next-week", "over")
    ]
    await fits(chromium, screen)
    assert await chromium.complaints() == []


@SCREENS
@pytest.mark.parametrize("language", ["ru", "en"])
async def test_join_page(chromium: Browser, sandbox: Sandbox, screen: Screen, language: str) -> None:
    link = sandbox.link(sandbox.conferences["now"])
    await chromium.show(f"{link}&lang={language}", screen)
    await pictured(chromium, f"join-{language}-{screen.name}")
    assert await chromium.seen("h1") == ["Планёрка отдела"]
    assert await chromium.seen("time") == TIMES[language][:1]
    (page,) = await chromium.seen("main")
    for text in ("Анна Миллер <anna@example.com>", *(person["email"] for person in (BORIS, *MANY))):
        assert text in page
    assert {"ru": "Конференция идёт сейчас.", "en": "The conference is running now."}[language] in page
    assert await chromium.ask("return document.documentElement.lang") == language
    await fits(chromium, screen)
    assert await chromium.complaints() == []


async def test_from_the_cabinet_into_the_conference(chromium: Browser, sandbox: Sandbox) -> None:
    """As a person goes: an empty form, the list, the link, the other language."""
    await chromium.show(f"{sandbox.url}/cabinet?lang=ru", PHONE)
    await chromium.type("input[name=user]", "boris@example.com")
    await chromium.follow("button")
    assert (await chromium.seen("h3"))[0] == "Планёрка отдела"
    await chromium.follow("h3 a")
    assert "Конференция идёт сейчас." in (await chromium.seen("main"))[0]
    await chromium.follow("nav a")
    assert "The conference is running now." in (await chromium.seen("main"))[0]
    await chromium.follow("nav a")
    assert "Конференция идёт сейчас." in (await chromium.seen("main"))[0]


@SCREENS
async def test_a_hostile_topic_is_text(chromium: Browser, sandbox: Sandbox, screen: Screen) -> None:
    await chromium.show(sandbox.link(sandbox.conferences["next-week"]) + "&lang=en", screen)
    await pictured(chromium, f"hostile-{screen.name}")
    shown = HOSTILE.replace("\u202e", "")
    assert await chromium.seen("h1") == [shown]
    assert await chromium.ask("return document.title") == f"{shown} · Videomost"
    assert await chromium.ask("return document.querySelectorAll('script, img').length") == 0
    await fits(chromium, screen)
    assert await chromium.complaints() == []


@SCREENS
@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("confid=now&confpass=0", "Неверный код доступа"),
        ("confid=none&confpass=0", "Такой конференции нет"),
        ("confid=called-off&confpass={called-off}", "Конференция удалена"),
    ],
)
async def test_a_link_that_opens_nothing(
    chromium: Browser, sandbox: Sandbox, screen: Screen, query: str, said: str
) -> None:
    passcodes = {name: room.passcode for name, room in sandbox.deleted.items()}
    await chromium.show(f"{sandbox.url}/service/join/?{query.format(**passcodes)}&lang=ru", screen)
    await pictured(chromium, f"refused-{said}-{screen.name}")
    assert await chromium.seen("h1") == [said]
    assert "Встреча" not in (await chromium.seen())[0]
    await fits(chromium, screen)
    await chromium.complaints()  # Chromium reports each 4xx


async def test_the_page_runs_no_script_even_if_one_stands_in_it(chromium: Browser, sandbox: Sandbox) -> None:
    """What would be left if escaping failed: the policy of the page."""
    await chromium.show(f"{sandbox.url}/cabinet?lang=ru", DESKTOP)
    await chromium.ask(
        "const s = document.createElement('script'); s.textContent = 'document.title = \"owned\"';"
        "document.body.append(s)"
    )
    assert await chromium.ask("return document.title") == "Личный кабинет · Videomost"
    assert any("Content Security Policy" in complaint for complaint in await chromium.complaints())
