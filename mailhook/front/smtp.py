"""The listener: what a mail server, our client, speaks with.

What: `Listener` accepts connections, `Dialogue` leads one of them: commands are read in batches, a MAIL with
its RCPTs is handed on in one call, and a batch is answered in one write. aiosmtpd gives the protocol's life
cycle; its commands, its line-wise DATA and its timer do not fit a relay and are not used:
it refuses parameters that are the next hop's to judge, re-quotes paths, answers a long line or an exception with a
5xx, and cancels the work for a mail when the client half-closes.

Not here: what happens to a mail (`ports.Reception`), the syntax (mailhook.smtp).

Errors: none leave a dialogue. A fault of ours is answered 451 or 421 and logged, never 5xx: a client
would bounce the mail. A client that goes away ends its dialogue, but never a submission past its final dot.
"""

import asyncio
import contextlib
import ipaddress
import logging
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from typing import assert_never, cast

from aiosmtpd.smtp import SMTP

from mailhook.errors import MailhookError
from mailhook.front.spool import Spool
from mailhook.ports import Client, Reception, Submission
from mailhook.smtp import commands, replies
from mailhook.smtp.commands import Command, Mail, Rcpt
from mailhook.smtp.content import EndOfData, Inspector
from mailhook.smtp.ehlo import Capabilities
from mailhook.smtp.replies import Reply

MAX_LINE = 65536
READ_SIZE = 65536
LOOPBACK = ("127.0.0.0/8", "::1/128")

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
    | commands.HttpVerb
    | commands.Malformed
)

log = logging.getLogger("mailhook.front.smtp")


@dataclass(frozen=True)
class Terms:
    """`allow`: CIDRs. `max_size` in octets, 0: the next hop's. `timeout`: of waiting for the client, seconds."""

    hostname: str
    allow: tuple[str, ...] = LOOPBACK
    max_size: int = 0
    timeout: float = 300.0
    max_connections: int = 200


class _ClientGoneError(Exception):
    """The client closed, was cut off, or was silent for too long."""


class Listener:
    """Hands the mail of every client to `reception`."""

    def __init__(self, reception: Reception, terms: Terms) -> None:
        # aiosmtpd tells every connection and command at INFO.
        logging.getLogger("mail.log").setLevel(logging.WARNING)
        self.reception = reception
        self.terms = terms
        self.draining = False
        self._allow = tuple(ipaddress.ip_network(cidr) for cidr in terms.allow)
        self._dialogues: set[Dialogue] = set()
        self._server: asyncio.Server | None = None

    async def start(
        self, host: str = "127.0.0.1", port: int = 0, sock: socket.socket | None = None
    ) -> asyncio.Server:
        """Accept on `sock` if it is given (it may be shared with other processes). OSError: cannot bind."""
        loop = asyncio.get_running_loop()
        if sock is not None:
            self._server = await loop.create_server(self._dialogue, sock=sock, backlog=128)
        else:
            self._server = await loop.create_server(self._dialogue, host, port, backlog=128)
        return self._server

    @property
    def port(self) -> int:
        assert self._server is not None
        return int(self._server.sockets[0].getsockname()[1])

    async def drain(self, grace: float) -> None:
        """Accept nobody, dismiss who is not past DATA, and give the others `grace` seconds to end."""
        self.draining = True
        if self._server is not None:
            self._server.close()
        for dialogue in tuple(self._dialogues):
            dialogue.dismiss()
        tasks = [dialogue.task for dialogue in self._dialogues]
        if tasks:
            _, late = await asyncio.wait(tasks, timeout=grace)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)

    def admit(self, dialogue: "Dialogue") -> Reply | None:
        """The refusal, if this client may not speak with us now."""
        if self.draining:
            return replies.SHUTTING_DOWN
        if not self._allowed(dialogue.address):
            log.warning("client refused, not in listen.allow: %s", dialogue.address)
            return replies.NOT_ALLOWED
        if len(self._dialogues) >= self.terms.max_connections:
            log.warning("client refused, %d connections are open: %s", len(self._dialogues), dialogue.address)
            return replies.TOO_MANY_CONNECTIONS
        self._dialogues.add(dialogue)
        return None

    def forget(self, dialogue: "Dialogue") -> None:
        self._dialogues.discard(dialogue)

    def _allowed(self, address: str) -> bool:
        try:
            peer = ipaddress.ip_address(address)
        except ValueError:
            return False
        if isinstance(peer, ipaddress.IPv6Address):
            peer = peer.ipv4_mapped or peer
        return any(peer in network for network in self._allow)

    def _dialogue(self) -> "Dialogue":
        return Dialogue(self)


class Dialogue(SMTP):
    """One client's connection, from greeting to goodbye."""

    def __init__(self, listener: Listener) -> None:
        # SMTP.__init__ reflects over all attributes to find its commands (0.3 ms), none of which is used;
        # these are the attributes that its connection_made needs.
        self.loop = asyncio.get_running_loop()
        reader = asyncio.StreamReader(limit=READ_SIZE, loop=self.loop)
        asyncio.StreamReaderProtocol.__init__(self, reader, self._cb_client_connected, loop=self.loop)
        self._original_transport = None
        self.transport = None

        self._listener = listener
        self._terms = listener.terms
        self._buffer = b""
        self._out: list[Reply] = []
        self._closing = False
        self._awaiting_command = False
        self._hop = Capabilities()
        self._helo: tuple[bytes, bool] | None = None
        self._xforward: dict[str, bytes] = {}
        self._submission: Submission | None = None
        self._recipients = 0
        self._receiving = False

    # --- life cycle

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        if hasattr(transport, "max_size"):
            # asyncio's reads of 256 KiB may map fresh memory each time.
            transport.max_size = READ_SIZE
        peer = transport.get_extra_info("peername")
        self.address = str(peer[0]).partition("%")[0] if isinstance(peer, tuple) else ""
        super().connection_made(transport)

    def connection_lost(self, error: Exception | None) -> None:
        """The reader tells the dialogue; work for a mail that is past its dot goes on."""
        asyncio.StreamReaderProtocol.connection_lost(self, error)
        self.transport = None

    def eof_received(self) -> bool | None:
        """A client that half-closed still gets its replies."""
        return asyncio.StreamReaderProtocol.eof_received(self)

    def _reset_timeout(self, duration: float | None = None) -> None:
        """aiosmtpd's timer would also run while we work; `_read` has its own."""

    @property
    def task(self) -> "asyncio.Task[None]":
        return cast("asyncio.Task[None]", self._handler_coroutine)

    def dismiss(self) -> None:
        """Send the client away now if nothing but its next command is awaited."""
        if self._awaiting_command:
            self._writer.write(replies.SHUTTING_DOWN.wire())
            self._writer.close()

    async def _handle_client(self) -> None:
        refusal = self._listener.admit(self)
        try:
            if refusal is not None:
                self._out.append(refusal)
            else:
                await self._converse()
            await self._flush()
        except _ClientGoneError as gone:
            log.debug("%s: %s", self.address, gone)
        finally:
            self._listener.forget(self)
            self._writer.close()
            await self._abort()

    async def _converse(self) -> None:
        self._out.append(replies.reply(220, f"{self._terms.hostname} ESMTP mailhook"))
        while not self._closing:
            await self._flush()
            for group in _groups(await self._read_commands()):
                if self._closing:
                    break
                if self._listener.draining:
                    self._last_word(replies.SHUTTING_DOWN)
                    break
                await self._answer(group)

    # --- reading and writing

    async def _read_commands(self) -> list[Command]:
        """All complete lines that are there, at least one; nothing behind DATA is taken for a command."""
        while b"\n" not in self._buffer:
            if len(self._buffer) > MAX_LINE:
                return [commands.Malformed(replies.LINE_TOO_LONG)]
            self._awaiting_command = True
            try:
                self._buffer += await self._read()
            finally:
                self._awaiting_command = False
        found: list[Command] = []
        start = 0
        while (end := self._buffer.find(b"\n", start)) >= 0:
            too_long = end - start > MAX_LINE
            found.append(
                commands.Malformed(replies.LINE_TOO_LONG)
                if too_long
                else commands.parse(self._buffer[start:end])
            )
            start = end + 1
            if isinstance(found[-1], commands.Data):
                break
        self._buffer = self._buffer[start:]
        return found

    async def _read(self) -> bytes:
        """What the client sends next. The only place where we wait for it, hence the only time-out."""
        try:
            async with asyncio.timeout(self._terms.timeout):
                data = await self._reader.read(READ_SIZE)
        except TimeoutError:
            self._out.append(replies.CLIENT_TIMEOUT)
            await self._flush()
            raise _ClientGoneError("silent for too long") from None
        except OSError as error:
            raise _ClientGoneError(f"connection lost: {error}") from None
        if not data:
            raise _ClientGoneError("connection closed")
        return data

    async def _flush(self) -> None:
        if not self._out:
            return
        data = b"".join(reply.wire() for reply in self._out)
        self._out.clear()
        try:
            async with asyncio.timeout(self._terms.timeout):
                self._writer.write(data)
                await self._writer.drain()
        except (OSError, TimeoutError) as error:
            raise _ClientGoneError(f"connection lost: {error}") from None

    def _last_word(self, reply: Reply) -> None:
        self._out.append(reply)
        self._closing = True

    # --- answering

    async def _answer(self, group: list[Mail | Rcpt] | Single) -> None:
        """One reply for each command of the group, whatever happens."""
        try:
            answers = await (self._envelope(group) if isinstance(group, list) else self._single(group))
        except _ClientGoneError:
            raise
        except Exception:
            log.exception("%s: fault while answering a client", self.address)
            await self._abort()
            if self._receiving:
                # Where the commands go on is unknown.
                return self._last_word(replies.BROKEN_OFF)
            answers = [replies.LOCAL_ERROR] * (len(group) if isinstance(group, list) else 1)
        self._out += answers
        return None

    async def _envelope(self, group: Sequence[Mail | Rcpt]) -> list[Reply]:
        if self._helo is None:
            return [replies.HELO_FIRST] * len(group)
        if isinstance(group[0], Mail):
            if self._submission is not None:
                rest = group[1:]
                return [replies.NESTED_MAIL, *(await self._envelope(rest) if rest else ())]
            helo, esmtp = self._helo
            client = Client(self.address, helo, esmtp, dict(self._xforward))
            self._submission = self._listener.reception.submission(client)
        if self._submission is None:
            return [replies.MAIL_FIRST] * len(group)
        answers = await self._submission.envelope(group)
        pairs = list(zip(group, answers, strict=True))
        self._recipients += sum(isinstance(command, Rcpt) and reply.positive for command, reply in pairs)
        if any(isinstance(command, Mail) and not reply.positive for command, reply in pairs):
            await self._abort()
        return answers

    async def _single(self, command: Single) -> list[Reply]:  # noqa: C901, PLR0911, PLR0912 - one case each
        match command:
            case commands.Ehlo(hostname):
                return await self._greet(hostname, esmtp=True)
            case commands.Helo(hostname):
                return await self._greet(hostname, esmtp=False)
            case commands.Data():
                return [await self._data()]
            case commands.Rset():
                await self._abort()
                return [replies.OK]
            case commands.Xforward(attributes):
                if self._submission is not None:
                    return [replies.IN_TRANSACTION]
                self._xforward.update(attributes)
                return [replies.OK]
            case commands.Noop():
                return [replies.OK]
            case commands.Vrfy():
                return [replies.CANNOT_VRFY]
            case commands.Help():
                return [replies.HELP]
            case commands.Quit():
                self._closing = True
                return [replies.BYE]
            case commands.HttpVerb():
                log.warning("%s: speaks HTTP, connection closed", self.address)
                self._closing = True
                return []
            case commands.Malformed(reply):
                self._closing = reply is replies.LINE_TOO_LONG
                return [reply]
            case _:
                assert_never(command)

    async def _greet(self, hostname: bytes, *, esmtp: bool) -> list[Reply]:
        await self._abort()
        try:
            self._hop = await self._listener.reception.capabilities()
        except MailhookError as error:
            log.warning("%s: sent away, the next hop cannot be reached: %s", self.address, error)
            self._closing = True
            return [replies.HOP_UNREACHABLE]
        self._helo = hostname, esmtp
        if esmtp:
            return [self._hop.announce(self._terms.hostname, self._terms.max_size)]
        return [replies.reply(250, self._terms.hostname)]

    async def _data(self) -> Reply:
        if self._submission is None:
            return replies.MAIL_FIRST
        if not self._recipients:
            return replies.NO_RECIPIENTS
        self._out.append(replies.START_MAIL)
        await self._flush()
        with contextlib.closing(Spool()) as spool:
            self._receiving = True
            refusal, candidate = await self._receive(spool)
            self._receiving = False
            if refusal is not None:
                await self._abort()
                return refusal
            reply = await self._submission.content(spool, candidate)
        self._forget_transaction()
        return reply

    async def _receive(self, spool: Spool) -> tuple[Reply | None, bool]:
        """Read to the end of the data, also when the message is refused, and whether it is a candidate."""
        end, inspector, refusal = EndOfData(), Inspector(), None
        data, self._buffer = self._buffer, b""
        while not end.finished:
            content = end.feed(data or await self._read())
            data = b""
            if refusal is None:
                inspector.feed(content)
                refusal = self._store(spool, content, end.stuffed)
        self._buffer = end.rest
        if refusal is None and end.ambiguous:
            log.warning("%s: message refused, it has an ambiguous end of data", self.address)
            refusal = replies.AMBIGUOUS_END
        return refusal, inspector.candidate

    def _store(self, spool: Spool, content: bytes, stuffed: int) -> Reply | None:
        limit = self._hop.limit(self._terms.max_size)
        refusal = None
        try:
            spool.write(content)
        except OSError as error:
            log.error("%s: message deferred, it cannot be kept in a temporary file: %s", self.address, error)
            refusal = replies.NO_SPACE
        if limit is not None and spool.size - stuffed > limit:
            refusal = replies.TOO_LARGE
        if refusal is not None:
            spool.close()
        return refusal

    async def _abort(self) -> None:
        submission = self._submission
        self._forget_transaction()
        if submission is not None:
            await submission.abort()

    def _forget_transaction(self) -> None:
        self._submission = None
        self._recipients = 0
        self._xforward.clear()


def _groups(batch: Sequence[Command]) -> list[list[Mail | Rcpt] | Single]:
    """Each MAIL with the RCPTs behind it, or a run of RCPTs, together; everything else alone."""
    groups: list[list[Mail | Rcpt] | Single] = []
    for command in batch:
        if isinstance(command, Rcpt) and groups and isinstance(groups[-1], list):
            groups[-1].append(command)
        elif isinstance(command, Mail | Rcpt):
            groups.append([command])
        else:
            groups.append(command)
    return groups
