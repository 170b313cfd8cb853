"""Edits of one part's text, made in the message's bytes.

What: a part is prepared as decoded bytes in a charset that can hold what will be written; the edits found in those
bytes become splices of the message, through the part's transfer encoding. Charset and transfer encoding change only
where the part could not hold the text otherwise, and then its header fields follow.

Not here: what is written and where (`splice_text`, `splice_html`, `splice_calendar`).

Errors: Unreadable for a part whose transfer encoding is not MIME's.
"""

import re
from dataclasses import dataclass

from mailhook.core import header_values, message, mime_bodies, sealing
from mailhook.core.message import Header, Message, Part
from mailhook.core.splices import Splice, apply, effective, shifted

# Charsets in which every ASCII octet stands for itself, wherever it is, by the beginning of Python's name for them.
_TRANSPARENT = ("utf-8", "ascii", "iso8859", "cp125", "koi8", "cp866", "mac-")

_META_CHARSET = re.compile(r"(<meta\b[^>]{0,300}?charset\s*=\s*[\"']?)[\w.:-]+", re.IGNORECASE)
# Where HTML says its charset itself: in the first KiB (HTML 4.2.5.4); a BOM and a preamble stand before.
_META_PLACE = 2048
_CHARSET_PARAM = re.compile(rb'(;\s*charset\s*=\s*)("[^"]*"|[^\s;()]+)', re.IGNORECASE)


@dataclass(frozen=True)
class Prepared:
    """`data` is the part's text in the codec `charset`.

    `relabelled`: that is not the charset that the part declares. `transcoded`: nor are these its bytes.
    """

    part: Part
    data: bytes
    charset: str
    relabelled: bool = False
    transcoded: bool = False


# No invitation has more text or calendar than this in one part; the work for one mail stays bounded.
MAX_EDITED = 1024 * 1024


def editable(whole: Message, part: Part) -> bool:
    """Whether the part is of a sane size, not sealed, and an empty line separates its header from its body.

    Without that line, what is written into the body could be read as header.
    """
    header_end = part.headers[-1].end if part.headers else part.header_start
    sane = header_end < part.body_start and part.body_end - part.body_start <= MAX_EDITED
    return sane and not sealing.seal(whole, part)


def prepare_text(whole: Message, part: Part, inserted: str) -> Prepared | None:
    """Plain text or a calendar, able to hold `inserted`; None where its own charset does not fit its bytes.

    Octets of no known charset stay for the reader's program to guess at: to them only ASCII is added.
    """
    data = message.body(whole, part)
    declared = header_values.codec(part.charset)
    if declared in (None, "ascii"):
        return Prepared(part, data, "utf-8" if data.isascii() or _is_utf8(data) else "ascii")
    if declared and declared.startswith(_TRANSPARENT) and _holds(declared, inserted):
        return Prepared(part, data, declared)
    try:
        return _in_utf8(part, data, declared or "utf-8")
    except UnicodeError:
        return None


def _in_utf8(part: Part, data: bytes, charset: str) -> Prepared:
    new = data.decode(charset).encode()
    return Prepared(part, new, "utf-8", relabelled=True, transcoded=new != data)


def prepare_html(whole: Message, part: Part, *, eight_bit: bool) -> Prepared | None:
    """HTML; what its charset cannot hold is written as character references.

    Only a charset in which markup cannot be found by its octets becomes UTF-8, in the HTML's own words too.
    """
    data = message.body(whole, part)
    declared = header_values.codec(part.charset) or "ascii"
    if not header_values.is_over_ascii(declared):
        return _html_in_utf8(part, data, declared)
    plain = not declared.startswith(_TRANSPARENT) or _is_seven_bit(whole, part, eight_bit)
    return Prepared(part, data, "ascii" if plain else declared)


def _html_in_utf8(part: Part, data: bytes, charset: str) -> Prepared | None:
    try:
        html = data.decode(charset)
    except UnicodeError:
        return None
    head = _META_CHARSET.sub(r"\1utf-8", html[:_META_PLACE])
    return Prepared(part, (head + html[_META_PLACE:]).encode(), "utf-8", relabelled=True, transcoded=True)


def splices(whole: Message, prepared: Prepared, edits: list[Splice], *, eight_bit: bool) -> list[Splice]:
    """The edits of `prepared.data` as splices of the message, header fields of the part included."""
    edits = effective(prepared.data, edits)
    if not edits:
        return []
    part, data = prepared.part, prepared.data
    introduces = any(not each.data.isascii() for each in edits)
    encoding = part.encoding
    eight = introduces or (prepared.transcoded and not data.isascii())
    if eight and _is_seven_bit(whole, part, eight_bit):
        encoding = "quoted-printable"
    body = _body(whole, prepared, edits, encoding)
    out = [*body, *_content_length(part, body)]
    if encoding != part.encoding:
        out += _field(whole, part, "Content-Transfer-Encoding", b" quoted-printable")
    if prepared.relabelled or (introduces and header_values.codec(part.charset) in (None, "ascii")):
        out += _charset(whole, part)
    return out


def _body(whole: Message, prepared: Prepared, edits: list[Splice], encoding: str) -> list[Splice]:
    part = prepared.part
    raw = whole.raw[part.body_start : part.body_end]
    if mime_bodies.is_identity(encoding) and not prepared.transcoded:
        return shifted(edits, part.body_start)
    default = mime_bodies.line_end(whole.raw[: part.body_start])
    if encoding == part.encoding == "quoted-printable" and not prepared.transcoded:
        new = mime_bodies.quoted_printable(raw).spliced(edits, default)
    else:
        new = mime_bodies.encode(apply(prepared.data, edits), encoding, raw, default)
    return [_tightened(whole.raw, Splice(part.body_start, part.body_end, new))]


def _tightened(raw: bytes, splice: Splice) -> Splice:
    """Without the lines at both ends that are the same in both."""
    old, new = raw[splice.start : splice.end], splice.data
    head = _common(old, new)
    tail = _common(old[head:][::-1], new[head:][::-1])
    return Splice(splice.start + head, splice.end - tail, new[head : len(new) - tail])


def _common(one: bytes, other: bytes) -> int:
    """How many octets at the start are the same."""
    low, high = 0, min(len(one), len(other))
    while low < high:
        middle = (low + high + 1) // 2
        if one[low:middle] == other[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low


def _is_seven_bit(whole: Message, part: Part, eight_bit: bool) -> bool:
    """Unencoded, without an octet above 127, and not to get one (RFC 6152)."""
    came = whole.raw[part.body_start : part.body_end]
    if not mime_bodies.is_identity(part.encoding) or not came.isascii():
        return False
    return not (eight_bit and part.encoding in {"8bit", "binary"})


def _is_utf8(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


def _holds(charset: str, text: str) -> bool:
    try:
        text.encode(charset)
    except UnicodeEncodeError:
        return False
    return True


# --- header fields -------------------------------------------------------------------------------------


def _find(part: Part, name: str) -> Header | None:
    return next((each for each in part.headers if each.name == name), None)


def _field(whole: Message, part: Part, name: str, value: bytes) -> list[Splice]:
    """The field with that value; added at the end of the part's header if absent."""
    found = _find(part, name.lower())
    if found:
        content = found.value.rstrip(b"\r\n")
        start = found.end - len(found.value)
        return [Splice(start, start + len(content), value)]
    at = part.headers[-1].end if part.headers else part.header_start
    eol = mime_bodies.line_end(whole.raw[part.header_start : part.body_start])
    return [Splice(at, at, name.encode("ascii") + b":" + value + eol)]


def _charset(whole: Message, part: Part) -> list[Splice]:
    """charset=utf-8 in the part's Content-Type (not on application types: they have no such default to correct)."""
    found = _find(part, "content-type")
    if not found:
        return _field(whole, part, "Content-Type", b" text/plain; charset=utf-8")
    start = found.end - len(found.value)
    param = _CHARSET_PARAM.search(found.value)
    if param:
        quoted = b'"utf-8"' if param[2].startswith(b'"') else b"utf-8"
        return [Splice(start + param.start(2), start + param.end(2), quoted)]
    if not part.content_type.startswith("text/"):
        return []
    at = start + len(found.value.rstrip(b"; \t\r\n"))
    return [Splice(at, start + len(found.value.rstrip()), b"; charset=utf-8")]


def _content_length(part: Part, body: list[Splice]) -> list[Splice]:
    """Corrected by the difference: what exactly a sender counts differs by its line ends."""
    found = _find(part, "content-length")
    digits = re.fullmatch(rb"\s*(\d{1,12})\s*", found.value) if found else None
    if not found or not digits:
        return []
    grown = sum(len(each.data) - (each.end - each.start) for each in body)
    start = found.end - len(found.value)
    new = b"%d" % max(0, int(digits[1]) + grown)
    return [Splice(start + digits.start(1), start + digits.end(1), new)]
