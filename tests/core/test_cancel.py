"""CANCEL: who leaves, and when the conference goes."""

from datetime import datetime, timedelta

from mailhook.core.aim import NoRoom, Rest, Room, desired, participants
from mailhook.core.meeting import Meeting
from mailhook.core.revision import Create, Insert, Leave, look
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
    instance,
    request,
    told,
    uninvited,
)

ABSENT = Meeting(KEY)


# --- CANCEL --------------------------------------------------------------------------------------------


def test_who_is_cancelled_leaves_and_the_others_stay(held: Meeting) -> None:
    after = uninvited(held, called_off(1), BORIS)
    assert after.told.keys() == {ANNA, PETR}
    assert after.delete_at is None
    assert [person.address for person in participants(after)] == [ANNA, PETR]


def test_when_nobody_is_left_the_conference_goes_after_the_grace(held: Meeting) -> None:
    after = uninvited(uninvited(held, called_off(1), ANNA, BORIS), called_off(1), PETR)
    assert (dict(after.told), after.delete_at, after.wake_at) == ({}, NOW + GRACE, NOW + GRACE)
    assert isinstance(desired(after, NOW, POLICY.roll_after), Rest)
    assert desired(after, NOW + GRACE, POLICY.roll_after) == NoRoom()


def test_a_recipient_who_was_told_of_something_newer_stays(fresh: Meeting) -> None:
    newer = told(told(fresh, request(1), ANNA, BORIS), request(2), ANNA)
    after = uninvited(newer, called_off(1), ANNA, BORIS)
    assert after.told.keys() == {ANNA}


def test_a_cancel_that_equals_the_last_request_counts(held: Meeting) -> None:
    assert uninvited(held, called_off(1), ANNA).told.keys() == {BORIS, PETR}


def test_internal_people_who_were_never_told_put_the_end_in_doubt(fresh: Meeting) -> None:
    some = told(fresh, request(1), ANNA, BORIS)
    after = uninvited(some, called_off(1), ANNA, BORIS)
    assert (after.delete_at, PETR in after.doubtful) == (None, True)
    assert isinstance(desired(after, NOW, POLICY.roll_after), Room)
    assert told(after, request(2), ANNA).doubtful == ""


def test_rooms_and_ignored_recipients_put_nothing_in_doubt(fresh: Meeting) -> None:
    room, archive = "ATTENDEE;CUTYPE=ROOM:mailto:room5@corp.example", "ATTENDEE:mailto:archive@corp.example"
    rest = f"ATTENDEE:mailto:{ANNA}\n{room}\n{archive}"
    some = told(fresh, request(1, rest=rest), ANNA)
    assert uninvited(some, called_off(1, rest=rest), ANNA).delete_at == NOW + GRACE


def test_a_request_with_status_cancelled_is_a_cancel(held: Meeting) -> None:
    read = request(2, rest=f"STATUS:CANCELLED\n{LISTED}")
    assert read.cancels
    assert uninvited(held, read, ANNA, BORIS, PETR).delete_at == NOW + GRACE


def test_a_cancel_before_its_request_leaves_a_tombstone() -> None:
    buried = uninvited(ABSENT, called_off(2), ANNA)
    assert buried.delete_at is None
    assert look(buried, request(1), MARKED, POLICY, NOW)[1] == Leave("cancelled-already")
    assert isinstance(look(buried, request(3), MARKED, POLICY, NOW)[1], Create)


def test_a_request_overtaken_by_its_cancel_revives_nothing(held: Meeting) -> None:
    dead = uninvited(held, called_off(2), ANNA, BORIS, PETR)
    after = told(dead, request(1), ANNA)
    assert (after.told, after.delete_at) == (dead.told, dead.delete_at)


def test_a_late_request_does_not_bring_back_who_was_removed(held: Meeting) -> None:
    without = uninvited(held, called_off(2), BORIS)
    after = told(without, request(1), BORIS)
    assert after.told.keys() == {ANNA, PETR}
    assert [person.address for person in participants(after)] == [ANNA, PETR]
    again = told(without, request(3), BORIS)
    assert [person.address for person in participants(again)] == [ANNA, BORIS, PETR]


def test_inviting_again_within_the_grace_keeps_the_conference(held: Meeting) -> None:
    dead = uninvited(held, called_off(1), ANNA, BORIS, PETR)
    seen, plan = look(dead, request(2), UNMARKED, POLICY, NOW + timedelta(minutes=30))
    assert plan == Insert(LINK)
    after = told(seen, request(2), ANNA)
    assert (after.delete_at, after.conference.details, set(after.told)) == (None, LINK, {ANNA})


def test_a_cancel_to_the_resource_removes_the_conference(held: Meeting) -> None:
    resource = "videomost@corp.example"
    booked = told(held, request(1), resource)
    after = uninvited(booked, called_off(1), resource)
    assert after.told.keys() == {ANNA, BORIS, PETR}
    assert (after.delete_at, after.wanted) == (NOW + GRACE, False)
    assert uninvited(told(booked, request(2), resource), called_off(1), resource).delete_at is None


SERIES = f"RRULE:FREQ=WEEKLY;COUNT=3\n{LISTED}"


def next_start(meeting: Meeting, now: str) -> datetime | None:
    aim = desired(meeting, at(now), POLICY.roll_after)
    return aim.spec.start if isinstance(aim, Room) else None


def test_an_instance_cancelled_for_everybody_leaves_the_schedule(fresh: Meeting) -> None:
    series = told(fresh, request(1, rest=SERIES), ANNA, BORIS)
    read = instance(2, "20270308", method="CANCEL")
    one = uninvited(series, read, ANNA)
    assert next_start(one, "2027-03-02 00:00") == at("2027-03-08 07:00")
    both = uninvited(one, read, BORIS)
    assert next_start(both, "2027-03-02 00:00") == at("2027-03-15 07:00")
    assert both.told.keys() == {ANNA, BORIS}
    assert both.delete_at is None
    again = told(both, instance(3, "20270308", start="0900"), ANNA)
    assert next_start(again, "2027-03-02 00:00") == at("2027-03-08 09:00")


def test_who_was_invited_to_one_instance_leaves_with_it(fresh: Meeting) -> None:
    series = told(fresh, request(1, rest=SERIES), ANNA)
    guest = told(series, instance(1, "20270308"), BORIS)
    after = uninvited(guest, instance(2, "20270308", method="CANCEL"), BORIS)
    assert after.told.keys() == {ANNA}
    assert next_start(after, "2027-03-02 00:00") == at("2027-03-08 07:00")


def test_the_series_cancelled_takes_its_instances_with_it(fresh: Meeting) -> None:
    series = told(fresh, request(1, rest=SERIES), ANNA, BORIS, PETR)
    moved = told(series, instance(1, "20270308", start="0900"), ANNA, BORIS, PETR)
    assert uninvited(moved, called_off(2), ANNA, BORIS, PETR).delete_at == NOW + GRACE


def test_an_overtaken_request_keeps_the_room_for_whom_no_cancel_has_reached(held: Meeting) -> None:
    dead = uninvited(held, called_off(2), ANNA, BORIS, PETR)
    late = told(dead, request(1), "dmitry@partner.example")
    assert (set(late.told), late.delete_at) == ({"dmitry@partner.example"}, None)
    assert uninvited(late, called_off(2), "dmitry@partner.example").delete_at == NOW + GRACE


def test_a_request_that_waits_is_not_dead_because_somebody_else_is_uninvited() -> None:
    alone = uninvited(ABSENT, called_off(2), ANNA)
    after, plan = look(alone, request(1), MARKED, POLICY, NOW, (BORIS,))
    assert isinstance(plan, Create)
    assert look(after, request(1), MARKED, POLICY, NOW, (ANNA,))[1] == Leave("cancelled-already")
    assert told(after, request(1), BORIS, linked=False).wanted


def test_of_two_cancels_in_the_wrong_order_the_newer_counts(held: Meeting) -> None:
    gone = uninvited(uninvited(held, called_off(5), ANNA), called_off(3), ANNA)
    assert ANNA not in told(gone, request(4), ANNA).told
    assert ANNA in told(gone, request(6), ANNA).told


def test_an_overtaken_request_takes_no_doubt_away(fresh: Meeting) -> None:
    doubtful = uninvited(told(fresh, request(1), ANNA), called_off(2), ANNA)
    assert doubtful.doubtful
    assert told(doubtful, request(1), ANNA).doubtful == doubtful.doubtful


def test_an_instance_taken_from_all_who_still_hold_the_series_leaves_the_schedule(fresh: Meeting) -> None:
    series = told(fresh, request(1, rest=SERIES), ANNA, BORIS)
    one = uninvited(series, instance(2, "20270301", method="CANCEL"), ANNA)
    assert next_start(one, "2027-02-28 00:00") == at("2027-03-01 07:00")
    assert next_start(uninvited(one, called_off(3), BORIS), "2027-02-28 00:00") == at("2027-03-08 07:00")


def test_an_instance_that_was_called_off_before_the_series_was_told_of_stays_off(fresh: Meeting) -> None:
    off = instance(3, "20270301", method="CANCEL")
    early = told(uninvited(fresh, off, ANNA), request(2, rest=SERIES), ANNA)
    again = told(uninvited(uninvited(fresh, off, ANNA), called_off(1), ANNA), request(2, rest=SERIES), ANNA)
    for meeting in (early, again):
        assert next_start(meeting, "2027-02-28 00:00") == at("2027-03-08 07:00")
