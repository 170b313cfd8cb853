"""Invitations from iCalendar text, as tables of tests write them."""

from datetime import UTC, datetime, timedelta

from mailhook.core import itip, message
from mailhook.core.itip import Defaults, Invitation, NotOurs
from mailhook.core.order import Stamp
from mailhook.core.policy import Policy

VIDEOMOST = "videomost@corp.example"
DEFAULTS = Defaults("Europe/Moscow", timedelta(hours=1), {"old.example": "corp.example"}, (VIDEOMOST,))
IVAN = "ORGANIZER:mailto:ivan@corp.example"
POLICY = Policy(
    organizer_domains=("corp.example",),
    ignore_recipients=("archive@corp.example",),
    resource=(VIDEOMOST,),
)


def at(text: str) -> datetime:
    """A UTC instant, as in "2027-03-01 07:00"."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def rows(text: str) -> list[str]:
    return [row.strip() for row in text.strip().splitlines()]


def mail(
    *events: str,
    method: str = "REQUEST",
    header: str = "",
    date: str = "",
    zones: str = "",
    uid: str = "uid-1",
) -> bytes:
    """A message that is a calendar; each of `events` holds the lines of a VEVENT beside UID and ORGANIZER."""
    lines = ["BEGIN:VCALENDAR", "VERSION:2.0", f"METHOD:{method}", *rows(zones)]
    for event in events:
        own = rows(event)
        organizer = [] if any(row.startswith("ORGANIZER") for row in own) else [IVAN]
        lines += ["BEGIN:VEVENT", f"UID:{uid}", *organizer, *own, "END:VEVENT"]
    lines += ["END:VCALENDAR", ""]
    head = f"From: ivan@corp.example\r\n{header}" + (f"Date: {date}\r\n" if date else "")
    return (f"{head}Content-Type: text/calendar; charset=utf-8\r\n\r\n" + "\r\n".join(lines)).encode()


def read(raw: bytes) -> Invitation | NotOurs:
    return itip.read(message.read(raw), DEFAULTS)


def invitation(
    *events: str,
    method: str = "REQUEST",
    header: str = "",
    date: str = "",
    zones: str = "",
    uid: str = "uid-1",
) -> Invitation:
    found = read(mail(*events, method=method, header=header, date=date, zones=zones, uid=uid))
    assert isinstance(found, Invitation), found
    return found


def stamp(sequence: int = 0, dtstamp: int = 0, modified: int | None = None, date: int | None = None) -> Stamp:
    """Minutes after a fixed instant stand for the times."""
    start = at("2027-01-01 00:00")

    def moment(minutes: int | None) -> datetime | None:
        return None if minutes is None else start + timedelta(minutes=minutes)

    return Stamp(sequence, moment(dtstamp), moment(modified), moment(date))
