"""What the organizer wants, told by mails that overtake each other, and by the resource that he books."""

import pytest

from mailhook.core.itip import Invitation
from mailhook.core.meeting import Meeting
from mailhook.core.policy import wish
from mailhook.core.removal import OPTED_OUT, RESOURCE_REMOVED
from mailhook.core.revision import Condemn, Create, Insert, Leave, Plan, announce, look, renounce
from mailhook.core.uninviting import cancel
from tests.core.invitations import POLICY, VIDEOMOST, invitation
from tests.core.meetings import ANNA, BORIS, GRACE, KEY, LISTED, NOW

ROOM = f"ATTENDEE:mailto:{VIDEOMOST}"
MARK, OUT = "LOCATION:Videomost", "SUMMARY:Plan #novideomost"


def sent(minute: int, *rows: str, method: str = "REQUEST", sequence: int = 0) -> Invitation:
    """A revision that was mailed at that `minute`."""
    head = f"SEQUENCE:{sequence}\nDTSTAMP:20270201T10{minute:02}00Z\nDTSTART:20270301T070000Z"
    date = f"Mon, 1 Feb 2027 10:{minute:02}:00 +0000"
    return invitation("\n".join((head, LISTED, *rows)), method=method, date=date)


def instance(minute: int, *rows: str) -> Invitation:
    return sent(minute, "RECURRENCE-ID:20270301T070000Z", *rows, sequence=9)


def plan(meeting: Meeting, read: Invitation, *recipients: str) -> Plan:
    return look(meeting, read, wish(POLICY, read), POLICY, NOW, recipients)[1]


def opted_out(minute: int) -> Meeting:
    """By the first mail that passed."""
    read = sent(minute, MARK, OUT)
    assert plan(Meeting(KEY), read, ANNA) == Condemn(OPTED_OUT)
    return renounce(Meeting(KEY), read, OPTED_OUT, POLICY, NOW)


@pytest.mark.parametrize("read", [sent(1, MARK), instance(1, MARK)])
def test_what_an_opt_out_has_overtaken_makes_no_conference(read: Invitation) -> None:
    """Though an instance has another SEQUENCE than the series."""
    assert plan(opted_out(5), read, BORIS) == Leave(OPTED_OUT)


@pytest.mark.parametrize("read", [sent(6, MARK), instance(6, MARK)])
def test_who_opts_in_again_gets_one(read: Invitation) -> None:
    assert isinstance(plan(opted_out(5), read, ANNA), Create)


def test_what_says_nothing_after_an_opt_out_asks_for_none() -> None:
    assert plan(opted_out(5), sent(6), ANNA) == Condemn(OPTED_OUT)


def test_an_opt_out_that_was_overtaken_takes_nothing_away() -> None:
    wanted = announce(Meeting(KEY), instance(7, MARK), [ANNA], POLICY, NOW, linked=False)
    assert plan(wanted, sent(5, MARK, OUT), BORIS) == Leave(OPTED_OUT)


def test_a_tombstone_says_nothing_of_the_will() -> None:
    """It was sent to one who is not invited any more; the opt-out is for the others."""
    buried = cancel(Meeting(KEY), sent(6, method="CANCEL"), [ANNA], POLICY, NOW)
    assert plan(buried, sent(5, MARK, OUT), BORIS) == Condemn(OPTED_OUT)


# --- the resource ---------------------------------------------------------------------------------------------


@pytest.fixture
def booked() -> Meeting:
    return announce(Meeting(KEY), sent(1, ROOM), [ANNA, VIDEOMOST], POLICY, NOW, linked=False)


def released(meeting: Meeting, minute: int) -> Meeting:
    return cancel(meeting, sent(minute, ROOM, method="CANCEL"), [VIDEOMOST], POLICY, NOW)


def test_a_resource_that_is_called_off_takes_the_conference_with_it(booked: Meeting) -> None:
    after = released(booked, 2)
    assert (after.renounced, after.delete_at, after.wanted) == (RESOURCE_REMOVED, NOW + GRACE, False)


def test_even_if_nobody_else_was_told_yet() -> None:
    alone = announce(Meeting(KEY), sent(1, ROOM), [VIDEOMOST], POLICY, NOW, linked=False)
    after = released(alone, 2)
    assert (after.renounced, after.doubtful, after.delete_at) == (RESOURCE_REMOVED, "", NOW + GRACE)


def test_a_late_release_does_not_undo_a_newer_wish(booked: Meeting) -> None:
    again = announce(booked, sent(5, ROOM), [ANNA], POLICY, NOW, linked=False)
    assert released(again, 2).renounced == ""


def test_a_mail_without_a_marker_is_no_newer_wish(booked: Meeting) -> None:
    later = announce(booked, instance(5), [ANNA], POLICY, NOW, linked=False)
    assert released(later, 2).renounced == RESOURCE_REMOVED


def test_a_resource_that_is_booked_again_asks_again(booked: Meeting) -> None:
    after = released(booked, 2)
    assert isinstance(plan(after, sent(3, ROOM), ANNA), Create)
    assert plan(after, sent(1, ROOM), BORIS) == Leave(RESOURCE_REMOVED)
    assert not isinstance(plan(after, sent(3), ANNA), Create | Insert)


def test_a_resource_is_no_participant_whatever_its_cutype(booked: Meeting) -> None:
    component = booked.components[0]
    kinds = {each.person.address: each.individual for each in component.attendees}
    assert (kinds[VIDEOMOST], kinds[ANNA]) == (False, True)
