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
_NEAR = 1500
"""So many octets before and behind a link its line may begin and end."""
_DEEPEST = 20
"""So many tags in each other are kept; those further in are left out."""
PICTURE = "\ufffc"


def cut(data: bytes, charset: str, *, breaks: bool = False) -> list[Line]:
    """The lines that a reader sees; `breaks`: line ends are such, as in text that is shown as it is."""
    lines, at = _Lines(charset), 0
    for token in (*tokens(data), Token(b"/", len(data), len(data))):
        shown = data[at : token.start]
        for number, text in enumerate(shown.split(b"\n") if breaks else (shown,)):
            if number:
                lines.end()
            lines.add(text)
        at = token.end
        name = token.name.removeprefix(b"/")
        if name in _IN_LINE or name in _SHOWN:
            lines.mark(token.name, data[token.start : token.end])
        elif name not in _SILENT:
            lines.end()
    lines.end()
    return lines.out


def line_around(data: bytes, at: int) -> tuple[int, int]:
    """The span of the line that a reader sees there, without the tags that begin and end it; empty for a long one."""
    origin, far = max(0, data.find(b"<", at - _NEAR, at) if at > _NEAR else 0), at + _NEAR
    start, end = None if origin else 0, len(data) if far >= len(data) else None
    for token in tokens(data[origin:far]):
        name = token.name.removeprefix(b"/")
        if name in _IN_LINE or name in _SHOWN or name in _SILENT:
            continue
        if origin + token.start > at:
            end = origin + token.start
            break
        start = origin + token.end
    return (at, at) if start is None or end is None else (start, end)


def is_even(data: bytes) -> bool:
    """Whether each tag that opens in the line closes in it."""
    opened: list[bytes] = []
    for token in tokens(data):
        if token.name.startswith(b"/"):
            if not opened or opened.pop() != token.name[1:]:
                return False
        elif token.name in _IN_LINE and token.name not in {b"img", b"wbr"}:
            opened.append(token.name)
    return not opened


class _Lines:
    """Lines in the making. A tag that is open where one ends is closed there, and opened anew in the next one."""

    def __init__(self, charset: str) -> None:
        self.out: list[Line] = []
        self._charset = charset
        self._raw: list[bytes] = []
        self._plain: list[bytes] = []
        self._opened: list[tuple[bytes, bytes]] = []
        self._pictures = 0

    def add(self, text: bytes) -> None:
        self._raw.append(text)
        self._plain.append(text)

    def mark(self, name: bytes, tag: bytes) -> None:
        """A tag that ends no line; one that closes what is not open is left out."""
        bare = name.removeprefix(b"/")
        if bare in _SHOWN or bare == b"wbr":
            self._pictures += name in _SHOWN
            self._raw.append(tag)
        elif name == bare and len(self._opened) < _DEEPEST:
            self._opened.append((name, tag))
            self._raw.append(tag)
        elif name != bare and any(each == bare for each, _ in self._opened):
            while self._close() != bare:
                pass

    def _close(self) -> bytes:
        name, _ = self._opened.pop()
        self._raw.append(b"</" + name + b">")
        return name

    def end(self) -> None:
        opened = tuple(self._opened)
        while self._opened:
            self._close()
        plain = b"".join(self._plain)
        words = typed.words(plain, self._charset) + PICTURE * self._pictures
        self.out.append(Line(b"".join(self._raw) if words.strip() else b"", plain, words))
        self._opened, self._raw, self._plain = [*opened], [tag for _, tag in opened], []
        self._pictures = 0


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


def seen(
    data: bytes, found: Sequence[int], markup: Sequence[Token], charset: str, anywhere: Sequence[int] = ()
) -> list[int]:
    """Which of the places can be seen, or are where an anchor leads to, other than in what is quoted.

    `markup`: blockquotes, and whatever one of the places stands in. `anywhere`: those of them that also count below the
    header of a quoted mail.
    """
    if not found:
        return []
    unseen = [(each.start, each.end) for each in markup if each.name not in {b"a", b"area"}]
    quoted, quotations = history(data, markup, charset), _quotations(data, markup)
    return [
        at
        for at in found
        if not within(at, unseen) and not within(at, quotations if at in anywhere else quoted)
    ]
