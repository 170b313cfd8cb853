"""The zone that a message's own VTIMEZONE defines (RFC 5545 §3.6.5), by arithmetic.

What: `custom_zone` makes a `tzinfo` of the text of a VTIMEZONE. The offset at a local time is that of the observance
whose onset is the last before it, looked for in the year of that time and the year before, so that a rule that began
in 1601 costs no more than one of this year.

Not here: deciding whether a message's zone is used at all (`timing`).

Errors: ValueError for text without an observance that can be used. An observance's rule of an unusual shape counts as
its first onset only.
"""

import re
from calendar import monthrange
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import MAXYEAR, MINYEAR, UTC, datetime, timedelta, tzinfo
from functools import lru_cache

MAX_OBSERVANCES = 60
MAX_ONSETS = 200
WEEKDAYS = ("MO", "TU", "WE", "TH", "FR", "SA", "SU")

_DATE_TIME = re.compile(r"(\d{4})(\d\d)(\d\d)(?:T(\d\d)(\d\d)(\d\d)(Z)?)?\Z", re.ASCII)
_OFFSET = re.compile(r"([+-])(\d\d)(\d\d)(\d\d)?\Z", re.ASCII)
_BY_DAY = re.compile(r"([+-]?[1-5])?(MO|TU|WE|TH|FR|SA|SU)\Z", re.ASCII)


def date_time(value: str) -> datetime:
    """A DATE-TIME (naive, or UTC with a Z) or a DATE as its midnight (RFC 5545 §3.3.4, §3.3.5); raises ValueError."""
    match = _DATE_TIME.match(value.strip())
    if match is None:
        raise ValueError("no DATE-TIME")
    numbers = [int(number or 0) for number in match.groups()[:6]]
    # A leap second (RFC 5545 §3.3.5) has no place in Python.
    numbers[5] = min(numbers[5], 59)
    return datetime(*numbers, tzinfo=UTC if match[7] else None)  # type: ignore[arg-type, misc]


@dataclass(frozen=True)
class Rule:
    """A yearly onset: the day of `month` that is one of `days` (all if empty) and the `ordinal`th `weekday` among them.

    `ordinal` counts from the end if negative; `weekday` None: the first of `days`.
    """

    month: int
    weekday: int | None
    ordinal: int
    days: tuple[int, ...]
    until: datetime | None


@lru_cache(maxsize=4096)
def _day(rule: Rule, year: int) -> int | None:
    """The day of the rule's month on which its onset falls in `year`."""
    first, length = monthrange(year, rule.month)
    days = [day if day > 0 else length + 1 + day for day in rule.days] or range(1, length + 1)
    fitting = [
        day
        for day in sorted(days)
        if 1 <= day <= length and (rule.weekday is None or (first + day - 1) % 7 == rule.weekday)
    ]
    place = rule.ordinal - 1 if rule.ordinal > 0 else rule.ordinal
    return fitting[place] if -len(fitting) <= place < len(fitting) else None


@dataclass(frozen=True)
class Observance:
    """STANDARD or DAYLIGHT: its onsets are local times in `before`."""

    start: datetime
    before: timedelta
    offset: timedelta
    rule: Rule | None
    dates: tuple[datetime, ...]

    def last_onset(self, local: datetime) -> datetime | None:
        """The last onset that is not after `local`; times that a change skips count as before it (§3.3.5)."""
        reached = local - max(self.offset - self.before, timedelta(0))
        known = [onset for onset in (self.start, *self.dates, *self._ruled(local)) if onset <= reached]
        return max(known, default=None)

    def _ruled(self, local: datetime) -> Iterator[datetime]:
        if self.rule is None:
            return
        newest = local.year
        if self.rule.until is not None:
            newest = min(newest, self.rule.until.year)
        for year in range(max(newest - 1, self.start.year, MINYEAR), newest + 1):
            day = _day(self.rule, year)
            onset = day and self.start.replace(year=year, month=self.rule.month, day=day)
            if onset and onset >= self.start and not (self.rule.until and onset > self.rule.until):
                yield onset


class CustomZone(tzinfo):
    """`tzinfo` of a VTIMEZONE."""

    def __init__(self, observances: tuple[Observance, ...]) -> None:
        self._observances = observances

    def utcoffset(self, moment: datetime | None) -> timedelta:
        return self._at(moment.replace(tzinfo=None)) if moment else timedelta(0)

    def dst(self, _moment: datetime | None) -> timedelta | None:
        """Unknown: a VTIMEZONE tells offsets only."""
        return None

    def tzname(self, _moment: datetime | None) -> str | None:
        return None

    def fromutc(self, moment: datetime) -> datetime:
        utc = moment.replace(tzinfo=None)
        guess = utc + self._at(utc)
        return (utc + self._at(guess)).replace(tzinfo=self)

    def _at(self, local: datetime) -> timedelta:
        onsets = [(each.last_onset(local), number) for number, each in enumerate(self._observances)]
        passed = [(onset, number) for onset, number in onsets if onset is not None]
        if passed:
            return self._observances[max(passed)[1]].offset
        return min(self._observances, key=lambda each: each.start).before


@lru_cache(maxsize=256)
def custom_zone(text: str) -> tzinfo:
    """The zone that the text of a VTIMEZONE defines (unfolded lines); raises ValueError."""
    observances = tuple(_observances(text.splitlines()))
    if not observances:
        raise ValueError("no observance in the VTIMEZONE")
    return CustomZone(observances)


def _observances(rows: list[str]) -> Iterator[Observance]:
    found: list[tuple[str, str]] = []
    kind = ""
    count = 0
    for row in rows:
        name, _, value = row.partition(":")
        name = name.partition(";")[0].upper()
        if name == "BEGIN":
            kind, found = value.upper(), []
        elif name == "END" and kind in {"STANDARD", "DAYLIGHT"} and count < MAX_OBSERVANCES:
            count += 1
            kind = ""
            yield _observance(found)
        else:
            found.append((name, value))


def _observance(rows: list[tuple[str, str]]) -> Observance:
    values = dict(rows)
    dates = [each for name, value in rows if name == "RDATE" for each in value.split(",")]
    return Observance(
        start=_local(values.get("DTSTART", "")),
        before=_offset(values.get("TZOFFSETFROM", "")),
        offset=_offset(values.get("TZOFFSETTO", "")),
        rule=_rule(values.get("RRULE", ""), _offset(values.get("TZOFFSETFROM", ""))),
        dates=tuple(_local(each) for each in dates[:MAX_ONSETS]),
    )


def _local(value: str) -> datetime:
    return date_time(value).replace(tzinfo=None)


def _offset(value: str) -> timedelta:
    match = _OFFSET.match(value.strip())
    if match is None:
        raise ValueError("no UTC offset")
    span = timedelta(hours=int(match[2]), minutes=int(match[3]), seconds=int(match[4] or 0))
    if span >= timedelta(days=1):
        raise ValueError("UTC offset of a day")
    return -span if match[1] == "-" else span


def _rule(value: str, before: timedelta) -> Rule | None:
    """The rule, if it is one of those that zones have: a weekday or a day of one month, every year."""
    parts = dict(part.split("=", 1) for part in value.upper().split(";") if "=" in part)
    month = parts.get("BYMONTH", "")
    weekday = _BY_DAY.match(parts.get("BYDAY", ""))
    days = parts.get("BYMONTHDAY", "")
    plain = parts.keys() <= {"FREQ", "BYMONTH", "BYDAY", "BYMONTHDAY", "UNTIL", "WKST", "INTERVAL"}
    if not plain or parts.get("FREQ") != "YEARLY" or parts.get("INTERVAL", "1") != "1":
        return None
    if not re.fullmatch(r"0?[1-9]|1[0-2]", month) or ("BYDAY" in parts and not weekday):
        return None
    if not re.fullmatch(r"(?:-?\d{1,2}(?:,-?\d{1,2}){0,30})?", days) or not (weekday or days):
        return None
    until = date_time(parts["UNTIL"]) if "UNTIL" in parts else None
    if until is not None and until.tzinfo is not None:
        until = until.replace(tzinfo=None) + before if MINYEAR < until.year < MAXYEAR else None
    return Rule(
        month=int(month),
        weekday=WEEKDAYS.index(weekday[2]) if weekday else None,
        ordinal=int(weekday[1] or 1) if weekday else 1,
        days=tuple(int(day) for day in days.split(",")) if days else (),
        until=until,
    )
