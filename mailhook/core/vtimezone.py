"""The zone that a message's own VTIMEZONE defines (RFC 5545 §3.6.5), by arithmetic.

What: `custom_zone` makes a `tzinfo` of the text of a VTIMEZONE. The offset at a local time is that of the observance
whose onset is the last before it, looked for in the year of that time and the year before, so that a rule that began
in 1601 costs no more than one of this year.

Not here: deciding whether a message's zone is used at all (`timing`).

Errors: ValueError for text without an observance that can be used. An observance's rule of an unusual shape counts as
its first onset only.
"""

import re
from bisect import bisect_right
from calendar import monthrange
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import MAXYEAR, MINYEAR, UTC, datetime, timedelta, tzinfo
from functools import lru_cache
from itertools import accumulate, islice

MAX_OBSERVANCES = 60
MAX_ONSETS = 1000
"""RDATEs of a zone; the rest counts as absent."""
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


def _day(rule: Rule, year: int) -> int | None:
    """The day of the rule's month on which its onset falls in `year`."""
    first, length = monthrange(year, rule.month)
    days = [day if day > 0 else length + 1 + day for day in rule.days]
    if rule.weekday is None:
        fitting: Sequence[int] = sorted(day for day in days if 1 <= day <= length)
    else:
        fitting = range(1 + (rule.weekday - first) % 7, length + 1, 7)
        fitting = [day for day in fitting if day in days] if days else fitting
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

    def effect(self, onset: datetime) -> datetime:
        """The local time from which `onset` holds; times that a change skips count as before it (§3.3.5)."""
        return onset + max(self.offset - self.before, timedelta(0))

    def onset(self, year: int) -> datetime | None:
        """That of the rule in `year`."""
        day = _day(self.rule, year) if self.rule and year >= self.start.year else None
        if self.rule is None or day is None:
            return None
        onset = self.start.replace(year=year, month=self.rule.month, day=day)
        ended = self.rule.until is not None and onset > self.rule.until
        return None if ended or onset < self.start else onset

    def single(self) -> Iterator[datetime]:
        """The onsets that no year needs to be asked for: the last ones of a rule that has ended are among them."""
        yield from (self.start, *self.dates)
        if self.rule and self.rule.until:
            last = self.rule.until.year
            yield from filter(None, (self.onset(year) for year in (last - 1, last) if year >= MINYEAR))


@dataclass(frozen=True)
class Timeline:
    """Local times in order, and the last onset, with the number of its observance, that holds from each on."""

    times: Sequence[datetime]
    onsets: Sequence[tuple[datetime, int]]

    def last(self, local: datetime) -> Iterator[tuple[datetime, int]]:
        """None or one."""
        place = bisect_right(self.times, local)
        if place:
            yield self.onsets[place - 1]


Onset = tuple[datetime, datetime, int]
"""From when it holds, the onset itself, the number of its observance."""


def _timeline(found: Iterable[Onset]) -> Timeline:
    ordered = sorted(found)
    onsets = accumulate(((onset, number) for _, onset, number in ordered), max)
    return Timeline([time for time, _, _ in ordered], list(onsets))


class CustomZone(tzinfo):
    """`tzinfo` of a VTIMEZONE."""

    def __init__(self, observances: tuple[Observance, ...]) -> None:
        self._observances = observances
        self._single = _timeline(
            (each.effect(onset), onset, number)
            for number, each in enumerate(observances)
            for onset in each.single()
            if onset.year < MAXYEAR
        )
        self._earliest = min(observances, key=lambda each: each.start).before

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
        passed = (*self._single.last(local), *self._around(local.year).last(local))
        return self._observances[max(passed)[1]].offset if passed else self._earliest

    @lru_cache(maxsize=512)  # noqa: B019 - zones are remembered themselves
    def _around(self, year: int) -> Timeline:
        """The onsets by rules that may be the last before a moment of `year`."""
        return _timeline([*self._ruled(max(MINYEAR, year - 1)), *self._ruled(year)])

    @lru_cache(maxsize=512)  # noqa: B019
    def _ruled(self, year: int) -> list[Onset]:
        onsets = ((number, each, each.onset(year)) for number, each in enumerate(self._observances))
        return [(each.effect(onset), onset, number) for number, each, onset in onsets if onset is not None]


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
    room = MAX_ONSETS
    for row in rows:
        name, _, value = row.partition(":")
        name = name.partition(";")[0].upper()
        if name == "BEGIN":
            kind, found = value.upper(), []
        elif name == "END" and kind in {"STANDARD", "DAYLIGHT"} and count < MAX_OBSERVANCES:
            count += 1
            kind = ""
            observance = _observance(found, room)
            room -= len(observance.dates)
            yield observance
        else:
            found.append((name, value))


def _observance(rows: list[tuple[str, str]], room: int) -> Observance:
    """`room`: how many RDATEs count."""
    values = dict(rows)
    dates = (each for name, value in rows if name == "RDATE" for each in value.split(",", room)[:room])
    return Observance(
        start=_local(values.get("DTSTART", "")),
        before=_offset(values.get("TZOFFSETFROM", "")),
        offset=_offset(values.get("TZOFFSETTO", "")),
        rule=_rule(values.get("RRULE", ""), _offset(values.get("TZOFFSETFROM", ""))),
        dates=tuple(_local(each) for each in islice(dates, room)),
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
