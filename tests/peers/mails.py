"""Mails for the tests with real peers, how they are submitted, and what is found in them when they arrive."""

import asyncio
import email
import re
import smtplib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.message import Message

from icalendar import Calendar

from mailhook.front.sink import Received

ORGANIZER = "ivan@example.org"
TOMORROW = (datetime.now(UTC) + timedelta(days=1)).replace(hour=9, minute=0, second=0, microsecond=0)


ANNA, BORIS, KATE = "anna@partner.example", "boris@partner.example", "kate@partner.example"

ODD = (
    b"plain\r\n",
    b"",
    b".\r\n..\r\n.x\r\n\r\n.\r\n",
    bytes(range(128, 256)) + b"\r\n",
    b"nul \0 here\r\n",
    b"long " + b"x" * 100_000 + b"\r\n",
    b"trailing blank \r\n\t\r\n\r\n\r\n",
    b"From the start\r\n>From\r\n",
    b"BEGIN:VCALENDAR\r\ntext/calendar; method=REQUEST\r\n",
)
"""Contents of ordinary mail; without bare CR and LF, of which Exim makes line ends by itself."""


@dataclass(frozen=True)
class Meeting:
    """What the organizer's calendar holds; `recipients` are all invited."""

    uid: str
    recipients: Sequence[str]
    summary: str
    start: datetime = TOMORROW
    sequence: int = 0

    def mail(self, method: str = "REQUEST") -> bytes:
        """An invitation as groupware writes it: text, HTML and calendar; Russian, 8 bit."""
        text = f"Приглашение: {self.summary}\r\n.строка, которая начинается с точки"
        parts = (
            ("text/plain; charset=utf-8", text),
            ("text/html; charset=utf-8", f"<html><body><p>{text}</p></body></html>"),
            (f"text/calendar; charset=utf-8; method={method}", self._calendar(method)),
        )
        lines = [
            f"Message-ID: <{method.lower()}.{self.sequence}.{self.uid}>",
            f"Date: {datetime.now(UTC):%a, %d %b %Y %H:%M:%S} +0000",
            f"From: Ivan <{ORGANIZER}>",
            f"To: {', '.join(self.recipients)}",
            f"Subject: {method} {self.uid}",
            "MIME-Version: 1.0",
            'Content-Type: multipart/alternative; boundary="parts"',
            "",
        ]
        for kind, body in parts:
            lines += ["--parts", f"Content-Type: {kind}", "Content-Transfer-Encoding: 8bit", "", body]
        return "\r\n".join([*lines, "--parts--", ""]).encode()

    def _calendar(self, method: str) -> str:
        attendees = [f"ATTENDEE;RSVP=TRUE:mailto:{address}" for address in self.recipients]
        cancelled = ["STATUS:CANCELLED"] if method == "CANCEL" else []
        lines = [
            "BEGIN:VCALENDAR",
            "PRODID:-//tests//EN",
            "VERSION:2.0",
            f"METHOD:{method}",
            "BEGIN:VEVENT",
            f"UID:{self.uid}",
            f"SEQUENCE:{self.sequence}",
            f"DTSTAMP:{datetime.now(UTC):%Y%m%dT%H%M%SZ}",
            f"DTSTART:{self.start:%Y%m%dT%H%M%SZ}",
            f"DTEND:{self.start + timedelta(hours=1):%Y%m%dT%H%M%SZ}",
            f"SUMMARY:{self.summary}",
            "LOCATION:Videomost",
            "DESCRIPTION:Повестка",
            f"ORGANIZER:mailto:{ORGANIZER}",
            *attendees,
            *cancelled,
            "END:VEVENT",
            "END:VCALENDAR",
        ]
        return "\r\n".join(lines)


MEETING = Meeting("one@example.org", (ANNA, BORIS), "Бюджет")


def ordinary(name: str, body: bytes = "Добрый день!\r\n.точка\r\n".encode()) -> bytes:
    """A mail that mailhook has nothing to do with."""
    header = (
        f"Message-ID: <{name}@example.org>\r\nDate: Mon, 1 Jun 2026 10:00:00 +0300\r\n"
        f"From: {ORGANIZER}\r\nTo: anna@partner.example\r\nSubject: {name}\r\n"
        "MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n"
    )
    return header.encode() + body


async def submit(
    port: int,
    recipients: Sequence[str],
    content: bytes,
    *,
    mail_options: Sequence[str] = ("BODY=8BITMIME",),
    rcpt_options: Sequence[str] = (),
    source: str = "127.0.0.1",
) -> str:
    """Hand a mail in as a user's program would; Postfix's name for it in the queue."""

    def say() -> str:
        with smtplib.SMTP("127.0.0.1", port, "laptop.example.org", 60, (source, 0)) as client:
            client.ehlo()
            replies = [client.mail(ORGANIZER, mail_options)]
            replies += [client.rcpt(recipient, rcpt_options) for recipient in recipients]
            assert all(code == 250 for code, _ in replies), replies
            code, text = client.data(content)
            assert code == 250, text
            found = re.search(rb"queued as (\w+)", text)
            assert found, text
            return found[1].decode()

    return await asyncio.to_thread(say)


# --- what has arrived ------------------------------------------------------------------------------------------


def untraced(content: bytes) -> bytes:
    """Below the Received headers that Postfix put on top."""
    while content.startswith(b"Received:"):
        content = re.sub(rb"\AReceived:[^\r]*\r\n(?:[ \t][^\r]*\r\n)*", b"", content, count=1)
    return content


def message_id(received: Received) -> str:
    return str(email.message_from_bytes(received.content)["Message-ID"])


def recipients(received: Received) -> list[str]:
    return [rcpt.address for rcpt in received.recipients]


def is_bounce(received: Received) -> bool:
    return received.mail.address == ""


@dataclass(frozen=True)
class Shown:
    """What the reader of an invitation gets to see, as icalendar and email read it."""

    text: str
    html: str
    location: str
    description: str
    conference: str
    summary: str
    start: datetime

    @property
    def link(self) -> str:
        """The join link, if it stands in every place, else ""."""
        everywhere = all(self.conference in place for place in (self.text, self.location, self.description))
        in_html = self.conference.replace("&", "&amp;") in self.html
        return self.conference if everywhere and in_html else ""


def shown(received: Received) -> Shown:
    parts = {part.get_content_type(): part for part in email.message_from_bytes(received.content).walk()}
    event = Calendar.from_ical(_payload(parts["text/calendar"])).walk("VEVENT")[0]
    return Shown(
        text=_payload(parts["text/plain"]).decode(),
        html=_payload(parts["text/html"]).decode(),
        location=str(event.get("LOCATION", "")),
        description=str(event.get("DESCRIPTION", "")),
        conference=str(event.get("CONFERENCE", "")),
        summary=str(event["SUMMARY"]),
        start=event.decoded("DTSTART"),
    )


def _payload(part: "Message[str, str]") -> bytes:
    payload = part.get_payload(decode=True)
    assert isinstance(payload, bytes)
    return payload
