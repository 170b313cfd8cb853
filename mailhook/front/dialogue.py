"""What is said with one client, from greeting to goodbye.

What: commands are read in batches; a MAIL with its RCPTs is handed on in one call, and a batch is answered in one
write. What a transaction needs to know is kept here: who the client is, XFORWARD, recipients.

Not here: the connection (smtp), what happens to a mail (`ports.Reception`), the syntax (mailhook.smtp).

Errors: `ClientGoneError` ends a dialogue. A fault of ours is answered 451 or 421 and logged, never 5xx: the client
would bounce the mail.
"""

import asyncio
import contextlib
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol, assert_never

from mailhook.errors import MailhookError
from mailhook.front.limits import Limits, Load
from mailhook.front.spool import IN_MEMORY, Spool
from mailhook.ports import Client, Reception, Submission
from mailhook.smtp import commands, replies
from mailhook.smtp.commands import Command, Mail, Rcpt
from mailhook.smtp.content import EndOfData, Inspector
from mailhook.smtp.ehlo import Capabilities
from mailhook.smtp.replies import Reply

MAX_LINE = 65536
MAX_BATCH = 1000
"""Commands that are read at a time; behind as many, others have their turn."""

MAX_RECIPIENTS = 10_000
MAX_FAULTS = 100
"""Lines that are no commands, of one client."""

MAX_DISCARDED = 1 << 30
"""Octets that are still read of a message after it was refused, until its end comes."""

COMMAND_COST = 1024
"""Octets that a command of the envelope costs beside its own while its transaction lasts (measured: 700 to 900)."""

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

log = logging.getLogger("mailhook.front.dialogue")


@dataclass(frozen=True)
class Terms:
    """`allow`: CIDRs. `max_size` in octets, 0: the next hop's. `timeout`: of waiting for the client, seconds."""

    hostname: str
    allow: tuple[str, ...] = LOOPBACK
    max_size: int = 0
    timeout: float = 300.0
    limits: Limits = field(default_factory=Limits)


class ClientGoneError(Exception):
    """The client closed, was cut off, or was silent for too long."""


class Wire(Protocol):
    """The connection. `read` and `write` raise ClientGoneError."""

    def renew(self) -> None:
        """The client's time starts anew: a command, or content, is awaited."""

    async def read(self) -> bytes:
        """What the client sends next, at least one octet."""

    def make_way(self) -> None:
        """A mail would have to wait: a client that keeps another one waiting may be sent away for it."""

    async def write(self, data: bytes) -> None: ...


class Dialogue:
    """`stopping` is asked before each command: if true, the client is sent away."""

    def __init__(
        self,
        wire: Wire,
        address: str,
        reception: Reception,
        terms: Terms,
        load: Load,
        stopping: "Callable[[Dialogue], bool]",
    ) -> None:
        self._wire = wire
        self._address = address
        self._reception = reception
        self._terms = terms
        self._load = load
        self._stopping = stopping
        self.awaiting_command = False
        self._buffer = b""
        self._out: list[Reply] = []
        self._closing = False
        self._hop = Capabilities()
        self._helo: tuple[bytes, bool] | None = None
        self._xforward: dict[str, bytes] = {}
        self._submission: Submission | None = None
        self._recipients = 0
        self._said = 0
        self._charged = 0
        self._faults = 0
        self._receiving = False
        self._served = False

    @property
    def between_mails(self) -> bool:
        """Whether there has been one, and none is under way."""
        return self._served and self._submission is None

    @property
    def receiving(self) -> bool:
        """Content is awaited."""
        return self._receiving

    @property
    def in_transaction(self) -> bool:
        return self._submission is not None

    @property
    def idle(self) -> bool:
        """Nothing is under way but the client's next command."""
        return self.awaiting_command and not self.in_transaction

    async def run(self) -> None:
        """To the end. ClientGoneError: it was the client that ended it."""
        try:
            await self._converse()
            await self._flush()
        finally:
            await self._abort()

    async def _converse(self) -> None:
        self._out.append(replies.reply(220, f"{self._terms.hostname} {replies.BANNER}"))
        while not self._ending():
            await self._flush()
            for group in _groups(await self._read_commands()):
                if self._ending():
                    break
                await self._answer(group)

    def _ending(self) -> bool:
        if not self._closing and self._stopping(self):
            self._last_word(replies.SHUTTING_DOWN)
        return self._closing

    async def _read_commands(self) -> list[Command]:
        """The complete lines that are there, at least one; nothing behind DATA is taken for a command."""
        self._wire.renew()
        while b"\n" not in self._buffer:
            if len(self._buffer) > MAX_LINE:
                return [commands.Malformed(replies.LINE_TOO_LONG)]
            self.awaiting_command = True
            try:
                self._buffer += await self._wire.read()
            finally:
                self.awaiting_command = False
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
            if len(found) == MAX_BATCH:
                await asyncio.sleep(0)
                break
        self._buffer = self._buffer[start:]
        return found

    async def _flush(self) -> None:
        if self._out:
            data = b"".join(reply.wire() for reply in self._out)
            self._out.clear()
            await self._wire.write(data)

    def _last_word(self, reply: Reply) -> None:
        self._out.append(reply)
        self._closing = True

    # --- answering

    async def _answer(self, group: list[Mail | Rcpt] | Single) -> None:
        """One reply for each command of the group, whatever happens."""
        try:
            answers = await (self._envelope(group) if isinstance(group, list) else self._single(group))
        except ClientGoneError:
            raise
        except Exception:
            log.exception("%s: fault while answering a client", self._address)
            await self._abort()
            if self._receiving:
                # Where the commands go on is unknown.
                return self._last_word(replies.BROKEN_OFF)
            answers = [replies.LOCAL_ERROR] * (len(group) if isinstance(group, list) else 1)
        self._out += answers
        # RFC 5321 §3.8: whoever says 421 closes.
        self._closing |= any(answer.code == 421 for answer in answers)
        return None

    async def _envelope(self, group: Sequence[Mail | Rcpt]) -> list[Reply]:
        if self._helo is None:
            return [replies.HELO_FIRST] * len(group)
        if isinstance(group[0], Mail):
            if self._submission is not None:
                rest = group[1:]
                return [replies.NESTED_MAIL, *(await self._envelope(rest) if rest else ())]
            if self._load.crowded():
                self._wire.make_way()
            if not self._load.begin():
                return [replies.TOO_MANY_TRANSACTIONS] * len(group)
            try:
                helo, esmtp = self._helo
                client = Client(self._address, helo, esmtp, dict(self._xforward), self._hop)
                self._submission = self._reception.submission(client)
            finally:
                if self._submission is None:
                    self._load.end()
        if self._submission is None:
            return [replies.MAIL_FIRST] * len(group)
        fitting = group[: self._fitting(group)]
        answers = await self._submission.envelope(fitting) if fitting else []
        answers += [replies.TOO_MANY_RECIPIENTS] * (len(group) - len(fitting))
        pairs = list(zip(group, answers, strict=True))
        self._recipients += sum(isinstance(command, Rcpt) and reply.positive for command, reply in pairs)
        if any(isinstance(command, Mail) and not reply.positive for command, reply in pairs):
            await self._abort()
        return answers

    def _fitting(self, group: Sequence[Mail | Rcpt]) -> int:
        """How many of these commands can be kept; they are charged to the process until the transaction ends."""
        for count, command in enumerate(group):
            cost = len(command.argument) + COMMAND_COST
            if self._said > MAX_RECIPIENTS or not self._load.envelopes.take(cost):
                return count
            self._said += 1
            self._charged += cost
        return len(group)

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
                log.warning("%s: speaks HTTP, connection closed", self._address)
                self._closing = True
                return []
            case commands.Malformed(reply):
                self._faults += 1
                return [reply if self._faults < MAX_FAULTS else replies.TOO_MANY_FAULTS]
            case _:
                assert_never(command)

    async def _greet(self, hostname: bytes, *, esmtp: bool) -> list[Reply]:
        await self._abort()
        try:
            self._hop = await self._reception.capabilities()
        except MailhookError as error:
            log.warning("%s: sent away, the next hop cannot be reached: %s", self._address, error)
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
        with contextlib.closing(Spool(IN_MEMORY, self._load.contents)) as spool:
            self._receiving = True
            refusal, candidate = await self._receive(spool)
            self._receiving = False
            if refusal is not None:
                await self._abort(refusal.text)
                return refusal
            reply = await self._submission.content(spool, candidate)
        self._forget_transaction()
        return reply

    async def _receive(self, spool: Spool) -> tuple[Reply | None, bool]:
        """Read to the end of the data, also when the message is refused, and whether it is a candidate."""
        end, inspector, refusal = EndOfData(), Inspector(), None
        data, self._buffer = self._buffer, b""
        discarded = 0
        self._wire.renew()
        while not end.finished:
            content = end.feed(data or await self._wire.read())
            data = b""
            if refusal is None:
                inspector.feed(content)
                refusal = self._store(spool, content, end.stuffed)
            elif (discarded := discarded + len(content)) > MAX_DISCARDED:
                self._closing = True
                break
        self._buffer = end.rest
        if refusal is None and end.ambiguous:
            refusal = replies.AMBIGUOUS_END
        return refusal, inspector.candidate

    def _store(self, spool: Spool, content: bytes, stuffed: int) -> Reply | None:
        limit = self._hop.limit(self._terms.max_size)
        refusal = None
        try:
            spool.write(content)
        except OSError as error:
            log.error("%s: message deferred, it cannot be kept in a temporary file: %s", self._address, error)
            refusal = replies.NO_SPACE
        if limit is not None and spool.size - stuffed > limit:
            refusal = replies.TOO_LARGE
        if refusal is not None:
            spool.close()
        return refusal

    async def _abort(self, why: str = "") -> None:
        submission = self._submission
        self._forget_transaction()
        if submission is not None:
            await submission.abort(why)

    def _forget_transaction(self) -> None:
        self._served |= self._submission is not None
        if self._submission is not None:
            self._load.end()
        self._load.envelopes.give(self._charged)
        self._submission = None
        self._recipients = self._said = self._charged = 0
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
