"""What the organizer's event tells when it is looked at again. In doubt the conference stays."""

from dataclasses import replace
from datetime import datetime, timedelta
from urllib.parse import quote

import pytest

from mailhook.core.aim import Room
from mailhook.core.aim import desired as desired_room
from mailhook.core.copies import (
    LONGEST_PAUSE,
    CopyTask,
    LookTask,
    Stands,
    claim,
    desired,
    due_at,
    known,
    stood,
    unseen,
)
from mailhook.core.meeting import Cause, CopyKind, Meeting, Place
from mailhook.core.notice import news
from mailhook.core.order import Stamp
from mailhook.core.removal import LINK_REMOVED
from mailhook.core.truncation import passage
from mailhook.core.watch import (
    APART,
    CANCELLED,
    FEW,
    GONE,
    MISSING,
    SELDOM,
    Absent,
    Present,
    Seen,
    Unchanged,
    Veiled,
    looked,
)
from mailhook.core.written import OPEN
from tests.core.invitations import IVAN, POLICY, at
from tests.core.meetings import ANNA, GRACE, KEY, LINK, LISTED, NOW, request, told
from tests.core.test_copies import ANNOUNCED, settled, written

CALDAV = CopyKind.CALDAV
EVERY = timedelta(minutes=10)
MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
PLACES = (Place("https://dav.example/1.ics", '"1"'),)
TOLD = Stamp(0, at("2027-02-01 10:00"))
"""Of the stored event, as it was when the link was found in it."""

LATER = NOW + OPEN + MINUTE
BEARING = f"DESCRIPTION:Agenda\\n\\n{LINK.link}\\n\\nNotes"
KEPT = f"X-VIDEOMOST-CONFERENCE:{LINK.conference_id}"
TAKEN = f"DESCRIPTION:Agenda\\n\\nNotes\n{KEPT}"
PASSAGE = passage(f"Agenda\n\n{LINK.link}\n\nNotes", LINK.link)


def watched() -> Meeting:
    taken, task = settled(ANNOUNCED)
    found = Stands(changed=False, bears=True, passage=PASSAGE, stamp=TOLD, places=PLACES)
    return stood(taken, CALDAV, task, found, NOW)


WATCHED = watched()
TASK = LookTask(KEY, WATCHED.organizer, PLACES)
BESIDE = Place("https://dav.example/2.ics", '"2"')
OTHER = replace(
    WATCHED,
    key=replace(KEY, uid="another"),
    copies={CALDAV: replace(WATCHED.copies[CALDAV], places=(BESIDE,))},
)
"""Another meeting of the organizer, whose event stands in the same calendar."""


def stored(
    extra: str = BEARING,
    minute: int = 30,
    start: str = "20270301T070000Z",
    sequence: int = 0,
    organizer: str = IVAN,
    uid: str = KEY.uid,
) -> Present:
    """The event as it is stored, last changed at that `minute` after ten."""
    lines = ["BEGIN:VCALENDAR", "BEGIN:VEVENT", f"UID:{uid}", f"SEQUENCE:{sequence}", organizer]
    lines += [
        f"DTSTAMP:20270201T10{minute:02}00Z",
        f"DTSTART:{start}",
        *LISTED.splitlines(),
        *extra.splitlines(),
    ]
    text = "\r\n".join([*lines, "END:VEVENT", "END:VCALENDAR", ""])
    return Present(text.encode(), (Place(PLACES[0].url, '"2"'),))


def look(meeting: Meeting, seen: Seen, now: datetime = LATER) -> Meeting:
    places = meeting.copies[CALDAV].places
    return looked(
        meeting, CALDAV, replace(TASK, places=places, known=known(meeting)), seen, POLICY, now, EVERY
    )


def looks(meeting: Meeting, *seen: tuple[timedelta, Seen]) -> Meeting:
    """At times after LATER."""
    for after, what in seen:
        meeting = look(meeting, what, LATER + after)
    return meeting


ZERO, AWAY, BLIND = timedelta(0), Absent((BESIDE,), (WATCHED, OTHER)), Absent()


# --- when it is looked at ------------------------------------------------------------------------------


def test_a_copy_that_stands_is_looked_at_from_time_to_time() -> None:
    due = due_at(WATCHED, CALDAV)
    assert due == NOW + EVERY
    assert claim(WATCHED, CALDAV, POLICY, due - MINUTE, EVERY)[1] is None
    taken, task = claim(WATCHED, CALDAV, POLICY, due, EVERY)
    assert task == replace(TASK, known=known(WATCHED))
    assert claim(taken, CALDAV, POLICY, due + MINUTE, EVERY)[1] is None
    assert due_at(look(taken, Unchanged(), due), CALDAV) == due + EVERY
    failed = unseen(taken, CALDAV, "503", due, EVERY)
    assert (due_at(failed, CALDAV), failed.copies[CALDAV].error) == (due + EVERY, "503")


def test_where_nothing_is_watched_nothing_is_asked() -> None:
    after, task = claim(WATCHED, CALDAV, POLICY, NOW + EVERY)
    assert (task, due_at(after, CALDAV)) == (None, NOW + EVERY + LONGEST_PAUSE)


def test_what_is_over_or_was_never_found_is_not_looked_at() -> None:
    over, task = claim(WATCHED, CALDAV, POLICY, NOW + timedelta(days=60), EVERY)
    assert (task, due_at(over, CALDAV)) == (None, None)
    assert due_at(written(), CALDAV) is None


@pytest.mark.parametrize(("before", "pause"), [(HOUR, EVERY), (timedelta(days=9), EVERY * SELDOM)])
def test_an_event_that_is_far_away_is_looked_at_seldom(before: timedelta, pause: timedelta) -> None:
    aim = desired_room(WATCHED, LATER, POLICY.roll_after)
    assert isinstance(aim, Room)
    applied = replace(aim.spec, start=LATER + before)
    meeting = replace(WATCHED, conference=replace(WATCHED.conference, applied=applied))
    assert due_at(look(meeting, Unchanged()), CALDAV) == LATER + pause


# --- it is there ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("seen", "why"),
    [
        (stored(TAKEN), LINK_REMOVED),
        (stored(TAKEN, sequence=1), LINK_REMOVED),
        (stored(f"CONFERENCE;VALUE=URI:{LINK.link}\nDESCRIPTION:Agenda\\n\\nNotes"), LINK_REMOVED),
        (stored(TAKEN, minute=0), ""),
        # Nothing of ours stands any more: the state from before, that somebody had open, or put back.
        (stored(""), ""),
        (stored("DESCRIPTION:Agenda\\n\\nNotes"), ""),
        # A program that drops descriptions, or cuts them off.
        (stored(KEPT), ""),
        (stored(f"LOCATION:Room 5\n{KEPT}"), ""),
        (stored(f"DESCRIPTION:Agen\nLOCATION:Room 5\n{KEPT}"), ""),
        # The link in other words.
        (stored(f"{TAKEN}\nURL:{LINK.link.upper()}"), ""),
        (stored(f"{TAKEN}\nLOCATION:{LINK.link.replace('https', 'http')}"), ""),
        (stored(f"DESCRIPTION:Agenda {LINK.link[:30]}\\n{LINK.link[30:]}\n{KEPT}"), ""),
        (stored(f"DESCRIPTION:https://wrap.example/?u={quote(LINK.link, safe='')}\n{KEPT}"), ""),
        (stored(f"URL:{LINK.link}"), ""),
        (stored(f"LOCATION:{LINK.link}"), ""),
        (stored("DESCRIPTION:_______ Videomost _______\\nhttps"), ""),
        (stored("", uid="another"), ""),
        (stored("", organizer="ORGANIZER:mailto:petr@corp.example"), ""),
        (Present(b"", PLACES), ""),
        (Present(b"BEGIN:VCALENDAR\r\nEND:VCALENDAR\r\n", PLACES), ""),
    ],
)
def test_whether_the_link_was_taken_out(seen: Present, why: str) -> None:
    after = look(WATCHED, seen)
    assert after.renounced == why
    assert after.delete_at == (LATER + GRACE if why else None)
    assert after.wanted is not bool(why)


@pytest.mark.parametrize(
    "seen", [stored(TAKEN, minute=0), stored(TAKEN)], ids=["restored", "open since before"]
)
def test_an_older_state_gets_the_link_again(seen: Present) -> None:
    after = look(WATCHED, seen, LATER if seen == stored(TAKEN, minute=0) else NOW + MINUTE)
    assert after.delete_at is None
    assert after.copies[CALDAV].standing != desired(after, CALDAV)
    assert isinstance(claim(after, CALDAV, POLICY, LATER, EVERY)[1], CopyTask)


def test_the_conference_follows_what_no_mail_told() -> None:
    after = look(WATCHED, stored(start="20270302T080000Z"))
    (component,) = after.components
    assert component.schedule is not None
    assert component.schedule.start == at("2027-03-02 08:00").replace(tzinfo=None)
    assert after.wake_at == LATER
    assert due_at(after, CALDAV) is not None


@pytest.mark.parametrize(
    "seen",
    [
        stored(),
        stored(sequence=1),
        stored(f"{BEARING}\nCATEGORIES:a"),
        stored(start="20270302T080000Z", minute=0),
    ],
)
def test_what_says_nothing_new_changes_nothing(seen: Present) -> None:
    assert look(WATCHED, seen).components == WATCHED.components


def test_a_mail_of_the_same_change_is_no_older_than_what_was_seen() -> None:
    seen = look(WATCHED, stored(start="20270302T080000Z", minute=30, sequence=1))
    (component,) = seen.components
    assert component.stamp.date == at("2027-02-01 10:30")


# --- it is not -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "seen",
    [
        ((ZERO, AWAY),),
        ((ZERO, AWAY), (APART - MINUTE, AWAY)),
        ((ZERO, BLIND), (APART * 2, BLIND), (APART * 4, BLIND)),
        ((ZERO, AWAY), (APART / 2, Veiled()), (APART + MINUTE, AWAY)),
        ((ZERO, AWAY), (APART, BLIND), (APART + MINUTE, AWAY)),
        ((ZERO, AWAY), (APART / 2, Unchanged()), (APART + MINUTE, AWAY)),
        ((ZERO, AWAY), (APART / 2, stored()), (APART + MINUTE, AWAY)),
    ],
)
def test_absence_that_does_not_count(seen: tuple[tuple[timedelta, Seen], ...]) -> None:
    after = looks(WATCHED, *seen)
    assert (after.delete_at, after.copies[CALDAV].ended) == (None, "")


@pytest.mark.parametrize(
    "seen", [((ZERO, AWAY), (APART, AWAY)), ((ZERO, AWAY), (APART / 2, AWAY), (APART * 9, AWAY))]
)
def test_absence_that_counts(seen: tuple[tuple[timedelta, Seen], ...]) -> None:
    after = looks(WATCHED, *seen)
    assert after.delete_at == LATER + seen[-1][0] + GRACE
    assert after.copies[CALDAV].ended == GONE
    back = looks(after, (APART + MINUTE, Unchanged()))
    assert (back.delete_at, back.copies[CALDAV].ended) == (None, "")


def test_an_event_that_is_cancelled() -> None:
    after = look(WATCHED, stored(f"{BEARING}\nSTATUS:CANCELLED"))
    assert (after.delete_at, after.copies[CALDAV].ended) == (LATER + GRACE, CANCELLED)
    assert look(after, Unchanged(), LATER + MINUTE).delete_at == LATER + GRACE
    back = look(after, stored(minute=40), LATER + MINUTE)
    assert back.delete_at is None


def test_what_a_mail_has_called_off_since_no_look_brings_back() -> None:
    gone = looks(WATCHED, (ZERO, AWAY), (APART, AWAY))
    since = replace(gone, delete_at=LATER + APART + GRACE / 2)
    assert looks(since, (APART + MINUTE, Unchanged())).delete_at == since.delete_at


def test_an_older_state_than_the_last_mails_takes_nothing_away() -> None:
    component = replace(WATCHED.components[0], stamp=Stamp(5, at("2027-02-01 11:00")))
    mailed = replace(WATCHED, components=(component,))
    assert look(mailed, stored(TAKEN)).renounced == ""


def test_what_a_mail_has_called_off_no_look_brings_back() -> None:
    off = replace(WATCHED, delete_at=LATER + MINUTE)
    assert look(off, stored()).delete_at == LATER + MINUTE
    assert looks(off, (ZERO, AWAY), (APART, AWAY)).delete_at == LATER + MINUTE


@pytest.mark.parametrize(
    ("seen", "doubtful", "goes"),
    [
        (((ZERO, Unchanged()),), False, False),
        (((ZERO, stored()),), False, False),
        (((ZERO, AWAY),), True, False),
        (((ZERO, AWAY), (APART, AWAY)), False, True),
        (((ZERO, stored("STATUS:CANCELLED")),), False, True),
        (((ZERO, stored(TAKEN)),), False, True),
        (((ZERO, BLIND), (APART, BLIND)), True, False),
    ],
)
def test_a_doubt_is_decided(seen: tuple[tuple[timedelta, Seen], ...], doubtful: bool, goes: bool) -> None:
    after = looks(replace(WATCHED, doubtful="nobody knows"), *seen)
    assert (bool(after.doubtful), after.delete_at is not None) == (doubtful, goes)


def test_a_look_that_something_else_has_overtaken_decides_nothing() -> None:
    moved = replace(WATCHED.copies[CALDAV], places=(Place("https://dav.example/2.ics", ""),))
    other = replace(WATCHED, copies={CALDAV: moved})
    assert looked(other, CALDAV, TASK, AWAY, POLICY, LATER, EVERY) == other


@pytest.mark.parametrize("seen", [AWAY, stored(TAKEN), stored("STATUS:CANCELLED")])
def test_a_look_that_a_mail_has_overtaken_decides_nothing(seen: Seen) -> None:
    claimed, task = claim(look(WATCHED, AWAY), CALDAV, POLICY, LATER + APART, EVERY)
    assert isinstance(task, LookTask)
    mailed = told(claimed, request(), ANNA)
    after = looked(mailed, CALDAV, task, seen, POLICY, LATER + APART, EVERY)
    assert (after.delete_at, after.renounced, after.copies[CALDAV].busy) == (None, "", False)


@pytest.mark.parametrize("seen", [AWAY, stored(TAKEN), stored("STATUS:CANCELLED")])
def test_a_look_during_which_the_room_was_made_anew_decides_nothing(seen: Seen) -> None:
    """Under its id, with another link: what the event bears is the former one."""
    claimed, task = claim(look(WATCHED, AWAY), CALDAV, POLICY, LATER + APART, EVERY)
    assert isinstance(task, LookTask)
    room = replace(claimed.conference, details=replace(LINK, link=f"{LINK.link}0"))
    anew = replace(claimed, conference=room)
    after = looked(anew, CALDAV, task, seen, POLICY, LATER + APART, EVERY)
    assert (after.delete_at, after.renounced, after.copies[CALDAV].busy) == (None, "", False)


def test_an_older_state_that_is_cancelled_takes_nothing_away() -> None:
    after = look(WATCHED, stored(f"{BEARING}\nSTATUS:CANCELLED", minute=0))
    assert (after.delete_at, after.copies[CALDAV].ended) == (None, "")


def _another(**own: object) -> Meeting:
    return replace(OTHER, copies={CALDAV: replace(OTHER.copies[CALDAV], **own)})  # type: ignore[arg-type]


MISSED = _another(places=(Place("https://dav.example/home/3.ics", '"3"'),), missing=NOW)
THIRD = replace(_another(places=(Place("https://dav.example/3.ics", '"3"'),)), key=replace(KEY, uid="third"))


@pytest.mark.parametrize(
    "unsure",
    [
        Absent((BESIDE,), ()),
        Absent((), (OTHER,)),
        Absent((Place(BESIDE.url, '"other"'),), (OTHER,)),
        Absent((BESIDE,), (OTHER, THIRD)),
        Absent((BESIDE,), (_another(missing=LATER),)),
        Absent((BESIDE,), (OTHER, replace(MISSED, key=replace(KEY, uid="third")))),
        Absent((BESIDE,), (_another(at=NOW - MINUTE),)),
        Absent((BESIDE,), (_another(tagged=LATER),)),
        Absent((BESIDE,), (_another(places=(Place("https://dav.example/team2/2.ics", '"2"'),)),)),
        Absent((BESIDE,), (OTHER,), missed=FEW),
    ],
    ids=[
        "none known",
        "all are gone",
        "changed",
        "two gone",
        "two missed",
        "another calendar's",
        "older",
        "imported",
        "elsewhere",
        "everybody's",
    ],
)
def test_an_absence_that_may_be_the_servers_is_a_doubt(unsure: Absent) -> None:
    for seen in [(unsure, unsure, unsure), (AWAY, unsure, AWAY), (AWAY, AWAY, unsure)]:
        after = looks(WATCHED, *((APART * number, each) for number, each in enumerate(seen)))
        assert (after.delete_at, after.copies[CALDAV].ended, after.doubtful) == (None, "", MISSING)


def test_before_an_absence_deletes_the_organizer_hears_of_it() -> None:
    after = look(WATCHED, AWAY)
    assert (after.doubtful, Cause.DOUBTFUL in news(after)) == (MISSING, True)


def test_of_two_copies_one_that_is_fine_keeps_the_conference() -> None:
    twins = replace(stored(TAKEN), twins=(stored().content,))
    assert look(WATCHED, twins).renounced == ""
    off = stored(f"{BEARING}\nSTATUS:CANCELLED")
    assert look(WATCHED, replace(off, twins=(stored().content,))).delete_at is None


def test_an_event_that_comes_back_in_an_older_state_is_back() -> None:
    gone = looks(WATCHED, (ZERO, AWAY), (APART, AWAY))
    assert gone.delete_at is not None
    assert looks(gone, (APART + MINUTE, stored("", minute=0))).delete_at is None


def test_whoever_was_told_hears_of_it() -> None:
    assert ANNA in looks(WATCHED, (ZERO, AWAY), (APART, AWAY)).ever_told
