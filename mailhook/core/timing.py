"""Timing values of a calendar component, converted by `icalendar` one by one.

What: `Zones` resolves TZID against the message's own VTIMEZONEs; `schedule`, `instant` and `recurrence_key` read the
timing of a VEVENT (RFC 5545 §3.8.2, §3.8.4.4, §3.8.5).

Not here: expansion of rules (`recurrence`).

Errors: none. A value that cannot be converted counts as absent.
"""

from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from zoneinfo import ZoneInfo

from icalendar import vDDDTypes, vDuration
from icalendar.timezone.windows_to_olson import WINDOWS_TO_OLSON

from mailhook.core.contentlines import Component as Block
from mailhook.core.contentlines import ContentLine
from mailhook.core.recurrence import Schedule, custom_zone

MAX_DATES = 2000


def lines(block: Block, name: str) -> Iterator[ContentLine]:
    return (line for line in block.lines if line.name == name)


def first_value(block: Block, name: str) -> str:
    return next((line.value for line in lines(block, name)), "")


def param(line: ContentLine, name: str) -> str:
    return next((value for key, value in line.params if key == name), "")


def instant(value: str) -> datetime | None:
    """A UTC instant; what lacks the Z is taken for UTC, as RFC 5545 demands UTC for these properties."""
    moment = _moment(value)
    if not isinstance(moment, datetime):
        return None
    return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)


def _moment(value: str) -> date | datetime | None:
    try:
        parsed = vDDDTypes.from_ical(value.strip())
    except (ValueError, TypeError):
        return None
    return parsed if isinstance(parsed, date) else None


class Zones:
    """Resolves TZID: what the message's own VTIMEZONE says holds, under an IANA name where that says the same."""

    def __init__(self, calendar: Block, default: str) -> None:
        self.default = default
        self._definitions = {
            first_value(child, "TZID").strip('"'): child
            for child in calendar.children
            if child.name == "VTIMEZONE"
        }

    def resolve(self, tzid: str, local: datetime) -> tuple[str, str]:
        """(IANA name, "") or ("", text of the VTIMEZONE)."""
        definition = self._definitions.get(tzid)
        text = _vtimezone(definition) if definition else ""
        custom = _try_custom(text)
        for name in (tzid, WINDOWS_TO_OLSON.get(tzid, ""), *_tails(tzid)):
            zone = _iana(name)
            if zone and (custom is None or local.replace(tzinfo=zone).utcoffset() == _offset(local, custom)):
                return name, ""
        return ("", text) if custom is not None else (self.default, "")


def _tails(tzid: str) -> Iterator[str]:
    """IANA names at the end of a path-like TZID, as in /freeassociation.sourceforge.net/Europe/Moscow."""
    pieces = tzid.split("/")
    return ("/".join(pieces[-count:]) for count in (3, 2) if len(pieces) > count)


def _iana(name: str) -> ZoneInfo | None:
    try:
        return ZoneInfo(name) if name else None
    except (ValueError, KeyError, OSError):
        return None


def _offset(local: datetime, zone: tzinfo) -> timedelta | None:
    try:
        return local.replace(tzinfo=zone).utcoffset()
    except (ValueError, TypeError, OverflowError):
        return None


def _try_custom(text: str) -> tzinfo | None:
    try:
        return custom_zone(text) if text else None
    except (ValueError, TypeError, KeyError, IndexError, AttributeError, OverflowError):
        return None


def _vtimezone(block: Block) -> str:
    """The component's text again, unfolded, with what `icalendar` needs to convert it."""
    rows = [f"BEGIN:{block.name}"]
    rows += [f"{line.name}:{line.value}" for line in block.lines]
    rows += [_vtimezone(child) for child in block.children]
    return "\r\n".join([*rows, f"END:{block.name}"])


def schedule(block: Block, zones: Zones, default: timedelta) -> Schedule | None:
    """Timing of a VEVENT; None without a readable DTSTART. `default` stands in for a missing or no length."""
    line = next(lines(block, "DTSTART"), None)
    moment = _moment(line.value) if line else None
    if line is None or moment is None:
        return None
    local, zone, text, all_day = _placed(moment, param(line, "TZID"), zones)
    base = Schedule(start=local, duration=default, zone=zone, vtimezone=text, all_day=all_day)
    return Schedule(
        start=local,
        duration=_duration(block, base, zones, default),
        zone=zone,
        vtimezone=text,
        all_day=all_day,
        rrule=first_value(block, "RRULE").strip(),
        rdates=_dates(block, "RDATE", zones),
        exdates=_dates(block, "EXDATE", zones),
    )


def _placed(moment: date | datetime, tzid: str, zones: Zones) -> tuple[datetime, str, str, bool]:
    """(local time, IANA name, VTIMEZONE text, all-day) of a DATE or DATE-TIME value."""
    if not isinstance(moment, datetime):
        return datetime.combine(moment, time()), zones.default, "", True
    if moment.tzinfo is not None:
        return moment.astimezone(UTC).replace(tzinfo=None), "UTC", "", False
    name, text = zones.resolve(tzid.strip('"'), moment) if tzid else (zones.default, "")
    return moment, name, text, False


def _utc(value: str, tzid: str, zones: Zones) -> datetime | None:
    moment = _moment(value.partition("/")[0])
    if moment is None:
        return None
    local, name, text, _ = _placed(moment, tzid, zones)
    zone = ZoneInfo(name) if name else custom_zone(text)
    try:
        return local.replace(tzinfo=zone).astimezone(UTC)
    except OverflowError:
        return None


def _duration(block: Block, base: Schedule, zones: Zones, default: timedelta) -> timedelta:
    end = next(lines(block, "DTEND"), None)
    span = timedelta(0)
    if end is not None:
        start = _utc(first_value(block, "DTSTART"), param(next(lines(block, "DTSTART")), "TZID"), zones)
        finish = _utc(end.value, param(end, "TZID"), zones)
        span = finish - start if start and finish else span
    elif text := first_value(block, "DURATION").strip():
        span = _span(text)
    elif base.all_day:
        span = timedelta(days=1)
    return span if span > timedelta(0) else default


def _span(text: str) -> timedelta:
    try:
        parsed = vDuration.from_ical(text)
    except (ValueError, OverflowError):
        return timedelta(0)
    return parsed if isinstance(parsed, timedelta) else timedelta(0)


def _dates(block: Block, name: str, zones: Zones) -> tuple[datetime, ...]:
    values = [(v, param(line, "TZID")) for line in lines(block, name) for v in line.value.split(",")]
    moments = (_utc(value, tzid, zones) for value, tzid in values[:MAX_DATES])
    return tuple(sorted({moment for moment in moments if moment is not None}))


def recurrence_key(block: Block, zones: Zones) -> str:
    """RECURRENCE-ID as a UTC instant in basic form; "" for a component without one."""
    line = next(lines(block, "RECURRENCE-ID"), None)
    moment = _utc(line.value, param(line, "TZID"), zones) if line else None
    return f"{moment:%Y%m%dT%H%M%SZ}" if moment else ""
