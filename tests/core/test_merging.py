"""The order of revisions, and copies of one change."""

from dataclasses import replace
from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailhook.core.aim import participants
from mailhook.core.itip import Invitation
from mailhook.core.meeting import MASTER, Meeting
from mailhook.core.merging import revise
from mailhook.core.order import Stamp, is_older
from tests.core.invitations import invitation, stamp
from tests.core.meetings import (
    ANNA,
    BORIS,
    KEY,
    PETR,
    instance,
    request,
    told,
)

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
    """A list of one is perhaps no more than that one's own view."""
    after = told(held, request(2, rest=f"ATTENDEE:mailto:{ANNA}\nATTENDEE:mailto:{BORIS}"), ANNA)
    assert [person.address for person in participants(after)] == [ANNA, BORIS]
    alone = told(after, request(3, rest=f"ATTENDEE:mailto:{ANNA}"), ANNA)
    assert [person.address for person in participants(alone)] == [ANNA, BORIS]


def test_an_older_revision_changes_nothing_but_holders(fresh: Meeting) -> None:
    before = told(fresh, request(2, "20270302T070000Z"), ANNA)
    after = told(before, request(1), BORIS)
    assert after.told.keys() == {ANNA, BORIS}
    assert replace(after, told=before.told, ever_told=before.ever_told) == before


def test_a_copy_with_one_instance_never_overwrites_the_series(held: Meeting) -> None:
    after = told(held, instance(2, "20270308"), BORIS)
    assert after.component(MASTER) == held.component(MASTER)
