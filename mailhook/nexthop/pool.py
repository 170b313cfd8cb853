"""Connections to the next hop, reused, and one mail transaction over them.

What: `Pool` implements `ports.NextHop`. The rules:

- A connection is used again only after a transaction in which everything was accepted, and while it has been idle
  for less than a minute. After any refusal it is closed instead of reset: the state of the peer is then certain.
- A connection that ends before content was sent is replaced once by a fresh one, on which the accepted part of
  the envelope is said again; that goes on only if all of it is accepted again. A queue under stress closes after
  10 s, which is less than an invitation may wait. Refused recipients are not said again, since the client
  was told of their refusal and will act on it.
- A connection is in the pool only after TLS and login as the settings demand: there is no plain one among them.
- From the first octet of content on nothing is tried twice.

Not here: the dialogue itself (session), and what the replies mean for the mail (relay).

Errors: `Temporary` from `capabilities` and `envelope`; `deliver` gives a `Delivery`.
"""

import asyncio
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

from mailhook.errors import Temporary
from mailhook.nexthop.session import Safety, Session, SessionLostError, xforward_lines
from mailhook.ports import Answered, Client, Content, Delivery, Lost
from mailhook.smtp.commands import Mail, Rcpt
from mailhook.smtp.ehlo import Capabilities, outdated
from mailhook.smtp.replies import HOP_HAS_CHANGED, Reply

CAPABILITIES_FOR = 60.0


@dataclass(frozen=True)
class Usage:
    """Connections that carry a mail, those that wait for one, and mails that wait for a connection."""

    busy: int
    idle: int
    waiting: int


@dataclass(frozen=True)
class Seen:
    """Whether the next hop could be spoken to `at` that time of the loop."""

    at: float
    reachable: bool


@dataclass(frozen=True)
class _Hop:
    host: str
    port: int
    hostname: str
    connect_timeout: float
    command_timeout: float
    data_timeout: float
    safety: Safety


class Pool:
    """Times in seconds. `limit`: concurrent sessions; it must stay below the next hop's process limit."""

    def __init__(  # noqa: PLR0913 - the settings of [nexthop]
        self,
        host: str,
        port: int,
        *,
        hostname: str,
        connect_timeout: float = 30.0,
        command_timeout: float = 300.0,
        data_timeout: float = 570.0,
        limit: int = 90,
        idle: float = 60.0,
        safety: Safety = Safety(),  # noqa: B008 - frozen
    ) -> None:
        self._hop = _Hop(host, port, hostname, connect_timeout, command_timeout, data_timeout, safety)
        self._loop = asyncio.get_running_loop()
        self.clock = self._loop.time
        self._limit = limit
        self._permits = asyncio.Semaphore(limit)
        self._idle_for = idle
        self._idle: deque[tuple[Session, float]] = deque()
        self._sweeping: asyncio.TimerHandle | None = None
        self._closed = False
        self._asking: asyncio.Task[Capabilities] | None = None
        self._known: tuple[Capabilities, float] | None = None
        self._seen: Seen | None = None

    async def capabilities(self) -> Capabilities:
        """What the last connection announced, if that is less than a minute ago. Temporary: unreachable."""
        if self._known is not None and self.clock() < self._known[1]:
            return self._known[0]
        if self._asking is None or self._asking.done():
            # Shared, so that many clients do not wait for one time-out after the other.
            self._asking = asyncio.create_task(self._ask())
            self._asking.add_done_callback(lambda task: task.cancelled() or task.exception())
        return await asyncio.shield(self._asking)

    @property
    def usage(self) -> Usage:
        # asyncio counts both; to count them again would be one more thing to keep right.
        waiting = len(self._permits._waiters or ())
        return Usage(self._limit - self._permits._value, len(self._idle), waiting)

    @property
    def seen(self) -> "Seen | None":
        """How it was the last time; None: nothing has been said to it yet."""
        return self._seen

    async def reach(self) -> None:
        """Temporary: the next hop cannot be reached now, whatever it announced a moment ago."""
        await self._wait_for_permit()
        try:
            (await self._connect()).close()
        finally:
            self._permits.release()

    def transaction(self, client: Client) -> "Transaction":
        return Transaction(self, self._hop, client)

    async def close(self) -> None:
        """Close what is idle; a transaction that still runs closes its connection at its end."""
        self._closed = True
        if self._asking is not None:
            self._asking.cancel()
        self._forget_idle()

    # --- for Transaction

    async def acquire(self, *, fresh: bool = False) -> Session:
        """An idle connection if there is one, unless it must be `fresh`; give it back by `release`."""
        await self._wait_for_permit()
        try:
            if fresh:
                # Else what is idle would come on top of the limit.
                self._forget_idle()
            return self._reusable() or await self._connect()
        except BaseException:
            self._permits.release()
            raise

    async def replace(self, dead: Session) -> Session:
        """A fresh connection under the permit of the dead one. The idle ones are as doubtful as it was."""
        dead.abort()
        self._forget_idle()
        return await self._connect()

    def release(self, session: Session, *, reusable: bool) -> None:
        self._permits.release()
        if reusable and session.usable and not self._closed:
            now = self.clock()
            self._seen = Seen(now, reachable=True)
            self._keep(session, now)
        else:
            session.close()

    # ---

    async def _ask(self) -> Capabilities:
        session = await self.acquire(fresh=True)
        self.release(session, reusable=True)
        return session.capabilities

    async def _wait_for_permit(self) -> None:
        if self._closed:
            raise Temporary("the pool of connections to the next hop is closed")
        if not self._permits.locked():
            # It costs no time, and to watch the time would cost more than all else here.
            await self._permits.acquire()
            return
        try:
            async with asyncio.timeout(self._hop.connect_timeout):
                await self._permits.acquire()
        except TimeoutError:
            raise Temporary("all connections to the next hop are in use") from None

    async def _connect(self) -> Session:
        hop = self._hop
        try:
            session = await Session.connect(hop.host, hop.port, hop.hostname, hop.connect_timeout, hop.safety)
        except Temporary:
            self._seen = Seen(self.clock(), reachable=False)
            raise
        self._seen = Seen(self.clock(), reachable=True)
        self._known = session.capabilities, self.clock() + CAPABILITIES_FOR
        return session

    def _reusable(self) -> Session | None:
        while self._idle:
            session, _ = self._idle.pop()
            if session.usable:
                session.reused = True
                return session
            session.close()
        return None

    def _keep(self, session: Session, now: float) -> None:
        self._idle.append((session, now + self._idle_for))
        if self._sweeping is None:
            self._sweeping = self._loop.call_later(self._idle_for, self._sweep)

    def _sweep(self) -> None:
        """Close what has been idle for long enough: that is at the left, since what came last is used first."""
        self._sweeping = None
        now = self.clock()
        while self._idle and self._idle[0][1] <= now:
            self._idle.popleft()[0].close()
        if self._idle:
            self._sweeping = self._loop.call_at(self._idle[0][1], self._sweep)

    def _forget_idle(self) -> None:
        while self._idle:
            self._idle.pop()[0].close()


class Transaction:
    """`ports.HopTransaction`. One task at a time; it is over after `deliver`, `abandon` or an exception."""

    def __init__(self, pool: Pool, hop: _Hop, client: Client) -> None:
        self._pool = pool
        self._hop = hop
        self._client = client
        self._session: Session | None = None
        self._accepted: list[Mail | Rcpt] = []
        self._refused = False
        self._replaced = False
        self._over = False

    @property
    def capabilities(self) -> Capabilities:
        """Those of the connection in use; empty before the first command."""
        return self._session.capabilities if self._session else Capabilities()

    async def envelope(self, commands: Sequence[Mail | Rcpt]) -> list[Reply]:
        """MAIL and RCPTs in one write. Temporary: the transaction is over."""
        if self._over:
            raise Temporary("the transaction with the next hop is over")
        try:
            replies = await self._say_or_replace(commands)
        except BaseException:
            self._end(cut=True)
            raise
        self._note(commands, replies)
        return replies

    async def deliver(self, content: Content) -> Delivery:
        """DATA, content, dot; never raises."""
        if self._over or self._session is None:
            return Lost(False, "there is no transaction with the next hop")
        settled = False
        clock = self._pool.clock
        # The client waits for all of this: a mail that it has given up is delivered a second time.
        until = clock() + self._hop.data_timeout
        try:
            refusal = await self._data(min(self._hop.command_timeout, self._hop.data_timeout / 3))
            if refusal is not None:
                settled, self._refused = True, True
                return Answered(refusal)
            if clock() >= until:
                # Not one octet of it may go: the client will have given it up before an answer comes.
                return Lost(False, "the next hop did not answer in time")
            delivery = await self._session.send_content(content, until - clock())
            settled = isinstance(delivery, Answered)
            self._refused |= not (isinstance(delivery, Answered) and delivery.reply.code < 300)
            return delivery
        except Temporary as error:
            return Lost(False, str(error))
        finally:
            self._end(cut=not settled)

    async def abandon(self) -> None:
        self._refused = True
        self._end()

    # ---

    async def _say_or_replace(self, commands: Sequence[Mail | Rcpt]) -> list[Reply]:
        if self._session is None:
            self._session = await self._pool.acquire()
        try:
            return await self._say(self._session, commands)
        except SessionLostError:
            return await self._say(await self._replace(), commands)

    async def _data(self, within: float) -> Reply | None:
        """None: go on with the content. The first moment at which a next hop's time-out is noticed."""
        assert self._session is not None
        try:
            answer = await self._session.command(b"DATA\r\n", within)
            if answer.code == 421 and not self._replaced:
                raise SessionLostError(answer.text)
        except SessionLostError:
            session = await self._replace()
            answer = await session.command(b"DATA\r\n", within)
        if 200 <= answer.code < 300:
            raise Temporary(f"the next hop answers DATA with {answer.text}")
        return None if answer.code == 354 else answer

    async def _say(self, session: Session, commands: Sequence[Mail | Rcpt]) -> list[Reply]:
        """Temporary, SessionLostError. A 421 is a refusal only on a connection that is new to the next hop."""
        if outdated(self._client.told, session.capabilities, commands):
            return [HOP_HAS_CHANGED] * len(commands)
        begins = bool(commands) and isinstance(commands[0], Mail)
        forward = xforward_lines(self._client.xforward, session.capabilities) if begins else []
        lines = [*forward, *(command.wire() for command in commands)]
        replies = (await session.exchange(lines, self._hop.command_timeout))[len(forward) :]
        doubtful = session.reused or bool(self._accepted)
        if doubtful and not self._replaced and any(reply.code == 421 for reply in replies):
            raise SessionLostError(replies[-1].text)
        return replies

    async def _replace(self) -> Session:
        """A fresh connection that has accepted again all that was accepted. Temporary: it has not."""
        assert self._session is not None
        if self._replaced:
            raise Temporary("the next hop closed the connection twice")
        self._replaced = True
        self._session = await self._pool.replace(self._session)
        if self._accepted:
            replies = await self._say(self._session, self._accepted)
            refusal = next((reply for reply in replies if not reply.positive), None)
            if refusal is not None:
                raise Temporary(f"the next hop now refuses what it accepted: {refusal.text}")
        return self._session

    def _note(self, commands: Sequence[Mail | Rcpt], replies: Sequence[Reply]) -> None:
        for command, reply in zip(commands, replies, strict=True):
            if reply.positive:
                self._accepted.append(command)
            else:
                self._refused = True

    def _end(self, *, cut: bool = False) -> None:
        """`cut`: behind content without a dot, QUIT would be content too."""
        self._over = True
        session, self._session = self._session, None
        if session is not None:
            if cut:
                session.abort()
            self._pool.release(session, reusable=not self._refused)
