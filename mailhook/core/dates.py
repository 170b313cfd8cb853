"""Dates, times and lengths as people write them in a language: Babel's only home, with the rules of CLDR.

What: `locale` finds the rules for a language tag; `timing_of` says when an event takes place, `values` makes of that
what templates may use. They become text only where a template shows them. Whatever shows a time names its zone,
unless a template asks for a pattern of its own.

Not here: when meetings take place (`recurrence`), templates (`confined`).

Errors: ValueError from a pattern that is none.
"""

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from babel import Locale, UnknownLocaleError
from babel.dates import format_date, format_time, get_timezone, get_timezone_location
from babel.lists import format_list
from babel.units import format_unit

from mailhook.core.recurrence import Schedule, first, zone_of

__all__ = ["NAMES", "Length", "Locale", "Moment", "Span", "Timing", "locale", "timing_of", "values"]

_TAG = re.compile(r"[a-z]{2,3}(-[a-z0-9]{2,8}){0,3}")
_STYLES = ("full", "long", "medium", "short")
LONGEST_PATTERN = 40
"""Characters of a template's own pattern."""
NAMES = ("when", "start", "end", "duration", "timezone", "all_day", "repeats")
"""The variables of `values`."""


@lru_cache(maxsize=256)
def locale(tag: str) -> Locale | None:
    """The rules for a tag as of RFC 5646 ("ru", "en-GB"), or for its language alone; None where CLDR has neither."""
    tag = tag.strip().lower().replace("_", "-")
    if not _TAG.fullmatch(tag):
        return None
    for name in (tag, tag.partition("-")[0]):
        try:
            return Locale.parse(name, sep="-")
        except (UnknownLocaleError, ValueError):
            continue
    return None


@dataclass(frozen=True)
class Timing:
    """When a meeting takes place, a series for the first time: local times with their offsets.

    `zone`: the IANA name, or "" for a zone that the invitation itself describes.
    """

    start: datetime
    end: datetime
    zone: str = ""
    all_day: bool = False
    repeats: bool = False


@dataclass(frozen=True)
class Moment:
    """When something begins or ends: `at` is local time with its offset, `zone` how people call the zone."""

    at: datetime
    zone: str
    locale: Locale
    all_day: bool = False

    def __str__(self) -> str:
        return self.date() if self.all_day else f"{self.date()}, {self.time()}"

    def date(self, style: str = "full") -> str:
        """`style`: full, long, medium, short, or a pattern of CLDR such as "d MMMM"."""
        return _spaced(format_date(self.at, _style(style), self.locale))

    def time(self, pattern: str = "") -> str:
        """Hour, minute and zone, or what the pattern says; "" for a whole day."""
        if self.all_day:
            return ""
        return self.clock(pattern) if pattern else f"{self.clock()} ({self.zone})"

    def clock(self, style: str = "short") -> str:
        return _spaced(format_time(self.at, _style(style), locale=self.locale))


@dataclass(frozen=True)
class Span:
    """From the start to the end; the second date only where it differs. The end of whole days is the last of them."""

    start: Moment
    end: Moment

    def __str__(self) -> str:
        same = self.start.at.date() == self.end.at.date()
        if self.start.all_day:
            return self.start.date() if same else f"{self.start.date()} – {self.end.date()}"
        if same:
            return f"{self.start.date()}, {self.start.clock()} – {self.end.time()}"
        return f"{self.start.date()}, {self.start.clock()} – {self.end}"


@dataclass(frozen=True)
class Length:
    """How long something takes, in days, hours and minutes: "1 час 30 минут"."""

    length: timedelta
    locale: Locale

    def __str__(self) -> str:
        minutes = int(self.length.total_seconds()) // 60
        counts = {"day": minutes // 1440, "hour": minutes // 60 % 24, "minute": minutes % 60}
        units = [
            format_unit(number, f"duration-{unit}", "long", locale=self.locale)
            for unit, number in counts.items()
            if number
        ]
        return format_list(units, "unit", self.locale)


def values(timing: Timing | None, rules: Locale) -> dict[str, object]:
    """The variables NAMES; empty texts where the time is not known."""
    if timing is None:
        return dict.fromkeys(NAMES, "")
    start, end = timing.start, timing.end
    zone = "" if timing.all_day else _zone(start, timing.zone, rules)
    last = (
        max(start, end - timedelta(days=1)) if timing.all_day else end
    )  # DTEND is the day after (RFC 5545 §3.6.1)
    begins, ends = (Moment(at, zone, rules, timing.all_day) for at in (start, last))
    length = end.astimezone(UTC) - start.astimezone(UTC)  # across a change of the clock too
    return {
        "when": Span(begins, ends),
        "start": begins,
        "end": ends,
        "duration": Length(length, rules),
        "timezone": zone,
        "all_day": timing.all_day,
        "repeats": timing.repeats,
    }


def _zone(moment: datetime, zone: str, rules: Locale) -> str:
    """Its city and its offset: "Москва, UTC+3". Zones without a city, such as Etc/GMT-3, have an offset only."""
    offset = _offset(moment)
    if "/" not in zone or zone.startswith("Etc/"):
        return offset
    return f"{get_timezone_location(get_timezone(zone), rules, return_city=True)}, {offset}"


def _offset(moment: datetime) -> str:
    """UTC+3, UTC+5:30, UTC."""
    minutes = int((moment.utcoffset() or timedelta()).total_seconds()) // 60
    if not minutes:
        return "UTC"
    hours, rest = divmod(abs(minutes), 60)
    return f"UTC{'+' if minutes > 0 else '-'}{hours}" + (f":{rest:02}" if rest else "")


def _spaced(text: str) -> str:
    """With ordinary spaces for the unbreakable and narrow ones of CLDR, which charsets of older mail do not have."""
    return " ".join(text.split())


def _style(style: str) -> str:
    if style in _STYLES:
        return style
    if not style or len(style) > LONGEST_PATTERN:
        raise ValueError(
            f"a pattern has 1 to {LONGEST_PATTERN} characters, or is one of {', '.join(_STYLES)}"
        )
    return style


def timing_of(schedule: Schedule | None, timezone: str) -> Timing | None:
    """When an event takes place; an instant that names no place (in UTC) is told in `timezone`."""
    if schedule is None:
        return None
    name = "" if schedule.all_day else timezone if schedule.zone == "UTC" else schedule.zone
    place = UTC if schedule.all_day else ZoneInfo(name) if name else zone_of(schedule)
    repeats = bool(schedule.rrule or schedule.rdates)
    try:
        if schedule.all_day:
            begins = schedule.start.replace(tzinfo=UTC)
            return Timing(begins, begins + schedule.duration, all_day=True, repeats=repeats)
        told = first(schedule)
        return Timing(told.start.astimezone(place), told.end.astimezone(place), name, repeats=repeats)
    except OverflowError:  # about the year 1 or 9999
        return None
