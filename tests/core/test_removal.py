"""Whether the organizer has taken the link away: from which places, in which order, and how it comes back."""

from dataclasses import replace

import pytest

from mailhook.core.itip import Invitation
from mailhook.core.meeting import Meeting
from mailhook.core.policy import Policy, Wanted, wish
from mailhook.core.removal import LINK_REMOVED, RESOURCE_REMOVED
from mailhook.core.revision import Condemn, Create, Insert, Leave, Plan, look, renounce
from mailhook.core.text_blocks import BEGIN, END
from tests.core.invitations import POLICY, invitation
from tests.core.meetings import ANNA, BORIS, GRACE, KEY, LINK, LISTED, NOW, ready, told

URL = LINK.link
ROOM = "ATTENDEE;CUTYPE=RESOURCE:mailto:videomost@corp.example"
BLOCK = f"{BEGIN}\\nVideomost\\n{URL}\\n{END}"
PLAIN = "DESCRIPTION:agenda"


def revision(number: int, *rows: str, policy: Policy = POLICY) -> Invitation:
    lines = "\n".join((*rows, LISTED))
    return invitation(
        f"SEQUENCE:{number}\nDTSTAMP:20270201T10{number:02}00Z\nDTSTART:20270301T070000Z\n{lines}"
    )


def plan(meeting: Meeting, read: Invitation, policy: Policy = POLICY) -> Plan:
    ours = (meeting.link.link,) if meeting.link else ()
    wanted = wish(policy, read, ("videomost.corp.example",), ours)
    return look(meeting, read, wanted, policy, NOW)[1]


@pytest.fixture
def living() -> Meeting:
    """Everybody was told of revision 1, which came without the link, but with the keyword."""
    fresh = Meeting(KEY, conference=ready())
    return told(fresh, revision(1, "LOCATION:Videomost", PLAIN), ANNA, BORIS)


BEARING = [
    f"DESCRIPTION:{BLOCK}\\nagenda",
    f"DESCRIPTION:agenda\\nlink: {URL}",
    f"LOCATION:{URL}",
    f"LOCATION:Videomost {URL}",
    f"URL:{URL}",
]
SHOWING = [
    f"CONFERENCE;VALUE=URI;FEATURE=VIDEO:{URL}",
    f"X-GOOGLE-CONFERENCE:{URL}",
    f"X-ALT-DESC;FMTTYPE=text/html:<a href='{URL}'>x</a>",
    f'DESCRIPTION;ALTREP="data:text/html,%3Ca%20href%3D%22{URL.replace("/", "%2F")}%22%3E":agenda',
    f"STYLED-DESCRIPTION;VALUE=TEXT;FMTTYPE=text/html:{URL}",
    f"DESCRIPTION:agenda\\n{BEGIN}\\nConfe",
]


@pytest.mark.parametrize("row", BEARING)
def test_a_copy_that_bore_the_link_and_shows_it_nowhere(living: Meeting, row: str) -> None:
    """A keyword that was there before, and was left standing, is no new wish."""
    kept = [] if row.startswith("LOCATION") else ["LOCATION:Videomost"]
    bore = told(living, revision(2, row, *kept), ANNA)
    assert plan(bore, revision(3, PLAIN, *kept)) == Condemn(LINK_REMOVED)


@pytest.mark.parametrize("row", SHOWING)
def test_a_copy_that_bore_it_only_where_clients_lose_it(living: Meeting, row: str) -> None:
    shown = told(living, revision(2, row), ANNA)
    assert plan(shown, revision(3, PLAIN)) == Insert(LINK)


@pytest.mark.parametrize("row", [*BEARING, *SHOWING])
def test_what_stands_anywhere_was_not_removed(living: Meeting, row: str) -> None:
    bore = told(living, revision(2, BEARING[0]), ANNA)
    assert plan(bore, revision(3, row)) == Insert(LINK)


def test_a_copy_that_never_bore_it(living: Meeting) -> None:
    assert plan(living, revision(2, PLAIN)) == Insert(LINK)


TEXT = "Agenda of the board\\n\\nand what else there is"


@pytest.mark.parametrize(
    ("before", "now", "removed"),
    [
        # The block, or a link with its heading, at the bottom; then all but that, or more of the text, is gone.
        (f"{TEXT}\\n\\n{BLOCK}", TEXT, True),
        (f"{TEXT}\\n\\n{BLOCK}", f"{TEXT}\\n\\n", True),
        (f"{TEXT}\\n\\n{BLOCK}", "Agenda of the b", False),
        (f"{TEXT}\\n\\n{BLOCK}", f"{TEXT}\\n\\n{BEGIN[:9]}", False),
        (f"{TEXT}\\nJoin here:\\n{URL}", TEXT, True),
        (f"{TEXT}\\nJoin here:\\n{URL}", f"{TEXT}\\nJoin here:", True),
        (f"{TEXT}\\nJoin here:\\n{URL}", f"{TEXT}\\nJoin he", False),
        (f"{TEXT}\\nJoin here:\\n{URL}", "Agenda", False),
        # No empty line above the link, or no other line at all.
        (f"Agenda: talk\\nLink: {URL}", "Agenda: ta", False),
        (f"Agenda: talk\\nLink: {URL}", "Agenda: talk", True),
        (f"Agenda: talk\\nLink: {URL}", "Agenda: talk\\nLin", False),
        (f"Agenda: talk\\nLink: {URL}", f"Agenda: talk\\nLink: {URL[:20]}", False),
        (f"Agenda: talk\\nLink: {URL}", "Agenda: talk, and a walk", True),
        (f"Please join {URL} at ten", "Please j", False),
        (f"Please join {URL} at ten", f"Please join {URL[:-3]}", False),
        (f"Please join {URL} at ten", "Please join at ten", True),
        # At the top nothing can be cut off before it.
        (f"{BLOCK}\\n\\n{TEXT}", "Agenda", True),
        (f"{BLOCK}\\n\\n{TEXT}", TEXT, True),
        # An emptied text, where there was only the passage, or more.
        (BLOCK, "", True),
        (URL, "", True),
        (f"Videomost:\\n{URL}", "", True),
        (f"{TEXT}\\n\\n{BLOCK}", "", False),
        (f"{BLOCK}\\n\\n{TEXT}", "", False),
        (f"{URL}\\n{TEXT}", "", False),
        # Markup that was flattened, and what stands in words without it.
        (
            f'<p>Agenda</p><a href="{URL}">Join the meeting of the board</a>',
            "Agenda\\nJoin the meeting of the board",
            False,
        ),
        (
            f'<p>Agenda</p><a href="{URL}">Join the meeting of the board</a>',
            "Agenda\\nJoin the meeting of the board\\nSent from my phone",
            False,
        ),
        (f'<p>Agenda</p><a href="{URL}">Join in</a><p>Notes of it</p>', "Agenda\\nJoin in\\nNotes o…", False),
        (f'<p>Agenda</p><a href="{URL}">Join in</a><p>Notes of it</p>', "Agenda\\nNotes of it", True),
        (f'<p>Agenda</p><a href="{URL}">{URL}</a><p>Notes</p>', "Agenda\\nNotes", True),
        (f'<p>Agenda</p><a href="{URL}">{URL}</a><p>Notes</p>', "Agen", False),
        # In the first characters of the link or of our mark, and with an ellipsis.
        (f"{TEXT}\\nJoin here:\\n{URL}", f"{TEXT}\\nJoin here:\\nh", False),
        (f"{TEXT}\\nJoin here:\\n{URL}", f"{TEXT}\\nJoin here:\\nhttps://", False),
        (f"{TEXT}\\nJoin here:\\n{URL}", f"{TEXT}\\nJoin here:\\nhttps://videomost.corp.ex...", False),
        (f"{TEXT}\\n\\n{BLOCK}", f"{TEXT}\\n\\n_", False),
        (f"{BLOCK}\\n\\n{TEXT}", "__", False),
        (f"Budget {URL}", "Budget http", False),
        (f"Budget {URL}", f"Budget {URL[:-2]}…", False),
        # One line, dropped; what was only a label goes with the link.
        (f"Budget {URL}", "", False),
        (f"{URL} Budget", "", False),
        (f"Join: {URL}", "", True),
        # What stood below the link is gone too: so much no one takes out.
        (f"{TEXT}\\nJoin here:\\n{URL}\\nNotes of it", TEXT, False),
        (f"{TEXT}\\nJoin here:\\n{URL}\\nNotes of it", f"{TEXT}\\nNotes of it", True),
        (f"{TEXT}\\nJoin here:\\n{URL}\\nNotes of it", f"{TEXT}\\nJoin here:\\nNotes of it", True),
    ],
)
def test_a_text_that_a_phone_may_have_cut_off(living: Meeting, before: str, now: str, removed: bool) -> None:
    bore = told(living, revision(2, f"DESCRIPTION:{before}", "LOCATION:Videomost"), ANNA)
    rows = [f"DESCRIPTION:{now}"] if now else []
    seen = plan(bore, revision(3, *rows, "LOCATION:Videomost"))
    assert seen == (Condemn(LINK_REMOVED) if removed else Insert(LINK))


@pytest.mark.parametrize(
    "before", [f"{TEXT}\\n\\n{BLOCK}\\n\\nNotes", f"{TEXT}\\nJoin here:\\n{URL}\\nmore", f"a {URL} b"]
)
def test_wherever_a_text_is_cut_off_with_more_below_the_link(living: Meeting, before: str) -> None:
    bore = told(living, revision(2, f"DESCRIPTION:{before}", "LOCATION:Videomost"), ANNA)
    for end in range(1, before.index(URL) + len(URL)):
        if before[end - 1] != "\\":
            seen = plan(bore, revision(3, f"DESCRIPTION:{before[:end]}", "LOCATION:Videomost"))
            assert seen == Insert(LINK), before[:end]


def test_a_location_that_ends_amid_the_link_was_cut_off(living: Meeting) -> None:
    bore = told(living, revision(2, PLAIN, f"LOCATION:A very long name of a room\\, {URL}"), ANNA)
    assert plan(bore, revision(3, PLAIN, f"LOCATION:A very long name of a room\\, {URL[:25]}")) == Insert(
        LINK
    )


def test_a_link_in_markup_is_borne_and_taken_out(living: Meeting) -> None:
    details = replace(LINK, link=f"{URL}?confid=a&confpass=b")
    meeting = replace(living, conference=replace(living.conference, details=details))
    markup = f'DESCRIPTION:<a href="{URL}?confid=a&amp\\;confpass=b">Join in</a> and be there'
    bore = told(meeting, revision(2, markup), ANNA)
    assert plan(bore, revision(3, "DESCRIPTION:and be there")) == Condemn(LINK_REMOVED)


def test_no_client_cuts_off_a_location_altogether(living: Meeting) -> None:
    bore = told(living, revision(2, f"DESCRIPTION:{TEXT}\\n\\n{BLOCK}", f"LOCATION:{URL}"), ANNA)
    assert plan(bore, revision(3, "DESCRIPTION:Agenda")) == Condemn(LINK_REMOVED)


def test_a_copy_bears_it_from_the_revision_on_in_which_it_was_seen(living: Meeting) -> None:
    stamp = revision(1).events[0].component.stamp
    assert plan(replace(living, borne=stamp), revision(2, PLAIN)) == Condemn(LINK_REMOVED)
    later = revision(2).events[0].component.stamp
    assert plan(replace(living, borne=later), revision(2, PLAIN)) == Insert(LINK)


def test_only_a_strictly_newer_revision_removes(living: Meeting) -> None:
    bore = told(living, revision(2, BEARING[0]), ANNA)
    assert plan(bore, revision(2, PLAIN)) == Insert(LINK)
    assert plan(bore, revision(1, PLAIN)) == Insert(LINK)


def test_an_instance_removes_nothing(living: Meeting) -> None:
    bore = told(living, revision(2, BEARING[0]), ANNA)
    assert plan(bore, revision(3, "RECURRENCE-ID:20270301T070000Z", PLAIN)) == Insert(LINK)


def test_a_marker_that_is_new_asks_again(living: Meeting) -> None:
    bore = told(living, revision(2, BEARING[0]), ANNA)
    again = revision(3, "LOCATION:Videomost")
    assert plan(bore, again) == Insert(LINK)
    kept = told(bore, again, ANNA)
    assert plan(kept, again) == plan(kept, revision(4, PLAIN)) == Insert(LINK)


@pytest.fixture
def removed(living: Meeting) -> Meeting:
    bore = told(living, revision(2, BEARING[0]), ANNA)
    return renounce(bore, revision(3, PLAIN), LINK_REMOVED, POLICY, NOW)


def test_after_removal(removed: Meeting) -> None:
    assert (removed.wanted, removed.delete_at, removed.renounced) == (False, NOW + GRACE, LINK_REMOVED)


@pytest.mark.parametrize("number", [3, 4])
@pytest.mark.parametrize("rows", [(PLAIN,), ("DESCRIPTION:https://zoom.us/j/1", "LOCATION:Videomost")])
def test_other_copies_and_later_revisions_get_no_link(
    removed: Meeting, number: int, rows: tuple[str, ...]
) -> None:
    assert plan(removed, revision(number, *rows)) == Condemn(LINK_REMOVED)


def test_a_late_copy_from_before_the_removal_revives_nothing(removed: Meeting) -> None:
    old = revision(1, "LOCATION:Videomost")
    assert plan(removed, old) == Leave(LINK_REMOVED)
    late = told(removed, revision(2, BEARING[0]), ANNA)
    assert (late.wanted, late.delete_at) == (False, NOW + GRACE)


def test_where_every_event_gets_one_the_removal_holds(removed: Meeting) -> None:
    always = replace(POLICY, trigger="always")
    assert isinstance(wish(always, revision(4, PLAIN)), Wanted)
    assert plan(removed, revision(4, PLAIN), always) == Condemn(LINK_REMOVED)


@pytest.mark.parametrize("row", ["LOCATION:Videomost", "CATEGORIES:Videomost", BEARING[0]])
def test_a_new_marker_within_the_grace_keeps_the_conference(removed: Meeting, row: str) -> None:
    assert plan(removed, revision(4, row)) == Insert(LINK)
    again = told(removed, revision(4, row), ANNA)
    assert (again.wanted, again.delete_at, again.renounced) == (True, None, "")


@pytest.mark.parametrize("row", [f"DESCRIPTION:agenda\\n{URL}", f"LOCATION:{URL}", f"URL:{URL}"])
def test_a_link_that_is_put_back_within_the_grace_keeps_the_conference(removed: Meeting, row: str) -> None:
    assert plan(removed, revision(4, row)) == Insert(LINK)
    assert plan(removed, revision(2, row)) == Leave(LINK_REMOVED)


def test_a_copy_that_shows_one_attendee_himself_alone_releases_no_resource() -> None:
    booked = told(Meeting(KEY, conference=ready()), revision(1, ROOM), ANNA, BORIS)
    head = "SEQUENCE:2\nDTSTAMP:20270201T100200Z\nDTSTART:20270301T080000Z"
    assert plan(booked, invitation(f"{head}\nATTENDEE:mailto:{ANNA}")) == Insert(LINK)


def test_a_new_marker_after_the_end_makes_a_new_conference(removed: Meeting) -> None:
    gone = replace(removed, conference=replace(removed.conference, details=None), delete_at=NOW)
    assert plan(gone, revision(4, PLAIN)) == Condemn(LINK_REMOVED)
    assert isinstance(plan(gone, revision(4, "LOCATION:Videomost")), Create)


def test_an_opt_out_always_removes(living: Meeting) -> None:
    assert plan(living, revision(2, "SUMMARY:#novideomost")) == Condemn("opted-out")


# --- the resource --------------------------------------------------------------------------------------


def test_a_resource_that_was_the_marker_is_taken_out() -> None:
    booked = told(Meeting(KEY, conference=ready()), revision(1, ROOM), ANNA)
    assert plan(booked, revision(2)) == Condemn(RESOURCE_REMOVED)
    assert plan(booked, revision(2, "LOCATION:Videomost")) == Insert(LINK)
    assert plan(booked, revision(1)) == Insert(LINK)
    without = renounce(booked, revision(2), RESOURCE_REMOVED, POLICY, NOW)
    assert plan(without, revision(2)) == plan(without, revision(3)) == Condemn(RESOURCE_REMOVED)
    assert plan(without, revision(3, ROOM)) == Insert(LINK)


def test_a_resource_beside_another_marker_is_none() -> None:
    booked = told(Meeting(KEY, conference=ready()), revision(1, ROOM, "CATEGORIES:Videomost"), ANNA)
    assert plan(booked, revision(2)) == Insert(LINK)


# --- copied events, links made by hand -----------------------------------------------------------------


def test_a_copied_event_gets_a_conference_of_its_own() -> None:
    assert isinstance(plan(Meeting(KEY), revision(1, BEARING[0])), Create)
    everywhere = revision(1, BEARING[0], f"LOCATION:{URL}", f"URL:{URL}")
    assert isinstance(plan(Meeting(KEY), everywhere), Create)


@pytest.mark.parametrize("row", [*BEARING[1:], *SHOWING[:2]])
@pytest.mark.parametrize("marker", ["SUMMARY:Plan", "CATEGORIES:Videomost"])
def test_a_link_to_our_host_that_somebody_made_is_left_alone(row: str, marker: str) -> None:
    assert plan(Meeting(KEY), revision(1, row, marker)) == Leave("bare-link")


@pytest.mark.parametrize(
    "text",
    [
        f"-----Original Message-----\\nFrom: Petr\\nSent: Monday\\nSubject: Plan\\n\\n{BLOCK}",
        f"От: Пётр\\nОтправлено: вчера\\nТема: План\\n\\n{BLOCK}\\nsee there",
        f"-----Original Message-----\\nJoin {URL}",
        f"Petr wrote:\\n> {BLOCK.replace(chr(92) + 'n', chr(92) + 'n> ')}",
        f" > > join {URL}\\nnone today",
    ],
)
def test_a_link_that_is_quoted_was_made_by_nobody(text: str) -> None:
    quoting = f"DESCRIPTION:agenda\\n{text}"
    assert isinstance(plan(Meeting(KEY), revision(1, quoting, "X-VIDEOMOST-REQUIRED:TRUE")), Create)
    assert plan(Meeting(KEY), revision(1, quoting)) == Leave("no-marker")
    beside = revision(1, quoting.replace("agenda", f"join {URL}"), "X-VIDEOMOST-REQUIRED:TRUE")
    assert plan(Meeting(KEY), beside) == Leave("bare-link")


@pytest.mark.parametrize("url", ["https://videomost.corp.example/", "https://other.corp.example/1"])
def test_other_links_to_or_beside_our_host_say_nothing(url: str) -> None:
    assert isinstance(plan(Meeting(KEY), revision(1, f"DESCRIPTION:{url}", "CATEGORIES:Videomost")), Create)


def test_a_meeting_that_has_a_conference_keeps_it_beside_such_a_link(living: Meeting) -> None:
    assert plan(living, revision(2, "URL:https://videomost.corp.example/2")) == Insert(LINK)
