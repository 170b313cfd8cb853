"""One client's connection, as a dialogue sees it, and what comes in on it, line by line.

What: `Wire` is the connection; `Lines` reads commands from it in batches, and lines of a login one by one.

Not here: sockets (smtp), what commands mean (dialogue), content (intake).

Errors: ClientGoneError.
"""

import asyncio
import ssl
from collections.abc import Sequence
from typing import Protocol

from mailhook.smtp import commands, replies
from mailhook.smtp.commands import Command, Mail, Rcpt

MAX_LINE = 65536
MAX_BATCH = 1000
"""Commands that are read at a time; behind as many, others have their turn."""

Single = (
    commands.Data
    | commands.Ehlo
    | commands.Helo
    | commands.Rset
    | commands.Noop
    | commands.Quit
    | commands.Vrfy
    | commands.Help
    | commands.Xforward
    | commands.StartTls
    | commands.Auth
    | commands.HttpVerb
    | commands.Malformed
)

Group = list[Mail | Rcpt] | Single
"""Each MAIL with the RCPTs behind it, or a run of RCPTs, together; everything else alone."""


class ClientGoneError(Exception):
    """The client closed, was cut off, or was silent for too long."""


class Wire(Protocol):
    """The connection. `read` and `write` raise ClientGoneError."""

    def renew(self) -> None:
        """The client's time starts anew: a command, or content, is awaited."""

    def got_on(self) -> None:
        """A mail has got on by what the client said: whoever says only NOOP may lose his place to others."""

    async def read(self) -> bytes:
        """What the client sends next, at least one octet."""

    def make_way(self) -> None:
        """A mail would have to wait: a client that keeps another one waiting may be sent away for it."""

    async def write(self, data: bytes) -> None: ...

    async def start_tls(self, context: ssl.SSLContext) -> bool:
        """Shake hands; unread bytes are forgotten. Whether the client has shown a certificate that is trusted."""


class Lines:
    """What the client says, and what of it is not looked at yet."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire
        self._buffer = b""
        self.awaiting_command = False

    async def commands(self) -> list[Group]:
        """The complete ones that are there, at least one; nothing behind DATA, STARTTLS or AUTH is taken for one."""
        self._wire.renew()
        while b"\n" not in self._buffer:
            if len(self._buffer) > MAX_LINE:
                return [commands.Malformed(replies.LINE_TOO_LONG)]
            await self._more()
        found = self._batch()
        if len(found) == MAX_BATCH:
            await asyncio.sleep(0)
        return _groups(found)

    def _batch(self) -> list[Command]:
        found: list[Command] = []
        start = 0
        while len(found) < MAX_BATCH and (end := self._buffer.find(b"\n", start)) >= 0:
            too_long = end - start > MAX_LINE
            found.append(
                commands.Malformed(replies.LINE_TOO_LONG)
                if too_long
                else commands.parse(self._buffer[start:end])
            )
            start = end + 1
            if isinstance(found[-1], commands.Data | commands.StartTls | commands.Auth):
                break
        self._buffer = self._buffer[start:]
        return found

    async def line(self) -> bytes:
        """The next one, without its end."""
        while b"\n" not in self._buffer:
            if len(self._buffer) > MAX_LINE:
                raise ClientGoneError("a line of a login without end")
            await self._more()
        line, _, self._buffer = self._buffer.partition(b"\n")
        return line.removesuffix(b"\r")

    async def _more(self) -> None:
        self.awaiting_command = True
        try:
            self._buffer += await self._wire.read()
        finally:
            self.awaiting_command = False

    async def octets(self) -> bytes:
        """What comes next, at least one octet, whatever it is."""
        return self.drop() or await self._wire.read()

    def drop(self) -> bytes:
        """What has come and was not looked at; it is forgotten here."""
        data, self._buffer = self._buffer, b""
        return data

    def put_back(self, data: bytes) -> None:
        self._buffer = data + self._buffer


def _groups(batch: Sequence[Command]) -> list[Group]:
    groups: list[Group] = []
    for command in batch:
        if isinstance(command, Rcpt) and groups and isinstance(groups[-1], list):
            groups[-1].append(command)
        elif isinstance(command, Mail | Rcpt):
            groups.append([command])
        else:
            groups.append(command)
    return groups
