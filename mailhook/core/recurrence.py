"""When a meeting takes place: occurrences of one VEVENT and of a series.

What: `Schedule` is the timing of one VEVENT; `occurrences` yields its instances around a moment, lazily and
within fixed bounds, whatever the rule says; `standing` picks the occurrence at which a conference stands.

Not here: reading the rule (`rrule`), its instances in local time (`expansion`), merging revisions (`meeting`).

Errors: none. A rule that is not followed (`unfollowed` tells why) counts as its first instance, repeated for ever:
the conference is then never over, because a leftover room costs little and a deleted one kills a meeting.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import MAXYEAR, MINYEAR, UTC, datetime, timedelta, tzinfo
from heapq import merge
from itertools import dropwhile, groupby, islice
from zoneinfo import ZoneInfo

from mailhook.core import expansion
from mailhook.core.rrule import Rule, parse
from mailhook.core.vtimezone import custom_zone

HORIZON = timedelta(days=40 * 366)
MAX_INSTANCES = 20_000
MAX_ASKED = 100
"""Of more instances it is not asked whether a series has them."""
# Local times of instances that end after a moment may seem to lie before it, by what a zone can change at once.
_SLACK = timedelta(days=2)


@dataclass(frozen=True, order=True)
class Occurrence:
    """One instance: UTC instants."""

    start: datetime
    end: datetime


@dataclass(frozen=True)
class Schedule:
    """Timing of one VEVENT (RFC 5545 §3.8.2, §3.8.5).

    `start` is the local time in `zone` (naive); `zone` an IANA name, or "" when `vtimezone` holds the
    text of the message's own VTIMEZONE. `rdates` and `exdates` are UTC instants; `periods` are added instances with a
    length of their own (RDATE;VALUE=PERIOD). `rrule` is the value of RRULE, or "".
    """

    start: datetime
    duration: timedelta
    zone: str
    vtimezone: str = ""
    all_day: bool = False
    rrule: str = ""
    rdates: tuple[datetime, ...] = ()
    exdates: tuple[datetime, ...] = ()
    periods: tuple[Occurrence, ...] = ()


def zone_of(schedule: Schedule) -> tzinfo:
    """The zone in which the local times of `schedule` are meant."""
    return ZoneInfo(schedule.zone) if schedule.zone else custom_zone(schedule.vtimezone)


def first(schedule: Schedule) -> Occurrence:
    """The instance that DTSTART names."""
    start = schedule.start.replace(tzinfo=zone_of(schedule)).astimezone(UTC)
    return Occurrence(start, start + schedule.duration)


def unfollowed(schedule: Schedule) -> str:
    """Why the rule of `schedule` is not followed; "" where it is, and where there is none."""
    try:
        _rule(schedule)
    except ValueError as fault:
        return str(fault)
    return ""


def _rule(schedule: Schedule) -> Rule | None:
    return parse(schedule.rrule) if schedule.rrule else None


def _starts(schedule: Schedule, zone: tzinfo, since: datetime, until: datetime | None) -> Iterator[datetime]:
    """Local starts from before `since` (UTC) to after `until`, or the horizon; those of DTSTART and the rule."""
    rule = None if unfollowed(schedule) else _rule(schedule)
    if rule is None:
        return iter((schedule.start,))
    local = since.astimezone(zone).replace(tzinfo=None)
    earliest = local - schedule.duration - _SLACK
    if rule.count and earliest - schedule.start > HORIZON:
        if _is_used_up(rule, schedule.start):
            return iter((schedule.start,))
        rule = replace(rule, count=0)
    latest = max(local, schedule.start) + HORIZON
    if until is not None:
        latest = min(latest, until.astimezone(zone).replace(tzinfo=None) + _SLACK)
    if rule.until is not None:
        latest = min(latest, _local(rule.until, zone))
    starts = islice(expansion.instances(rule, schedule.start, earliest, latest), MAX_INSTANCES)
    return dropwhile(earliest.__gt__, starts)


def _is_used_up(rule: Rule, start: datetime) -> bool:
    """Whether COUNT is reached within the horizon; what then still has instances counts as one without end."""
    return sum(1 for _ in expansion.instances(rule, start, start, start + HORIZON)) == rule.count


def _local(moment: datetime, zone: tzinfo) -> datetime:
    """UNTIL in the zone of the series (§3.3.10); the ends of Python's calendar stay what they are."""
    if moment.tzinfo is None or not MINYEAR < moment.year < MAXYEAR:
        return moment.replace(tzinfo=None)
    return moment.astimezone(zone).replace(tzinfo=None)


def occurrences(schedule: Schedule, since: datetime, until: datetime | None = None) -> Iterator[Occurrence]:
    """Instances that end after `since` and start by `until` (UTC), in order of start, at most HORIZON ahead."""
    excluded = set(schedule.exdates)
    own = {period.start: period for period in schedule.periods}
    added = {start: Occurrence(start, start + schedule.duration) for start in schedule.rdates} | own
    skipped = excluded | added.keys()
    ruled = (
        Occurrence(start, start + schedule.duration)
        for start in _ruled(schedule, since, until)
        if start not in skipped
    )
    more = sorted(each for each in added.values() if each.start not in excluded)
    for occurrence in merge(ruled, more):
        if until is not None and occurrence.start > until:
            return
        if occurrence.end > since:
            yield occurrence


def _ruled(schedule: Schedule, since: datetime, until: datetime | None) -> Iterator[datetime]:
    """By day, because the hour that a change of clocks skips is counted twice, and in another order (§3.3.5)."""
    zone = zone_of(schedule)
    for _, starts in groupby(_starts(schedule, zone, since, until), key=datetime.toordinal):
        day = [start.replace(tzinfo=zone).astimezone(UTC) for start in starts]
        yield from day if len(day) == 1 else sorted(set(day))


def instances_at(schedule: Schedule, moments: Iterable[datetime]) -> set[datetime]:
    """Those of `moments` (UTC) at which the schedule has an instance, excluded or not; all where that is unknown."""
    asked = sorted(moments)
    if unfollowed(schedule):
        return set(asked)
    known, rest = asked[:MAX_ASKED], asked[MAX_ASKED:]
    bare = replace(schedule, exdates=())
    rule = _rule(schedule)
    # A rule with COUNT is counted from its start each time.
    groups = [known] if rule and rule.count and known else [[moment] for moment in known]
    found = (each.start for group in groups for each in occurrences(bare, group[0], group[-1]))
    return set(rest) | set(known).intersection(found)


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
