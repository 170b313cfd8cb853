"""Timing values of a calendar component.

What: `Zones` resolves TZID against the message's own VTIMEZONEs; `start`, `schedule`, `instant` and `recurrence_key`
read the timing of a VEVENT (RFC 5545 §3.8.2, §3.8.4.4, §3.8.5).

Not here: expansion of rules (`recurrence`), offsets of a VTIMEZONE (`vtimezone`).

Errors: none. A value that cannot be converted, or lies beyond the years below, counts as absent.
"""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta, tzinfo
from itertools import islice
from zoneinfo import ZoneInfo

from icalendar import vDuration
from icalendar.timezone.windows_to_olson import WINDOWS_TO_OLSON

from mailhook.core.contentlines import Component as Block
from mailhook.core.contentlines import ContentLine
from mailhook.core.recurrence import Occurrence, Schedule, first
from mailhook.core.vtimezone import MAX_ONSETS, custom_zone, date_time

# Arithmetic with what passes these bounds stays far from the ends of Python's calendar.
FIRST_YEAR = 1900
LAST_YEAR = 2200
MAX_DURATION = timedelta(days=3660)
DAY = timedelta(days=1)
MAX_DATES = 1000
"""Of more EXDATEs or RDATEs of a message the rest counts as absent."""

Listed = tuple[str, str]
"""A value of a list, and its TZID."""


def lines(block: Block, name: str) -> Iterator[ContentLine]:
    return iter(block.by_name.get(name, ()))


def first_value(block: Block, name: str) -> str:
    return next((line.value for line in lines(block, name)), "")


def param(line: ContentLine, name: str) -> str:
    return next((value for key, value in line.params if key == name), "")


def instant(value: str) -> datetime | None:
    """A UTC instant; what lacks the Z is taken for UTC, as RFC 5545 demands UTC for these properties."""
    moment = _moment(value)
    return moment.replace(tzinfo=UTC) if moment and _timed(value) else None


def _moment(value: str) -> datetime | None:
    """A DATE-TIME, a DATE as its midnight, or a PERIOD's start; naive unless it is UTC."""
    try:
        moment = date_time(value.partition("/")[0])
    except ValueError:
        return None
    return moment if FIRST_YEAR <= moment.year <= LAST_YEAR else None


def _timed(value: str) -> bool:
    return "T" in value


class Zones:
    """Resolves TZID: what the message's own VTIMEZONE says holds, under an IANA name where that says the same."""

    def __init__(self, calendar: Block, default: str) -> None:
        self.default = default
        self._resolved: dict[str, tuple[str, str]] = {"": (default, "")}
        self._definitions = {
            first_value(child, "TZID").strip('"'): child
            for child in calendar.children
            if child.name == "VTIMEZONE"
        }

    def resolve(self, tzid: str, local: datetime) -> tuple[str, str]:
        """(IANA name, "") or ("", text of the VTIMEZONE); one answer per TZID, compared at the first `local` asked."""
        if tzid not in self._resolved:
            self._resolved[tzid] = self._look_up(tzid, local)
        return self._resolved[tzid]

    def zone(self, tzid: str, local: datetime) -> tzinfo:
        name, text = self.resolve(tzid, local)
        return ZoneInfo(name) if name else custom_zone(text)

    def _look_up(self, tzid: str, local: datetime) -> tuple[str, str]:
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
    return local.replace(tzinfo=zone).utcoffset()


def _try_custom(text: str) -> tzinfo | None:
    try:
        return custom_zone(text) if text else None
    except ValueError:
        return None


_ZONE_PROPERTIES = frozenset({"DTSTART", "TZOFFSETFROM", "TZOFFSETTO", "RRULE", "RDATE"})


def _vtimezone(block: Block) -> str:
    """What counts of the component, as text again, unfolded."""
    rows = [f"BEGIN:{block.name}"]
    rows += [f"{line.name}:{_cut(line.value)}" for line in block.lines if line.name in _ZONE_PROPERTIES]
    rows += [_vtimezone(child) for child in block.children]
    return "\r\n".join([*rows, f"END:{block.name}"])


def _cut(value: str) -> str:
    """Without the dates that are not looked at."""
    return ",".join(value.strip().split(",", MAX_ONSETS)[:MAX_ONSETS])


def start(block: Block, zones: Zones) -> Schedule | None:
    """What DTSTART says, without a length; None where it is not readable."""
    line = next(lines(block, "DTSTART"), None)
    moment = _moment(line.value) if line else None
    if line is None or moment is None:
        return None
    tzid = param(line, "TZID").strip('"')
    all_day = not _timed(line.value)
    zone, text = ("UTC", "") if moment.tzinfo else zones.resolve("" if all_day else tzid, moment)
    return Schedule(moment.replace(tzinfo=None), timedelta(0), zone, text, all_day)


def schedule(block: Block, zones: Zones, default: timedelta, most: int = MAX_DATES) -> Schedule | None:
    """Timing of a VEVENT; None without a readable DTSTART. `default` stands in for a missing or no length.

    What has a RECURRENCE-ID is one instance, and does not repeat. `most`: how many EXDATEs and RDATEs count.
    """
    base = start(block, zones)
    if base is None:
        return None
    base = replace(base, duration=_duration(block, base, zones, default))
    if next(lines(block, "RECURRENCE-ID"), None) is not None:
        return base
    added, excluded = (tuple(_listed(block, name, most)) for name in ("RDATE", "EXDATE"))
    return replace(
        base,
        rrule=first_value(block, "RRULE").strip(),
        rdates=_dates((each for each in added if not _is_period(each)), zones, base),
        exdates=_dates(excluded, zones, base),
        periods=_periods(filter(_is_period, added), zones, base),
    )


def _utc(value: str, tzid: str, zones: Zones) -> datetime | None:
    moment = _moment(value)
    if moment is None or moment.tzinfo:
        return moment
    zone = zones.zone(tzid.strip('"') if _timed(value) else "", moment)
    return moment.replace(tzinfo=zone).astimezone(UTC)


def _duration(block: Block, base: Schedule, zones: Zones, default: timedelta) -> timedelta:
    """DTEND or DURATION; where neither gives a positive length, a day for a DATE, else `default`."""
    end = next(lines(block, "DTEND"), None)
    span = timedelta(0)
    if end is not None:
        finish = _utc(end.value, param(end, "TZID"), zones)
        span = finish - first(base).start if finish else span
    elif text := first_value(block, "DURATION").strip():
        span = _span(text)
    if span <= timedelta(0):
        return DAY if base.all_day else default
    return min(span, MAX_DURATION)


def _span(text: str) -> timedelta:
    try:
        parsed = vDuration.from_ical(text[:40])  # type: ignore[no-untyped-call]
    except (ValueError, OverflowError):
        return timedelta(0)
    return parsed if isinstance(parsed, timedelta) else timedelta(0)


def _listed(block: Block, name: str, most: int) -> Iterator[Listed]:
    values = (
        (v, param(line, "TZID")) for line in lines(block, name) for v in line.value.split(",", most)[:most]
    )
    return islice(values, most)


def _is_period(value: Listed) -> bool:
    return "/" in value[0]


def _dates(values: Iterable[Listed], zones: Zones, base: Schedule) -> tuple[datetime, ...]:
    moments = (_date(value, tzid, zones, base) for value, tzid in values)
    return tuple(sorted({moment for moment in moments if moment is not None}))


def _periods(values: Iterable[Listed], zones: Zones, base: Schedule) -> tuple[Occurrence, ...]:
    periods = (_period(value, tzid, zones, base) for value, tzid in values)
    return tuple(sorted({period for period in periods if period is not None}))


def _period(value: str, tzid: str, zones: Zones, base: Schedule) -> Occurrence | None:
    """RFC 5545 §3.3.9: a start and an end, or a length; without a positive one that of the event."""
    begin, _, rest = value.partition("/")
    moment = _date(begin, tzid, zones, base)
    if moment is None:
        return None
    end = None if "P" in rest else _date(rest, tzid, zones, base)
    span = end - moment if end else _span(rest.strip())
    return Occurrence(moment, moment + (min(span, MAX_DURATION) if span > timedelta(0) else base.duration))


def _date(value: str, tzid: str, zones: Zones, base: Schedule) -> datetime | None:
    """A DATE where a timed event has times means the instance of that day: clients write EXDATE so."""
    if _timed(value) or base.all_day:
        return _utc(value, tzid, zones)
    moment = _moment(value)
    if moment is None:
        return None
    day = Schedule(
        moment.replace(hour=base.start.hour, minute=base.start.minute, second=base.start.second),
        base.duration,
        base.zone,
        base.vtimezone,
    )
    return first(day).start


def recurrence_key(block: Block, zones: Zones, series: Schedule | None) -> str | None:
    """RECURRENCE-ID as a UTC instant in basic form; "" for a component without one, None if it is unreadable.

    A DATE means the instance of that day in `series`; where that is not known, at the time of day of DTSTART.
    """
    line = next(lines(block, "RECURRENCE-ID"), None)
    return "" if line is None else _as_key(line, zones, series or start(block, zones))


def added_key(block: Block, zones: Zones) -> str | None:
    """What a RECURRENCE-ID of the instance that DTSTART names would be; None if it is unreadable."""
    line = next(lines(block, "DTSTART"), None)
    return None if line is None else _as_key(line, zones, None)


def _as_key(line: ContentLine, zones: Zones, base: Schedule | None) -> str | None:
    tzid = param(line, "TZID")
    moment = _date(line.value, tzid, zones, base) if base else _utc(line.value, tzid, zones)
    return f"{moment:%Y%m%dT%H%M%SZ}" if moment else None
