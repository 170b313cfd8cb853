"""The page of `mailhook preview --html` in a real browser: what it shows, and what a hostile mail can do in it.

MAILHOOK_SCREENSHOTS=FOLDER leaves a picture of each page there.
"""

import asyncio
import os
import re
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, redirect_stdout, suppress
from io import StringIO
from pathlib import Path

import pytest

from mailhook.cli import main
from tests.peers.chromium import DESKTOP, PHONE, Browser, Screen, browser
from tests.relay.mails import Event, invitation

pytestmark = [pytest.mark.peers("chromium"), pytest.mark.usefixtures("logging_as_it_was")]

GOLDEN = Path(__file__).parents[1] / "golden"
SCREENS = pytest.mark.parametrize("screen", [PHONE, DESKTOP], ids=lambda screen: screen.name)
BREAKOUT = '"></iframe><script>document.title="owned"</script><img src=x onerror=alert(1)>'

HOSTILE = """<!doctype html><html><head>
<title>t</title><base href="{net}/base/"><meta http-equiv="refresh" content="0;url={net}/refresh">
<link rel="preconnect" href="{net}"><link rel="dns-prefetch" href="{net}"><LINK rel=prefetch href="{net}/prefetch">
<link rel="stylesheet" href="{net}/style.css"><link rel="icon" href="{net}/icon">
<link rel=modulepreload href="{net}/m.js">
<style>@import "{net}/import.css"; @font-face {{ font-family: f; src: url("{net}/font") }}
 body {{ background: url("{net}/background"); font-family: f; cursor: url("{net}/cursor"), auto }}</style>
<script src="{net}/script.js"></script><script>document.title = top.document.title = "owned"</script>
<script type="speculationrules">{{"prefetch": [{{"source": "list", "urls": ["{net}/speculated"]}}]}}</script>
</head><body onload="document.title='owned'">
<p id="said">Visible text</p><img src="{net}/image"><img src="//{host}/scheme" srcset="{net}/set 2x">
<img src="data:image/gif;base64,R0lGODlhAQABAAAAACH5BAEKAAEALAAAAAABAAEAAAICTAEAOw==" onload="document.title='owned'">
<picture><source srcset="{net}/picture"><img></picture><video src="{net}/video" poster="{net}/poster" autoplay></video>
<audio src="{net}/audio" autoplay></audio><object data="{net}/object"></object><embed src="{net}/embed">
<iframe src="{net}/frame"></iframe>
<iframe srcdoc="<script>top.document.title='owned'</script><img src='{net}/inner'>"></iframe>
<svg><image href="{net}/svg"/><script>document.title='owned'</script><use href="{net}/use#x"/></svg>
<math><mtext><img src="{net}/math"></mtext></math><input type="image" src="{net}/input" autofocus onfocus="alert(1)">
<a id="away" href="{net}/away" ping="{net}/ping">away</a><a id="top" href="{net}/top" target="_top">top</a>
<a id="new" href="{net}/new" target="_blank">new</a><a id="js" href="javascript:document.title='owned'">js</a>
<form id="form" action="{net}/form"><button id="send">send</button></form>
"></iframe></textarea></style></script><script>document.title="owned"</script>
</body></html>"""


@pytest.fixture(scope="module", name="chromium")
def _chromium() -> Iterator[Browser]:
    with browser() as started:
        yield started


@asynccontextmanager
async def listening() -> AsyncIterator[tuple[str, list[bytes]]]:
    """Where a mail might lead, and what has come there: a connection is enough."""
    heard: list[bytes] = []
    open_ones: list[tuple[asyncio.StreamWriter, asyncio.Task[None]]] = []

    async def hear(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heard.append(b"connected")
        with suppress(asyncio.IncompleteReadError):
            heard.append(await reader.readuntil(b"\r\n"))
            writer.write(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok")
        writer.close()

    def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        open_ones.append((writer, asyncio.create_task(hear(reader, writer))))

    server = await asyncio.start_server(connected, "127.0.0.1", 0, family=socket.AF_INET)
    async with server:
        yield f"127.0.0.1:{server.sockets[0].getsockname()[1]}", heard
    for writer, task in open_ones:
        writer.close()
        await task


def page_of(content: bytes, folder: Path) -> str:
    """The address of the page that the command makes."""
    mail, page = folder / "in.eml", folder / "page.html"
    mail.write_bytes(content)
    with redirect_stdout(StringIO()):
        assert main(["preview", str(mail), "--html", str(page)]) == 0
    return page.as_uri()


async def looked_at(chromium: Browser, name: str, screen: Screen) -> None:
    if folder := os.environ.get("MAILHOOK_SCREENSHOTS"):
        await chromium.picture(Path(folder) / f"preview-{name}-{screen.name}.png")
    await fits(chromium, screen)


async def fits(chromium: Browser, screen: Screen) -> None:
    width, needed = await chromium.ask("return [innerWidth, document.documentElement.scrollWidth]")
    assert width == screen.width
    assert needed <= width


@SCREENS
async def test_before_and_after(chromium: Browser, screen: Screen, tmp_path: Path) -> None:
    await chromium.show(page_of((GOLDEN / "zimbra-series" / "in.eml").read_bytes(), tmp_path), screen)
    await looked_at(chromium, "zimbra", screen)
    assert await chromium.seen("h1") == ["Weekly sync"]
    assert (await chromium.seen("dd"))[:2] == ["rewrite", "rewritten"]
    assert await chromium.seen("h2") == [
        *(
            "HTML as it came",
            "HTML as it goes",
            "Text (text/plain)",
            "Calendar (text/calendar)",
            "MIME structure",
        ),
    ]
    assert "Конференция в Videomost" not in (await chromium.in_frame(0))[0]
    assert "Конференция в Videomost" in (await chromium.in_frame(1))[0]
    new, old = await chromium.seen("td.new"), await chromium.seen("td.old")
    assert [line.partition(":")[0].partition(";")[0] for line in new if re.match("[A-Z-]+[:;]", line)] == [
        *("DESCRIPTION", "X-ALT-DESC", "LOCATION", "URL", "CONFERENCE", "X-VIDEOMOST-CONFERENCE"),
    ]
    assert "LOCATION:Videomost" in old
    assert "BEGIN:VEVENT" in await chromium.seen("td")
    assert "multipart/alternative" in await chromium.seen("td")
    await chromium.ask("document.querySelectorAll('details').forEach(each => each.open = true)")
    assert any("x-mailhook-conference" in line for line in await chromium.seen("td.new"))
    assert any("videomost.example/service/join" in line for line in await chromium.seen("ins"))
    assert await chromium.complaints() == []


@SCREENS
async def test_a_hostile_mail(chromium: Browser, screen: Screen, tmp_path: Path) -> None:
    """It neither runs nor loads anything, and leads nowhere when it is clicked."""
    async with listening() as (host, heard), listening() as (elsewhere, _):
        event = Event(summary=BREAKOUT.replace(";", "\\;"), description=BREAKOUT + "\u202egnp.exe")
        html = HOSTILE.format(net=f"http://{host}", host=host)
        content = invitation(event).decode().replace("Subject: ", f"Subject: {BREAKOUT} ")
        start, end = content.index("<html><body>"), content.index("</html>") + 7
        content = content[:start] + html.replace("\n", "\r\n") + content[end:]
        url = page_of(content.encode(), tmp_path)
        await chromium.show(url, screen)
        await looked_at(chromium, "hostile", screen)
        title = await chromium.ask("return document.title")
        assert title.startswith(BREAKOUT)
        assert await chromium.ask("return document.querySelectorAll('script, img, link, form').length") == 0
        assert await chromium.ask("return document.querySelectorAll('iframe').length") == 2
        for number in (0, 1):
            assert await chromium.in_frame(number, "#said") == ["Visible text"]
            for target in ("#top", "#new", "#js", "#send", "#away"):
                await chromium.click_in_frame(number, target)
                assert await chromium.in_frame(number, "#said") == ["Visible text"]
        assert await chromium.ask("return [document.title, location.href]") == [title, url]
        assert any("⟨U+202E⟩gnp.exe" in line for line in await chromium.seen("td.old"))
        # What was on its way has come when another page has.
        await chromium.show(f"http://{elsewhere}/", screen)
        assert await chromium.seen() == ["ok"]
        assert heard == []
    await chromium.complaints()


@SCREENS
async def test_a_huge_mail_is_cut(chromium: Browser, screen: Screen, tmp_path: Path) -> None:
    text = "\r\n".join(f"line {number} {'x' * 60}" for number in range(60_000))
    content = invitation(Event(description="y" * 200_000)).decode()
    content = content.replace(
        "Вы приглашены: Бюджет\r\n\r\n--", f"Вы приглашены: Бюджет\r\n{text}\r\n\r\n--", 1
    )
    content = content.replace("<p>", f"<p>{'z' * 3_000_000}</p><p>", 1)
    url = page_of(content.encode(), tmp_path)
    assert (tmp_path / "page.html").stat().st_size < 3_500_000
    await chromium.show(url, screen)
    await fits(chromium, screen)
    rows = await chromium.ask("return document.querySelectorAll('tr').length")
    assert rows < 5000
    page = await chromium.ask("return document.body.textContent")
    assert "more lines" in page
    assert "more characters" in page
    assert "Конференция в Videomost" in page


async def test_a_mail_that_is_not_changed(chromium: Browser, tmp_path: Path) -> None:
    await chromium.show(page_of((GOLDEN / "anyone-opt-out" / "in.eml").read_bytes(), tmp_path), DESKTOP)
    assert (await chromium.seen("dd"))[:2] == ["pass", "opted-out"]
    assert await chromium.seen("td.new, td.old, ins, del") == []
    assert "BEGIN:VEVENT" in await chromium.seen("td")
