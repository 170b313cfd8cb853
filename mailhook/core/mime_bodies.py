"""Transfer encodings of a part's body (RFC 2045 §6), read, written, and edited in place.

What: `decode`; whole bodies encoded again in base64 or quoted-printable; `QuotedPrintable`, which makes edits found
in the decoded text in the encoded one, so that all other encoded lines stay as they came.

Not here: charsets of text and what to write (`rewrite`).

Errors: `decode` raises Unreadable for encodings that are not MIME's, and for more lines than anyone writes; damaged
data is read as far as it goes.
"""

import re
from binascii import a2b_qp, unhexlify
from bisect import bisect_right
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

from mailhook.core import header_values
from mailhook.core.splices import Splice, apply
from mailhook.errors import Unreadable

# RFC 2045 §6.7: an encoded line has at most 76 characters, the "=" of a soft line break included.
MAX_ENCODED_LINE = 76
# Beyond this a line is no quoted-printable that a mail program wrote; such a body is encoded anew.
MAX_TOLERATED_LINE = 2000
# A body of more encoded lines would hold up all other mail for the time of its decoding.
MAX_ENCODED_LINES = 20_000

PIECE = 8 * 1024
"""Octets after which a piece of encoded lines ends with the line."""

# RFC 2045 §6.7 (3): blanks before a line end are none of the text; at the end of a body a line may have no line end.
_BLANK_ENDS = (b" \n", b"\t\n", b" \r", b"\t\r")
_TRAILING_BLANKS = re.compile(rb"(?<![ \t])[ \t]+(?=\r*(?:\n|\Z))")
_DAMAGE = re.compile(rb"=(?![0-9A-Fa-f]{2}|[ \t]*\r*(?:\n|\Z))")
_ESCAPES = re.compile(rb"(?:=[0-9A-Fa-f]{2})+")
_TOKEN = re.compile(rb"=[0-9A-Fa-f]{2}|.", re.DOTALL)
_PLAIN = frozenset((*range(33, 61), *range(62, 127), *b" \t"))
_RUN = re.compile(rb"[\t -<>-~]+|[\xc0-\xff][\x80-\xbf]{1,3}|.", re.DOTALL)
_UNKNOWN_ENCODINGS = frozenset({"x-uuencode", "uuencode", "x-uue", "binhex", "x-binhex40", "x-yencode"})


def line_end(data: bytes, default: bytes = b"\r\n") -> bytes:
    """The line end that `data` uses first."""
    at = data.find(b"\n")
    if at < 0:
        return default
    return b"\r\n" if data[at - 1 : at] == b"\r" else b"\n"


def is_identity(encoding: str) -> bool:
    """7bit, 8bit, binary, none, and what some senders write in their place."""
    return encoding not in {"base64", "quoted-printable"}


def decode(raw: bytes, encoding: str) -> bytes:
    if encoding == "base64":
        return header_values.base64_decoded(raw)
    if encoding == "quoted-printable":
        if raw.count(b"\n") > MAX_ENCODED_LINES:
            raise Unreadable("too many quoted-printable lines")
        return quoted_printable(raw).decoded()
    if encoding in _UNKNOWN_ENCODINGS:
        raise Unreadable("a transfer encoding that is not MIME's")
    return raw


def encode(data: bytes, encoding: str, like: bytes, default_line_end: bytes) -> bytes:
    """`data` encoded as a body of its own, in the manner of the body `like`."""
    if encoding == "base64":
        return _base64(data, like, line_end(like, default_line_end))
    if encoding == "quoted-printable":
        return _quoted(data, line_end(like, default_line_end), 0)[0]
    return data


def _base64(data: bytes, like: bytes, eol: bytes) -> bytes:
    """With the line length of `like` and its line end, or none, after the last line."""
    first = next((line for line in like.split(b"\n") if line.strip()), b"").strip()
    width = max(4, min(len(first), MAX_ENCODED_LINE) // 4 * 4) if b"\n" in like.strip() else MAX_ENCODED_LINE
    encoded = header_values.base64_encoded(data)
    lines = [encoded[at : at + width] for at in range(0, len(encoded), width)]
    tail = like[len(like.rstrip(b"\r\n")) :]
    return eol.join(lines) + tail


# --- quoted-printable ----------------------------------------------------------------------------------


class _Line(NamedTuple):
    """One encoded line: content without trailing blanks and soft break, and what it decodes to (RFC 2045 §6.7)."""

    start: int
    content_end: int
    decoded: bytes


class _Lines(NamedTuple):
    """Encoded lines that follow each other, and what they decode to."""

    start: int
    decoded: bytes
    decoded_start: int


@dataclass(frozen=True)
class QuotedPrintable:
    raw: bytes
    pieces: tuple[_Lines, ...]

    def decoded(self) -> bytes:
        return b"".join(piece.decoded for piece in self.pieces)

    def spliced(self, splices: list[Splice], default_line_end: bytes = b"\r\n") -> bytes:
        """The encoded body with the splices of the decoded one made."""
        if max(map(len, self.raw.split(b"\n"))) > MAX_TOLERATED_LINE:
            return encode(apply(self.decoded(), splices), "quoted-printable", self.raw, default_line_end)
        starts = [piece.decoded_start for piece in self.pieces]
        eol = line_end(self.raw, default_line_end)
        out: list[bytes] = []
        done = column = 0
        for splice in sorted(splices, key=lambda each: (each.start, each.end)):
            begin = max(done, self._offset(starts, splice.start))
            kept = self.raw[done:begin]
            column = len(kept) - kept.rfind(b"\n") - 1 if b"\n" in kept else column + len(kept)
            done = max(begin, self._offset(starts, splice.end))
            written = len(kept)
            kept, carried = _step_back(kept, column, splice.data or self.raw[done : done + 1])
            encoded, column = _quoted(carried + splice.data, eol, column - (written - len(kept)))
            joint = self._joint(done, column, eol)
            column = 0 if joint else column
            out += (kept, encoded, joint)
        return b"".join((*out, self.raw[done:]))

    def _offset(self, starts: list[int], decoded: int) -> int:
        piece = self.pieces[bisect_right(starts, decoded) - 1]
        wanted, start = decoded - piece.decoded_start, piece.start
        line = _line(self.raw, start)
        while wanted >= len(line.decoded) and self.raw[start : (after := _after(self.raw, start))].endswith(
            b"\n"
        ):
            wanted, start = wanted - len(line.decoded), after
            line = _line(self.raw, start)
        at = line.start
        while wanted and at < line.content_end:
            token = _TOKEN.match(self.raw, at, line.content_end)
            at += len(token[0]) if token else 1
            wanted -= 1
        return at

    def _joint(self, at: int, column: int, eol: bytes) -> bytes:
        """A soft line break, where what follows on this line would make it too long."""
        newline = self.raw.find(b"\n", at)
        rest = self.raw[at : len(self.raw) if newline < 0 else newline].rstrip(b" \t\r")
        return b"=" + eol if column and rest and column + len(rest) > MAX_ENCODED_LINE else b""


@lru_cache(maxsize=4)  # a part is decoded to be looked at, and again to be edited
def quoted_printable(raw: bytes) -> QuotedPrintable:
    """The body in pieces of whole lines, each decoded at once."""
    pieces: list[_Lines] = []
    start = decoded_start = 0
    while True:
        end = _after(raw, min(start + PIECE, len(raw)))
        piece = _Lines(start, _decoded(raw[start:end]), decoded_start)
        pieces.append(piece)
        decoded_start += len(piece.decoded)
        if end == len(raw):
            return QuotedPrintable(raw, tuple(pieces))
        start = end


def _after(raw: bytes, at: int) -> int:
    """The end of the line at `at`."""
    return raw.find(b"\n", at) + 1 or len(raw)


def _decoded(lines: bytes) -> bytes:
    """Whole lines. `a2b_qp` reads what is no escape in its own way, so that is escaped before."""
    if lines.endswith((b" ", b"\t")) or any(map(lines.__contains__, _BLANK_ENDS)):
        return a2b_qp(_TRAILING_BLANKS.sub(b"", _DAMAGE.sub(b"=3D", lines)))
    decoded = a2b_qp(lines)
    return decoded if _is_clean(lines, len(decoded)) else a2b_qp(_DAMAGE.sub(b"=3D", lines))


def _is_clean(lines: bytes, decoded: int) -> bool:
    """Each "=" begins an escape or ends a line: any other takes away less than two octets."""
    breaks, broken = lines.count(b"=\n"), lines.count(b"=\r\n")
    escapes = lines.count(b"=") - breaks - broken
    return lines.count(b"=\r") == broken and len(lines) - decoded == 2 * escapes + 2 * breaks + 3 * broken


def _line(raw: bytes, start: int) -> _Line:
    text = raw[start : _after(raw, start)]
    bare = text.rstrip(b"\r\n")
    content = bare.rstrip(b" \t")
    if content.endswith(b"="):
        content = content[:-1]
        return _Line(start, start + len(content), _unescaped(content))
    eol = text[len(bare) :]
    return _Line(start, start + len(content), _unescaped(content) + eol)


def _unescaped(content: bytes) -> bytes:
    return _ESCAPES.sub(lambda m: unhexlify(m[0].replace(b"=", b"")), content)


def _step_back(kept: bytes, column: int, following: bytes) -> tuple[bytes, bytes]:
    """Take the last token before an edit into it where the line is full, or the token needs escaping there."""
    last = kept[-3:] if _ESCAPES.fullmatch(kept[-3:]) else kept[-1:]
    at_line_end = following[:1] in (b"\r", b"\n", b"")
    full = column >= MAX_ENCODED_LINE and not at_line_end
    if last not in (b"", b"\n") and (full or last == b"=" or (at_line_end and last in (b" ", b"\t"))):
        return kept[: -len(last)], _unescaped(last)
    return kept, b""


def _quoted(data: bytes, eol: bytes, column: int) -> tuple[bytes, int]:
    """Quoted-printable for text, beginning in `column`; line ends other than `eol` are escaped. And the new column."""
    lines = data.split(eol)
    out: list[bytes] = []
    for number, line in enumerate(lines):
        if number:
            out.append(eol)
            column = 0
        end = len(line) - line.endswith((b" ", b"\t"))  # a blank before a line end would be lost
        pieces = [(token, token[0] in _PLAIN) for token in _RUN.findall(line[:end])]
        for token, plain in (*pieces, *([(line[end:], False)] if end < len(line) else [])):
            written, column = _broken(token, eol, column) if plain else _escaped(token, eol, column)
            out.append(written)
    return b"".join(out), column


def _broken(line: bytes, eol: bytes, column: int) -> tuple[bytes, int]:
    """A run without anything to encode, with soft breaks as they come out token by token; and the new column."""
    width = MAX_ENCODED_LINE - 1
    room = max(0, width - column)
    pieces = [line[:room], *(line[at : at + width] for at in range(room, len(line), width))]
    column = column + len(line) if len(pieces) == 1 else len(pieces[-1])
    return (b"=" + eol).join(pieces), column


def _escaped(octets: bytes, eol: bytes, column: int) -> tuple[bytes, int]:
    """One character, which is not parted; and the new column."""
    token = b"".join(b"=%02X" % octet for octet in octets)
    if column and column + len(token) > MAX_ENCODED_LINE - 1:
        return b"=" + eol + token, len(token)
    return token, column + len(token)
