"""What in a message is not ours to change, because it is encrypted or a signature covers it, and why.

What: `enclosure` says in what an invitation may hide that is not seen; `seal` why one part must stay as it is;
`beginning` the former from the first octets of a message that shows no calendar, for the log.

Not here: signatures of servers over the whole message, DKIM and ARC (`trace`).

Errors: none; what cannot be read shows nothing.
"""

import re

from mailhook.core import message
from mailhook.core.message import Message, Part
from mailhook.errors import Unreadable

BEGINNING = 32 * 1024
"""Octets of other mail in which `beginning` looks: what it costs does not grow with the message."""

MAX_TEXT = 1024 * 1024
"""Octets of a text beyond which no armour is looked for: no larger one is written into either."""

_ENCLOSURES = {
    "multipart/encrypted": "encrypted",
    "application/pkcs7-mime": "encrypted",
    "application/x-pkcs7-mime": "encrypted",
    "application/ms-tnef": "tnef",
    "application/vnd.ms-tnef": "tnef",
    "message/partial": "partial",
}
# Programs that know no better send these as application/octet-stream; RFC 8551 §3.2.1 has the names.
_NAMES = {"winmail.dat": "tnef", "smime.p7m": "encrypted", "smime.p7s": "signed"}
_UNKNOWN = "application/octet-stream"
# One of these stands, in lower case, in whatever message `enclosure` says something of.
_NEEDLES = (
    *(b"multipart/encrypted", b"pkcs7-mime", b"ms-tnef", b"message/partial", b"-----begin pgp "),
    *(name.encode("ascii") for name in _NAMES),
)
_LONGEST = 64
"""Octets that none of them is as long as."""

# RFC 9580 §6.2.1 and §7: at the start of a line, in HTML also behind a tag. A quoted one ("> ") is somebody else's.
_ARMOUR = re.compile(rb"^-----BEGIN PGP (?:SIGNED )?MESSAGE", re.MULTILINE)
_ARMOUR_IN_HTML = re.compile(rb"(?:^|>)[ \t]*-----BEGIN PGP (?:SIGNED )?MESSAGE", re.MULTILINE)
_ARMOUR_HINT = b"BEGIN PGP "


def enclosure(whole: Message) -> str:
    """In what an invitation may hide that is not seen: a reason of the log, or "" in nothing.

    "encrypted", "signed" (S/MIME, the content inside the signature), "tnef", "partial", "pgp" (in a text). A file of no
    known type counts by its name.
    """
    return next(filter(None, (_enclosure(whole, part) for part in whole.parts)), "")


def _enclosure(whole: Message, part: Part) -> str:
    if part.params.get("smime-type", "").lower() == "signed-data":  # RFC 8551 §3.2.2
        return "signed"
    if part.content_type == _UNKNOWN:
        return _NAMES.get((part.filename or "").strip().lower(), "")
    return _ENCLOSURES.get(part.content_type, "") or ("pgp" if _is_armoured(whole, part) else "")


def seals(whole: Message) -> tuple[str, ...]:
    """Why parts of the message must stay as they are, each reason once."""
    return tuple(dict.fromkeys(filter(None, (seal(whole, part) for part in whole.parts))))


def beginning(octets: bytes) -> str:
    """`enclosure` of a message that begins with `octets`, of which only those at the start are looked at."""
    start = octets[:BEGINNING]
    # Behind the last of these comes at most one more needle: an attached file in base64 is not looked through.
    low = start[: max(map(start.rfind, (b" ", b":", b"-", b"."))) + _LONGEST].lower()
    if not any(map(low.__contains__, _NEEDLES)):
        return ""
    try:
        return enclosure(message.read(start))
    except Unreadable:
        return ""


def seal(whole: Message, part: Part) -> str:
    """Why the part must stay as it is: "signed" (RFC 1847 §2.1: S/MIME, PGP), "pgp" (a text in PGP's armour), or ""."""
    if "multipart/signed" in part.inside:
        return "signed"
    return "pgp" if _is_armoured(whole, part) else ""


def _is_armoured(whole: Message, part: Part) -> bool:
    """Whether a text is encrypted or clear-signed by PGP, all of it or a piece."""
    if not part.content_type.startswith("text/") or part.body_end - part.body_start > MAX_TEXT:
        return False
    shown = part.encoding != "base64"
    if shown and whole.raw.find(_ARMOUR_HINT, part.body_start, part.body_end) < 0:
        return False
    try:
        armour = _ARMOUR_IN_HTML if part.content_type == "text/html" else _ARMOUR
        return armour.search(message.body(whole, part)) is not None
    except Unreadable:
        return False
