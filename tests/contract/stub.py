"""HTTP servers of other makes than the sandbox, that misbehave like it when a test asks for it.

What: `Stub` serves what a subclass's `answer` says, each answer on a connection of its own, with the present `Fault` of
its operation (as the sandbox's faults, but for `times`, which only `fail_after` knows here).

Not here: what the servers are (servers), expectations.
"""

import asyncio
import json
import ssl
from dataclasses import dataclass
from urllib.parse import parse_qsl, unquote, urlsplit

from mailhook.provider.sandbox_faults import Fault

REASONS = {200: "OK", 201: "Created", 204: "No Content"}


@dataclass(frozen=True)
class Asked:
    """A request: `path` and `query` decoded, header names in lower case."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes

    @property
    def form(self) -> list[tuple[str, str]]:
        return parse_qsl(self.body.decode(), keep_blank_values=True)


@dataclass(frozen=True)
class Told:
    status: int
    body: bytes = b""
    headers: tuple[tuple[str, str], ...] = ()


def as_json(status: int, document: object, **headers: str) -> Told:
    lines = tuple((name.replace("_", "-"), value) for name, value in headers.items())
    return Told(status, json.dumps(document).encode(), (("Content-Type", "application/json"), *lines))


class Stub:
    """`heard`: the requests, in order; `faults`: by operation."""

    def __init__(self, context: ssl.SSLContext | None = None) -> None:
        self.faults: dict[str, Fault] = {}
        self.heard: list[Asked] = []
        self._context = context
        self._server: asyncio.Server | None = None
        self._visits: set[asyncio.Task[None]] = set()
        self._asked: set[asyncio.Task[None]] = set()
        self._port = 0

    def operation(self, asked: Asked) -> str:
        """Which of the port's functions a request serves; "" for a login."""
        raise NotImplementedError

    def answer(self, asked: Asked) -> Told:
        raise NotImplementedError

    @property
    def url(self) -> str:
        scheme = "https" if self._context else "http"
        return f"{scheme}://127.0.0.1:{self._port}"

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._visit, "127.0.0.1", self._port, ssl=self._context)
        self._port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        if self._server is not None:
            self._server.close()
        for visit in self._visits:
            visit.cancel()
        await asyncio.gather(*self._visits, return_exceptions=True)
        if self._server is not None:
            await self._server.wait_closed()

    async def quiet(self) -> None:
        """Until all that was asked is carried out or refused, whether its client still waits or not.

        A connection on which nothing was asked may stay open for long.
        """
        while self._asked:
            await asyncio.wait(self._asked)

    async def _visit(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._visits.add(task)
        try:
            asked = await _read(reader)
            self._asked.add(task)
            self.heard.append(asked)
            await self._serve(asked, writer)
        except (asyncio.IncompleteReadError, ConnectionError, ssl.SSLError, asyncio.CancelledError):
            pass  # the client has gone, or `stop` ends what is delayed
        finally:
            self._visits.discard(task)
            self._asked.discard(task)
            writer.close()

    async def _serve(self, asked: Asked, writer: asyncio.StreamWriter) -> None:
        operation = self.operation(asked)
        fault = self.faults.get(operation, Fault())
        if fault.times == 1:
            del self.faults[operation]
        await asyncio.sleep(fault.delay)
        if fault.fail_after or not fault.replaces:
            told = self.answer(asked)
        if fault.fail_after and not fault.replaces:
            return
        if fault.replaces:
            body = (
                fault.body.encode()
                if fault.body is not None
                else b'{"code": "%s"}' % fault.error_code.encode()
            )
            told = Told(fault.status or 200, body)
        await _write(writer, told, fault)


async def _read(reader: asyncio.StreamReader) -> Asked:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    method, target, _ = head[0].split(" ")
    headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in head[1:]) if name}
    body = await reader.readexactly(int(headers.get("content-length", "0")))
    parts = urlsplit(target)
    return Asked(method, unquote(parts.path), dict(parse_qsl(parts.query)), headers, body)


async def _write(writer: asyncio.StreamWriter, told: Told, fault: Fault) -> None:
    lines = [f"HTTP/1.1 {told.status} {REASONS.get(told.status, 'Other')}", "Connection: close"]
    lines += [f"{name}: {value}" for name, value in told.headers]
    if told.status != 204:
        lines.append(f"Content-Length: {len(told.body)}")
    writer.write("\r\n".join([*lines, "", ""]).encode())
    body = told.body[: len(told.body) // 2] if fault.truncate else told.body
    if not fault.trickle:
        writer.write(body)
    else:
        for index in range(len(body)):
            await asyncio.sleep(fault.trickle)
            writer.write(body[index : index + 1])
            await writer.drain()
    await writer.drain()
