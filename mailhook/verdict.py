"""What is to become of one message: the answer of `pipeline` to `relay`.

What: a `Verdict` names the content to relay, or asks the client to come again; its `Sequel` says what has to be
recorded before the dot, and what after it.

Not here: coming to it (`pipeline`), carrying it out (`relay`).
"""

from dataclasses import dataclass
from datetime import datetime

from mailhook.core.conference import JoinDetails
from mailhook.core.itip import Invitation


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
    """The organizer wants no conference any more; `why`: a reason of the log."""

    invitation: Invitation
    why: str


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
