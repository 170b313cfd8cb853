"""The block in plain text: a text/plain body, or the unescaped DESCRIPTION of an event.

What: the marks around our block, finding blocks by them, and the splices that put the block in place of an older one
or at the top or bottom. The marks are ASCII and the same in every language; they contain nothing that
quoted-printable, iCalendar escaping or HTML escaping would change.

Not here: charsets and transfer encodings (`rewrite`), calendars (`splice_calendar`).

Errors: none.
"""

import re
from collections.abc import Iterable, Iterator

from mailhook.core.splices import Position, Splice, settled

BEGIN = "_______ Videomost _______"
END = "_______ /Videomost ______"
_BEGIN, _END = BEGIN.encode("ascii"), END.encode("ascii")
MAX_BLOCKS = 100
"""A text with more of our marks was made to cost much; it is left alone."""
_BOM = b"\xef\xbb\xbf"
_QUOTED = re.compile(rb"[ \t]*>[> \t]*")
_LINE_ENDS = re.compile(rb"(\r?\n)(?:\r?\n)?")
_LINE_ENDS_BEFORE = re.compile(rb"(?:\r?\n)?(\r?\n)\Z")


def marked(text: str) -> str:
    """The block's lines between the marks; a mark inside the text (a topic may hold anything) is taken out.

    A line that could be a boundary of the message (RFC 2046 §5.1.1) is put off its beginning.
    """
    while BEGIN in text or END in text:
        text = text.replace(BEGIN, "").replace(END, "")
    lines = (f" {line}" if line.startswith("--") else line.rstrip() for line in text.splitlines())
    return "\n".join((BEGIN, *lines, END))


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


def place(
    data: bytes, block: bytes, position: Position, line_end: bytes, older: Iterable[bytes] = ()
) -> list[Splice]:
    """Put `block` where the first older block stands, and take others out; else at the top or bottom.

    Where an editor has lost the marks, links that stand alone on their lines are left: ours, or one of `older`, which
    others exchange. Without a `block` all are taken out, with the empty lines that came with them.
    """
    if data.count(_BEGIN) > MAX_BLOCKS:
        return []
    if not block:
        return settled(data, _without)
    if next(blocks(data), None):
        return settled(data, lambda text: _replaced(text, block))
    if _stand_alone(data, [url.encode("ascii") for url in links(block)]) or any(
        _stand_alone(data, [url]) for url in older
    ):
        return []
    return [_at_top(data, block, line_end) if position == "top" else _at_bottom(data, block, line_end)]


def _stand_alone(data: bytes, urls: list[bytes]) -> bool:
    """Whether there are such links, and each has a line of its own."""
    lines = {line.strip() for line in data.split(b"\n")} if any(url in data for url in urls) else set()
    return bool(urls) and lines.issuperset(urls)


def _replaced(data: bytes, block: bytes) -> list[Splice]:
    return [Splice(*each, b"" if number else block) for number, each in enumerate(blocks(data))]


def _without(data: bytes) -> list[Splice]:
    return [_with_line_ends(data, *each) for each in blocks(data)]


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


def blocks(data: bytes) -> Iterator[tuple[int, int]]:
    """Spans of our blocks, marks included; blocks in quoted text ("> ") are history and left out.

    A block whose end mark was lost (some phones truncate) ends with the line of its link, or before the first empty
    one: what follows may be the organizer's.
    """
    at = data.find(_BEGIN)
    if data.count(_BEGIN) > MAX_BLOCKS:
        return
    while at >= 0:
        end = _block_end(data, at)
        if not _QUOTED.fullmatch(data, max(data.rfind(b"\n", 0, at) + 1, at - 80), at):
            yield at, end
        at = data.find(_BEGIN, end)


def links(data: bytes) -> Iterator[str]:
    """URLs that stand alone on a line of a block of ours."""
    for start, end in blocks(data):
        for line in data[start:end].split(b"\n"):
            url = line.strip()
            if url.startswith((b"https://", b"http://")) and url.isascii() and b" " not in url:
                yield url.decode("ascii")


def is_cut_off(text: str) -> bool:
    """Whether the text ends inside a block of ours: some phones truncate."""
    return text.rfind(BEGIN) > text.rfind(END)


def _block_end(data: bytes, begin: int) -> int:
    inside = begin + len(_BEGIN)
    following = data.find(_BEGIN, inside)
    end = data.find(_END, inside, len(data) if following < 0 else following)
    if end >= 0:
        return end + len(_END)
    bound = len(data) if following < 0 else following
    while inside < bound:
        newline = data.find(b"\n", inside, bound)
        if newline < 0:
            break
        line = data[inside:newline].strip()
        if line.startswith((b"https://", b"http://")):
            return _after_end(data, newline, bound)
        if not line and inside > begin + len(_BEGIN):
            return _without_line_end(data, inside)
        inside = newline + 1
    return _without_line_end(data, bound)


def _after_end(data: bytes, newline: int, bound: int) -> int:
    """Where the line of the link ends, or the next one if that is the begin of an end mark that was cut off."""
    rest = data[newline + 1 : bound]
    if rest.strip() and _END.startswith(rest.rstrip()):
        return _without_line_end(data, bound)
    return _without_line_end(data, newline + 1)


def _without_line_end(data: bytes, at: int) -> int:
    if data[at - 1 : at] != b"\n":
        return at
    return at - 2 if data[at - 2 : at] == b"\r\n" else at - 1


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
