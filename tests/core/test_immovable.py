"""A provider that refuses to move a conference which has ended."""

from dataclasses import replace
from datetime import timedelta

import pytest

from mailhook.core.aim import Room, desired
from mailhook.core.conference import Conference, JoinDetails, State
from mailhook.core.meeting import Leftover, Meeting, MeetingKey
from mailhook.core.merging import revise
from mailhook.core.outcome import recreated, refused
from mailhook.core.upkeep import CreateRoom, DeleteLeftover, RecreateRoom, Task, UpdateRoom, claim
from mailhook.core.waking import awake
from tests.core.invitations import POLICY, at, invitation

LINK = JoinDetails("room-1", "https://videomost.corp.example/1")
OTHER = JoinDetails("room-1", "https://videomost.corp.example/2")
SERIES = invitation("DTSTART:20270301T070000Z\nDURATION:PT1H\nRRULE:FREQ=WEEKLY;COUNT=3")
BEFORE, ROLLED = at("2027-03-01 00:00"), at("2027-03-01 09:00")


def standing(topic: str = "") -> Meeting:
    """At its first date, as last applied with `topic`."""
    meeting = replace(revise(Meeting(MeetingKey("ivan@corp.example", "uid-1")), SERIES), wanted=True)
    aim = desired(meeting, BEFORE, POLICY.roll_after)
    assert isinstance(aim, Room)
    spec = replace(aim.spec, topic=topic)
    room = Conference(State.ANNOUNCED, 3, provider="p", details=LINK, applied=spec)
    return awake(replace(meeting, conference=room), BEFORE, POLICY.roll_after)


def take(meeting: Meeting) -> tuple[Meeting, Task]:
    return claim(meeting, "mine", "p", POLICY, ROLLED, 0)


@pytest.fixture
def immovable() -> Meeting:
    taken, task = take(standing())
    assert isinstance(task, UpdateRoom)
    return refused(taken, "mine", "ended", POLICY, ROLLED)


def test_it_is_made_anew_under_the_same_id(immovable: Meeting) -> None:
    taken, task = take(immovable)
    assert isinstance(task, RecreateRoom)
    assert (task.generation, task.spec.start) == (3, at("2027-03-08 07:00"))
    again = recreated(taken, "mine", task.spec, LINK, POLICY, ROLLED)
    assert (again.link, again.conference.applied, again.conference.immovable) == (LINK, task.spec, False)
    assert again.wake_at == at("2027-03-08 09:00")
    other = recreated(taken, "mine", task.spec, OTHER, POLICY, ROLLED)
    assert other.link == OTHER


def test_or_the_next_generation_takes_its_place(immovable: Meeting) -> None:
    taken, _ = take(immovable)
    gone = refused(taken, "mine", "ended", POLICY, ROLLED)
    assert (gone.conference.state, gone.leftovers) == (State.GONE, (Leftover("room-1", "p"),))
    assert isinstance(take(gone)[1], CreateRoom)


def test_the_old_room_goes_when_the_new_one_stands(immovable: Meeting) -> None:
    gone = refused(take(immovable)[0], "mine", "ended", POLICY, ROLLED)
    aim = desired(gone, ROLLED, POLICY.roll_after)
    assert isinstance(aim, Room)
    room = Conference(
        State.READY, 4, provider="p", details=JoinDetails("room-2", "https://x.example"), applied=aim.spec
    )
    assert take(replace(gone, conference=room, wake_at=ROLLED))[1] == DeleteLeftover(Leftover("room-1", "p"))


def test_a_conference_whose_date_is_to_come_keeps_its_link() -> None:
    meeting = standing("other")
    taken, task = claim(meeting, "mine", "p", POLICY, BEFORE, 0)
    assert isinstance(task, UpdateRoom)
    after = refused(taken, "mine", "no", POLICY, BEFORE)
    assert (after.link, after.conference.immovable, after.error, after.attempts) == (LINK, False, "no", 1)


def test_a_meeting_that_overruns_keeps_its_link() -> None:
    overrun = at("2027-03-01 08:30")
    taken, task = claim(standing("other"), "mine", "p", POLICY, overrun, 0)
    assert isinstance(task, UpdateRoom)
    assert refused(taken, "mine", "ended", POLICY, overrun).conference.immovable is False


def test_what_was_condemned_meanwhile_is_not_made_anew(immovable: Meeting) -> None:
    dead = replace(immovable, delete_at=ROLLED)
    assert not isinstance(take(dead)[1], RecreateRoom)


@pytest.mark.parametrize("token", ["other", ""])
def test_a_result_under_a_foreign_token_changes_nothing(token: str) -> None:
    taken, task = take(standing())
    assert isinstance(task, UpdateRoom)
    assert refused(taken, token, "no", POLICY, ROLLED) is taken
    assert recreated(taken, token, task.spec, OTHER, POLICY, ROLLED) is taken


def test_a_worker_that_died_meanwhile_is_followed_by_another(immovable: Meeting) -> None:
    taken, _ = take(immovable)
    later = ROLLED + timedelta(minutes=2)
    assert isinstance(claim(replace(taken, wake_at=later), "second", "p", POLICY, later, 0)[1], RecreateRoom)
