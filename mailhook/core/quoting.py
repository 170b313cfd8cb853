"""Where a text quotes another mail without a ">" before its lines.

What: `section` is where what a mail program put below its own words begins: after a line such as
"-----Original Message-----", or a header of From, Sent and Subject, as Outlook writes it. What stands from there on is
history: others have written it, perhaps of other meetings.

Not here: lines that begin with ">" (`text_blocks`), `<blockquote>` (`splice_html`).

Errors: none.
"""

import re
from collections.abc import Iterator
from functools import lru_cache
from html.entities import codepoint2name
from typing import NamedTuple

_TITLES = (
    *("Original Message", "Original Appointment", "Forwarded Message", "Forwarded message", "Forwarded by"),
    *("Исходное сообщение", "Исходная встреча", "Пересылаемое сообщение", "Пересланное сообщение"),
    *("Перенаправленное сообщение", "Конец пересылаемого сообщения"),
    *("Ursprüngliche Nachricht", "Weitergeleitete Nachricht", "Ursprünglicher Termin"),
    *("Message d'origine", "Message transféré", "Mensaje original", "Messaggio originale"),
)
_ALONE = (
    "Begin forwarded message:",
    "Начало переадресованного сообщения:",
    "Начало переадресованного письма:",
)
_FROM = ("From", "От", "От кого", "Отправитель", "Von", "De", "Da")
_WHEN = ("Sent", "Date", "Отправлено", "Дата", "Gesendet", "Datum", "Envoyé", "Enviado", "Inviato")
_WHAT = ("Subject", "Тема", "Betreff", "Objet", "Asunto", "Oggetto", "To", "Кому", "An", "À")
_LOOKED_AT = 128 * 1024
"""Octets of a text."""
_START = r"[\n>](?:[ \t*]|&nbsp;)*"
_COLON = r"(?:[ \t*]|&nbsp;|</?[a-z]{1,6}>)*:"
_MOST, _NEAR, _FAR = 50, 300, 2000
"""So many senders are looked at; so many octets further stands the time, and so many from there the subject."""


class _Patterns(NamedTuple):
    """`begin`: a line that begins a quotation, or, as its group, a sender, who does if the others follow."""

    begin: re.Pattern[bytes]
    time: re.Pattern[bytes]
    subject: re.Pattern[bytes]


@lru_cache(maxsize=32)
def _patterns(charset: str) -> _Patterns:
    """For markup too, in which a line begins after a tag."""

    def one_of(words: tuple[str, ...]) -> str:
        return "(?:" + "|".join(form for word in words for form in _spellings(word, charset)) + ")"

    sender, time, subject = (f"{one_of(names)}{_COLON}" for names in (_FROM, _WHEN, _WHAT))
    begin = f"(?:-{{4,}} ?{one_of(_TITLES)}|{one_of(_ALONE)}|({sender}))"
    return _Patterns(*(re.compile((_START + each).encode(charset)) for each in (begin, time, subject)))


def _spellings(word: str, charset: str) -> Iterator[str]:
    """As it stands, where the charset has it, and as markup may write it."""
    if _is_held(word, charset):
        yield re.escape(word)
    if not word.isascii():
        yield "".join(re.escape(each) if each.isascii() else _reference(each) for each in word)


def _reference(letter: str) -> str:
    """The letter by its number or its name (HTML, character references)."""
    number, name = f"{ord(letter):x}", codepoint2name.get(ord(letter), "")
    octets = "".join(f"[{each}{each.upper()}]" if each.isalpha() else each for each in number)
    return f"&(?:#0*{ord(letter)}|#[xX]0*{octets}{f'|{name}' if name else ''});"


def _is_held(word: str, charset: str) -> bool:
    try:
        word.encode(charset)
    except UnicodeEncodeError:
        return False
    return True


def section(data: bytes, charset: str) -> int:
    """The offset of the line with which quoted text begins; the length of `data` where there is none."""
    # What is ASCII by its name may be more: of the HTML in a calendar's parameter no charset is told.
    found = _section(data[:_LOOKED_AT], "utf-8" if charset == "ascii" else charset)
    return len(data) if found is None else found


@lru_cache(maxsize=8)
def _section(data: bytes, charset: str) -> int | None:
    """Of the text that is looked at; asked several times of one text."""
    patterns, data = _patterns(charset), b"\n" + data
    for number, begin in enumerate(patterns.begin.finditer(data)):
        if not begin[1]:
            return begin.start()
        time = patterns.time.search(data, begin.end(), begin.end() + _NEAR) if number < _MOST else None
        if time and patterns.subject.search(data, time.end(), time.end() + _FAR):
            return begin.start()
    return None


def unquoted(text: str) -> str:
    """The text without what it quotes."""
    octets = text.encode("utf-8", "surrogatepass")
    return octets[: section(octets, "utf-8")].decode("utf-8", "surrogatepass")
