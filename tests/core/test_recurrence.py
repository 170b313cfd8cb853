"""Occurrences of a series in its zone, also against dateutil's own expansion, and where a conference stands."""

import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from dateutil.rrule import rrule, rruleset, rrulestr
from hypothesis import given
from hypothesis import strategies as st

from mailhook.core.recurrence import (
    MAX_INSTANCES,
    Occurrence,
    Schedule,
    first,
    instances_at,
    occurrences,
    standing,
    unfollowed,
)
from tests.core.invitations import at

HOUR = timedelta(hours=1)
BERLIN = "Europe/Berlin"
LONG_AGO = at("1990-01-01 00:00")


def schedule(
    rule: str = "", start: str = "2027-03-01 10:00", zone: str = "UTC", rdates: str = "", exdates: str = ""
) -> Schedule:
    """`rdates`, `exdates`: UTC times joined by commas."""
    more, fewer = (tuple(at(each) for each in text.split(",") if each) for text in (rdates, exdates))
    return Schedule(datetime.fromisoformat(start), HOUR, zone, rrule=rule, rdates=more, exdates=fewer)


def starts(series: Schedule, since: str, count: int) -> list[str]:
    found = []
    for each in occurrences(series, at(since)):
        found.append(f"{each.start:%Y-%m-%d %H:%M}")
        if len(found) == count:
            break
    return found


@pytest.mark.parametrize(
    ("series", "since", "expected"),
    [
        (schedule(), "2027-01-01 00:00", ["2027-03-01 10:00"]),
        (schedule(), "2027-03-01 11:00", []),
        (schedule("FREQ=DAILY;COUNT=2"), "2027-01-01 00:00", ["2027-03-01 10:00", "2027-03-02 10:00"]),
        (schedule("FREQ=WEEKLY"), "2047-03-01 00:00", ["2047-03-04 10:00", "2047-03-11 10:00", "2047-03-18 10:00"]),
        (schedule("FREQ=WEEKLY;INTERVAL=2;BYDAY=MO,FR"), "2027-03-02 00:00",
         ["2027-03-05 10:00", "2027-03-15 10:00", "2027-03-19 10:00"]),
        (schedule("FREQ=WEEKLY;UNTIL=20270308T100000Z"), "2027-01-01 00:00", ["2027-03-01 10:00", "2027-03-08 10:00"]),
        (schedule("FREQ=WEEKLY;UNTIL=20270308T095959Z"), "2027-01-01 00:00", ["2027-03-01 10:00"]),
        (schedule("FREQ=WEEKLY;UNTIL=20270308"), "2027-01-01 00:00", ["2027-03-01 10:00", "2027-03-08 10:00"]),
        (schedule("FREQ=DAILY;UNTIL=20270302T083000Z", zone=BERLIN), "2027-01-01 00:00", ["2027-03-01 09:00"]),
        (schedule("FREQ=DAILY;UNTIL=20270302T090000Z", zone=BERLIN), "2027-01-01 00:00",
         ["2027-03-01 09:00", "2027-03-02 09:00"]),
        (schedule("FREQ=WEEKLY", zone=BERLIN), "2027-03-20 00:00", ["2027-03-22 09:00", "2027-03-29 08:00"]),
        (schedule("FREQ=WEEKLY", zone=BERLIN), "2027-10-25 00:00", ["2027-10-25 08:00", "2027-11-01 09:00"]),
        (schedule("FREQ=DAILY;COUNT=3", exdates="2027-03-02 10:00"), "2027-01-01 00:00",
         ["2027-03-01 10:00", "2027-03-03 10:00"]),
        (schedule("FREQ=DAILY;COUNT=1", exdates="2027-03-01 10:00"), "2027-01-01 00:00", []),
        (schedule(rdates="2027-03-05 12:00"), "2027-01-01 00:00", ["2027-03-01 10:00", "2027-03-05 12:00"]),
        (schedule(rdates="2027-02-05 12:00,2027-03-01 10:00"), "2027-01-01 00:00",
         ["2027-02-05 12:00", "2027-03-01 10:00"]),
        (schedule("FREQ=DAILY;COUNT=2", rdates="2027-03-01 18:00", exdates="2027-03-01 10:00"),
         "2027-01-01 00:00", ["2027-03-01 18:00", "2027-03-02 10:00"]),
        (schedule("FREQ=MONTHLY;BYMONTHDAY=31"), "2027-03-01 12:00", ["2027-03-31 10:00", "2027-05-31 10:00"]),
        (schedule("FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-1"), "2027-03-02 00:00",
         ["2027-03-31 10:00", "2027-04-30 10:00"]),
        (schedule("FREQ=YEARLY", start="2024-02-29 10:00"), "2024-03-01 00:00",
         ["2028-02-29 10:00", "2032-02-29 10:00"]),
        # DTSTART counts as the first instance, though the rule itself would not give it.
        (schedule("FREQ=WEEKLY;BYDAY=TU"), "2027-01-01 00:00", ["2027-03-01 10:00", "2027-03-02 10:00"]),
        (schedule("FREQ=WEEKLY;BYDAY=TU;COUNT=2"), "2027-01-01 00:00", ["2027-03-01 10:00", "2027-03-02 10:00"]),
        (schedule("FREQ=DAILY;BYHOUR=9,15;COUNT=3"), "2027-01-01 00:00",
         ["2027-03-01 10:00", "2027-03-01 15:00", "2027-03-02 09:00"]),
        (schedule("FREQ=YEARLY;BYMONTH=11;BYMONTHDAY=30", start="1960-11-30 10:00"), "2027-03-01 00:00",
         ["2027-11-30 10:00", "2028-11-30 10:00"]),
        (schedule("FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30"), "2027-01-01 00:00", ["2027-03-01 10:00"]),
        (schedule("FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30"), "2027-03-02 00:00", []),
    ],
)  # fmt: skip
def test_occurrences(series: Schedule, since: str, expected: list[str]) -> None:
    assert starts(series, since, max(len(expected), 2)) == expected


def test_an_occurrence_that_is_under_way_has_not_ended() -> None:
    assert starts(schedule("FREQ=DAILY"), "2027-03-02 10:59", 1) == ["2027-03-02 10:00"]
    assert starts(schedule("FREQ=DAILY"), "2027-03-02 11:00", 1) == ["2027-03-03 10:00"]


# --- the oracle ----------------------------------------------------------------------------------------

DAY = st.sampled_from(["MO", "TU", "WE", "TH", "FR", "SA", "SU"])
DAYS = st.lists(DAY, min_size=1, max_size=4, unique=True).map(",".join)
ORDINAL = st.tuples(st.sampled_from(["1", "2", "+3", "4", "-1", "-2"]), DAY).map("".join)
SHAPES = st.one_of(
    st.sampled_from(["FREQ=DAILY", "FREQ=WEEKLY", "FREQ=MONTHLY", "FREQ=YEARLY"]),
    DAYS.map("FREQ=DAILY;BYDAY={}".format),
    DAYS.map("FREQ=WEEKLY;BYDAY={}".format),
    st.tuples(DAYS, DAY).map(lambda x: f"FREQ=WEEKLY;BYDAY={x[0]};WKST={x[1]}"),
    st.integers(1, 31).map("FREQ=MONTHLY;BYMONTHDAY={}".format),
    st.integers(-28, -1).map("FREQ=MONTHLY;BYMONTHDAY={}".format),
    ORDINAL.map("FREQ=MONTHLY;BYDAY={}".format),
    st.tuples(DAYS, st.sampled_from(["1", "2", "-1"])).map(
        lambda x: f"FREQ=MONTHLY;BYDAY={x[0]};BYSETPOS={x[1]}"
    ),
    st.tuples(st.integers(1, 12), ORDINAL).map(lambda x: f"FREQ=YEARLY;BYMONTH={x[0]};BYDAY={x[1]}"),
    st.tuples(st.integers(1, 12), st.integers(1, 28)).map(
        lambda x: f"FREQ=YEARLY;BYMONTH={x[0]};BYMONTHDAY={x[1]}"
    ),
)


def naive(text: str) -> datetime:
    return datetime.fromisoformat(text)


ENDS = st.one_of(
    st.just(""),
    st.integers(1, 30).map(";COUNT={}".format),
    st.datetimes(naive("2020-01-01"), naive("2035-01-01")).map(lambda d: f";UNTIL={d:%Y%m%dT%H%M%SZ}"),
)
STARTS = st.datetimes(naive("2015-01-01"), naive("2028-01-01")).map(
    lambda d: d.replace(second=0, microsecond=0)
)


@given(
    SHAPES,
    st.integers(1, 5),
    ENDS,
    STARTS,
    st.integers(-400, 3000),
    st.sampled_from(["UTC", BERLIN]),
    st.data(),
)
def test_as_dateutil_expands(
    shape: str, interval: int, end: str, start: datetime, later: int, zone: str, data: st.DataObject
) -> None:
    rule = f"{shape};INTERVAL={interval}{end}"
    series = Schedule(start, HOUR, zone, rrule=rule)
    since = (start + timedelta(days=later)).replace(tzinfo=UTC)
    known = _expanded(series, rule, (), ())
    exdates = tuple(data.draw(st.lists(st.sampled_from(known[:20]), max_size=3)))
    rdates = tuple(
        data.draw(
            st.lists(st.datetimes(start, start + timedelta(days=900), timezones=st.just(UTC)), max_size=3)
        )
    )
    series = Schedule(start, HOUR, zone, rrule=rule, rdates=tuple(sorted(set(rdates))), exdates=exdates)
    expected = [moment for moment in _expanded(series, rule, rdates, exdates) if moment + HOUR > since]
    found: list[datetime] = []
    for each in occurrences(series, since):
        if len(found) == 15 or each.start > start.replace(tzinfo=UTC) + timedelta(days=3650):
            break
        found.append(each.start)
    assert found == expected[: len(found)]
    assert len(found) == min(15, len(expected))


def _expanded(
    series: Schedule, text: str, rdates: tuple[datetime, ...], exdates: tuple[datetime, ...]
) -> list[datetime]:
    """All starts of ten years: dateutil's set, expanded in local time."""
    zone = ZoneInfo(series.zone)
    parts = dict(part.split("=") for part in text.split(";"))
    until = parts.pop("UNTIL", "")
    rules = rruleset()
    base = rrulestr(";".join(f"{k}={v}" for k, v in parts.items()), dtstart=series.start)
    assert isinstance(base, rrule)
    # DTSTART counts as the first instance (RFC 5545 §3.8.5.3), though the rule itself would not give it.
    count = parts.get("COUNT")
    if count and next(iter(base)) != series.start:
        base = base.replace(count=int(count) - 1)
    rules.rrule(base)
    rules.rdate(series.start)
    local = rules.between(series.start, series.start + timedelta(days=3650), inc=True)
    if until:
        limit = datetime.strptime(until, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC).astimezone(zone)
        local = [moment for moment in local if moment <= limit.replace(tzinfo=None) or moment == series.start]
    moments = {moment.replace(tzinfo=zone).astimezone(UTC) for moment in local} | set(rdates)
    last = (series.start + timedelta(days=3650)).replace(tzinfo=UTC)
    return sorted(moment for moment in moments - set(exdates) if moment <= last)


@pytest.mark.parametrize(
    ("rule", "reason"),
    [
        ("FREQ=SECONDLY", "FREQ is none of DAILY, WEEKLY, MONTHLY, YEARLY"),
        ("FREQ=MINUTELY", "FREQ is none of"),
        ("FREQ=HOURLY;INTERVAL=6", "FREQ is none of"),
        ("BYDAY=MO", "FREQ is none of"),
        ("nonsense", "FREQ is none of"),
        (";;;===", "a part occurs twice|FREQ is none of"),
        ("FREQ=DAILY;FREQ=WEEKLY", "a part occurs twice"),
        ("FREQ=DAILY;COUNT=0", "COUNT is no positive number"),
        ("FREQ=DAILY;COUNT=-1", "COUNT is no positive number"),
        ("FREQ=DAILY;INTERVAL=0", "INTERVAL is no positive number"),
        ("FREQ=DAILY;INTERVAL=9999999999999", "INTERVAL is no positive number"),
        ("FREQ=DAILY;UNTIL=tomorrow", "UNTIL is no date"),
        ("FREQ=DAILY;UNTIL=", "UNTIL is no date"),
        ("FREQ=WEEKLY;WKST=1MO", "WKST holds '1MO'"),
        ("FREQ=WEEKLY;BYDAY=", "BYDAY holds ''"),
        ("FREQ=WEEKLY;BYDAY=XX", "BYDAY holds 'XX'"),
        ("FREQ=MONTHLY;BYDAY=0MO", "BYDAY holds '0MO'"),
        ("FREQ=YEARLY;BYDAY=54MO", "BYDAY holds '54MO'"),
        ("FREQ=WEEKLY;BYDAY=1MO", "BYDAY has an ordinal"),
        ("FREQ=YEARLY;BYWEEKNO=3;BYDAY=1MO", "BYDAY has an ordinal"),
        ("FREQ=MONTHLY;BYMONTHDAY=32", "BYMONTHDAY holds '32'"),
        ("FREQ=MONTHLY;BYMONTHDAY=0", "BYMONTHDAY holds '0'"),
        ("FREQ=YEARLY;BYMONTH=-1", "BYMONTH holds '-1'"),
        ("FREQ=YEARLY;BYMONTH=\uff11", "BYMONTH holds"),
        ("FREQ=MONTHLY;BYWEEKNO=20", "BYWEEKNO does not go with FREQ=MONTHLY"),
        ("FREQ=DAILY;BYYEARDAY=20", "BYYEARDAY does not go with FREQ=DAILY"),
        ("FREQ=WEEKLY;BYMONTHDAY=20", "BYMONTHDAY does not go with FREQ=WEEKLY"),
        ("FREQ=YEARLY;BYEASTER=0", "the part 'BYEASTER' is unknown"),
        (f"FREQ=DAILY;BYHOUR={','.join(map(str, range(24)))};BYMINUTE=1,2,3,4,5", "more than 96 times a day"),
        (f"FREQ=DAILY;BYHOUR={'1,' * 2000}1", "longer than 4000 characters"),
    ],
)  # fmt: skip
def test_a_rule_that_is_not_followed_says_why(rule: str, reason: str) -> None:
    series = schedule(rule)
    assert re.search(reason, unfollowed(series))
    assert starts(series, "2027-01-01 00:00", 5) == ["2027-03-01 10:00"]
    assert instances_at(series, [at("2027-03-02 10:00")]) == {at("2027-03-02 10:00")}


@pytest.mark.parametrize(
    "rule", ["", "freq=daily;", "FREQ=DAILY;INTERVAL=9;COUNT=1000000000;UNTIL=99991231T235959Z"]
)
def test_a_rule_that_is_followed_has_no_reason(rule: str) -> None:
    assert unfollowed(schedule(rule)) == ""


@pytest.mark.parametrize("until", ["99991231T235959Z", "00010101T000000Z", "99991231", "00010101T000000"])
def test_an_end_at_the_ends_of_the_calendar(until: str) -> None:
    series = schedule(f"FREQ=DAILY;UNTIL={until}", zone=BERLIN)
    assert len(starts(series, "2027-01-01 00:00", 2)) == (2 if until.startswith("9") else 1)


def test_a_long_past_is_not_walked_through() -> None:
    series = schedule("FREQ=DAILY", start="1900-01-01 10:00")
    assert starts(series, "2027-03-01 00:00", 2) == ["2027-03-01 10:00", "2027-03-02 10:00"]
    counted = schedule("FREQ=DAILY;COUNT=1000000000", start="1900-01-01 10:00")
    assert starts(counted, "2027-03-01 00:00", 2) == ["2027-03-01 10:00", "2027-03-02 10:00"]


@pytest.mark.parametrize(
    ("count", "since", "expected"),
    [
        (10, "1989-03-01 00:00", ["1989-03-01 10:00"]),
        (10, "2027-03-01 00:00", []),
        (50, "2018-03-01 00:00", ["2018-03-01 10:00", "2019-03-01 10:00"]),
        # Not counted any more, forty years after its start.
        (50, "2035-03-01 00:00", ["2035-03-01 10:00", "2036-03-01 10:00"]),
    ],
)
def test_a_long_past_is_counted_up_to_the_horizon(count: int, since: str, expected: list[str]) -> None:
    assert starts(schedule(f"FREQ=YEARLY;COUNT={count}", start="1980-03-01 10:00"), since, 2) == expected


def test_an_expansion_ends_at_its_horizon() -> None:
    assert sum(1 for _ in occurrences(schedule("FREQ=DAILY"), LONG_AGO)) == 40 * 366 + 1
    often = schedule("FREQ=DAILY;BYMINUTE=0,10,20,30,40,50")
    assert sum(1 for _ in occurrences(often, LONG_AGO)) <= MAX_INSTANCES


def test_times_that_a_change_of_clocks_skips_stay_in_order() -> None:
    series = schedule("FREQ=DAILY;BYHOUR=2,3;BYMINUTE=0,30", start="2027-03-27 02:00", zone=BERLIN)
    assert starts(series, "2027-03-28 00:00", 4) == [
        "2027-03-28 01:00", "2027-03-28 01:30", "2027-03-29 00:00", "2027-03-29 00:30",
    ]  # fmt: skip


HALF = Occurrence(at("2027-03-03 10:00"), at("2027-03-03 10:30"))
LONG = Occurrence(at("2027-03-02 10:00"), at("2027-03-02 18:00"))


def test_an_added_period_has_its_own_length() -> None:
    series = replace(
        schedule("FREQ=DAILY;COUNT=2", rdates="2027-03-03 10:00,2027-03-04 10:00"), periods=(LONG, HALF)
    )
    found = list(occurrences(series, at("2027-01-01 00:00")))
    assert [(f"{each.start:%d}", each.end - each.start) for each in found] == [
        ("01", HOUR), ("02", 8 * HOUR), ("03", HOUR / 2), ("04", HOUR),
    ]  # fmt: skip
    assert LONG in occurrences(series, at("2027-03-02 17:59"))
    assert LONG not in occurrences(series, at("2027-03-02 18:00"))
    assert LONG not in occurrences(replace(series, exdates=(LONG.start,)), at("2027-01-01 00:00"))


ANY_RULE = st.from_regex(
    r"(FREQ=(DAILY|WEEKLY|MONTHLY|YEARLY|HOURLY))"
    r"(;(BY[A-Z]{3,8}|INTERVAL|COUNT|UNTIL|WKST)=[-+0-9A-Z,]{0,9}){0,4}",
    fullmatch=True,
)


@given(ANY_RULE, STARTS)
def test_any_rule_comes_to_an_end(rule: str, start: datetime) -> None:
    series = Schedule(start, HOUR, BERLIN, rrule=rule)
    found = [each for _, each in zip(range(5), occurrences(series, LONG_AGO), strict=False)]
    assert found[0] == first(series)
    assert found == sorted(found)


# --- where a conference stands -------------------------------------------------------------------------


def slots(*times: str) -> list[Occurrence]:
    """ "10:00-11:00" of one day."""
    found = []
    for each in times:
        begin, _, end = each.partition("-")
        found.append(Occurrence(at(f"2027-03-01 {begin}"), at(f"2027-03-01 {end}")))
    return found


@pytest.mark.parametrize(
    ("occurring", "now", "stands", "until"),
    [
        ("10:00-11:00", "09:00", "10:00", "12:00"),
        ("10:00-11:00", "11:59", "10:00", "12:00"),
        ("10:00-11:00", "12:00", None, None),
        ("10:00-11:00 15:00-16:00", "09:00", "10:00", "12:00"),
        ("10:00-11:00 15:00-16:00", "11:30", "10:00", "12:00"),
        ("10:00-11:00 15:00-16:00", "12:00", "15:00", "17:00"),
        ("10:00-11:00 11:30-12:00", "11:10", "10:00", "11:30"),
        ("10:00-11:00 11:30-12:00", "11:30", "11:30", "13:00"),
        ("10:00-11:00 11:00-12:00", "10:59", "10:00", "11:00"),
        ("10:00-11:00 11:00-12:00", "11:00", "11:00", "13:00"),
        ("10:00-13:00 11:00-12:00", "12:30", "10:00", "13:00"),
        ("10:00-13:00 11:00-12:00", "13:00", "10:00", "14:00"),
        ("", "09:00", None, None),
    ],
)
def test_standing(occurring: str, now: str, stands: str | None, until: str | None) -> None:
    moment = at(f"2027-03-01 {now}")
    place = standing([o for o in slots(*occurring.split()) if o.end > moment - HOUR], moment, HOUR)
    assert (place and place.occurrence.start) == (stands and at(f"2027-03-01 {stands}"))
    assert (place and place.until) == (until and at(f"2027-03-01 {until}"))


@given(
    st.lists(st.tuples(st.integers(0, 40), st.integers(1, 9)), max_size=6),
    st.integers(0, 60),
    st.integers(0, 9),
)
def test_a_conference_never_leaves_before_the_end_nor_stays_beyond_the_next_start(
    times: list[tuple[int, int]], clock: int, roll: int
) -> None:
    day = at("2027-03-01 00:00")
    slots = sorted(Occurrence(day + HOUR * start, day + HOUR * (start + length)) for start, length in times)
    now, roll_after = day + HOUR * clock, HOUR * roll
    place = standing([o for o in slots if o.end > now - roll_after], now, roll_after)
    if any(o.start <= now < o.end for o in slots) or any(o.start > now for o in slots):
        assert place is not None
    if place is not None:
        assert place.until is not None
        assert place.until > now
        assert place.occurrence in slots
        if place.occurrence.end <= now:
            assert not any(o.start <= now < o.end and o.start >= place.occurrence.end for o in slots)
