"""What the organizer has to be told by a notice, and when that is settled."""

from dataclasses import replace
from datetime import timedelta

import pytest

from mailhook.core.aim import Room, desired
from mailhook.core.conference import Conference, State
from mailhook.core.meeting import Cause, Lease, Meeting, Noticed, Notices
from mailhook.core.notice import FAILED_ATTEMPTS, LEASE, SETTLE, STALE, When, claim, due, news, told, untold
from mailhook.core.order import Stamp
from mailhook.core.outcome import lost, recreated, succeeded
from mailhook.core.upkeep import DeleteRoom
from tests.core import meetings
from tests.core.invitations import POLICY
from tests.core.meetings import ANNA, GRACE, KEY, LINK, NOW, ready, request

LEASED = "token"


def _spec(meeting: Meeting) -> Room:
    aim = desired(meeting, NOW, POLICY.roll_after)
    assert isinstance(aim, Room)
    return aim


def announced(*, linked: bool = True) -> Meeting:
    fresh = meetings.told(Meeting(KEY, conference=ready()), request(), ANNA, linked=linked)
    return replace(fresh, conference=replace(fresh.conference, applied=_spec(fresh).spec))


ANNOUNCED = announced()
PASSED = meetings.told(Meeting(KEY), request(), ANNA, linked=False)
GONE = Conference(State.GONE, 1, provider="p")
DELETED = replace(ANNOUNCED, conference=GONE, delete_at=NOW - GRACE, wanted=False)


@pytest.mark.parametrize(
    ("meeting", "when", "causes"),
    [
        (Meeting(KEY), "always", ()),
        (Meeting(KEY, conference=ready()), "always", ()),
        (ANNOUNCED, "when-not-written", (Cause.LINK,)),
        (replace(ANNOUNCED, borne=Stamp()), "when-not-written", ()),
        (replace(ANNOUNCED, borne=Stamp()), "always", (Cause.LINK,)),
        (announced(linked=False), "when-not-written", (Cause.LATE,)),
        (replace(announced(linked=False), borne=Stamp()), "when-not-written", (Cause.LATE,)),
        (replace(ANNOUNCED, superseded="https://old"), "when-not-written", (Cause.REPLACED,)),
        (replace(ANNOUNCED, superseded=LINK.link), "when-not-written", (Cause.LINK,)),
        (PASSED, "always", ()),
        (replace(PASSED, attempts=FAILED_ATTEMPTS - 1), "always", ()),
        (replace(PASSED, attempts=FAILED_ATTEMPTS), "when-not-written", (Cause.UNLINKED,)),
        (replace(PASSED, attempts=FAILED_ATTEMPTS, wanted=False), "always", ()),
        (replace(ANNOUNCED, doubtful="?"), "when-not-written", (Cause.LINK, Cause.DOUBTFUL)),
        (DELETED, "when-not-written", (Cause.DELETED,)),
        (replace(DELETED, ever_told=frozenset()), "always", ()),
        (replace(DELETED, delete_at=None), "always", ()),
        (replace(DELETED, delete_at=NOW - STALE), "always", ()),
        (replace(ANNOUNCED, key=replace(KEY, organizer="ivan@elsewhere.example")), "always", ()),
        (
            replace(ANNOUNCED, organizer=replace(ANNOUNCED.organizer, address="a b@corp.example")),
            "always",
            (),
        ),
    ],
)
def test_the_causes(meeting: Meeting, when: When, causes: tuple[Cause, ...]) -> None:
    assert due(meeting, when, POLICY, NOW) == causes


@pytest.mark.parametrize(
    "address", ['"a b"@corp.example', "иван@corp.example", "a>b@corp.example", "a..b@c", "a,b@c", ""]
)
def test_who_cannot_be_written_to_plainly_gets_none(address: str) -> None:
    organizer = replace(ANNOUNCED.organizer, address=address)
    key = replace(KEY, organizer=address or "@corp.example")
    assert due(replace(ANNOUNCED, key=key, organizer=organizer), "always", POLICY, NOW) == ()


def test_what_is_over_is_no_news() -> None:
    later = _spec(ANNOUNCED).spec.end
    assert due(replace(ANNOUNCED, doubtful="?"), "always", POLICY, later + timedelta(days=1)) == ()


def test_news_is_told_once_after_the_mails_of_its_change() -> None:
    waiting, notice = claim(ANNOUNCED, "always", POLICY, NOW)
    assert (notice, waiting.notices.next_at) == (None, NOW + SETTLE)
    taken, notice = claim(waiting, "always", POLICY, NOW + SETTLE)
    assert notice is not None
    assert (notice.cause, notice.details, notice.to.address) == (Cause.LINK, LINK, KEY.organizer)
    after = told(taken, notice, NOW + SETTLE)
    assert news(after) == ()
    assert claim(after, "always", POLICY, NOW + LEASE * 2) == (after, None)


def test_who_dies_while_sending_lets_another_one_repeat_it_once() -> None:
    taken, first = claim(claim(ANNOUNCED, "always", POLICY, NOW)[0], "always", POLICY, NOW + SETTLE)
    assert claim(taken, "always", POLICY, NOW + SETTLE + LEASE - timedelta(seconds=1)) == (taken, None)
    again, second = claim(taken, "always", POLICY, NOW + SETTLE + LEASE)
    assert first is not None
    assert second == first
    assert news(told(again, second, NOW)) == ()


def test_pauses_grow() -> None:
    meeting, now, pauses = claim(ANNOUNCED, "always", POLICY, NOW)[0], NOW + SETTLE, []
    for _ in range(12):
        meeting, notice = claim(meeting, "always", POLICY, now)
        assert notice is not None
        meeting = untold(meeting, "451", now)
        assert meeting.notices.next_at is not None
        pauses.append(meeting.notices.next_at - now)
        now = meeting.notices.next_at
    assert pauses == sorted(pauses)
    assert (pauses[0], pauses[-1]) == (timedelta(minutes=2), timedelta(hours=6))


def test_what_calls_for_no_mail_is_settled() -> None:
    borne = replace(ANNOUNCED, borne=Stamp())
    waiting, _ = claim(borne, "when-not-written", POLICY, NOW)
    after, notice = claim(waiting, "when-not-written", POLICY, NOW + SETTLE)
    assert notice is None
    assert not after.notices.settled[Cause.LINK].sent
    assert news(after) == ()


def test_a_link_that_was_brought_late_is_not_brought_again() -> None:
    waiting, _ = claim(announced(linked=False), "always", POLICY, NOW)
    taken, notice = claim(waiting, "always", POLICY, NOW + SETTLE)
    assert notice is not None
    after = meetings.told(told(taken, notice, NOW), request(1, minute=1), ANNA)
    assert news(after) == ()


def _leased(meeting: Meeting) -> Meeting:
    return replace(meeting, lease=Lease(LEASED, NOW + GRACE))


@pytest.mark.parametrize("state", [State.READY, State.ANNOUNCED])
def test_a_room_lost_at_the_provider_leaves_a_link_that_mails_bore(state: State) -> None:
    meeting = _leased(replace(ANNOUNCED, conference=ready(_spec(ANNOUNCED).spec, state)))
    after = lost(meeting, LEASED, POLICY, NOW)
    assert after.superseded == (LINK.link if state is State.ANNOUNCED else "")


@pytest.mark.parametrize(("link", "superseded"), [(LINK.link, ""), ("https://new", LINK.link)])
def test_a_room_made_anew_may_keep_its_link(link: str, superseded: str) -> None:
    known = {Cause.REPLACED: Noticed(1, NOW, sent=True)}
    meeting = _leased(replace(ANNOUNCED, notices=Notices(known)))
    details = replace(LINK, link=link)
    after = recreated(meeting, LEASED, _spec(ANNOUNCED).spec, details, POLICY, NOW)
    assert after.superseded == superseded
    assert (Cause.REPLACED in news(after)) == bool(superseded)


def test_who_invites_again_after_a_deletion_has_no_old_links() -> None:
    ending = replace(ANNOUNCED.conference, state=State.ENDING)
    meeting = _leased(replace(ANNOUNCED, conference=ending, unlinked=True, superseded="https://old"))
    after = succeeded(meeting, LEASED, DeleteRoom(LINK.conference_id), POLICY, NOW)
    assert (after.conference.state, after.unlinked, after.superseded) == (State.GONE, False, "")
