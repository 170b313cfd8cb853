"""From a message to a verdict: what goes to the next hop, and what is to be remembered of it.

What: `examine` reads the message, decides, obtains the conference if one is needed, and rewrites. The verdict
names the content to relay (or the reply that asks the client to come again) and the `Sequel`: what has to be
recorded before the dot, and what after it.

Not here: relaying and recording (`relay`).

Errors: none comes out of `examine`. What goes wrong before it is known that the message is an invitation of ours
lets it pass unchanged; after that `policy.on_failure` decides.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Literal, assert_never

from mailhook.core import itip, message, trace
from mailhook.core.conference import JoinDetails
from mailhook.core.itip import Defaults, Invitation, NotOurs
from mailhook.core.meeting import Meeting
from mailhook.core.message import Message
from mailhook.core.policy import Envelope, Policy, domain, may_act, wish
from mailhook.core.reservation import of_provider
from mailhook.core.revision import Condemn, Create, Insert, Leave, Plan, look, postponed
from mailhook.core.rewrite import Options, rewrite
from mailhook.core.wording import Block, Variables, Wording
from mailhook.errors import MailhookError, Permanent, Unreadable
from mailhook.flight import Flight
from mailhook.journal import Story
from mailhook.ports import Circumstances, Decide, Store


@dataclass(frozen=True)
class NoSequel:
    """Nothing is learned from the message."""


@dataclass(frozen=True)
class Tell:
    """Recipients are about to be told of `invitation`; `details`: the link that the content bears.

    `received`: when the client's queue got the message, if that is known.
    """

    invitation: Invitation
    details: JoinDetails | None
    received: datetime | None = None


@dataclass(frozen=True)
class Untell:
    """Recipients who get this CANCEL hold its components no longer."""

    invitation: Invitation


@dataclass(frozen=True)
class Renounce:
    """The organizer wants no conference any more."""

    invitation: Invitation


Sequel = NoSequel | Tell | Untell | Renounce


@dataclass(frozen=True)
class Pass:
    """Hand `content` (not dot-stuffed) to the next hop, or the message as it came if that is None."""

    reason: str
    sequel: Sequel = NoSequel()
    content: bytes | None = None


@dataclass(frozen=True)
class Defer:
    """Answer 451: the client's queue tries again."""

    reason: str


Verdict = Pass | Defer


@dataclass(frozen=True)
class Carriage:
    """What the next hop takes: `eight_bit` (8BITMIME), and `size` in octets, None for no limit."""

    eight_bit: bool
    size: int | None


@dataclass(frozen=True)
class Manner:
    """How messages are rewritten: section `[rewrite]`, and the languages of `[templates]`."""

    location: Literal["if-empty", "append", "never"] = "if-empty"
    position: Literal["top", "bottom"] = "top"
    dkim: Literal["skip", "strip"] = "skip"
    language: str = "ru"
    languages: tuple[tuple[str, str], ...] = ()
    test: bool = False


class Pipeline:
    """One for the process; it keeps nothing between messages."""

    def __init__(
        self,
        store: Store,
        flight: Flight,
        policy: Policy,
        wording: Wording,
        manner: Manner,
        identity: str,
        clock: Callable[[], datetime],
    ) -> None:
        self._store = store
        self._clock = clock
        self._flight = flight
        self._policy = policy
        self._writer = Writer(policy, wording, manner)
        self._identity = identity
        self._defaults = Defaults(policy.timezone, policy.default_duration, policy.domain_aliases)

    async def examine(self, envelope: Envelope, raw: bytes, carriage: Carriage, story: Story) -> Verdict:
        """The verdict on one message; `raw` is its content without dot-stuffing."""
        known: Invitation | None = None
        received: datetime | None = None
        try:
            story.step("read")
            parsed = message.read(raw)
            invitation = itip.read(parsed, self._defaults)
            if isinstance(invitation, NotOurs):
                return Pass(invitation.reason)
            story.about(invitation.key.uid, invitation.key.organizer, invitation.method)
            reason = may_act(self._policy, invitation, envelope)
            if reason:
                return Pass(reason)
            if invitation.cancels:
                return Pass("cancel", Untell(invitation))
            known, received = invitation, trace.received(parsed)
            verdict = await self._request(parsed, invitation, envelope, carriage, story)
            return _dated(verdict, received)
        except Unreadable as error:
            story.error = str(error)
            return Pass("unreadable")
        except Exception as error:
            return await self._without_link(known, received, error, story)

    async def _request(
        self, parsed: Message, invitation: Invitation, envelope: Envelope, carriage: Carriage, story: Story
    ) -> Verdict:
        story.step("decide")
        wanted = wish(self._policy, invitation)

        def decide(meeting: Meeting, c: Circumstances) -> tuple[Meeting, Plan]:
            seen = of_provider(meeting, self._identity)
            after, plan = look(seen, invitation, wanted, self._policy, c.now)
            # Another provider's room is forgotten only for one that is really made here.
            return (meeting if after == seen else after), plan

        plan = await self._store.change(invitation.key, decide)
        match plan:
            case Leave(reason):
                return Pass(reason)
            case Condemn(reason):
                return Pass(reason, Renounce(invitation))
            case Insert(details):
                return self._writer.rewritten(parsed, invitation, details, envelope, carriage, story)
            case Create(spec):
                fault = self._writer.obstacle(parsed)
                if fault:
                    return Pass(fault)
                story.step("create")
                details = await self._flight.obtain(invitation.key, spec)
                return self._writer.rewritten(parsed, invitation, details, envelope, carriage, story)
            case _:
                assert_never(plan)

    async def _without_link(
        self, invitation: Invitation | None, received: datetime | None, error: Exception, story: Story
    ) -> Verdict:
        """The link cannot be had now (DESIGN: `policy.on_failure`)."""
        story.failed(error)
        if invitation is None:
            return Pass("fault")
        unlinked = Pass("without-link", Tell(invitation, None, received))
        if isinstance(error, Permanent) or self._policy.on_failure == "pass":
            return unlinked
        return await self._deferred_or(unlinked, invitation, received, story)

    async def unrecorded(self, tell: Tell, story: Story) -> Verdict:
        """The store cannot record what is about to be told: a link that nobody remembers must not go out."""
        late = Pass("store-unavailable")
        if self._policy.on_failure == "pass":
            return late
        return await self._deferred_or(late, tell.invitation, tell.received, story)

    async def _deferred_or(
        self, late: Pass, invitation: Invitation, received: datetime | None, story: Story
    ) -> Verdict:
        """451 as long as this revision has not been kept waiting for `policy.defer_for`; then `late`."""
        try:
            since, now = await self._store.change(invitation.key, _postpone(invitation))
        except MailhookError as error:
            story.failed(error)
            since, now = received or datetime.min.replace(tzinfo=UTC), self._clock()
        if now - since < self._policy.defer_for:
            return Defer("provider-unavailable")
        return late


def _dated(verdict: Verdict, received: datetime | None) -> Verdict:
    """The verdict with the time from the message's trace, in case it cannot be recorded."""
    match verdict:
        case Pass(sequel=Tell() as tell):
            return replace(verdict, sequel=replace(tell, received=received))
        case Pass() | Defer():
            return verdict
        case _:
            assert_never(verdict)


def _postpone(invitation: Invitation) -> Decide[tuple[datetime, datetime]]:
    def decide(meeting: Meeting, c: Circumstances) -> tuple[Meeting, tuple[datetime, datetime]]:
        after, since = postponed(meeting, invitation, c.now)
        return after, (since, c.now)

    return decide


class Writer:
    """Writes a link into a message: languages, wording, obstacles."""

    def __init__(self, policy: Policy, wording: Wording, manner: Manner) -> None:
        self._policy = policy
        self._wording = wording
        self._manner = manner
        self._languages = dict(manner.languages)

    def obstacle(self, parsed: Message) -> str:
        """Why the message must not be rewritten, or ""."""
        if self._manner.dkim == "skip" and trace.signatures(parsed) & set(self._policy.organizer_domains):
            return "dkim-signed"
        return ""

    def rewritten(
        self,
        parsed: Message,
        invitation: Invitation,
        details: JoinDetails,
        envelope: Envelope,
        carriage: Carriage,
        story: Story,
    ) -> Pass:
        story.step("rewrite")
        fault = self.obstacle(parsed)
        if fault:
            return Pass(fault, Tell(invitation, None))
        if self._manner.dkim == "strip":
            parsed = trace.unsigned(parsed, self._policy.organizer_domains)
        block = self.block(invitation, details, envelope.recipients)
        options = Options(
            location=self._manner.location,
            position=self._manner.position,
            keywords=self._policy.keywords,
            eight_bit=carriage.eight_bit,
        )
        result = rewrite(parsed, block, details.link, details.conference_id, options)
        if not result.places:
            return Pass("no-place", Tell(invitation, None))
        if carriage.size is not None and len(result.content) > carriage.size:
            return Pass("too-large", Tell(invitation, None))
        story.rewritten(result.places, details.conference_id)
        return Pass("rewritten", Tell(invitation, details), result.content)

    def block(self, invitation: Invitation, details: JoinDetails, recipients: tuple[str, ...]) -> Block:
        """The wording in the language of the reader, as far as the invitation tells it."""
        component = invitation.events[0].component
        variables = Variables(
            link=details.link,
            topic=component.summary,
            organizer_name=invitation.organizer.name,
            organizer_address=invitation.organizer.address,
            passcode=details.passcode,
            conference_id=details.conference_id,
            test=self._manner.test,
        )
        return self._wording.render(self._language(invitation, recipients), variables)

    def _language(self, invitation: Invitation, recipients: tuple[str, ...]) -> str:
        sole = recipients[0] if len(recipients) == 1 else ""
        told = invitation.languages.get(sole) or invitation.languages.get(invitation.organizer.address, "")
        if told:
            return told.partition("-")[0].lower()
        domains = {domain(address) for address in recipients}
        return (self._languages.get(domains.pop(), "") if len(domains) == 1 else "") or self._manner.language
