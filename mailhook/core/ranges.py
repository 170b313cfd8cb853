"""A series of which a part has been moved or called off from one instance on (RECURRENCE-ID;RANGE=THISANDFUTURE).

What: `occurrences` yields the instances of a series with such parts (RFC 5545 §3.8.4.4, §3.2.13).

Not here: expanding the rule (`recurrence`), which part is known in which revision (`merging`).

Errors: none. What is moved by more than a year, and parts beyond the bounds, count as not moved.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from heapq import merge

from mailhook.core import recurrence
from mailhook.core.recurrence import Occurrence, Schedule, zone_of

MAX_PARTS = 20
MAX_SHIFT = timedelta(days=366)

Instance = tuple[datetime, Occurrence]
"""The original start of an instance, and when it takes place."""


@dataclass(frozen=True)
class Part:
    """From the instance that originally starts at `since` (UTC) on: as `schedule` says, or not at all."""

    since: datetime
    schedule: Schedule | None


def occurrences(series: Schedule, parts: Iterable[Part], since: datetime) -> Iterator[Instance]:
    """Instances that end after `since` (UTC), in order of when they take place."""
    known = sorted(filter(_is_sane, parts), key=lambda part: part.since)[:MAX_PARTS]
    if not known:
        return ((each.start, each) for each in recurrence.occurrences(series, since))
    return merge(*_streams(series, known, since), key=lambda instance: instance[1])


def _streams(series: Schedule, parts: Sequence[Part], since: datetime) -> Iterator[Iterator[Instance]]:
    yield ((o.start, o) for o in _before(parts[0].since, series, since))
    ends = (*(part.since for part in parts[1:]), None)
    for part, end in zip(parts, ends, strict=True):
        if part.schedule is not None:
            yield _moved(series, part, part.schedule, since, end)


def _before(end: datetime | None, series: Schedule, since: datetime) -> Iterator[Occurrence]:
    return (o for o in recurrence.occurrences(series, since, end) if end is None or o.start < end)


def _moved(
    series: Schedule, part: Part, schedule: Schedule, since: datetime, end: datetime | None
) -> Iterator[Instance]:
    """By local time, so that a meeting moved by an hour stays so when the clocks change."""
    zone, shift = zone_of(schedule), _shift(part, schedule)
    longest = max(series.duration, schedule.duration)
    # Whatever takes place after `since` has not ended much before, when it was still in its old place.
    for each in _before(end, series, max(part.since, since - abs(shift) - longest)):
        if each.start < part.since:
            continue
        local = each.start.astimezone(zone).replace(tzinfo=None) + shift
        start = local.replace(tzinfo=zone).astimezone(UTC)
        if start + schedule.duration > since:
            yield each.start, Occurrence(start, start + schedule.duration)


def _shift(part: Part, schedule: Schedule) -> timedelta:
    return schedule.start - part.since.astimezone(zone_of(schedule)).replace(tzinfo=None)


def _is_sane(part: Part) -> bool:
    return part.schedule is None or abs(_shift(part, part.schedule)) <= MAX_SHIFT
