"""Writes a link into a message, or takes it out: languages, wording, obstacles.

What: `Writer` puts together what the settings say and what `core.rewrite` does with one message.

Not here: whether to (`pipeline`).

Errors: none; what stands in the way makes a verdict of its own.
"""

import re
from dataclasses import dataclass
from typing import Literal

from mailhook.core import message, trace
from mailhook.core.conference import JoinDetails
from mailhook.core.itip import Invitation
from mailhook.core.message import Message
from mailhook.core.policy import Envelope, Policy, domain
from mailhook.core.revision import Condemn
from mailhook.core.rewrite import Options, remove, rewrite
from mailhook.core.wording import Block, Variables, Wording
from mailhook.journal import Story
from mailhook.verdict import Pass, Renounce, Tell

MAX_SHOWN = 1000
"""Characters of a text from outside that a template gets: a topic fills no mail."""

# Controls, and the marks that change the direction of what follows, the link too (Unicode, UAX #9 §2).
_UNSHOWN = re.compile(r"[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]+")


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
    """Writes a link into a message: languages, wording, obstacles."""

    def __init__(self, policy: Policy, wording: Wording, manner: Manner) -> None:
        self._policy = policy
        self._wording = wording
        self._manner = manner
        self._languages = dict(manner.languages)
        self._own_domains = (*policy.organizer_domains, *policy.domain_aliases)

    @property
    def link_hosts(self) -> tuple[str, ...]:
        return self._manner.link_hosts

    def is_signed(self, parsed: Message) -> bool:
        """Whether it bears a signature of our own, which rewriting would break."""
        return trace.is_signed_by(parsed, self._own_domains)

    def obstacle(self, parsed: Message) -> str:
        """Why the message must not be rewritten, or ""."""
        if any(message.may_hold_calendar(part) and message.is_sealed(part) for part in parsed.parts):
            return "signed"
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
        options, copied = self._options(carriage), invitation.copied - {details.link}
        result = rewrite(parsed, block, details.link, details.conference_id, options, copied=copied)
        if not result.places:
            return Pass("no-place", Tell(invitation, None))
        if carriage.size is not None and len(result.content) > carriage.size:
            return Pass("too-large", Tell(invitation, None))
        story.rewritten(result.places, details.conference_id)
        return Pass("rewritten", Tell(invitation, details), result.content)

    def removed(
        self, parsed: Message, invitation: Invitation, plan: Condemn, carriage: Carriage, story: Story
    ) -> Pass:
        """Without what is left of the link of a conference that is wanted no more."""
        sequel = Renounce(invitation, plan.reason)
        if plan.details is None or self.obstacle(parsed):
            return Pass(plan.reason, sequel)
        story.step("rewrite")
        link, name = plan.details.link, plan.details.conference_id
        result = remove(self._unsigned(parsed), link, name, self._options(carriage))
        return Pass(plan.reason, sequel, result.content if result.places else None)

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
        component = invitation.events[0].component
        variables = Variables(
            link=details.link,
            topic=_one_line(component.summary),
            organizer_name=_one_line(invitation.organizer.name),
            organizer_address=invitation.organizer.address,
            passcode=_one_line(details.passcode),
            conference_id=_one_line(details.conference_id),
            dial_in=_one_line(details.dial_in),
            test=self._manner.test,
        )
        return self._wording.render(self._language(invitation, recipients), variables)

    def _language(self, invitation: Invitation, recipients: tuple[str, ...]) -> str:
        sole = recipients[0] if len(recipients) == 1 else ""
        told = invitation.languages.get(sole) or invitation.languages.get(invitation.key.organizer, "")
        if told:
            return told.partition("-")[0].lower()
        domains = {domain(address) for address in recipients}
        return (self._languages.get(domains.pop(), "") if len(domains) == 1 else "") or self._manner.language


def _one_line(text: str) -> str:
    """A text from outside as a template may show it."""
    shown = _UNSHOWN.sub(" ", text[: 2 * MAX_SHOWN]).strip()
    return shown if len(shown) <= MAX_SHOWN else f"{shown[: MAX_SHOWN - 1]}…"
