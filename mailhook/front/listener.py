"""The listener: what a mail server, our client, connects to.

What: `Listener` accepts connections, gives each its dialogue, and ends them all when mailhook stops.

Not here: a connection's octets (smtp), commands and replies (dialogue), who may come in (admission).

Errors: OSError from `Listener.start`.
"""

import asyncio
import logging
import socket
from collections.abc import Sequence

from mailhook.front.admission import IDLE, Admission, tell
from mailhook.front.dialogue import Dialogue, Terms
from mailhook.front.limits import Seldom
from mailhook.front.smtp import Connection
from mailhook.front.standing import Standing
from mailhook.ports import Reception
from mailhook.smtp import replies
from mailhook.smtp.replies import Reply

BACKLOG = 1024
"""Of a flood of connections, those that find no place here hear nothing for a while."""

HESITATION = 2.0
"""Seconds in which a client may begin and end the mail for which it has connected, when we stop."""

TURNS = 5
"""Of the event loop, after which a connection that has been accepted is one of ours."""


class Listener:
    """Hands the mail of every client to `reception`."""

    def __init__(self, reception: Reception, terms: Terms) -> None:
        # aiosmtpd tells every connection and command at INFO.
        logging.getLogger("mail.log").setLevel(logging.WARNING)
        self._reception = reception
        self.terms = terms
        self.admission = Admission(terms)
        self._draining = self.late = False
        self._handshakes = Seldom(60)
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
        return len(self.admission.guests)

    async def drain(self, grace: float) -> None:
        """Accept nobody, dismiss who is between two mails, and give the others `grace` seconds to end.

        Who has handed in nothing yet may do so if he does not hesitate: others accept on the same socket, so he
        was not refused, and a client that is sent away before its mail may not come again for minutes. Who then
        falls silent amid his content is not waited for either: he hands it in once more.
        """
        for server in self._servers:
            server.close()
        for _ in range(TURNS):
            await asyncio.sleep(0)
        self._draining = True
        await self._dismissed(min(grace, HESITATION))
        self.late = True
        clock = asyncio.get_running_loop().time
        end = clock() + grace
        while (late := await self._dismissed(max(min(end - clock(), IDLE / 10), 0))) and clock() < end:
            pass
        for task in late:
            task.cancel()
        await asyncio.gather(*late, return_exceptions=True)

    async def _dismissed(self, seconds: float) -> set[asyncio.Task[None]]:
        """Who has not ended after that time."""
        for connection in tuple(self._connections):
            connection.retire()
        tasks = [connection.task for connection in self._connections]
        return (await asyncio.wait(tasks, timeout=seconds))[1] if tasks else set()

    def dismisses(self, dialogue: Dialogue) -> bool:
        """Whether the client has to go at its next command."""
        return self._draining and (self.late or dialogue.between_mails)

    def came(self, connection: Connection, now: float) -> Reply | None:
        """The refusal, if this client may not speak with us now."""
        if self.late:
            return replies.SHUTTING_DOWN
        refusal = self.admission.admit(connection, now)
        if refusal is None:
            self._connections.add(connection)
        return refusal

    def left(self, connection: Connection) -> None:
        self._connections.discard(connection)
        self.admission.forget(connection)

    def dialogue(self, connection: Connection) -> Dialogue:
        standing = Standing(self.terms.entry, connection.address, allowed=connection.allowed)
        load = self.admission.load
        return Dialogue(connection, standing, self._reception, self.terms, load, self.dismisses)

    def no_tls(self, address: str, why: str) -> None:
        tell(self._handshakes, f"no TLS: {why}", address, asyncio.get_running_loop().time())

    def _connection(self) -> Connection:
        return Connection(self)
