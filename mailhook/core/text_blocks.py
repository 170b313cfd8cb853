"""Blocks of ours in plain text: their marks, finding them, and what stands in them.

What: the lines around a block are ASCII and the same in every language; they contain nothing that quoted-printable,
iCalendar escaping or HTML escaping would change. The first one also bears digests of the block's lines.

Not here: writing blocks (`splice_text`), charsets and transfer encodings (`rewrite`), calendars (`splice_calendar`).

Errors: Unreadable for a block of too many lines.
"""

import re
from collections.abc import Callable, Collection, Iterator, Sequence
from functools import lru_cache

from mailhook.core import quoting, relinking, typed
from mailhook.core.splices import within
from mailhook.core.typed import Kept, Line
from mailhook.errors import Unreadable

OPENING = "_______ Videomost "
BEGIN = "_______ Videomost _______"
"""Without digests of the block's lines, as it once was written."""
END = "_______ /Videomost ______"
_OPENING, _END = OPENING.encode("ascii"), END.encode("ascii")
BEGIN_MARK = re.compile(rb"_{7} Videomost (?:([a-z2-7]{4,48}) )?_{7}")
_MARK = re.compile(f"{BEGIN_MARK.pattern.decode('ascii')}|{END}")
MAX_BLOCKS = 20
"""A text with more of our marks was made to cost much; it is left alone."""
MAX_OCTETS = 16 * 1024
"""Of what stands in all blocks of one text; where more does, the text is left alone."""
MAX_LINES = 100
"""A block has no more; what is longer has lost its end mark."""
_QUOTED = re.compile(rb"[ \t]*>[> \t]*")
_IN_LINE = rb"a|b|i|u|s|em|strong|span|font|o:p"
_BREAK = re.compile(
    rb"\r?\n|</?(?:br|p|div|ul|ol|li|table|tbody|tr|td|th|html-blob)(?:\s[^<>]*)?/?>", re.IGNORECASE
)
_TAG = re.compile(rb"<(/?)(" + _IN_LINE + rb")(?:\s[^<>]*)?>", re.IGNORECASE)
_LINK = re.compile(rb"https?://\S+")


@lru_cache(maxsize=64)
def marked(text: str) -> str:
    """The block's lines between the marks; a mark inside the text (a topic may hold anything) is taken out.

    A line that could be a boundary of the message (RFC 2046 §5.1.1) is put off its beginning.
    """
    while _MARK.search(text):
        text = _MARK.sub("", text)
    lines = [f" {line}" if line.startswith("--") else line.rstrip() for line in text.splitlines()]
    known = "".join(typed.digests(each.words for each in cut("\n".join(lines).encode(), "utf-8")))
    return "\n".join((f"{OPENING}{known} _______" if known else BEGIN, *lines, END))


def held(text: str, charset: str) -> str:
    """The lines that the charset can hold: the link always is one, because it is ASCII."""
    try:
        text.encode(charset)
    except UnicodeEncodeError:
        return "\n".join(line for line in text.split("\n") if line.isascii())
    return text


def flowed(block: str) -> str:
    """Space-stuffed for format=flowed (RFC 3676 §4.4)."""
    return "\n".join(
        " " + line if line.startswith((" ", ">", "From ")) else line for line in block.split("\n")
    )


# --- finding -------------------------------------------------------------------------------------------


def blocks(data: bytes, links: Collection[str] = (), charset: str = "utf-8") -> list[tuple[int, int]]:
    """Spans of our blocks, marks included, that are no history. `links`: those of this meeting.

    A block in lines that begin with ">" is history, and so is one below the header of another mail that bears none of
    `links`. Where some block bears one, a block with another link is somebody's reference.
    """
    spans = list(_spans(data, links, charset))
    if not spans or is_beyond(spans):
        return []
    return chosen(data, spans, links, charset, lambda: [(quoting.section(data, charset), len(data))])


def is_too_much(data: bytes, links: Collection[str], charset: str) -> bool:
    """Whether the text is to be left alone, because it has more in blocks of ours than is looked at."""
    return data.count(_OPENING) > MAX_BLOCKS or is_beyond(list(_spans(data, links, charset)))


def is_beyond(spans: Collection[tuple[int, int]]) -> bool:
    return len(spans) > MAX_BLOCKS or sum(end - start for start, end in spans) > MAX_OCTETS


def begins(data: bytes) -> Iterator[int]:
    """Where begin marks stand, whatever they begin."""
    at = _begin(data, 0)
    while at:
        yield at.start()
        at = _begin(data, at.end())


def _begin(data: bytes, at: int) -> re.Match[bytes] | None:
    """The next begin mark; the pattern alone would try each of a million underscores."""
    found = data.find(_OPENING, at)
    while found >= 0:
        if mark := BEGIN_MARK.match(data, found):
            return mark
        found = data.find(_OPENING, found + len(_OPENING))
    return None


def chosen(
    data: bytes,
    spans: list[tuple[int, int]],
    links: Collection[str],
    charset: str,
    history: Callable[[], Sequence[tuple[int, int]]],
) -> list[tuple[int, int]]:
    """Those of the spans of blocks that are this meeting's, or were copied with the event.

    `history`: what is quoted, in order; it takes as long as all else, and mostly there is no need to know.
    """
    link = relinking.anywhere(frozenset(links), charset)
    own = {each for each in spans if link is not None and link.search(data, *each)}
    if len(own) == len(spans):
        return spans
    quoted = history()
    return [
        each
        for each in spans
        if each in own or not (within(each[0], quoted) or (own and _LINK.search(data, *each)))
    ]


def _spans(data: bytes, links: Collection[str], charset: str) -> Iterator[tuple[int, int]]:
    """A block whose end mark was lost (some phones truncate) ends with the line of its link, or before the first empty
    one below which stands none of its own: what follows may be the organizer's. In lines that begin with ">" there
    are none.
    """
    if not 0 < data.count(_OPENING) <= MAX_BLOCKS:
        return
    at = _begin(data, 0)
    while at:
        end = _block_end(data, at, relinking.anywhere(frozenset(links), charset), charset)
        if not _QUOTED.fullmatch(
            data, max(data.rfind(b"\n", 0, at.start()) + 1, at.start() - 80), at.start()
        ):
            yield at.start(), end
        at = _begin(data, end)


def _block_end(data: bytes, begin: re.Match[bytes], link: re.Pattern[bytes] | None, charset: str) -> int:
    inside = begin.end()
    following = data.find(_OPENING, inside)
    bound = len(data) if following < 0 else following
    end = data.find(_END, inside, bound)
    if end >= 0 and data.count(b"\n", inside, end) <= MAX_LINES:
        return end + len(_END)
    known, url = digests(begin[0]), -1
    for _ in range(MAX_LINES):
        newline = data.find(b"\n", inside, bound)
        end = bound if newline < 0 else newline
        line = data[inside:end].strip()
        if link is not None and link.search(line):
            return _after_end(data, end, bound)
        if url < 0 and line.startswith((b"https://", b"http://")):
            url = end
        ahead = data[end : min(end + MAX_OCTETS, bound)].lstrip().partition(b"\n")[0]
        goes_on = bool(line) or inside == begin.end() or _is_own(ahead, known, link, charset)
        if not goes_on or newline < 0:
            inside = inside if newline >= 0 else bound
            break
        inside = newline + 1
    return _without_line_end(data, inside) if url < 0 else _after_end(data, url, bound)


def _is_own(line: bytes, known: frozenset[str], link: re.Pattern[bytes] | None, charset: str) -> bool:
    return typed.is_own(typed.words(line, charset), known) or (link is not None and bool(link.search(line)))


def _after_end(data: bytes, newline: int, bound: int) -> int:
    """Where the line of the link ends, or the next one if that is the begin of an end mark that was cut off."""
    rest = data[newline + 1 : bound]
    if rest.strip() and _END.startswith(rest.rstrip()):
        return _without_line_end(data, bound)
    return _without_line_end(data, min(newline + 1, bound))


def _without_line_end(data: bytes, at: int) -> int:
    if data[at - 1 : at] != b"\n":
        return at
    return at - 2 if data[at - 2 : at] == b"\r\n" else at - 1


def is_cut_off(text: str) -> bool:
    """Whether the text ends inside a block of ours: some phones truncate."""
    return text.rfind(OPENING) > text.rfind(END)


# --- inside --------------------------------------------------------------------------------------------


def links(data: bytes) -> Iterator[str]:
    """URLs that stand alone on a line of a block of ours."""
    for start, end in blocks(data):
        for line in data[start:end].split(b"\n"):
            url = line.strip()
            if _LINK.fullmatch(url) and url.isascii():
                yield url.decode("ascii")


def older_links(data: bytes, links: Collection[str], charset: str) -> Iterator[str]:
    """The link of each block that bears none of `links`: it is another meeting's, or an earlier one."""
    for start, end in blocks(data, links, charset):
        own, block = relinking.anywhere(frozenset(links), charset), data[start:end]
        if own is None or not own.search(block):
            yield from _foreign(block, cut(inside(block), charset), links)


def digests(block: bytes) -> frozenset[str]:
    """Those that its begin mark bears."""
    begin = BEGIN_MARK.match(block)
    return split(begin[1].decode("ascii")) if begin and begin[1] else frozenset()


def split(known: str) -> frozenset[str]:
    return frozenset(known[at : at + 4] for at in range(0, len(known) - 3, 4))


def kept(block: bytes, new: frozenset[str], links: Collection[str], charset: str) -> Kept:
    """What somebody has typed into a block. `new`: digests of the one that comes in its place.

    Raises Unreadable for more than MAX_LINES.
    """
    lines = cut(inside(block), charset)
    if len(lines) > MAX_LINES:
        raise Unreadable("too much in a block")
    return typed.kept(
        lines, new | (digests(block) or typed.UNTOLD), [*links, *_foreign(block, lines, links)], charset
    )


def is_another(block: bytes, links: Collection[str], charset: str) -> bool:
    """Whether the block has a link of its own that is none of `links`."""
    return bool(_foreign(block, cut(inside(block), charset), links))


def _foreign(block: bytes, lines: list[Line], links: Collection[str]) -> list[str]:
    known = digests(block)
    return typed.foreign(lines, known, links, any_url=not known or not block.endswith(_END))


def inside(block: bytes) -> bytes:
    """What stands between the marks, of which the last one may be cut off."""
    begin = BEGIN_MARK.match(block)
    text = block[begin.end() if begin else 0 :]
    above, newline, last = text.rpartition(b"\n")
    cut_off = not text.endswith(_END) and last.strip() and _END.startswith(last.strip())
    return above + newline if cut_off else text.removesuffix(_END)


def cut(text: bytes, charset: str) -> list[Line]:
    """Lines of a text, which may have the markup that Google's and other calendars put into it."""
    out = []
    for raw in _BREAK.split(text):
        plain = _TAG.sub(b"", raw)
        out.append(Line(raw if is_balanced(raw) else plain, plain, typed.words(plain, charset)))
    return out


def is_balanced(raw: bytes) -> bool:
    """Whether every tag that opens in the line closes in it."""
    opened: list[bytes] = []
    for tag in _TAG.finditer(raw):
        if not tag[1]:
            opened.append(tag[2].lower())
        elif not opened or opened.pop() != tag[2].lower():
            return False
    return not opened
