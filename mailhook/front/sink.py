"""A small receiving SMTP server: where mail ends in the demo and in tests.

What: `Sink` keeps every message with its envelope in a list and wakes who waits for it. By `answer` it can be told
to give other replies, so it is a next hop with a will of its own too.

Not here: delivering, relaying, or storing anything.

Errors: OSError from `start`.
"""

import asyncio
import contextlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from mailhook.smtp import commands, replies
from mailhook.smtp.commands import Command, Mail, Rcpt
from mailhook.smtp.content import EndOfData, dot_unstuff
from mailhook.smtp.replies import Reply

READ_SIZE = 65536
EXTENSIONS = (
    "PIPELINING",
    "SIZE 104857600",
    "8BITMIME",
    "SMTPUTF8",
    "DSN",
    "ENHANCEDSTATUSCODES",
    "XFORWARD NAME ADDR PORT PROTO HELO IDENT SOURCE",
)


@dataclass(frozen=True)
class Received:
    """`wire` is dot-stuffed, as it came; `connection` counts the connections from 1."""

    helo: bytes
    mail: Mail
    recipients: tuple[Rcpt, ...]
    wire: bytes
    xforward: Mapping[str, bytes]
    connection: int

    @property
    def content(self) -> bytes:
        return dot_unstuff(self.wire)


Answer = Callable[[Command | Received], Reply | None]


def accept(_said: Command | Received) -> Reply | None:
    """The answer of a sink that takes everything: None stands for the usual reply."""
    return None


class Sink:
    """`extensions` are the lines of the reply to EHLO; `answer` is asked for each command and message.

    A positive answer changes the words only; to DATA it has no effect.
    """

    def __init__(self, answer: Answer = accept, extensions: tuple[str, ...] = EXTENSIONS) -> None:
        self.answer = answer
        self.extensions = extensions
        self.messages: list[Received] = []
        self.connections = 0
        self._arrived = asyncio.Condition()
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self, host: str = "127.0.0.1", port: int = 0) -> None:
        self._server = await asyncio.start_server(self._accept, host, port)

    @property
    def port(self) -> int:
        assert self._server is not None
        return int(self._server.sockets[0].getsockname()[1])

    async def wait_for(self, count: int) -> list[Received]:
        """The messages, as soon as there are `count` of them."""
        async with self._arrived:
            await self._arrived.wait_for(lambda: len(self.messages) >= count)
            return list(self.messages)

    async def close(self) -> None:
        """Stop, and cut the connections that are open."""
        if self._server is not None:
            self._server.close()
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def keep(self, message: Received) -> None:
        async with self._arrived:
            self.messages.append(message)
            self._arrived.notify_all()

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        task = asyncio.create_task(self._serve(_Connection(self, self.connections, reader, writer)))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        # Not in `_serve`: a task that is cancelled before its first step does nothing, not even in `finally`.
        task.add_done_callback(lambda _: writer.close())

    @staticmethod
    async def _serve(connection: "_Connection") -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            await connection.run()


@dataclass
class _Connection:
    sink: Sink
    number: int
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    helo: bytes = b""
    mail: Mail | None = None
    recipients: list[Rcpt] = field(default_factory=list)
    xforward: dict[str, bytes] = field(default_factory=dict)
    buffer: bytes = b""

    async def run(self) -> None:
        said = replies.reply(220, "sink ESMTP")
        while said.code not in {221, 421}:
            self.writer.write(said.wire())
            await self.writer.drain()
            said = await self._reply_to(commands.parse(await self._line()))
        self.writer.write(said.wire())
        await self.writer.drain()

    async def _line(self) -> bytes:
        while b"\n" not in self.buffer:
            self.buffer += await self._read()
        line, _, self.buffer = self.buffer.partition(b"\n")
        return line

    async def _read(self) -> bytes:
        data = await self.reader.read(READ_SIZE)
        if not data:
            raise asyncio.IncompleteReadError(self.buffer, None)
        return data

    async def _reply_to(self, command: Command) -> Reply:
        told = self.sink.answer(command)
        if told is not None and not told.positive:
            return told
        usual = await self._usual(command)
        return usual if told is None or isinstance(command, commands.Data) else told

    async def _usual(self, command: Command) -> Reply:
        match command:
            case commands.Ehlo(hostname) | commands.Helo(hostname):
                self.helo = hostname
                lines = self.sink.extensions if isinstance(command, commands.Ehlo) else ()
                return replies.reply(250, "sink", *lines)
            case Mail() | Rcpt() | commands.Data():
                return await self._transact(command)
            case commands.Rset():
                self._reset()
            case commands.Xforward(attributes):
                self.xforward.update(attributes)
            case commands.Quit():
                return replies.BYE
            case commands.Malformed(reply):
                return reply
            case _:
                pass
        return replies.OK

    async def _transact(self, command: Mail | Rcpt | commands.Data) -> Reply:
        match command:
            case Mail():
                if self.mail is not None:
                    return replies.NESTED_MAIL
                self.mail = command
            case Rcpt():
                if self.mail is None:
                    return replies.MAIL_FIRST
                self.recipients.append(command)
            case commands.Data():
                if self.mail is None or not self.recipients:
                    return replies.MAIL_FIRST
                return await self._receive(self.mail)
        return replies.OK

    async def _receive(self, mail: Mail) -> Reply:
        self.writer.write(replies.START_MAIL.wire())
        end, pieces = EndOfData(), []
        data, self.buffer = self.buffer, b""
        while not end.finished:
            pieces.append(end.feed(data or await self._read()))
            data = b""
        self.buffer = end.rest
        message = Received(
            self.helo, mail, tuple(self.recipients), b"".join(pieces), dict(self.xforward), self.number
        )
        self._reset()
        said = self.sink.answer(message) or replies.reply(250, f"2.0.0 Ok: queued as SINK{self.number:04d}")
        if said.positive:
            await self.sink.keep(message)
        return said

    def _reset(self) -> None:
        self.mail = None
        self.recipients = []
        self.xforward = {}
