"""The block in plain text: a text/plain body, or the unescaped DESCRIPTION of an event.

What: the splices that put the block in place of an older one or at the top or bottom, and what somebody has typed into
an older one above and below it; or that take blocks out.

Not here: marks, and finding blocks by them (`text_blocks`), charsets and transfer encodings (`rewrite`), calendars
(`splice_calendar`).

Errors: none.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice

from mailhook.core import quoting, relinking, text_blocks, typed
from mailhook.core.splices import Position, Splice, settled
from mailhook.errors import Unreadable

_BOM = b"\xef\xbb\xbf"
_LOOKED_AT = 100
"""So many places where a link stands are looked at."""
MAX_ALONE = 20
"""Where a link stands without marks in more places, none is taken out."""
_QUOTED = re.compile(rb"^[ \t]*>.*", re.MULTILINE)
_LINE_ENDS = re.compile(rb"(\r?\n)(?:\r?\n)?")
_LINE_ENDS_BEFORE = re.compile(rb"(?:\r?\n)?(\r?\n)\Z")


@dataclass(frozen=True)
class Text:
    """What is written into. `links`: those of this meeting, also former ones, and those that were copied with it.

    `link`: the one that is written.
    """

    position: Position
    line_end: bytes
    links: frozenset[str] = frozenset()
    charset: str = "utf-8"
    link: str = ""


def place(data: bytes, block: bytes, text: Text) -> list[Splice]:
    """Put `block` where the first older block stands, and take others out; else at the top or bottom.

    Where one of the links stands without marks, because an editor has lost them, it is left, and no second one put
    beside it; others exchange former ones. Without a `block` all are taken out, with the empty lines that came with
    them, and where one of the links stands alone on its line, that and our heading above it. What somebody has typed
    into a block stays.
    """
    if text_blocks.is_too_much(data, text.links, text.charset):
        return []
    try:
        if not block:
            return settled(data, lambda each: _without(each, text) or _alone(each, text))
        if replaced := settled(data, lambda each: _replaced(each, block, text)):
            return replaced
    except Unreadable:
        return []
    if _is_shown(data, text):
        return []
    place = _at_top if text.position == "top" else _at_bottom
    return [place(data, block, text.line_end)]


def _is_shown(data: bytes, text: Text) -> bool:
    """Whether one of the links stands in the text, other than in what it quotes."""
    return bool(_seen(data, text))


def _seen(data: bytes, text: Text) -> list[int]:
    """Where one of the links stands in the text, other than in what it quotes.

    At the bottom our own stands below the header of a quoted mail, if there is one: it counts there too.
    """
    found = _places(data, text.links, text.charset)
    end = quoting.section(data, text.charset) if found else 0
    if text.position == "bottom" and end < len(data):
        found = (*(at for at in found if at < end), *_places(data, frozenset({text.link}), text.charset))
        end = len(data)
    return [at for at in found if at < end and not _is_quoted(data, at)]


def is_beside(data: bytes, found: Sequence[tuple[int, int]], text: Text) -> bool:
    """Whether one of the links is shown, and none stands in one of the blocks: somebody has put it elsewhere."""
    # Without a block, what finds the link need not be compiled: each meeting has its own.
    link = relinking.anywhere(text.links, text.charset) if found else None
    if link is not None and any(link.search(data, *each) for each in found):
        return False
    return _is_shown(data, text)


@lru_cache(maxsize=4)
def _places(data: bytes, links: frozenset[str], charset: str) -> tuple[int, ...]:
    """Where one of the links stands; asked several times of one text."""
    link = relinking.anywhere(links, charset) if relinking.is_mentioned(data, links) else None
    return tuple(match.start() for match in islice(link.finditer(data), _LOOKED_AT)) if link else ()


def _is_quoted(data: bytes, at: int) -> bool:
    return data[data.rfind(b"\n", 0, at) + 1 : at].lstrip().startswith(b">")


def history(data: bytes, charset: str) -> list[tuple[int, int]]:
    """The spans of what the text quotes, in order."""
    quoted = quoting.section(data, charset)
    return [*(each.span() for each in _QUOTED.finditer(data, 0, quoted)), (quoted, len(data))]


def _replaced(data: bytes, block: bytes, text: Text) -> list[Splice]:
    new, out = text_blocks.digests(block), []
    found = text_blocks.blocks(data, text.links, text.charset)
    if is_beside(data, found, text):
        return _without(data, text)
    for number, (start, end) in enumerate(found):
        kept = text_blocks.kept(data[start:end], new, text.links, text.charset)
        lines = [*kept.above, *([] if number else [block]), *kept.below]
        out.append(Splice(start, end, text.line_end.join(lines)))
    return out


def _without(data: bytes, text: Text) -> list[Splice]:
    out = []
    found = text_blocks.blocks(data, text.links, text.charset)
    if is_beside(data, found, text):
        # Those that bear another link lead to other meetings.
        found = [
            each for each in found if not text_blocks.is_another(data[slice(*each)], text.links, text.charset)
        ]
    for start, end in found:
        kept = text_blocks.kept(data[start:end], frozenset(), text.links, text.charset)
        lines = [*kept.above, *kept.below]
        whole = Splice(start, end, text.line_end.join(lines))
        out.append(whole if lines else _with_line_ends(data, start, end))
    return out


def _alone(data: bytes, text: Text) -> list[Splice]:
    """The first line that holds nothing but one of the links, with our heading above it."""
    seen = _seen(data, text)
    for at in seen if len(seen) <= MAX_ALONE else []:
        start, end = data.rfind(b"\n", 0, at) + 1, data.find(b"\n", at)
        end = len(data) if end < 0 else end
        end -= data[end - 1 : end] == b"\r"
        if typed.is_only_link(data[start:end], text.links, text.charset):
            above = data.rfind(b"\n", 0, max(0, start - 1)) + 1
            own = typed.is_own(typed.words(data[above:start], text.charset), typed.UNTOLD)
            return [_with_line_ends(data, above if own else start, end)]
    return []


def _with_line_ends(data: bytes, start: int, end: int) -> Splice:
    """The block, its line end, and the empty line that parts it from other text."""
    if not data[:start].strip(_BOM + b" \t\r\n"):
        after = _LINE_ENDS.match(data, end)
        return Splice(start, after.end() if after else end, b"")
    before = _LINE_ENDS_BEFORE.search(data, max(0, start - 4), start)
    after = _LINE_ENDS.match(data, end)
    if before is None or after is None:
        return Splice(before.start() if before else start, end, b"")
    empty_line = before[0].count(b"\n") > 1
    return Splice(before.start(1) if empty_line else start, after.end(1), b"")


def _at_top(data: bytes, block: bytes, line_end: bytes) -> Splice:
    start = len(_BOM) if data.startswith(_BOM) else 0
    rest = data[start:]
    if not rest.strip():
        after = b"" if not rest or rest.startswith(line_end) else line_end
    else:
        after = line_end if rest.startswith((b"\n", b"\r\n")) else line_end * 2
    return Splice(start, start, block + after)


def _at_bottom(data: bytes, block: bytes, line_end: bytes) -> Splice:
    after = line_end if data.endswith(b"\n") else b""
    before = b"" if not data or after else line_end
    if data.strip(_BOM + b" \t\r\n") and not data.endswith((b"\n\n", b"\n\r\n")):
        before += line_end
    return Splice(len(data), len(data), before + block + after)
