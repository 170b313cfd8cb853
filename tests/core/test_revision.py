"""What is done with a REQUEST, and who holds a meeting after it."""

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from mailhook.core.conference import Conference, State
from mailhook.core.meeting import Meeting
from mailhook.core.policy import OptedOut, Unwanted, Wish
from mailhook.core.removal import OPTED_OUT
from mailhook.core.revision import (
    UNCLAIMED,
    Condemn,
    Create,
    Insert,
    Leave,
    Plan,
    condemn,
    fingerprint,
    look,
    postponed,
    renounce,
    withdraw,
)
from tests.core.invitations import POLICY, at
from tests.core.meetings import (
    ANNA,
    BORIS,
    GRACE,
    KEY,
    LINK,
    LISTED,
    MARKED,
    NOW,
    PETR,
    UNMARKED,
    called_off,
    ready,
    request,
    told,
    uninvited,
)

# --- what to do with a REQUEST -------------------------------------------------------------------------

ABSENT = Meeting(KEY)
ENDING = Meeting(KEY, wanted=True, delete_at=NOW, conference=ready(state=State.ENDING))
DEAD = Meeting(KEY, wanted=True, delete_at=NOW, conference=Conference(State.GONE, 1, provider="p"))
RENOUNCED = replace(DEAD, wanted=False)
LIVING = Meeting(KEY, wanted=True, conference=ready(state=State.ANNOUNCED))
PENDING = Meeting(KEY, wanted=True)


@pytest.mark.parametrize(
    ("meeting", "wish", "plan"),
    [
        (ABSENT, MARKED, Create),
        (ABSENT, UNMARKED, Leave("no-marker")),
        (ABSENT, OptedOut(), Condemn("opted-out")),
        (LIVING, MARKED, Insert(LINK)),
        (LIVING, UNMARKED, Insert(LINK)),
        (LIVING, Unwanted("foreign-link"), Insert(LINK)),
        (LIVING, OptedOut(), Condemn("opted-out")),
        (PENDING, UNMARKED, Create),
        (PENDING, Unwanted("foreign-link"), Leave("foreign-link")),
        (PENDING, OptedOut(), Condemn("opted-out")),
        (ENDING, UNMARKED, Create),
        (DEAD, UNMARKED, Create),
        (RENOUNCED, UNMARKED, Leave("no-marker")),
        (RENOUNCED, MARKED, Create),
        (RENOUNCED, OptedOut(), Condemn("opted-out")),
    ],
)
def test_plans(meeting: Meeting, wish: Wish, plan: Plan | type[Create]) -> None:
    _, found = look(meeting, request(), wish, POLICY, NOW)
    assert isinstance(found, Create) if plan is Create else found == plan


def test_what_is_created_is_what_the_request_says() -> None:
    _, plan = look(ABSENT, request(rest=f"SUMMARY:Plan\n{LISTED}"), MARKED, POLICY, NOW)
    assert isinstance(plan, Create)
    spec = plan.spec
    assert (spec.topic, spec.start, spec.end) == ("Plan", at("2027-03-01 07:00"), at("2027-03-01 08:00"))
    assert (spec.owner.address, spec.timezone) == ("ivan@corp.example", "UTC")
    assert [person.address for person in spec.participants] == [ANNA, BORIS, PETR]


@pytest.mark.parametrize(
    ("start", "plan"),
    [("20270201T103000Z", Create), ("20270201T100000Z", Leave), ("20260201T070000Z", Leave)],
)
def test_nothing_is_created_for_what_is_over(start: str, plan: type[Plan]) -> None:
    assert isinstance(look(ABSENT, request(start=start), MARKED, POLICY, NOW)[1], plan)


@pytest.mark.parametrize(("due", "later"), [(NOW, GRACE), (NOW + GRACE * 2, GRACE * 2)])
def test_a_request_that_is_seen_postpones_a_deletion(held: Meeting, due: datetime, later: timedelta) -> None:
    dying = replace(held, delete_at=due)
    after, _ = look(dying, request(), UNMARKED, POLICY, NOW)
    assert after.delete_at == NOW + later


def test_what_is_left_alone_is_not_changed(held: Meeting) -> None:
    dying = replace(held, delete_at=NOW)
    assert look(dying, request(), OptedOut(), POLICY, NOW)[0] is dying


def test_a_stale_opt_out_neither_condemns_nor_gets_the_link(held: Meeting) -> None:
    newer = told(held, request(3), ANNA)
    assert look(newer, request(2), OptedOut(), POLICY, NOW)[1] == Leave("opted-out")


# --- holders -------------------------------------------------------------------------------------------


def test_announcing(fresh: Meeting) -> None:
    after = told(fresh, request(), ANNA, "archive@corp.example")
    assert after.told.keys() == after.ever_told == {ANNA}
    assert (after.wanted, after.delete_at, after.conference.state) == (True, None, State.ANNOUNCED)


def test_announcing_without_the_link_lets_the_worker_create_it() -> None:
    after = told(ABSENT, request(), ANNA, linked=False)
    assert (after.conference.state, after.wanted, after.wake_at) == (State.ABSENT, True, NOW)


def test_a_refusal_of_everybody_leaves_the_room_for_a_day(fresh: Meeting) -> None:
    before, read = fresh, request()
    after = withdraw(told(before, read, ANNA, BORIS), before, read, [ANNA, BORIS], POLICY, NOW)
    assert (dict(after.told), after.ever_told, after.delete_at) == ({}, frozenset(), NOW + UNCLAIMED)
    assert look(after, read, MARKED, POLICY, NOW)[1] == Insert(LINK)


def test_a_refusal_of_an_update_takes_nothing_from_those_who_hold_the_meeting(held: Meeting) -> None:
    read = request(2)
    after = withdraw(told(held, read, ANNA, BORIS), held, read, [ANNA, BORIS], POLICY, NOW)
    assert (after.told, after.ever_told, after.delete_at) == (held.told, held.ever_told, None)


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_of_two_copies_the_refused_one_does_not_take_the_other_with_it(
    fresh: Meeting, order: tuple[int, int]
) -> None:
    read = request()
    one = told(fresh, read, ANNA)
    two = told(one, read, ANNA)
    after = withdraw(two, (fresh, one)[order[0]], read, [ANNA], POLICY, NOW)
    assert (set(after.told), after.delete_at) == ({ANNA}, None)


def test_a_refused_newer_revision_leaves_the_older_one_that_passed(fresh: Meeting) -> None:
    newer = told(fresh, request(2), ANNA)
    both = told(newer, request(1), ANNA)
    assert withdraw(both, fresh, request(2), [ANNA], POLICY, NOW).told.keys() == {ANNA}


def test_a_refused_invitation_does_not_bring_somebody_back(held: Meeting) -> None:
    without = uninvited(held, called_off(1), BORIS)
    read = request(2)
    after = withdraw(told(without, read, BORIS), without, read, [BORIS], POLICY, NOW)
    assert (after.told, after.left) == (without.told, without.left)


def test_a_refusal_gives_back_what_was_due_before(held: Meeting) -> None:
    dead = uninvited(held, called_off(1), ANNA, BORIS, PETR)
    read = request(2)
    after = withdraw(told(dead, read, ANNA), dead, read, [ANNA], POLICY, NOW)
    assert after.delete_at == NOW + GRACE


# --- the organizer wants none, waiting -----------------------------------------------------------------


def test_renouncing(held: Meeting) -> None:
    after = renounce(held, request(2), OPTED_OUT, POLICY, NOW)
    assert (after.wanted, after.delete_at) == (False, NOW + GRACE)
    late = told(after, request(1), ANNA)
    assert (late.wanted, late.delete_at) == (False, NOW + GRACE)
    again = told(after, request(3), ANNA)
    assert (again.wanted, again.delete_at) == (True, None)


def test_renouncing_does_not_postpone(held: Meeting) -> None:
    dying = condemn(held, NOW + timedelta(minutes=1), POLICY, NOW)
    assert renounce(dying, request(2), OPTED_OUT, POLICY, NOW).delete_at == NOW + timedelta(minutes=1)


def test_since_when_a_revision_waits() -> None:
    first, since = postponed(ABSENT, request(1), NOW)
    later = NOW + timedelta(minutes=5)
    assert since == NOW
    assert postponed(first, request(1, rest=f"ATTENDEE:mailto:{ANNA}"), later) == (first, NOW)
    assert postponed(first, request(2), later)[1] == later
    assert told(first, request(1), ANNA, linked=False).first_seen == first.first_seen


def test_fingerprints_tell_revisions_apart() -> None:
    assert fingerprint(request(1)) == fingerprint(request(1, rest="SUMMARY:x"))
    others = {
        fingerprint(each) for each in (request(1), request(2), request(1, minute=1), request(1, "20270302"))
    }
    assert len(others) == 4
