"""Instances of a rule: the examples of RFC 5545, and any rule against dateutil's own expansion."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import islice

import dateutil.rrule
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailhook.core.expansion import instances, periods
from mailhook.core.rrule import FREQUENCIES, parse
from mailhook.core.vtimezone import WEEKDAYS

YEARS = timedelta(days=366)
WORKDAYS = "MO,TU,WE,TH,FR"


def naive(text: str) -> datetime:
    return datetime.fromisoformat(text)


def found(rule: str, start: str, since: str = "", years: int = 40) -> Iterator[datetime]:
    begin = naive(start)
    return instances(parse(rule), begin, naive(since) if since else begin, begin + years * YEARS)


def dates(moments: Iterator[datetime], count: int) -> str:
    """As the RFC lists them: "1997 Sep 2,4; Oct 1"."""
    told: list[str] = []
    year, month = 0, ""
    for each in islice(moments, count):
        if each.year != year or f"{each:%b}" != month:
            told.append(f"{each:%Y }" * (each.year != year) + f"{each:%b} {each.day}")
        else:
            told[-1] += f",{each.day}"
        year, month = each.year, f"{each:%b}"
    return "; ".join(told)


# RFC 5545 §3.8.5.3, those of a followed FREQ; all at nine. UNTIL is in UTC there, in local time here.
@pytest.mark.parametrize(
    ("start", "rule", "expected"),
    [
        ("1997-09-02", "FREQ=DAILY;COUNT=10", "1997 Sep 2,3,4,5,6,7,8,9,10,11"),
        ("1997-09-02", "FREQ=DAILY;INTERVAL=2", "1997 Sep 2,4,6,8,10,12,14,16,18,20,22,24,26,28,30; Oct 2,4,6,..."),
        ("1997-09-02", "FREQ=DAILY;INTERVAL=10;COUNT=5", "1997 Sep 2,12,22; Oct 2,12"),
        ("1997-09-02", "FREQ=WEEKLY;COUNT=10", "1997 Sep 2,9,16,23,30; Oct 7,14,21,28; Nov 4"),
        ("1997-09-02", "FREQ=WEEKLY;INTERVAL=2;WKST=SU",
         "1997 Sep 2,16,30; Oct 14,28; Nov 11,25; Dec 9,23; 1998 Jan 6,20; Feb 3,17,..."),
        ("1997-09-02", "FREQ=WEEKLY;COUNT=10;WKST=SU;BYDAY=TU,TH", "1997 Sep 2,4,9,11,16,18,23,25,30; Oct 2"),
        ("1997-09-01", "FREQ=WEEKLY;INTERVAL=2;WKST=SU;BYDAY=MO,WE,FR",
         "1997 Sep 1,3,5,15,17,19,29; Oct 1,3,13,15,17,27,29,31; Nov 10,12,14,24,26,28; Dec 8,10,12,22,..."),
        ("1997-09-02", "FREQ=WEEKLY;INTERVAL=2;COUNT=8;WKST=SU;BYDAY=TU,TH", "1997 Sep 2,4,16,18,30; Oct 2,14,16"),
        ("1997-09-05", "FREQ=MONTHLY;COUNT=10;BYDAY=1FR",
         "1997 Sep 5; Oct 3; Nov 7; Dec 5; 1998 Jan 2; Feb 6; Mar 6; Apr 3; May 1; Jun 5"),
        ("1997-09-07", "FREQ=MONTHLY;INTERVAL=2;COUNT=10;BYDAY=1SU,-1SU",
         "1997 Sep 7,28; Nov 2,30; 1998 Jan 4,25; Mar 1,29; May 3,31"),
        ("1997-09-22", "FREQ=MONTHLY;COUNT=6;BYDAY=-2MO", "1997 Sep 22; Oct 20; Nov 17; Dec 22; 1998 Jan 19; Feb 16"),
        ("1997-09-28", "FREQ=MONTHLY;BYMONTHDAY=-3",
         "1997 Sep 28; Oct 29; Nov 28; Dec 29; 1998 Jan 29; Feb 26,..."),
        ("1997-09-02", "FREQ=MONTHLY;COUNT=10;BYMONTHDAY=2,15",
         "1997 Sep 2,15; Oct 2,15; Nov 2,15; Dec 2,15; 1998 Jan 2,15"),
        ("1997-09-30", "FREQ=MONTHLY;COUNT=10;BYMONTHDAY=1,-1",
         "1997 Sep 30; Oct 1,31; Nov 1,30; Dec 1,31; 1998 Jan 1,31; Feb 1"),
        ("1997-09-10", "FREQ=MONTHLY;INTERVAL=18;COUNT=10;BYMONTHDAY=10,11,12,13,14,15",
         "1997 Sep 10,11,12,13,14,15; 1999 Mar 10,11,12,13"),
        ("1997-09-02", "FREQ=MONTHLY;INTERVAL=2;BYDAY=TU",
         "1997 Sep 2,9,16,23,30; Nov 4,11,18,25; 1998 Jan 6,13,20,27; Mar 3,10,17,24,31,..."),
        ("1997-06-10", "FREQ=YEARLY;COUNT=10;BYMONTH=6,7",
         "1997 Jun 10; Jul 10; 1998 Jun 10; Jul 10; 1999 Jun 10; Jul 10; 2000 Jun 10; Jul 10; 2001 Jun 10; Jul 10"),
        ("1997-03-10", "FREQ=YEARLY;INTERVAL=2;COUNT=10;BYMONTH=1,2,3",
         "1997 Mar 10; 1999 Jan 10; Feb 10; Mar 10; 2001 Jan 10; Feb 10; Mar 10; 2003 Jan 10; Feb 10; Mar 10"),
        ("1997-01-01", "FREQ=YEARLY;INTERVAL=3;COUNT=10;BYYEARDAY=1,100,200",
         "1997 Jan 1; Apr 10; Jul 19; 2000 Jan 1; Apr 9; Jul 18; 2003 Jan 1; Apr 10; Jul 19; 2006 Jan 1"),
        ("1997-05-19", "FREQ=YEARLY;BYDAY=20MO", "1997 May 19; 1998 May 18; 1999 May 17,..."),
        ("1997-05-12", "FREQ=YEARLY;BYWEEKNO=20;BYDAY=MO", "1997 May 12; 1998 May 11; 1999 May 17,..."),
        ("1997-03-13", "FREQ=YEARLY;BYMONTH=3;BYDAY=TH",
         "1997 Mar 13,20,27; 1998 Mar 5,12,19,26; 1999 Mar 4,11,18,25,..."),
        ("1997-06-05", "FREQ=YEARLY;BYDAY=TH;BYMONTH=6,7,8",
         "1997 Jun 5,12,19,26; Jul 3,10,17,24,31; Aug 7,14,21,28; "
         "1998 Jun 4,11,18,25; Jul 2,9,16,23,30; Aug 6,13,20,27; "
         "1999 Jun 3,10,17,24; Jul 1,8,15,22,29; Aug 5,12,19,26,..."),
        # There with an EXDATE of the first, which is no Friday the 13th.
        ("1997-09-02", "FREQ=MONTHLY;BYDAY=FR;BYMONTHDAY=13",
         "1997 Sep 2; 1998 Feb 13; Mar 13; Nov 13; 1999 Aug 13; 2000 Oct 13,..."),
        ("1997-09-13", "FREQ=MONTHLY;BYDAY=SA;BYMONTHDAY=7,8,9,10,11,12,13",
         "1997 Sep 13; Oct 11; Nov 8; Dec 13; 1998 Jan 10; Feb 7; Mar 7; Apr 11; May 9; Jun 13,..."),
        ("1996-11-05", "FREQ=YEARLY;INTERVAL=4;BYMONTH=11;BYDAY=TU;BYMONTHDAY=2,3,4,5,6,7,8",
         "1996 Nov 5; 2000 Nov 7; 2004 Nov 2,..."),
        ("1997-09-04", "FREQ=MONTHLY;COUNT=3;BYDAY=TU,WE,TH;BYSETPOS=3", "1997 Sep 4; Oct 7; Nov 6"),
        ("1997-09-29", f"FREQ=MONTHLY;BYDAY={WORKDAYS};BYSETPOS=-2",
         "1997 Sep 29; Oct 30; Nov 27; Dec 30; 1998 Jan 29; Feb 26; Mar 30,..."),
        ("1997-08-05", "FREQ=WEEKLY;INTERVAL=2;COUNT=4;BYDAY=TU,SU;WKST=MO", "1997 Aug 5,10,19,24"),
        ("1997-08-05", "FREQ=WEEKLY;INTERVAL=2;COUNT=4;BYDAY=TU,SU;WKST=SU", "1997 Aug 5,17,19,31"),
        ("2007-01-15", "FREQ=MONTHLY;BYMONTHDAY=15,30;COUNT=5", "2007 Jan 15,30; Feb 15; Mar 15,30"),
    ],
)  # fmt: skip
def test_examples_of_the_rfc(start: str, rule: str, expected: str) -> None:
    listed, _, rest = expected.partition(",...")
    count = sum(not part.strip().isalpha() for part in listed.replace(";", ",").split(","))
    endless = expected.endswith(",...")
    assert rest == ""
    assert dates(found(rule, f"{start} 09:00"), count if endless else count + 1) == listed


def test_every_day_in_january() -> None:
    """RFC 5545 §3.8.5.3: two rules that say the same."""
    days = [
        datetime(year, 1, day, 9)  # noqa: DTZ001
        for year in (1998, 1999, 2000)
        for day in range(1, 32)
    ]
    for rule in ("FREQ=YEARLY;BYMONTH=1;BYDAY=SU,MO,TU,WE,TH,FR,SA", "FREQ=DAILY;BYMONTH=1"):
        assert list(islice(found(rule, "1998-01-01 09:00"), 93)) == days


def test_every_twenty_minutes_of_the_day() -> None:
    """RFC 5545 §3.8.5.3, in the form of FREQ=DAILY."""
    rule = "FREQ=DAILY;BYHOUR=9,10,11,12,13,14,15,16;BYMINUTE=0,20,40"
    moments = list(islice(found(rule, "1997-09-02 09:00"), 25))
    first = naive("1997-09-02 09:00")
    assert moments[:24] == [first + timedelta(minutes=20 * number) for number in range(24)]
    assert moments[24] == first + timedelta(days=1)


@pytest.mark.parametrize(
    ("start", "rule", "expected"),
    [
        ("2027-01-31", "FREQ=MONTHLY", "2027 Jan 31; Mar 31; May 31"),
        ("2024-02-29", "FREQ=YEARLY", "2024 Feb 29; 2028 Feb 29; 2032 Feb 29"),
        ("2027-03-01", "FREQ=WEEKLY;BYMONTH=3,5", "2027 Mar 1,8,15,22,29; May 3"),
        ("2027-01-01", "FREQ=DAILY;BYMONTH=1,6;BYMONTHDAY=31,30", "2027 Jan 1,30,31; Jun 30; 2028 Jan 30"),
        ("2027-11-30", "FREQ=YEARLY;BYMONTH=11;BYMONTHDAY=30", "2027 Nov 30; 2028 Nov 30"),
        ("2027-03-01", "FREQ=YEARLY;BYMONTH=2,4", "2027 Mar 1; Apr 1; 2028 Feb 1; Apr 1"),
        # Without BYDAY the day of the week is that of DTSTART.
        ("2027-05-19", "FREQ=YEARLY;BYWEEKNO=20", "2027 May 19; 2028 May 17"),
        ("2026-12-29", "FREQ=YEARLY;BYWEEKNO=53;BYDAY=TU", "2026 Dec 29; 2032 Dec 28; 2037 Dec 29"),
        ("2027-12-31", "FREQ=YEARLY;BYWEEKNO=-1;BYDAY=FR", "2027 Dec 31; 2028 Dec 29"),
        ("2027-12-31", "FREQ=YEARLY;BYYEARDAY=-1", "2027 Dec 31; 2028 Dec 31"),
        ("2027-12-31", "FREQ=YEARLY;BYYEARDAY=366", "2027 Dec 31; 2028 Dec 31; 2032 Dec 31"),
        # Ordinals and plain weekdays together are both meant.
        ("2027-03-01", "FREQ=MONTHLY;BYDAY=FR,-1MO", "2027 Mar 1,5,12,19,26,29; Apr 2"),
        ("2027-03-01", "FREQ=MONTHLY;BYDAY=5MO", "2027 Mar 1,29; May 31; Aug 30"),
        ("2027-03-04", "FREQ=WEEKLY;BYDAY=MO,TH;BYSETPOS=1", "2027 Mar 4,8,15"),
        # DTSTART counts, though the rule does not give it.
        ("2027-03-01", "FREQ=WEEKLY;BYDAY=TU;COUNT=3", "2027 Mar 1,2,9"),
    ],
)
def test_rules(start: str, rule: str, expected: str) -> None:
    count = 1 + expected.count(",") + expected.count(";")
    assert dates(found(rule, f"{start} 09:00"), count) == expected


# --- the oracle ----------------------------------------------------------------------------------------

FIRST, LAST = naive("2015-01-01"), naive("2030-01-01")
STARTS = st.datetimes(FIRST, naive("2025-01-01")).map(lambda moment: moment.replace(microsecond=0))
DAY = st.sampled_from(WEEKDAYS)


def some(numbers: st.SearchStrategy[object], size: int = 4) -> st.SearchStrategy[str]:
    return st.lists(numbers.map(str), min_size=1, max_size=size, unique=True).map(",".join)


def signed(last: int) -> st.SearchStrategy[object]:
    return st.integers(1, last) | st.integers(-last, -1)


ORDINAL = st.tuples(st.sampled_from(["1", "2", "+3", "4", "5", "-1", "-2", "-5"]), DAY).map("".join)
IN_YEAR = st.tuples(signed(53), DAY).map(lambda pair: f"{pair[0]}{pair[1]}")
PARTS: dict[str, st.SearchStrategy[str]] = {
    "BYMONTH": some(st.integers(1, 12)),
    "BYMONTHDAY": some(signed(31)),
    "BYYEARDAY": some(signed(366)),
    # Beyond, dateutil does not see in which week of the other year a day around New Year is.
    "BYWEEKNO": some(signed(51)),
    "BYDAY": some(DAY),
    "BYHOUR": some(st.integers(0, 23), 2),
    "BYMINUTE": some(st.integers(0, 59), 2),
    "BYSECOND": some(st.integers(0, 59), 2),
    "BYSETPOS": some(signed(12)),
    "WKST": DAY,
    "INTERVAL": st.integers(1, 14).map(str),
    "COUNT": st.integers(1, 40).map(str),
}
NOT_WITH = {
    "DAILY": {"BYWEEKNO", "BYYEARDAY"},
    "WEEKLY": {"BYWEEKNO", "BYYEARDAY", "BYMONTHDAY"},
    "MONTHLY": {"BYWEEKNO", "BYYEARDAY"},
    "YEARLY": set[str](),
}


@st.composite
def rules(draw: st.DrawFn) -> str:
    frequency = draw(st.sampled_from(FREQUENCIES))
    allowed = sorted(PARTS.keys() - NOT_WITH[frequency])
    chosen = draw(st.lists(st.sampled_from(allowed), unique=True, max_size=5))
    parts = {"FREQ": frequency, **{name: draw(PARTS[name]) for name in chosen}}
    if (
        "BYDAY" in parts
        and frequency in {"MONTHLY", "YEARLY"}
        and "BYWEEKNO" not in parts
        and draw(st.booleans())
    ):
        in_year = frequency == "YEARLY" and "BYMONTH" not in parts
        parts["BYDAY"] = draw(some(IN_YEAR if in_year else ORDINAL))
    return ";".join(f"{name}={value}" for name, value in parts.items())


def expanded(text: str, start: datetime) -> list[datetime]:
    """What dateutil makes of the rule up to LAST; DTSTART is the first, and counts."""
    parts = dict(part.split("=") for part in text.split(";"))
    count = int(parts.pop("COUNT", "0"))
    if "BYWEEKNO" in parts and not {"BYDAY", "BYMONTHDAY", "BYYEARDAY"} & parts.keys():
        parts["BYDAY"] = WEEKDAYS[start.weekday()]  # dateutil takes the whole week
    begin = start
    if parts["FREQ"] == "WEEKLY" and "BYSETPOS" in parts:
        # dateutil's first week begins with DTSTART, so that its first day would be the first of the set.
        parts.setdefault("BYDAY", WEEKDAYS[start.weekday()])
        parts.setdefault("BYHOUR", str(start.hour))
        parts.setdefault("BYMINUTE", str(start.minute))
        parts.setdefault("BYSECOND", str(start.second))
        begin -= timedelta((start.weekday() - WEEKDAYS.index(parts.get("WKST", "MO"))) % 7)
        begin = begin.replace(hour=0, minute=0, second=0)
    with pytest.MonkeyPatch.context() as patch:
        # It would look for instances of an impossible rule up to this year.
        patch.setattr(dateutil.rrule.datetime, "MAXYEAR", LAST.year)  # type: ignore[attr-defined]
        rule = dateutil.rrule.rrulestr(";".join(f"{k}={v}" for k, v in parts.items()), dtstart=begin)
        moments = [moment for moment in rule if start < moment < LAST]
    return [start, *moments][: count or None]


@given(rules(), STARTS)
def test_as_dateutil_expands(text: str, start: datetime) -> None:
    assert list(instances(parse(text), start, start, LAST - timedelta(seconds=1))) == expanded(text, start)


@given(rules(), STARTS, st.integers(0, 5000))
def test_from_a_later_moment_on_all_is_the_same(text: str, start: datetime, days: int) -> None:
    since, rule = start + timedelta(days=days), parse(text)
    every = [each for each in instances(rule, start, start, LAST) if each >= since]
    assert [each for each in instances(rule, start, since, LAST) if each >= since] == every


@given(signed(53), st.integers(2000, 2100))
def test_weeks_are_those_of_iso_8601(number: int, year: int) -> None:
    rule = parse(f"FREQ=YEARLY;BYWEEKNO={number};BYDAY=MO,TU,WE,TH,FR,SA,SU")
    start, end = datetime(year, 1, 1), datetime(year, 12, 31)  # noqa: DTZ001
    days = [start + timedelta(days=day) for day in range((end - start).days + 1)]

    def fits(day: datetime) -> bool:
        iso = day.isocalendar()
        last = datetime(iso.year, 12, 28).isocalendar().week  # noqa: DTZ001
        return iso.week == (number if number > 0 else last + 1 + number)

    expected = [day for day in days if fits(day) or day == start]
    assert list(instances(rule, start, start, end)) == expected


# --- bounds --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "FREQ=DAILY;BYMONTH=2;BYMONTHDAY=30",
        "FREQ=DAILY;INTERVAL=7;BYDAY=TU",
        "FREQ=MONTHLY;BYMONTHDAY=31;BYMONTH=2,4",
        "FREQ=MONTHLY;BYMONTHDAY=1;BYDAY=-1MO",
        "FREQ=MONTHLY;BYDAY=MO;BYSETPOS=6",
        "FREQ=MONTHLY;INTERVAL=12;BYDAY=5MO;BYMONTH=2",
        "FREQ=WEEKLY;INTERVAL=999999999999",
        "FREQ=DAILY;INTERVAL=999999999999",
        "FREQ=YEARLY;INTERVAL=999999999999",
        "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30",
        "FREQ=YEARLY;BYYEARDAY=366;BYMONTH=1",
        "FREQ=YEARLY;BYSETPOS=366;BYMONTHDAY=31",
        "FREQ=YEARLY;BYWEEKNO=53;BYMONTH=6;BYDAY=MO",
        "FREQ=YEARLY;BYDAY=53MO;BYMONTH=5",
    ],
)
@pytest.mark.parametrize("count", ["", ";COUNT=1000"])
def test_an_impossible_rule_has_its_first_instance_only(text: str, count: str) -> None:
    assert list(found(text + count, "2027-03-01 10:00")) == [naive("2027-03-01 10:00")]


@given(rules(), STARTS)
def test_the_periods_looked_at_are_those_of_the_window(text: str, start: datetime) -> None:
    rule = replace(parse(text), days=frozenset({(0, 1)}))
    since = naive("2500-01-01")
    looked = sum(1 for _ in periods(rule, start.date(), since.date(), (since + 5 * YEARS).date()))
    limit = {"DAILY": 6 * 366, "WEEKLY": 6 * 53, "MONTHLY": 6 * 12, "YEARLY": 6}[rule.frequency]
    assert looked <= limit
