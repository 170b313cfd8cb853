"""What the worker does for a meeting, and what its results mean."""

from dataclasses import replace
from datetime import timedelta

import pytest

from mailhook.core.aim import Room, desired
from mailhook.core.conference import Conference, JoinDetails, State
from mailhook.core.meeting import Leftover, Meeting, MeetingKey, Suspect
from mailhook.core.merging import revise
from mailhook.core.outcome import failed, lost, retried_now, succeeded
from mailhook.core.reservation import LATE, forgotten, give_up
from mailhook.core.reservation import reserve as reserved_by
from mailhook.core.upkeep import (
    LIMIT_PAUSE,
    TASK_LEASE,
    CreateRoom,
    DeleteLeftover,
    DeleteRoom,
    Limited,
    Nothing,
    Recover,
    Task,
    UpdateRoom,
    claim,
)
from mailhook.core.waking import awake
from tests.core.invitations import POLICY, at, invitation

KEY = MeetingKey("ivan@corp.example", "uid-1")
NOW = at("2027-03-01 00:00")
MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
LINK = JoinDetails("room-1", "https://videomost.corp.example/1")
EVENT = "DTSTART:20270301T070000Z\nATTENDEE:mailto:anna@partner.example"
WANTED = replace(revise(Meeting(KEY), invitation(EVENT)), wanted=True)
AIM = desired(WANTED, NOW, POLICY.roll_after)
assert isinstance(AIM, Room)
SPEC = AIM.spec
OLD = replace(SPEC, topic="old")
LEFTOVER = Leftover("room-0", "p")
OVER = at("2027-03-01 09:00")


def having(state: State, **changes: object) -> Meeting:
    room = Conference(state, 1, provider="p", details=LINK, applied=SPEC)
    return awake(replace(WANTED, conference=room, **changes), NOW, POLICY.roll_after)  # type: ignore[arg-type]


def reserved(lease: timedelta, **changes: object) -> Meeting:
    room = Conference(State.RESERVED, 1, token="other", lease_until=NOW + lease, provider="p")
    found = replace(WANTED, conference=room, **changes)  # type: ignore[arg-type]
    return replace(found, wake_at=NOW)


def take(meeting: Meeting, deleted: int = 0, identity: str = "p") -> tuple[Meeting, Task]:
    return claim(meeting, "mine", identity, POLICY, meeting.wake_at or NOW, deleted)


def with_spec(meeting: Meeting) -> Meeting:
    changed = replace(meeting, conference=replace(meeting.conference, applied=OLD))
    return awake(changed, NOW, POLICY.roll_after)


@pytest.mark.parametrize(
    ("meeting", "task"),
    [
        (awake(WANTED, NOW, POLICY.roll_after), CreateRoom(SPEC)),
        (with_spec(having(State.ANNOUNCED)), UpdateRoom("room-1", SPEC)),
        (with_spec(having(State.READY)), UpdateRoom("room-1", SPEC)),
        (having(State.ANNOUNCED, delete_at=NOW), DeleteRoom("room-1")),
        (having(State.FINISHED, delete_at=NOW), DeleteRoom("room-1")),
        (having(State.ENDING), DeleteRoom("room-1")),
        (having(State.ANNOUNCED, leftovers=(LEFTOVER,)), DeleteLeftover(LEFTOVER)),
        (with_spec(having(State.ANNOUNCED, leftovers=(LEFTOVER,))), UpdateRoom("room-1", SPEC)),
        (having(State.ANNOUNCED, suspects=(Suspect(1, "p"),)), Recover(1)),
        (having(State.ANNOUNCED, leftovers=(Leftover("x", "q"),), suspects=(Suspect(1, "q"),)), Nothing()),
        (reserved(-MINUTE), CreateRoom(SPEC)),
        (reserved(-MINUTE, delete_at=NOW), Recover(1)),
        (reserved(-MINUTE, components=()), Recover(1)),
        (reserved(MINUTE), Nothing()),
        (reserved(MINUTE, leftovers=(LEFTOVER,)), Nothing()),
        (having(State.GONE, delete_at=NOW), Nothing()),
        (replace(having(State.ANNOUNCED), wake_at=NOW), Nothing()),
    ],
)
def test_tasks(meeting: Meeting, task: Task) -> None:
    after, found = take(meeting)
    assert found == task
    if isinstance(task, Nothing):
        assert after.lease is None
        assert after.wake_at is None or after.wake_at > NOW
    else:
        assert after.lease is not None
        assert (after.lease.token, after.wake_at) == ("mine", NOW + TASK_LEASE)


def test_what_is_not_due_or_in_hand_is_left_alone() -> None:
    due = awake(WANTED, NOW, POLICY.roll_after)
    held, _ = take(due)
    for meeting in (
        replace(due, wake_at=None),
        replace(due, wake_at=NOW + MINUTE),
        replace(held, wake_at=NOW),
    ):
        assert claim(meeting, "x", "p", POLICY, NOW, 0) == (meeting, Nothing())


def test_a_worker_that_died_is_followed_by_another() -> None:
    held, _ = take(with_spec(having(State.ANNOUNCED)))
    later = NOW + TASK_LEASE
    again, task = claim(held, "second", "p", POLICY, later, 0)
    assert task == UpdateRoom("room-1", SPEC)
    assert succeeded(again, "mine", task, POLICY, later) is again
    assert succeeded(again, "second", task, POLICY, later).conference.applied == SPEC


def test_another_providers_room_is_never_touched() -> None:
    for meeting in (
        having(State.ANNOUNCED, delete_at=NOW),
        with_spec(having(State.ANNOUNCED)),
        having(State.ENDING),
        reserved(-MINUTE),
    ):
        after, task = take(meeting, identity="q")
        assert (task, after.wake_at) == (Nothing(), None)
        assert after.conference == meeting.conference


def test_another_providers_leftovers_do_not_keep_a_series_from_rolling_on() -> None:
    after, task = take(having(State.ANNOUNCED, leftovers=(Leftover("x", "q"),)))
    assert (task, after.wake_at) == (Nothing(), OVER)


# --- irrevocable steps ---------------------------------------------------------------------------------


def test_ending_is_written_before_the_room_is_deleted() -> None:
    after, task = take(having(State.ANNOUNCED, delete_at=NOW))
    assert (after.conference.state, after.link) == (State.ENDING, None)
    gone = succeeded(after, "mine", task, POLICY, NOW)
    assert (gone.conference.state, gone.conference.details, gone.wake_at) == (State.GONE, None, None)


def test_a_meeting_revived_while_its_room_was_deleted_gets_another() -> None:
    after, task = take(having(State.ANNOUNCED, delete_at=NOW))
    revived = replace(after, delete_at=None)
    gone = succeeded(revived, "mine", task, POLICY, NOW)
    assert take(gone)[1] == CreateRoom(SPEC)


def test_what_is_recovered_is_let_go_first() -> None:
    after, task = take(reserved(-MINUTE, delete_at=NOW))
    assert task == Recover(1)
    assert (after.conference.state, after.conference.generation) == (State.ABSENT, 2)
    assert after.suspects == (Suspect(1, "p"),)
    clean = succeeded(after, "mine", task, POLICY, NOW)
    late = NOW + LATE
    assert (clean.suspects, clean.wake_at) == ((Suspect(1, "p", late),), late)
    once_more, task = claim(clean, "mine", "p", POLICY, late, 0)
    assert task == Recover(1)
    done = succeeded(once_more, "mine", task, POLICY, late)
    assert (done.suspects, done.wake_at) == ((), None)


def test_a_room_that_came_late_goes_and_the_meetings_own_stays() -> None:
    early = at("2027-02-28 00:00")
    uncertain = replace(having(State.ANNOUNCED, suspects=(Suspect(1, "p", early + LATE),)), wake_at=early)
    assert claim(uncertain, "mine", "p", POLICY, early, 0) == (
        replace(uncertain, wake_at=early + LATE),
        Nothing(),
    )
    _, task = claim(uncertain, "mine", "p", POLICY, early + LATE, 0)
    assert isinstance(task, Recover)
    assert (task.generation, task.keep) == (1, "room-1")
    of_another = replace(uncertain, suspects=(Suspect(7, "p", early),))
    _, other = claim(of_another, "mine", "p", POLICY, early, 0)
    assert isinstance(other, Recover)
    assert (other.generation, other.keep) == (7, "")


def test_what_a_provider_cannot_find_stays_listed_and_wakes_nobody() -> None:
    taken, task = take(having(State.ANNOUNCED, suspects=(Suspect(1, "p"),)))
    after = succeeded(taken, "mine", task, POLICY, NOW, looked=False)
    assert after.suspects == (Suspect(1, "p", unsearchable=True),)
    assert after.wake_at != NOW
    assert take(replace(after, wake_at=NOW))[1] == Nothing()
    assert forgotten(after, POLICY, NOW).suspects == ()
    searchable = having(State.ANNOUNCED, suspects=(Suspect(1, "p"),))
    assert forgotten(searchable, POLICY, NOW).suspects == searchable.suspects


def test_a_create_that_fails_counts_once() -> None:
    taken, task = take(awake(WANTED, NOW, POLICY.roll_after))
    begun, _ = reserved_by(taken, "flight", "p", POLICY, NOW, 0)
    given_up = give_up(begun, "flight", "no", POLICY, NOW, refused=False)
    after = failed(given_up, "mine", "no", POLICY, NOW, task)
    assert (after.attempts, after.lease) == (1, None)
    assert failed(taken, "mine", "no", POLICY, NOW, task).attempts == 1


# --- the limit -----------------------------------------------------------------------------------------

MOST = POLICY.max_deletions_per_hour


def test_no_more_deletions_than_the_limit() -> None:
    meeting = having(State.ANNOUNCED, delete_at=NOW)
    assert isinstance(take(meeting, MOST - 1)[1], DeleteRoom)
    after, task = take(meeting, MOST)
    assert (task, after.conference.state, after.lease) == (Limited(MOST), State.ANNOUNCED, None)
    assert (bool(after.error), after.wake_at) == (True, NOW + LIMIT_PAUSE)
    assert isinstance(take(after, 0)[1], DeleteRoom)


def test_a_deletion_that_has_begun_is_not_stopped_by_the_limit() -> None:
    assert isinstance(take(having(State.ENDING), MOST)[1], DeleteRoom)


# --- results -------------------------------------------------------------------------------------------


def test_an_update_is_applied() -> None:
    after, task = take(with_spec(having(State.ANNOUNCED)))
    done = succeeded(after, "mine", task, POLICY, NOW)
    assert (done.conference.applied, done.lease, done.wake_at) == (SPEC, None, OVER)


def test_what_changed_during_the_update_is_updated_again() -> None:
    after, task = take(with_spec(having(State.ANNOUNCED)))
    moved = revise(after, invitation(f"SEQUENCE:1\n{EVENT}".replace("0301", "0302")))
    again, second = take(succeeded(moved, "mine", task, POLICY, NOW))
    assert isinstance(second, UpdateRoom)
    assert second.spec.start == at("2027-03-02 07:00")
    assert again.lease is not None


def test_leftovers_are_forgotten_when_they_are_gone() -> None:
    after, task = take(having(State.ANNOUNCED, leftovers=(LEFTOVER, Leftover("room-9", "p"))))
    assert succeeded(after, "mine", task, POLICY, NOW).leftovers == (Leftover("room-9", "p"),)


@pytest.mark.parametrize("state", [State.READY, State.ANNOUNCED])
def test_a_lost_room_is_created_again_in_the_next_generation(state: State) -> None:
    after, _ = take(with_spec(having(state)))
    gone = lost(after, "mine", POLICY, NOW)
    assert (gone.conference.state, gone.link) == (State.GONE, None)
    assert take(gone)[1] == CreateRoom(SPEC)


def test_a_room_that_is_missing_when_it_should_be_deleted_is_deleted() -> None:
    after, _ = take(having(State.ANNOUNCED, delete_at=NOW))
    assert lost(after, "mine", POLICY, NOW).conference.state is State.GONE


def test_a_provider_that_knows_no_room_when_none_is_there_is_asked_again() -> None:
    after, _ = take(awake(WANTED, NOW, POLICY.roll_after))
    again = lost(after, "mine", POLICY, NOW)
    assert (again.conference.state, bool(again.error), again.attempts) == (State.ABSENT, True, 1)


def test_failures_are_repeated_ever_more_rarely() -> None:
    meeting = with_spec(having(State.ANNOUNCED))
    pauses = []
    now = NOW
    for _ in range(14):
        taken, task = claim(meeting, "mine", "p", POLICY, now, 0)
        assert isinstance(task, UpdateRoom)
        meeting = failed(taken, "mine", "no", POLICY, now)
        assert meeting.wake_at is not None
        assert meeting.lease is None
        pauses.append(meeting.wake_at - now)
        now = min(meeting.wake_at, at("2027-03-01 06:00"))
        meeting = replace(meeting, wake_at=now)
    assert pauses == sorted(pauses)
    assert (pauses[0], pauses[-1]) == (timedelta(seconds=10), HOUR)
    done = succeeded(*_taken(meeting, now), POLICY, now)
    assert (done.attempts, done.error) == (0, "")


def _taken(meeting: Meeting, now: object) -> tuple[Meeting, str, Task]:
    after, task = claim(meeting, "mine", "p", POLICY, meeting.wake_at or NOW, 0)
    return after, "mine", task


def test_an_administrator_need_not_wait() -> None:
    taken, _ = take(with_spec(having(State.ANNOUNCED)))
    waiting = failed(taken, "mine", "no", POLICY, NOW)
    assert waiting.wake_at != NOW
    assert retried_now(waiting, POLICY, NOW).wake_at == NOW


@pytest.mark.parametrize("result", [lost, lambda m, t, p, n: failed(m, t, "no", p, n)])
def test_a_result_under_a_foreign_token_changes_nothing(result: object) -> None:
    taken, _ = take(with_spec(having(State.ANNOUNCED)))
    assert callable(result)
    assert result(taken, "other", POLICY, NOW) is taken


# --- the end of a meeting ------------------------------------------------------------------------------


def test_a_conference_is_finished_not_deleted() -> None:
    after, task = claim(having(State.ANNOUNCED), "mine", "p", POLICY, OVER, 0)
    assert (task, after.conference.state, after.wake_at) == (Nothing(), State.FINISHED, None)
    assert after.link == LINK


def test_a_finished_conference_is_opened_again_by_a_new_date() -> None:
    finished, _ = claim(having(State.ANNOUNCED), "mine", "p", POLICY, OVER, 0)
    moved = awake(revise(finished, invitation(f"SEQUENCE:1\n{EVENT}".replace("0301", "0302"))), OVER, HOUR)
    after, task = claim(moved, "mine", "p", POLICY, OVER, 0)
    assert isinstance(task, UpdateRoom)
    assert after.conference.state is State.ANNOUNCED
