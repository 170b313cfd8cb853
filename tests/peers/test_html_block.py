"""What a reader sees of the HTML block, in a real browser: on a phone and a desktop, light and dark.

MAILHOOK_SCREENSHOTS=FOLDER leaves a picture of each page there.
"""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import pytest

from mailhook.config import Settings
from mailhook.core.wording import Variables
from mailhook.phrasebook import make_wording
from tests.peers.chromium import DESKTOP, PHONE, Browser, Screen, browser

pytestmark = pytest.mark.peers("chromium")

LINK = (
    "https://videomost.a-long-name.corporation.example/service/join/"
    "?confid=0123456789abcdef0123456789abcdef&confpass=123456"
)
HEADINGS = {"ru": "Конференция в Videomost", "en": "Videomost conference"}
PAGES = {
    # A mail client that shows the mail as it is, and one that lets it follow the person's scheme.
    "plain": '<body><div id="mail">{mail}</div>',
    "scheme": '<meta name="color-scheme" content="light dark"><body><div id="mail">{mail}</div>',
    # A webmail that paints itself dark, with text of its own and links of nobody's.
    "webmail": '<body style="margin:0"><div id="mail" style="background:#1f1f1f;color:#e8eaed">{mail}</div>',
}
CONTRAST = """
const shades = text => text.match(/[\\d.]+/g).map(Number);
const light = text => { const [r, g, b] = shades(text).slice(0, 3).map(v => v / 255)
    .map(v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4); return 0.2126 * r + 0.7152 * g + 0.0722 * b; };
const clear = text => shades(text)[3] === 0;
const canvas = document.createElement('p'); canvas.style.background = 'canvas'; document.body.append(canvas);
const behind = e => { for (; e; e = e.parentElement) { const c = getComputedStyle(e).backgroundColor;
    if (!clear(c)) return c; } return getComputedStyle(canvas).backgroundColor; };
const found = [...document.querySelectorAll('#mail td, #mail b, #mail a')].map(e => {
    const [one, other] = [light(getComputedStyle(e).color) + 0.05, light(behind(e)) + 0.05];
    return Math.max(one / other, other / one); });
canvas.remove(); return Math.min(...found);
"""
"""The least contrast of any text of the block with what is behind it (WCAG 2.2)."""


@pytest.fixture(scope="module", name="chromium")
def _chromium() -> Iterator[Browser]:
    with browser() as started:
        yield started


@pytest.mark.parametrize("screen", [PHONE, DESKTOP], ids=lambda screen: screen.name)
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("page", PAGES)
@pytest.mark.parametrize("language", ["ru", "en"])
async def test_block(
    chromium: Browser,
    screen: Screen,
    scheme: Literal["light", "dark"],
    page: str,
    language: str,
    tmp_path: Path,
) -> None:
    block = make_wording(Settings()).render(language, Variables(LINK, dial_in="+7 495 000-00-00, 1234#"))
    file = tmp_path / "mail.html"
    mail = PAGES[page].format(mail=f"<p>Повестка</p>{block.html}<p>Иван</p>")
    head = '<!doctype html><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
    file.write_text(head + mail, encoding="utf-8")
    await chromium.scheme(scheme)
    await chromium.show(file.as_uri(), screen)
    if folder := os.environ.get("MAILHOOK_SCREENSHOTS"):
        await chromium.picture(Path(folder) / f"block-{page}-{language}-{screen.name}-{scheme}.png")
    assert await chromium.seen("#mail b") == [HEADINGS[language]]
    assert [text.replace("\n", "") for text in await chromium.seen("#mail a")] == [LINK]
    width, needed = await chromium.ask("return [innerWidth, document.documentElement.scrollWidth]")
    assert (width, needed) == (screen.width, screen.width)
    assert await chromium.ask(CONTRAST) >= 4.5
    assert await chromium.ask("return performance.getEntriesByType('resource').length") == 0
    assert await chromium.complaints() == []


async def test_the_link_is_copied_as_it_is(chromium: Browser, tmp_path: Path) -> None:
    """Where it is broken over lines, nothing comes in between."""
    file = tmp_path / "mail.html"
    block = make_wording(Settings()).render("ru", Variables(LINK))
    file.write_text(f'<meta name="viewport" content="width=device-width">{block.html}', encoding="utf-8")
    await chromium.show(file.as_uri(), PHONE)
    assert await chromium.ask("return document.querySelector('a').getClientRects().length") > 1
    selected = (
        "const s = getSelection(); s.selectAllChildren(document.querySelector('a')); return s.toString()"
    )
    assert await chromium.ask(selected) == LINK
