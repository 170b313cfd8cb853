"""Markup, found in one linear scan: HTML is never parsed into a tree and never rebuilt.

What: `tokens` gives tags, comments and declarations with their spans, `noted` those of them that matter.

Not here: what they mean (`html_text`, `splice_html`).

Errors: none; in markup that breaks off (an open comment, an open quote) the scan ends where it breaks off.
"""

import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple

_MARKUP = re.compile(rb"<(?=[A-Za-z/!?])(?:!--|/?([A-Za-z][A-Za-z0-9:-]*)|[!?])")
_COMMENT_END = re.compile(rb"--!?>")
_IN_TAG = re.compile(rb">|=\s*(\"|')")
_RAW_TEXT = {
    name: re.compile(rb"</" + name + rb"(?=[\s/>])", re.IGNORECASE)
    for name in (b"style", b"script", b"title", b"textarea", b"xmp")
}
NOTED = frozenset({b"html", b"head", b"body", b"div", b"blockquote", b"!--", b"!"})
# What need not be noted, in one go: text, and tags of other names, with their attributes as `_IN_TAG` sees them.
# Groups are not possessive: before Python 3.11.5 such are wrong.
_NAMED = rb"(?:html|head|body|div|blockquote|style|script|title|textarea|xmp)(?![a-z0-9:-])"
_UNNOTED = re.compile(
    rb"(?:[^<]*+</?(?:[acefgijklmnopqruvwyz]|(?!" + _NAMED + rb")[a-z])"
    rb"[^>=]*+(?:=\s*+(?:\"[^\"]*+\"|'[^']*+'|(?![\"']))[^>=]*+)*>)*",
    re.IGNORECASE,
)
_COMMENT, _DECLARATION = b"!--", b"!"


class Token(NamedTuple):
    """A tag (name in lower case, "/" before it in an end tag), comment or declaration, with its span.

    The span of style, script and their like includes their raw text.
    """

    name: bytes
    start: int
    end: int


def tokens(data: bytes) -> Iterator[Token]:
    """Markup in order; where it breaks off, a nameless token to the end."""
    at = 0
    while match := _MARKUP.search(data, at):
        token = _token(data, match)
        yield token
        at = token.end


def noted(data: bytes, places: Iterable[int] = ()) -> Iterator[Token]:
    """Of `tokens` the kinds that are NOTED, those in which one of `places` stands, and the nameless one; quicker."""
    at, ahead = 0, sorted({*places, len(data)}, reverse=True)
    while match := _MARKUP.search(data, _next_noted(data, at, ahead[-1])):
        at = match.start()
        if at <= ahead[-1]:
            token = _token(data, match)
            at = token.end
            if not token.name or token.name.removeprefix(b"/") in NOTED or ahead[-1] < at:
                yield token
        while ahead[-1] < at:
            ahead.pop()


def _next_noted(data: bytes, at: int, place: int) -> int:
    skipped = _UNNOTED.match(data, at, place)
    return skipped.end() if skipped else at


def _token(data: bytes, match: re.Match[bytes]) -> Token:
    name = match[1].lower() if match[1] else _COMMENT if match[0] == b"<!--" else _DECLARATION
    closing = match[0].startswith(b"</")
    end = _end(data, name, match)
    if end is not None and name in _RAW_TEXT and not closing:
        raw_end = _RAW_TEXT[name].search(data, end)
        end = raw_end.start() if raw_end else None
    if end is None:
        return Token(b"", match.start(), len(data))
    return Token(b"/" + name if closing else name, match.start(), end)


def _end(data: bytes, name: bytes, match: re.Match[bytes]) -> int | None:
    if name == _COMMENT:
        for empty in (b"<!-->", b"<!--->"):
            if data.startswith(empty, match.start()):
                return match.start() + len(empty)
        found = _COMMENT_END.search(data, match.end())
        return found.end() if found else None
    if name == _DECLARATION:
        close = data.find(b">", match.end())
        return None if close < 0 else close + 1
    return _tag_end(data, match.end())


def _tag_end(data: bytes, at: int) -> int | None:
    """After the ">" that is in no quoted attribute value."""
    while found := _IN_TAG.search(data, at):
        if found[0] == b">":
            return found.end()
        close = data.find(found[1], found.end())
        if close < 0:
            return None
        at = close + 1
    return None
