"""What mailhook would do with one message: decision, reason, and a readable difference. No side effects.

What: `preview` decides as for a meeting that is not known yet, with a sample link in place of a real conference.

Not here: showing it (`comparison`); the store, the provider, the next hop: none is touched.

Errors: none; what cannot be read is a decision too.
"""

from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import assert_never

from mailhook.core import itip, message
from mailhook.core.conference import JoinDetails
from mailhook.core.itip import Invitation, NotOurs
from mailhook.core.meeting import Meeting
from mailhook.core.message import Message
from mailhook.core.policy import Envelope, Policy, defaults, may_act, wish
from mailhook.core.revision import Condemn, Create, Insert, Leave, look
from mailhook.errors import Unreadable
from mailhook.journal import Story
from mailhook.writer import Carriage, Writer

CARRIAGE = Carriage(eight_bit=True, size=None)


@dataclass(frozen=True)
class Preview:
    """`content` is what would be relayed; `places` where the link would stand."""

    decision: str
    reason: str
    content: bytes
    places: tuple[str, ...] = ()
    invitation: Invitation | None = None

    @property
    def facts(self) -> list[tuple[str, str]]:
        """What is to be said of it, as names and values."""
        facts = [("decision", self.decision), ("reason", self.reason)]
        if self.invitation:
            facts.append(("meeting", f"{self.invitation.key.uid} of {self.invitation.key.organizer}"))
        if self.places:
            facts.append(("places", ", ".join(self.places)))
            facts.append(("link", "a sample; no conference was made"))
        return facts


def read(raw: bytes, policy: Policy) -> tuple[Message, Invitation | NotOurs]:
    """Raises Unreadable."""
    parsed = message.read(raw)
    return parsed, itip.read(parsed, defaults(policy))


def envelope_of(parsed: Message) -> Envelope:
    """The envelope that such a message is likely to have: From and To."""
    sender = message.addresses(parsed, "from")
    return Envelope(sender[0] if sender else "", "127.0.0.1", message.addresses(parsed, "to"))


def preview(raw: bytes, policy: Policy, writer: Writer, link_base: str, now: datetime) -> Preview:
    """The decision on `raw` (a message as in a file: not dot-stuffed) at `now`, UTC."""
    try:
        parsed, invitation = read(raw, policy)
    except Unreadable as error:
        return Preview("pass", f"unreadable: {error}", raw)
    if isinstance(invitation, NotOurs):
        return Preview("pass", invitation.reason, raw)
    envelope = envelope_of(parsed)
    reason = may_act(policy, invitation, envelope)
    if reason:
        return Preview("pass", reason, raw, invitation=invitation)
    if invitation.cancels:
        return Preview("pass", "cancel", raw, invitation=invitation)
    _, plan = look(
        Meeting(invitation.key), invitation, wish(policy, invitation, writer.link_hosts), policy, now
    )
    match plan:
        case Leave(reason) | Condemn(reason):
            return Preview("pass", reason, raw, invitation=invitation)
        case Insert() | Create():
            return _rewritten(parsed, invitation, envelope, writer, link_base)
        case _:
            assert_never(plan)


def _rewritten(
    parsed: Message, invitation: Invitation, envelope: Envelope, writer: Writer, link_base: str
) -> Preview:
    name = sha256(f"{invitation.key.organizer} {invitation.key.uid}".encode()).hexdigest()[:32]
    details = JoinDetails(name, f"{link_base}/service/join/?confid={name}&confpass=0000")
    story = Story()
    verdict = writer.rewritten(parsed, invitation, details, envelope, CARRIAGE, story)
    if verdict.content is None:
        return Preview("pass", verdict.reason, parsed.raw, invitation=invitation)
    return Preview("rewrite", verdict.reason, verdict.content, story.places, invitation)
