"""One SMTP transaction: live replies from the next hop, the verdict, and what is recorded around the dot.

What: `Relay` is what the listener hands mail to. Each MAIL and RCPT gets the next hop's own reply; the reply to the
dot is the next hop's, code and text. What keeps a room alive is recorded before the dot; refusals and the effects
of a CANCEL are settled after it, and a store that fails then never changes the reply.

Not here: reading and deciding (`pipeline`).

Errors: none comes out. What cannot be relayed is answered 4xx, so that the client's queue keeps the mail.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import assert_never

from mailhook.core import sealing
from mailhook.core.itip import canonical
from mailhook.core.policy import Envelope, Policy
from mailhook.errors import Temporary
from mailhook.journal import Story
from mailhook.pipeline import Pipeline
from mailhook.ports import Answered, Client, Content, HopTransaction, Lost, NextHop, Store
from mailhook.records import Outdated, Recorded, Records, Unrecorded
from mailhook.smtp.commands import Mail, Rcpt
from mailhook.smtp.content import dot_stuff, dot_unstuff
from mailhook.smtp.ehlo import Capabilities
from mailhook.smtp.replies import LOCAL_ERROR, Reply, reply
from mailhook.verdict import Defer, NoSequel, Pass, Sequel, Verdict
from mailhook.writer import Carriage

MAX_INVITATION = 64 * 1024 * 1024
"""Octets up to which a message is taken into memory and read."""

MAX_IN_MEMORY = 2 * MAX_INVITATION
"""Octets of all messages that are in memory at a time; each is there up to three times while it is rewritten."""

TRY_LATER = reply(451, "4.3.2 The conference service is not available, try again later")
CHANGED = reply(451, "4.3.2 The meeting has changed meanwhile, try again")


@dataclass(frozen=True)
class Wire:
    """Rewritten content in memory, as `ports.Content`."""

    data: bytes = field(repr=False)

    @property
    def size(self) -> int:
        return len(self.data)

    def chunks(self) -> Iterator[bytes]:
        yield self.data

    def wire(self) -> bytes:
        return self.data


class Room:
    """Octets of invitations that are held in memory at a time: beyond `limit` the client comes again."""

    def __init__(self, limit: int) -> None:
        self._left = limit

    @contextmanager
    def taken(self, size: int) -> Iterator[bool]:
        """Whether there is room for `size` octets; it is given back when the context is left."""
        granted = size <= self._left
        self._left -= size if granted else 0
        try:
            yield granted
        finally:
            self._left += size if granted else 0


class Relay:
    """`ports.Reception`: one for the process."""

    def __init__(self, hop: NextHop, pipeline: Pipeline, store: Store, policy: Policy) -> None:
        self._hop = hop
        self._pipeline = pipeline
        self._records = Records(store, policy)
        self._room = Room(MAX_IN_MEMORY)
        self._aliases = policy.domain_aliases

    async def capabilities(self) -> Capabilities:
        return await self._hop.capabilities()

    def submission(self, client: Client) -> "Submission":
        transaction = self._hop.transaction(client)
        return Submission(client, transaction, self._pipeline, self._records, self._room, self._aliases)


class Submission:
    """`ports.Submission`: one mail transaction."""

    def __init__(
        self,
        client: Client,
        transaction: HopTransaction,
        pipeline: Pipeline,
        records: Records,
        room: Room,
        domain_aliases: Mapping[str, str],
    ) -> None:
        self._client = client
        self._transaction = transaction
        self._pipeline = pipeline
        self._room = room
        self._aliases = domain_aliases
        self._records = records
        self._story = Story(client=client.address, ident=_ascii(client.xforward.get("IDENT", b"")))
        self._sender: Mail | None = None
        self._accepted: list[Rcpt] = []

    async def envelope(self, commands: Sequence[Mail | Rcpt]) -> list[Reply]:
        try:
            replies = await self._transaction.envelope(commands)
        except Temporary as error:
            self._story.error = str(error)
            return [reply(451, f"4.4.1 {error}")] * len(commands)
        for command, answer in zip(commands, replies, strict=True):
            self._note(command, accepted=answer.positive)
        return replies

    def _note(self, command: Mail | Rcpt, *, accepted: bool) -> None:
        match command:
            case Mail():
                self._story.sender = command.address
                self._sender = command
            case Rcpt():
                self._story.recipients += 1
                if accepted:
                    self._accepted.append(command)
                    self._story.accepted += 1
            case _:
                assert_never(command)

    async def content(self, content: Content, candidate: bool) -> Reply:
        self._story.size = content.size
        try:
            answer = await self._answer(content, candidate)
        except Exception as error:
            await self._transaction.abandon()
            self._story.failed(error)
            self._story.decision = "defer"
            answer = LOCAL_ERROR
        self._story.answered(answer.code, answer.text)
        self._story.tell()
        return answer

    async def abort(self, why: str = "") -> None:
        """A transaction that ends before its content has its line in the log too."""
        await self._transaction.abandon()
        self._story.error = "; ".join(filter(None, (self._story.error, why)))
        if self._story.sender or self._story.error:
            self._story.decision = self._story.decision or "aborted"
            self._story.tell()

    async def _answer(self, content: Content, candidate: bool) -> Reply:
        if not candidate:
            return await self._carried_out(
                Pass(sealing.beginning(_beginning(content)) or "ordinary"), content
            )
        if content.size > MAX_INVITATION:
            return await self._carried_out(Pass("large"), content)
        with self._room.taken(content.size) as granted:
            verdict = await self._verdict(content) if granted else Defer("busy")
            return await self._carried_out(verdict, content)

    async def _verdict(self, content: Content) -> Verdict:
        capabilities = self._transaction.capabilities
        carriage = Carriage(eight_bit="8BITMIME" in capabilities, size=capabilities.size)
        raw = dot_unstuff(content.wire())
        return await self._pipeline.examine(self._envelope(), raw, carriage, self._story)

    def _envelope(self) -> Envelope:
        source = _ascii(self._client.xforward.get("ADDR", b""))
        address = source[5:] if source.lower().startswith("ipv6:") else source
        return Envelope(
            sender=self._sender.address if self._sender else "",
            source=address if address and not address.startswith("[") else self._client.address,
            recipients=tuple(canonical(rcpt.orcpt or rcpt.address, self._aliases) for rcpt in self._accepted),
        )

    async def _carried_out(self, verdict: Verdict, content: Content) -> Reply:
        self._story.reason = verdict.reason
        match verdict:
            case Defer():
                self._story.decision = "defer"
                await self._transaction.abandon()
                return TRY_LATER
            case Pass(sequel=sequel, content=rewritten):
                relayed = content if rewritten is None else Wire(dot_stuff(rewritten))
                return await self._relayed(sequel, relayed, content)
            case _:
                assert_never(verdict)

    async def _relayed(self, sequel: Sequel, content: Content, original: Content) -> Reply:
        # Of ordinary mail nothing is recorded: its recipients need not be looked at.
        recipients = () if isinstance(sequel, NoSequel) else self._envelope().recipients
        before = await self._records.before_the_dot(sequel, recipients, self._story)
        match before:
            case Recorded():
                pass
            case Outdated():
                self._story.decision = "defer"
                await self._transaction.abandon()
                return CHANGED
            case Unrecorded(tell):
                verdict = await self._pipeline.unrecorded(tell, self._story)
                return await self._carried_out(verdict, original)
            case _:
                assert_never(before)
        self._story.decision = "rewrite" if isinstance(content, Wire) else "pass"
        self._story.step("relay")
        delivery = await self._transaction.deliver(content)
        await self._records.after_the_dot(sequel, recipients, delivery, before.meeting, self._story)
        match delivery:
            case Answered(answer):
                return answer
            case Lost(after_dot, why):
                self._story.error = why
                code = "4.4.2" if after_dot else "4.4.1"
                return reply(451, f"{code} {why}")
            case _:
                assert_never(delivery)


def _beginning(content: Content) -> bytes:
    """Its first octets, as they came over the wire, as far as `sealing` looks."""
    pieces: list[bytes] = []
    size = 0
    for piece in content.chunks():
        pieces.append(piece)
        size += len(piece)
        if size >= sealing.BEGINNING:
            break
    return b"".join(pieces)


def _ascii(value: bytes) -> str:
    return value.decode("ascii", "replace")
