"""One SMTP connection to the next hop.

What: greeting, EHLO (or HELO), TLS, login, command groups in one write, DATA with content in chunks. A connection
serves one task at a time; the next hop's bytes are parsed by `mailhook.smtp`.

Not here: reuse, replacement of a connection that died, and limits (pool).

Errors: `SessionLostError` when the connection ended before a reply came, `Temporary` when it cannot be opened, the
next hop does not answer in time, or does not speak SMTP. From `send_content` on only values: `Delivery`.
"""

import asyncio
import contextlib
import os
import ssl
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Literal, cast

from mailhook.alarm import Alarm
from mailhook.errors import Temporary
from mailhook.ports import Answered, Content, Delivery, Lost
from mailhook.smtp.auth import Credentials, login_lines
from mailhook.smtp.ehlo import XFORWARD_ATTRIBUTES, Capabilities
from mailhook.smtp.replies import Reply, ReplyParser

# Postfix takes XFORWARD lines of at most 512 octets (XFORWARD_README).
XFORWARD_LINE = 510
READ_SIZE = 65536


class SessionLostError(Temporary):
    """The connection ended where a reply was due: another one may do better."""


@dataclass(frozen=True)
class Safety:
    """How a next hop is spoken to. `context` is asked before each handshake; `name`: whose certificate is expected.

    With "starttls" and "implicit" nothing but the greeting and EHLO is said before TLS. "opportunistic" is plain where
    no STARTTLS is offered.
    """

    tls: Literal["off", "starttls", "implicit", "opportunistic"] = "off"
    context: Callable[[], ssl.SSLContext] | None = None
    name: str = ""
    credentials: Credentials | None = None


class Session(asyncio.Protocol):
    """Use `Session.connect`. After an exception the only thing left to do is `close`."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._parser = ReplyParser()
        self._replies: deque[Reply] = deque()
        self._waiter: asyncio.Future[None] | None = None
        self._alarm = Alarm(self._loop, self._late)
        self._paused = False
        self._lost: Exception | None = None
        self._secure = False
        self.capabilities = Capabilities()
        self.reused = False

    # --- asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        if hasattr(transport, "max_size"):
            # asyncio's reads of 256 KiB may map fresh memory each time.
            transport.max_size = READ_SIZE

    def data_received(self, data: bytes) -> None:
        try:
            self._replies.extend(self._parser.feed(data))
        except Temporary as error:
            self._fail(error)
        self._wake()

    def connection_lost(self, exc: Exception | None) -> None:
        self._alarm.close()
        if exc is not None and not self._secure:
            self._last_look()
        self._lost = self._lost or SessionLostError(f"the next hop closed the connection{_because(exc)}")
        self._wake()

    def _last_look(self) -> None:
        """A failed write ends the transport before it has read the reply that tells why."""
        peer = self._transport.get_extra_info("socket") if self._transport is not None else None
        with contextlib.suppress(OSError, Temporary):
            if peer is not None and peer.fileno() >= 0:
                self._replies.extend(self._parser.feed(os.read(peer.fileno(), READ_SIZE)))

    def pause_writing(self) -> None:
        self._paused = True

    def resume_writing(self) -> None:
        self._paused = False
        self._wake()

    # --- the dialogue

    @classmethod
    async def connect(
        cls,
        host: str,
        port: int,
        hostname: str,
        within: float,
        safety: Safety = Safety(),
    ) -> "Session":
        """Open, introduce ourselves, begin TLS and log in, each step within `within` seconds."""
        context = safety.context() if safety.context is not None and safety.tls == "implicit" else None
        try:
            async with asyncio.timeout(within):
                loop = asyncio.get_running_loop()
                name = safety.name if context is not None else None
                _, session = await loop.create_connection(cls, host, port, ssl=context, server_hostname=name)
        except (OSError, TimeoutError) as error:
            raise Temporary(f"cannot connect to the next hop {host}:{port}{_because(error)}") from error
        session._secure = context is not None
        try:
            await session._greeted(within)
            await session._introduce(hostname, within)
            if safety.tls in {"starttls", "opportunistic"}:
                await session._start_tls(safety, hostname, within)
            if safety.credentials is not None:
                await session._log_in(safety.credentials, within)
        except BaseException:
            session.close()
            raise
        return session

    async def _greeted(self, within: float) -> None:
        greeting = await self._reply(within)
        if greeting.code != 220:
            raise Temporary(f"the next hop does not greet us: {greeting.text}")

    async def _introduce(self, hostname: str, within: float) -> None:
        ehlo = await self.command(b"EHLO %s\r\n" % hostname.encode("ascii"), within)
        if ehlo.positive:
            self.capabilities = Capabilities.parse(ehlo)
            return
        if ehlo.permanent:
            ehlo = await self.command(b"HELO %s\r\n" % hostname.encode("ascii"), within)
        if not ehlo.positive:
            raise Temporary(f"the next hop refuses our EHLO: {ehlo.text}")

    async def _start_tls(self, safety: Safety, hostname: str, within: float) -> None:
        """STARTTLS, handshake, and EHLO once more: what was announced before counts for nothing (RFC 3207 §4.2)."""
        if "STARTTLS" not in self.capabilities:
            if safety.tls == "opportunistic":
                return
            raise Temporary("the next hop offers no STARTTLS, and nexthop.tls asks for it")
        answer = await self.command(b"STARTTLS\r\n", within)
        if answer.code != 220:
            raise Temporary(f"the next hop refuses STARTTLS: {answer.text}")
        if self._replies or self._parser.pending:
            raise Temporary(
                "the next hop said something behind its answer to STARTTLS: somebody may be in between"
            )
        assert safety.context is not None
        assert self._transport is not None
        self.capabilities = Capabilities()
        plain = self._transport
        try:
            # Until this has ended all octets go to the handshake, none to our parser.
            safe = await self._loop.start_tls(
                plain, self, safety.context(), server_hostname=safety.name, ssl_handshake_timeout=within
            )
        except (OSError, ssl.SSLError) as error:
            raise Temporary(f"no TLS with the next hop{_because(error)}") from None
        if safe is None:
            raise Temporary("the next hop closed the connection in the handshake")
        self._transport, self._secure = safe, True
        await self._introduce(hostname, within)

    async def _log_in(self, credentials: Credentials, within: float) -> None:
        if not self._secure and not self._local():
            raise Temporary("there is no TLS, so the password for the next hop is not said")
        lines = login_lines(self.capabilities.keywords.get("AUTH", b""), credentials)
        if lines is None:
            raise Temporary("the next hop offers neither AUTH PLAIN nor AUTH LOGIN")
        for number, line in enumerate(lines, 1):
            answer = await self.command(line, within)
            if answer.code != (235 if number == len(lines) else 334):
                raise Temporary(f"the next hop refuses our login: {answer.text}")

    def _local(self) -> bool:
        peer = self._transport.get_extra_info("peername") if self._transport is not None else None
        return peer is not None and ip_address(str(peer[0]).partition("%")[0]).is_loopback

    @property
    def usable(self) -> bool:
        """False if the connection has ended, or the next hop said something unasked (421 at a time-out)."""
        alive = self._transport is not None and not self._transport.is_closing() and self._lost is None
        return alive and not self._replies

    async def command(self, line: bytes, within: float) -> Reply:
        return (await self.exchange([line], within))[0]

    async def exchange(self, lines: Sequence[bytes], within: float) -> list[Reply]:
        """A reply for each command line; one write if the next hop pipelines (RFC 2920)."""
        if self._replies:
            raise SessionLostError(f"the next hop spoke unasked: {self._replies[0].text}")
        pipelining = self.capabilities.pipelining
        if pipelining:
            self._write(b"".join(lines))
        replies: list[Reply] = []
        for line in lines:
            if replies and replies[-1].code == 421:
                # RFC 5321 §3.8: behind a 421 comes nothing, so it answers what was sent after it too.
                replies.append(replies[-1])
                continue
            if not pipelining:
                self._write(line)
            replies.append(await self._reply(within))
        return replies

    async def send_content(self, content: Content, within: float) -> Delivery:
        """Content and final dot, then the reply, all of it `within` so many seconds."""
        after_dot = False
        clock = self._loop.time
        until = clock() + within
        try:
            for piece, last in _with_dot(content.chunks()):
                if self._replies or self._lost:
                    return await self._early(until - clock())
                after_dot = last
                self._write(piece)
                if self._paused:
                    await self._until(lambda: not self._paused or bool(self._replies), until - clock())
            return Answered(await self._reply(until - clock()))
        except (Temporary, OSError) as error:
            return Lost(after_dot, str(error))

    async def _early(self, within: float) -> Delivery:
        """The next hop spoke or left before the dot."""
        reply = await self._reply(within)
        if reply.positive:
            # It took something inside for the end of the data: what it has accepted is not known.
            return Lost(True, f"the next hop answered before the end of the data: {reply.text}")
        return Answered(reply)

    def close(self) -> None:
        """Take leave without waiting for an answer; harmless when the connection has ended."""
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(b"QUIT\r\n")
            self._transport.close()

    def abort(self) -> None:
        """Cut the connection; inside the content there is no other way to say that no dot will come."""
        if self._transport is not None:
            self._transport.abort()

    # --- waiting

    async def _reply(self, within: float) -> Reply:
        if not self._replies:
            await self._until(lambda: bool(self._replies), within)
        return self._replies.popleft()

    async def _until(self, condition: Callable[[], bool], within: float) -> None:
        self._alarm.set(within)
        try:
            while not condition():
                if self._lost is not None:
                    raise self._lost
                self._waiter = self._loop.create_future()
                await self._waiter
        except TimeoutError:
            raise Temporary("the next hop did not answer in time") from None
        finally:
            self._alarm.clear()

    def _late(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_exception(TimeoutError())

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def _write(self, data: bytes) -> None:
        if self._lost is not None or self._transport is None:
            raise self._lost or SessionLostError("there is no connection to the next hop")
        self._transport.write(data)

    def _fail(self, error: Exception) -> None:
        self._lost = self._lost or error
        self.abort()


def xforward_lines(values: Mapping[str, bytes], capabilities: Capabilities) -> list[bytes]:
    """The client's attributes that the next hop takes, in lines that are short enough."""
    lines: list[bytes] = []
    for name in XFORWARD_ATTRIBUTES:
        if name not in values or name not in capabilities.xforward:
            continue
        item = b" %s=%s" % (name.encode("ascii"), values[name])
        if lines and len(lines[-1]) + len(item) <= XFORWARD_LINE:
            lines[-1] += item
        else:
            lines.append(b"XFORWARD" + item)
    return [line + b"\r\n" for line in lines]


def _with_dot(chunks: Iterator[bytes]) -> Iterator[tuple[bytes, bool]]:
    """The pieces to write; the last one bears the final dot, behind a line end of its own if need be."""
    previous, end = b"", b"\r\n"
    for chunk in chunks:
        if previous:
            yield previous, False
        previous = chunk
        end = (end + chunk[-2:])[-2:]
    yield previous + (b".\r\n" if end == b"\r\n" else b"\r\n.\r\n"), True


def _because(error: Exception | None) -> str:
    return f": {error}" if error is not None and str(error) else ""
