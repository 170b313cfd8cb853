"""Whether a text that bears the link no more was cut off, or its link taken out.

What: some phones cut DESCRIPTION off, drop it, or flatten its markup when they change an event. `passage` remembers of
a text that bears the link what it takes to tell; `is_cut` compares a later text with it, word by word, as a reader
sees them. When in doubt it was cut: a link too many costs little, a deleted room kills a meeting.

Not here: what follows from it (`removal`), links in other places (`bearing`).

Errors: none.
"""

import html
import re
from collections.abc import Iterator
from hashlib import sha256
from itertools import takewhile

from mailhook.core import text_blocks
from mailhook.core.meeting import Passage

_HEADING = 2
"""So many lines right above a bare link may be taken out with it."""

_FEWEST = len("https://v")
"""So many characters at the end of a LOCATION are the start of a link."""

_REMEMBERED = 300
"""Words of which a digest is kept; further ones are taken to be the same."""

_LONGEST = 60
"""Words right before the link, and characters of each, that are kept as they are."""

_DIGITS = 4
_TAG = re.compile(r"<[^<>]*>")


def passage(text: str, link: str) -> Passage | None:
    """Where `link` stands in `text`, and what else there is; None where it does not stand there."""
    seen = html.unescape(text)
    if link not in seen:
        return None
    words = _words(text)
    place = next((number for number, word in enumerate(words) if link in word), None)
    if place is None:
        return Passage(digests=_digests(words), count=len(words), more=bool(words))
    at = seen.find(link)
    block = _block(seen, at)
    start, end = block or _line(seen, at)
    above, below = seen[:start].rstrip("\n"), seen[end:]
    headings = [] if block else list(_headings(above))
    ends = {len(_words(each)) for each in (above, *headings)}
    first = max(min(ends), place - _LONGEST)
    label = seen[start:at].strip() if block is None else ""
    after = "" if block else seen[at + len(link) : end].strip()
    beside = after if label.endswith(":") else f"{label}{after}"
    if block is None and not after:
        ends.add(place)
    rest = headings[0] if headings else above
    return Passage(
        digests=_digests(words[:first]),
        count=first,
        heading=(*(word[:_LONGEST] for word in words[first:place]), _bounded(words[place], link)),
        ends=tuple(sorted(ends)),
        below=bool(below.strip()),
        more=bool(rest.strip() or beside or below.strip()),
    )


def _bounded(word: str, link: str) -> str:
    """The word up to the end of the link in it; where it is long, the link alone."""
    at = word.find(link)
    return word[: at + len(link)] if at <= _LONGEST else link


def _line(text: str, at: int) -> tuple[int, int]:
    """The span of the line around `at`."""
    end = text.find("\n", at)
    return text.rfind("\n", 0, at) + 1, len(text) if end < 0 else end


def _block(text: str, at: int) -> tuple[int, int] | None:
    """The span of the block of ours around `at`."""
    begin = text.rfind(text_blocks.OPENING, 0, at)
    if begin < 0:
        return None
    octets = text[begin:].encode("utf-8", "surrogatepass")
    size = next((end for start, end in text_blocks.blocks(octets) if start == 0), 0)
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


def is_cut(text: str, before: Passage) -> bool:
    """Whether `text`, which does not bear the link, may be what a client left of the one that did."""
    words = _words(_without_ellipsis(text))
    if not words:
        return before.more
    same = _same(words, before)
    if not before.heading:
        # The link stood in markup only; whoever takes it out takes words out, and what came after them follows.
        return same in {len(words), before.count} or not _resumes(words[same:], before, same)
    left = words[same:]
    if not left:
        return before.below or same not in before.ends
    if same < before.count:
        return len(left) == 1 or len(words) < before.count
    # All of it, a link of another conference too: somebody else's words may follow.
    following = before.heading[same - before.count :]
    return not following or (len(left) == 1 and following[0].startswith(left[0]))


def breaks_off(location: str, link: str) -> bool:
    """Whether a LOCATION ends amid the link."""
    end = _without_ellipsis(location)
    return any(end.endswith(link[:length]) for length in range(_FEWEST, len(link)))


def _without_ellipsis(text: str) -> str:
    return text.rstrip().removesuffix("…").removesuffix("...").rstrip()


def _same(words: list[str], before: Passage) -> int:
    """How many words, from the first on, are what they were."""

    def as_before(number: int) -> bool:
        if number >= before.count:
            return before.heading[number - before.count][:_LONGEST] == words[number][:_LONGEST]
        known = before.digests[number * _DIGITS : (number + 1) * _DIGITS]
        return known in {"", _digest(words[number])}

    most = min(len(words), before.count + len(before.heading))
    return sum(1 for _ in takewhile(as_before, range(most)))


def _resumes(rest: list[str], before: Passage, since: int) -> bool:
    """Whether `rest` goes on with words that came later."""
    wanted = _digests(rest)
    later = range((since + 1) * _DIGITS, len(before.digests), _DIGITS)
    return any(
        before.digests[at:].startswith(wanted) or wanted.startswith(before.digests[at:]) for at in later
    )


def _words(text: str) -> list[str]:
    """As a reader sees them, without markup."""
    return html.unescape(_TAG.sub(" ", text)).split()


def _digests(words: list[str]) -> str:
    return "".join(map(_digest, words[:_REMEMBERED]))


def _digest(word: str) -> str:
    return sha256(word.encode("utf-8", "surrogatepass")).hexdigest()[:_DIGITS]
