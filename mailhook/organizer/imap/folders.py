"""Which mailboxes hold what a user has sent.

What: `sent_mailboxes`: those that the server marks \\Sent (RFC 6154; Dovecot as shipped marks two), or the one that the
settings name, as users see it: below the prefix of the user's own mailboxes where the server has one (RFC 2342), with
"/" between levels.

Not here: looking into them (`sent`).

Errors: Misconfigured when the server does not tell which mailbox it is, Permanent when this user has none of that name.
"""

from mailhook.errors import Misconfigured, Permanent
from mailhook.organizer.imap.names import decoded, encoded
from mailhook.organizer.imap.session import Session

MOST = 5
"""Mailboxes that are looked into."""


async def sent_mailboxes(session: Session, name: str) -> list[str]:
    """Names as on the wire. None where the server marks mailboxes, but this user has no such one yet."""
    if name:
        return [await _named(session, name)]
    if not session.offers("SPECIAL-USE"):
        why = "does not tell which mailbox holds sent mail (SPECIAL-USE): name it in organizer.imap.folder"
        raise Misconfigured(f"{session.server} {why}")
    selection = "(SPECIAL-USE)" if session.offers("LIST-EXTENDED") else ""
    found = await session.mailboxes("*", selection)
    return [box.name for box in found if r"\sent" in box.attributes and box.selectable][:MOST]


async def _named(session: Session, name: str) -> str:
    prefix, delimiter = await session.prefix()
    below = prefix + encoded(name.replace("/", delimiter or "/"))
    for candidate in dict.fromkeys((encoded(name), below)):
        found = await session.mailboxes(candidate)
        if any(_is(box.name, candidate) and box.selectable for box in found):
            return candidate
    raise Permanent(f"{session.server} has no mailbox {name} for this user (organizer.imap.folder)")


def _is(name: str, candidate: str) -> bool:
    """Whether the server's name is the one looked for, and not only one that its pattern fits."""
    try:
        return decoded(name) == decoded(candidate)
    except ValueError:
        return False
