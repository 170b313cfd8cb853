"""The block in HTML: a text/html body, or the HTML twin of a DESCRIPTION.

What: one linear scan finds where the visible body begins and ends (outside comments, style and script) and where
blocks of ours stand; the markup itself is never parsed into a tree and never rebuilt, because every such library
changes what it did not understand.

Not here: charsets and transfer encodings (`rewrite`).

Errors: none; in markup that breaks off (an open comment, an open quote) the scan ends where it breaks off, and markup
beyond MAX_NOTED or MAX_TAGS, or with more in its blocks than MAX_LINES or `text_blocks` allow, is left alone.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import pairwise

from mailhook.core import html_text, relinking, text_blocks, typed
from mailhook.core.html_scan import Token, noted
from mailhook.core.splice_text import MAX_ALONE, Text
from mailhook.core.splices import Splice, settled, within
from mailhook.core.typed import Kept, Line
from mailhook.errors import Unreadable

BEGIN = "<!-- videomost:begin -->"
END = "<!-- videomost:end -->"
ELEMENT = "videomost-conference"
"""With the id of the element around the block begins: it marks the block where comments were stripped.

The rest of it are digests of the block's lines.
"""

_ELEMENT = ELEMENT.encode("ascii")
_DIGESTS = re.compile(_ELEMENT + rb"-([a-z2-7]{4,48})")
_TEXT_OPENING, _TEXT_END = text_blocks.OPENING.encode("ascii"), text_blocks.END.encode("ascii")
_BEGIN_COMMENT, _END_COMMENT = b"videomost:begin", b"videomost:end"
_LIKE_BOUNDARY = re.compile(r"^--", re.MULTILINE)
_BREAKS = {b"<br>", b"<br/>", b"<br />"}
_LINE_END = re.compile(rb"(?:\r?\n)?")
# A conditional comment that shows what it encloses (`[if !mso]`): the block must stand outside, or Outlook hides it.
_SHOWING_BEGINS = re.compile(rb"<!(?:--)?\[if[^\]>]{0,80}\]>(?:<!-->|-->)?\s*\Z", re.IGNORECASE)
_SHOWING_ENDS = re.compile(rb"\s*<!(?:--\s*<!)?\s*\[endif\]\s*(?:--)?>", re.IGNORECASE)
MAX_NOTED = 10_000
MAX_TAGS = 100_000
"""Comments, divs and the like of HTML that a person or a mail program wrote."""
MAX_LINES = 200
"""Of what stands in one block; where more does, the HTML stays as it is."""
# A declaration or <html> further down is no preamble.
_PREAMBLE = 1024


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
    texts: list[tuple[int, int]] = field(default_factory=list)
    """Blocks as in plain text, of which it is not known yet whether they can be seen."""
    noted: list[Token] = field(default_factory=list)
    """All that the scan gave: what stands in one of them is not shown as text."""


@lru_cache(maxsize=64)
def marked(html: str) -> str:
    """The block between its marks, one per line; no line could be a boundary of the message (RFC 2046 §5.1.1)."""
    html = _LIKE_BOUNDARY.sub(" --", html.strip())
    lines = html_text.cut(html.encode(), "utf-8")
    known = "-".join(filter(None, (ELEMENT, "".join(typed.digests(each.words for each in lines)))))
    return f'{BEGIN}\n<div id="{known}">\n{html}\n</div>\n{END}'


def place(data: bytes, block: bytes, text: Text) -> list[Splice]:
    """Put `block` where the first older block stands, and take others out; else into the body.

    Where one of the text's links can be seen without marks, no second one is put beside it. Without a `block` all are
    taken out. What somebody has typed into a block stays.
    """
    try:
        return _placed(data, block, text)
    except Unreadable:
        return []


def _placed(data: bytes, block: bytes, text: Text) -> list[Splice]:
    if not block:
        return settled(data, lambda html: _without(html, text) or _alone(html, text))
    links = html_text.places(data, text.links, text.charset)
    marks = _landmarks(data, links)
    if found := _blocks(data, marks, text):
        return settled(data, lambda html: _replaced(html, block, text), _put(data, found, block, text))
    if _is_shown(data, links, marks, text):
        return []
    at = _top(data, marks) if text.position == "top" else _bottom(data, marks)
    return [Splice(at, at, block + text.line_end)]


def history(data: bytes, text: Text) -> list[tuple[int, int]]:
    """What the HTML quotes; all of it where it has too much markup."""
    try:
        return html_text.history(data, _landmarks(data).noted, text.charset)
    except Unreadable:
        return [(0, len(data))]


def _replaced(data: bytes, block: bytes, text: Text) -> list[Splice]:
    found = _blocks(data, _landmarks(data), text) if _is_marked(data) else []
    return _put(data, found, block, text)


def _put(data: bytes, found: list[tuple[int, int]], block: bytes, text: Text) -> list[Splice]:
    """The block in place of those that were found; where the link is shown beside them, nothing in their place."""
    if _is_beside(data, found, text):
        return _cut(data, [each for each in found if not _is_another(data[slice(*each)], text)], text)
    new, out = _digests(block), []
    for number, (start, end) in enumerate(found):
        kept = _kept(data[start:end], new, text)
        below = text.line_end + _lines(kept.below, text).rstrip() if kept.below else b""
        out.append(Splice(start, end, _lines(kept.above, text) + (b"" if number else block) + below))
    return out


def _without(data: bytes, text: Text) -> list[Splice]:
    return _cut(data, _blocks(data, _landmarks(data), text), text) if _is_marked(data) else []


def _alone(data: bytes, text: Text) -> list[Splice]:
    """The first line that holds nothing but one of the links, with our heading above it; a line that a tag goes on
    from or into is left, and where the links stand in many places, all are.
    """
    links = html_text.places(data, text.links, text.charset)
    if not 0 < len(links) <= MAX_ALONE:
        return []
    for at in _seen(data, links, _landmarks(data, links), text):
        start, end = html_text.line_around(data, at)
        (line, *more) = html_text.cut(data[start:end], text.charset)
        if any(each.words.strip() for each in more) or not html_text.is_even(data[start:end]):
            continue
        linked = typed.is_only_link(line.plain, text.links, text.charset)
        if linked and html_text.PICTURE not in line.words:
            return [Splice(start, end, b""), *_heading(data, start, text)]
    return []


def _heading(data: bytes, at: int, text: Text) -> list[Splice]:
    """Our heading in the line before the one that begins here, with a `<br>` between them."""
    begin = data.rfind(b"<", 0, at)
    start, end = html_text.line_around(data, max(0, begin - 1))
    words = html_text.cut(data[start:end], text.charset)[0].words
    if end > at or not typed.is_own(words, typed.UNTOLD) or not html_text.is_even(data[start:end]):
        return []
    between = data[end:at].strip().lower()
    return [Splice(start, at if between in _BREAKS else end, b"")]


def _is_beside(data: bytes, found: list[tuple[int, int]], text: Text) -> bool:
    """Whether one of the links is shown, and none stands in one of the blocks: somebody has put it elsewhere."""
    link = relinking.anywhere(text.links, text.charset)
    if not found or link is None or any(link.search(data, *each) for each in found):
        return False
    links = html_text.places(data, text.links, text.charset)
    return bool(links) and _is_shown(data, links, _landmarks(data, links), text)


def _is_shown(data: bytes, links: list[int], marks: _Landmarks, text: Text) -> bool:
    return bool(_seen(data, links, marks, text))


def _seen(data: bytes, links: list[int], marks: _Landmarks, text: Text) -> list[int]:
    # At the bottom our own stands below the header of a quoted mail, if there is one.
    own = html_text.places(data, frozenset({text.link}), text.charset) if text.position == "bottom" else []
    return html_text.seen(data, links, marks.noted, text.charset, [each for each in own if each in links])


def _cut(data: bytes, found: list[tuple[int, int]], text: Text) -> list[Splice]:
    """The blocks, each with the line end after it."""
    out = []
    for start, end in found:
        kept = _kept(data[start:end], frozenset(), text)
        line_end = _LINE_END.match(data, end)
        out.append(
            Splice(start, line_end.end() if line_end else end, _lines([*kept.above, *kept.below], text))
        )
    return out


def _lines(lines: list[bytes], text: Text) -> bytes:
    return b"".join(b"<div>" + line.strip() + b"</div>" + text.line_end for line in lines if line.strip())


def _is_another(block: bytes, text: Text) -> bool:
    """Whether the block has a link of its own that is none of the text's."""
    known = _digests(block)
    return bool(typed.foreign(_cut_up(block, text), known, text.links, any_url=not known))


def _kept(block: bytes, new: frozenset[str], text: Text) -> Kept:
    """What somebody has typed into a block."""
    known, lines = _digests(block), _cut_up(block, text)
    if len(lines) > MAX_LINES:
        raise Unreadable("too much in a block")
    foreign = typed.foreign(lines, known, text.links, any_url=not known)
    return typed.kept(lines, new | (known or typed.UNTOLD), [*text.links, *foreign], text.charset)


def _cut_up(block: bytes, text: Text) -> list[Line]:
    shown = text_blocks.BEGIN_MARK.match(block)
    return html_text.cut(text_blocks.inside(block) if shown else block, text.charset, breaks=bool(shown))


def _digests(block: bytes) -> frozenset[str]:
    found = _DIGESTS.search(block)
    return text_blocks.digests(block) | (
        text_blocks.split(found[1].decode("ascii")) if found else frozenset()
    )


def _top(data: bytes, marks: _Landmarks) -> int:
    bom = 3 if data.startswith(b"\xef\xbb\xbf") else 0
    found = next((at for at in (marks.body_open, marks.head_end) if at is not None), marks.preamble_end)
    ends = _SHOWING_ENDS.match(data, found)
    return max(bom, ends.end() if ends else found)


def _bottom(data: bytes, marks: _Landmarks) -> int:
    found = next((at for at in (marks.body_close, marks.html_close) if at is not None), marks.limit)
    begins = _SHOWING_BEGINS.search(data, max(0, found - 200), found)
    return begins.start() if begins else found


def _is_marked(data: bytes) -> bool:
    """Whether anything looks like a mark of ours; quicker than to look for blocks."""
    return any(mark in data for mark in (_BEGIN_COMMENT, _ELEMENT, _TEXT_OPENING))


def _blocks(data: bytes, marks: _Landmarks, text: Text) -> list[tuple[int, int]]:
    """Blocks by comments, by the element where comments are gone, and blocks of plain text shown in HTML."""
    hidden = [(each.start, each.end) for each in marks.noted] if marks.texts else []
    shown = [each for each in marks.texts if not any(within(at, hidden) for at in (each[0], each[1] - 1))]
    out: list[tuple[int, int]] = []
    for start, end in sorted([*marks.comments, *marks.elements, *shown]):
        if not out or start >= out[-1][1]:
            out.append((start, end))
    if not out:
        return []
    if text_blocks.is_beyond(out):
        raise Unreadable("too much in blocks")
    return text_blocks.chosen(
        data, out, text.links, text.charset, lambda: html_text.history(data, marks.noted, text.charset)
    )


def _text_blocks(data: bytes) -> Iterator[tuple[int, int]]:
    """Where a DESCRIPTION with our block may be shown in the HTML."""
    for at, following in pairwise((*text_blocks.begins(data), len(data))):
        close = data.find(_TEXT_END, at, following)
        if close >= 0:
            yield at, close + len(_TEXT_END)


# --- the scan ------------------------------------------------------------------------------------------


def _landmarks(data: bytes, places: Iterable[int] = ()) -> _Landmarks:
    """`places`: others of which it must be known whether they stand in markup."""
    if data.count(b"<") > MAX_TAGS:
        raise Unreadable("too much markup")
    marks = _Landmarks(len(data), texts=list(_text_blocks(data)))
    marked = (at for start, end in marks.texts for at in (start, end - 1))
    begun: int | None = None
    divs: list[int] = []
    for number, token in enumerate(noted(data, (*places, *marked))):
        if number > MAX_NOTED:
            raise Unreadable("too much markup")
        marks.noted.append(token)
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


def _comment(data: bytes, token: Token, marks: _Landmarks, begun: int | None) -> int | None:
    """Note a block when its end mark is reached; returns where the open one began."""
    words = data[token.start + 4 : token.end - 3].strip() if token.end - token.start < 64 else b""
    if words == _BEGIN_COMMENT:
        return token.start
    if words == _END_COMMENT and begun is not None:
        marks.comments.append((begun, token.end))
        return None
    return begun


def _division(data: bytes, token: Token, marks: _Landmarks, divs: list[int]) -> None:
    """Follow the div of ours, and those in it, to its end; `divs` are the starts of the open ones."""
    if token.name == b"/div":
        if divs:
            start = divs.pop()
            if not divs:
                marks.elements.append((start, token.end))
    elif divs or _ELEMENT in data[token.start : token.end]:
        divs.append(token.start)


def _structure(token: Token, marks: _Landmarks) -> None:
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
