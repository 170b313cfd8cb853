"""What somebody has typed into a block of ours: it must not go when the block is put anew.

What: a block bears short digests of its own lines. `kept` compares them with the lines that stand in it now, and gives
those that are not ours, apart from our link in them. So neither language nor template need be known in which the block
was written.

Not here: where a block begins and ends, how it is cut into lines (`text_blocks`, `splice_html`).

Errors: none.
"""

import html
import re
from base64 import b32encode
from collections.abc import Collection, Iterable, Sequence
from itertools import islice, takewhile
from typing import NamedTuple
from zlib import crc32

from mailhook.core import relinking

_MOST = 12
"""Digests of a block; where it has more lines, several have one together."""

_JOINED = 4
"""So many lines that follow each other may be what was one line, or has one digest."""

_FEWEST = len(b"https://v")
"""So many octets of a link are the start of one."""

_UNTOLD = ("Конференция в Videomost", "Videomost conference")
"""Headings of blocks that were written before there were digests, also of a sandbox's."""

_MOST_WORDS = 40
"""So many words of a piece are looked at for lines of ours that were joined."""

_EMPHASIS = "*_/|"
_BLANKS = re.compile(rb"\s+")
_URL = re.compile(rb"https?://[^\s<>\"]+")


class Line(NamedTuple):
    """`raw`: as it stands. `plain`: without markup. `words`: `plain` as a reader sees it."""

    raw: bytes
    plain: bytes
    words: str


class Kept(NamedTuple):
    """Lines that are not ours: those above the block's link, and those below it."""

    above: list[bytes]
    below: list[bytes]


def words(plain: bytes, charset: str) -> str:
    """What a reader sees; octets of no known charset stay apart from each other."""
    for each in ("utf-8" if charset == "ascii" else charset, "latin-1"):
        try:
            return html.unescape(plain.decode(each))
        except UnicodeError:
            continue
    return ""


def digests(lines: Iterable[str]) -> tuple[str, ...]:
    """Of the lines that are not empty, whatever their blanks, breaks and emphasis."""
    squeezed = [each for line in lines if (each := _squeezed(line))]
    size = max(1, -(-len(squeezed) // _MOST))
    groups = ("".join(squeezed[at : at + size]) for at in range(0, len(squeezed), size))
    return tuple(dict.fromkeys(map(_digest, groups)))[:_MOST]


def is_own(line: str, own: Collection[str]) -> bool:
    """Whether the line is, alone, one of those with these digests."""
    return _digest(_squeezed(line)) in own


def _squeezed(text: str) -> str:
    return "".join(text.split()).strip(_EMPHASIS)


def _digest(squeezed: str) -> str:
    """20 bits in letters and digits that no encoding changes (RFC 4648 §6)."""
    octets = crc32(squeezed.encode("utf-8", "surrogatepass")).to_bytes(4, "big")
    return b32encode(octets)[:4].decode("ascii").lower()


UNTOLD = frozenset(digests([*_UNTOLD, *(f"{test}: {each}" for test in ("TEST", "ТЕСТ") for each in _UNTOLD)]))


def kept(lines: Sequence[Line], own: Collection[str], links: Collection[str], charset: str) -> Kept:
    """`own`: digests of our lines. `links`: ours, also those that this block bore before."""
    out = Kept([], [])
    link = relinking.anywhere(frozenset(links), charset)
    intact = link is not None and any(link.search(each.raw) for each in lines)
    into, at = out.above, 0
    while at < len(lines):
        size = _own(lines, at, own)
        linked = link is not None and any(link.search(each.raw) for each in lines[at : at + max(1, size)])
        if linked:
            into = out.below
        if not size:
            rest = lines[at].raw if lines[at].words.strip() else b""
            rest = _without_links(lines[at], links, own, charset) if linked else rest
            whole = intact and not linked
            into.append(rest if whole else _without_remains(rest, links, charset))
        at += max(1, size)
    return Kept(*(_trimmed(each) for each in out))


def is_only_link(plain: bytes, links: Collection[str], charset: str) -> bool:
    """Whether nothing but one of the links stands there."""
    rest, at = b"", 0
    for start, end in relinking.bracketed(plain, frozenset(links), charset):
        rest, at = rest + plain[at:start], end
    return at > 0 and not _squeezed(words(rest + plain[at:], charset))


def _own(lines: Sequence[Line], at: int, own: Collection[str]) -> int:
    """How many of the lines from `at` on are ours: one, or several that were one; 0 if none is."""
    joined = ""
    for number, line in enumerate(lines[at : at + _JOINED]):
        joined += _squeezed(line.words)
        if not joined:
            return 0
        if _digest(joined) in own:
            return number + 1
    return 0


def _without_links(line: Line, links: Collection[str], own: Collection[str], charset: str) -> bytes:
    """What stands before, between and behind them, but for what is ours: programs join lines."""
    edges = [0]
    for span in relinking.bracketed(line.plain, frozenset(links), charset):
        edges += span
    edges.append(len(line.plain))
    pieces = (line.plain[start:end] for start, end in zip(edges[::2], edges[1::2], strict=True))
    rest = (_without_joined(each.strip(), own, charset) for each in pieces)
    left = b" ".join(each for each in rest if each)
    return left if _squeezed(words(left, charset)) else b""


def _without_joined(piece: bytes, own: Collection[str], charset: str) -> bytes:
    """Without lines of ours that were joined at its begin."""
    at, blanks = 0, [*(each.start() for each in islice(_BLANKS.finditer(piece), _MOST_WORDS)), len(piece)]
    for end in blanks:
        if is_own(words(piece[at:end], charset), own):
            at = end
    return piece[at:].strip()


def _without_remains(line: bytes, links: Iterable[str], charset: str) -> bytes:
    """Of a link into which somebody has typed, or of which he took something away, only what he has typed."""
    stripped = line.strip()
    word, _, rest = stripped.partition(b" ")
    for link in links:
        for whole in {link.encode(charset, "replace"), html.escape(link).encode(charset, "replace")}:
            head = _common(stripped, whole)
            tail = min(_common(stripped[::-1], whole[::-1]), len(whole) - head, len(stripped) - head)
            if head >= _FEWEST and head + tail in (len(whole), len(stripped)):
                return stripped[head : len(stripped) - tail].strip()
            # The end of a link that was broken into two lines.
            if len(word) >= _FEWEST and whole.endswith(word):
                return rest.strip()
    return line


def _common(one: bytes, other: bytes) -> int:
    """How many octets at the start are the same."""
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(one, other, strict=False)))


def _trimmed(lines: list[bytes]) -> list[bytes]:
    """Without empty lines at both ends, and without two together; a last blank would flow into what follows."""
    out: list[bytes] = []
    for line in lines:
        if line.strip() or (out and out[-1]):
            out.append(line if line.strip() else b"")
    while out and not out[-1]:
        out.pop()
    return [*out[:-1], out[-1].rstrip()] if out else out


def foreign(
    lines: Sequence[Line], own: Collection[str], links: Collection[str], *, any_url: bool
) -> list[str]:
    """The first URL that stands alone on its line, is none of `links`, and is ours by its digest.

    By whatever if `any_url` and none of `links` stands there, but for one of them into which somebody has typed.
    """
    link = relinking.anywhere(frozenset(links), "utf-8")
    any_url = any_url and not (link is not None and any(link.search(line.raw) for line in lines))
    for line in lines:
        url = line.plain.strip().strip(b"<>")
        if not _URL.fullmatch(url) or not url.isascii():
            continue
        is_own = html.unescape(url.decode("ascii")) in links
        told = _digest(_squeezed(line.words)) in own
        if not is_own and (told or (any_url and _without_remains(url, links, "ascii") == url)):
            return [html.unescape(url.decode("ascii"))]
    return []
