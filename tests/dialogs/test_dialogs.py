"""SMTP dialogues as scripts, `*.dialog`: a client, the real listener, relay and pool, and a next hop.

    -> text       the client says this line; lines one below the other go in one write
    ->*N text     the same line N times
    <- text       the client hears exactly this line
    <~ regex      the client hears a line that matches
    hop<- text    the next hop hears exactly this line; hop<~ regex and hop<*N text likewise
    hop-> text    the next hop says this line; lines one below the other go in one write
    hop->| text   it says this much of a line
    hop accepts   a new connection to the next hop, on which nothing has been said
    hop greets K  the same, up to its reply to EHLO, with keywords separated by commas
    all greet K   the client says EHLO too, and hears the answer
    hop closes    hop resets; hop hears end (it is closed by us); hop is down (nobody listens from now on)
    client closes; client half-closes; client connects (another one); client hears end
    within S      at the beginning: the next hop has so many seconds for an answer
    # why, and blank lines, mean nothing

Lines are written as in Python's byte strings: \\r, \\x00, \\\\. Whatever is still unheard at the end is an error.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.dialogs.conftest import reset

if TYPE_CHECKING:
    from tests.dialogs.conftest import Rig

SCRIPTS = sorted(Path(__file__).parent.glob("*.dialog"))
ENDED = "<end>"


@dataclass
class Side:
    """One end of a connection; lines are heard without their line end."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def say(self, text: str) -> None:
        self.writer.write(text.encode("latin-1"))
        await self.writer.drain()

    async def hear(self) -> str:
        line = await self.reader.readline()
        if not line:
            return ENDED
        return line.removesuffix(b"\r\n").decode("utf-8", "backslashreplace")

    async def rest(self) -> bytes:
        return await self.reader.read()


@dataclass
class Stage:
    """`connect` makes another client, `down` takes the next hop away."""

    connect: Callable[[], Awaitable[Side]]
    calls: asyncio.Queue[Side]
    down: Callable[[], None]
    line: int = 0
    client: Side | None = None
    hop: Side | None = None

    async def perform(self, kind: str, text: str) -> None:
        match kind:
            case "client connects":
                self.client = await self.connect()
            case "hop accepts":
                self.hop = await self.calls.get()
            case "hop greets":
                await self.greet(text)
            case "all greet":
                await self.introduce(text)
            case "hop is down":
                self.down()
            case _:
                side = self.hop if kind.startswith("hop") else self.client
                assert side is not None, "the next hop was not reached yet"
                await self.act(side, kind.removeprefix("hop").removeprefix("client").strip(), text)

    @staticmethod
    async def act(side: Side, kind: str, text: str) -> None:
        match kind:
            case "->" | "->|":
                await side.say(text)
            case "<-":
                assert await side.hear() == text
            case "<~":
                heard = await side.hear()
                assert re.fullmatch(text, heard), f"{heard!r} does not match {text!r}"
            case "closes":
                side.writer.close()
            case "resets":
                reset(side.writer)
            case "half-closes":
                side.writer.write_eof()
            case "hears end":
                assert await side.hear() == ENDED
            case _:
                raise AssertionError(f"what is {kind!r}?")

    async def greet(self, keywords: str) -> None:
        self.hop = side = await self.calls.get()
        await side.say("220 hop.test ESMTP\r\n")
        assert await side.hear() == "EHLO mailhook.test"
        lines = ["hop.test", *(word.strip() for word in keywords.split(",") if word.strip())]
        said = [f"250-{line}\r\n" for line in lines[:-1]] + [f"250 {lines[-1]}\r\n"]
        await side.say("".join(said))

    async def introduce(self, keywords: str) -> None:
        assert self.client is not None
        assert (await self.client.hear()).startswith("220 ")
        await self.client.say("EHLO client.test\r\n")
        await self.greet(keywords)
        while (await self.client.hear()).startswith("250-"):
            pass


KINDS = re.compile(
    r"(?P<arrow>(?:hop)?(?:->\*|->\||->|<\*|<-|<~))(?P<times>(?<=\*)\d+)? ?(?P<text>.*)"
    r"|(?P<names>hop greets|all greet|within)(?P<named>.*)"
    r"|(?P<event>(?:hop|client) [a-z -]+)"
)


def steps(script: Path) -> list[tuple[int, str, str]]:
    """(line number, kind, text); what one side says in consecutive lines is one step."""
    found: list[tuple[int, str, str]] = []
    previous = ""
    for number, line in enumerate(script.read_text("utf-8").splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            previous = ""
            continue
        match = KINDS.fullmatch(line)
        assert match, f"line {number}: {line!r}"
        arrow, times = match["arrow"] or "", int(match["times"] or 1)
        kind = {"->*": "->", "<*": "<-", "hop->*": "hop->", "hop<*": "hop<-"}.get(arrow, arrow)
        kind = kind or match["names"] or match["event"]
        text = match["text"] if arrow else (match["named"] or "").strip()
        if kind.endswith(("->", "->|")):
            text = text.encode("utf-8").decode("unicode_escape" if text.isascii() else "latin-1")
            text = (text + "\r\n" * kind.endswith("->")) * times
        if kind.endswith("->") and kind == previous:
            found[-1] = (found[-1][0], kind, found[-1][2] + text)
        else:
            found += [(number, kind, text)] * (1 if kind.endswith("->") else times)
        previous = kind
    return found


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.stem)
async def test_dialog(rig: Rig, tmp_path: Path, script: Path) -> None:
    play = steps(script)
    seconds = float(play.pop(0)[2]) if play[0][1] == "within" else 30.0
    calls: asyncio.Queue[Side] = asyncio.Queue()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        calls.put_nowait(Side(reader, writer))
        await asyncio.Event().wait()

    async def connect() -> Side:
        peer = await rig.connect(listener)
        return Side(peer.reader, peer.writer)

    port = await rig.hop_port(serve)
    listener = await rig.relaying(port, tmp_path / "store.db", seconds)
    stage = Stage(connect, calls, rig.hops[0].close)
    stage.client = await connect()
    try:
        async with asyncio.timeout(10):
            for number, kind, text in play:
                stage.line = number
                await stage.perform(kind, text)
            if not stage.client.writer.is_closing():
                stage.client.writer.write_eof()
                assert await stage.client.rest() == b"", "the client was told more"
    except (AssertionError, TimeoutError) as error:
        raise AssertionError(f"{script.name}:{stage.line}: {error or 'nothing was heard'}") from error


def test_there_are_dialogs() -> None:
    assert SCRIPTS
