"""The listener: what a mail server, our client, connects to.

What: `Listener` accepts connections. Each is an aiosmtpd protocol, of which the life cycle is used; the dialogue is
our own, since aiosmtpd's does not fit a relay: it refuses parameters that are the next hop's to judge, re-quotes
paths, reads the data by lines, answers a long line or an exception with a 5xx, lets its timer run while
we work, and cancels the work for a mail when the client half-closes.

Not here: commands and replies (dialogue).

Errors: OSError from `Listener.start`. A client that goes away ends its dialogue, but never a submission that is past
its final dot.
"""

import asyncio
import ipaddress
import logging
import socket
from typing import cast

from aiosmtpd.smtp import SMTP

from mailhook.alarm import Alarm
from mailhook.front.dialogue import ClientGoneError, Dialogue, Terms
from mailhook.ports import Reception
from mailhook.smtp import replies
from mailhook.smtp.replies import Reply

__all__ = ["Connection", "Listener", "Terms"]

READ_SIZE = 65536

log = logging.getLogger("mailhook.front.smtp")


class Listener:
    """Hands the mail of every client to `reception`."""

    def __init__(self, reception: Reception, terms: Terms) -> None:
        # aiosmtpd tells every connection and command at INFO.
        logging.getLogger("mail.log").setLevel(logging.WARNING)
        self._reception = reception
        self.terms = terms
        self._draining = False
        self._allow = tuple(ipaddress.ip_network(cidr, strict=False) for cidr in terms.allow)
        self._connections: set[Connection] = set()
        self._server: asyncio.Server | None = None

    async def start(
        self, host: str = "127.0.0.1", port: int = 0, sock: socket.socket | None = None
    ) -> asyncio.Server:
        """Accept on `sock` if it is given (it may be shared with other processes). OSError: cannot bind."""
        loop = asyncio.get_running_loop()
        if sock is not None:
            self._server = await loop.create_server(self._connection, sock=sock, backlog=128)
        else:
            self._server = await loop.create_server(self._connection, host, port, backlog=128)
        return self._server

    @property
    def port(self) -> int:
        assert self._server is not None
        return int(self._server.sockets[0].getsockname()[1])

    async def drain(self, grace: float) -> None:
        """Accept nobody, dismiss who is not past DATA, and give the others `grace` seconds to end."""
        self._draining = True
        if self._server is not None:
            self._server.close()
        for connection in tuple(self._connections):
            connection.dismiss()
        tasks = [connection.task for connection in self._connections]
        if tasks:
            _, late = await asyncio.wait(tasks, timeout=grace)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)

    def admit(self, connection: "Connection") -> Reply | None:
        """The refusal, if this client may not speak with us now."""
        if self._draining:
            return replies.SHUTTING_DOWN
        if not self._allowed(connection.address):
            log.warning("client refused, not in listen.allow: %s", connection.address)
            return replies.NOT_ALLOWED
        if len(self._connections) >= self.terms.max_connections:
            log.warning(
                "client refused, %d connections are open: %s", len(self._connections), connection.address
            )
            return replies.TOO_MANY_CONNECTIONS
        self._connections.add(connection)
        return None

    def dialogue(self, connection: "Connection") -> Dialogue:
        return Dialogue(connection, connection.address, self._reception, self.terms, lambda: self._draining)

    def forget(self, connection: "Connection") -> None:
        self._connections.discard(connection)

    def _allowed(self, address: str) -> bool:
        try:
            peer = ipaddress.ip_address(address)
        except ValueError:
            return False
        if isinstance(peer, ipaddress.IPv6Address):
            peer = peer.ipv4_mapped or peer
        return any(peer in network for network in self._allow)

    def _connection(self) -> "Connection":
        return Connection(self)


class Connection(SMTP):
    """One client's connection; also the `Wire` of its dialogue."""

    def __init__(self, listener: Listener) -> None:
        # SMTP.__init__ reflects over all attributes to find its commands (0.3 ms), none of which is used;
        # these are the attributes that its connection_made needs.
        self.loop = asyncio.get_running_loop()
        reader = asyncio.StreamReader(limit=READ_SIZE, loop=self.loop)
        asyncio.StreamReaderProtocol.__init__(self, reader, self._cb_client_connected, loop=self.loop)
        self._original_transport = None
        self.transport = None
        self._listener = listener
        self._dialogue: Dialogue | None = None
        self._alarm = Alarm(self._silent_for_too_long)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        if hasattr(transport, "max_size"):
            # asyncio's reads of 256 KiB may map fresh memory each time.
            transport.max_size = READ_SIZE
        peer = transport.get_extra_info("peername")
        self.address = str(peer[0]).partition("%")[0] if isinstance(peer, tuple) else ""
        super().connection_made(transport)

    def connection_lost(self, error: Exception | None) -> None:
        """The reader tells the dialogue; work for a mail that is past its dot goes on."""
        self._alarm.close()
        asyncio.StreamReaderProtocol.connection_lost(self, error)
        self.transport = None

    def eof_received(self) -> bool | None:
        """A client that half-closed still gets its replies."""
        return asyncio.StreamReaderProtocol.eof_received(self)

    def _reset_timeout(self, duration: float | None = None) -> None:
        """aiosmtpd's timer would also run while we work; `read` has its own."""

    @property
    def task(self) -> "asyncio.Task[None]":
        return cast("asyncio.Task[None]", self._handler_coroutine)

    def dismiss(self) -> None:
        """Send the client away now if nothing but its next command is awaited."""
        if self._dialogue is not None and self._dialogue.awaiting_command:
            self._writer.write(replies.SHUTTING_DOWN.wire())
            self._writer.close()

    async def _handle_client(self) -> None:
        refusal = self._listener.admit(self)
        try:
            if refusal is not None:
                await self.write(refusal.wire())
            else:
                self._dialogue = self._listener.dialogue(self)
                await self._dialogue.run()
        except ClientGoneError as gone:
            log.debug("%s: %s", self.address, gone)
        finally:
            self._listener.forget(self)
            self._writer.close()

    async def read(self) -> bytes:
        """The only place where we wait for the client's bytes."""
        self._alarm.set(self._listener.terms.timeout)
        try:
            data = await self._reader.read(READ_SIZE)
        except TimeoutError:
            await self.write(replies.CLIENT_TIMEOUT.wire())
            raise ClientGoneError("silent for too long") from None
        except OSError as error:
            raise ClientGoneError(f"connection lost: {error}") from None
        finally:
            self._alarm.clear()
        if not data:
            raise ClientGoneError("connection closed")
        return data

    def _silent_for_too_long(self) -> None:
        self._reader.set_exception(TimeoutError())

    async def write(self, data: bytes) -> None:
        self._writer.write(data)
        if self._writer.transport.get_write_buffer_size() == 0 and not self._writer.is_closing():
            return
        try:
            async with asyncio.timeout(self._listener.terms.timeout):
                await self._writer.drain()
        except (OSError, TimeoutError) as error:
            raise ClientGoneError(f"connection lost: {error}") from None
