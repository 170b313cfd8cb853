"""What an administrator sees of rooms in doubt and of links that were taken away."""

from dataclasses import replace
from datetime import timedelta

import pytest

from mailhook.admin import everything, is_pending, overview, pending
from mailhook.core.conference import State
from mailhook.core.meeting import Leftover, Meeting, Notices, Suspect, Will
from mailhook.core.order import Stamp
from tests.core.invitations import POLICY
from tests.core.meetings import KEY, LISTED, NOW, ready, request

LATER = NOW + timedelta(minutes=15)
DOUBT = Meeting(KEY, suspects=(Suspect(2, "videomost https://vm.example", LATER),), wake_at=LATER)


@pytest.mark.parametrize(
    ("meeting", "waits"),
    [
        (Meeting(KEY), False),
        (Meeting(KEY, wake_at=LATER), False),
        (Meeting(KEY, wake_at=NOW), True),
        (Meeting(KEY, wake_at=LATER, error="no"), True),
        (Meeting(KEY, error="no"), False),
        (Meeting(KEY, leftovers=(Leftover("room", "p"),)), True),
        (DOUBT, True),
    ],
)
def test_what_is_pending(meeting: Meeting, waits: bool) -> None:
    assert is_pending(meeting, NOW) is waits


def test_a_room_in_doubt_is_told_of() -> None:
    row = pending(DOUBT)
    assert (row["suspects"], row["why"]) == (1, "an answer of the provider is in doubt")
    assert pending(replace(DOUBT, error="no connection"))["why"] == "no connection"
    shown = everything(DOUBT, POLICY, NOW, links=False)
    assert shown["suspects"] == [
        {
            "generation": 2,
            "provider": "videomost https://vm.example",
            "looked_at": LATER.isoformat(timespec="seconds"),
        }
    ]


def test_a_notice_that_does_not_go_is_told_of() -> None:
    room = ready(state=State.ANNOUNCED)
    waiting = Meeting(KEY, conference=room, notices=Notices(error="550 no", attempts=3, next_at=LATER))
    assert is_pending(waiting, NOW)
    row = pending(waiting)
    assert (row["why"], row["tried_again"]) == ("notice: 550 no", LATER.isoformat(timespec="seconds"))


@pytest.mark.parametrize("why", ["link-removed", ""])
def test_a_removed_link_is_told_of(why: str) -> None:
    shown = everything(Meeting(KEY, will=Will("", Stamp(), why)), POLICY, NOW, links=False)
    assert shown["renounced"] == (why or None)


@pytest.mark.parametrize(
    ("rule", "told"),
    [
        ("FREQ=WEEKLY", None),
        (
            "FREQ=HOURLY",
            "its rule FREQ=HOURLY is not followed: FREQ is none of DAILY, WEEKLY, MONTHLY, YEARLY",
        ),
        (f"FREQ=DAILY;BYHOUR={'1,' * 3000}", "is not followed: it is longer than 4000 characters"),
    ],
)
def test_a_series_that_stays_at_its_first_date_is_told_of(rule: str, told: str | None) -> None:
    meeting = Meeting(
        KEY, components=tuple(each.component for each in request(rest=f"RRULE:{rule}\n{LISTED}").events)
    )
    for row in (overview(meeting, POLICY, NOW), everything(meeting, POLICY, NOW, links=False)):
        if told is None:
            assert row["unfollowed"] is None
        else:
            assert row["unfollowed"].startswith("the conference stays at its first date, because")
            assert row["unfollowed"].endswith(told)
            assert len(row["unfollowed"]) < 300
