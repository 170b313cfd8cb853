"""A meeting and the messages that change it, as tables of tests write them."""

from datetime import datetime

from mailhook.core.conference import Conference, JoinDetails, Spec, State
from mailhook.core.itip import Invitation
from mailhook.core.meeting import Meeting, MeetingKey
from mailhook.core.policy import Unwanted, Wanted
from mailhook.core.revision import announce
from mailhook.core.uninviting import cancel
from tests.core.invitations import POLICY, at, invitation

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
