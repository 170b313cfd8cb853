"""What Chromium shows of the HTML that leaves mailhook: the block once, whole, with a link to the conference.

MAILHOOK_SCREENSHOTS=FOLDER leaves a picture of each there.
"""

import email
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.golden.oracle import leaves
from tests.peers.chromium import DESKTOP, PHONE, Browser, Screen, browser

pytestmark = pytest.mark.peers("chromium")

GOLDEN = Path(__file__).parents[1] / "golden"
CASES = sorted(
    path.parent
    for path in GOLDEN.glob("*/expect.eml")
    if '"text/html"' in (path.parent / "expect.json").read_text(encoding="utf-8")
)


@pytest.fixture(scope="module", name="chromium")
def _chromium() -> Iterator[Browser]:
    with browser() as started:
        yield started


def html(folder: Path) -> bytes:
    """The part as a page, which says its charset in the way of a mail: outside of it."""
    whole = email.message_from_bytes((folder / "expect.eml").read_bytes())
    part = next(each for each in leaves(whole) if each.get_content_type() == "text/html")
    payload = part.get_payload(decode=True)
    assert isinstance(payload, bytes)
    return payload.decode(part.get_content_charset() or "utf-8").encode("utf-8-sig")


@pytest.mark.parametrize("screen", [PHONE, DESKTOP], ids=lambda screen: screen.name)
@pytest.mark.parametrize("folder", CASES, ids=lambda folder: folder.name)
async def test_the_block_is_shown(chromium: Browser, tmp_path: Path, folder: Path, screen: Screen) -> None:
    page = tmp_path / "mail.html"
    page.write_bytes(html(folder))
    await chromium.show(page.as_uri(), screen)
    if pictures := os.environ.get("MAILHOOK_SCREENSHOTS"):
        await chromium.picture(Path(pictures) / f"html-{folder.name}-{screen.name}.png")
    (shown,) = await chromium.seen("[id^=videomost-conference]")
    name, link = shown.strip().splitlines()
    assert name in {"Конференция в Videomost", "Videomost conference"}
    assert link.startswith("https://videomost.corp.example/service/join/?confid=")
    assert await chromium.ask("return document.querySelector('[id^=videomost-conference] a').href") == link
    everything = await chromium.ask("return document.body.innerText")
    assert everything.count(name) == 1
    top = await chromium.ask(
        "return document.querySelector('[id^=videomost-conference]').getBoundingClientRect().top"
    )
    assert 0 <= top < 400
