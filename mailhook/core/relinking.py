"""One link in place of others, wherever they stand in a text.

What: `exchanged` finds a link as it stands, as markup writes it (`&amp;`), and as a URL carries it inside of another
one (percent-encoded), and puts the new link there in the same spelling.

Not here: which links (`bearing`, `pipeline`), blocks of ours (`splice_text`, `splice_html`).

Errors: none.
"""

import html
import re
from bisect import bisect_left, insort
from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from urllib.parse import quote

from mailhook.core.splices import Splice, within

_SPELLINGS: tuple[Callable[[str], str], ...] = (str, html.escape, lambda link: quote(link, safe=""))
_HEAD = re.compile(r"https?(://|%3A%2F%2F)[^/?%]*", re.IGNORECASE)
_HOST = re.compile(r"https?://([^/?]+)", re.IGNORECASE)
_AMPERSAND = rb"&(?:amp|#0{0,3}38|#[xX]0{0,2}26);"
# A URL goes before it that leads to it: its value, or what `urldefense` makes of it.
_BEFORE = re.compile(rb"[<\[(]?(?:https?://[^\s<>\"]*(?:[=?#&]|__))?\Z")
_AROUND = 200
"""Octets before a link that may be those of another one, which leads to it."""
_GOES_ON = rb"(?![\w=-])"
"""What follows here would make it another link."""


def is_mentioned(data: bytes, links: Iterable[str]) -> bool:
    """Whether the host of one of the links stands there; quicker than to look for the links."""
    heads = filter(None, map(_HOST.match, links))
    hosts = {head[1].lower().encode("ascii", "replace") for head in heads}
    lowered = data.lower() if hosts else b""
    return any(host in lowered for host in hosts)


@lru_cache(maxsize=64)
def anywhere(links: frozenset[str], charset: str) -> re.Pattern[bytes] | None:
    """What finds any of the links in any spelling; None for no links."""
    spelled = _spelled(links, charset)
    return re.compile(b"|".join(spelled)) if spelled else None


def bracketed(data: bytes, links: frozenset[str], charset: str) -> list[tuple[int, int]]:
    """Spans of them, with the brackets in which programs put a link that follows its name, and the link around it."""
    link, out, done = anywhere(links, charset), list[tuple[int, int]](), 0
    for match in link.finditer(data) if link else ():
        before = _BEFORE.search(data, max(done, match.start() - _AROUND), match.start())
        done = match.end() + (data[match.end() : match.end() + 1] in {b">", b"]", b")"})
        out.append((before.start() if before else match.start(), done))
    return out


def _spelled(links: Iterable[str], charset: str) -> list[bytes]:
    ordered = sorted(filter(None, set(links)), key=len, reverse=True)
    return [_pattern(spell(link), charset) for link in ordered for spell in _SPELLINGS]


def exchanged(
    data: bytes,
    old: Iterable[str],
    new: str,
    charset: str,
    edits: list[Splice],
    history: Sequence[tuple[int, int]] = (),
) -> list[Splice]:
    """`edits`, and `new` for each link in `old` that stands outside of what they replace, and of these spans."""
    taken = sorted((each.start, each.end) for each in edits)
    found = list(edits)
    for link in sorted(set(old) - {new}, key=len, reverse=True):
        # The plainest where a link is written alike in several spellings.
        spellings = {spell(link): spell(new) for spell in reversed(_SPELLINGS)}
        for spelled, written in spellings.items():
            for match in re.finditer(_pattern(spelled, charset), data):
                if _is_free(taken, *match.span()) and not within(match.start(), history):
                    insort(taken, match.span())
                    found.append(Splice(*match.span(), written.encode(charset, "replace")))
    return found


def _is_free(taken: list[tuple[int, int]], start: int, end: int) -> bool:
    """Whether none of these spans, which are in order and do not overlap, has anything of it."""
    after = bisect_left(taken, (end, end))
    return after == 0 or taken[after - 1][1] <= start


def _pattern(link: str, charset: str) -> bytes:
    """Scheme and host in any case, and whether or not they say that the way is encrypted."""
    head = _HEAD.match(link)
    at = head.end() if head else 0
    host = re.sub(r"^https?", "", link[:at], flags=re.IGNORECASE)
    scheme = b"https?" if head else b""
    encoded = re.escape(host.encode(charset, "replace"))
    way = re.escape(link[at:].encode(charset, "replace")).replace(re.escape(b"&amp;"), _AMPERSAND)
    return b"(?i:" + scheme + encoded + b")" + way + _GOES_ON
