"""Instances of a recurrence rule (RFC 5545 §3.3.10), in local time.

What: `instances` yields what a `Rule` gives, period by period (a day, week, month or year of its FREQ), from the one
asked for on, so that neither a long past nor an impossible date costs anything.

Not here: reading the rule (`rrule`); zones, EXDATE, RDATE and lengths (`recurrence`).

Errors: none.
"""

from calendar import monthrange
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import date, datetime, time
from functools import lru_cache
from itertools import islice, product

from mailhook.core.rrule import Numbers, Rule


def instances(rule: Rule, start: datetime, since: datetime, until: datetime) -> Iterator[datetime]:
    """Local starts up to `until`, in order; `start` (DTSTART) is always the first (§3.8.5.3), whatever the rule says.

    Others before `since` may be left out. `until` bounds the expansion; UNTIL of the rule is the caller's, who knows
    the zone.
    """
    yield start
    rule = _completed(rule, start)
    found = _ruled(rule, start, start if rule.count else since, until)
    yield from islice(found, rule.count - 1) if rule.count else found


def _completed(rule: Rule, start: datetime) -> Rule:
    """What a rule leaves open is as in DTSTART (§3.3.10)."""
    rule = replace(
        rule,
        hours=rule.hours or frozenset({start.hour}),
        minutes=rule.minutes or frozenset({start.minute}),
        seconds=frozenset(min(second, 59) for second in rule.seconds) or frozenset({start.second}),
    )
    if rule.days or rule.year_days or rule.month_days:
        return rule
    if rule.frequency == "WEEKLY" or rule.weeks:
        return replace(rule, days=frozenset({(0, start.weekday())}))
    if rule.frequency == "YEARLY":
        months = rule.months or frozenset({start.month})
        return replace(rule, months=months, month_days=frozenset({start.day}))
    return replace(rule, month_days=frozenset({start.day})) if rule.frequency == "MONTHLY" else rule


def _ruled(rule: Rule, start: datetime, since: datetime, until: datetime) -> Iterator[datetime]:
    clocks = product(sorted(rule.hours), sorted(rule.minutes), sorted(rule.seconds))
    times = [time(hour, minute, second) for hour, minute, second in clocks]
    for days in periods(rule, start.date(), since.date(), until.date()):
        for place in _places(rule, len(days) * len(times)):
            moment = datetime.combine(date.fromordinal(days[place // len(times)]), times[place % len(times)])
            if moment > until:
                return
            if moment > start:
                yield moment


def _places(rule: Rule, size: int) -> list[int] | range:
    """Which of the `size` instances of a period count."""
    if not rule.positions:
        return range(size)
    if size < len(rule.positions):
        return [at for at in range(size) if {at + 1, at - size} & rule.positions]
    places = {place - 1 if place > 0 else size + place for place in rule.positions}
    return sorted(place for place in places if 0 <= place < size)


def periods(rule: Rule, start: date, since: date, until: date) -> Iterator[Sequence[int]]:
    """The days (proleptic Gregorian ordinals) of each period from that of `since` to that of `until`."""
    match rule.frequency:
        case "DAILY":
            for month in _steps(_month_number(start), _month_number(since), _month_number(until), 1):
                days = _month(rule, *divmod(month, 12))
                yield from ([day] for day in days if (day - start.toordinal()) % rule.interval == 0)
        case "WEEKLY":
            first, earliest, last = (
                _week_of(each.toordinal(), rule.week_start) for each in (start, since, until)
            )
            for week in _steps(first, earliest, last, 7 * rule.interval):
                yield _week(rule, week)
        case "MONTHLY":
            first, earliest, last = (_month_number(each) for each in (start, since, until))
            for month in _steps(first, earliest, last, rule.interval):
                yield _month(rule, *divmod(month, 12))
        case _:
            for year in _steps(start.year, since.year, until.year, rule.interval):
                yield _year(rule, year)


def _steps(first: int, earliest: int, last: int, step: int) -> range:
    """Every `step`th number from `first` to `last`, without those before `earliest`."""
    passed = max(0, -((first - earliest) // step))
    return range(first + passed * step, last + 1, step)


def _month_number(day: date) -> int:
    return day.year * 12 + day.month - 1


def _week_of(day: int, week_start: int) -> int:
    """The first day of the week in which `day` is; ordinal 1 is a Monday."""
    return day - (day - 1 - week_start) % 7


def _week(rule: Rule, first: int) -> list[int]:
    weekdays = {weekday for _, weekday in rule.days}
    days = [day for day in range(first, first + 7) if (day - 1) % 7 in weekdays]
    if not rule.months:
        return days
    if not {date.fromordinal(first).month, date.fromordinal(first + 6).month} & rule.months:
        return []
    return [day for day in days if date.fromordinal(day).month in rule.months]


def _month(rule: Rule, year: int, index: int) -> list[int]:
    """`index`: 0 is January."""
    if rule.months and index + 1 not in rule.months:
        return []
    first = date(year, index + 1, 1).toordinal()
    span = range(first, first + monthrange(year, index + 1)[1])
    limits = []
    if rule.month_days:
        limits.append(_counted(rule.month_days, span))
    if rule.days and not rule.days_in_year:
        limits.append(_weekdays(rule, span))
    return sorted(set(span).intersection(*limits)) if limits else list(span)


def _counted(numbers: Numbers, span: range) -> set[int]:
    """Days by their number from the beginning or the end of `span`; some may lie outside of it."""
    return {span.start + number - 1 if number > 0 else span.stop + number for number in numbers}


def _weekdays(rule: Rule, span: range) -> set[int]:
    """Days by weekday, and by their ordinal among those of `span`; some may lie outside of it."""
    found: set[int] = set()
    for ordinal, weekday in rule.days:
        first = span.start + (weekday - span.start + 1) % 7
        last = span.stop - 1 - (span.stop - 2 - weekday) % 7
        if ordinal == 0:
            found.update(range(first, span.stop, 7))
        else:
            found.add(first + 7 * (ordinal - 1) if ordinal > 0 else last + 7 * (ordinal + 1))
    return found


@lru_cache(maxsize=512)
def _year(rule: Rule, year: int) -> Sequence[int]:
    span = range(date(year, 1, 1).toordinal(), date(year, 12, 31).toordinal() + 1)
    days = [day for month in sorted(rule.months) or range(1, 13) for day in _month(rule, year, month - 1)]
    limits = []
    if rule.year_days:
        limits.append(_counted(rule.year_days, span))
    if rule.weeks:
        limits.append(_weeks(rule, year))
    if rule.days and rule.days_in_year:
        limits.append(_weekdays(rule, span))
    return tuple(sorted(set(days).intersection(*limits)) if limits else days)


def _weeks(rule: Rule, year: int) -> set[int]:
    """Days of the numbered weeks that may reach into `year`; a week belongs to the year of its fourth day."""
    found: set[int] = set()
    for each in (year - 1, year, year + 1):
        first, end = _week_one(each, rule.week_start), _week_one(each + 1, rule.week_start)
        starts = range(first, end, 7)
        for number in rule.weeks:
            place = number - 1 if number > 0 else len(starts) + number
            if 0 <= place < len(starts):
                found.update(range(starts[place], starts[place] + 7))
    return found


def _week_one(year: int, week_start: int) -> int:
    return _week_of(date(year, 1, 4).toordinal(), week_start)
