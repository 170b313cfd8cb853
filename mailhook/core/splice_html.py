"""The block in HTML: a text/html body, or the HTML twin of a DESCRIPTION.

What: one linear scan finds where the visible body begins and ends (outside comments, style and script) and where
blocks of ours stand; the markup itself is never parsed into a tree and never rebuilt, because every such library
changes what it did not understand.

Not here: charsets and transfer encodings (`rewrite`).

Errors: none; in markup that breaks off (an open comment, an open quote) the scan ends where it breaks off, and markup
beyond MAX_NOTED is left alone.
"""

import re
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from mailhook.core import splice_text
from mailhook.core.splices import Position, Splice, settled
from mailhook.errors import Unreadable

BEGIN = "<!-- videomost:begin -->"
END = "<!-- videomost:end -->"
ELEMENT = "videomost-conference"
"""The id of the element around the block: it marks the block where comments were stripped."""

_TEXT_BEGIN, _TEXT_END = splice_text.BEGIN.encode("ascii"), splice_text.END.encode("ascii")
_BEGIN_COMMENT, _END_COMMENT = b"videomost:begin", b"videomost:end"
_MARKUP = re.compile(rb"<(?:!--|/?([A-Za-z][A-Za-z0-9:-]*)|[!?])")
_LIKE_BOUNDARY = re.compile(r"^--", re.MULTILINE)
_COMMENT_END = re.compile(rb"--!?>")
_LINE_END = re.compile(rb"(?:\r?\n)?")
# A conditional comment that shows what it encloses (`[if !mso]`): the block must stand outside, or Outlook hides it.
_SHOWING_BEGINS = re.compile(rb"<!(?:--)?\[if[^\]>]{0,80}\]>(?:<!-->|-->)?\s*\Z", re.IGNORECASE)
_SHOWING_ENDS = re.compile(rb"\s*<!(?:--\s*<!)?\s*\[endif\]\s*(?:--)?>", re.IGNORECASE)
_IN_TAG = re.compile(rb">|=\s*(\"|')")
_RAW_TEXT = {
    name: re.compile(rb"</" + name + rb"(?=[\s/>])", re.IGNORECASE)
    for name in (b"style", b"script", b"title", b"textarea", b"xmp")
}
_NOTED = frozenset({b"html", b"head", b"body", b"div", b"!--", b"!"})
# What need not be noted, in one go: text, and tags of other names, with their attributes as `_IN_TAG` sees them.
# Groups are not possessive: before Python 3.11.5 such are wrong.
_NAMED = rb"(?:html|head|body|div|style|script|title|textarea|xmp)(?![a-z0-9:-])"
_UNNOTED = re.compile(
    rb"(?:[^<]*+</?(?:[acefgijklmnopqruvwyz]|(?!" + _NAMED + rb")[a-z])"
    rb"[^>=]*+(?:=\s*+(?:\"[^\"]*+\"|'[^']*+'|(?![\"']))[^>=]*+)*>)*",
    re.IGNORECASE,
)
MAX_NOTED = 10_000
"""Comments, divs and the like of HTML that a person or a mail program wrote."""
# A declaration or <html> further down is no preamble.
_PREAMBLE = 1024
_COMMENT, _DECLARATION = b"!--", b"!"


class _Token(NamedTuple):
    """A tag (name in lower case, "/" before it in an end tag), comment or declaration, with its span.

    The span of style, script and their like includes their raw text.
    """

    name: bytes
    start: int
    end: int


@dataclass
class _Landmarks:
    """What the scan found. `limit`: where the readable markup ends."""

    limit: int
    body_open: int | None = None
    head_end: int | None = None
    preamble_end: int = 0
    body_close: int | None = None
    html_close: int | None = None
    comments: list[tuple[int, int]] = field(default_factory=list)
    elements: list[tuple[int, int]] = field(default_factory=list)
    hidden: list[tuple[int, int]] = field(default_factory=list)
    """Tags, comments and raw text: what stands in them is not shown as text."""


def marked(html: str) -> str:
    """The block between its marks, one per line; no line could be a boundary of the message (RFC 2046 §5.1.1)."""
    html = _LIKE_BOUNDARY.sub(" --", html.strip())
    return f'{BEGIN}\n<div id="{ELEMENT}">\n{html}\n</div>\n{END}'


def place(data: bytes, block: bytes, position: Position, line_end: bytes) -> list[Splice]:
    """Put `block` where the first older block stands, and take others out; else into the body.

    Without a `block` all are taken out.
    """
    try:
        return _placed(data, block, position, line_end)
    except Unreadable:
        return []


def _placed(data: bytes, block: bytes, position: Position, line_end: bytes) -> list[Splice]:
    if not block:
        return settled(data, _without)
    marks = _landmarks(data)
    if _blocks(data, marks):
        return settled(data, lambda html: _replaced(html, block))
    at = _top(data, marks) if position == "top" else _bottom(data, marks)
    return [Splice(at, at, block + line_end)]


def _replaced(data: bytes, block: bytes) -> list[Splice]:
    older = _blocks(data, _landmarks(data))
    return [Splice(*each, b"" if number else block) for number, each in enumerate(older)]


def _without(data: bytes) -> list[Splice]:
    """The blocks, each with the line end after it."""
    found = _blocks(data, _landmarks(data))
    return [Splice(start, _LINE_END.match(data, end).end(), b"") for start, end in found]  # type: ignore[union-attr]


def _top(data: bytes, marks: _Landmarks) -> int:
    bom = 3 if data.startswith(b"\xef\xbb\xbf") else 0
    found = next((at for at in (marks.body_open, marks.head_end) if at is not None), marks.preamble_end)
    ends = _SHOWING_ENDS.match(data, found)
    return max(bom, ends.end() if ends else found)


def _bottom(data: bytes, marks: _Landmarks) -> int:
    found = next((at for at in (marks.body_close, marks.html_close) if at is not None), marks.limit)
    begins = _SHOWING_BEGINS.search(data, max(0, found - 200), found)
    return begins.start() if begins else found


def _blocks(data: bytes, marks: _Landmarks) -> list[tuple[int, int]]:
    """Blocks by comments, by the element where comments are gone, and blocks of plain text shown in HTML."""
    out: list[tuple[int, int]] = []
    for start, end in sorted([*marks.comments, *marks.elements, *_text_blocks(data, marks)]):
        if not out or start >= out[-1][1]:
            out.append((start, end))
    return out


def _text_blocks(data: bytes, marks: _Landmarks) -> Iterator[tuple[int, int]]:
    """Where a DESCRIPTION with our block is shown in the HTML."""
    at = data.find(_TEXT_BEGIN)
    while at >= 0:
        following = data.find(_TEXT_BEGIN, at + 1)
        close = data.find(_TEXT_END, at, len(data) if following < 0 else following)
        if close >= 0 and not _is_hidden(at, marks) and not _is_hidden(close, marks):
            yield at, close + len(_TEXT_END)
        at = following


def _is_hidden(at: int, marks: _Landmarks) -> bool:
    before = bisect_right(marks.hidden, (at, at)) - 1
    return before >= 0 and at < marks.hidden[before][1]


# --- the scan ------------------------------------------------------------------------------------------


def _landmarks(data: bytes) -> _Landmarks:
    marks = _Landmarks(len(data))
    begun: int | None = None
    divs: list[int] = []
    shows_text = _TEXT_BEGIN in data
    for number, token in enumerate(_tokens(data, everything=shows_text)):
        if number > MAX_NOTED:
            raise Unreadable("too much markup")
        if shows_text:
            marks.hidden.append((token.start, token.end))
        match token.name:
            case b"":
                marks.limit = token.start
            case b"!--":
                begun = _comment(data, token, marks, begun)
            case b"div" | b"/div":
                _division(data, token, marks, divs)
            case _:
                _structure(token, marks)
    return marks


def _comment(data: bytes, token: _Token, marks: _Landmarks, begun: int | None) -> int | None:
    """Note a block when its end mark is reached; returns where the open one began."""
    words = data[token.start + 4 : token.end - 3].strip() if token.end - token.start < 64 else b""
    if words == _BEGIN_COMMENT:
        return token.start
    if words == _END_COMMENT and begun is not None:
        marks.comments.append((begun, token.end))
        return None
    return begun


def _division(data: bytes, token: _Token, marks: _Landmarks, divs: list[int]) -> None:
    """Follow the div of ours, and those in it, to its end; `divs` are the starts of the open ones."""
    if token.name == b"/div":
        if divs:
            start = divs.pop()
            if not divs:
                marks.elements.append((start, token.end))
    elif divs or ELEMENT.encode("ascii") in data[token.start : token.end]:
        divs.append(token.start)


def _structure(token: _Token, marks: _Landmarks) -> None:
    match token.name:
        case b"body" if marks.body_open is None:
            marks.body_open = token.end
        case b"/body":
            marks.body_close = token.start
        case b"/html":
            marks.html_close = token.start
        case b"/head" if marks.head_end is None:
            marks.head_end = token.end
        case b"html" | b"!" if marks.body_open is None and token.start < _PREAMBLE:
            marks.preamble_end = token.end
        case _:
            pass


def _tokens(data: bytes, *, everything: bool) -> Iterator[_Token]:
    """Markup in order, unless everything is wanted only the kinds that matter; a nameless token where it breaks off."""
    at = 0
    while match := _MARKUP.search(data, at if everything else _next_noted(data, at)):
        name = match[1].lower() if match[1] else _COMMENT if match[0] == b"<!--" else _DECLARATION
        end = _end(data, name, match)
        if end is None:
            yield _Token(b"", match.start(), len(data))
            return
        closing = match[0].startswith(b"</")
        if name in _RAW_TEXT and not closing:
            raw_end = _RAW_TEXT[name].search(data, end)
            if raw_end is None:
                yield _Token(b"", match.start(), len(data))
                return
            end = raw_end.start()
        if everything or name in _NOTED:
            yield _Token(b"/" + name if closing else name, match.start(), end)
        at = end


def _next_noted(data: bytes, at: int) -> int:
    skipped = _UNNOTED.match(data, at)
    return skipped.end() if skipped else at


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
