"""How messages change a meeting: order of revisions, copies, holders, un-inviting, cancelling."""

from dataclasses import replace
from datetime import datetime, timedelta
from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailhook.core.conference import Conference, JoinDetails, Spec, State
from mailhook.core.itip import Invitation
from mailhook.core.meeting import (
    MASTER,
    Meeting,
    MeetingKey,
    NoRoom,
    Rest,
    Room,
    Stamp,
    desired,
    participants,
)
from mailhook.core.merging import is_older, revise
from mailhook.core.policy import OptedOut, Unwanted, Wanted, Wish
from mailhook.core.revision import (
    UNCLAIMED,
    Condemn,
    Create,
    Insert,
    Leave,
    Plan,
    announce,
    cancel,
    condemn,
    fingerprint,
    look,
    postponed,
    renounce,
    withdraw,
)
from tests.core.invitations import POLICY, at, invitation, stamp

KEY = MeetingKey("ivan@corp.example", "uid-1")
NOW = at("2027-02-01 12:00")
GRACE = POLICY.delete_grace
LINK = JoinDetails("room-1", "https://videomost.corp.example/1")
ANNA, BORIS, PETR = "anna@partner.example", "boris@partner.example", "petr@corp.example"
LISTED = "\n".join(f"ATTENDEE:mailto:{name}" for name in (ANNA, BORIS, PETR))
MARKED, UNMARKED = Wanted("keyword"), Unwanted("no-marker")


def request(
    sequence: int = 0, start: str = "20270301T070000Z", rest: str = LISTED, minute: int = 0
) -> Invitation:
    """The series or single event in a revision; `minute`: of its DTSTAMP."""
    return invitation(f"SEQUENCE:{sequence}\nDTSTAMP:20270201T10{minute:02}00Z\nDTSTART:{start}\n{rest}")


def instance(
    sequence: int, day: str, rest: str = LISTED, method: str = "REQUEST", start: str = "0700"
) -> Invitation:
    text = f"SEQUENCE:{sequence}\nDTSTAMP:20270201T100000Z\nRECURRENCE-ID:{day}T070000Z\nDTSTART:{day}T{start}00Z"
    return invitation(f"{text}\n{rest}", method=method)


def called_off(sequence: int = 0, minute: int = 0, rest: str = LISTED) -> Invitation:
    head = f"SEQUENCE:{sequence}\nDTSTAMP:20270201T10{minute:02}00Z\nDTSTART:20270301T070000Z"
    return invitation(f"{head}\n{rest}", method="CANCEL")


def ready(spec: Spec | None = None, state: State = State.READY) -> Conference:
    return Conference(state, 1, provider="p", details=LINK, applied=spec)


def told(
    meeting: Meeting, read: Invitation, *recipients: str, linked: bool = True, now: datetime = NOW
) -> Meeting:
    return announce(meeting, read, recipients, POLICY, now, linked=linked)


def uninvited(meeting: Meeting, read: Invitation, *recipients: str, now: datetime = NOW) -> Meeting:
    return cancel(meeting, read, recipients, POLICY, now)


@pytest.fixture
def fresh() -> Meeting:
    """A room that no mail has announced yet."""
    return Meeting(KEY, conference=ready(), delete_at=NOW + UNCLAIMED)


@pytest.fixture
def held(fresh: Meeting) -> Meeting:
    """Everybody was told of revision 1."""
    return told(fresh, request(1), ANNA, BORIS, PETR)


# --- order of revisions --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("new", "known", "older"),
    [
        (stamp(1), stamp(0), False),
        (stamp(0), stamp(1), True),
        (stamp(0, dtstamp=5), stamp(0, dtstamp=3), False),
        (stamp(0, dtstamp=3), stamp(0, dtstamp=5), True),
        (stamp(0, 3, modified=5), stamp(0, 3, modified=3), False),
        (stamp(0, 3, modified=3), stamp(0, 3, modified=5), True),
        # Cyrus: the invitation has SEQUENCE 1, later updates 0 with a fresh DTSTAMP: the Date decides.
        (stamp(0, dtstamp=9, date=9), stamp(1, dtstamp=3, date=3), False),
        (stamp(1, dtstamp=3, date=3), stamp(0, dtstamp=9, date=9), True),
        # SOGo: a stale DTSTAMP, but SEQUENCE and LAST-MODIFIED are raised.
        (stamp(2, 3, modified=9, date=9), stamp(1, 3, modified=3, date=3), False),
        (stamp(1, 3, modified=3, date=9), stamp(2, 3, modified=9, date=3), True),
        # SOGo: the CANCEL equals the last REQUEST in all three.
        (stamp(2, 3, 3, date=9), stamp(2, 3, 3, date=3), False),
        (stamp(2, 3, 3, date=3), stamp(2, 3, 3, date=9), True),
        (stamp(2, 3, 3), stamp(2, 3, 3), False),
        (stamp(2, 3, 3, date=3), stamp(2, 3, 3), False),
        (stamp(2, modified=3), stamp(2), False),
        (Stamp(), Stamp(), False),
    ],
)
def test_order(new: Stamp, known: Stamp, older: bool) -> None:
    assert is_older(new, known) is older


STAMPS = st.builds(
    stamp, *(st.integers(0, 3) for _ in range(2)), st.none() | st.integers(0, 3), st.integers(0, 3)
)


@given(STAMPS, STAMPS)
def test_of_two_revisions_one_at_most_is_older(one: Stamp, other: Stamp) -> None:
    assert not (is_older(one, other) and is_older(other, one))
    assert not is_older(one, one)


# --- copies --------------------------------------------------------------------------------------------


def copies() -> list[Invitation]:
    """One change, as a server that shows each attendee only his own part may send it."""
    head = "SEQUENCE:1\nDTSTAMP:20270201T100000Z\nSUMMARY:Plan"
    master = f"{head}\nDTSTART:20270301T070000Z\nRRULE:FREQ=WEEKLY;COUNT=4"
    override = f"{head}\nRECURRENCE-ID:20270308T070000Z\nDTSTART:20270309T070000Z"
    dates = [f"Mon, 1 Feb 2027 10:00:0{second} +0000" for second in range(3)]
    return [
        invitation(f"{master}\nATTENDEE;CN=Anna:mailto:{ANNA}", date=dates[2]),
        invitation(
            f"{master}\nATTENDEE:mailto:{BORIS}", f"{override}\nATTENDEE:mailto:{ANNA}", date=dates[0]
        ),
        invitation(f"{override}\nATTENDEE:mailto:{PETR}", date=dates[1]),
    ]


@pytest.mark.parametrize("order", list(permutations(range(3))))
def test_copies_of_one_change_in_any_order_give_the_same_meeting(
    fresh: Meeting, order: tuple[int, ...]
) -> None:
    def after(indices: tuple[int, ...]) -> Meeting:
        meeting = fresh
        for index in indices:
            meeting = told(meeting, copies()[index], (ANNA, BORIS, PETR)[index])
        return meeting

    meeting = after(order)
    assert meeting == after((0, 1, 2))
    assert [component.key for component in meeting.components] == [MASTER, "20270308T070000Z"]
    assert [person.address for person in participants(meeting)] == [ANNA, BORIS, PETR]


@given(
    st.permutations(range(4)), st.lists(st.sets(st.sampled_from([ANNA, BORIS, PETR])), min_size=4, max_size=4)
)
def test_whoever_is_listed_in_whichever_copy_takes_part(order: list[int], lists: list[set[str]]) -> None:
    meeting = Meeting(KEY)
    for index in order:
        people = "\n".join(f"ATTENDEE:mailto:{name}" for name in sorted(lists[index]))
        date = f"Mon, 1 Feb 2027 10:00:0{index} +0000"
        text = f"DTSTAMP:20270201T100000Z\nDTSTART:20270301T070000Z\n{people}"
        meeting = revise(meeting, invitation(text, date=date))
    assert {person.address for person in participants(meeting)} == set().union(*lists)


def test_a_newer_revision_replaces_the_list_of_people(held: Meeting) -> None:
    after = told(held, request(2, rest=f"ATTENDEE:mailto:{ANNA}"), ANNA)
    assert [person.address for person in participants(after)] == [ANNA]


def test_an_older_revision_changes_nothing_but_holders(fresh: Meeting) -> None:
    before = told(fresh, request(2, "20270302T070000Z"), ANNA)
    after = told(before, request(1), BORIS)
    assert after.told.keys() == {ANNA, BORIS}
    assert replace(after, told=before.told, ever_told=before.ever_told) == before


def test_a_copy_with_one_instance_never_overwrites_the_series(held: Meeting) -> None:
    after = told(held, instance(2, "20270308"), BORIS)
    assert after.component(MASTER) == held.component(MASTER)


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
        (ABSENT, OptedOut(), Leave("opted-out")),
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
        (RENOUNCED, OptedOut(), Leave("opted-out")),
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


# --- the organizer wants none, waiting -----------------------------------------------------------------


def test_renouncing(held: Meeting) -> None:
    after = renounce(held, request(2), POLICY, NOW)
    assert (after.wanted, after.delete_at) == (False, NOW + GRACE)
    late = told(after, request(1), ANNA)
    assert (late.wanted, late.delete_at) == (False, NOW + GRACE)
    again = told(after, request(3), ANNA)
    assert (again.wanted, again.delete_at) == (True, None)


def test_renouncing_does_not_postpone(held: Meeting) -> None:
    dying = condemn(held, NOW + timedelta(minutes=1), POLICY, NOW)
    assert renounce(dying, request(2), POLICY, NOW).delete_at == NOW + timedelta(minutes=1)


def test_since_when_a_revision_waits() -> None:
    first, since = postponed(ABSENT, request(1), NOW)
    later = NOW + timedelta(minutes=5)
    assert since == NOW
    assert postponed(first, request(1, rest=f"ATTENDEE:mailto:{ANNA}"), later) == (first, NOW)
    assert postponed(first, request(2), later)[1] == later
    assert told(first, request(1), ANNA, linked=False).first_seen == {}


def test_fingerprints_tell_revisions_apart() -> None:
    assert fingerprint(request(1)) == fingerprint(request(1, rest="SUMMARY:x"))
    others = {
        fingerprint(each) for each in (request(1), request(2), request(1, minute=1), request(1, "20270302"))
    }
    assert len(others) == 4
