"""SMTP dialogues as scripts, `*.dialog`: a client, the real listener and pool, and a next hop.

    -> text       the client says this line; lines one below the other go in one write
    <- text       the client hears exactly this line
    <~ regex      the client hears a line that matches
    hop<- text    the next hop hears exactly this line; hop<~ regex likewise
    hop-> text    the next hop says this line; lines one below the other go in one write
    hop greets K  a new connection to the next hop, up to its reply to EHLO, with keywords separated by commas
    hop closes    hop hears end (it is closed by us); client closes; client half-closes; client hears end
    # why, and blank lines, mean nothing

Lines are written as in Python's byte strings: \\r, \\x00, \\\\. Whatever is still unheard at the end is an error.
"""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.dialogs.conftest import Rig

SCRIPTS = sorted(Path(__file__).parent.glob("*.dialog"))
ENDED = "<end>"


@dataclass
class Side:
    """One end of a connection; lines are heard without their line end."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def hear(self) -> str:
        line = await self.reader.readline()
        if not line:
            return ENDED
        return line.removesuffix(b"\r\n").decode("utf-8", "backslashreplace")

    async def rest(self) -> bytes:
        return await self.reader.read()


@dataclass
class Stage:
    calls: asyncio.Queue[Side] = field(default_factory=asyncio.Queue)
    line: int = 0
    client: Side | None = None
    hop: Side | None = None

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.calls.put_nowait(Side(reader, writer))
        await asyncio.Event().wait()

    async def perform(self, kind: str, text: str) -> None:
        side = self.hop if kind.startswith("hop") else self.client
        if kind == "hop greets":
            await self.greet(text)
            return
        assert side is not None, "the next hop was not reached yet"
        match kind.removeprefix("hop").strip():
            case "->":
                side.writer.write(text.encode("latin-1"))
                await side.writer.drain()
            case "<-":
                assert await side.hear() == text
            case "<~":
                heard = await side.hear()
                assert re.fullmatch(text, heard), f"{heard!r} does not match {text!r}"
            case "closes":
                side.writer.close()
            case "half-closes":
                side.writer.write_eof()
            case "hears end":
                assert await side.hear() == ENDED
            case _:
                raise AssertionError(f"what is {kind!r}?")

    async def greet(self, keywords: str) -> None:
        self.hop = side = await self.calls.get()
        side.writer.write(b"220 hop.test ESMTP\r\n")
        assert await side.hear() == "EHLO mailhook.test"
        lines = ["hop.test", *(word.strip() for word in keywords.split(",") if word.strip())]
        said = [f"250-{line}\r\n" for line in lines[:-1]] + [f"250 {lines[-1]}\r\n"]
        side.writer.write("".join(said).encode())


KINDS = re.compile(r"(->|<-|<~|hop->|hop<-|hop<~) ?(.*)|(hop greets)(.*)|((?:hop|client) [a-z -]+)")


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
        arrow, text, greets, keywords, event = match.groups()
        kind = (arrow or greets or event).removeprefix("client").strip()
        text = text if arrow else keywords or ""
        if kind.endswith("->"):
            text = text.encode("utf-8").decode("unicode_escape" if text.isascii() else "latin-1") + "\r\n"
        if kind.endswith("->") and kind == previous:
            found[-1] = (found[-1][0], kind, found[-1][2] + text)
        else:
            found.append((number, kind, text))
        previous = kind
    return found


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.stem)
async def test_dialog(rig: Rig, script: Path) -> None:
    stage = Stage()
    peer = await rig.connect(await rig.passing(await rig.hop_port(stage.serve)))
    stage.client = Side(peer.reader, peer.writer)
    try:
        async with asyncio.timeout(10):
            for number, kind, text in steps(script):
                stage.line = number
                await stage.perform(kind, text)
            if not peer.writer.is_closing():
                peer.writer.write_eof()
                assert await stage.client.rest() == b"", "the client was told more"
    except (AssertionError, TimeoutError) as error:
        raise AssertionError(f"{script.name}:{stage.line}: {error or 'nothing was heard'}") from error


def test_there_are_dialogs() -> None:
    assert SCRIPTS
