"""Content lines of iCalendar data (RFC 5545 §3.1), with their offsets.

What: `read` gives the components and lines of a calendar with the place of each in the bytes; `write` makes one
line; `unfold` and `fold_in` let an edit be made inside a line whose other bytes stay as they came.

Not here: values (dates, recurrence rules) and what they mean.

Errors: Unreadable where there is no calendar, its components are not closed or nested beyond the bounds. A line that
is no content line is kept with an empty name and never loses the calendar.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache, reduce
from itertools import groupby
from typing import NamedTuple

from mailhook.core.splices import Layer, Splice, layer
from mailhook.errors import Unreadable

# RFC 5545 §3.1: lines should not be longer than 75 octets, the line end excluded.
MAX_LINE = 75
MAX_DEPTH = 20
MAX_LINES = 50_000
MAX_VEVENTS = 500

_BLANKS = (b" ", b"\t")
_BORDERS = frozenset({"BEGIN", "END"})
_LINE_END = re.compile(rb"\n(?![ \t])")
_NAME = re.compile(r"[A-Za-z0-9_.-]+\Z")
_SEPARATOR = re.compile(r'[";:]')
_BYTE_SEPARATOR = re.compile(rb'[":]')
_HELD = "\ud800"
"""Stands for a backslash while others are taken off: nothing that was decoded holds half a character."""
_ESCAPES = (("\\\\", _HELD), ("\\n", "\n"), ("\\N", "\n"), ("\\,", ","), ("\\;", ";"), (_HELD, "\\"))
_TO_ESCAPE = re.compile(r"([\\;,])|\r?\n|[\x00-\x08\x0b-\x1f\x7f]")
_CONTROLS = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
_CARETS = {"^n": "\n", "^N": "\n", "^^": "^", "^'": '"'}
_CARET = re.compile(r"\^[nN^']")


class ContentLine(NamedTuple):
    """`name` and parameter names in upper case; `value` unfolded but not unescaped.

    Parameter values are without quotes, several joined by commas. `end` is after the last physical line's end.
    """

    name: str
    params: tuple[tuple[str, str], ...]
    value: str
    start: int
    end: int

    def param(self, name: str) -> str:
        """The first parameter of that (upper-case) name, or ""."""
        return next((value for key, value in self.params if key == name), "")


@dataclass(frozen=True)
class Component:
    """`lines` are its own properties, without BEGIN and END; `closing` is where its END line starts."""

    name: str
    lines: tuple[ContentLine, ...]
    children: tuple["Component", ...]
    start: int
    end: int
    closing: int

    @cached_property
    def by_name(self) -> Mapping[str, list[ContentLine]]:
        found: dict[str, list[ContentLine]] = {}
        for line in self.lines:
            found.setdefault(line.name, []).append(line)
        return found

    def first(self, name: str) -> ContentLine | None:
        return next(iter(self.by_name.get(name, ())), None)

    def value(self, name: str) -> str:
        """The first such property's text, unescaped and stripped, or ""."""
        line = self.first(name)
        return unescape_text(line.value).strip() if line else ""


_Head = tuple[str, tuple[tuple[str, str], ...]]
"""Name and parameters."""


@dataclass
class _Open:
    name: str
    start: int
    lines: list[ContentLine]
    children: list[Component]


@lru_cache(maxsize=2)
def read(data: bytes, charset: str = "utf-8") -> Component:
    """The first VCALENDAR in `data`; lines that are not in `charset` are read as Latin-1.

    The last ones are remembered, because one message is read for its meaning and for each edit.
    """
    stack: list[_Open] = []
    if data.count(b"\n") > MAX_LINES:
        raise Unreadable("too many lines in the calendar")
    if data.upper().count(b"BEGIN:VEVENT") > MAX_VEVENTS:
        raise Unreadable("too many VEVENTs in the calendar")
    for line in _lines(data, charset):
        if line.name not in _BORDERS:
            if stack:
                stack[-1].lines.append(line)
            continue
        name = line.value.strip().upper()
        if line.name == "BEGIN" and (stack or name == "VCALENDAR"):
            if len(stack) >= MAX_DEPTH:
                raise Unreadable("calendar components are nested too deeply")
            stack.append(_Open(name, line.start, [], []))
        elif line.name == "END" and stack:
            closed = _close(stack.pop(), name, line)
            if not stack:
                return closed
            stack[-1].children.append(closed)
    raise Unreadable("the calendar is not closed" if stack else "no calendar")


def _close(component: _Open, name: str, line: ContentLine) -> Component:
    if component.name != name:
        raise Unreadable("calendar components are not nested")
    return Component(
        name, tuple(component.lines), tuple(component.children), component.start, line.end, line.start
    )


def _lines(data: bytes, charset: str) -> Iterator[ContentLine]:
    start = 3 if data.startswith(b"\xef\xbb\xbf") else 0
    while start < len(data):
        end = _next(data, start)
        content = data[start:end].rstrip(b"\r\n")
        if data.startswith(_BLANKS, end):
            found = _LINE_END.search(data, end)
            end = found.end() if found else len(data)
            first, *further = data[start:end].split(b"\n")
            content = b"".join((first.rstrip(b"\r"), *(each[1:].rstrip(b"\r") for each in further)))
        if content:
            yield _parsed(_decoded(content, charset), start, end)
        start = end


def _next(data: bytes, at: int) -> int:
    newline = data.find(b"\n", at)
    return len(data) if newline < 0 else newline + 1


def unfold(data: bytes, start: int, end: int) -> Layer:
    """The line's octets without folds; origins are offsets in `data`."""
    pieces: list[tuple[bytes, int]] = []
    at = content_end = start
    while at < end:
        after = min(end, _next(data, at))
        first = at if at == start else at + 1
        piece = data[first:after].rstrip(b"\r\n")
        content_end = first + len(piece)
        pieces.append((piece, first))
        at = after
    return layer(pieces, content_end)


def _decoded(content: bytes, charset: str) -> str:
    try:
        return content.decode(charset)
    except UnicodeDecodeError:
        return content.decode("latin-1")


def _parsed(text: str, start: int, end: int) -> ContentLine:
    named, colon, value = text.partition(":")
    if '"' not in text:
        head = _plain_head(named) if colon else None
    else:
        pieces = _split(text, quotes=True) or _split(text, quotes=False)
        head = _head(pieces[:-1]) if pieces else None
        value = pieces[-1] if pieces else ""
    return ContentLine(*head, value, start, end) if head else ContentLine("", (), text, start, end)


@lru_cache(maxsize=256)
def _plain_head(named: str) -> _Head | None:
    """Without quotes. Remembered, because long calendars repeat a few heads."""
    return _head(named.split(";"))


def _head(pieces: list[str]) -> _Head | None:
    if not _NAME.match(pieces[0]):
        return None
    return pieces[0].upper(), tuple(_param(each) for each in pieces[1:])


def _split(text: str, *, quotes: bool) -> list[str]:
    """Name, parameters and value; nothing where no colon ends the parameters."""
    pieces: list[str] = []
    quoted = False
    done = 0
    for match in _SEPARATOR.finditer(text):
        if match[0] == '"':
            quoted = quotes and not quoted
        elif not quoted:
            pieces.append(text[done : match.start()])
            done = match.end()
            if match[0] == ":":
                return [*pieces, text[done:]]
    return []


def _param(text: str) -> tuple[str, str]:
    name, _, value = text.partition("=")
    return name.strip().upper(), _CARET.sub(lambda m: _CARETS[m[0]], value.replace('"', ""))


# --- text ----------------------------------------------------------------------------------------------


def escape_text(text: str) -> str:
    """RFC 5545 §3.3.11. Controls other than tab and line end are dropped: the grammar has no place for them."""
    return _TO_ESCAPE.sub(_escape, text)


def _escape(match: re.Match[str]) -> str:
    if match[1]:
        return "\\" + match[1]
    return "\\n" if "\n" in match[0] else ""


def unescape_text(value: str) -> str:
    """RFC 5545 §3.3.11; a backslash before anything else stays."""
    if "\\" not in value:
        return value
    return reduce(lambda text, each: text.replace(*each), _ESCAPES, value)


# --- writing -------------------------------------------------------------------------------------------


@lru_cache(maxsize=64)
def write(
    name: str,
    params: tuple[tuple[str, str], ...],
    value: str,
    line_end: bytes = b"\r\n",
    charset: str = "utf-8",
) -> bytes:
    """One content line, folded. `value` is already escaped where its type is TEXT; characters that the charset
    lacks become question marks. Values of one parameter in succession become its list.

    The last ones are remembered, because all events of a series get the same ones.
    """
    groups = groupby(params, key=lambda each: each[0])
    lists = (f";{key}={','.join(_quoted(text) for _, text in group)}" for key, group in groups)
    text = f"{''.join((name, *lists))}:{_CONTROLS.sub('', value)}"
    return fold(text.encode(charset, "replace"), line_end)[0] + line_end


def _quoted(value: str) -> str:
    """A parameter value: carets for what cannot stand in quotes (RFC 6868), quotes where they are needed."""
    lines = value.replace("^", "^^").replace('"', "^'").replace("\r\n", "\n").replace("\n", "^n")
    text = _CONTROLS.sub("", lines)
    return f'"{text}"' if re.search(r"[:;,]", text) else text


def fold(content: bytes, line_end: bytes, column: int = 0) -> tuple[bytes, int]:
    """Folded by octets, never inside a character; begins in `column`, returns the new column too."""
    out: list[bytes] = []
    at = 0
    while len(content) - at > max(0, MAX_LINE - column):
        cut = _cut(content, at, at + max(0, MAX_LINE - column))
        out += (content[at:cut], line_end, b" ")
        at, column = cut, 1
    out.append(content[at:])
    return b"".join(out), column + len(content) - at


def _cut(content: bytes, start: int, cut: int) -> int:
    """The last place not after `cut` that is between characters and not inside an escape."""
    for back in range(min(4, cut - start) + 1):
        if content[cut - back] & 0xC0 != 0x80:
            cut -= back
            break
    return cut - 1 if start < cut - 1 and content[cut - 1 : cut] == b"\\" else cut


def fold_in(data: bytes, line: Layer, splices: Iterable[Splice], line_end: bytes) -> list[Splice]:
    """Splices of an unfolded line as splices of `data`, so that no physical line they touch grows beyond 75 octets."""
    out: list[Splice] = []
    column = done = 0
    for splice in sorted(splices, key=lambda each: (each.start, each.end)):
        start, end = line.origin(splice.start), line.origin(splice.end)
        physical = data.rfind(b"\n", 0, start) + 1
        column = column + start - done if out and done >= physical else start - physical
        text, column = fold(splice.data, line_end, column)
        rest = len(data[end : _next(data, end)].rstrip(b"\r\n"))
        if rest and splice.data and column > 1 and column + rest > MAX_LINE:
            text, column = text + line_end + b" ", 1
        out.append(Splice(start, end, text))
        done = end
    return out


def value_start(content: bytes) -> int:
    """Where the value begins in an unfolded line; its length where it has none."""
    certain = _certain_start(content)
    if certain is not None:
        return certain
    plain = content.find(b":")
    return len(content) if plain < 0 else plain + 1


def is_broken(content: bytes) -> bool:
    """Whether the only colons of an unfolded line stand in quotes: one that is written behind them would end the
    parameters instead, and the value be another one.
    """
    return _certain_start(content) is None


def _certain_start(content: bytes) -> int | None:
    quoted = False
    for match in _BYTE_SEPARATOR.finditer(content):
        if match[0] == b'"':
            quoted = not quoted
        elif not quoted:
            return match.end()
    return None
