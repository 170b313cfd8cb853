"""What HTML shows: its lines, where a link stands in it, what it quotes.

Not here: finding markup (`html_scan`), blocks of ours (`splice_html`).

Errors: Unreadable beyond MAX_MARKUP.
"""

from collections.abc import Iterator
from itertools import islice

from mailhook.core import quoting, relinking, typed
from mailhook.core.html_scan import Token, tokens
from mailhook.core.splices import within
from mailhook.core.typed import Line
from mailhook.errors import Unreadable

MAX_MARKUP = 20_000
"""Tags and comments of HTML that somebody wrote."""

_IN_LINE = frozenset(
    {
        *(b"a", b"abbr", b"acronym", b"b", b"bdi", b"bdo", b"big", b"cite", b"code", b"del", b"em", b"font"),
        *(b"i", b"img", b"ins", b"kbd", b"label", b"mark", b"o:p", b"q", b"s", b"samp", b"small", b"span"),
        *(b"strike", b"strong", b"sub", b"sup", b"time", b"tt", b"u", b"var", b"wbr"),
    }
)
_SHOWN = frozenset({b"img", b"video", b"audio", b"object", b"embed", b"svg", b"math", b"input"})
_SILENT = frozenset({b"", b"!", b"!--", b"style", b"script", b"title", b"meta", b"link"})
_LOOKED_AT = 100
"""So many places where a link stands are looked at."""
_PICTURE = "\ufffc"


def markup(data: bytes) -> Iterator[Token]:
    for number, token in enumerate(tokens(data, everything=True)):
        if number > MAX_MARKUP:
            raise Unreadable("too much markup")
        yield token


def cut(data: bytes, charset: str, *, breaks: bool = False) -> list[Line]:
    """The lines that a reader sees; `breaks`: line ends are such, as in text that is shown as it is."""
    out: list[Line] = []
    raw, plain, opened, pictures, at = b"", b"", list[bytes](), 0, 0

    def end_line() -> None:
        nonlocal raw, plain, opened, pictures
        text = typed.words(plain, charset) + _PICTURE * pictures
        out.append(Line(plain if opened else raw, plain, text))
        raw, plain, opened, pictures = b"", b"", [], 0

    for token in (*markup(data), Token(b"/", len(data), len(data))):
        first, *more = data[at : token.start].split(b"\n") if breaks else [data[at : token.start]]
        raw, plain = raw + first, plain + first
        for line in more:
            end_line()
            raw, plain = line, line
        at = token.end
        name = token.name.removeprefix(b"/")
        if name in _SHOWN:
            pictures += 1
        if name in _IN_LINE or name in _SHOWN:
            raw += data[token.start : token.end]
            opened = _open(opened, token)
        elif name not in _SILENT:
            end_line()
    end_line()
    return out


def _open(opened: list[bytes], token: Token) -> list[bytes]:
    """The tags that are open after this one; one that closes what is not open stays as something open."""
    if token.name in _SHOWN or token.name == b"wbr":
        return opened
    if opened and token.name == b"/" + opened[-1]:
        return opened[:-1]
    return [*opened, token.name]


def history(data: bytes, charset: str) -> list[tuple[int, int]]:
    """Spans of what the HTML quotes, in order."""
    quoted, out, begun = quoting.section(data, charset), list[tuple[int, int]](), list[int]()
    for token in markup(data):
        if token.name == b"blockquote":
            begun.append(token.start)
        elif token.name == b"/blockquote" and begun:
            start = begun.pop()
            if not begun:
                out.append((start, token.end))
    out += [(begun[0], len(data))] if begun else []
    return [*(each for each in out if each[0] < quoted), (quoted, len(data))]


def is_shown(data: bytes, links: frozenset[str], charset: str) -> bool:
    """Whether one of the links stands in the text or leads there from it, other than in what is quoted."""
    link = relinking.anywhere(links, charset) if relinking.is_mentioned(data, links) else None
    found = [match.start() for match in islice(link.finditer(data), _LOOKED_AT)] if link else []
    if not found:
        return False
    quoted = history(data, charset)
    unseen = [(each.start, each.end) for each in markup(data) if each.name not in {b"a", b"area"}]
    return any(not within(at, quoted) and not within(at, unseen) for at in found)
