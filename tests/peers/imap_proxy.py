"""A proxy in front of an IMAP server that cuts connections and changes what is said, command by command.

Not here: TLS; a client that does not wait for each answer.
"""

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

_LITERAL = re.compile(rb"\{(\d+)\}\r\n$")


@dataclass(frozen=True)
class Command:
    """`number`: from 0 on, in its connection; `line` without tag and line end."""

    number: int
    line: bytes


@dataclass(frozen=True)
class Pass:
    """Hand it on. `literal` and `answer` change what is in between; `first` is awaited before."""

    literal: Callable[[bytes], bytes] = lambda octets: octets
    answer: Callable[[bytes], bytes] = lambda octets: octets
    first: Callable[[], Awaitable[None]] | None = None


@dataclass(frozen=True)
class Answer:
    """Answer it ourselves: what stands behind the tag."""

    text: bytes


@dataclass(frozen=True)
class CutBefore:
    """The server never gets it."""


@dataclass(frozen=True)
class CutAfter:
    """The server does it, but its answer never comes."""


@dataclass(frozen=True)
class CutWithin:
    """The server gets half of it."""


Step = Pass | Answer | CutBefore | CutAfter | CutWithin
Plan = Callable[[Command], Step]


class CutError(Exception):
    """Ends both connections."""


@dataclass
class Proxy:
    """`port`: its own; `seen`: the lines of all commands, in their order."""

    port: int = 0
    seen: list[bytes] = field(default_factory=list)


@dataclass
class _Pair:
    client: asyncio.StreamReader
    to_client: asyncio.StreamWriter
    server: asyncio.StreamReader
    to_server: asyncio.StreamWriter

    async def run(self, plan: Plan, seen: list[bytes]) -> None:
        self.to_client.write(await self.server.readline())
        number = 0
        while line := await self.client.readline():
            tag, _, rest = line.rstrip(b"\r\n").partition(b" ")
            seen.append(rest)
            await self._step(plan(Command(number, rest)), tag, line)
            number += 1

    async def _step(self, step: Step, tag: bytes, line: bytes) -> None:
        match step:
            case CutBefore():
                raise CutError
            case Answer(text):
                self.to_client.write(tag + b" " + text + b"\r\n")
            case CutWithin():
                await self._half(line)
                raise CutError
            case CutAfter():
                await self._asked(line, Pass())
                await self._answer(tag)
                raise CutError
            case Pass(first=first, answer=change):
                if first:
                    await first()
                await self._asked(line, step)
                self.to_client.write(change(await self._answer(tag)))

    async def _asked(self, line: bytes, step: Pass) -> None:
        found = _LITERAL.search(line)
        if found is None:
            self.to_server.write(line)
            return
        length = int(found[1])
        self.to_client.write(b"+ go on\r\n")
        literal = step.literal(await self.client.readexactly(length))
        end = await self.client.readline()
        self.to_server.write(_LITERAL.sub(b"{%d}\r\n" % len(literal), line))
        going_on = await self.server.readline()
        assert going_on.startswith(b"+"), going_on
        self.to_server.write(literal + end)

    async def _half(self, line: bytes) -> None:
        found = _LITERAL.search(line)
        if found is None:
            self.to_server.write(line[: len(line) // 2])
        else:
            self.to_client.write(b"+ go on\r\n")
            literal = await self.client.readexactly(int(found[1]))
            self.to_server.write(line)
            await self.server.readline()
            self.to_server.write(literal[: len(literal) // 2])
        await self.to_server.drain()

    async def _answer(self, tag: bytes) -> bytes:
        """All up to the tagged line; a challenge in between goes to the client and its response back."""
        answer = b""
        while True:
            line = await self.server.readline()
            if line.startswith(b"+"):
                self.to_client.write(line)
                self.to_server.write(await self.client.readline())
                continue
            answer += line
            if not line or line.startswith(tag + b" "):
                return answer
            if found := _LITERAL.search(line):
                answer += await self.server.readexactly(int(found[1]))


@asynccontextmanager
async def proxy(upstream: int, plan: Plan = lambda _: Pass()) -> AsyncIterator[Proxy]:
    made = Proxy()

    talks: list[asyncio.Task[None]] = []

    def serve(client: asyncio.StreamReader, to_client: asyncio.StreamWriter) -> None:
        talks.append(asyncio.create_task(served(client, to_client)))

    async def served(client: asyncio.StreamReader, to_client: asyncio.StreamWriter) -> None:
        server, to_server = await asyncio.open_connection("127.0.0.1", upstream, limit=2**20)
        with suppress(CutError, ConnectionError, asyncio.IncompleteReadError):
            await _Pair(client, to_client, server, to_server).run(plan, made.seen)
        to_client.close()
        to_server.close()

    listener = await asyncio.start_server(serve, "127.0.0.1", 0, limit=2**20)
    made.port = listener.sockets[0].getsockname()[1]
    try:
        yield made
    finally:
        listener.close()
        await asyncio.gather(*talks)
