"""Where a text quotes another mail without a ">" before its lines.

What: `section` is where what a mail program put below its own words begins: after a line such as
"-----Original Message-----", or a header of From, Sent and Subject, as Outlook writes it. What stands from there on is
history: others have written it, perhaps of other meetings.

Not here: lines that begin with ">" (`text_blocks`), `<blockquote>` (`splice_html`).

Errors: none.
"""

import re
from functools import lru_cache
from itertools import islice
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
_START = r"(?:^|[\n>])(?:[ \t*]|&nbsp;)*"
_COLON = r"(?:[ \t*]|&nbsp;|</?[a-z]{1,6}>)*:"
_MOST, _NEAR, _FAR = 50, 300, 2000
"""So many senders are looked at; so many octets further stands the time, and so many from there the subject."""


class _Patterns(NamedTuple):
    line: re.Pattern[bytes]
    sender: re.Pattern[bytes]
    time: re.Pattern[bytes]
    subject: re.Pattern[bytes]


@lru_cache(maxsize=32)
def _patterns(charset: str) -> _Patterns:
    """For markup too, in which a line begins after a tag."""

    def one_of(words: tuple[str, ...]) -> str:
        return "(?:" + "|".join(re.escape(each) for each in words if _is_held(each, charset)) + ")"

    line = f"{_START}(?:-{{4,}} ?{one_of(_TITLES)}|{one_of(_ALONE)})"
    fields = (f"{_START}{one_of(names)}{_COLON}" for names in (_FROM, _WHEN, _WHAT))
    return _Patterns(*(re.compile(each.encode(charset)) for each in (line, *fields)))


def _is_held(word: str, charset: str) -> bool:
    try:
        word.encode(charset)
    except UnicodeEncodeError:
        return False
    return True


def section(data: bytes, charset: str) -> int:
    """The offset of the line with which quoted text begins; the length of `data` where there is none."""
    patterns = _patterns(charset)
    line = patterns.line.search(data, 0, _LOOKED_AT)
    starts = [line] if line else []
    for sender in islice(patterns.sender.finditer(data, 0, _LOOKED_AT), _MOST):
        time = patterns.time.search(data, sender.end(), sender.end() + _NEAR)
        if time and patterns.subject.search(data, time.end(), time.end() + _FAR):
            starts.append(sender)
            break
    at = min((each.start() for each in starts), default=len(data))
    return at + (data[at : at + 1] in (b"\n", b">"))


def unquoted(text: str) -> str:
    """The text without what it quotes."""
    octets = text.encode("utf-8", "surrogatepass")
    return octets[: section(octets, "utf-8")].decode("utf-8", "surrogatepass")
