"""The life of a series: parts moved or called off from one instance on, overrides without an instance, turns."""

from dataclasses import replace
from datetime import datetime, timedelta
from itertools import islice, pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailhook.core import ranges, recurrence
from mailhook.core.aim import Rest, Room, desired, participants, upcoming
from mailhook.core.itip import Invitation
from mailhook.core.meeting import Meeting
from mailhook.core.merging import revise
from mailhook.core.ranges import Part
from mailhook.core.recurrence import Schedule, instances_at
from tests.core.invitations import POLICY, at, invitation
from tests.core.meetings import ANNA, BORIS, GRACE, KEY, LISTED, NOW, ready, told, uninvited

BERLIN = "Europe/Berlin"


def master(number: int, rest: str = "RRULE:FREQ=WEEKLY;COUNT=5", start: str = "20270301T100000") -> str:
    head = f"SEQUENCE:{number}\nDTSTAMP:20270201T10{number:02}00Z\nDURATION:PT1H"
    return f"{head}\nDTSTART;TZID={BERLIN}:{start}\n{rest}\n{LISTED}"


def override(number: int, day: str, start: str, rest: str = LISTED, future: bool = False) -> str:
    head = f"SEQUENCE:{number}\nDTSTAMP:20270201T10{number:02}00Z\nDURATION:PT30M"
    name = f"RECURRENCE-ID{';RANGE=THISANDFUTURE' if future else ''};TZID={BERLIN}:{day}T100000"
    return f"{head}\n{name}\nDTSTART;TZID={BERLIN}:{start}\n{rest}"


def after(*revisions: Invitation) -> Meeting:
    meeting = Meeting(KEY)
    for each in revisions:
        meeting = revise(meeting, each)
    return replace(meeting, wanted=True)


def starts(meeting: Meeting, since: str = "2027-01-01 00:00") -> list[str]:
    return [f"{each.start:%m-%d %H:%M}" for each in upcoming(meeting, at(since))]


SERIES = invitation(master(1))


@pytest.mark.parametrize(
    ("revisions", "expected"),
    [
        # An hour later from the third on; the clocks go forward on 28 March.
        (
            [invitation(override(2, "20270315", "20270315T110000", future=True))],
            ["03-01 09:00", "03-08 09:00", "03-15 10:00", "03-22 10:00", "03-29 09:00"],
        ),
        # A day earlier, in one mail with the master.
        (
            [invitation(master(2), override(2, "20270308", "20270307T100000", future=True))],
            ["03-01 09:00", "03-07 09:00", "03-14 09:00", "03-21 09:00", "03-28 08:00"],
        ),
        # So much earlier that parts overtake each other.
        (
            [invitation(override(2, "20270315", "20270302T100000", future=True))],
            ["03-01 09:00", "03-02 09:00", "03-08 09:00", "03-09 09:00", "03-16 09:00"],
        ),
        # Two parts.
        (
            [
                invitation(override(2, "20270308", "20270308T110000", future=True)),
                invitation(override(3, "20270322", "20270323T100000", future=True)),
            ],
            ["03-01 09:00", "03-08 10:00", "03-15 10:00", "03-23 09:00", "03-30 08:00"],
        ),
        # One instance of a part has been moved by itself.
        (
            [
                invitation(override(2, "20270308", "20270308T110000", future=True)),
                invitation(override(2, "20270315", "20270317T100000")),
            ],
            ["03-01 09:00", "03-08 10:00", "03-17 09:00", "03-22 10:00", "03-29 09:00"],
        ),
        # Called off from the third on, by a REQUEST.
        (
            [invitation(override(2, "20270315", "20270315T100000", rest="STATUS:CANCELLED", future=True))],
            ["03-01 09:00", "03-08 09:00"],
        ),
        # Moved by more than a year: not believed for the others.
        (
            [invitation(override(2, "20270322", "20290322T100000", future=True))],
            ["03-01 09:00", "03-08 09:00", "03-15 09:00", "03-29 08:00", "03-22 09:00"],
        ),
    ],
)
def test_this_and_future(revisions: list[Invitation], expected: list[str]) -> None:
    assert starts(after(SERIES, *revisions)) == expected


def test_whoever_is_invited_from_an_instance_on_takes_part_in_the_later_ones() -> None:
    head = master(1).replace(LISTED, f"ATTENDEE:mailto:{ANNA}")
    part = override(2, "20270315", "20270315T110000", f"ATTENDEE:mailto:{BORIS}", future=True)
    meeting = after(invitation(head), invitation(part))
    people = [
        [person.address for person in participants(meeting, each)]
        for each in upcoming(meeting, at("2027-01-01 00:00"))
    ]
    assert people == [[ANNA], [ANNA], [ANNA, BORIS], [ANNA, BORIS], [ANNA, BORIS]]


def test_a_cancel_from_an_instance_on_ends_the_series_there() -> None:
    series = told(Meeting(KEY, conference=ready()), SERIES, ANNA)
    moved = told(series, invitation(override(1, "20270322", "20270323T100000")), ANNA)
    off = invitation(override(2, "20270315", "20270315T100000", future=True), method="CANCEL")
    ended = uninvited(moved, off, ANNA)
    assert starts(ended) == ["03-01 09:00", "03-08 09:00"]
    assert (set(ended.told), ended.delete_at) == ({ANNA}, None)
    assert isinstance(desired(ended, at("2027-03-09 00:00"), POLICY.roll_after), Rest)


def test_a_cancel_from_the_first_instance_on_leaves_nothing() -> None:
    series = told(Meeting(KEY, conference=ready()), SERIES, ANNA)
    off = invitation(override(2, "20270301", "20270301T100000", future=True), method="CANCEL")
    assert uninvited(series, off, ANNA).delete_at == NOW + GRACE


def test_when_the_last_instance_is_called_off_nothing_is_left() -> None:
    series = told(Meeting(KEY, conference=ready()), invitation(master(1, "RRULE:FREQ=WEEKLY;COUNT=2")), ANNA)
    one = uninvited(series, invitation(override(2, "20270301", "20270301T100000"), method="CANCEL"), ANNA)
    assert one.delete_at is None
    none = uninvited(one, invitation(override(2, "20270308", "20270308T100000"), method="CANCEL"), ANNA)
    assert none.delete_at == NOW + GRACE
    assert told(none, invitation(master(3)), ANNA).delete_at is None


def test_a_cancel_of_one_instance_keeps_what_its_override_says_of_later_ones() -> None:
    series = told(Meeting(KEY, conference=ready()), SERIES, ANNA)
    moved = told(series, invitation(override(2, "20270315", "20270315T110000", future=True)), ANNA)
    off = invitation(override(3, "20270315", "20270315T100000"), method="CANCEL")
    assert starts(uninvited(moved, off, ANNA))[-1] == "03-29 09:00"


# --- overrides without an instance ---------------------------------------------------------------------

MOVED = invitation(override(1, "20270315", "20270316T120000"))
LATER = invitation(master(2, start="20270302T100000"))
LATER_STARTS = ["03-02 09:00", "03-09 09:00", "03-16 09:00", "03-23 09:00", "03-30 08:00"]


@pytest.mark.parametrize(
    "revisions", [(SERIES, MOVED, LATER), (SERIES, LATER, MOVED), (MOVED, SERIES, LATER)]
)
def test_a_rescheduled_series_loses_its_old_overrides(revisions: tuple[Invitation, ...]) -> None:
    assert starts(after(*revisions)) == LATER_STARTS


def test_an_override_of_an_instance_that_is_still_there_stays() -> None:
    daily = invitation(master(2, "RRULE:FREQ=WEEKLY;COUNT=3;BYDAY=MO,TU"))
    assert starts(after(SERIES, MOVED, daily)) == ["03-01 09:00", "03-02 09:00", "03-08 09:00"]
    longer = invitation(master(2, "RRULE:FREQ=WEEKLY;COUNT=3"))
    assert starts(after(SERIES, MOVED, longer)) == ["03-01 09:00", "03-08 09:00", "03-16 11:00"]


def test_a_series_that_is_only_renamed_loses_nothing() -> None:
    renamed = invitation(master(2, "RRULE:FREQ=WEEKLY;COUNT=5\nSUMMARY:new"))
    assert "03-16 11:00" in starts(after(SERIES, MOVED, renamed))


def test_what_comes_with_the_series_is_what_the_organizer_means() -> None:
    both = invitation(master(2, start="20270302T100000"), override(1, "20270315", "20270317T120000"))
    assert "03-17 11:00" in starts(after(SERIES, both))


def test_an_instance_that_was_added_stays_when_the_series_moves() -> None:
    added = invitation(
        f"SEQUENCE:1\nDTSTAMP:20270201T100100Z\nDTSTART;TZID={BERLIN}:20270304T150000\n{LISTED}", method="ADD"
    )
    assert starts(after(SERIES, added, LATER)) == sorted(["03-04 14:00", *LATER_STARTS])


def test_a_rule_that_cannot_be_expanded_keeps_all_overrides() -> None:
    odd = invitation(master(2, "RRULE:FREQ=SECONDLY", start="20270302T100000"))
    assert "03-16 11:00" in starts(after(SERIES, MOVED, odd))


def test_an_instance_that_is_called_off_is_not_the_last_of_a_rule_that_is_not_followed() -> None:
    off = invitation(override(2, "20270301", "20270301T100000"), method="CANCEL")
    odd = told(Meeting(KEY, conference=ready()), invitation(master(1, "RRULE:FREQ=HOURLY")), ANNA)
    once = told(Meeting(KEY, conference=ready()), invitation(master(1, "RRULE:FREQ=DAILY;COUNT=1")), ANNA)
    assert uninvited(odd, off, ANNA).delete_at is None
    assert uninvited(once, off, ANNA).delete_at == NOW + GRACE


# --- single events and series --------------------------------------------------------------------------


def test_from_a_single_event_to_a_series_and_back() -> None:
    single = invitation(master(1, "X-NOTHING:1"))
    series, back = invitation(master(2)), invitation(master(4, "X-NOTHING:1", start="20270303T100000"))
    moved = invitation(override(3, "20270308", "20270309T120000"))
    assert starts(after(single)) == ["03-01 09:00"]
    assert starts(after(single, series))[:2] == ["03-01 09:00", "03-08 09:00"]
    assert starts(after(single, series, moved))[:2] == ["03-01 09:00", "03-09 11:00"]
    assert starts(after(single, series, moved, back)) == ["03-03 09:00"]


# --- days, floating times ------------------------------------------------------------------------------


def stands(meeting: Meeting, now: str) -> tuple[datetime, datetime] | None:
    aim = desired(meeting, at(now), POLICY.roll_after)
    return (aim.spec.start, aim.spec.end) if isinstance(aim, Room) else None


DAYS = """
    DTSTART;VALUE=DATE:20270301
    RRULE:FREQ=DAILY;COUNT=3
    EXDATE;VALUE=DATE:20270302
"""
FLOATING = """
    DTSTART:20270301T100000
    DTEND:20270301T110000
    RRULE:FREQ=DAILY;UNTIL=20270303T100000
    EXDATE:20270302T100000
"""


@pytest.mark.parametrize(
    ("event", "now", "place"),
    [
        (DAYS, "2027-02-01 00:00", (at("2027-02-28 21:00"), at("2027-03-01 21:00"))),
        (DAYS, "2027-03-01 22:01", (at("2027-03-02 21:00"), at("2027-03-03 21:00"))),
        (DAYS, "2027-03-03 22:01", None),
        (FLOATING, "2027-02-01 00:00", (at("2027-03-01 07:00"), at("2027-03-01 08:00"))),
        (FLOATING, "2027-03-01 09:01", (at("2027-03-03 07:00"), at("2027-03-03 08:00"))),
        (FLOATING, "2027-03-03 09:01", None),
    ],
)
def test_days_and_floating_times_are_meant_in_the_zone_of_the_policy(
    event: str, now: str, place: tuple[datetime, datetime] | None
) -> None:
    assert stands(after(invitation(event)), now) == place


@pytest.mark.parametrize(
    ("event", "named", "moved", "place"),
    [
        (DAYS, "RECURRENCE-ID;VALUE=DATE:20270301", "DTSTART;VALUE=DATE:20270306", "2027-03-05 21:00"),
        (FLOATING, "RECURRENCE-ID:20270301T100000", "DTSTART:20270306T100000", "2027-03-06 07:00"),
    ],
)
def test_their_overrides(event: str, named: str, moved: str, place: str) -> None:
    meeting = after(invitation(event, f"{named}\n{moved}\nDURATION:PT1H"))
    assert [each.start for each in upcoming(meeting, at("2027-01-01 00:00"))][-1] == at(place)
    assert len(starts(meeting)) == 2


# --- any series ----------------------------------------------------------------------------------------

HOURS = st.integers(-72, 72)


@given(st.lists(st.tuples(st.integers(0, 30), st.none() | HOURS), max_size=4), st.integers(0, 40))
def test_parts_keep_order_and_lose_no_instance(parts: list[tuple[int, int | None]], days: int) -> None:
    series = Schedule(datetime(2027, 3, 1, 10), timedelta(hours=1), "UTC", rrule="FREQ=DAILY;COUNT=30")  # noqa: DTZ001
    first = at("2027-03-01 10:00")

    def part(day: int, hours: int | None) -> Part:
        local = series.start + timedelta(days=day, hours=hours or 0)
        return Part(
            first + timedelta(days=day),
            None if hours is None else replace(series, start=local, rrule=""),
        )

    known = [part(day, hours) for day, hours in dict(parts).items()]
    since = first + timedelta(days=days)
    found = list(ranges.occurrences(series, known, since))
    everything = list(ranges.occurrences(series, known, at("2026-01-01 00:00")))
    assert all(one[1] <= other[1] for one, other in pairwise(everything))
    assert found == [each for each in everything if each[1].end > since]
    ended = [day for day, hours in dict(parts).items() if hours is None]
    if not ended:
        assert {original for original, _ in everything} == {first + timedelta(days=day) for day in range(30)}


@given(st.sampled_from(["FREQ=DAILY;COUNT=40", "FREQ=WEEKLY;BYDAY=MO,WE", "FREQ=MONTHLY", ""]), st.data())
def test_instances_are_found_where_the_expansion_has_them(rule: str, data: st.DataObject) -> None:
    series = Schedule(datetime(2027, 3, 1, 10), timedelta(hours=1), "Europe/Moscow", rrule=rule)  # noqa: DTZ001
    days = data.draw(st.lists(st.integers(0, 60), max_size=8))
    asked = [at("2027-03-01 07:00") + timedelta(days=day) for day in days]
    every = islice(recurrence.occurrences(series, at("2027-01-01 00:00")), 100)
    assert instances_at(series, asked) == {each.start for each in every} & set(asked)
