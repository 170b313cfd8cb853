"""Mails that calendar servers might send, for tests of the whole way.

What: `Event` is one revision of a meeting, `invitation` the mail to one attendee, `copies` those to all.

Not here: recorded mails (tests/golden).
"""

import re
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

NOW = datetime(2026, 11, 23, 0, 30, tzinfo=UTC)
PUBLIC = "https://videomost.corp.example"
IVAN, ANNA, BORIS = "ivan@corp.example", "anna@partner.example", "boris@partner.example"


@dataclass(frozen=True)
class Event:
    """One revision of a meeting, as its organizer's calendar server would mail it."""

    uid: str = "meeting-1@corp.example"
    method: str = "REQUEST"
    sequence: int = 0
    organizer: str = IVAN
    attendees: tuple[str, ...] = (ANNA,)
    summary: str = "Бюджет"
    location: str = "Videomost"
    description: str = "Повестка"
    start: datetime = NOW + timedelta(days=7)
    hours: int = 1
    stamp: datetime = NOW
    extra: tuple[str, ...] = ()
    headers: tuple[str, ...] = ()

    def calendar(self) -> str:
        lines = [
            "BEGIN:VCALENDAR",
            "VERSION:2.0",
            "PRODID:-//corp.example//Test//EN",
            f"METHOD:{self.method}",
            "BEGIN:VEVENT",
            f"UID:{self.uid}",
            f"DTSTAMP:{self.stamp:%Y%m%dT%H%M%SZ}",
            f"DTSTART:{self.start:%Y%m%dT%H%M%SZ}",
            f"DTEND:{self.start + timedelta(hours=self.hours):%Y%m%dT%H%M%SZ}",
            f"SEQUENCE:{self.sequence}",
            f"SUMMARY:{self.summary}",
            f"LOCATION:{self.location}",
            f"DESCRIPTION:{self.description}",
            f"ORGANIZER:mailto:{self.organizer}",
            *(f"ATTENDEE;CUTYPE=INDIVIDUAL:mailto:{address}" for address in self.attendees),
            *self.extra,
            "END:VEVENT",
            "END:VCALENDAR",
            "",
        ]
        return "\r\n".join(lines)


def invitation(event: Event, to: str = ANNA, **headers: str) -> bytes:
    """The mail to one attendee; `headers` are added, with "_" for "-"."""
    lines = [
        f"From: <{event.organizer}>",
        f"To: <{to}>",
        f"Subject: {event.method} {event.sequence}",
        f"Date: {format_datetime(event.stamp)}",
        f"Message-ID: <{event.uid}.{event.method}.{event.sequence}.{to}>",
        *(f"{name.replace('_', '-')}: {value}" for name, value in headers.items()),
        *event.headers,
        "MIME-Version: 1.0",
        'Content-Type: multipart/alternative; boundary="=_test"',
        "",
        "--=_test",
        "Content-Type: text/plain; charset=utf-8",
        "Content-Transfer-Encoding: 8bit",
        "",
        f"Вы приглашены: {event.summary}",
        "",
        "--=_test",
        "Content-Type: text/html; charset=utf-8",
        "Content-Transfer-Encoding: 8bit",
        "",
        f"<html><body><p>Вы приглашены: {event.summary}</p></body></html>",
        "--=_test",
        f"Content-Type: text/calendar; charset=utf-8; method={event.method}",
        "Content-Transfer-Encoding: 8bit",
        "",
        event.calendar().rstrip("\r\n"),
        "--=_test--",
        "",
    ]
    return "\r\n".join(lines).encode()


ORDINARY = (
    b"From: <ivan@corp.example>\r\nTo: <anna@partner.example>\r\nSubject: hello\r\n\r\nOrdinary \xff mail\r\n"
)


_LINK = re.compile(rb"^" + re.escape(PUBLIC.encode()) + rb"/service/join/\?\S+", re.MULTILINE)


def link_in(content: bytes) -> str:
    """The link that stands alone on its line in the text of a rewritten `invitation`, or ""."""
    found = _LINK.search(content)
    return found[0].decode() if found else ""


def copies(event: Event, count: int = 20) -> list[tuple[str, bytes]]:
    """One message per attendee of one invitation, as many groupwares send it: recipient and content."""
    people = tuple(f"guest{number}@partner.example" for number in range(count))
    return [(person, invitation(replace(event, attendees=people), person)) for person in people]
