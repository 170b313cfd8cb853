"""Meetings survive being stored, exactly."""

import json
from collections.abc import Mapping
from dataclasses import is_dataclass
from datetime import UTC, datetime, timedelta
from types import UnionType
from typing import Any, get_args, get_origin, get_type_hints

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mailhook.core.conference import Conference, State
from mailhook.core.meeting import Component, Meeting, MeetingKey
from mailhook.core.order import Stamp
from mailhook.core.recurrence import Schedule
from mailhook.errors import Permanent, Temporary
from mailhook.store import rows

KEY = MeetingKey("boss@example.org", "uid")
NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)

moments = st.datetimes(timezones=st.just(UTC))


def values(hint: Any) -> st.SearchStrategy[Any]:
    """Values of a field's type: moments aware in UTC, whatever fields a meeting has or will have."""
    origin, arguments = get_origin(hint), get_args(hint)
    if origin is tuple:
        return st.lists(values(arguments[0]), max_size=2).map(tuple)
    if origin is Mapping:
        return st.dictionaries(values(arguments[0]), values(arguments[1]), max_size=2)
    if origin is UnionType:
        return st.one_of([values(argument) for argument in arguments])
    if hint is datetime:
        return moments
    return instances(hint) if is_dataclass(hint) else st.from_type(hint)


def instances(kind: Any) -> st.SearchStrategy[Any]:
    fields = {name: values(hint) for name, hint in get_type_hints(kind).items()}
    if kind is Schedule:
        fields["start"] = st.datetimes()
    return st.builds(kind, **fields)


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(instances(Meeting))
def test_what_is_read_is_what_was_written(meeting: Meeting) -> None:
    assert rows.meeting(rows.document(meeting)) == meeting


def _timed(start: datetime, duration: timedelta = timedelta(0)) -> Meeting:
    schedule = Schedule(start, duration, "Europe/Moscow")
    return Meeting(KEY, components=(Component("", Stamp(), "Совещание", schedule),), wake_at=NOON)


@pytest.mark.parametrize(
    "duration",
    [timedelta(0), timedelta(microseconds=1), timedelta(days=-1, seconds=1), timedelta.max, timedelta.min],
)
def test_durations_of_any_size(duration: timedelta) -> None:
    meeting = _timed(NOON.replace(tzinfo=None), duration)
    assert rows.meeting(rows.document(meeting)) == meeting


def test_local_times_stay_without_zone_and_instants_in_utc() -> None:
    read = rows.meeting(rows.document(_timed(NOON.replace(tzinfo=None))))
    schedule = read.components[0].schedule
    assert schedule is not None
    assert schedule.start.tzinfo is None
    assert read.wake_at is not None
    assert read.wake_at.utcoffset() == timedelta(0)


@pytest.mark.parametrize("meeting", [Meeting(MeetingKey("a", "\ud800")), Meeting(KEY, error="\udcff")])
def test_text_that_is_not_unicode_is_refused(meeting: Meeting) -> None:
    with pytest.raises(Permanent, match="not Unicode"):
        rows.document(meeting)


def test_a_key_that_is_not_unicode_is_refused() -> None:
    assert rows.columns(KEY) == (KEY.organizer, KEY.uid)
    with pytest.raises(Permanent, match="not Unicode"):
        rows.columns(MeetingKey("a", "\ud800"))


def test_a_document_of_an_earlier_version_gets_the_defaults() -> None:
    document = json.dumps({"key": {"organizer": KEY.organizer, "uid": KEY.uid}, "a field of the past": 1})
    assert rows.meeting(document) == Meeting(KEY)


def test_a_schedule_of_an_earlier_version_has_no_periods() -> None:
    document = json.loads(rows.document(_timed(NOON.replace(tzinfo=None))))
    schedule = document["components"][0]["schedule"]
    del schedule["periods"]
    schedule["rdates"] = ["2026-11-24T12:00:00Z"]
    read = rows.meeting(json.dumps(document)).components[0].schedule
    assert read is not None
    assert (read.rdates, read.periods) == ((NOON + timedelta(days=1),), ())


@pytest.mark.parametrize("document", ["", "{", "[]", '{"key": "https://x/?confid=secret&confpass=secret"}'])
def test_a_broken_document_is_named_but_not_shown(document: str) -> None:
    with pytest.raises(Temporary, match="cannot be read") as caught:
        rows.meeting(document)
    assert "secret" not in str(caught.value)
    assert caught.value.__suppress_context__


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        (Conference(), Conference(State.RESERVED), "create"),
        (Conference(State.GONE), Conference(State.RESERVED, 2), "create"),
        (Conference(State.ENDING), Conference(State.RESERVED, 2), "create"),
        (Conference(State.RESERVED), Conference(State.RESERVED, token="other"), None),
        (Conference(State.RESERVED), Conference(State.ABSENT), None),
        (Conference(State.RESERVED), Conference(State.READY), None),
        (Conference(State.READY), Conference(State.ENDING), "delete"),
        (Conference(State.FINISHED), Conference(State.ENDING), "delete"),
        (Conference(State.ENDING), Conference(State.ENDING), None),
        (Conference(State.ENDING), Conference(State.GONE), None),
    ],
)
def test_what_counts_against_the_limits(old: Conference, new: Conference, expected: str | None) -> None:
    assert rows.counted(Meeting(KEY, conference=old), Meeting(KEY, conference=new)) == expected


def test_seconds() -> None:
    assert rows.seconds(None) is None
    assert rows.seconds(NOON) == 1795435200.0
