"""One SMTP transaction: live replies from the next hop, the verdict, and what is recorded around the dot.

What: `Relay` is what the listener hands mail to. Each MAIL and RCPT gets the next hop's own reply; the reply to the
dot is the next hop's, code and text. What keeps a room alive is recorded before the dot; refusals and the effects
of a CANCEL are settled after it, and a store that fails then never changes the reply.

Not here: reading and deciding (`pipeline`).

Errors: none comes out. What cannot be relayed is answered 4xx, so that the client's queue keeps the mail.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import assert_never

from mailhook.core.meeting import Meeting
from mailhook.core.policy import Envelope, Policy
from mailhook.core.revision import announce, cancel, renounce, withdraw
from mailhook.errors import MailhookError, Temporary
from mailhook.journal import Story
from mailhook.pipeline import Carriage, Defer, Nothing, Pipeline, Renounce, Sequel, Tell, Untell, Verdict
from mailhook.pipeline import Relay as RelayVerdict
from mailhook.ports import Answered, Circumstances, Client, Content, Delivery, Lost, NextHop, Store
from mailhook.smtp.commands import Mail, Rcpt
from mailhook.smtp.content import dot_stuff, dot_unstuff
from mailhook.smtp.ehlo import Capabilities
from mailhook.smtp.replies import LOCAL_ERROR, Reply, reply

MAX_INVITATION = 64 * 1024 * 1024
"""Octets up to which a message is taken into memory and read."""

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


class ChangedMeanwhileError(Temporary):
    """The link in the rewritten content is no longer the meeting's."""


class Relay:
    """`ports.Reception`: one for the process."""

    def __init__(self, hop: NextHop, pipeline: Pipeline, store: Store, policy: Policy) -> None:
        self._hop = hop
        self._pipeline = pipeline
        self._records = Records(store, policy)
        self._policy = policy

    async def capabilities(self) -> Capabilities:
        return await self._hop.capabilities()

    def submission(self, client: Client) -> "Submission":
        return Submission(client, self._hop, self._pipeline, self._records)


class Submission:
    """`ports.Submission`: one mail transaction."""

    def __init__(self, client: Client, hop: NextHop, pipeline: Pipeline, records: "Records") -> None:
        self._client = client
        self._hop = hop
        self._transaction = hop.transaction(client)
        self._pipeline = pipeline
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
            verdict = await self._verdict(content, candidate)
            answer = await self._carried_out(verdict, content)
        except MailhookError as error:
            answer = await self._fault(error)
        except Exception as error:
            answer = await self._fault(error)
        self._story.answered(answer.code, answer.text)
        self._story.tell()
        return answer

    async def _fault(self, error: Exception) -> Reply:
        await self._transaction.abandon()
        self._story.error = f"{type(error).__name__}: {error}"
        return LOCAL_ERROR

    async def abort(self) -> None:
        await self._transaction.abandon()

    async def _verdict(self, content: Content, candidate: bool) -> Verdict:
        if not candidate:
            return RelayVerdict("ordinary")
        if content.size > MAX_INVITATION:
            return RelayVerdict("large")
        capabilities = await self._hop.capabilities()
        carriage = Carriage(eight_bit="8BITMIME" in capabilities, size=capabilities.size)
        raw = dot_unstuff(content.wire())
        return await self._pipeline.examine(self._envelope(), raw, carriage, self._story)

    def _envelope(self) -> Envelope:
        source = _ascii(self._client.xforward.get("ADDR", b""))
        address = source[5:] if source.lower().startswith("ipv6:") else source
        return Envelope(
            sender=self._sender.address if self._sender else "",
            source=address if address and not address.startswith("[") else self._client.address,
            recipients=tuple(rcpt.orcpt or rcpt.address for rcpt in self._accepted),
        )

    async def _carried_out(self, verdict: Verdict, content: Content) -> Reply:
        self._story.reason = verdict.reason
        match verdict:
            case Defer():
                self._story.decision = "defer"
                await self._transaction.abandon()
                return TRY_LATER
            case RelayVerdict(reason=_, sequel=sequel, content=rewritten):
                relayed = content if rewritten is None else Wire(dot_stuff(rewritten))
                return await self._relayed(sequel, relayed, content)
            case _:
                assert_never(verdict)

    async def _relayed(self, sequel: Sequel, content: Content, original: Content) -> Reply:
        recipients = self._envelope().recipients
        try:
            before = await self._records.before_the_dot(sequel, recipients, self._story)
        except ChangedMeanwhileError:
            await self._transaction.abandon()
            return CHANGED
        except MailhookError as error:
            if not isinstance(sequel, Tell):
                raise
            self._story.error = str(error)
            return await self._carried_out(await self._pipeline.unrecorded(sequel, self._story), original)
        self._story.decision = "rewrite" if isinstance(content, Wire) else "pass"
        self._story.step("relay")
        delivery = await self._transaction.deliver(content)
        self._story.step("settle")
        await self._records.after_the_dot(sequel, recipients, delivery, before, self._story)
        match delivery:
            case Answered(answer):
                return answer
            case Lost(after_dot, why):
                self._story.error = why
                code = "4.4.2" if after_dot else "4.4.1"
                return reply(451, f"{code} {why}")
            case _:
                assert_never(delivery)


def _ascii(value: bytes) -> str:
    return value.decode("ascii", "replace")


class Records:
    """What is written into the store around the dot."""

    def __init__(self, store: Store, policy: Policy) -> None:
        self._store = store
        self._policy = policy

    async def before_the_dot(
        self, sequel: Sequel, recipients: tuple[str, ...], story: Story
    ) -> Meeting | None:
        """Record what protects the meeting; returns the meeting as it was. Raises what the store raises."""
        match sequel:
            case Tell(invitation, details):
                story.step("record")

                def decide(meeting: Meeting, c: Circumstances) -> tuple[Meeting, Meeting]:
                    linked = details is not None
                    if linked and meeting.link != details:
                        raise ChangedMeanwhileError("the meeting has changed meanwhile")
                    after = announce(meeting, invitation, recipients, self._policy, c.now, linked=linked)
                    return after, meeting

                return await self._store.change(invitation.key, decide)
            case Nothing() | Untell() | Renounce():
                return None
            case _:
                assert_never(sequel)

    async def after_the_dot(
        self,
        sequel: Sequel,
        recipients: tuple[str, ...],
        delivery: Delivery,
        before: Meeting | None,
        story: Story,
    ) -> None:
        """Settle what the next hop's answer means; a store that fails is noted, and the answer stands."""
        try:
            await self._settle(sequel, recipients, delivery, before)
        except MailhookError as error:
            story.error = f"not settled: {error}"

    async def _settle(
        self, sequel: Sequel, recipients: tuple[str, ...], delivery: Delivery, before: Meeting | None
    ) -> None:
        passed = isinstance(delivery, Answered) and delivery.reply.positive
        refused = isinstance(delivery, Answered) and delivery.reply.permanent
        match sequel:
            case Tell(invitation) if refused and before is not None:
                known = before
                await self._store.change(
                    invitation.key,
                    lambda m, c: (withdraw(m, known, invitation, recipients, self._policy, c.now), None),
                )
            case Untell(invitation) if passed:
                await self._store.change(
                    invitation.key,
                    lambda m, c: (cancel(m, invitation, recipients, self._policy, c.now), None),
                )
            case Renounce(invitation) if passed:
                await self._store.change(
                    invitation.key,
                    lambda m, c: (renounce(m, invitation, self._policy, c.now), None),
                )
            case Nothing() | Tell() | Untell() | Renounce():
                pass
            case _:
                assert_never(sequel)
