"""Who creates the room: reservations, leases, losers."""

from dataclasses import replace
from datetime import timedelta

import pytest

from mailhook.core.conference import Conference, JoinDetails, Person, Spec, State
from mailhook.core.meeting import Leftover, Meeting, MeetingKey, Suspect
from mailhook.core.reservation import (
    BACKOFF_FIRST,
    LATE,
    LEASE,
    Granted,
    Held,
    Standing,
    TooMany,
    conference_key,
    confirm,
    doubt,
    give_up,
    of_provider,
    renew,
    reserve,
)
from mailhook.core.revision import UNCLAIMED
from mailhook.core.waking import awake
from tests.core.invitations import POLICY, at

KEY = MeetingKey("ivan@corp.example", "uid-1")
NOW = at("2027-02-01 12:00")
SECOND = timedelta(seconds=1)
SPEC = Spec("Plan", at("2027-03-01 07:00"), at("2027-03-01 08:00"), "UTC", Person("ivan@corp.example"))
ONE, TWO = JoinDetails("room-1", "https://x.example/1"), JoinDetails("room-2", "https://x.example/2")


def granted(meeting: Meeting = Meeting(KEY), token: str = "a", after: timedelta = timedelta(0)) -> Meeting:  # noqa: B008
    changed, grant = reserve(meeting, token, "p", POLICY, NOW + after, 0)
    assert isinstance(grant, Granted)
    return changed


def test_a_reservation() -> None:
    found = granted()
    assert (found.conference.state, found.conference.generation, found.conference.token) == (
        State.RESERVED,
        1,
        "a",
    )
    assert (found.delete_at, found.wake_at) == (NOW + UNCLAIMED, NOW + UNCLAIMED)


def test_a_deletion_that_is_due_for_a_wanted_meeting_stays_due() -> None:
    assert granted(Meeting(KEY, wanted=True, delete_at=NOW + LEASE)).delete_at == NOW + LEASE


def test_others_wait_while_the_lease_lasts() -> None:
    found = granted()
    almost = NOW + LEASE - SECOND
    assert reserve(found, "b", "p", POLICY, almost, 0) == (found, Held())
    renewed = renew(found, "a", POLICY, almost)
    assert reserve(renewed, "b", "p", POLICY, NOW + LEASE, 0) == (renewed, Held())
    assert renew(found, "b", POLICY, almost) is found
    taken = granted(found, "b", LEASE)
    assert (taken.conference.token, taken.conference.generation, taken.conference.uncertain) == ("b", 1, True)


def test_a_room_that_stands_is_used() -> None:
    made, _ = confirm(granted(), "a", SPEC, ONE, "p", POLICY, NOW)
    assert reserve(made, "b", "p", POLICY, NOW, 0) == (made, Standing(ONE))


@pytest.mark.parametrize("state", [State.GONE, State.ENDING])
def test_after_the_end_comes_the_next_generation(state: State) -> None:
    ended = Meeting(
        KEY, conference=Conference(state, 4, provider="p", details=ONE if state is State.ENDING else None)
    )
    found = granted(ended)
    assert found.conference.generation == 5
    assert found.leftovers == ((Leftover("room-1", "p"),) if state is State.ENDING else ())


def test_the_limit_of_creations_does_not_stop_one_that_has_begun() -> None:
    most = POLICY.max_conferences_per_organizer_per_hour
    assert reserve(Meeting(KEY), "a", "p", POLICY, NOW, most) == (Meeting(KEY), TooMany())
    assert isinstance(reserve(Meeting(KEY), "a", "p", POLICY, NOW, most - 1)[1], Granted)
    assert isinstance(reserve(granted(), "b", "p", POLICY, NOW + LEASE, most)[1], Granted)


def test_confirming() -> None:
    made, details = confirm(granted(), "a", SPEC, ONE, "p", POLICY, NOW)
    assert details == made.link == ONE
    assert (made.conference.state, made.conference.applied, made.conference.token) == (State.READY, SPEC, "")


def test_of_two_creators_the_loser_uses_the_winners_link() -> None:
    won, _ = confirm(granted(granted(), "b", LEASE), "b", SPEC, TWO, "p", POLICY, NOW)
    lost, details = confirm(won, "a", SPEC, ONE, "p", POLICY, NOW)
    assert (details, lost.link, lost.leftovers) == (TWO, TWO, (Leftover("room-1", "p"),))


def test_where_we_choose_the_id_there_is_no_room_too_many() -> None:
    both = granted(granted(), "b", LEASE)
    late_loser, details = confirm(
        confirm(both, "b", SPEC, ONE, "p", POLICY, NOW)[0], "a", SPEC, ONE, "p", POLICY, NOW
    )
    assert (details, late_loser.leftovers) == (ONE, ())
    early_loser, nothing = confirm(both, "a", SPEC, ONE, "p", POLICY, NOW)
    assert nothing is None
    assert confirm(early_loser, "b", SPEC, ONE, "p", POLICY, NOW)[0].leftovers == ()


def test_a_room_that_comes_after_everything_was_given_up_must_go() -> None:
    released = give_up(granted(), "a", "no", POLICY, NOW, refused=True)
    after, details = confirm(released, "a", SPEC, ONE, "p", POLICY, NOW)
    assert (details, after.leftovers) == (None, (Leftover("room-1", "p"),))


def test_where_an_earlier_create_may_still_come_it_is_looked_for_later() -> None:
    unclear = give_up(granted(), "a", "timeout", POLICY, NOW, refused=False)
    made, _ = confirm(granted(unclear, "b"), "b", SPEC, TWO, "p", POLICY, NOW)
    assert made.suspects == (Suspect(1, "p", NOW + LATE),)
    assert confirm(granted(), "a", SPEC, ONE, "p", POLICY, NOW)[0].suspects == ()


def test_a_creator_who_asks_again_has_its_first_room_looked_for_later() -> None:
    doubtful = doubt(granted(), "a")
    assert doubt(granted(), "b") == granted()
    made, _ = confirm(doubtful, "a", SPEC, TWO, "p", POLICY, NOW)
    assert made.suspects == (Suspect(1, "p", NOW + LATE),)
    released = give_up(doubtful, "a", "no account", POLICY, NOW, refused=True)
    assert (released.conference.generation, released.suspects) == (2, (Suspect(1, "p"),))


def test_what_passed_without_its_link_is_tried_again_soon() -> None:
    """The reservation of a mail that is never taken lasts a day; that of one that has passed does not."""
    failed = give_up(granted(), "a", "timeout", POLICY, NOW, refused=False)
    assert failed.wake_at == NOW + UNCLAIMED
    wanted = awake(replace(failed, wanted=True, delete_at=None), NOW, POLICY.roll_after)
    assert wanted.wake_at is None or wanted.wake_at <= NOW + BACKOFF_FIRST


def test_a_room_too_many_belongs_to_the_provider_that_made_it() -> None:
    won, _ = confirm(granted(granted(), "b", LEASE), "b", SPEC, TWO, "p", POLICY, NOW)
    assert confirm(won, "a", SPEC, ONE, "q", POLICY, NOW)[0].leftovers == (Leftover("room-1", "q"),)


def test_a_refusal_releases_the_reservation() -> None:
    found = give_up(granted(), "a", "no account", POLICY, NOW, refused=True)
    assert (found.conference.state, found.conference.generation) == (State.ABSENT, 1)
    assert (found.error, found.attempts, found.suspects) == ("no account", 1, ())


def test_no_clear_answer_leaves_the_reservation_free_to_take() -> None:
    found = give_up(granted(), "a", "timeout", POLICY, NOW, refused=False)
    assert (found.conference.state, found.conference.lease_until) == (State.RESERVED, NOW)
    assert confirm(found, "a", SPEC, ONE, "p", POLICY, NOW)[1] is None
    assert granted(found, "b").conference.generation == 1


def test_a_refusal_after_no_clear_answer_leaves_a_suspect() -> None:
    unclear = give_up(granted(), "a", "timeout", POLICY, NOW, refused=False)
    found = give_up(granted(unclear, "b"), "b", "no account", POLICY, NOW, refused=True)
    assert (found.conference.state, found.conference.generation) == (State.ABSENT, 2)
    assert found.suspects == (Suspect(1, "p"),)


def test_who_does_not_hold_the_reservation_cannot_give_it_up() -> None:
    found = granted()
    assert give_up(found, "b", "no", POLICY, NOW, refused=True) is found


def test_another_provider_starts_anew_in_the_next_generation() -> None:
    made, _ = confirm(granted(), "a", SPEC, ONE, "p", POLICY, NOW)
    assert of_provider(made, "p") is made
    other = of_provider(made, "q")
    assert other == replace(made, conference=Conference(generation=2), elsewhere=(made.conference,))
    assert isinstance(reserve(made, "b", "q", POLICY, NOW, 0)[1], Granted)


def test_a_provider_that_is_back_finds_its_room() -> None:
    made = Meeting(KEY, conference=Conference(State.ANNOUNCED, provider="p", details=ONE))
    other = of_provider(made, "q")
    assert (other.link, other.conference.generation) == (None, 2)
    there = replace(other, conference=replace(other.conference, provider="q"))
    back = of_provider(there, "p")
    assert back.conference == made.conference
    assert of_provider(back, "q").conference == there.conference


def test_keys_tell_organizer_uid_and_generation_apart() -> None:
    keys = {
        conference_key(b"secret", KEY, 1),
        conference_key(b"secret", KEY, 2),
        conference_key(b"other", KEY, 1),
        conference_key(b"secret", MeetingKey("ivan@corp.example", "uid-2"), 1),
        conference_key(b"secret", MeetingKey("ivan@corp.exampleuid-", "1"), 1),
        conference_key(b"secret", MeetingKey("ivan@corp.example", "\udc80"), 1),
    }
    assert len(keys) == 6
    assert all(len(key) == 32 and int(key, 16) >= 0 for key in keys)
