"""What an administrator sees of the status page in a real browser, on a phone and on a desktop, in two languages.

MAILHOOK_SCREENSHOTS=FOLDER leaves a picture of each page there.
"""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Literal

import pytest

from tests.peers.chromium import DESKTOP, PHONE, Browser, Screen, browser
from tests.peers.test_pages import fits, pictured
from tests.relay.watched import HOSTILE, Watched, day, trouble, watched

pytestmark = pytest.mark.peers("chromium")

PASSWORD = "correct-horse-battery"
SCREENS = pytest.mark.parametrize("screen", [PHONE, DESKTOP], ids=lambda screen: screen.name)
LOOKS = pytest.mark.parametrize(
    ("screen", "scheme", "language"),
    [(PHONE, "light", "en"), (PHONE, "dark", "ru"), (DESKTOP, "light", "ru"), (DESKTOP, "dark", "en")],
    ids=lambda value: getattr(value, "name", value),
)
HEADLINES = {
    "ru": ("Всё в порядке", "Нужно посмотреть", "Почта или конференции стоят"),
    "en": ("All is well", "Needs a look", "Mail or conferences stand still"),
}


@pytest.fixture(scope="module", name="chromium")
def _chromium() -> Iterator[Browser]:
    with browser() as started:
        yield started


@pytest.fixture
async def page(tmp_path: Path) -> AsyncIterator[Watched]:
    async with watched(tmp_path, {"on_failure": "pass"}) as page:
        await day(page.here)
        yield page


@LOOKS
async def test_whether_all_is_well_is_seen_first(
    chromium: Browser, page: Watched, screen: Screen, scheme: Literal["light", "dark"], language: str
) -> None:
    await chromium.scheme(scheme)
    await chromium.show(f"{page.url}/?lang={language}", screen)
    await pictured(chromium, f"status-good-{language}-{scheme}-{screen.name}")
    assert await chromium.seen("h1") == [HEADLINES[language][0]]
    assert len(await chromium.seen(".badge.good")) == 3 + 3
    assert len(await chromium.seen("h2")) == 2
    await fits(chromium, screen)
    await readable(chromium)
    assert await chromium.complaints() == []


@LOOKS
async def test_what_is_wrong_is_seen_with_what_to_do(
    chromium: Browser, page: Watched, screen: Screen, scheme: Literal["light", "dark"], language: str
) -> None:
    await trouble(page.here)
    await chromium.scheme(scheme)
    await chromium.show(f"{page.url}/?lang={language}", screen)
    await pictured(chromium, f"status-look-{language}-{scheme}-{screen.name}")
    assert await chromium.seen("h1") == [HEADLINES[language][1]]
    assert len(await chromium.seen(".banner li")) == 3
    assert "answered 503" in (await chromium.seen(".tiles"))[0]
    (top,) = await chromium.ask("return [document.querySelector('.banner').getBoundingClientRect().top]")
    assert top < 150
    await fits(chromium, screen)
    await readable(chromium)


@SCREENS
async def test_that_mail_stands_still_is_seen(chromium: Browser, page: Watched, screen: Screen) -> None:
    await page.here.sink.close()
    await chromium.scheme("light")
    await chromium.show(f"{page.url}/?lang=ru", screen)
    await pictured(chromium, f"status-bad-{screen.name}")
    assert await chromium.seen("h1") == [HEADLINES["ru"][2]]
    assert len(await chromium.seen(".banner.bad")) == 1
    await fits(chromium, screen)


async def readable(chromium: Browser) -> None:
    """Every text stands out from what is behind it as WCAG 2.1 asks for (1.4.3: 4.5 to 1)."""
    faint = await chromium.ask("""
        const parts = colour => colour.match(/[\\d.]+/g).map(Number);
        const light = ([r, g, b]) => [r, g, b].map(v => v / 255)
            .map(v => v <= .04045 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4)
            .reduce((sum, v, i) => sum + v * [.2126, .7152, .0722][i], 0);
        const behind = element => {
            for (let e = element; e; e = e.parentElement) {
                const colour = parts(getComputedStyle(e).backgroundColor);
                if (colour.length === 3 || colour[3] > 0) return light(colour);
            }
            return 1;
        };
        return [...document.querySelectorAll('body *')]
            .filter(e => [...e.childNodes].some(n => n.nodeType === 3 && n.data.trim()))
            .filter(e => {
                const [a, b] = [light(parts(getComputedStyle(e).color)), behind(e)].sort((x, y) => x - y);
                return (b + .05) / (a + .05) < 4.5;
            }).map(e => e.outerHTML.slice(0, 80));
    """)
    assert faint == []


async def test_the_other_language_is_one_click_away(chromium: Browser, page: Watched) -> None:
    await chromium.show(f"{page.url}/?lang=ru", DESKTOP)
    await chromium.follow("header nav a")
    assert await chromium.seen("h1") == [HEADLINES["en"][0]]


@SCREENS
async def test_links_and_topics_behind_a_password(chromium: Browser, tmp_path: Path, screen: Screen) -> None:
    async with watched(tmp_path, password=PASSWORD) as page:
        await day(page.here)
        url = page.url.replace("://", f"://admin:{PASSWORD}@")
        await chromium.scheme("light")
        await chromium.show(f"{url}/?lang=en", screen)
        assert "Planning" not in (await chromium.seen())[0]
        await chromium.follow(".more a")
        await pictured(chromium, f"status-links-{screen.name}")
        assert await chromium.seen("td a") == ["Join"] * 3
        assert sorted(await chromium.seen("td b")) == sorted(["Бюджет", "Planning", HOSTILE])
        assert await chromium.ask("return document.title") == "All is well · State of mailhook"
        await fits(chromium, screen)
        await chromium.follow(".more a")
        assert await chromium.seen("td a") == []


async def test_the_page_runs_no_script_even_if_one_stands_in_it(chromium: Browser, page: Watched) -> None:
    """What would be left if escaping failed: the policy of the page."""
    await chromium.show(f"{page.url}/?lang=en", DESKTOP)
    await chromium.complaints()
    await chromium.ask(
        "const s = document.createElement('script'); s.textContent = 'document.title = \"owned\"';"
        "document.body.append(s)"
    )
    assert await chromium.ask("return document.title") == "All is well · State of mailhook"
    assert any("Content Security Policy" in complaint for complaint in await chromium.complaints())
