"""What of a meeting is not as it should be."""

from dataclasses import replace
from datetime import timedelta

import pytest

from mailhook.core.conference import Conference, State
from mailhook.core.meeting import Copy, CopyKind, Leftover, Meeting, Notices, Suspect
from mailhook.core.pending import Pending, pending
from tests.core.meetings import ANNA, KEY, NOW, ready, request, told

ANNOUNCED = ready(state=State.ANNOUNCED)
HELD = told(Meeting(KEY, wanted=True, conference=ready()), request(), ANNA)
SOON = NOW + timedelta(minutes=1)


@pytest.mark.parametrize(
    ("meeting", "kinds"),
    [
        (Meeting(KEY), ()),
        (Meeting(KEY, wake_at=SOON), ()),
        (Meeting(KEY, wake_at=SOON, error="503"), (Pending.CONFERENCE,)),
        (Meeting(KEY, error="503"), ()),
        (Meeting(KEY, leftovers=(Leftover("room", "p"),)), (Pending.LEFTOVER,)),
        (Meeting(KEY, suspects=(Suspect(1, "p"),)), (Pending.SUSPECT,)),
        (
            Meeting(KEY, wake_at=SOON, error="503", leftovers=(Leftover("room", "p"),)),
            (Pending.CONFERENCE, Pending.LEFTOVER),
        ),
        (Meeting(KEY, notices=Notices(error="550")), ()),
        (Meeting(KEY, conference=ANNOUNCED, notices=Notices(error="550")), (Pending.NOTICE,)),
        (replace(HELD, copies={CopyKind.CALDAV: Copy(error="403")}), (Pending.CALDAV,)),
        (replace(HELD, copies={CopyKind.CALDAV: Copy()}), ()),
        (Meeting(KEY, conference=Conference(State.GONE)), ()),
    ],
)
def test_kinds(meeting: Meeting, kinds: tuple[Pending, ...]) -> None:
    assert pending(meeting) == kinds
