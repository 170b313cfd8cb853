"""Reading an invitation: an iTIP object in a message (RFC 5546, RFC 6047).

What: `read` finds the calendar of a message and says what it asks for, as far as mailhook acts on it. Lines are
read one by one and values converted one by one, so one malformed property never loses the calendar.

Not here: whether the message may act and whether a conference is wanted (`policy`), writing (`rewrite`).

Errors: Unreadable where nothing sensible can be said; everything else that is not ours is `NotOurs`.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from itertools import islice

from mailhook.core import message as mime
from mailhook.core import sealing
from mailhook.core.conference import Person
from mailhook.core.contentlines import Component as Block
from mailhook.core.contentlines import ContentLine, unescape_text
from mailhook.core.contentlines import read as read_calendar
from mailhook.core.meeting import MASTER, Attendee, Component, MeetingKey
from mailhook.core.message import Message
from mailhook.core.order import Stamp
from mailhook.core.recurrence import Schedule
from mailhook.core.timing import (
    MAX_DATES,
    Zones,
    added_key,
    first_value,
    instant,
    lines,
    param,
    recurrence_key,
    schedule,
    start,
)
from mailhook.errors import Unreadable

MARKER_HEADER = "x-mailhook-conference"
"""The header of a message that mailhook has rewritten already."""

SCHEDULING = ("REQUEST", "ADD", "CANCEL")
MAX_EVENTS = 200
"""Of more VEVENTs the rest is not looked at; a link goes into them all the same."""
MAX_ATTENDEES = 1000
"""Of more ATTENDEEs of one VEVENT the rest is not looked at, and a list so long un-invites nobody."""


@dataclass(frozen=True)
class Defaults:
    """What stands in for what an event leaves open: the zone of floating times, the length of one without end.

    `resources`: addresses that are no person, whatever CUTYPE says.
    """

    timezone: str
    duration: timedelta
    domain_aliases: Mapping[str, str] = field(default_factory=dict)
    resources: tuple[str, ...] = ()


@dataclass(frozen=True)
class Event:
    """One VEVENT. `properties`: X- properties by upper-case name; `links`: URLs outside the text, `url` among them.

    `twins`: the description in other forms, as they stand.
    """

    component: Component
    location: str = ""
    description: str = ""
    categories: tuple[str, ...] = ()
    properties: Mapping[str, str] = field(default_factory=dict)
    links: tuple[str, ...] = ()
    url: str = ""
    twins: tuple[str, ...] = ()
    all_day: bool = False
    transparent: bool = False


@dataclass(frozen=True)
class Invitation:
    """An iTIP REQUEST, ADD or CANCEL. `organizer` as in the calendar; `key` and attendees with domain aliases resolved.

    `forwarded`: the Sender header names somebody who is neither From nor the SENT-BY. `languages`: LANGUAGE
    parameters by canonical address. `beyond`: names of components and properties of which there are more than is looked
    at.
    `copied`: links of ours that it bears from another meeting, or from an earlier conference of this one.
    """

    method: str
    key: MeetingKey
    organizer: Person
    sent_by: str
    events: tuple[Event, ...]
    forwarded: bool = False
    languages: Mapping[str, str] = field(default_factory=dict)
    beyond: tuple[str, ...] = ()
    copied: frozenset[str] = frozenset()
    message_id: str = ""

    @property
    def cancels(self) -> bool:
        """A CANCEL, or a REQUEST whose master (or every component) has STATUS:CANCELLED, as SOGo sends."""
        if self.method == "CANCEL":
            return True
        master = [e.component for e in self.events if e.component.key == MASTER]
        return all(c.cancelled for c in master or [e.component for e in self.events])


@dataclass(frozen=True)
class NotOurs:
    """Nothing that mailhook acts on; `reason` for the log."""

    reason: str


def read(message: Message, defaults: Defaults) -> Invitation | NotOurs:
    """What the message asks for. Raises Unreadable for a calendar that cannot be read."""
    if mime.header(message, MARKER_HEADER) is not None:
        return NotOurs("marker-header")
    calendar = _calendar(message)
    if calendar is None:
        return NotOurs(sealing.enclosure(message) or "no-calendar")
    method = first_value(calendar, "METHOD").strip().upper()
    if method not in SCHEDULING:
        return NotOurs(f"method-{method.lower()}" if method.isalpha() else "no-method")
    events = [child for child in calendar.children if child.name == "VEVENT"]
    if not events:
        return NotOurs("no-event")
    found = assembled(method, calendar, events[:MAX_EVENTS], defaults, mime.date(message))
    if isinstance(found, NotOurs):
        return found
    return replace(
        found,
        beyond=tuple(_beyond(events)),
        forwarded=_forwarded(message, found.sent_by),
        message_id=(mime.header(message, "message-id") or "").strip(),
    )


def _beyond(blocks: list[Block]) -> Iterator[str]:
    """The properties and components of which there are more than is looked at."""
    if len(blocks) > MAX_EVENTS:
        yield "VEVENT"
    looked_at = blocks[:MAX_EVENTS]
    if any(len(block.by_name.get("ATTENDEE", ())) > MAX_ATTENDEES for block in looked_at):
        yield "ATTENDEE"
    for name in ("EXDATE", "RDATE"):
        if sum(line.value.count(",") + 1 for block in looked_at for line in lines(block, name)) > MAX_DATES:
            yield name


def _calendar(message: Message) -> Block | None:
    """The first readable calendar, text/calendar before others; the last error if none is readable."""
    candidates = filter(mime.may_hold_calendar, message.parts)
    parts = sorted(candidates, key=lambda part: part.content_type != "text/calendar")
    fault: Unreadable | None = None
    for part in parts:
        try:
            return read_calendar(*mime.lines(message, part))
        except Unreadable as error:
            fault = error
    if fault is not None:
        raise fault
    return None


def assembled(
    method: str, calendar: Block, blocks: list[Block], defaults: Defaults, sent: datetime | None
) -> Invitation | NotOurs:
    """What the VEVENTs `blocks` of `calendar` say; `sent`: when."""
    uids = {first_value(block, "UID") for block in blocks}
    organizers = {address(line) for block in blocks for line in lines(block, "ORGANIZER")}
    if len(uids) != 1 or "" in uids:
        return NotOurs("not-one-uid")
    if len(organizers) != 1 or "" in organizers:
        return NotOurs("not-one-organizer")
    line = next(line for block in blocks for line in lines(block, "ORGANIZER"))
    sent_by = _mailto(param(line, "SENT-BY"))
    zones = Zones(calendar, defaults.timezone)
    masters = [block for block in blocks if next(lines(block, "RECURRENCE-ID"), None) is None]
    series = start(masters[0], zones) if masters and method != "ADD" else None
    most = MAX_DATES // max(1, len(masters))
    events = tuple(
        _event(block, key, schedule(block, zones, defaults.duration, most), sent, defaults)
        for block in blocks
        if (key := _key(method, block, zones, series)) is not None
    )
    if not events:
        return NotOurs("no-readable-event")
    return Invitation(
        method=method,
        key=MeetingKey(canonical(organizers.pop(), defaults.domain_aliases), uids.pop()),
        organizer=_person(line),
        sent_by=sent_by,
        events=events,
        languages=_languages(blocks, defaults.domain_aliases),
    )


def canonical(address: str, aliases: Mapping[str, str]) -> str:
    """A lower-case address with its domain alias resolved."""
    local, at, host = address.rpartition("@")
    return f"{local}{at}{aliases.get(host, host)}"


def _forwarded(message: Message, sent_by: str) -> bool:
    senders = mime.addresses(message, "sender")
    return bool(senders) and senders[0] not in (*mime.addresses(message, "from"), sent_by)


def _languages(blocks: list[Block], aliases: Mapping[str, str]) -> dict[str, str]:
    """LANGUAGE parameters (RFC 5545 §3.2.10) by the canonical address of the calendar user."""
    people = (line for block in blocks for name in ("ATTENDEE", "ORGANIZER") for line in lines(block, name))
    spoken = ((line, language) for line in people if (language := param(line, "LANGUAGE")))
    return {canonical(address(line), aliases): language for line, language in spoken}


def _text(block: Block, name: str) -> str:
    return unescape_text(first_value(block, name))


def _mailto(value: str) -> str:
    value = value.strip().strip('"')
    return (value[7:] if value.lower().startswith("mailto:") else value).strip().lower()


def address(line: ContentLine) -> str:
    """The calendar user's mail address; EMAIL (RFC 7986 §6.2) where the URI is not a mailto."""
    value = line.value.strip()
    if value.lower().startswith("mailto:") or "@" in value:
        return _mailto(value)
    return _mailto(param(line, "EMAIL"))


def _person(line: ContentLine) -> Person:
    return Person(address(line), param(line, "CN").strip())


def _attendees(block: Block, defaults: Defaults) -> tuple[Attendee, ...]:
    known = islice(lines(block, "ATTENDEE"), MAX_ATTENDEES)
    found = {canonical(address(line), defaults.domain_aliases): line for line in known}
    return tuple(
        Attendee(
            Person(address, param(line, "CN").strip()),
            "RESOURCE" if address in defaults.resources else _kind(line),
        )
        for address, line in found.items()
        if address
    )


def _kind(line: ContentLine) -> str:
    return param(line, "CUTYPE").upper() or "INDIVIDUAL"


def _key(method: str, block: Block, zones: Zones, series: Schedule | None) -> str | None:
    """The component's key. What ADD brings is an instance more, and never the master (RFC 5546 §3.2.4)."""
    key = recurrence_key(block, zones, series)
    return added_key(block, zones) if method == "ADD" and key == MASTER else key


def _event(
    block: Block, key: str, timing: Schedule | None, sent: datetime | None, defaults: Defaults
) -> Event:
    named = next(lines(block, "RECURRENCE-ID"), None)
    component = Component(
        key=key,
        stamp=stamp(block, sent),
        summary=_text(block, "SUMMARY"),
        schedule=timing,
        attendees=_attendees(block, defaults),
        cancelled=first_value(block, "STATUS").strip().upper() == "CANCELLED",
        ranged=named is not None and param(named, "RANGE").upper() == "THISANDFUTURE",
        added=named is None and key != MASTER,
    )
    extra = {line.name: line.value for line in block.lines if line.name.startswith("X-")}
    urls = [line.value for name in ("URL", "CONFERENCE") for line in lines(block, name)]
    return Event(
        component=component,
        location=_text(block, "LOCATION"),
        description=_text(block, "DESCRIPTION"),
        categories=tuple(
            unescape_text(c).strip() for line in lines(block, "CATEGORIES") for c in line.value.split(",")
        ),
        properties=extra,
        links=(*urls, *(value for value in extra.values() if value.lower().startswith("http"))),
        url=first_value(block, "URL").strip(),
        twins=tuple(_twins(block)),
        all_day=timing.all_day if timing else False,
        transparent=first_value(block, "TRANSP").strip().upper() == "TRANSPARENT",
    )


def _twins(block: Block) -> Iterator[str]:
    yield from (param(line, "ALTREP") for line in lines(block, "DESCRIPTION"))
    yield from (line.value for line in lines(block, "STYLED-DESCRIPTION"))


def stamp(block: Block, sent: datetime | None) -> Stamp:
    sequence = first_value(block, "SEQUENCE").strip()
    return Stamp(
        sequence=int(sequence[:9]) if sequence.isdecimal() else 0,
        dtstamp=instant(first_value(block, "DTSTAMP")),
        last_modified=instant(first_value(block, "LAST-MODIFIED")),
        date=sent,
    )
