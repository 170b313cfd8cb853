"""Values of single header fields: parameters, encoded words, addresses, dates.

What: tolerant, linear readers for what stands after a field's colon (RFC 2045 §5.1, 2047, 2231, 5322 §3.4).

Not here: finding the fields (`message`).

Errors: none; what cannot be understood is left as it stands, or left out.
"""

import binascii
import codecs
import email.utils
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import lru_cache
from itertools import islice
from urllib.parse import unquote_to_bytes

MAX_PARAMETERS = 1000
"""Of one field; further ones count as absent."""

_FOLD = re.compile(r"\r?\n")
_PARAMETER = re.compile(r';\s*([^\s=;"]+)\s*=\s*("(?:[^"\\]|\\.)*"|[^;]*)', re.DOTALL)
_QUOTED_PAIR = re.compile(r"\\(.)", re.DOTALL)
_SECTION = re.compile(r"([^*]+)(?:\*(\d{1,3}))?(\*?)\Z")
_ENCODED_WORD = re.compile(r"=\?([^?]*)\?([bBqQ])\?([^?]*)\?=")
_Q_ESCAPE = re.compile(rb"=([0-9A-Fa-f]{2})")
_ADDRESS_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|\\.|[()<>,;:]|[^"\\()<>,;:]+|.', re.DOTALL)
_CODEC_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:-]{0,39}")
_NOT_FOR_MAIL = frozenset(
    {"idna", "punycode", "undefined", "unicode-escape", "raw-unicode-escape", "mbcs", "oem"}
)


_STATEFUL = ("iso2022", "utf-7", "hz")
_ASCII = bytes(range(32, 127)).decode("ascii")


def unfolded(value: bytes) -> str:
    """Without line ends (RFC 5322 §2.2.3) and outer blanks; UTF-8, else Latin-1."""
    return _FOLD.sub("", as_text(value)).strip(" \t\r\n")


def as_text(data: bytes) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError:
        return data.decode("latin-1")


def codec(charset: str | None) -> str | None:
    """Python's name of a MIME charset, None if it is absent, unknown or no charset of mail."""
    if not charset or not _CODEC_NAME.fullmatch(charset):
        return None
    try:
        name = codecs.lookup(charset).name
        "a".encode(
            name
        )  # LookupError where the codec is none of text: hex, rot13, zlib …; "" would not try it
    except (LookupError, ValueError):
        return None
    return None if name.replace("_", "-") in _NOT_FOR_MAIL else name


@lru_cache(maxsize=64)
def is_over_ascii(name: str) -> bool:
    """Whether in the codec `name` ASCII octets stand for ASCII characters, outside of multi-byte ones."""
    try:
        return not name.startswith(_STATEFUL) and _ASCII.encode(name) == _ASCII.encode("ascii")
    except UnicodeError:
        return False


# --- parameters ----------------------------------------------------------------------------------------


def parameters(value: str) -> tuple[str, dict[str, str]]:
    """The bare value in lower case, and its parameters by lower-case name (RFC 2231 decoded)."""
    main, _, _ = value.partition(";")
    sections: dict[str, list[tuple[int, bool, str]]] = {}
    for match in islice(_PARAMETER.finditer(value, len(main)), MAX_PARAMETERS):
        section = _SECTION.match(match[1].lower())
        if section:
            number = int(section[2] or 0)
            entry = (number, bool(section[3]), _unquoted(match[2].strip()))
            sections.setdefault(section[1], []).append(entry)
    return main.strip().lower(), {name: _joined(parts) for name, parts in sections.items()}


def _unquoted(value: str) -> str:
    if len(value) >= 2 and value[0] == value[-1] == '"':
        return _QUOTED_PAIR.sub(r"\1", value[1:-1])
    return value


def _joined(sections: list[tuple[int, bool, str]]) -> str:
    if len({number for number, _, _ in sections}) < len(sections):
        return sections[0][2]
    ordered = sorted(sections)
    if not any(extended for _, extended, _ in ordered):
        return "".join(text for _, _, text in ordered)
    charset, quote, rest = ordered[0][2].partition("'")
    _, _, first = rest.partition("'")
    ordered[0] = (*ordered[0][:2], first if quote else charset)
    octets = b"".join(
        unquote_to_bytes(text) if extended else text.encode("utf-8", "replace")
        for _, extended, text in ordered
    )
    return octets.decode(codec(charset if quote else None) or "utf-8", "replace")


# --- encoded words -------------------------------------------------------------------------------------


def decoded_words(value: str) -> str:
    """Encoded words replaced by what they stand for; neighbours of one charset are joined before decoding.

    Some senders split a character between two words, and some leave out the blank between words.
    """
    pieces: list[tuple[str, bytes]] = []
    done = 0
    for match in _ENCODED_WORD.finditer(value):
        gap = value[done : match.start()]
        if gap and not (done and gap.isspace()):
            pieces.append(("utf-8", gap.encode("utf-8", "replace")))
        name = codec(match[1].partition("*")[0]) or "utf-8"
        octets = _word(match[2], match[3])
        if pieces and done and pieces[-1][0] == name:
            pieces[-1] = (name, pieces[-1][1] + octets)
        else:
            pieces.append((name, octets))
        done = match.end()
    pieces.append(("utf-8", value[done:].encode("utf-8", "replace")))
    return "".join(octets.decode(name, "replace") for name, octets in pieces)


def _word(encoding: str, text: str) -> bytes:
    octets = text.encode("utf-8", "replace")
    if encoding in "bB":
        return base64_decoded(octets)
    return _Q_ESCAPE.sub(lambda m: bytes((int(m[1], 16),)), octets.replace(b"_", b" "))


_BASE64 = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/="
_NOT_BASE64 = bytes(set(range(256)) - set(_BASE64))


def base64_decoded(data: bytes) -> bytes:
    """What RFC 2045 §6.8 base64 stands for; foreign characters are skipped, padding in the middle is allowed."""
    out: list[bytes] = []
    for group in data.translate(None, _NOT_BASE64).split(b"="):
        whole = group[:-1] if len(group) % 4 == 1 else group
        if whole:
            out.append(binascii.a2b_base64(whole + b"=" * (-len(whole) % 4)))
    return b"".join(out)


def base64_encoded(data: bytes) -> bytes:
    """In one line."""
    return binascii.b2a_base64(data, newline=False)


# --- addresses and dates -------------------------------------------------------------------------------


def addresses(value: str) -> tuple[str, ...]:
    """The addr-specs of an address list in lower case; display names, comments and groups' names are dropped."""
    found = []
    for mailbox in _mailboxes(value):
        open_, _, rest = mailbox.rpartition("<")
        spec = rest.partition(">")[0] if open_ or mailbox.startswith("<") else mailbox
        spec = spec.rpartition(":")[2].strip() if '"' not in spec else spec.strip()
        if "@" in spec and ('"' in spec or not re.search(r"\s", spec)):
            found.append(spec.lower())
    return tuple(found)


def _mailboxes(value: str) -> Iterator[str]:
    current: list[str] = []
    comment = 0
    angle = False
    for piece in _ADDRESS_TOKEN.findall(value):
        if piece in "()":
            comment = max(0, comment + (1 if piece == "(" else -1))
        elif comment:
            continue
        elif piece in ",;" or (piece == ":" and not angle):
            if angle and piece == ",":
                current.append(piece)
                continue
            yield "".join(current)
            current = []
            angle = False
        else:
            angle = piece == "<" or (angle and piece != ">")
            current.append(piece)
    yield "".join(current)


def date(value: str) -> datetime | None:
    """An RFC 5322 §3.3 date as an aware UTC time; without a zone it is taken as UTC."""
    try:
        parsed = email.utils.parsedate_to_datetime(value[:200])
        return parsed.replace(tzinfo=UTC) if parsed.tzinfo is None else parsed.astimezone(UTC)
    except (TypeError, ValueError, OverflowError, IndexError):
        return None
