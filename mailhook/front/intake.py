"""The content of one mail, read to its end.

What: `receive` finds the end of the data, keeps the content in a spool, and looks at it as it passes: is it an
invitation perhaps, is it too large, could a lax server take a part of it for the end?

Not here: the dialogue around it (dialogue), what becomes of the mail (`ports.Submission`).

Errors: ClientGoneError. What must not go on is a refusal, and is read to its end all the same.
"""

import logging
from dataclasses import dataclass

from mailhook.front.spool import Spool
from mailhook.front.wire import Lines
from mailhook.smtp import replies
from mailhook.smtp.content import EndOfData, Inspector
from mailhook.smtp.replies import Reply

MAX_DISCARDED = 1 << 30
"""Octets that are still read of a message after it was refused, until its end comes."""

log = logging.getLogger("mailhook.front.intake")


@dataclass(frozen=True)
class Received:
    """`refusal`: why it must not go on. `candidate`: it may be an invitation. `ended`: its end has come."""

    refusal: Reply | None
    candidate: bool
    ended: bool


async def receive(lines: Lines, spool: Spool, limit: int | None, *, strict: bool, peer: str) -> Received:
    """`limit` in octets, as SIZE counts them (RFC 1870). `strict`: refuse CR and LF that stand alone."""
    end, inspector, refusal = EndOfData(strict=strict), Inspector(), None
    discarded = 0
    while not end.finished and discarded <= MAX_DISCARDED:
        content = end.feed(await lines.octets())
        if refusal is None:
            inspector.feed(content)
            refusal = _store(spool, content, end.stuffed, limit, peer)
        else:
            discarded += len(content)
    lines.put_back(end.rest)
    if refusal is None and end.ambiguous:
        refusal = replies.AMBIGUOUS_END
    if refusal is None and end.bare:
        refusal = replies.BARE_NEWLINE
    return Received(refusal, inspector.candidate, end.finished)


def _store(spool: Spool, content: bytes, stuffed: int, limit: int | None, peer: str) -> Reply | None:
    refusal = None
    try:
        spool.write(content)
    except OSError as error:
        log.error("%s: message deferred, it cannot be kept in a temporary file: %s", peer, error)
        refusal = replies.NO_SPACE
    if limit is not None and spool.size - stuffed > limit:
        refusal = replies.TOO_LARGE
    if refusal is not None:
        spool.close()
    return refusal
