"""When a meeting takes place: occurrences of one VEVENT and of a series.

What: `Schedule` is the timing of one VEVENT; `occurrences` yields its instances around a moment, lazily and
within fixed bounds, whatever the rule says; `standing` picks the occurrence at which a conference stands.

Not here: merging revisions (`meeting`), and what a conference is named.

Errors: none. A rule that cannot be expanded within the bounds counts as its first instance, repeated for ever:
the conference is then never over, because a leftover room costs little and a deleted one kills a meeting.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from functools import lru_cache
from itertools import islice
from zoneinfo import ZoneInfo

from dateutil.rrule import rrulestr
from icalendar import Timezone

# Bounds of an expansion. The rule is expanded by days at the least, over a window that ends HORIZON after the
# moment asked about, so that an impossible date (30 February) ends the search instead of running to the year 9999.
HORIZON = timedelta(days=5 * 366)
EXPANDABLE = ("DAILY", "WEEKLY", "MONTHLY", "YEARLY")
FINE_PARTS = ("BYHOUR", "BYMINUTE", "BYSECOND")
EARLIEST = datetime(1970, 1, 1)  # noqa: DTZ001 - compared with local times
MAX_INSTANCES = 20_000


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


@lru_cache(maxsize=256)
def custom_zone(vtimezone: str) -> tzinfo:
    """The zone that the text of a VTIMEZONE defines; raises what icalendar raises."""
    zone = Timezone.from_ical(vtimezone)
    assert isinstance(zone, Timezone)
    made: tzinfo = zone.to_tz()
    return made


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
    """Whether the rule can be expanded within the bounds."""
    parts = _parts(schedule.rrule)
    return (
        parts.get("FREQ") in EXPANDABLE
        and not any(name in parts for name in FINE_PARTS)
        and schedule.start >= EARLIEST
        and len(schedule.rrule) <= 500
    )


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
    except ValueError:
        return horizon
    return min(local, horizon)


def _advanced(start: datetime, parts: dict[str, str], since: datetime) -> datetime:
    """A later start of the same DAILY or WEEKLY rule, so that a long past is not walked through."""
    days = {"DAILY": 1, "WEEKLY": 7}.get(parts["FREQ"])
    if days is None or "COUNT" in parts or since <= start:
        return start
    interval = max(int(parts.get("INTERVAL", "1")), 1)
    step = timedelta(days=days * interval)
    return start + ((since - start) // step) * step


def _rule_starts(schedule: Schedule, zone: tzinfo, since: datetime, until: datetime) -> Iterator[datetime]:
    """Local starts of the rule's instances in a window from before `since` to `until` (local)."""
    parts = _parts(schedule.rrule)
    last = _until(parts, zone, until)
    wanted = ";".join(f"{name}={value}" for name, value in parts.items() if name != "UNTIL")
    try:
        start = _advanced(schedule.start, parts, since - schedule.duration - timedelta(days=8))
        rule = rrulestr(f"{wanted};UNTIL={last:%Y%m%dT%H%M%S}", dtstart=start, ignoretz=True)
        if "COUNT" in parts:
            # COUNT and UNTIL exclude each other in RFC 5545; the window is applied by hand.
            rule = rrulestr(wanted, dtstart=start, ignoretz=True)
            rule = rule.replace(count=min(int(parts["COUNT"]), MAX_INSTANCES), until=last)
        if start == schedule.start:
            yield start
        yield from (moment for moment in islice(rule, MAX_INSTANCES) if moment != schedule.start)
    except (ValueError, TypeError, KeyError, OverflowError):
        yield schedule.start


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
