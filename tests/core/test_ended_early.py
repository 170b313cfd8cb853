"""Series of which occurrences are called off or excluded, that end early, or are left to guests of one occurrence."""

from dataclasses import replace

from mailhook.core.aim import Room, desired
from mailhook.core.conference import State
from mailhook.core.meeting import Meeting
from mailhook.core.merging import revise
from mailhook.core.outcome import refused, succeeded
from mailhook.core.upkeep import Nothing, UpdateRoom, claim
from tests.core.invitations import POLICY, at, invitation
from tests.core.meetings import ANNA, BORIS, KEY, ready, told, uninvited
from tests.core.test_series import BERLIN, after, master, override, starts


def test_an_override_that_is_then_excluded_leaves_the_schedule() -> None:
    """Cyrus tells so that an occurrence, once moved, is called off; in whichever order the mails come."""
    moved, off = override(2, "20270308", "20270309T100000"), "RRULE:FREQ=WEEKLY;COUNT=3"
    excluded = invitation(master(3, f"{off}\nEXDATE;TZID={BERLIN}:20270308T100000"))
    series = invitation(master(2, off), moved)
    for revisions in ((series, excluded), (excluded, series)):
        assert starts(after(*revisions)) == ["03-01 09:00", "03-15 09:00"]


def test_an_override_that_was_always_excluded_stays() -> None:
    """Some servers exclude what they also override."""
    rule = f"RRULE:FREQ=WEEKLY;COUNT=3\nEXDATE;TZID={BERLIN}:20270308T100000"
    series = after(invitation(master(1, rule)), invitation(override(2, "20270308", "20270309T100000")))
    renamed = revise(series, invitation(f"SUMMARY:x\n{master(3, f'{rule},20270315T100000')}"))
    assert starts(replace(renamed, wanted=True)) == ["03-01 09:00", "03-09 09:00"]


def test_when_only_guests_of_one_occurrence_are_left_it_stands_there() -> None:
    guest = "kate@partner.example"
    meeting = told(Meeting(KEY, conference=ready()), invitation(master(1)), ANNA, BORIS, "petr@corp.example")
    one = invitation(override(2, "20270308", "20270308T100000", rest=f"ATTENDEE:mailto:{guest}"))
    joined = told(meeting, one, guest)
    off = invitation(master(3), method="CANCEL")
    left = uninvited(joined, off, ANNA, BORIS, "petr@corp.example")
    assert (starts(left), left.delete_at) == (["03-08 09:00"], None)


def test_a_series_that_is_ended_early_takes_its_conference_back() -> None:
    """It had gone on to an occurrence that is not to be; the provider may refuse a date that has passed."""
    series = told(Meeting(KEY, conference=ready()), invitation(master(1)), ANNA, BORIS)
    later = at("2027-03-01 12:00")
    rolled = desired(series, later, POLICY.roll_after)
    assert isinstance(rolled, Room)
    applied = replace(series.conference, applied=rolled.spec, state=State.ANNOUNCED)
    ended = told(
        replace(series, conference=applied), invitation(master(2, "RRULE:FREQ=WEEKLY;COUNT=1")), ANNA
    )
    ended = replace(ended, wake_at=later)
    taken, task = claim(ended, "mine", "p", POLICY, later, 0)
    assert isinstance(task, UpdateRoom)
    assert task.spec.start == at("2027-03-01 09:00")
    done = succeeded(taken, "mine", task, POLICY, later)
    gone = refused(taken, "mine", "the date has passed", POLICY, later)
    for meeting in (done, gone):
        rested, nothing = claim(replace(meeting, wake_at=later), "mine", "p", POLICY, later, 0)
        assert (rested.conference.state, nothing) == (State.FINISHED, Nothing())
