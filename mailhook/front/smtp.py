"""One client's connection: its octets, and how long we wait for them.

What: `Connection` is an aiosmtpd protocol, of which the life cycle is used; the dialogue is our own, since aiosmtpd's
does not fit a relay: it refuses parameters that are the next hop's to judge, re-quotes
paths, reads the data by lines, answers a long line or an exception with a 5xx, lets its timer run while
we work, and cancels the work for a mail when the client half-closes. Octets do not pass its streams, which copy them
three times.

Not here: accepting and stopping (listener), commands and replies (dialogue), who may come in (admission).

Errors: a client that goes away ends its dialogue, but never a submission that is past its final dot.
"""

import asyncio
import logging
import ssl
from typing import Protocol, cast

from aiosmtpd.smtp import SMTP

from mailhook import door
from mailhook.alarm import Alarm
from mailhook.front.admission import IDLE, Admission
from mailhook.front.dialogue import Dialogue, Terms
from mailhook.front.limits import Patience
from mailhook.front.tls import TlsFailedError, secured
from mailhook.front.wire import ClientGoneError
from mailhook.smtp import replies
from mailhook.smtp.replies import Reply

READ_SIZE = 65536

SLOW = 300.0
"""Seconds that content may take while another mail waits for a session with the next hop."""

log = logging.getLogger("mailhook.front.smtp")


class House(Protocol):
    """The listener, as its connections see it."""

    terms: Terms
    admission: Admission
    late: bool
    """We stop, and the time for hesitating is over."""

    def came(self, connection: "Connection", now: float) -> Reply | None:
        """The refusal, if this client may not speak with us now."""

    def left(self, connection: "Connection") -> None: ...

    def dialogue(self, connection: "Connection") -> Dialogue: ...

    def dismisses(self, dialogue: Dialogue) -> bool:
        """Whether the client has to go at its next command."""

    def no_tls(self, address: str, why: str) -> None:
        """To be told."""


class Connection(SMTP):
    """One client's connection; also the `Wire` of its dialogue, and a `Guest`."""

    def __init__(self, listener: House) -> None:
        # SMTP.__init__ reflects over all attributes to find its commands (0.3 ms), none of which is used;
        # these are the attributes that its connection_made needs.
        self.loop = asyncio.get_running_loop()
        asyncio.StreamReaderProtocol.__init__(self, None, loop=self.loop)  # type: ignore[arg-type]
        self._original_transport = None
        self.transport = None
        self._listener = listener
        self._dialogue: Dialogue | None = None
        self._came = self.since = self._heard = self.loop.time()
        self._patience = Patience(listener.terms.timeout, self._came)
        self._alarm = Alarm(self.loop, self._silent_for_too_long)
        self._unread = b""
        self._full = False
        self._ended = ""
        self._reading: asyncio.Future[bytes] | None = None
        self.allowed = False

    # --- asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        if hasattr(transport, "max_size"):
            # asyncio's reads of 256 KiB may map fresh memory each time.
            transport.max_size = READ_SIZE
        peer = transport.get_extra_info("peername")
        self.address = str(peer[0]).partition("%")[0] if isinstance(peer, tuple) else ""
        self._wire = cast(asyncio.Transport, transport)
        super().connection_made(transport)

    def data_received(self, data: bytes) -> None:
        if self._reading is not None and not self._reading.done():
            self._reading.set_result(data)
            return
        self._unread += data
        if len(self._unread) > READ_SIZE and not self._full:
            self._full = True
            self._wire.pause_reading()

    def eof_received(self) -> bool | None:
        """A client that half-closed still gets its replies (but under TLS, where nothing can be half closed)."""
        self._end("connection closed")
        return self._wire.get_extra_info("sslcontext") is None

    def connection_lost(self, error: Exception | None) -> None:
        """The dialogue is told when it reads; work for a mail that is past its dot goes on."""
        self._end(f"connection lost: {error}" if error else "connection closed")
        asyncio.StreamReaderProtocol.connection_lost(self, error)
        self.transport = None

    def _end(self, why: str) -> None:
        self._ended = self._ended or why
        if self._reading is not None and not self._reading.done():
            self._reading.set_exception(ClientGoneError(self._ended))

    def _reset_timeout(self, duration: float | None = None) -> None:
        """aiosmtpd's timer would also run while we work; `read` has its own."""

    async def _handle_client(self) -> None:
        refusal = self._listener.came(self, self._came)
        try:
            if refusal is not None:
                await self.write(refusal.wire())
            else:
                self._dialogue = self._listener.dialogue(self)
                await self._dialogue.run()
        except ClientGoneError as gone:
            log.debug("%s: %s", self.address, gone)
        finally:
            self._listener.left(self)
            self._alarm.close()
            self._close()
            # Who holds on to us is let go, so that no garbage collector has to find us while mail waits.
            self._dialogue = None

    # --- Guest

    @property
    def task(self) -> "asyncio.Task[None]":
        return cast("asyncio.Task[None]", self._handler_coroutine)

    @property
    def awaiting_command(self) -> bool:
        return self._dialogue is not None and self._dialogue.awaiting_command

    def is_idle(self, now: float) -> bool:
        return self._dialogue is not None and self._dialogue.idle and self.since < now - IDLE

    @property
    def stranger(self) -> bool:
        return not self.allowed and (self._dialogue is None or self._dialogue.stranger)

    def lingers(self, now: float) -> bool:
        """NOOP does not help him."""
        return self.awaiting_command and self._came < now - IDLE

    def stalls(self, now: float) -> bool:
        """Between commands, or amid a content that takes too long."""
        if self._dialogue is None or not self._dialogue.in_transaction:
            return False
        if self._dialogue.receiving:
            return self.since < now - SLOW
        return self.awaiting_command and self.since < now - IDLE

    def retire(self) -> None:
        """Send the client away if a stop asks for it, and nothing but its next octet is awaited."""
        dialogue = self._dialogue
        if dialogue is None:
            return
        silent = self._listener.late and dialogue.receiving and self._heard < self.loop.time() - IDLE
        if silent or (dialogue.awaiting_command and self._listener.dismisses(dialogue)):
            self.dismiss(replies.SHUTTING_DOWN)

    def dismiss(self, reply: Reply) -> None:
        """Only while it is the client that is awaited."""
        self._wire.write(reply.wire())
        self._close()

    def _close(self) -> None:
        """A client that does not read what is left for it must not keep its connection by that."""
        if not self._wire.is_closing():
            left = self._wire.get_write_buffer_size()
            self._wire.close()
            if left:
                self.loop.call_later(IDLE, self._wire.abort)

    # --- Wire

    async def start_tls(self, context: ssl.SSLContext) -> bool:
        self._unread = b""
        try:
            self._wire = await secured(self._wire, self, context, self._listener.terms.timeout)
        except TlsFailedError as error:
            door.turned_away("tls")
            self._listener.no_tls(self.address, str(error))
            raise ClientGoneError(f"no TLS: {error}") from None
        self._full = False
        return bool(self._wire.get_extra_info("peercert"))

    async def read(self) -> bytes:
        """The only place where we wait for the client's bytes."""
        data = self._take() if self._unread else await self._wait()
        self._heard = self.loop.time()
        self._patience.earn(len(data), self._heard)
        return data

    def _take(self) -> bytes:
        data, self._unread = self._unread, b""
        if self._full:
            self._full = False
            self._wire.resume_reading()
        return data

    async def _wait(self) -> bytes:
        if self._ended:
            raise ClientGoneError(self._ended)
        self._reading = self.loop.create_future()
        self._alarm.set(self._patience.left(self.loop.time()))
        try:
            return await self._reading
        except TimeoutError:
            await self.write(replies.CLIENT_TIMEOUT.wire())
            raise ClientGoneError("silent for too long") from None
        finally:
            self._reading = None
            self._alarm.clear()

    def _silent_for_too_long(self) -> None:
        if self._reading is not None and not self._reading.done():
            self._reading.set_exception(TimeoutError())

    def renew(self) -> None:
        self._patience.renew(self.loop.time())

    def got_on(self) -> None:
        self.since = self.loop.time()

    def make_way(self) -> None:
        self._listener.admission.make_way(self.loop.time())

    async def write(self, data: bytes) -> None:
        self._wire.write(data)
        if not self._wire.is_closing() and self._wire.get_write_buffer_size() == 0:
            return
        try:
            async with asyncio.timeout(self._listener.terms.timeout):
                await self._room_to_write()
        except (OSError, TimeoutError) as error:
            self._wire.abort()
            raise ClientGoneError(f"connection lost: {error}") from None

    async def _room_to_write(self) -> None:
        # asyncio.streams.FlowControlMixin, of which aiosmtpd's protocol is made, keeps account of it.
        await self._drain_helper()  # type: ignore[attr-defined]
