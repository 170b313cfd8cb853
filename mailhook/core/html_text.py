"""What HTML shows: its lines, where a link stands in it, what it quotes.

Not here: finding markup (`html_scan`), blocks of ours (`splice_html`).

Errors: none.
"""

from collections.abc import Iterable, Sequence
from itertools import islice

from mailhook.core import quoting, relinking, typed
from mailhook.core.html_scan import Token, tokens
from mailhook.core.splices import within
from mailhook.core.typed import Line

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


def cut(data: bytes, charset: str, *, breaks: bool = False) -> list[Line]:
    """The lines that a reader sees; `breaks`: line ends are such, as in text that is shown as it is."""
    out: list[Line] = []
    raw, plain, opened, pictures, at = list[bytes](), list[bytes](), list[bytes](), 0, 0

    def end_line() -> None:
        nonlocal pictures
        bare = b"".join(plain)
        out.append(
            Line(bare if opened else b"".join(raw), bare, typed.words(bare, charset) + _PICTURE * pictures)
        )
        pictures = 0
        for each in (raw, plain, opened):
            each.clear()

    for token in (*tokens(data), Token(b"/", len(data), len(data))):
        shown = data[at : token.start]
        for number, line in enumerate(shown.split(b"\n") if breaks else (shown,)):
            if number:
                end_line()
            raw.append(line)
            plain.append(line)
        at = token.end
        name = token.name.removeprefix(b"/")
        if name in _SHOWN:
            pictures += 1
        if name in _IN_LINE or name in _SHOWN:
            raw.append(data[token.start : token.end])
            _open(opened, token)
        elif name not in _SILENT:
            end_line()
    end_line()
    return out


def _open(opened: list[bytes], token: Token) -> None:
    """Keep the tags that are open after this one; one that closes what is not open stays as something open."""
    if token.name in _SHOWN or token.name == b"wbr":
        return
    if opened and token.name == b"/" + opened[-1]:
        opened.pop()
    else:
        opened.append(token.name)


def history(data: bytes, markup: Iterable[Token], charset: str) -> list[tuple[int, int]]:
    """Spans of what the HTML quotes, in order; `markup`: its blockquotes, others do not matter."""
    quoted = quoting.section(data, charset)
    return [*(each for each in _quotations(data, markup) if each[0] < quoted), (quoted, len(data))]


def _quotations(data: bytes, markup: Iterable[Token]) -> list[tuple[int, int]]:
    out, begun = list[tuple[int, int]](), list[int]()
    for token in markup:
        if token.name == b"blockquote":
            begun.append(token.start)
        elif token.name == b"/blockquote" and begun:
            start = begun.pop()
            if not begun:
                out.append((start, token.end))
    return [*out, (begun[0], len(data))] if begun else out


def places(data: bytes, links: frozenset[str], charset: str) -> list[int]:
    """Where one of the links stands, in whatever: the first ones."""
    link = relinking.anywhere(links, charset) if relinking.is_mentioned(data, links) else None
    return [match.start() for match in islice(link.finditer(data), _LOOKED_AT)] if link else []


def is_shown(
    data: bytes, found: Iterable[int], markup: Sequence[Token], charset: str, anywhere: Iterable[int] = ()
) -> bool:
    """Whether one of the places can be seen, or is where an anchor leads to, other than in what is quoted.

    `markup`: blockquotes, and whatever one of the places stands in. `anywhere`: places that also count below the
    header of a quoted mail.
    """
    unseen = [(each.start, each.end) for each in markup if each.name not in {b"a", b"area"}]
    seen = {each: not within(each, unseen) for each in (*found, *anywhere)}
    quoted, quotations = history(data, markup, charset), _quotations(data, markup)
    return any(seen[at] and not within(at, quoted) for at in found) or any(
        seen[at] and not within(at, quotations) for at in anywhere
    )
