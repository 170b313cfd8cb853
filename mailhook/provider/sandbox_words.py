"""What the sandbox's pages say, in Russian and English: words, dates, and foreign text made harmless to look at.

Not here: HTML (sandbox_pages).
"""

import unicodedata
from datetime import datetime
from typing import Literal
from zoneinfo import ZoneInfo

Language = Literal["ru", "en"]

_MONTHS: dict[Language, str] = {
    "ru": "января февраля марта апреля мая июня июля августа сентября октября ноября декабря",
    "en": "January February March April May June July August September October November December",
}
_DAYS: dict[Language, str] = {"ru": "пн вт ср чт пт сб вс", "en": "Mon Tue Wed Thu Fri Sat Sun"}

# They change how the text around them is read: all formatting characters but the two that join letters and emoji.
_INVISIBLE = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
_JOINERS = "\u200c\u200d"

WORDS: dict[Language, dict[str, str]] = {
    "ru": {
        "test": "ТЕСТ",
        "sandbox": "Локальный Videomost для проверки. Настоящих конференций здесь нет.",
        "language": "Язык",
        "other language": "English",
        "join": "Конференция в Videomost",
        "when": "Когда",
        "owner": "Организатор",
        "participants": "Участники",
        "nobody": "никто не приглашён",
        "mode": "Режим",
        "mode discussion": "обсуждение",
        "mode webinar": "вебинар",
        "mode seminar": "семинар",
        "early": "Вход до организатора",
        "yes": "разрешён",
        "no": "не разрешён",
        "upcoming": "предстоит",
        "running": "идёт сейчас",
        "ended": "завершена",
        "deleted": "удалена",
        "join upcoming": "Ссылка действует. Конференция ещё не началась.",
        "join running": "Ссылка действует. Конференция идёт сейчас.",
        "join ended": "Ссылка действует. Конференция завершена.",
        "cabinet": "Личный кабинет",
        "user": "Адрес почты",
        "show": "Показать",
        "none": "Конференций нет.",
        "none coming": "Предстоящих конференций нет.",
        "shelf coming": "Предстоящие",
        "shelf past": "Прошедшие",
        "shelf deleted": "Удалённые",
        "owned": "вы",
        "link": "Ссылка для входа",
        "untitled": "Без темы",
        "unknown": "Такой конференции нет",
        "refused": "Неверный код доступа",
        "gone": "Конференция удалена",
        "why unknown": "Проверьте, что ссылка скопирована целиком.",
        "why refused": "Проверьте, что ссылка скопирована целиком: код стоит в её конце.",
        "why gone": "Её ссылка больше не действует.",
    },
    "en": {
        "test": "TEST",
        "sandbox": "A local Videomost for trying out. There are no real conferences here.",
        "language": "Language",
        "other language": "Русский",
        "join": "Videomost conference",
        "when": "When",
        "owner": "Organizer",
        "participants": "Participants",
        "nobody": "nobody is invited",
        "mode": "Mode",
        "mode discussion": "discussion",
        "mode webinar": "webinar",
        "mode seminar": "seminar",
        "early": "Joining before the organizer",
        "yes": "allowed",
        "no": "not allowed",
        "upcoming": "upcoming",
        "running": "running now",
        "ended": "ended",
        "deleted": "deleted",
        "join upcoming": "The link works. The conference has not begun yet.",
        "join running": "The link works. The conference is running now.",
        "join ended": "The link works. The conference has ended.",
        "cabinet": "Personal cabinet",
        "user": "Mail address",
        "show": "Show",
        "none": "No conferences.",
        "none coming": "No upcoming conferences.",
        "shelf coming": "Upcoming",
        "shelf past": "Past",
        "shelf deleted": "Deleted",
        "owned": "you",
        "link": "Join link",
        "untitled": "Untitled",
        "unknown": "There is no such conference",
        "refused": "Wrong passcode",
        "gone": "The conference was deleted",
        "why unknown": "Make sure that the link was copied whole.",
        "why refused": "Make sure that the link was copied whole: the passcode stands at its end.",
        "why gone": "Its link does not work any more.",
    },
}


def span(start: datetime, end: datetime, timezone: str, language: Language) -> str:
    """As people say it in `timezone` (IANA), which is named; the second date only where it differs."""
    zone = ZoneInfo(timezone)
    first, last = start.astimezone(zone), end.astimezone(zone)
    until = f"{last:%H:%M}" if first.date() == last.date() else f"{_day(last, language)}, {last:%H:%M}"
    return f"{_day(first, language)}, {first:%H:%M} – {until} ({timezone}, {_offset(first)})"


def _day(moment: datetime, language: Language) -> str:
    name, month = _DAYS[language].split()[moment.weekday()], _MONTHS[language].split()[moment.month - 1]
    return f"{name}, {moment.day} {month} {moment.year}"


def _offset(moment: datetime) -> str:
    """UTC+3, UTC+5:30, UTC."""
    sign, digits = f"{moment:%z}"[0], f"{moment:%z}"[1:5]
    hours, minutes = int(digits[:2]), digits[2:]
    if not int(digits):
        return "UTC"
    return f"UTC{'−' if sign == '-' else '+'}{hours}" + (f":{minutes}" if int(minutes) else "")


def harmless(text: str) -> str:
    """One line without characters that are not seen, but turn or hide what is."""
    line = " ".join(text.split())
    return "".join(c for c in line if c in _JOINERS or unicodedata.category(c) not in _INVISIBLE).strip()
