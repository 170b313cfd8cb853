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
from collections.abc import Sequence
from typing import cast

from aiosmtpd.smtp import SMTP

from mailhook.front.dialogue import ClientGoneError, Dialogue, Terms
from mailhook.ports import Reception
from mailhook.smtp import replies
from mailhook.smtp.replies import Reply

__all__ = ["Connection", "Listener", "Terms"]

READ_SIZE = 65536

BACKLOG = 512

HESITATION = 2.0
"""Seconds in which a client may begin and end the mail for which it has connected, when we stop."""

TURNS = 5
"""Of the event loop, after which a connection that has been accepted is one of ours."""

log = logging.getLogger("mailhook.front.smtp")


class Listener:
    """Hands the mail of every client to `reception`."""

    def __init__(self, reception: Reception, terms: Terms) -> None:
        # aiosmtpd tells every connection and command at INFO.
        logging.getLogger("mail.log").setLevel(logging.WARNING)
        self._reception = reception
        self.terms = terms
        self._draining = self._late = False
        self._allow = tuple(ipaddress.ip_network(cidr, strict=False) for cidr in terms.allow)
        self._connections: set[Connection] = set()
        self._servers: list[asyncio.Server] = []

    async def start(
        self, host: str = "127.0.0.1", port: int = 0, sockets: Sequence[socket.socket] = ()
    ) -> None:
        """Accept on `sockets` if there are any (other processes may share them). OSError: cannot bind."""
        loop = asyncio.get_running_loop()
        for sock in sockets:
            # asyncio accepts up to `backlog` connections at a time: one worker would take all that come together.
            self._servers.append(await loop.create_server(self._connection, sock=sock, backlog=1))
            sock.listen(BACKLOG)
        if not sockets:
            self._servers.append(await loop.create_server(self._connection, host, port, backlog=BACKLOG))

    @property
    def port(self) -> int:
        return int(self._servers[0].sockets[0].getsockname()[1])

    async def drain(self, grace: float) -> None:
        """Accept nobody, dismiss who is between two mails, and give the others `grace` seconds to end.

        Who has handed in nothing yet may do so if he does not hesitate: others accept on the same socket, so he
        was not refused, and a client that is sent away before its mail may not come again for minutes.
        """
        for server in self._servers:
            server.close()
        for _ in range(TURNS):
            await asyncio.sleep(0)
        self._draining = True
        await self._dismissed(min(grace, HESITATION))
        self._late = True
        late = await self._dismissed(grace)
        for task in late:
            task.cancel()
        await asyncio.gather(*late, return_exceptions=True)

    async def _dismissed(self, seconds: float) -> "set[asyncio.Task[None]]":
        """Who has not ended after that time."""
        for connection in tuple(self._connections):
            connection.dismiss()
        tasks = [connection.task for connection in self._connections]
        return (await asyncio.wait(tasks, timeout=seconds))[1] if tasks else set()

    def dismisses(self, dialogue: Dialogue) -> bool:
        """Whether the client has to go at its next command."""
        return self._draining and (self._late or dialogue.between_mails)

    def admit(self, connection: "Connection") -> Reply | None:
        """The refusal, if this client may not speak with us now."""
        if self._late:
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
        return Dialogue(connection, connection.address, self._reception, self.terms, self.dismisses)

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
        """aiosmtpd's timer would also run while we work; `read` has its own."""

    @property
    def task(self) -> "asyncio.Task[None]":
        return cast("asyncio.Task[None]", self._handler_coroutine)

    def dismiss(self) -> None:
        """Send the client away now if it has to go, and nothing but its next command is awaited."""
        dialogue = self._dialogue
        if dialogue is not None and dialogue.awaiting_command and self._listener.dismisses(dialogue):
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
        try:
            async with asyncio.timeout(self._listener.terms.timeout):
                data = await self._reader.read(READ_SIZE)
        except TimeoutError:
            await self.write(replies.CLIENT_TIMEOUT.wire())
            raise ClientGoneError("silent for too long") from None
        except OSError as error:
            raise ClientGoneError(f"connection lost: {error}") from None
        if not data:
            raise ClientGoneError("connection closed")
        return data

    async def write(self, data: bytes) -> None:
        try:
            async with asyncio.timeout(self._listener.terms.timeout):
                self._writer.write(data)
                await self._writer.drain()
        except (OSError, TimeoutError) as error:
            raise ClientGoneError(f"connection lost: {error}") from None
