"""An organizer's calendar program: events as it keeps them, put to a server over CalDAV.

What: `Event` and `Calendar` are what the organizer sees; `Account` stores and deletes them (RFC 4791). The whole
object is put each time, as programs do that keep a copy of their own.

Not here: the servers (cyrus, sogo), which send the mail.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Self
from zoneinfo import ZoneInfo

import httpx

DOMAIN = "corp.example"
IVAN = f"ivan@{DOMAIN}"
MOSCOW = ZoneInfo("Europe/Moscow")
ZONE = """BEGIN:VTIMEZONE
TZID:Europe/Moscow
BEGIN:STANDARD
DTSTART:20141026T020000
TZNAME:MSK
TZOFFSETFROM:+0400
TZOFFSETTO:+0300
END:STANDARD
END:VTIMEZONE"""


def local(name: str, moment: datetime) -> str:
    return f"{name};TZID=Europe/Moscow:{moment.astimezone(MOSCOW):%Y%m%dT%H%M%S}"


@dataclass(frozen=True)
class Event:
    """One VEVENT. `instance`: the start of the occurrence that it replaces; `extra`: more lines."""

    summary: str
    people: tuple[str, ...]
    start: datetime
    sequence: int = 0
    instance: datetime | None = None
    extra: tuple[str, ...] = ()

    @property
    def end(self) -> datetime:
        return self.start + timedelta(hours=1)

    def moved(self, by: timedelta) -> Self:
        """A program counts SEQUENCE on when the time changes."""
        return replace(self, start=self.start + by, sequence=self.sequence + 1)

    def without(self, *occurrences: datetime) -> Self:
        dates = tuple(local("EXDATE", moment) for moment in occurrences)
        return replace(self, extra=(*self.extra, *dates), sequence=self.sequence + 1)

    def cancelled(self) -> Self:
        return replace(self, extra=(*self.extra, "STATUS:CANCELLED"), sequence=self.sequence + 1)

    def at(self, instance: datetime) -> Self:
        """The override of one occurrence, so far without any change."""
        extra = tuple(line for line in self.extra if not line.startswith(("RRULE", "EXDATE")))
        return replace(self, instance=instance, start=instance, extra=extra)

    def lines(self, uid: str) -> list[str]:
        now = f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}"
        guests = [
            f"ATTENDEE;CUTYPE=INDIVIDUAL;ROLE=REQ-PARTICIPANT;PARTSTAT=NEEDS-ACTION;RSVP=TRUE:mailto:{address}"
            for address in self.people
        ]
        return [
            "BEGIN:VEVENT",
            f"UID:{uid}",
            f"DTSTAMP:{now}",
            f"LAST-MODIFIED:{now}",
            f"SUMMARY:{self.summary}",
            "LOCATION:Videomost",
            "DESCRIPTION:Повестка: бюджет",
            *([local("RECURRENCE-ID", self.instance)] if self.instance else []),
            local("DTSTART", self.start),
            local("DTEND", self.end),
            f"SEQUENCE:{self.sequence}",
            f"ORGANIZER;CN=Иван Петров:mailto:{IVAN}",
            f"ATTENDEE;CN=Иван Петров;PARTSTAT=ACCEPTED;ROLE=CHAIR:mailto:{IVAN}",
            *guests,
            *self.extra,
            "END:VEVENT",
        ]


def calendar(uid: str, events: Sequence[Event]) -> bytes:
    lines = ["BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:-//example.org//Calendar//EN", *ZONE.splitlines()]
    for event in events:
        lines += event.lines(uid)
    return "\r\n".join([*lines, "END:VCALENDAR", ""]).encode()


@dataclass(frozen=True)
class Account:
    """A user's calendar collection at `url`, which ends with a slash. Each call ends when the mails have gone."""

    url: str
    user: str
    password: str

    async def ask(self, method: str, name: str = "", body: bytes = b"", **headers: str) -> httpx.Response:
        async with httpx.AsyncClient(trust_env=False, timeout=60) as client:
            return await client.request(
                method, self.url + name, content=body, headers=headers, auth=(self.user, self.password)
            )

    async def there(self) -> bool:
        try:
            return (await self.ask("PROPFIND", Depth="0")).status_code == 207
        except httpx.TransportError:
            return False

    async def save(self, uid: str, *events: Event) -> None:
        kind = {"Content-Type": "text/calendar; charset=utf-8"}
        answer = await self.ask("PUT", f"{uid}.ics", calendar(uid, events), **kind)
        assert answer.is_success, (answer.status_code, answer.text)

    async def stored(self, uid: str) -> str:
        """The event as it is now, without folds."""
        answer = await self.ask("GET", f"{uid}.ics")
        assert answer.is_success, (answer.status_code, answer.text)
        return re.sub(r"\r?\n[ \t]", "", answer.text)

    async def edit(self, uid: str, sequence: int, *changes: tuple[str, str]) -> None:
        """As a program that fetches the event first: each pattern of `changes` gets its replacement."""
        text = re.sub(r"^SEQUENCE:.*\r?\n", "", await self.stored(uid), flags=re.MULTILINE)
        text = text.replace(f"UID:{uid}", f"UID:{uid}\r\nSEQUENCE:{sequence}")
        for pattern, new in changes:
            text, count = re.subn(pattern, new, text, flags=re.MULTILINE)
            assert count, (pattern, text)
        kind = {"Content-Type": "text/calendar; charset=utf-8"}
        answer = await self.ask("PUT", f"{uid}.ics", text.encode(), **kind)
        assert answer.is_success, (answer.status_code, answer.text)

    async def delete(self, uid: str) -> None:
        answer = await self.ask("DELETE", f"{uid}.ics")
        assert answer.is_success, (answer.status_code, answer.text)

    async def forget(self, uid: str) -> None:
        """Nothing is left of the event, whatever a test has made of it."""
        answer = await self.ask("DELETE", f"{uid}.ics")
        assert answer.is_success or answer.status_code == 404, (answer.status_code, answer.text)
