"""When a meeting takes place: occurrences of one VEVENT and of a series.

What: `Schedule` is the timing of one VEVENT; `occurrences` yields its instances around a moment, lazily and
within fixed bounds, whatever the rule says; `standing` picks the occurrence at which a conference stands.

Not here: merging revisions (`meeting`), and what a conference is named.

Errors: none. A rule that cannot be expanded within the bounds counts as its first instance, repeated for ever:
the conference is then never over, because a leftover room costs little and a deleted one kills a meeting.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta, tzinfo
from itertools import islice, takewhile
from zoneinfo import ZoneInfo

from dateutil.rrule import rrulestr

from mailhook.core.vtimezone import custom_zone

HORIZON = timedelta(days=40 * 366)
MAX_INSTANCES = 20_000
MAX_COUNT = 1000
"""A series of more instances counts as one without end: they need not be counted from its start."""
MAX_ASKED = 100
"""Of more instances it is not asked whether a series has them."""
EARLIEST = datetime(1990, 1, 1)  # noqa: DTZ001 - compared with local times

# dateutil looks for the next instance up to the year 9999, so a rule that can have none (30 February) would hold up
# every mail for seconds. Only rules whose parts cannot exclude each other for long are handed to it.
_WEEKDAY = r"(?:MO|TU|WE|TH|FR|SA|SU)"
_DAYS = rf"{_WEEKDAY}(?:,{_WEEKDAY}){{0,6}}"
_ORDINAL = rf"[+-]?[1-5]?{_WEEKDAY}(?:,[+-]?[1-5]?{_WEEKDAY}){{0,6}}"
_MONTHS = r"(?:1[0-2]|[1-9])(?:,(?:1[0-2]|[1-9])){0,11}"
_MONTH_DAYS = r"-?(?:3[01]|[12]\d|[1-9])(?:,-?(?:3[01]|[12]\d|[1-9])){0,30}"
_SAFE_MONTH_DAY = r"-?(?:2[0-8]|1\d|[1-9])"
_SHAPES: dict[str, tuple[dict[str, str], ...]] = {
    "DAILY": ({}, {"BYDAY": _DAYS}),
    "WEEKLY": ({}, {"BYDAY": _DAYS}),
    "MONTHLY": (
        {},
        {"BYMONTHDAY": _MONTH_DAYS},
        {"BYDAY": _ORDINAL},
        {"BYDAY": _DAYS, "BYSETPOS": r"-?[1-4]"},
    ),
    "YEARLY": (
        {},
        {"BYMONTH": _MONTHS},
        {"BYMONTH": _MONTHS, "BYMONTHDAY": _SAFE_MONTH_DAY},
        {"BYMONTH": _MONTHS, "BYDAY": _ORDINAL},
        {"BYMONTH": _MONTHS, "BYDAY": _DAYS, "BYSETPOS": r"-?[1-4]"},
    ),
}
_FREE_PARTS = {"FREQ", "INTERVAL", "COUNT", "UNTIL", "WKST"}


@dataclass(frozen=True)
class Schedule:
    """Timing of one VEVENT (RFC 5545 §3.8.2, §3.8.5).

    `start` is the local time in `zone` (naive); `zone` an IANA name, or "" when `vtimezone` holds the
    text of the message's own VTIMEZONE. `rdates` and `exdates` are UTC instants. `rrule` is the value of RRULE, or "".
    """

    start: datetime
    duration: timedelta
    zone: str
    vtimezone: str = ""
    all_day: bool = False
    rrule: str = ""
    rdates: tuple[datetime, ...] = ()
    exdates: tuple[datetime, ...] = ()

    @property
    def recurs(self) -> bool:
        return bool(self.rrule or self.rdates)


@dataclass(frozen=True, order=True)
class Occurrence:
    """One instance: UTC instants."""

    start: datetime
    end: datetime


def zone_of(schedule: Schedule) -> tzinfo:
    """The zone in which the local times of `schedule` are meant."""
    return ZoneInfo(schedule.zone) if schedule.zone else custom_zone(schedule.vtimezone)


def first(schedule: Schedule) -> Occurrence:
    """The instance that DTSTART names."""
    return _instance(schedule, schedule.start, zone_of(schedule))


def _instance(schedule: Schedule, local: datetime, zone: tzinfo) -> Occurrence:
    start = local.replace(tzinfo=zone).astimezone(UTC)
    return Occurrence(start, start + schedule.duration)


def _parts(rule: str) -> dict[str, str]:
    pairs = (part.partition("=") for part in rule.upper().split(";") if part)
    return {name.strip(): value.strip() for name, _, value in pairs}


def expandable(schedule: Schedule) -> bool:
    """Whether the rule is one that can be expanded within the bounds."""
    parts = _parts(schedule.rrule)
    numbers = (parts.get("INTERVAL", "1"), parts.get("COUNT", "1"))
    if schedule.start < EARLIEST or not all(re.fullmatch(r"0*[1-9]\d{0,3}", number) for number in numbers):
        return False
    if _misses(parts, schedule.start):
        return False
    limiting = {name: value for name, value in parts.items() if name not in _FREE_PARTS}
    return any(
        limiting.keys() == shape.keys()
        and all(re.fullmatch(shape[name], value) for name, value in limiting.items())
        for shape in _SHAPES.get(parts.get("FREQ", ""), ())
    )


def _misses(parts: dict[str, str], start: datetime) -> bool:
    """Whether the steps of the rule may never meet its parts, though each alone is harmless."""
    interval = int(parts.get("INTERVAL", "1"))
    fifth = "5" in parts.get("BYDAY", "")
    match parts.get("FREQ"):
        case "DAILY":
            return "BYDAY" in parts and interval % 7 == 0
        case "MONTHLY":
            return ("BYMONTHDAY" in parts or fifth) and interval % 12 == 0
        case "YEARLY":
            bare = "BYMONTH" in parts and not {"BYDAY", "BYMONTHDAY"} & parts.keys()
            return (bare and start.day > 28) or (fifth and interval > 1)
        case _:
            return False


def _until(parts: dict[str, str], zone: tzinfo, horizon: datetime) -> datetime:
    """UNTIL as local time, but not beyond the horizon."""
    text = parts.get("UNTIL", "")
    try:
        if text.endswith("Z"):
            moment = datetime.strptime(text, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
            local = moment.astimezone(zone).replace(tzinfo=None)
        elif "T" in text:
            local = datetime.strptime(text, "%Y%m%dT%H%M%S")  # noqa: DTZ007
        elif text:
            local = datetime.strptime(text, "%Y%m%d").replace(hour=23, minute=59, second=59)  # noqa: DTZ007
        else:
            return horizon
    except (ValueError, OverflowError):
        return horizon
    return min(local, horizon)


def _advanced(start: datetime, parts: dict[str, str], since: datetime) -> datetime:
    """A later start of the same rule, so that a long past is not walked through."""
    if "COUNT" in parts or since <= start:
        return start
    interval = int(parts.get("INTERVAL", "1"))
    by_day = "BYDAY" in parts or "BYMONTHDAY" in parts
    match parts["FREQ"]:
        case "DAILY" | "WEEKLY" as frequency:
            step = timedelta(days=interval * (7 if frequency == "WEEKLY" else 1))
            return start + ((since - start) // step) * step
        case "MONTHLY" if by_day:
            passed = (since.year - start.year) * 12 + since.month - start.month
            months = start.month - 1 + passed // interval * interval
            return start.replace(year=start.year + months // 12, month=months % 12 + 1, day=1)
        case "YEARLY" if by_day:
            years = (since.year - start.year) // interval * interval
            return start.replace(year=start.year + years, month=1, day=1)
        case _:
            return start


def _rule_starts(schedule: Schedule, zone: tzinfo, since: datetime, until: datetime) -> Iterator[datetime]:
    """Local starts of the rule's instances in a window from before `since` to `until` (local)."""
    parts = _parts(schedule.rrule)
    if int(parts.get("COUNT", "1")) > MAX_COUNT:
        del parts["COUNT"]
    last = _until(parts, zone, until)
    yield schedule.start
    try:
        start = _advanced(schedule.start, parts, since - schedule.duration - timedelta(days=8))
        wanted = ";".join(f"{name}={value}" for name, value in parts.items() if name != "UNTIL")
        rule = rrulestr(wanted, dtstart=start, ignoretz=True)
    except (ValueError, OverflowError):
        return
    for moment in takewhile(lambda moment: moment <= last, islice(rule, MAX_INSTANCES)):
        if moment > schedule.start:
            yield moment


def occurrences(schedule: Schedule, since: datetime) -> Iterator[Occurrence]:
    """Instances that end after `since` (UTC) in order of start, at most HORIZON ahead."""
    zone = zone_of(schedule)
    local = since.astimezone(zone).replace(tzinfo=None)
    starts: Iterable[datetime] = (schedule.start,)
    if schedule.rrule and expandable(schedule):
        starts = _rule_starts(schedule, zone, local, max(local, schedule.start) + HORIZON)
    excluded = set(schedule.exdates)
    ruled = (_instance(schedule, start, zone) for start in starts)
    extra = [Occurrence(start, start + schedule.duration) for start in schedule.rdates]
    for occurrence in _merged(ruled, sorted(extra)):
        if occurrence.end > since and occurrence.start not in excluded:
            yield occurrence


def instances_at(schedule: Schedule, moments: Iterable[datetime]) -> set[datetime]:
    """Those of `moments` (UTC) at which the schedule has an instance, excluded or not; all where that is unknown."""
    asked = sorted(moments)
    if schedule.rrule and not expandable(schedule):
        return set(asked)
    known, rest = asked[:MAX_ASKED], asked[MAX_ASKED:]
    bare = replace(schedule, exdates=())
    counted = "COUNT" in _parts(schedule.rrule)
    groups = [known] if counted and known else [[moment] for moment in known]
    found = (each.start for group in groups for each in _between(bare, group[0], group[-1]))
    return set(rest) | set(known).intersection(found)


def _between(schedule: Schedule, earliest: datetime, latest: datetime) -> Iterator[Occurrence]:
    return takewhile(lambda each: each.start <= latest, occurrences(schedule, earliest))


def _merged(ruled: Iterator[Occurrence], extra: list[Occurrence]) -> Iterator[Occurrence]:
    rest = iter(extra)
    waiting = next(rest, None)
    for occurrence in ruled:
        while waiting is not None and waiting <= occurrence:
            if waiting != occurrence:
                yield waiting
            waiting = next(rest, None)
        yield occurrence
    if waiting is not None:
        yield waiting
        yield from rest


@dataclass(frozen=True)
class Standing:
    """Where a conference stands, and until when that holds (None: it stays)."""

    occurrence: Occurrence
    until: datetime | None


def standing(upcoming: Iterable[Occurrence], now: datetime, roll_after: timedelta) -> Standing | None:
    """The occurrence at which the conference stands; None when the last one has ended long enough ago.

    `upcoming`: those that end after `now - roll_after`, in order of start. An occurrence that has ended
    keeps the conference for `roll_after`, because meetings overrun, but never beyond the start of the next.
    """
    current: Occurrence | None = None
    for occurrence in upcoming:
        if current is not None:
            leaves = max(current.end, min(current.end + roll_after, occurrence.start))
            if now < leaves:
                return Standing(current, leaves)
        current = occurrence
    if current is None or now >= current.end + roll_after:
        return None
    return Standing(current, current.end + roll_after)
