"""The pages of the sandbox that a person looks at: the join page and the personal cabinet, Russian and English.

What: functions from rooms to HTML. Every value is escaped; the pages hold no script and load nothing, which
`HEADERS` also tells the browser.

Not here: who may see which page (sandbox).
"""

import base64
import hashlib
from collections.abc import Sequence
from datetime import datetime
from html import escape
from typing import Literal
from zoneinfo import ZoneInfo

from mailhook.core.conference import Person
from mailhook.provider.sandbox_rooms import Room

Language = Literal["ru", "en"]
Linked = tuple[Room, str]

_STYLE = """
body{margin:0;background:#eef1f5;color:#1c2733;font:16px/1.5 system-ui,sans-serif}
header{background:#12395f;color:#fff;padding:.8rem 1.2rem}
header b{background:#f5b301;color:#1c2733;border-radius:.3rem;padding:.1rem .5rem;margin-right:.6rem}
main{max-width:44rem;margin:1.5rem auto;padding:1.2rem 1.6rem;background:#fff;border-radius:.6rem}
h1{font-size:1.5rem;margin:.2rem 0 1rem;overflow-wrap:anywhere}
dl{display:grid;grid-template-columns:max-content 1fr;gap:.3rem 1.2rem}
dt{color:#5a6b7c}dd{margin:0;overflow-wrap:anywhere}
li{margin:0 0 1rem}ol{padding-left:1.2rem}
input,button{font:inherit;padding:.3rem .6rem}
footer{max-width:44rem;margin:0 auto;color:#5a6b7c;font-size:.85rem}
"""
_STYLE_HASH = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()

HEADERS = {
    "Content-Security-Policy": (
        f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; form-action 'self'; "
        "base-uri 'none'; frame-ancestors 'none'"
    ),
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}

_MONTHS: dict[Language, str] = {
    "ru": "января февраля марта апреля мая июня июля августа сентября октября ноября декабря",
    "en": "January February March April May June July August September October November December",
}

_WORDS: dict[Language, dict[str, str]] = {
    "ru": {
        "test": "ТЕСТ",
        "sandbox": "Локальный Videomost: настоящих конференций здесь нет",
        "join": "Конференция",
        "when": "Когда",
        "owner": "Организатор",
        "participants": "Участники",
        "mode": "Режим",
        "early": "Вход до организатора",
        "yes": "разрешён",
        "no": "не разрешён",
        "ready": "Ссылка действует: вы попали в эту конференцию.",
        "cabinet": "Личный кабинет",
        "email": "Адрес почты",
        "show": "Показать",
        "none": "Конференций нет.",
        "owned": "вы организатор",
        "invited": "вы участник",
        "untitled": "Без темы",
        "unknown": "Такой конференции нет",
        "refused": "Неверный код доступа",
        "deleted": "Конференция удалена",
    },
    "en": {
        "test": "TEST",
        "sandbox": "Local Videomost: no real conferences here",
        "join": "Conference",
        "when": "When",
        "owner": "Organizer",
        "participants": "Participants",
        "mode": "Mode",
        "early": "Joining before the organizer",
        "yes": "allowed",
        "no": "not allowed",
        "ready": "The link works: you have reached this conference.",
        "cabinet": "Personal cabinet",
        "email": "Mail address",
        "show": "Show",
        "none": "No conferences.",
        "owned": "you are the organizer",
        "invited": "you are a participant",
        "untitled": "Untitled",
        "unknown": "There is no such conference",
        "refused": "Wrong passcode",
        "deleted": "The conference was deleted",
    },
}


def join_page(room: Room, language: Language) -> str:
    words, spec = _WORDS[language], room.spec
    rows = {
        "when": escape(when(spec.start, spec.end, spec.timezone, language)),
        "owner": _named(spec.owner),
        "participants": "<br>".join(_named(person) for person in spec.participants) or "–",
        "mode": escape(room.mode),
        "early": words["yes" if room.join_without_owner else "no"],
    }
    listed = "".join(f"<dt>{words[name]}</dt><dd>{value}</dd>" for name, value in rows.items())
    topic = spec.topic.strip() or words["untitled"]
    return _page(
        language, topic, f"<p>{words['join']}</p>{_heading(topic)}<dl>{listed}</dl><p>{words['ready']}</p>"
    )


def refusal_page(why: Literal["unknown", "refused", "deleted"], language: Language) -> str:
    title = _WORDS[language][why]
    return _page(language, title, _heading(title))


def cabinet_page(address: str, rooms: Sequence[Linked], language: Language) -> str:
    """The conferences of `address`; with an empty address only the form that asks for it."""
    words = _WORDS[language]
    form = (
        f'<form method="get"><label>{words["email"]}: <input type="email" name="email" required '
        f'value="{escape(address)}"></label> <input type="hidden" name="lang" value="{language}">'
        f"<button>{words['show']}</button></form>"
    )
    items = "".join(_item(room, link, address, language) for room, link in rooms)
    listed = f"<ol>{items}</ol>" if items else f"<p>{words['none']}</p>"
    return _page(language, words["cabinet"], _heading(words["cabinet"]) + form + (listed if address else ""))


def when(start: datetime, end: datetime, timezone: str, language: Language) -> str:
    """A span as people say it in `timezone` (IANA); the second date only where it differs."""
    zone = ZoneInfo(timezone)
    first, last = start.astimezone(zone), end.astimezone(zone)
    until = f"{last:%H:%M}" if first.date() == last.date() else f"{_day(last, language)}, {last:%H:%M}"
    return f"{_day(first, language)}, {first:%H:%M} – {until} ({timezone})"


def _day(moment: datetime, language: Language) -> str:
    return f"{moment.day} {_MONTHS[language].split()[moment.month - 1]} {moment.year}"


def _item(room: Room, link: str, address: str, language: Language) -> str:
    words, spec = _WORDS[language], room.spec
    role = words["owned" if spec.owner.address == address.lower() else "invited"]
    span = escape(when(spec.start, spec.end, spec.timezone, language))
    topic = escape(spec.topic.strip() or words["untitled"])
    return f'<li><a href="{escape(link)}">{topic}</a><br>{span}<br>{_named(spec.owner)} · {role}</li>'


def _named(person: Person) -> str:
    text = f"{person.name} <{person.address}>" if person.name else person.address
    return escape(text)


def _heading(text: str) -> str:
    return f"<h1>{escape(text)}</h1>"


def _page(language: Language, title: str, content: str) -> str:
    words = _WORDS[language]
    return (
        f'<!DOCTYPE html><html lang="{language}"><head><meta charset="utf-8">'
        f'<meta name="viewport" content="width=device-width"><title>{escape(title)} · Videomost</title>'
        f"<style>{_STYLE}</style></head><body><header><b>{words['test']}</b>Videomost</header>"
        f"<main>{content}</main><footer>{words['sandbox']}</footer></body></html>"
    )
