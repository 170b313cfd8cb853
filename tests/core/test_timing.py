"""Timing values of a VEVENT: instants, zones, lengths, lists of dates."""

from datetime import datetime, timedelta, tzinfo
from io import StringIO
from zoneinfo import ZoneInfo

import pytest
from dateutil.tz import tzical
from hypothesis import given
from hypothesis import strategies as st

from mailhook.core.itip import Invitation
from mailhook.core.recurrence import Schedule, first, occurrences
from mailhook.core.timing import MAX_DATES, instant
from mailhook.core.vtimezone import MAX_ONSETS, CustomZone, custom_zone, date_time
from tests.core.invitations import at, invitation, mail, read

EXCHANGE = """
    BEGIN:VTIMEZONE
    TZID:Customized Time Zone
    BEGIN:STANDARD
    DTSTART:16010101T030000
    TZOFFSETFROM:+0200
    TZOFFSETTO:+0100
    RRULE:FREQ=YEARLY;INTERVAL=1;BYDAY=-1SU;BYMONTH=10
    END:STANDARD
    BEGIN:DAYLIGHT
    DTSTART:16010101T020000
    TZOFFSETFROM:+0100
    TZOFFSETTO:+0200
    RRULE:FREQ=YEARLY;INTERVAL=1;BYDAY=-1SU;BYMONTH=3
    END:DAYLIGHT
    END:VTIMEZONE
"""


def zone(tzid: str, offset: str) -> str:
    return f"""
        BEGIN:VTIMEZONE
        TZID:{tzid}
        BEGIN:STANDARD
        DTSTART:19700101T000000
        TZOFFSETFROM:{offset}
        TZOFFSETTO:{offset}
        END:STANDARD
        END:VTIMEZONE
    """


def schedule(event: str, zones: str = "") -> Schedule:
    found = invitation(event, zones=zones).events[0].component.schedule
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("row", "zones", "start", "name"),
    [
        ("DTSTART:20270301T070000Z", "", "2027-03-01 07:00", "UTC"),
        ("DTSTART:20270301T100000", "", "2027-03-01 07:00", "Europe/Moscow"),
        ("DTSTART;TZID=Europe/Berlin:20270301T100000", "", "2027-03-01 09:00", "Europe/Berlin"),
        ("DTSTART;TZID=Europe/Berlin:20270701T100000", "", "2027-07-01 08:00", "Europe/Berlin"),
        ('DTSTART;TZID="Europe/Berlin":20270701T100000', "", "2027-07-01 08:00", "Europe/Berlin"),
        ("DTSTART;TZID=Europe/Berlin:20270701T100000Z", "", "2027-07-01 10:00", "UTC"),
        ("DTSTART;TZID=W. Europe Standard Time:20270701T100000", "", "2027-07-01 08:00", "Europe/Berlin"),
        ("DTSTART;TZID=Russian Standard Time:20270301T100000", "", "2027-03-01 07:00", "Europe/Moscow"),
        ("DTSTART;TZID=/example.org/20070129_1/Asia/Tokyo:20270301T100000", "", "2027-03-01 01:00", "Asia/Tokyo"),
        ("DTSTART;TZID=/x/America/Argentina/Salta:20270301T100000", "", "2027-03-01 13:00", "America/Argentina/Salta"),
        ("DTSTART;TZID=Nowhere:20270301T100000", "", "2027-03-01 07:00", "Europe/Moscow"),
        ("DTSTART;TZID=../../etc/passwd:20270301T100000", "", "2027-03-01 07:00", "Europe/Moscow"),
        ("DTSTART;TZID=Europe:20270301T100000", "", "2027-03-01 07:00", "Europe/Moscow"),
        ("DTSTART;TZID=Customized Time Zone:20270301T100000", EXCHANGE, "2027-03-01 09:00", ""),
        ("DTSTART;TZID=Customized Time Zone:20270701T100000", EXCHANGE, "2027-07-01 08:00", ""),
        ("DTSTART;TZID=Here:20270301T100000", zone("Here", "+0530"), "2027-03-01 04:30", ""),
        ("DTSTART;TZID=Here:20270301T100000", zone("Here", "+9999"), "2027-03-01 07:00", "Europe/Moscow"),
        ("DTSTART;TZID=Asia/Tokyo:20270301T100000", zone("Asia/Tokyo", "+0900"), "2027-03-01 01:00", "Asia/Tokyo"),
        ("DTSTART;TZID=Asia/Tokyo:20270301T100000", zone("Asia/Tokyo", "+1000"), "2027-03-01 00:00", ""),
        ("DTSTART;VALUE=DATE:20270301", "", "2027-02-28 21:00", "Europe/Moscow"),
        ("DTSTART:20270301", "", "2027-02-28 21:00", "Europe/Moscow"),
    ],
)  # fmt: skip
def test_start_and_zone(row: str, zones: str, start: str, name: str) -> None:
    found = schedule(row, zones)
    assert (first(found).start, found.zone) == (at(start), name)


@pytest.mark.parametrize(
    ("row", "length"),
    [
        ("DTEND:20270301T083000Z", timedelta(minutes=90)),
        ("DTEND;TZID=Asia/Tokyo:20270301T170000", timedelta(hours=1)),
        ("DTEND:20270301T113000", timedelta(minutes=90)),
        ("DURATION:PT45M", timedelta(minutes=45)),
        ("DURATION:P1DT2H", timedelta(hours=26)),
        ("", timedelta(hours=1)),
        ("DTEND:20270301T070000Z", timedelta(hours=1)),
        ("DTEND:20270301T060000Z", timedelta(hours=1)),
        ("DTEND:tomorrow", timedelta(hours=1)),
        ("DURATION:-PT45M", timedelta(hours=1)),
        ("DURATION:PT0S", timedelta(hours=1)),
        ("DURATION:long", timedelta(hours=1)),
        ("DURATION:P99999999999999999999D", timedelta(hours=1)),
        ("DURATION:P999999D", timedelta(days=3660)),
        ("DTEND:21990101T000000Z", timedelta(days=3660)),
    ],
)
def test_length(row: str, length: timedelta) -> None:
    assert schedule(f"DTSTART:20270301T070000Z\n{row}").duration == length


@pytest.mark.parametrize(
    ("row", "length"),
    [
        ("DTEND;VALUE=DATE:20270303", timedelta(days=2)),
        ("DURATION:P3D", timedelta(days=3)),
        ("", timedelta(days=1)),
        ("DTEND;VALUE=DATE:20270301", timedelta(days=1)),
    ],
)
def test_length_of_days(row: str, length: timedelta) -> None:
    found = schedule(f"DTSTART;VALUE=DATE:20270301\n{row}")
    assert found.all_day
    assert found.duration == length


@pytest.mark.parametrize(
    "row",
    [
        "DTSTART:yesterday",
        "DTSTART:00010101T000000Z",
        "DTSTART;TZID=Asia/Tokyo:00010101T000000",
        "DTSTART:99991231T235959Z",
        "DTSTART:20270230T100000Z",
        "DTSTART:２０２７0301T100000Z",
        "SUMMARY:nothing",
    ],
)
def test_without_a_readable_start_there_is_no_schedule(row: str) -> None:
    assert invitation(row).events[0].component.schedule is None


@pytest.mark.parametrize(
    ("rows", "dates"),
    [
        ("EXDATE:20270308T070000Z,20270315T070000Z", ["2027-03-08 07:00", "2027-03-15 07:00"]),
        ("EXDATE:20270315T070000Z\nEXDATE:20270308T070000Z", ["2027-03-08 07:00", "2027-03-15 07:00"]),
        ("EXDATE;TZID=Europe/Moscow:20270308T100000", ["2027-03-08 07:00"]),
        ("EXDATE:20270308T100000", ["2027-03-08 07:00"]),
        ("EXDATE;VALUE=DATE:20270308", ["2027-03-08 07:00"]),
        ("EXDATE:20270308T070000Z,rubbish,", ["2027-03-08 07:00"]),
        ("EXDATE:", []),
    ],
)
def test_excluded_dates(rows: str, dates: list[str]) -> None:
    event = f"DTSTART;TZID=Europe/Moscow:20270301T100000\nRRULE:FREQ=WEEKLY\n{rows}"
    assert schedule(event).exdates == tuple(at(each) for each in dates)


def test_excluded_days_of_an_all_day_series() -> None:
    event = "DTSTART;VALUE=DATE:20270301\nRRULE:FREQ=DAILY;COUNT=3\nEXDATE;VALUE=DATE:20270302"
    starts = [each.start for each in occurrences(schedule(event), at("2027-01-01 00:00"))]
    assert starts == [at("2027-02-28 21:00"), at("2027-03-02 21:00")]


@pytest.mark.parametrize(
    ("row", "starts", "periods"),
    [
        ("RDATE:20270302T070000Z,20270303T070000Z", ["2027-03-02 07:00", "2027-03-03 07:00"], []),
        ("RDATE;VALUE=PERIOD:20270302T070000Z/PT2H,20270303T070000Z/20270303T073000Z", [],
         [("2027-03-02 07:00", 120), ("2027-03-03 07:00", 30)]),
        ("RDATE;VALUE=PERIOD;TZID=Europe/Moscow:20270302T100000/20270302T113000", [], [("2027-03-02 07:00", 90)]),
        ("RDATE;VALUE=DATE:20270302", ["2027-03-02 07:00"], []),
        ("RDATE;VALUE=PERIOD:20270302/PT2H", [], [("2027-03-02 07:00", 120)]),
        # Without a length of its own it has that of the event.
        ("RDATE;VALUE=PERIOD:20270302T070000Z/PT0S", [], [("2027-03-02 07:00", 60)]),
        ("RDATE;VALUE=PERIOD:20270302T070000Z/-PT1H", [], [("2027-03-02 07:00", 60)]),
        ("RDATE;VALUE=PERIOD:20270302T070000Z/20270301T070000Z", [], [("2027-03-02 07:00", 60)]),
        ("RDATE;VALUE=PERIOD:20270302T070000Z/", [], [("2027-03-02 07:00", 60)]),
        ("RDATE;VALUE=PERIOD:20270302T070000Z/P9999999D", [], [("2027-03-02 07:00", 3660 * 24 * 60)]),
        ("RDATE;VALUE=PERIOD:some/time,/,20270302T070000Z/tomorrow", [], [("2027-03-02 07:00", 60)]),
        ("RDATE:20270302T070000Z\nRDATE;VALUE=PERIOD:20270303T070000Z/PT2H", ["2027-03-02 07:00"],
         [("2027-03-03 07:00", 120)]),
    ],
)  # fmt: skip
def test_added_dates_and_periods(row: str, starts: list[str], periods: list[tuple[str, int]]) -> None:
    found = schedule(f"DTSTART:20270301T070000Z\n{row}")
    assert found.rdates == tuple(at(each) for each in starts)
    lengths = [(each.start, (each.end - each.start) / timedelta(minutes=1)) for each in found.periods]
    assert lengths == [(at(each), minutes) for each, minutes in periods]


def test_an_instance_does_not_repeat() -> None:
    dates = "RRULE:FREQ=DAILY\nRDATE:20270302T070000Z\nEXDATE:20270301T070000Z"
    found = schedule(f"DTSTART:20270301T070000Z\nRECURRENCE-ID:20270301T070000Z\n{dates}")
    assert found == Schedule(datetime(2027, 3, 1, 7), timedelta(hours=1), "UTC")  # noqa: DTZ001


def test_of_too_many_dates_the_rest_counts_as_absent() -> None:
    days = [at("2027-03-02 07:00") + timedelta(days=number) for number in range(MAX_DATES + 100)]
    values = [f"{day:%Y%m%dT%H%M%SZ}" for day in days]
    for rows in (f"EXDATE:{','.join(values)}", "\n".join(f"EXDATE:{value}" for value in values)):
        assert schedule(f"DTSTART:20270301T070000Z\n{rows}").exdates == tuple(days[:MAX_DATES])


@pytest.mark.parametrize(
    ("row", "key"),
    [
        ("RECURRENCE-ID:20270308T070000Z", "20270308T070000Z"),
        ("RECURRENCE-ID;TZID=Europe/Moscow:20270308T100000", "20270308T070000Z"),
        ("RECURRENCE-ID:20270308T100000", "20270308T070000Z"),
        ("RECURRENCE-ID;VALUE=DATE:20270308", "20270308T080000Z"),
        ("RECURRENCE-ID;RANGE=THISANDFUTURE:20270308T070000Z", "20270308T070000Z"),
        ("SUMMARY:the series", ""),
    ],
)
def test_key(row: str, key: str) -> None:
    component = invitation(f"DTSTART:20270308T080000Z\n{row}").events[0].component
    assert component.key == key
    assert component.instance == (at(f"{key[:4]}-{key[4:6]}-{key[6:8]} {key[9:11]}:00") if key else None)


MORNING = "DTSTART;TZID=Europe/Berlin:20270301T100000\nRRULE:FREQ=DAILY"
A_DAY = "DTSTART;VALUE=DATE:20270301\nRRULE:FREQ=DAILY"


@pytest.mark.parametrize(
    ("master", "own", "key"),
    [
        # The instance of that day in the series of the message, wherever its override has gone.
        (MORNING, "DTSTART;TZID=Europe/Berlin:20270310T140000", "20270308T090000Z"),
        (MORNING, "DTSTART;VALUE=DATE:20270310", "20270308T090000Z"),
        (A_DAY, "DTSTART;VALUE=DATE:20270310", "20270307T210000Z"),
        (A_DAY, "DTSTART;TZID=Europe/Berlin:20270310T140000", "20270307T210000Z"),
        # Without it the time of day is that of the override.
        ("", "DTSTART;TZID=Europe/Berlin:20270310T140000", "20270308T130000Z"),
        ("", "DTSTART;VALUE=DATE:20270310", "20270307T210000Z"),
        ("", "SUMMARY:without a start", "20270307T210000Z"),
    ],
)
def test_a_day_as_recurrence_id(master: str, own: str, key: str) -> None:
    override = f"RECURRENCE-ID;VALUE=DATE:20270308\n{own}"
    found = invitation(override, *([master] if master else []))
    assert found.events[0].component.key == key


def test_an_unreadable_recurrence_id_is_never_taken_for_the_series() -> None:
    assert not isinstance(read(mail("DTSTART:20270308T080000Z\nRECURRENCE-ID:some day")), Invitation)
    both = invitation("DTSTART:20270308T080000Z\nRECURRENCE-ID:some day", "DTSTART:20270301T080000Z")
    assert [event.component.schedule and event.component.schedule.start for event in both.events] == [
        datetime(2027, 3, 1, 8)  # noqa: DTZ001
    ]


@pytest.mark.parametrize(
    ("value", "moment"),
    [("20270301T070000Z", "2027-03-01 07:00"), ("20270301T070000", "2027-03-01 07:00")],
)
def test_instants(value: str, moment: str) -> None:
    assert instant(value) == at(moment)


@pytest.mark.parametrize("value", ["", "20270301", "20270301T070000+0300", "20271301T070000Z", "PT1H"])
def test_no_instant(value: str) -> None:
    assert instant(value) is None


def test_a_leap_second_is_the_one_before() -> None:
    assert instant("20161231T235960Z") == at("2016-12-31 23:59") + timedelta(seconds=59)


# --- a message's own zone ------------------------------------------------------------------------------

SHAPES = {
    "Outlook": ("BYDAY=-1SU;BYMONTH=10", "BYDAY=-1SU;BYMONTH=3"),
    "Apple": ("BYMONTH=10;BYDAY=-1SU", "BYMONTH=3;BYDAY=-1SU"),
    "days of the month": (
        "BYMONTH=10;BYMONTHDAY=25,26,27,28,29,30,31;BYDAY=SU",
        "BYMONTH=3;BYMONTHDAY=25,26,27,28,29,30,31;BYDAY=SU",
    ),
}


def berlin(standard: str, daylight: str) -> str:
    return f"""BEGIN:VTIMEZONE
TZID:Berlin
BEGIN:STANDARD
DTSTART:19961027T030000
TZOFFSETFROM:+0200
TZOFFSETTO:+0100
RRULE:FREQ=YEARLY;{standard}
END:STANDARD
BEGIN:DAYLIGHT
DTSTART:19810329T020000
TZOFFSETFROM:+0100
TZOFFSETTO:+0200
RRULE:FREQ=YEARLY;{daylight}
END:DAYLIGHT
END:VTIMEZONE
"""


@pytest.mark.parametrize("rules", SHAPES.values(), ids=SHAPES)
def test_zone_rules_say_what_the_zone_database_says(rules: tuple[str, str]) -> None:
    own, known = custom_zone(berlin(*rules)), ZoneInfo("Europe/Berlin")
    moment = datetime(1997, 1, 1, 12)  # noqa: DTZ001
    while moment.year < 2040:
        assert moment.replace(tzinfo=own).utcoffset() == moment.replace(tzinfo=known).utcoffset(), moment
        moment += timedelta(hours=31)


@given(
    st.integers(1, 12),
    st.integers(1, 12),
    st.sampled_from(["1", "2", "3", "-1", "-2"]),
    st.sampled_from(["MO", "WE", "SU"]),
    st.datetimes(datetime(1999, 1, 1), datetime(2035, 1, 1)),  # noqa: DTZ001
)
def test_zone_rules_say_what_dateutil_says(
    standard: int, daylight: int, ordinal: str, day: str, moment: datetime
) -> None:
    if standard == daylight:
        return
    text = berlin(f"BYMONTH={standard};BYDAY={ordinal}{day}", f"BYMONTH={daylight};BYDAY={ordinal}{day}")
    oracle = tzical(StringIO(text)).get()
    assert isinstance(oracle, tzinfo)
    own = custom_zone(text)
    around = {(moment + timedelta(hours=h)).replace(tzinfo=oracle).utcoffset() for h in (-3, 3)}
    # In the hour that a change skips or repeats, readers differ.
    assert len(around) == 2 or {moment.replace(tzinfo=own).utcoffset()} == around


def test_a_rule_that_has_ended_and_single_dates() -> None:
    text = """BEGIN:VTIMEZONE
BEGIN:DAYLIGHT
DTSTART:20000326T020000
TZOFFSETFROM:+0300
TZOFFSETTO:+0400
RRULE:FREQ=YEARLY;BYMONTH=3;BYDAY=-1SU;UNTIL=20100327T230000Z
RDATE:20110327T020000
END:DAYLIGHT
BEGIN:STANDARD
DTSTART:20001029T030000
TZOFFSETFROM:+0400
TZOFFSETTO:+0300
RRULE:FREQ=YEARLY;BYMONTH=10;BYDAY=-1SU;UNTIL=20101030T230000Z
RDATE:20141026T020000
END:STANDARD
END:VTIMEZONE"""
    own, known = custom_zone(text), ZoneInfo("Europe/Moscow")
    for year in range(2001, 2030):
        for month in (1, 7):
            moment = datetime(year, month, 15)  # noqa: DTZ001
            assert moment.replace(tzinfo=own).utcoffset() == moment.replace(tzinfo=known).utcoffset(), moment


def test_of_too_many_single_dates_the_rest_counts_as_absent() -> None:
    hours = [datetime(2000, 1, 1) + timedelta(hours=number) for number in range(MAX_ONSETS + 1)]  # noqa: DTZ001
    both = zip(("+0100", "+0200"), (hours[0:-1:2], hours[1:-1:2]), strict=True)
    parts = [
        f"BEGIN:STANDARD\nDTSTART:19990101T000000\nTZOFFSETFROM:{offset}\nTZOFFSETTO:{offset}\n"
        f"RDATE:{','.join(f'{each:%Y%m%dT%H%M%S}' for each in dates)}\nEND:STANDARD"
        for offset, dates in both
    ]
    text = "\n".join(["BEGIN:VTIMEZONE", *parts, "END:VTIMEZONE"])
    own = custom_zone(text)
    offsets = [hour.replace(tzinfo=own).utcoffset() for hour in hours[:-1]]
    assert offsets == [timedelta(hours=1), timedelta(hours=2)] * (MAX_ONSETS // 2)
    more = custom_zone(text.replace("RDATE:", f"RDATE:{hours[-1]:%Y%m%dT%H%M%S},", 1))
    assert hours[-2].replace(tzinfo=more).utcoffset() == timedelta(hours=1)


def test_an_onset_at_the_end_of_the_calendar_never_comes() -> None:
    text = berlin(*SHAPES["Apple"]).replace(
        "END:DAYLIGHT", "RDATE:99991231T235959,00010101T000000\nEND:DAYLIGHT"
    )
    summer, winter = (datetime(2027, month, 1).replace(tzinfo=custom_zone(text)) for month in (7, 1))  # noqa: DTZ001
    assert (summer.utcoffset(), winter.utcoffset()) == (timedelta(hours=2), timedelta(hours=1))


def test_before_the_first_onset_the_offset_it_replaced_holds() -> None:
    zone = custom_zone(berlin(*SHAPES["Apple"]))
    assert datetime(1980, 1, 1, tzinfo=zone).utcoffset() == timedelta(hours=1)


@given(st.datetimes(datetime(1997, 1, 1), datetime(2040, 1, 1)))  # noqa: DTZ001
def test_there_and_back(moment: datetime) -> None:
    zone = custom_zone(berlin(*SHAPES["Apple"]))
    assert isinstance(zone, CustomZone)
    back = moment.replace(tzinfo=ZoneInfo("UTC")).astimezone(zone)
    known = moment.replace(tzinfo=ZoneInfo("UTC")).astimezone(ZoneInfo("Europe/Berlin"))
    assert back.replace(tzinfo=None) == known.replace(tzinfo=None) or known.fold or back.hour == 2


LINES = st.lists(
    st.sampled_from(
        [
            *berlin(*SHAPES["Apple"]).splitlines(),
            "RRULE:FREQ=SECONDLY",
            "RRULE:FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30",
            "RRULE:FREQ=YEARLY;BYMONTH=13",
            "RRULE:FREQ=YEARLY;BYMONTH=0;BYDAY=5SU",
            "RRULE:FREQ=YEARLY;BYMONTH=2;BYDAY=5SU;UNTIL=00010101T000000Z",
            "RRULE:FREQ=YEARLY;BYMONTH=2;BYDAY=5SU;UNTIL=99991231T235959Z",
            "RDATE:20270101T000000,rubbish",
            "DTSTART:00010101T000000",
            "TZOFFSETTO:+2400",
        ]
    ),
    max_size=14,
)


@given(LINES, st.datetimes(datetime(1900, 1, 1), datetime(2500, 1, 1)))  # noqa: DTZ001
def test_any_zone_is_used_or_refused(lines: list[str], moment: datetime) -> None:
    try:
        zone = custom_zone("\n".join(lines))
    except ValueError:
        return
    assert moment.replace(tzinfo=zone).utcoffset() is not None
    assert moment.replace(tzinfo=ZoneInfo("UTC")).astimezone(zone) is not None


@given(st.text(alphabet="0123456789TZ-+", max_size=17))
def test_any_value_is_read_or_refused(value: str) -> None:
    try:
        found = date_time(value)
    except ValueError:
        return
    assert f"{found.year:04}{found.month:02}{found.day:02}" == value.strip()[:8]
