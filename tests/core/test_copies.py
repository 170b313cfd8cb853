"""What must stand in the organizer's own copies, when they are looked at, and what follows from it."""

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from mailhook.core.conference import Conference, State
from mailhook.core.copies import (
    EMPTY,
    HOPEFUL,
    LEASE,
    LONGEST_PAUSE,
    MOST_ATTEMPTS,
    MOST_MAILS,
    MOST_ROUNDS,
    NOT_KEPT,
    SETTLE,
    CopyTask,
    Stands,
    claim,
    desired,
    due_at,
    mailed,
    stood,
    unwritten,
)
from mailhook.core.itip import Invitation
from mailhook.core.meeting import Cause, CopyKind, Meeting, Notices
from mailhook.core.notice import claim as claim_notice
from mailhook.core.order import Stamp
from mailhook.core.removal import LINK_REMOVED, taken_away
from mailhook.core.revision import condemn
from mailhook.core.text_blocks import marked
from mailhook.core.truncation import passage
from mailhook.core.written import OPEN, is_hoped_for, is_written, known_to_bear
from tests.core import meetings
from tests.core.invitations import POLICY, invitation
from tests.core.meetings import ANNA, BORIS, KEY, LINK, LISTED, NOW, UNMARKED, ready, request

CALDAV = CopyKind.CALDAV
ANNOUNCED = meetings.told(Meeting(KEY, conference=ready()), request(), ANNA)
FOUND, CHANGED = Stands(changed=False, bears=True), Stands(changed=True, bears=False)
MINUTE = timedelta(minutes=1)


def sent(moment: datetime) -> Stamp:
    """Of a REQUEST whose event was changed, and mailed, at that moment."""
    return Stamp(1, moment, date=moment)


def claimed(meeting: Meeting, now: datetime) -> tuple[Meeting, CopyTask]:
    taken, task = claim(meeting, CALDAV, POLICY, now)
    assert isinstance(task, CopyTask)
    return taken, task


def settled(meeting: Meeting, now: datetime = NOW) -> tuple[Meeting, CopyTask]:
    """The meeting whose mails have gone, and the task that follows."""
    waiting, nothing = claim(meeting, CALDAV, POLICY, now)
    assert nothing is None
    return claimed(waiting, now + SETTLE)


def written(meeting: Meeting = ANNOUNCED, now: datetime = NOW, found: Stands = FOUND) -> Meeting:
    taken, task = settled(meeting, now)
    return stood(taken, CALDAV, task, found, now)


WRITTEN = written()
GONE = Conference(State.GONE, 1, provider="p")


@pytest.mark.parametrize(
    ("meeting", "wish"),
    [
        (Meeting(KEY), ""),
        (Meeting(KEY, conference=ready()), ""),
        (meetings.told(Meeting(KEY), request(), ANNA, linked=False), ""),
        (condemn(ANNOUNCED, NOW, POLICY, NOW), ""),
        (condemn(WRITTEN, NOW, POLICY, NOW), EMPTY),
        (replace(WRITTEN, conference=GONE, delete_at=NOW), EMPTY),
        (replace(WRITTEN, conference=GONE), ""),
        (replace(ANNOUNCED, conference=replace(ANNOUNCED.conference, state=State.READY)), ""),
    ],
)
def test_what_must_stand_there(meeting: Meeting, wish: str) -> None:
    assert desired(meeting, CALDAV) == wish


def test_every_revision_is_looked_at_and_no_second_mail_of_one() -> None:
    one = desired(ANNOUNCED, CALDAV)
    assert one == desired(meetings.told(ANNOUNCED, request(), BORIS), CALDAV)
    assert one != desired(meetings.told(ANNOUNCED, request(1, minute=1), ANNA), CALDAV)


def test_a_copy_waits_for_the_last_mail_of_a_change() -> None:
    waiting, _ = claim(ANNOUNCED, CALDAV, POLICY, NOW)
    assert due_at(waiting, CALDAV) == NOW + SETTLE
    more = meetings.told(waiting, request(), BORIS)
    later = NOW + SETTLE
    again, task = claim(more, CALDAV, POLICY, later)
    assert (task, due_at(again, CALDAV)) == (None, later + SETTLE)
    _, task = claimed(again, later + SETTLE)
    assert (task.details, task.former, task.topic) == (LINK, ("", ""), "")


def test_a_copy_counts_as_written_when_it_is_found_so() -> None:
    taken, task = settled(ANNOUNCED)
    changed = stood(taken, CALDAV, task, CHANGED, NOW)
    assert not known_to_bear(changed, sent(NOW + OPEN * 2))
    assert due_at(changed, CALDAV) == NOW + SETTLE
    again, second = claimed(changed, NOW + SETTLE)
    found = stood(again, CALDAV, second, FOUND, NOW + SETTLE)
    assert due_at(found, CALDAV) is None
    assert is_written(found, [CALDAV])
    assert known_to_bear(found, sent(NOW + SETTLE + OPEN + MINUTE))
    before = Stamp(1, NOW - MINUTE, date=NOW + SETTLE + OPEN + MINUTE)
    assert not known_to_bear(found, before), "the event as it was before the link came, mailed late"


def test_what_is_found_again_has_stood_there_since_it_was_written() -> None:
    """Who saves an event that he had open before it was written saves it without the link; not later."""
    revised = meetings.told(WRITTEN, request(1, minute=1), ANNA)
    again = written(revised, NOW + OPEN)
    assert again.copies[CALDAV].at == WRITTEN.copies[CALDAV].at
    assert known_to_bear(again, sent(NOW + OPEN + MINUTE))
    rewritten = stood(*_changed(revised, NOW + OPEN), FOUND, NOW + OPEN + SETTLE)
    assert not known_to_bear(rewritten, sent(NOW + OPEN + MINUTE))
    assert known_to_bear(rewritten, sent(NOW + OPEN * 2 + MINUTE))


def _changed(meeting: Meeting, now: datetime) -> tuple[Meeting, CopyKind, CopyTask]:
    taken, task = settled(meeting, now)
    second, again = claimed(stood(taken, CALDAV, task, CHANGED, now), now + SETTLE)
    return second, CALDAV, again


def test_a_copy_that_is_never_found_as_written_is_left_alone_in_the_end() -> None:
    meeting, now, writes = ANNOUNCED, NOW, 0
    for _ in range(20):
        meeting, task = claim(meeting, CALDAV, POLICY, now)
        if isinstance(task, CopyTask):
            writes += 1
            meeting = stood(meeting, CALDAV, task, CHANGED, now)
        now += SETTLE
    assert writes == MOST_ROUNDS
    assert due_at(meeting, CALDAV) is None
    assert not known_to_bear(meeting, sent(now + OPEN * 2))
    assert not is_written(meeting, [CALDAV])
    assert meeting.copies[CALDAV].error == NOT_KEPT


def test_nobody_else_works_on_a_copy_that_is_being_written() -> None:
    taken, _ = settled(ANNOUNCED)
    more = meetings.told(taken, request(), BORIS)
    soon = NOW + SETTLE + LEASE - timedelta(seconds=1)
    assert claim(more, CALDAV, POLICY, soon) == (more, None)
    assert due_at(more, CALDAV) == NOW + SETTLE + LEASE


def test_a_revision_that_comes_while_a_copy_is_written_is_written_too() -> None:
    taken, task = settled(ANNOUNCED)
    revised = meetings.told(taken, request(1, minute=1), ANNA)
    after = stood(revised, CALDAV, task, FOUND, NOW)
    assert due_at(after, CALDAV) is not None
    assert not known_to_bear(after, sent(NOW + OPEN * 2))


@pytest.mark.parametrize(
    "meeting",
    [
        replace(ANNOUNCED, key=replace(KEY, organizer="ivan@elsewhere.example")),
        meetings.told(Meeting(KEY, conference=ready()), request(start="20260101T070000Z"), ANNA),
    ],
    ids=["not one of ours", "over"],
)
def test_what_matters_no_more_is_settled(meeting: Meeting) -> None:
    after, task = claim(meeting, CALDAV, POLICY, NOW + timedelta(days=90))
    assert task is None
    assert due_at(after, CALDAV) is None
    assert not is_written(after, [CALDAV])
    assert not is_hoped_for(after, [CALDAV])


def test_a_new_link_is_not_written_before_it_is_found() -> None:
    details = replace(LINK, conference_id="room-2", link="https://videomost.corp.example/2")
    renewed = replace(WRITTEN, conference=replace(WRITTEN.conference, generation=2, details=details))
    assert not is_written(renewed, [CALDAV])
    taken, task = settled(renewed)
    assert (task.details, task.former) == (details, (LINK.link, LINK.conference_id))
    assert not is_written(stood(taken, CALDAV, task, CHANGED, NOW), [CALDAV])
    assert is_written(stood(*_changed(renewed, NOW), FOUND, NOW), [CALDAV])


def test_pauses_grow_until_the_event_is_over() -> None:
    meeting, now, pauses = claim(ANNOUNCED, CALDAV, POLICY, NOW)[0], NOW + SETTLE, []
    for _ in range(12):
        meeting, _ = claimed(meeting, now)
        meeting = unwritten(meeting, CALDAV, "not there", now)
        at = due_at(meeting, CALDAV)
        assert at is not None
        pauses.append(at - now)
        now = at
    assert pauses == sorted(pauses)
    assert (pauses[0], pauses[-1]) == (MINUTE, LONGEST_PAUSE)
    assert meeting.copies[CALDAV].error == "not there"
    taken, last = claimed(meeting, now)
    assert stood(taken, CALDAV, last, FOUND, now).copies[CALDAV].error == ""


def test_what_only_an_administrator_can_change_waits_long() -> None:
    taken, _ = settled(ANNOUNCED)
    after = unwritten(taken, CALDAV, "403", NOW, hopeless=True)
    assert due_at(after, CALDAV) == NOW + LONGEST_PAUSE
    assert not is_hoped_for(after, [CALDAV])


def test_a_mail_revives_what_waits_for_its_next_try() -> None:
    taken, _ = settled(ANNOUNCED)
    after = unwritten(taken, CALDAV, "403", NOW, hopeless=True)
    revised = meetings.told(after, request(1, minute=1), ANNA)
    _, task = settled(revised)
    assert task.details == LINK


def test_the_link_that_was_written_is_taken_out_with_its_conference() -> None:
    waiting, task = settled(condemn(WRITTEN, NOW, POLICY, NOW))
    assert (task.details, task.former) == (None, (LINK.link, LINK.conference_id))
    after = stood(waiting, CALDAV, task, Stands(changed=False, bears=False), NOW)
    assert after.copies[CALDAV].link == ""
    assert desired(after, CALDAV) == ""
    tired = replace(WRITTEN.copies[CALDAV], attempts=MOST_ATTEMPTS)
    given_up = replace(condemn(WRITTEN, NOW, POLICY, NOW), copies={CALDAV: tired})
    assert claim(given_up, CALDAV, POLICY, NOW)[1] is None


# --- what follows ----------------------------------------------------------------------------------------

LATE = NOW + OPEN + MINUTE


def plain(sent: datetime, extra: str = "") -> Invitation:
    """A later revision, in which the link stands nowhere but in `extra`."""
    date = f"{sent:%a, %d %b %Y %H:%M:%S} +0000"
    text = f"SEQUENCE:1\nDTSTAMP:{sent:%Y%m%dT%H%M%SZ}\nDTSTART:20270301T080000Z\n{LISTED}\n{extra}"
    return invitation(text, date=date)


BELOW = passage(f"A long text\n\n{marked(LINK.link)}", LINK.link)
BEARING_BELOW = written(found=Stands(changed=False, bears=True, passage=BELOW))
REST = "DESCRIPTION:A long text\nX-VIDEOMOST-CONFERENCE:room-1"
"""What is left of it where somebody has taken the link out."""


def _since(**own: object) -> Meeting:
    copy = replace(BEARING_BELOW.copies[CALDAV], **own)  # type: ignore[arg-type]
    return replace(BEARING_BELOW, copies={CALDAV: copy})


@pytest.mark.parametrize(
    ("meeting", "sent", "extra", "why"),
    [
        (WRITTEN, LATE, "", ""),
        (BEARING_BELOW, LATE, REST, LINK_REMOVED),
        # Not of the state that we wrote: a program has put back what it had, or a server its backup.
        (BEARING_BELOW, LATE, "", ""),
        (BEARING_BELOW, LATE, "DESCRIPTION:A long text", ""),
        # A program that drops descriptions and URLs.
        (BEARING_BELOW, LATE, "X-VIDEOMOST-CONFERENCE:room-1", ""),
        (BEARING_BELOW, LATE, f"CONFERENCE;VALUE=URI:{LINK.link}\nLOCATION:Room 5", ""),
        # Missing, or cancelled, or not found as it was written, since.
        (_since(missing=NOW), LATE, REST, ""),
        (_since(ended="gone"), LATE, REST, ""),
        (_since(standing=""), LATE, REST, ""),
        # The REQUESTs that bore the link did so for our having written it.
        (replace(BEARING_BELOW, borne=Stamp(0)), LATE, "", ""),
        (replace(written(found=Stands(changed=False, bears=False)), borne=Stamp(0)), LATE, REST, ""),
        (BEARING_BELOW, LATE, f"{REST}\nLOCATION:{LINK.link.upper()}", ""),
        (WRITTEN, NOW + MINUTE, "", ""),
        (WRITTEN, LATE, f"URL:{LINK.link}", ""),
        (BEARING_BELOW, LATE, f"CONFERENCE;VALUE=URI:{LINK.link}\nDESCRIPTION:A long text", LINK_REMOVED),
        (WRITTEN, LATE, f"X-ALT-DESC;FMTTYPE=text/html:{LINK.link}", ""),
        (WRITTEN, LATE, "DESCRIPTION:_______ Videomost _______\\nhttps", ""),
        (written(found=Stands(changed=False, bears=False)), LATE, "", ""),
        (BEARING_BELOW, LATE, REST.replace("text", "te"), ""),
        (ANNOUNCED, LATE, "", ""),
        (written(found=CHANGED), LATE, "", ""),
    ],
)
def test_whether_the_organizer_took_the_link_away(
    meeting: Meeting, sent: datetime, extra: str, why: str
) -> None:
    assert taken_away(meeting, plain(sent, extra), UNMARKED, POLICY) == why


def _noticed(meeting: Meeting) -> Meeting:
    return replace(meeting, notices=Notices(next_at=NOW))


def test_a_notice_waits_for_the_copy_and_is_needless_then() -> None:
    waiting, notice = claim_notice(_noticed(ANNOUNCED), "when-not-written", POLICY, NOW, [CALDAV])
    assert (notice, waiting.notices.next_at) == (None, NOW + SETTLE)
    after, notice = claim_notice(_noticed(WRITTEN), "when-not-written", POLICY, NOW, [CALDAV])
    assert notice is None
    assert not after.notices.settled[Cause.LINK].sent


def test_a_notice_comes_when_the_copy_is_not_written() -> None:
    meeting = settled(ANNOUNCED)[0]
    failing = replace(meeting.copies[CALDAV], attempts=HOPEFUL, busy=False, next_at=NOW + MINUTE, error="503")
    for copies, kinds in (({CALDAV: failing}, [CALDAV]), ({}, [])):
        known = _noticed(replace(meeting, copies=copies))
        _, notice = claim_notice(known, "when-not-written", POLICY, NOW, kinds)
        assert notice is not None
    _, notice = claim_notice(_noticed(WRITTEN), "always", POLICY, NOW, [CALDAV])
    assert notice is not None


def test_the_mails_of_which_the_sender_may_keep_a_copy() -> None:
    meeting, request_of = ANNOUNCED, request()
    for number in range(MOST_MAILS + 2):
        meeting = mailed(meeting, replace(request_of, message_id=f"<{number}@corp.example>"))
    assert mailed(meeting, replace(request_of, message_id="<5@corp.example>")).sent[-1] == "<5@corp.example>"
    assert (len(meeting.sent), meeting.sent[0]) == (MOST_MAILS, "<2@corp.example>")
    for useless in ("", "<" * 1000, "<\udcff@corp.example>", "<a\nb>"):
        assert mailed(meeting, replace(request_of, message_id=useless)) == meeting
    assert desired(meeting, CopyKind.IMAP) != desired(ANNOUNCED, CopyKind.IMAP)
    assert desired(meeting, CALDAV) == desired(ANNOUNCED, CALDAV)
    assert settled(meeting)[1].message_ids == meeting.sent


def test_sent_mail_alone_brings_no_link_into_the_calendar() -> None:
    copies = {CopyKind.IMAP: WRITTEN.copies[CALDAV]}
    meeting = replace(WRITTEN, copies=copies)
    assert is_written(meeting, [CopyKind.IMAP])
    assert not is_written(meeting, [CALDAV, CopyKind.IMAP])
    assert is_written(WRITTEN, [CALDAV, CopyKind.IMAP])
    assert not is_written(WRITTEN, [])
