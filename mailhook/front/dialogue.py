"""What is said with one client, from greeting to goodbye.

What: commands are read in batches; a MAIL with its RCPTs is handed on in one call, and a batch is answered in one
write. What a transaction needs to know is kept here: who the client is, XFORWARD, recipients.

Not here: the connection (smtp, wire), content (intake), what happens to a mail (`ports.Reception`), the syntax
(mailhook.smtp).

Errors: `ClientGoneError` ends a dialogue. A fault of ours is answered 451 or 421 and logged, never 5xx: the client
would bounce the mail.
"""

import contextlib
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import assert_never

from mailhook import door
from mailhook.door import Verb
from mailhook.errors import MailhookError
from mailhook.front.intake import receive
from mailhook.front.limits import Limits, Load
from mailhook.front.spool import IN_MEMORY, Spool
from mailhook.front.standing import Entry, Standing
from mailhook.front.wire import ClientGoneError, Group, Lines, Single, Wire
from mailhook.ports import Client, Reception, Submission
from mailhook.smtp import auth, commands, replies
from mailhook.smtp.commands import Command, Mail, Rcpt
from mailhook.smtp.ehlo import Capabilities
from mailhook.smtp.replies import Reply

MAX_RECIPIENTS = 10_000
MAX_FAULTS = 100
"""Lines that are no commands, of one client."""

COMMAND_COST = 1024
"""Octets that a command of the envelope costs beside its own while its transaction lasts (measured: 700 to 900)."""

VERBS: "Mapping[type[Command], Verb]" = {
    commands.Ehlo: "EHLO",
    commands.Helo: "EHLO",
    Mail: "MAIL",
    Rcpt: "RCPT",
}
"""Commands of which refusals are counted."""

IDLE_TALK = (commands.Noop, commands.Vrfy, commands.Help, commands.Malformed)
"""What may be said for ever without a mail getting on."""

LOOPBACK = ("127.0.0.0/8", "::1/128")

log = logging.getLogger("mailhook.front.dialogue")


@dataclass(frozen=True)
class Terms:
    """`allow`: CIDRs. `max_size` in octets, 0: the next hop's. `timeout`: of waiting for the client, seconds.

    `entry`: TLS, and how others than those in `allow` may come in. `bare_newlines`: whether CR and LF may stand alone.
    """

    hostname: str
    allow: tuple[str, ...] = LOOPBACK
    max_size: int = 0
    timeout: float = 300.0
    limits: Limits = field(default_factory=Limits)
    entry: Entry = field(default_factory=Entry)
    bare_newlines: bool = True


class Dialogue:
    """`stopping` is asked before each command: if true, the client is sent away."""

    def __init__(
        self,
        wire: Wire,
        standing: Standing,
        reception: Reception,
        terms: Terms,
        load: Load,
        stopping: "Callable[[Dialogue], bool]",
    ) -> None:
        self._wire = wire
        self._standing = standing
        self._address = standing.address
        self._reception = reception
        self._terms = terms
        self._load = load
        self._stopping = stopping
        self._lines = Lines(wire)
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
    def awaiting_command(self) -> bool:
        return self._lines.awaiting_command

    @property
    def stranger(self) -> bool:
        """Not in `allow`, and not logged in."""
        return self._standing.stranger

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
            for group in await self._lines.commands():
                if self._ending():
                    break
                await self._answer(group)

    def _ending(self) -> bool:
        if not self._closing and self._stopping(self):
            self._last_word(replies.SHUTTING_DOWN)
        return self._closing

    async def _flush(self) -> None:
        if self._out:
            data = b"".join(reply.wire() for reply in self._out)
            self._out.clear()
            await self._wire.write(data)

    def _last_word(self, reply: Reply) -> None:
        self._out.append(reply)
        self._closing = True

    # --- answering

    async def _answer(self, group: Group) -> None:
        """One reply for each command of the group, whatever happens."""
        refusal = self._standing.refusal(group[0] if isinstance(group, list) else group)
        try:
            if refusal is not None:
                answers = [refusal] * (len(group) if isinstance(group, list) else 1)
            else:
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
        if not isinstance(group, IDLE_TALK):
            self._wire.got_on()
        if any(answer.code >= 400 for answer in answers):
            _count(group if isinstance(group, list) else [group], answers)
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
        if self._standing.offers_auth:
            group = [auth.without_auth(each) if isinstance(each, Mail) else each for each in group]
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
            case commands.StartTls():
                return await self._secure()
            case commands.Auth(mechanism, initial):
                return [await self._log_in(mechanism, initial)]
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
            offers = self._standing.offers()
            return [self._hop.announce(self._terms.hostname, self._terms.max_size, offers)]
        return [replies.reply(250, self._terms.hostname)]

    async def _secure(self) -> list[Reply]:
        """STARTTLS; all that was said before is forgotten (RFC 3207 §4.2), what came behind it unread too."""
        context = self._standing.context()
        self._out.append(replies.GO_AHEAD)
        await self._flush()
        await self._abort()
        if behind := self._lines.drop():
            log.warning("%s: %d octets behind STARTTLS are dropped", self._address, len(behind))
        self._helo = None
        self._standing.secured(certified=await self._wire.start_tls(context))
        return []

    async def _log_in(self, mechanism: bytes, initial: bytes | None) -> Reply:
        if self._helo is None:
            return replies.HELO_FIRST
        if self._submission is not None:
            return replies.IN_TRANSACTION
        step = auth.begun(mechanism, initial)
        while isinstance(step, auth.Ask):
            self._out.append(step.prompt)
            await self._flush()
            step = step.then(await self._lines.line())
        answer = await self._standing.log_in(step)
        self._closing = answer.code == 421
        return answer

    async def _data(self) -> Reply:
        if self._submission is None:
            return replies.MAIL_FIRST
        if not self._recipients:
            return replies.NO_RECIPIENTS
        self._out.append(replies.START_MAIL)
        await self._flush()
        with contextlib.closing(Spool(IN_MEMORY, self._load.contents)) as spool:
            self._receiving = True
            self._wire.renew()
            self._wire.got_on()
            limit, strict = self._hop.limit(self._terms.max_size), not self._terms.bare_newlines
            received = await receive(self._lines, spool, limit, strict=strict, peer=self._address)
            self._receiving = False
            if received.refusal is not None:
                self._closing = not received.ended
                await self._abort(received.refusal.text)
                return received.refusal
            reply = await self._submission.content(spool, received.candidate)
        self._forget_transaction()
        return reply

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


def _count(group: Sequence[Command], answers: Sequence[Reply]) -> None:
    for command, answer in zip(group, answers, strict=False):
        if answer.code >= 400 and type(command) in VERBS:
            door.answered(VERBS[type(command)], answer.code)
