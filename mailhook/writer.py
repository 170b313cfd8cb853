"""Writes a link into a message, or takes it out: languages, wording, obstacles.

What: `Writer` puts together what the settings say and what `core.rewrite` does with one message.

Not here: whether to (`pipeline`).

Errors: none; what stands in the way makes a verdict of its own.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

from mailhook.core import message, sealing, trace
from mailhook.core.conference import JoinDetails
from mailhook.core.dates import timing_of
from mailhook.core.itip import Invitation
from mailhook.core.meeting import MASTER
from mailhook.core.message import Message
from mailhook.core.policy import Envelope, Policy, domain
from mailhook.core.revision import Condemn
from mailhook.core.rewrite import Options, remove, rewrite
from mailhook.core.wording import Block, Wording, variables
from mailhook.errors import Misconfigured
from mailhook.journal import Story
from mailhook.smtp.content import ambiguous, dot_stuff
from mailhook.verdict import Pass, Renounce, Tell


@dataclass(frozen=True)
class Carriage:
    """What the next hop takes: `eight_bit` (8BITMIME), and `size` in octets, None for no limit."""

    eight_bit: bool
    size: int | None


@dataclass(frozen=True)
class Manner:
    """How messages are rewritten: section `[rewrite]`, the languages of `[templates]`, hosts of our join links."""

    location: Literal["if-empty", "append", "never"] = "if-empty"
    position: Literal["top", "bottom"] = "top"
    dkim: Literal["skip", "strip"] = "skip"
    language: str = "ru"
    languages: tuple[tuple[str, str], ...] = ()
    test: bool = False
    link_hosts: tuple[str, ...] = ()


class Writer:
    """Writes a link into a message: languages, wording, obstacles. `wording` gives what is in force at the moment."""

    def __init__(self, policy: Policy, wording: Callable[[], Wording], manner: Manner) -> None:
        self._policy = policy
        self._wording = wording
        self._manner = manner
        self._domain_languages = dict(manner.languages)
        self._own_domains = (*policy.organizer_domains, *policy.domain_aliases)

    @property
    def link_hosts(self) -> tuple[str, ...]:
        return self._manner.link_hosts

    def is_signed(self, parsed: Message) -> bool:
        """Whether it bears a signature of our own, which rewriting would break."""
        return trace.is_signed_by(parsed, self._own_domains)

    def obstacle(self, parsed: Message) -> str:
        """Why the message must not be rewritten, or ""."""
        calendars = filter(message.may_hold_calendar, parsed.parts)
        sealed = next(filter(None, (sealing.seal(parsed, part) for part in calendars)), "")
        if sealed:
            return sealed
        if trace.is_in_custody(parsed):
            return "arc-sealed"
        if self._manner.dkim == "skip" and self.is_signed(parsed):
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
        parsed = self._unsigned(parsed)
        block = self.block(invitation, details, envelope.recipients)
        if block.fault:
            story.failed(Misconfigured(block.fault))
        options, copied = self._options(carriage), invitation.copied - {details.link}
        result = rewrite(parsed, block, details.link, details.conference_id, options, copied=copied)
        if not result.places or _could_smuggle(result.content):
            return Pass("no-place", Tell(invitation, None))
        if carriage.size is not None and len(result.content) > carriage.size:
            return Pass("too-large", Tell(invitation, None))
        story.sealed = sealing.seals(parsed)
        story.rewritten(result.places, details.conference_id, result.beyond)
        return Pass("rewritten", Tell(invitation, details), result.content)

    def removed(
        self, parsed: Message, invitation: Invitation, plan: Condemn, carriage: Carriage, story: Story
    ) -> Pass:
        """Without what is left of the link of a conference that is wanted no more."""
        sequel = Renounce(invitation, plan.reason)
        if plan.details is None:
            return Pass(plan.reason, sequel)
        if fault := self.obstacle(parsed):
            story.sealed = (fault,)
            return Pass(plan.reason, sequel)
        story.step("rewrite")
        link, name = plan.details.link, plan.details.conference_id
        result = remove(self._unsigned(parsed), link, name, self._options(carriage))
        return Pass(
            plan.reason,
            sequel,
            result.content if result.places and not _could_smuggle(result.content) else None,
        )

    def _unsigned(self, parsed: Message) -> Message:
        """Without the signatures that rewriting makes invalid and that are of our own domains."""
        return trace.unsigned(parsed, self._own_domains) if self._manner.dkim == "strip" else parsed

    def _options(self, carriage: Carriage) -> Options:
        return Options(
            location=self._manner.location,
            position=self._manner.position,
            keywords=self._policy.keywords,
            eight_bit=carriage.eight_bit,
        )

    def block(self, invitation: Invitation, details: JoinDetails, recipients: tuple[str, ...]) -> Block:
        """The wording in the language of the reader, as far as the invitation tells it."""
        components = [event.component for event in invitation.events]
        leading = next((each for each in components if each.key == MASTER), components[0])
        timing = timing_of(leading.schedule, self._policy.timezone)
        values = variables(details, leading.summary, invitation.organizer, timing, test=self._manner.test)
        wording = self._wording()
        told = self._languages_of(invitation, recipients)
        return wording.render(next(filter(wording.speaks, told), self._manner.language), values)

    def _languages_of(self, invitation: Invitation, recipients: tuple[str, ...]) -> Iterator[str]:
        """The surest first: a sole recipient's own, the organizer's, that of the domain of all recipients."""
        if len(recipients) == 1:
            yield invitation.languages.get(recipients[0], "")
        yield invitation.languages.get(invitation.key.organizer, "")
        domains = {domain(address) for address in recipients}
        if len(domains) == 1:
            yield self._domain_languages.get(domains.pop(), "")


def _could_smuggle(content: bytes) -> bool:
    """Did our edit put a lone dot between bare line ends, such as the listener refuses?"""
    return ambiguous(dot_stuff(content))
