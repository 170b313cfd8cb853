"""A short SMTP dialogue that hands in no mail.

What: `Visit` reads the greeting before it says anything, which tells our own listener from a next hop.

Not here: what the answers mean (`hop`, `listener`); mail (`nexthop`).

Errors: Temporary when there is no connection, it ends, or the peer does not speak SMTP. It waits for ever: the caller
sets the time-out.
"""

import asyncio
import os
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from mailhook.errors import Temporary
from mailhook.smtp.replies import Reply, ReplyParser


@dataclass
class Visit:
    """Use `visit`. `greeting`: what the peer said first."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    parser: ReplyParser = field(default_factory=ReplyParser)
    heard: list[Reply] = field(default_factory=list)
    greeting: Reply = field(init=False)

    async def say(self, line: str) -> Reply:
        self.writer.write(f"{line}\r\n".encode())
        return await self.hear()

    async def start_tls(self, context: ssl.SSLContext, name: str) -> None:
        """STARTTLS, if it is offered. Temporary: it is not, or no handshake comes about."""
        answer = await self.say("STARTTLS")
        if answer.code != 220:
            raise Temporary(f"STARTTLS is refused: {answer.text}")
        if self.heard or self.parser.pending:
            raise Temporary("something was said behind the answer to STARTTLS")
        try:
            await self.writer.start_tls(context, server_hostname=name)
        except (OSError, ssl.SSLError) as error:
            raise Temporary(f"no TLS: {because(error)}") from None

    async def hear(self) -> Reply:
        while not self.heard:
            try:
                data = await self.reader.read(65536)
            except OSError as error:
                raise Temporary(f"the connection broke: {because(error)}") from None
            if not data:
                raise Temporary("the connection was closed without an answer")
            self.heard += self.parser.feed(data)
        return self.heard.pop(0)


@asynccontextmanager
async def visit(
    host: str, port: int, context: ssl.SSLContext | None = None, name: str | None = None
) -> AsyncIterator[Visit]:
    """`context`: for TLS from the start, with a certificate of `name`."""
    try:
        reader, writer = await asyncio.open_connection(
            host, port, ssl=context, server_hostname=name if context is not None else None
        )
    except OSError as error:
        raise Temporary(f"no connection: {because(error)}") from None
    try:
        guest = Visit(reader, writer)
        guest.greeting = await guest.hear()
        yield guest
        writer.write(b"QUIT\r\n")
    finally:
        writer.close()


def because(error: OSError) -> str:
    """asyncio's own texts repeat the address."""
    known = error.errno is not None and not isinstance(error, socket.gaierror)
    return os.strerror(error.errno) if known and error.errno else error.strerror or str(error)
