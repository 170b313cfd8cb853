"""A mail that the next hop did not take: who has not heard of it, and when that is a doubt."""

from datetime import datetime, timedelta

import pytest

from mailhook.core.itip import Invitation
from mailhook.core.meeting import Meeting
from mailhook.core.unheard import GIVEN_UP, unheard
from mailhook.core.upkeep import Nothing, claim
from tests.core.invitations import POLICY
from tests.core.meetings import ANNA, BORIS, GRACE, NOW, PETR, called_off, request, told, uninvited

LATER = NOW + GIVEN_UP
SOON = NOW + timedelta(minutes=1)


def missed(
    meeting: Meeting, *recipients: str, refused: bool = False, what: Invitation | None = None
) -> Meeting:
    """After a CANCEL that was not taken."""
    cancel = what or called_off(2)
    return unheard(meeting, None, cancel, recipients, POLICY, NOW, refused=refused)


def looked_at(meeting: Meeting, now: datetime) -> str:
    """What the worker finds doubtful, when it is woken."""
    after = meeting
    for _ in range(3):
        if after.wake_at is None or after.wake_at > now:
            break
        after, task = claim(after, "token", "p", POLICY, now, 0)
        if isinstance(task, Nothing):
            break
    return after.doubtful


@pytest.mark.parametrize(("refused", "since"), [(True, NOW), (False, LATER)])
def test_a_cancel_that_did_not_pass_is_a_doubt(held: Meeting, refused: bool, since: datetime) -> None:
    """At once where it was refused, else when no queue tries any more."""
    after = missed(held, ANNA, BORIS, PETR, refused=refused)
    assert (after.delete_at, after.unheard[ANNA]) == (None, since)
    assert looked_at(after, since - timedelta(seconds=1)) == ""
    assert all(who in looked_at(after, since) for who in (ANNA, BORIS, PETR))


def test_as_long_as_somebody_has_heard_all_there_is_no_doubt(held: Meeting) -> None:
    assert looked_at(missed(held, ANNA, BORIS, refused=True), LATER) == ""


def test_it_is_one_in_whatever_order_the_others_are_cancelled(held: Meeting) -> None:
    first = uninvited(missed(held, BORIS, refused=True), called_off(2), ANNA, PETR)
    last = missed(uninvited(held, called_off(2), ANNA, PETR), BORIS, refused=True)
    for after in (first, last):
        assert (set(after.told), BORIS in looked_at(after, SOON)) == ({BORIS}, True)


def test_what_passes_later_wipes_it_out(held: Meeting) -> None:
    after = missed(held, ANNA, BORIS, PETR)
    cancelled = uninvited(after, called_off(2), ANNA, BORIS, PETR)
    assert (cancelled.delete_at, cancelled.unheard) == (NOW + GRACE, {})
    again = told(after, request(3), ANNA)
    assert looked_at(again, LATER) == ""


def test_a_stale_cancel_says_nothing(held: Meeting) -> None:
    assert missed(held, ANNA, what=called_off(0)) == held


def test_an_invitation_that_never_passed_is_a_doubt(fresh: Meeting) -> None:
    announced = told(fresh, request(1), ANNA)
    after = unheard(announced, fresh, request(1), [ANNA], POLICY, NOW, refused=False)
    assert (looked_at(after, NOW), ANNA in looked_at(after, LATER)) == ("", True)
    assert looked_at(told(after, request(1), ANNA), LATER) == ""


def test_it_is_one_however_often_it_was_tried(fresh: Meeting) -> None:
    meeting = fresh
    for _ in range(3):
        announced = told(meeting, request(1), ANNA)
        meeting = unheard(announced, meeting, request(1), [ANNA], POLICY, NOW, refused=False)
    assert ANNA in looked_at(meeting, LATER)
    assert looked_at(told(meeting, request(1), ANNA), LATER) == ""


def test_a_revision_that_never_passed_is_none(held: Meeting) -> None:
    """They have the invitation, in an earlier form."""
    announced = told(held, request(2), ANNA)
    assert unheard(announced, held, request(2), [ANNA], POLICY, NOW, refused=False) == announced
