"""The mails that `mailhook demo` sends: invitations, a series, cancellations, and an ordinary mail.

What: `samples` renders them for a given day from the templates in the folder `demo`, Russian and English.

Not here: sending (`demo`).
"""

from base64 import encodebytes
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from email.header import Header
from email.utils import format_datetime
from typing import Literal

from mailhook.core.templates import rendered

ORGANIZER_DOMAIN = "corp.example"
Kind = Literal["single", "weekly", "called-off"]


@dataclass(frozen=True)
class Sample:
    """`content` has CRLF line ends; `linked`: the link must stand in what arrives."""

    title: str
    sender: str
    recipient: str
    content: bytes
    linked: bool


@dataclass(frozen=True)
class Text:
    """What differs from language to language."""

    organizer: tuple[str, str]
    attendee: tuple[str, str]
    summaries: Mapping[Kind, str]
    invitation: str
    cancellation: str
    body: str
    ordinary: str


RUSSIAN = Text(
    organizer=("Иван Петров", f"ivan@{ORGANIZER_DOMAIN}"),
    attendee=("Анна Миллер", "anna@partner.example"),
    summaries={
        "single": "Обсуждение бюджета",
        "weekly": "Планёрка отдела",
        "called-off": "Встреча, которую отменят",
    },
    invitation="Приглашение",
    cancellation="Отменено",
    body="Добрый день! Прошу подготовить цифры по отделам.",
    ordinary="Обычное письмо",
)
ENGLISH = Text(
    organizer=("John Smith", f"john@{ORGANIZER_DOMAIN}"),
    attendee=("Kate Brown", "kate@partner.example"),
    summaries={
        "single": "Budget review",
        "weekly": "Team meeting",
        "called-off": "A meeting to be cancelled",
    },
    invitation="Invitation",
    cancellation="Cancelled",
    body="Hello! Please bring the figures of your department.",
    ordinary="An ordinary mail",
)
LANGUAGES = {"ru": RUSSIAN, "en": ENGLISH}


def samples(sources: Mapping[str, str], now: datetime) -> Iterator[Sample]:
    """In the order in which they are sent: a cancellation follows its invitation."""
    for language, text in LANGUAGES.items():
        for kind in ("single", "weekly", "called-off"):
            yield _invitation(sources, language, text, kind, now, "REQUEST")
        yield _invitation(sources, language, text, "called-off", now, "CANCEL")
        yield _ordinary(sources, language, text, now)


def _people(text: Text) -> dict[str, str]:
    return {
        "organizer_name": text.organizer[0],
        "organizer": text.organizer[1],
        "attendee_name": text.attendee[0],
        "attendee": text.attendee[1],
    }


def _encoded(text: str) -> str:
    return text if text.isascii() else Header(text, "utf-8").encode()


def _message(source: str, text: Text, title: str, linked: bool, values: Mapping[str, str]) -> Sample:
    people = _people(text)
    names = {key: _encoded(value) for key, value in people.items()}
    content = rendered(source, {**values, **names, "subject": _encoded(title)})
    wire = content.replace("\n", "\r\n").encode()
    return Sample(title, people["organizer"], people["attendee"], wire, linked)


def _invitation(
    sources: Mapping[str, str], language: str, text: Text, kind: Kind, now: datetime, method: str
) -> Sample:
    start = (now + timedelta(days=7)).replace(hour=10, minute=0, second=0)
    values = {
        "uid": f"demo-{language}-{kind}@{ORGANIZER_DOMAIN}",
        "method": method,
        "sequence": "1" if method == "CANCEL" else "0",
        "stamp": f"{now:%Y%m%dT%H%M%SZ}",
        "start": f"{start:%Y%m%dT%H%M%S}",
        "end": f"{start + timedelta(hours=1):%Y%m%dT%H%M%S}",
        "summary": text.summaries[kind],
        "rrule": "FREQ=WEEKLY" if kind == "weekly" else "",
        "text": text.body,
    }
    calendar = rendered(sources["demo/event.ics.j2"], {**values, **_people(text)})
    attachment = encodebytes(calendar.replace("\n", "\r\n").encode()).decode("ascii")
    title = f"{text.cancellation if method == 'CANCEL' else text.invitation}: {text.summaries[kind]}"
    mail = {
        **values,
        "message_id": f"{method.lower()}-{values['uid']}",
        "date": format_datetime(now),
        "calendar": calendar,
        "attachment": attachment,
    }
    return _message(sources["demo/request.eml.j2"], text, title, method == "REQUEST", mail)


def _ordinary(sources: Mapping[str, str], language: str, text: Text, now: datetime) -> Sample:
    values = {
        "message_id": f"ordinary-{language}@{ORGANIZER_DOMAIN}",
        "date": format_datetime(now),
        "text": text.body,
    }
    return _message(sources["demo/ordinary.eml.j2"], text, text.ordinary, False, values)
