"""The questions that a meeting answers: who takes part, what the conference should be, when to look again."""

from dataclasses import replace
from datetime import timedelta

import pytest

from mailhook.core.aim import NoRoom, Rest, Room, desired, participants, topic, upcoming
from mailhook.core.conference import Conference, JoinDetails, Person, State
from mailhook.core.meeting import Lease, Leftover, Meeting, MeetingKey, Suspect, Told
from mailhook.core.merging import revise
from mailhook.core.waking import awake, next_wake
from tests.core.invitations import at, invitation, stamp

KEY = MeetingKey("ivan@corp.example", "uid-1")
HOUR = timedelta(hours=1)
NOW = at("2027-03-01 00:00")
LINK = JoinDetails("room-1", "https://videomost.corp.example/1")
WEEKLY = """
    SUMMARY:Planning
    DTSTART;TZID=Europe/Moscow:20270301T100000
    DURATION:PT1H
    RRULE:FREQ=WEEKLY;COUNT=3
    ATTENDEE;CN=Anna:mailto:anna@partner.example
"""
MOVED = """
    SUMMARY:Planning, moved
    RECURRENCE-ID:20270308T070000Z
    DTSTART:20270309T120000Z
    DURATION:PT30M
    ATTENDEE:mailto:anna@partner.example
    ATTENDEE:mailto:boris@partner.example
"""
CANCELLED = """
    RECURRENCE-ID:20270308T070000Z
    DTSTART:20270308T070000Z
    STATUS:CANCELLED
"""


def meeting(*events: str) -> Meeting:
    return replace(revise(Meeting(KEY), invitation(*events)), wanted=True)


def starts(found: Meeting, since: str = "2027-01-01 00:00") -> list[str]:
    return [f"{each.start:%m-%d %H:%M}" for each in upcoming(found, at(since))]


@pytest.mark.parametrize(
    ("events", "expected"),
    [
        ([WEEKLY], ["03-01 07:00", "03-08 07:00", "03-15 07:00"]),
        ([WEEKLY, MOVED], ["03-01 07:00", "03-09 12:00", "03-15 07:00"]),
        ([WEEKLY, CANCELLED], ["03-01 07:00", "03-15 07:00"]),
        ([MOVED], ["03-09 12:00"]),
        ([CANCELLED], []),
        ([WEEKLY.replace("SUMMARY:Planning", "STATUS:CANCELLED"), MOVED], ["03-09 12:00"]),
        (["SUMMARY:no start"], []),
    ],
)
def test_upcoming(events: list[str], expected: list[str]) -> None:
    assert starts(meeting(*events)) == expected


def test_an_override_moved_before_the_series_comes_first() -> None:
    early = MOVED.replace("20270309T120000Z", "20270220T120000Z")
    assert starts(meeting(WEEKLY, early)) == ["02-20 12:00", "03-01 07:00", "03-15 07:00"]
    assert starts(meeting(WEEKLY, early), "2027-02-21 00:00") == ["03-01 07:00", "03-15 07:00"]


# --- who takes part ------------------------------------------------------------------------------------

PEOPLE = """
    DTSTART:20270301T070000Z
    ATTENDEE:mailto:boris@partner.example
    ATTENDEE;CN=Anna:mailto:anna@partner.example
    ATTENDEE;CUTYPE=ROOM:mailto:room5@corp.example
    ATTENDEE;CUTYPE=RESOURCE:mailto:beamer@corp.example
    ATTENDEE;CUTYPE=GROUP:mailto:all@corp.example
    ATTENDEE:mailto:ivan@corp.example
"""


def test_participants() -> None:
    found = meeting(PEOPLE)
    assert participants(found) == (
        Person("all@corp.example"),
        Person("anna@partner.example", "Anna"),
        Person("boris@partner.example"),
    )
    without = replace(found, left={"boris@partner.example": (Told("", stamp(), cancelled=True),)})
    assert [person.address for person in participants(without)] == [
        "all@corp.example",
        "anna@partner.example",
    ]


def test_the_organizer_under_an_alias_is_no_participant() -> None:
    alias = PEOPLE + "ORGANIZER:mailto:ivan@old.example\nATTENDEE:mailto:ivan@old.example\n"
    assert "ivan" not in {person.address.partition("@")[0] for person in participants(meeting(alias))}


def test_who_is_invited_to_one_instance_takes_part_in_that_one() -> None:
    found = meeting(WEEKLY, MOVED)
    assert len(participants(found)) == 2
    for now, people in (("2027-03-01 00:00", 1), ("2027-03-09 00:00", 2), ("2027-03-14 00:00", 1)):
        aim = desired(found, at(now), HOUR)
        assert isinstance(aim, Room)
        assert len(aim.spec.participants) == people


# --- what the conference should be ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("now", "start", "until"),
    [
        ("2027-01-01 00:00", "2027-03-01 07:00", "2027-03-01 09:00"),
        ("2027-03-01 08:59", "2027-03-01 07:00", "2027-03-01 09:00"),
        ("2027-03-01 09:00", "2027-03-09 12:00", "2027-03-09 13:30"),
        ("2027-03-10 00:00", "2027-03-15 07:00", "2027-03-15 09:00"),
    ],
)
def test_a_series_rolls_on(now: str, start: str, until: str) -> None:
    aim = desired(meeting(WEEKLY, MOVED), at(now), HOUR)
    assert isinstance(aim, Room)
    assert (aim.spec.start, aim.until) == (at(start), at(until))
    assert (aim.spec.topic, aim.spec.timezone) == ("Planning", "Europe/Moscow")


def test_after_the_last_occurrence_it_is_over() -> None:
    assert desired(meeting(WEEKLY), at("2027-03-15 09:00"), HOUR) == Rest(None, over=True)


@pytest.mark.parametrize("now", ["2027-01-01 00:00", "2027-03-01 07:30", "2040-01-01 00:00"])
def test_a_rule_that_cannot_be_expanded_is_never_over(now: str) -> None:
    aim = desired(meeting(WEEKLY.replace("FREQ=WEEKLY;COUNT=3", "FREQ=HOURLY")), at(now), HOUR)
    assert isinstance(aim, Room)
    assert aim.spec.start == at("2027-03-01 07:00")


def test_deletion() -> None:
    dying = replace(meeting(WEEKLY), delete_at=NOW + HOUR)
    aim = desired(dying, NOW, HOUR)
    assert isinstance(aim, Room)
    assert aim.until == NOW + HOUR
    assert desired(dying, NOW + HOUR, HOUR) == NoRoom()
    assert desired(replace(dying, wanted=False), NOW, HOUR) == Rest(NOW + HOUR)


def test_the_topic_is_that_of_the_series_or_of_the_newest_instance() -> None:
    assert topic(meeting(WEEKLY, MOVED)) == "Planning"
    assert topic(meeting(MOVED)) == "Planning, moved"
    assert (
        topic(meeting(MOVED, MOVED.replace("0308", "0315").replace("moved", "later\nSEQUENCE:2")))
        == "Planning, later"
    )
    assert topic(Meeting(KEY)) == ""


def test_the_topic_is_one_line_and_runs_in_its_own_direction() -> None:
    summary = "Plan\\nning \u202eevil\u2066\t  \x07 of 👩‍💻"
    assert topic(meeting(WEEKLY.replace("Planning", summary))) == "Plan ning evil of 👩‍💻"


def test_a_zone_of_the_message_itself_has_no_name() -> None:
    zone = "BEGIN:VTIMEZONE\nTZID:Moscow\nBEGIN:STANDARD\nDTSTART:19700101T000000\n" + (
        "TZOFFSETFROM:+0300\nTZOFFSETTO:+0300\nEND:STANDARD\nEND:VTIMEZONE"
    )
    read = invitation(WEEKLY.replace("Europe/Moscow", "Moscow"), zones=zone)
    aim = desired(replace(revise(Meeting(KEY), read), wanted=True), NOW, HOUR)
    assert isinstance(aim, Room)
    assert (aim.spec.start, aim.spec.timezone) == (at("2027-03-01 07:00"), "UTC")


# --- the link, and when to look again ------------------------------------------------------------------


@pytest.mark.parametrize("state", State)
def test_link(state: State) -> None:
    found = replace(Meeting(KEY), conference=Conference(state, details=LINK))
    assert (found.link is not None) == (state in {State.READY, State.ANNOUNCED, State.FINISHED})


def with_room(state: State = State.ANNOUNCED, *, applied: bool = True) -> Meeting:
    found = meeting(WEEKLY)
    aim = desired(found, NOW, HOUR)
    assert isinstance(aim, Room)
    spec = aim.spec if applied else replace(aim.spec, topic="old")
    return replace(found, conference=Conference(state, provider="p", details=LINK, applied=spec))


RESERVED = Conference(State.RESERVED, token="t", lease_until=NOW + HOUR, provider="p")
ROLLS = at("2027-03-01 09:00")


@pytest.mark.parametrize(
    ("found", "wake"),
    [
        (Meeting(KEY), None),
        (with_room(), ROLLS),
        (with_room(applied=False), NOW),
        (with_room(State.FINISHED), NOW),
        (with_room(State.ENDING), NOW),
        (replace(with_room(), delete_at=NOW + HOUR), NOW + HOUR),
        (replace(with_room(), delete_at=NOW), NOW),
        (replace(with_room(), leftovers=(Leftover("x", "p"),)), NOW),
        (replace(with_room(), suspects=(Suspect(1, "p"),)), NOW),
        (replace(with_room(), lease=Lease("t", NOW + HOUR * 5)), NOW + HOUR * 5),
        (replace(with_room(State.GONE), delete_at=NOW), None),
        (meeting(WEEKLY), NOW),
        (replace(meeting(WEEKLY), conference=RESERVED), NOW + HOUR),
        (Meeting(KEY, conference=RESERVED, delete_at=NOW + HOUR * 3), NOW + HOUR * 3),
    ],
)
def test_when_to_look_again(found: Meeting, wake: object) -> None:
    assert next_wake(found, NOW, HOUR) == wake
    assert awake(found, NOW, HOUR).wake_at == wake


def test_a_failure_keeps_its_retry_time() -> None:
    failed = replace(with_room(applied=False), error="no", retry_at=NOW + HOUR)
    assert awake(failed, NOW, HOUR).wake_at == NOW + HOUR
    assert awake(replace(failed, error=""), NOW, HOUR).wake_at == NOW
