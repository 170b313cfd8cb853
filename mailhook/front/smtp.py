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
import ssl
from collections.abc import Sequence
from typing import cast

from aiosmtpd.smtp import SMTP

from mailhook import door
from mailhook.alarm import Alarm
from mailhook.front.dialogue import Dialogue, Terms
from mailhook.front.limits import Load, Patience, Seldom, neighbourhood
from mailhook.front.standing import Standing
from mailhook.front.tls import TlsFailedError, secured
from mailhook.front.wire import ClientGoneError
from mailhook.ports import Reception
from mailhook.smtp import replies
from mailhook.smtp.replies import Reply

__all__ = ["Connection", "Listener", "Terms"]

READ_SIZE = 65536
BACKLOG = 1024
"""Of a flood of connections, those that find no place here hear nothing for a while."""

IDLE = 10.0
"""Seconds after which a client that says nothing makes room, if others wait (Postfix under stress: smtpd_timeout)."""

SLOW = 300.0
"""Seconds that content may take while another mail waits for a session with the next hop."""

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
        self._load = Load(terms.limits)
        self._refusals = Seldom(60)
        self._unknown = Seldom(60)
        self._handshakes = Seldom(60)
        self._nobody_idle_until = 0.0
        self._nobody_stalls_until = 0.0
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

    @property
    def connections(self) -> int:
        """Clients that are connected now."""
        return len(self._connections)

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
            connection.retire()
        tasks = [connection.task for connection in self._connections]
        return (await asyncio.wait(tasks, timeout=seconds))[1] if tasks else set()

    def dismisses(self, dialogue: Dialogue) -> bool:
        """Whether the client has to go at its next command."""
        return self._draining and (self._late or dialogue.between_mails)

    def admit(self, connection: "Connection") -> Reply | None:
        """The refusal, if this client may not speak with us now."""
        if self._late:
            return replies.SHUTTING_DOWN
        connection.allowed = self._allowed(connection.address)
        if not connection.allowed and not self.terms.entry.admits_others:
            door.turned_away("not-allowed")
            self.tell(self._unknown, "client refused, not in listen.allow", connection.address)
            return replies.NOT_ALLOWED
        refusal = None if connection.allowed else self._too_many_strangers(connection)
        if refusal is None:
            self._make_room(connection.address)
            refusal = self._load.connect(connection.address)
        if refusal is not None:
            door.turned_away("limits")
            self.tell(self._refusals, f"client refused, {refusal.text}", connection.address)
            return refusal
        self._connections.add(connection)
        return None

    def _make_room(self, peer: str) -> None:
        """Where there is none for another client of this peer, whoever has been idle for longest goes."""
        if not (full := self._load.full()) and not self._load.full_for(peer):
            return
        now = asyncio.get_running_loop().time()
        if now >= self._nobody_idle_until:
            idle = [each for each in self._connections if full or each.address == peer]
            found = self._send_away([each for each in idle if each.is_idle(now)])
            # A flood of clients must not make us look each time.
            self._nobody_idle_until = now if found else now + IDLE / 100

    def make_way(self) -> None:
        """A mail waits for a session with the next hop: whoever keeps one without using it for longest goes."""
        now = asyncio.get_running_loop().time()
        if now >= self._nobody_stalls_until:
            found = self._send_away([each for each in self._connections if each.stalls(now)])
            self._nobody_stalls_until = now if found else now + IDLE / 100

    def _send_away(self, candidates: "list[Connection]") -> bool:
        if candidates:
            longest = min(candidates, key=lambda each: each.since)
            longest.dismiss(replies.MADE_ROOM)
            self.forget(longest)
        return bool(candidates)

    def dialogue(self, connection: "Connection") -> Dialogue:
        standing = Standing(self.terms.entry, connection.address, allowed=connection.allowed)
        return Dialogue(
            connection,
            standing,
            self._reception,
            self.terms,
            self._load,
            self.dismisses,
        )

    def _too_many_strangers(self, connection: "Connection") -> Reply | None:
        """Who is not in `allow` may not fill all places while he has not logged in, nor one of them those of all."""
        limits, place = self.terms.limits, neighbourhood(connection.address)
        near = [each for each in self._strangers() if neighbourhood(each.address) == place]
        if len(near) >= limits.strangers_of_one and not self._send_away_lingering(near):
            return replies.TOO_MANY_FROM_YOU
        everybody = self._strangers()
        if len(everybody) >= limits.strangers and not self._send_away_lingering(everybody):
            return replies.TOO_MANY_CONNECTIONS
        return None

    def _strangers(self) -> "list[Connection]":
        return [each for each in self._connections if each.stranger]

    def _send_away_lingering(self, strangers: "list[Connection]") -> bool:
        now = asyncio.get_running_loop().time()
        return self._send_away([each for each in strangers if each.lingers(now)])

    def no_tls(self, address: str, why: str) -> None:
        self.tell(self._handshakes, f"no TLS: {why}", address)

    def tell(self, seldom: Seldom, what: str, address: str) -> None:
        """Strangers must not fill the log."""
        times = seldom.due(asyncio.get_running_loop().time())
        if times is not None:
            log.warning("%s: %s (%d times)", address, what, times)

    def forget(self, connection: "Connection") -> None:
        if connection in self._connections:
            self._connections.discard(connection)
            self._load.disconnect(connection.address)

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
        self._patience = Patience(listener.terms.timeout, self.loop.time())
        self.allowed = False
        self._came = self.loop.time()
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

    @property
    def awaiting_command(self) -> bool:
        return self._dialogue is not None and self._dialogue.awaiting_command

    @property
    def since(self) -> float:
        """When we began to wait for what the client says; the loop's time."""
        return self._patience.since

    def is_idle(self, now: float) -> bool:
        return self._dialogue is not None and self._dialogue.idle and self.since < now - IDLE

    @property
    def stranger(self) -> bool:
        return not self.allowed and (self._dialogue is None or self._dialogue.stranger)

    def lingers(self, now: float) -> bool:
        """Has a stranger had the time to log in, and are we waiting for what he says? NOOP does not help him."""
        return self.awaiting_command and self._came < now - IDLE

    def stalls(self, now: float) -> bool:
        """Does it let a mail wait: between commands, or amid a content that takes too long?"""
        if self._dialogue is None or not self._dialogue.in_transaction:
            return False
        if self._dialogue.receiving:
            return self.since < now - SLOW
        return self.awaiting_command and self.since < now - IDLE

    def make_way(self) -> None:
        self._listener.make_way()

    def retire(self) -> None:
        """Send the client away if a stop asks for it, and nothing but its next command is awaited."""
        dialogue = self._dialogue
        if dialogue is not None and dialogue.awaiting_command and self._listener.dismisses(dialogue):
            self.dismiss(replies.SHUTTING_DOWN)

    def dismiss(self, reply: Reply) -> None:
        """Send the client away now; only while it is the client that is awaited."""
        self._writer.write(reply.wire())
        self._close()

    def _close(self) -> None:
        """A client that does not read what is left for it must not keep its connection by that."""
        transport = self._writer.transport
        if not transport.is_closing():
            left = transport.get_write_buffer_size()
            self._writer.close()
            if left:
                self.loop.call_later(IDLE, transport.abort)

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
            self._alarm.close()
            self._close()

    async def start_tls(self, context: ssl.SSLContext) -> bool:
        within = self._listener.terms.timeout
        try:
            self._reader, self._writer = await secured(self._writer.transport, context, within)
        except TlsFailedError as error:
            door.turned_away("tls")
            self._listener.no_tls(self.address, str(error))
            raise ClientGoneError(f"no TLS: {error}") from None
        return bool(self._writer.get_extra_info("peercert"))

    async def read(self) -> bytes:
        """The only place where we wait for the client's bytes."""
        self._alarm.set(self._patience.left(self.loop.time()))
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
        self._patience.earn(len(data), self.loop.time())
        return data

    def renew(self) -> None:
        self._patience.renew(self.loop.time())

    def _silent_for_too_long(self) -> None:
        self._reader.set_exception(TimeoutError())

    async def write(self, data: bytes) -> None:
        self._writer.write(data)
        if not self._writer.is_closing() and self._writer.transport.get_write_buffer_size() == 0:
            return
        try:
            async with asyncio.timeout(self._listener.terms.timeout):
                await self._writer.drain()
        except (OSError, TimeoutError) as error:
            self._writer.transport.abort()
            raise ClientGoneError(f"connection lost: {error}") from None
