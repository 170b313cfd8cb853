"""Whether a text that bears the link no more was cut off, or its link taken out.

What: some phones cut DESCRIPTION off, drop it, or flatten its markup when they change an event. `passage` remembers of
a text that bears the link what it may look like once somebody takes the link out; `is_cut` compares a later one. When
in doubt it was cut: a link too many costs little, a deleted room kills a meeting.

Not here: what follows from it (`removal`), links in other places (`bearing`).

Errors: none.
"""

import html
import re
from collections.abc import Iterator
from hashlib import sha256

from mailhook.core import splice_text
from mailhook.core.meeting import Passage

_HEADING = 2
"""So many lines right above a bare link may be taken out with it."""

_FEWEST_OF_LINK = len("https://v")
_FEWEST_OF_MARK = 3
"""So many characters tell the start of a link, or of our mark, from words of the organizer's."""

_TAG = re.compile(r"<[^<>]*>")


def passage(text: str, link: str) -> Passage | None:
    """Where `link` stands in `text`, and what else there is; None where it does not stand there."""
    at = text.find(link)
    if at < 0:
        return None
    block = _block(text, at)
    start, end = block or (text.rfind("\n", 0, at) + 1, len(text[:at]) + len(text[at:].partition("\n")[0]))
    above, below = text[:start].rstrip("\n"), text[end:]
    headings = [] if block else list(_headings(above))
    rest = headings[0] if headings else above
    return Passage(
        length=len(text[: start if block else at].rstrip()),
        ends=tuple(sorted({len(each.rstrip()) for each in (above, *headings)})),
        more=bool(rest.strip() or below.strip()),
        readable=_digest(text),
    )


def _block(text: str, at: int) -> tuple[int, int] | None:
    """The span of the block of ours around `at`."""
    begin = text.rfind(splice_text.BEGIN, 0, at)
    if begin < 0:
        return None
    octets = text[begin:].encode("utf-8", "surrogatepass")
    size = next((end for start, end in splice_text.blocks(octets) if start == 0), 0)
    end = begin + len(octets[:size].decode("utf-8", "surrogatepass"))
    return (begin, end) if end > at else None


def _headings(above: str) -> Iterator[str]:
    """`above` without its last line, and without its last two, as long as no empty line parts them."""
    lines = above.split("\n")
    for _ in range(_HEADING):
        if not lines or not lines[-1].strip():
            return
        lines.pop()
        yield "\n".join(lines)


def is_cut(text: str, link: str, before: Passage) -> bool:
    """Whether `text`, which does not bear `link`, may be what a client left of the one that did."""
    text = text.rstrip()
    if not text:
        return before.more
    if _digest(text) == before.readable or _breaks_off(text, link):
        return True
    return len(text) < before.length and len(text) not in before.ends


def _breaks_off(text: str, link: str) -> bool:
    """Whether the text ends amid the link, or amid the mark at the head of our block."""
    last = text.rpartition("\n")[2]
    started = any(last.endswith(link[:length]) for length in range(_FEWEST_OF_LINK, len(link)))
    return started or (len(last) >= _FEWEST_OF_MARK and splice_text.BEGIN.startswith(last))


def _digest(text: str) -> str:
    """Of what a reader sees, whatever the markup and the line breaks."""
    words = html.unescape(_TAG.sub(" ", text)).split()
    return sha256(" ".join(words).encode("utf-8", "surrogatepass")).hexdigest()[:16]
