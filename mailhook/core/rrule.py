"""What a recurrence rule says (RFC 5545 §3.3.10).

What: `parse` reads the value of RRULE into a `Rule`, or tells why it is not followed.

Not here: its instances (`expansion`).

Errors: ValueError, whose text says why the rule is not followed.
"""

import re
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache

from mailhook.core.vtimezone import WEEKDAYS, date_time

MAX_TEXT = 4000
"""Characters of a rule; all possible numbers of every part are fewer."""
MAX_COUNT = 1000
"""A rule of more instances counts as one without end: they need not be counted from its start."""
MAX_TIMES = 96
"""Times of day: every quarter of an hour."""

FREQUENCIES = ("DAILY", "WEEKLY", "MONTHLY", "YEARLY")
_FORBIDDEN = {
    "DAILY": {"BYWEEKNO", "BYYEARDAY"},
    "WEEKLY": {"BYWEEKNO", "BYYEARDAY", "BYMONTHDAY"},
    "MONTHLY": {"BYWEEKNO", "BYYEARDAY"},
    "YEARLY": set[str](),
}
_NUMBERS = {
    "BYMONTH": range(1, 13),
    "BYWEEKNO": range(1, 54),
    "BYYEARDAY": range(1, 367),
    "BYMONTHDAY": range(1, 32),
    "BYSETPOS": range(1, 367),
    "BYHOUR": range(24),
    "BYMINUTE": range(60),
    "BYSECOND": range(61),
}
_SIGNED = {"BYWEEKNO", "BYYEARDAY", "BYMONTHDAY", "BYSETPOS"}
_OTHERS = {"FREQ", "INTERVAL", "COUNT", "UNTIL", "WKST", "BYDAY"}

_NUMBER = re.compile(r"([+-]?)(\d{1,3})", re.ASCII)
_DAY = re.compile(r"([+-]?\d{1,2})?(MO|TU|WE|TH|FR|SA|SU)", re.ASCII)

Numbers = frozenset[int]
NONE: Numbers = frozenset()


@dataclass(frozen=True)
class Rule:
    """A rule as it stands. `count` 0: without COUNT, or with one above MAX_COUNT.

    `until` is UTC or local time, the last second of the day for a DATE. Weekdays: 0 is Monday; in `days` with their
    ordinal, 0 for every one.
    """

    frequency: str
    interval: int
    count: int
    until: datetime | None
    week_start: int
    days: frozenset[tuple[int, int]]
    months: Numbers = NONE
    weeks: Numbers = NONE
    year_days: Numbers = NONE
    month_days: Numbers = NONE
    positions: Numbers = NONE
    hours: Numbers = NONE
    minutes: Numbers = NONE
    seconds: Numbers = NONE

    @property
    def days_in_year(self) -> bool:
        """Whether the ordinals of `days` count within the year, and not the month."""
        return self.frequency == "YEARLY" and not self.months


@lru_cache(maxsize=256)
def parse(text: str) -> Rule:
    """The rule that the value of RRULE says. Raises ValueError for one that is malformed or not followed."""
    if len(text) > MAX_TEXT:
        raise ValueError(f"it is longer than {MAX_TEXT} characters")
    pairs = [part.partition("=") for part in text.upper().split(";") if part.strip()]
    parts = {name.strip(): value.strip() for name, _, value in pairs}
    if len(parts) < len(pairs):
        raise ValueError("a part occurs twice")
    frequency = parts.get("FREQ", "")
    if frequency not in FREQUENCIES:
        raise ValueError(f"FREQ is none of {', '.join(FREQUENCIES)}")
    for name in parts:
        if name not in _NUMBERS and name not in _OTHERS:
            raise ValueError(f"the part {name[:20]!r} is unknown")
        if name in _FORBIDDEN[frequency]:
            raise ValueError(f"{name} does not go with FREQ={frequency}")
    return _bounded(_rule(frequency, parts))


def _rule(frequency: str, parts: dict[str, str]) -> Rule:
    count = _positive(parts, "COUNT") if "COUNT" in parts else 0
    return Rule(
        frequency=frequency,
        interval=_positive(parts, "INTERVAL") if "INTERVAL" in parts else 1,
        count=count if count <= MAX_COUNT else 0,
        until=_until(parts["UNTIL"]) if "UNTIL" in parts else None,
        week_start=_weekday(parts.get("WKST", "MO"), "WKST")[1],
        days=frozenset(_weekday(each, "BYDAY") for each in parts["BYDAY"].split(","))
        if "BYDAY" in parts
        else frozenset(),
        months=_numbers(parts, "BYMONTH"),
        weeks=_numbers(parts, "BYWEEKNO"),
        year_days=_numbers(parts, "BYYEARDAY"),
        month_days=_numbers(parts, "BYMONTHDAY"),
        positions=_numbers(parts, "BYSETPOS"),
        hours=_numbers(parts, "BYHOUR"),
        minutes=_numbers(parts, "BYMINUTE"),
        seconds=_numbers(parts, "BYSECOND"),
    )


def _bounded(rule: Rule) -> Rule:
    plain = rule.frequency in {"DAILY", "WEEKLY"} or rule.weeks
    if plain and any(ordinal for ordinal, _ in rule.days):
        raise ValueError("BYDAY has an ordinal, which goes with months and years only")
    times = [len(each) or 1 for each in (rule.hours, rule.minutes, rule.seconds)]
    if times[0] * times[1] * times[2] > MAX_TIMES:
        raise ValueError(f"it recurs more than {MAX_TIMES} times a day")
    return rule


def _positive(parts: dict[str, str], name: str) -> int:
    if not re.fullmatch(r"0*[1-9]\d{0,11}", parts[name], re.ASCII):
        raise ValueError(f"{name} is no positive number")
    return int(parts[name])


def _numbers(parts: dict[str, str], name: str) -> Numbers:
    return frozenset(_number(each, name) for each in parts[name].split(",")) if name in parts else NONE


def _number(text: str, name: str) -> int:
    match = _NUMBER.fullmatch(text.strip())
    if match is None or int(match[2]) not in _NUMBERS[name] or (match[1] and name not in _SIGNED):
        raise ValueError(f"{name} holds {text[:20]!r}")
    return int(match[0])


def _weekday(text: str, name: str) -> tuple[int, int]:
    match = _DAY.fullmatch(text.strip())
    if match is None or (match[1] and (name == "WKST" or not 1 <= abs(int(match[1])) <= 53)):
        raise ValueError(f"{name} holds {text[:20]!r}")
    return int(match[1] or 0), WEEKDAYS.index(match[2])


def _until(text: str) -> datetime:
    try:
        moment = date_time(text)
    except ValueError:
        raise ValueError("UNTIL is no date") from None
    return moment if "T" in text else moment.replace(hour=23, minute=59, second=59)
