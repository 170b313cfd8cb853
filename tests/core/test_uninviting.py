"""Who is listed no more, and when it is doubtful whether anybody is left."""

import pytest

from mailhook.core.aim import participants
from mailhook.core.itip import MAX_ATTENDEES, Invitation
from mailhook.core.meeting import Meeting
from mailhook.core.uninviting import is_shortened, unlist
from tests.core.invitations import POLICY
from tests.core.meetings import (
    ANNA,
    BORIS,
    GRACE,
    LISTED,
    NOW,
    PETR,
    called_off,
    instance,
    request,
    told,
    uninvited,
)

DMITRY = "dmitry@partner.example"
SERIES = f"RRULE:FREQ=WEEKLY;COUNT=4\n{LISTED}"


def listing(*people: str, series: bool = False) -> str:
    return "\n".join(["RRULE:FREQ=WEEKLY;COUNT=4"] * series + [f"ATTENDEE:mailto:{name}" for name in people])


def passed(meeting: Meeting, read: Invitation, *recipients: str) -> Meeting:
    """The REQUEST goes all the way."""
    after = told(meeting, read, *recipients)
    shortened = unlist(after, meeting, read, recipients, POLICY, NOW)
    assert is_shortened(meeting, read, recipients) or shortened == after
    return shortened


@pytest.mark.parametrize(
    ("rest", "recipients", "holders"),
    [
        (listing(ANNA, PETR), [ANNA], {ANNA, PETR}),
        (listing(ANNA, PETR), [ANNA, PETR], {ANNA, PETR}),
        (listing(ANNA, BORIS, PETR), [ANNA], {ANNA, BORIS, PETR}),
        # To several at once: it is no attendee's own view.
        (listing(ANNA, BORIS), [ANNA, BORIS], {ANNA, BORIS}),
        # One attendee's own view says nothing of others.
        (listing(ANNA), [ANNA], {ANNA, BORIS, PETR}),
        (listing(ANNA, "ivan@corp.example"), [ANNA], {ANNA, BORIS, PETR}),
        ("", [ANNA], {ANNA, BORIS, PETR}),
        # Listed no more, and told all the same.
        (listing(ANNA, PETR), [ANNA, BORIS], {ANNA, BORIS, PETR}),
    ],
)
def test_who_is_listed_no_more(held: Meeting, rest: str, recipients: list[str], holders: set[str]) -> None:
    assert set(passed(held, request(2, rest=rest), *recipients).told) == holders


@pytest.mark.parametrize("number", [0, 1])
def test_an_older_revision_or_another_copy_takes_nobody_out(held: Meeting, number: int) -> None:
    assert set(passed(held, request(number, rest=listing(ANNA, PETR)), ANNA).told) == {ANNA, BORIS, PETR}


def test_who_was_never_listed_by_address_is_not_unlisted(held: Meeting) -> None:
    listed = told(held, request(1), "everybody@lists.example")
    after = passed(listed, request(2, rest=listing(ANNA, PETR)), ANNA)
    assert set(after.told) == {ANNA, PETR, "everybody@lists.example"}


def test_a_late_copy_does_not_bring_back_who_was_taken_out(held: Meeting) -> None:
    after = passed(held, request(2, rest=listing(ANNA, PETR)), ANNA)
    late = passed(after, request(1), BORIS)
    assert set(late.told) == {ANNA, PETR}
    assert [person.address for person in participants(late)] == [ANNA, PETR]
    again = passed(after, request(3), BORIS)
    assert set(again.told) == {ANNA, BORIS, PETR}


def test_a_copy_of_the_older_revision_that_comes_after_is_not_believed(held: Meeting) -> None:
    newer = passed(held, request(2), BORIS)
    assert set(passed(newer, request(1, rest=listing(ANNA, PETR)), ANNA).told) == {ANNA, BORIS, PETR}


def test_when_those_who_are_left_are_cancelled_the_conference_goes(held: Meeting) -> None:
    after = passed(held, request(2, rest=listing(ANNA, PETR)), ANNA, PETR)
    assert uninvited(after, called_off(3), ANNA, PETR).delete_at == NOW + GRACE


def test_out_of_an_instance_is_not_out_of_the_series(fresh: Meeting) -> None:
    series = passed(fresh, request(1, rest=SERIES), ANNA, BORIS, PETR)
    one = passed(series, instance(1, "20270308"), ANNA, BORIS, PETR)
    after = passed(one, instance(2, "20270308", rest=listing(ANNA, PETR)), ANNA)
    assert set(after.told) == {ANNA, BORIS, PETR}


def test_who_was_in_one_instance_only_leaves_with_it(fresh: Meeting) -> None:
    series = passed(fresh, request(1, rest=listing(ANNA, PETR, series=True)), ANNA, PETR)
    guest = passed(series, instance(1, "20270308", rest=listing(ANNA, BORIS)), ANNA, BORIS)
    after = passed(guest, instance(2, "20270308", rest=listing(ANNA, PETR)), ANNA, PETR)
    assert set(after.told) == {ANNA, PETR}


# --- doubt ---------------------------------------------------------------------------------------------


def series_without_an_instance_for(fresh: Meeting, *people: str) -> Meeting:
    series = passed(fresh, request(1, rest=SERIES), ANNA, BORIS, PETR)
    return uninvited(series, instance(2, "20270308", method="CANCEL"), *people)


def test_the_last_holder_may_have_been_uninvited_by_an_instance(fresh: Meeting) -> None:
    after = uninvited(series_without_an_instance_for(fresh, PETR), called_off(2), ANNA, BORIS)
    assert (set(after.told), after.delete_at) == ({PETR}, None)
    assert PETR in after.doubtful


def test_an_instance_that_ends_casts_no_doubt_by_itself(fresh: Meeting) -> None:
    assert series_without_an_instance_for(fresh, ANNA, BORIS, PETR).doubtful == ""


@pytest.mark.parametrize("people", [(PETR,), ()])
def test_as_long_as_somebody_holds_the_whole_series_there_is_no_doubt(
    fresh: Meeting, people: tuple[str, ...]
) -> None:
    after = uninvited(series_without_an_instance_for(fresh, *people), called_off(2), ANNA)
    assert after.doubtful == ""


def test_whoever_hears_of_the_series_again_takes_the_doubt_away(fresh: Meeting) -> None:
    one = series_without_an_instance_for(fresh, PETR)
    again = passed(one, request(3, rest=SERIES), PETR)
    assert uninvited(again, called_off(4), ANNA, BORIS).doubtful == ""


def test_a_cancel_to_the_last_one_ends_the_doubt(fresh: Meeting) -> None:
    doubtful = uninvited(series_without_an_instance_for(fresh, PETR), called_off(2), ANNA, BORIS)
    after = uninvited(doubtful, called_off(3), PETR)
    assert (after.doubtful, after.delete_at) == ("", NOW + GRACE)


# --- who is nobody, and what raises doubt ---------------------------------------------------------------------


def test_the_organizer_is_no_holder(fresh: Meeting) -> None:
    """Some servers send him a copy; under an alias of his domain too."""
    copied = told(fresh, request(1), ANNA, BORIS, PETR, "ivan@corp.example")
    assert copied.told.keys() == {ANNA, BORIS, PETR}
    assert uninvited(copied, called_off(2), ANNA, BORIS, PETR).delete_at == NOW + GRACE


def test_a_list_of_which_members_are_cancelled_is_in_doubt(fresh: Meeting) -> None:
    """Whatever kind the list is said to be; somebody who is listed himself is no member."""
    team, member = "team@corp.example", "olga@corp.example"
    for rest in ("SUMMARY:x", f"ATTENDEE;CUTYPE=GROUP:mailto:{team}", f"ATTENDEE:mailto:{team}"):
        invited = told(fresh, request(1, rest=rest), team)
        assert team in uninvited(invited, called_off(2, rest=rest), member).doubtful
        listed = told(fresh, request(1, rest=f"{rest}\nATTENDEE:mailto:{member}"), team)
        assert (uninvited(listed, called_off(2), member).doubtful == "") == (team in rest)


def test_a_list_whose_members_have_changed_meanwhile_is_in_doubt(fresh: Meeting) -> None:
    """Expanded before mailhook: Boris has left it, Dmitry has come."""
    invited = told(fresh, request(1, rest=listing("team@corp.example")), ANNA, BORIS)
    after = uninvited(invited, called_off(2), ANNA, DMITRY)
    assert (after.delete_at, BORIS in after.doubtful) == (None, True)


def test_a_holder_whom_no_list_names_is_in_doubt_when_the_others_are_cancelled(fresh: Meeting) -> None:
    """The organizer has forwarded his invitation to Dmitry."""
    pair = told(fresh, request(1, rest=listing(ANNA, BORIS)), ANNA, BORIS)
    forwarded = told(pair, request(1, rest=listing(ANNA, BORIS)), DMITRY)
    one_left = uninvited(forwarded, called_off(2), ANNA)
    assert one_left.doubtful == ""
    assert DMITRY in uninvited(one_left, called_off(2), BORIS).doubtful


def test_whom_a_cancel_lists_and_nobody_has_told_may_still_be_invited(fresh: Meeting) -> None:
    """The REQUEST to him may have been lost, or wait in a queue."""
    invited = told(fresh, request(1, rest=listing(ANNA)), ANNA)
    after = uninvited(invited, called_off(2, rest=listing(DMITRY)), ANNA)
    assert (after.delete_at, DMITRY in after.doubtful) == (None, True)
    assert told(after, request(1, rest=listing(DMITRY)), DMITRY).doubtful == ""


def test_a_list_longer_than_is_looked_at_takes_nobody_out(fresh: Meeting) -> None:
    crowd = [f"guest{number:04}@partner.example" for number in range(MAX_ATTENDEES + 1)]
    invited = told(fresh, request(1, rest=listing(*crowd)), crowd[-2], crowd[0])
    after = passed(invited, request(2, rest=listing("first@partner.example", *crowd)), crowd[0])
    assert after.told.keys() == {crowd[-2], crowd[0]}
    assert len(participants(after)) == MAX_ATTENDEES


# --- each attendee's own view --------------------------------------------------------------------------

ROOM = "room5@corp.example"
VISIBLE = [f"ATTENDEE;CUTYPE=ROOM:mailto:{ROOM}", f"ATTENDEE:mailto:{PETR}", ""]


@pytest.mark.parametrize("visible", VISIBLE)
@pytest.mark.parametrize("gap", [0, 1])
def test_own_views_take_nobody_out(fresh: Meeting, visible: str, gap: int) -> None:
    """Each shows one attendee, and a room or a co-host that all see; their DTSTAMPs may differ."""
    meeting = fresh
    for number in (1, 2):
        for place, who in enumerate((ANNA, BORIS)):
            rest = "\n".join(filter(None, (listing(who), visible)))
            meeting = passed(meeting, request(number, rest=rest, minute=number * 10 + place * gap), who)
    after = uninvited(meeting, called_off(3, minute=40), BORIS)
    assert after.delete_at is None
    if PETR not in visible:
        assert [person.address for person in participants(meeting)] == [ANNA, BORIS]
        assert (set(after.told), after.doubtful) == ({ANNA}, "")
    elif gap:
        assert ANNA in uninvited(after, called_off(3, minute=40), PETR).doubtful


def test_who_was_listed_no_more_in_one_mail_is_gone_once_he_is_cancelled(held: Meeting) -> None:
    unlisted = passed(held, request(2, rest=listing(ANNA, PETR)), ANNA)
    assert BORIS in uninvited(unlisted, called_off(3), ANNA, PETR).doubtful
    sure = uninvited(unlisted, called_off(2), BORIS)
    assert uninvited(sure, called_off(3), ANNA, PETR).delete_at == NOW + GRACE
    back = passed(unlisted, request(3), ANNA, BORIS, PETR)
    assert uninvited(back, called_off(4), ANNA, BORIS, PETR).delete_at == NOW + GRACE


def test_a_list_that_is_cancelled_whose_members_were_told_is_in_doubt(fresh: Meeting) -> None:
    """Expanded before mailhook when it was invited, and not when it was cancelled."""
    invited = told(fresh, request(1, rest=listing("team@corp.example")), ANNA, BORIS)
    assert ANNA in uninvited(invited, called_off(2), "team@corp.example").doubtful
