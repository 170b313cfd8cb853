"""The organizer's sent copy, by IMAP (RFC 3501).

What: `SentCopies` finds it by its Message-ID and puts a rewritten one in its place.

Not here: when and why (the worker).

Errors: Temporary, Permanent, Misconfigured.
"""

from mailhook.organizer.imap.sent import (
    Account,
    Inspection,
    LeftAlone,
    NotFound,
    Outcome,
    Replaced,
    SentCopies,
    Unchanged,
)
from mailhook.organizer.imap.server import Server
from mailhook.organizer.imap.writer import SentMailWriter

__all__ = [
    "Account",
    "Inspection",
    "LeftAlone",
    "NotFound",
    "Outcome",
    "Replaced",
    "SentCopies",
    "SentMailWriter",
    "Server",
    "Unchanged",
]
