"""Where the parts of a message stand in its bytes (RFC 5322, RFC 2045, RFC 2046).

What: `read` finds headers and leaf parts with their offsets, so that others can read a part and replace spans of
it; nothing is ever rebuilt. Encrypted multiparts and enclosed messages are leaves: what is inside is not ours to read.
What a signature covers is read.

Not here: values of header fields (`header_values`), transfer encodings (`mime_bodies`), what must not change
(`sealing`), calendars.

Errors: `Unreadable` for a message beyond the bounds below. Everything else is read as mail programs read it: a
missing final boundary, bare line feeds, text before and after the parts.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from mailhook.core import header_values, mime_bodies
from mailhook.errors import Unreadable

MAX_DEPTH = 20
MAX_PARTS = 200
MAX_HEADER = 256 * 1024
MAX_DELIMITER_LOOKALIKES = 50_000

_FIELD_NAME = re.compile(rb"([!-9;-~]+)[ \t]*:")
_OPAQUE_MULTIPART = "multipart/encrypted"
_SEALED_TYPES = ("message/", "multipart/", "application/pkcs7", "application/x-pkcs7", "application/ms-tnef")
CALENDAR_TYPES = frozenset({"text/calendar", "application/ics"})


@dataclass(frozen=True)
class Header:
    """One field. `value` is what stands after the colon, folded, with its line end; `end` is after that."""

    name: str
    value: bytes
    start: int
    end: int


@dataclass(frozen=True)
class Part:
    """A leaf of the MIME tree; offsets are those of the message. `inside`: types of the multiparts around it."""

    headers: tuple[Header, ...]
    content_type: str
    params: Mapping[str, str]
    encoding: str
    charset: str | None
    filename: str | None
    header_start: int
    body_start: int
    body_end: int
    inside: tuple[str, ...]


@dataclass(frozen=True)
class Message:
    raw: bytes = field(repr=False)
    headers: tuple[Header, ...]
    parts: tuple[Part, ...]


def read(raw: bytes) -> Message:
    """Raises Unreadable: too deep, too many parts, too long a header."""
    parts: list[Part] = []
    headers, body_start = _headers(raw, _after_envelope_line(raw), len(raw))
    _Reader(raw, parts).entity(headers, 0, body_start, len(raw), ())
    return Message(raw, headers, tuple(parts))


def header(message: Message, name: str) -> str | None:
    """The first field of that name, unfolded and with encoded words decoded."""
    value = raw_header(message.headers, name)
    return None if value is None else header_values.decoded_words(header_values.unfolded(value))


def raw_header(headers: tuple[Header, ...], name: str) -> bytes | None:
    """The first field's value as it stands."""
    wanted = name.lower()
    return next((each.value for each in headers if each.name == wanted), None)


def body(message: Message, part: Part) -> bytes:
    """The part's octets without the transfer encoding. Raises Unreadable for an encoding that is not MIME's."""
    return mime_bodies.decode(message.raw[part.body_start : part.body_end], part.encoding)


def text(message: Message, part: Part) -> str:
    """The part's text; where the charset is absent, unknown or wrong: UTF-8, else Latin-1."""
    data = body(message, part)
    try:
        return data.decode(header_values.codec(part.charset) or "utf-8")
    except UnicodeDecodeError:
        return header_values.as_text(data)


def lines(message: Message, part: Part) -> tuple[bytes, str]:
    """The octets of a calendar, and their codec: UTF-8 in place of one whose octets cannot be read as lines.

    Raises Unreadable for an encoding that is not MIME's.
    """
    data, codec = body(message, part), header_values.codec(part.charset) or "utf-8"
    if header_values.is_over_ascii(codec):
        return data, codec
    try:
        return data.decode(codec).encode(), "utf-8"
    except UnicodeError:
        return data, "utf-8"


def disposition(part: Part) -> str:
    """`attachment`, `inline` or "" (RFC 2183)."""
    value = raw_header(part.headers, "content-disposition")
    return "" if value is None else header_values.parameters(header_values.unfolded(value))[0]


def may_hold_calendar(part: Part) -> bool:
    """A calendar by its type or by its file name."""
    if part.content_type in CALENDAR_TYPES:
        return True
    named = (part.filename or "").lower().endswith(".ics")
    return named and not part.content_type.startswith(_SEALED_TYPES)


def date(message: Message) -> datetime | None:
    """The Date field in UTC; None if it is absent or no date."""
    value = header(message, "date")
    return None if value is None else header_values.date(value)


def addresses(message: Message, name: str) -> tuple[str, ...]:
    """The addresses of the first field of that name, in lower case."""
    value = raw_header(message.headers, name)
    return () if value is None else header_values.addresses(header_values.unfolded(value))


# --- structure -----------------------------------------------------------------------------------------


@dataclass
class _Reader:
    raw: bytes
    parts: list[Part]
    entities: int = 0
    lookalikes: int = 0

    def entity(
        self, headers: tuple[Header, ...], start: int, body_start: int, end: int, inside: tuple[str, ...]
    ) -> None:
        self.entities += 1
        if self.entities > MAX_PARTS:
            raise Unreadable("too many parts")
        default = "message/rfc822" if inside[-1:] == ("multipart/digest",) else "text/plain"
        part = _part(headers, start, body_start, end, inside, default)
        spans = self._children(part)
        if not spans:
            self.parts.append(part)
            return
        if len(inside) >= MAX_DEPTH:
            raise Unreadable("parts are nested too deeply")
        for child, child_end in spans:
            child_headers, child_body = _headers(self.raw, child, child_end)
            self.entity(child_headers, child, child_body, child_end, (*inside, part.content_type))

    def _children(self, part: Part) -> list[tuple[int, int]]:
        boundary = part.params.get("boundary", "").rstrip()
        if not boundary or not part.content_type.startswith("multipart/"):
            return []
        if part.content_type == _OPAQUE_MULTIPART:
            return []
        spans: list[tuple[int, int]] = []
        child: int | None = None
        for line, after, closing in self._delimiters(part, _octets(boundary)):
            if child is not None:
                spans.append((child, max(child, _before_line_end(self.raw, line))))
            child = None if closing else after
            if closing or len(spans) > MAX_PARTS:
                break
        if child is not None:
            spans.append((child, part.body_end))
        return spans

    def _delimiters(self, part: Part, boundary: bytes) -> Iterator[tuple[int, int, bool]]:
        """Delimiter lines (RFC 2046 §5.1.1): start, start of the next line, whether it is the closing one."""
        raw, end = self.raw, part.body_end
        needle = b"--" + boundary
        at = part.body_start if raw.startswith(needle, part.body_start, end) else -1
        if at < 0:
            at = raw.find(b"\n" + needle, part.body_start, end) + 1
        while at > 0:
            line_end = raw.find(b"\n", at, end)
            after = end if line_end < 0 else line_end + 1
            tail = raw[at + len(needle) : after].strip(b" \t\r\n")
            if tail in (b"", b"--"):
                yield at, after, bool(tail)
            else:
                self.lookalikes += 1
                if self.lookalikes > MAX_DELIMITER_LOOKALIKES:
                    raise Unreadable("too many lines that look like boundaries")
            at = raw.find(b"\n" + needle, after - 1, end) + 1


def _part(
    headers: tuple[Header, ...], start: int, body_start: int, end: int, inside: tuple[str, ...], default: str
) -> Part:
    declared = raw_header(headers, "content-type")
    content_type, params = header_values.parameters(header_values.unfolded(declared or b""))
    encoding = header_values.unfolded(raw_header(headers, "content-transfer-encoding") or b"")
    return Part(
        headers=headers,
        content_type=content_type if "/" in content_type else default,
        params=params,
        encoding=_encoding(encoding),
        charset=params.get("charset", "").strip() or None,
        filename=_filename(headers, params),
        header_start=start,
        body_start=body_start,
        body_end=max(body_start, end),
        inside=inside,
    )


def _filename(headers: tuple[Header, ...], params: Mapping[str, str]) -> str | None:
    value = raw_header(headers, "content-disposition") or b""
    _, disposition_params = header_values.parameters(header_values.unfolded(value))
    name = disposition_params.get("filename") or params.get("name")
    return header_values.decoded_words(name) if name else None


def _headers(raw: bytes, start: int, end: int) -> tuple[tuple[Header, ...], int]:
    """Fields up to the empty line or the first line that is no field, and where the body begins."""
    headers: list[Header] = []
    at = start
    while at < end:
        after = _next_line(raw, at, end)
        if raw[at:after] in (b"\n", b"\r\n"):
            return tuple(headers), after
        name = _FIELD_NAME.match(raw, at, after)
        if not name:
            return tuple(headers), at
        while after < end and raw[after] in b" \t":
            after = _next_line(raw, after, end)
        if after - start > MAX_HEADER:
            raise Unreadable("header too long")
        headers.append(Header(name[1].decode("ascii").lower(), raw[name.end() : after], at, after))
        at = after
    return tuple(headers), end


def _after_envelope_line(raw: bytes) -> int:
    """An mbox `From ` line before the header is none of its fields."""
    return _next_line(raw, 0, len(raw)) if raw.startswith((b"From ", b">From ")) else 0


def _next_line(raw: bytes, at: int, end: int) -> int:
    line_end = raw.find(b"\n", at, end)
    return end if line_end < 0 else line_end + 1


def _before_line_end(raw: bytes, at: int) -> int:
    """The line end before a delimiter belongs to the delimiter."""
    return at - 2 if raw[at - 2 : at] == b"\r\n" else at - 1


def _octets(boundary: str) -> bytes:
    try:
        return boundary.encode("latin-1") if not boundary.isascii() else boundary.encode()
    except UnicodeEncodeError:
        return boundary.encode()


def _encoding(value: str) -> str:
    """The transfer encoding in lower case, also where a sender has put it in quotes, or parameters behind it."""
    words = value.partition(";")[0].partition("(")[0].replace('"', " ").lower().split()
    return "quoted-printable" if words[:2] == ["quoted", "printable"] else next(iter(words), "")
