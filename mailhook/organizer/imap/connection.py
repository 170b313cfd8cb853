"""One connection to an IMAP server: the only place that knows aioimaplib.

What: `connected` opens it, with TLS as it was asked for, and logs out at the end whatever happens; `Connection.command`
runs one command within the time-out and gives the answer's lines.

aioimaplib 2.0.3 gives tags, literals and the matching of answers to commands. Worked around, in this module only:

* it has neither STARTTLS nor SASL PLAIN: both are commands here, the latter by its hook for continuations;
* it quotes neither user names nor mailboxes: callers hand in what is quoted already (`names.quoted`);
* it tells no command that the connection is gone: `_Protocol.connection_lost` ends those that wait;
* a greeting that is no OK raises in a task that nobody awaits: `_Protocol.welcome` keeps it instead;
* it reads an answer recursively, a frame per line, so that a thousand lines at once break it: bytes are handed to it
  in small pieces;
* what it cannot read raises inside the event loop: the connection is given up instead;
* its log tells all that is sent and received, passwords and join links too: it is silenced.

IDLE is never used. It removes "* " wherever that stands in an untagged line: the name of a mailbox that holds it is
not found.

Not here: what the commands mean (`session`).

Errors: Misconfigured when the certificate authority cannot be used, the server's certificate is not trusted, or TLS is
not offered; Permanent for a refusal that will be repeated, Temporary for any other failure.
"""

import asyncio
import logging
import ssl
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress

from aioimaplib.aioimaplib import (
    AUTH,
    NONAUTH,
    SELECTED,
    AioImapException,
    Command,
    FetchCommand,
    IMAP4ClientProtocol,
    Response,
)

from mailhook.errors import MailhookError, Misconfigured, Permanent, Temporary
from mailhook.organizer.access import trust
from mailhook.organizer.imap.answers import code
from mailhook.organizer.imap.server import Server, no_connection

Line = bytes | bytearray
"""A line without its end; a bytearray is a literal."""

PIECE = 4096
"""Octets that are handed to aioimaplib at once: fewer lines than Python allows recursions."""

FAREWELL = 5.0
"""Seconds that the answer to LOGOUT is waited for."""

LONGEST = 200
"""Characters of a server's own text in a message of ours."""

FOR_GOOD = frozenset(("TOOBIG", "NOPERM", "AUTHORIZATIONFAILED", "CANNOT", "NONEXISTENT", "TRYCREATE"))
"""Response codes (RFC 5530, RFC 7889) of a refusal that will be repeated."""

_STATES = {"LOGIN": AUTH, "AUTHENTICATE": AUTH, "SELECT": SELECTED, "EXAMINE": SELECTED}


class Refused(Exception):  # noqa: N818 - named as RFC 3501 speaks of NO
    """NO (RFC 3501 §7.1.2). `code`: the response code (RFC 5530) or ""; `text`: fit for a message."""

    def __init__(self, command: str, text: str) -> None:
        super().__init__(text)
        self.command = command
        self.code, _ = code(text)
        self.text = text

    def error(self, server: Server) -> MailhookError:
        """For who does not look at it more closely."""
        what = f"{server} refuses {self.command}: {self.text}"
        return Permanent(what) if self.code in FOR_GOOD else Temporary(what)


class _Protocol(IMAP4ClientProtocol):
    """aioimaplib's, with the repairs that the module's docstring lists."""

    # What aioimaplib knows of these is that they are None at first.
    transport: asyncio.Transport  # type: ignore[assignment]
    literal_data: bytes | None  # type: ignore[assignment]

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(loop)
        self.greeting: asyncio.Future[bytes] = loop.create_future()
        self.sasl_answer = b""

    def data_received(self, d: bytes) -> None:
        try:
            for start in range(0, len(d), PIECE):
                super().data_received(d[start : start + PIECE])
        except Exception:
            self.transport.abort()

    async def welcome(self, command: bytes) -> None:
        if not self.greeting.done():
            self.state = NONAUTH
            self.greeting.set_result(command)

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        if not self.greeting.done():
            self.greeting.set_result(b"")
        waiting = [*self.pending_async_commands.values(), self.pending_sync_command]
        for command in filter(None, waiting):
            command.close(b"", "LOST")

    def _continuation(self, line: bytes) -> None:
        waiting = self.pending_sync_command
        if waiting is not None and waiting.name == "AUTHENTICATE":
            self.transport.write(self.sasl_answer + b"\r\n")
            # A second challenge is cancelled (RFC 3501 §6.2.2).
            self.sasl_answer = b"*"
        else:
            super()._continuation(line)


class Connection:
    """Use `connected`."""

    def __init__(self, server: Server, protocol: _Protocol) -> None:
        self.server = server
        self._protocol = protocol
        self._sound = True

    @property
    def capabilities(self) -> frozenset[str]:
        """Those that `refresh` has asked for, in upper case."""
        return frozenset(self._protocol.capabilities)

    async def greeted(self) -> None:
        """The server's greeting (RFC 3501 §7.1)."""
        greeting = b""
        with suppress(TimeoutError):
            async with asyncio.timeout(self.server.timeout):
                greeting = await self._protocol.greeting
        word = greeting[2:].split(b" ", 1)[0].upper()
        self._sound = word == b"OK"
        if word == b"PREAUTH":
            why = "wants no login (PREAUTH): nobody would know whose mailboxes these are"
            raise Misconfigured(f"{self.server} {why}")
        if not self._sound:
            said = f": {_printable(greeting)}" if greeting else ""
            raise Temporary(f"{self.server} does not greet as an IMAP server{said}")

    async def refresh(self) -> None:
        """CAPABILITY: what was announced before TLS or login does not count after it (RFC 2595 §2.1)."""
        lines = await self.command("CAPABILITY")
        words = b" ".join(bytes(line) for line in lines[:-1]).decode("ascii", "replace").upper()
        self._protocol.capabilities = set(words.split())

    async def command(
        self, name: str, *arguments: str, uid: bool = False, heard_as: str = "", literal: bytes | None = None
    ) -> Sequence[Line]:
        """The answer's lines, the text of the tagged OK as the last. `arguments`: as they stand on the wire.

        `heard_as`: the name of the untagged answers, if it is another. Refused: NO.
        """
        if not self._sound or self._protocol.transport.is_closing():
            raise Temporary(f"{self.server} has closed the connection")
        command = self._made(name, arguments, "UID" if uid else "", heard_as or name)
        if literal is not None:
            self._protocol.literal_data = literal
        response = await self._executed(command)
        match response.result:
            case "OK":
                self._protocol.state = _STATES.get(name, self._protocol.state)
                return list(response.lines)
            case "NO":
                raise Refused(name, _printable(response.lines[-1]))
            case "BAD":
                raise Permanent(f"{self.server} does not know {name}: {_printable(response.lines[-1])}")
            case _:
                self._sound = False
                raise Temporary(f"{self.server} closed the connection at {name}")

    def _made(self, name: str, arguments: Sequence[str], prefix: str, heard_as: str) -> Command:
        loop, tag = asyncio.get_running_loop(), self._protocol.new_tag()
        try:
            if name == "FETCH":
                return FetchCommand(tag, *arguments, prefix=prefix, loop=loop)
            return Command(name, tag, *arguments, prefix=prefix, untagged_resp_name=heard_as, loop=loop)
        except ValueError as error:
            raise Permanent(str(error)) from None

    async def _executed(self, command: Command) -> Response:
        try:
            async with asyncio.timeout(self.server.timeout):
                return await self._protocol.execute(command)
        except TimeoutError:
            self._sound = False
            why = f"{self.server} did not answer {command.name} within {self.server.timeout:g} s"
            raise Temporary(why) from None
        except AioImapException as error:
            self._sound = False
            raise Temporary(f"{self.server}, at {command.name}: {type(error).__name__}") from None
        except asyncio.CancelledError:
            self._sound = False
            raise

    async def authenticate_plain(self, answer: str) -> None:
        """SASL PLAIN (RFC 4616); `answer` in base64. With SASL-IR (RFC 4959) it goes along with the command."""
        self._protocol.sasl_answer = answer.encode()
        at_once = "SASL-IR" in self.capabilities
        if at_once:
            self._protocol.sasl_answer = b"*"
        await self.command("AUTHENTICATE", "PLAIN", *([answer] if at_once else []))

    async def start_tls(self, context: ssl.SSLContext) -> None:
        """RFC 2595 §3.1. Nothing that came before the handshake is believed."""
        try:
            await self.command("STARTTLS")
        except (Refused, Permanent) as error:
            raise Misconfigured(f"{self.server} does not do STARTTLS: {error}") from None
        if self._protocol.incomplete_line:
            raise Temporary(f"{self.server} sent more than its answer before TLS began")
        loop, host, plain = asyncio.get_running_loop(), self.server.host, self._protocol.transport
        secure = await loop.start_tls(plain, self._protocol, context, server_hostname=host)
        if secure is None:
            raise Temporary(f"{self.server} closed the connection as TLS began")
        self._protocol.transport = secure

    async def end(self) -> None:
        """LOGOUT where the connection is still good for it; then it is closed."""
        if self._sound and not self._protocol.transport.is_closing():
            with suppress(MailhookError, Refused, TimeoutError):
                async with asyncio.timeout(FAREWELL):
                    await self.command("LOGOUT")
        self._protocol.transport.abort()


@asynccontextmanager
async def connected(server: Server) -> AsyncIterator[Connection]:
    """Before login; the capabilities are those that count then."""
    # It would tell of all that is sent and received.
    logging.getLogger("aioimaplib").setLevel(logging.WARNING)
    context = None if server.tls == "off" else trust("organizer.imap.ca_file", server.ca_file)
    connection = await _opened(server, context if server.tls == "implicit" else None)
    try:
        await connection.greeted()
        if server.tls == "starttls" and context is not None:
            await _secured(connection, context)
        await connection.refresh()
        yield connection
    finally:
        await connection.end()


async def _opened(server: Server, context: ssl.SSLContext | None) -> Connection:
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(server.timeout):
            _, protocol = await loop.create_connection(
                lambda: _Protocol(loop), server.host, server.port, ssl=context
            )
    except (OSError, TimeoutError) as error:
        raise no_connection(server, error) from None
    return Connection(server, protocol)


async def _secured(connection: Connection, context: ssl.SSLContext) -> None:
    try:
        async with asyncio.timeout(connection.server.timeout):
            await connection.start_tls(context)
    except (OSError, TimeoutError) as error:
        raise no_connection(connection.server, error) from None


def _printable(line: Line) -> str:
    text = bytes(line).decode("utf-8", "replace")
    return "".join(char if char.isprintable() else "?" for char in text)[:LONGEST]
