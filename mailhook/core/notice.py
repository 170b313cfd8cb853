"""What the organizer has to be told by a mail of our own, and whether he has been.

What: `news` are the causes that a meeting's state gives and that are not settled; `claim` picks the next `Notice` and
takes the time for it before it is sent; `told` and `untold` write the result. All pure, carried out inside
`store.change`. A crash between `claim` and `told` repeats one notice.

Not here: wording (`notice_wording`), I/O (`courier`).

Errors: none.
"""

import re
from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Literal, assert_never

from mailhook.core.aim import Room, desired, participants
from mailhook.core.conference import JoinDetails, Person, Spec, State
from mailhook.core.meeting import MASTER, Cause, CopyKind, Meeting, Noticed
from mailhook.core.policy import Policy, domain
from mailhook.core.watch import GONE, MISSING
from mailhook.core.written import is_hoped_for, is_written

When = Literal["when-not-written", "always"]
"""Whether the organizer gets the link by a notice even where his own copy of the event is known to bear it."""

SETTLE = timedelta(seconds=30)
"""How long news waits: the mails of the change that made it go first, and what they change makes one notice."""

LEASE = timedelta(minutes=15)
"""How long sending may take before another worker takes it up."""

FIRST_PAUSE, LONGEST_PAUSE = timedelta(minutes=1), timedelta(hours=6)

FAILED_ATTEMPTS = 3
"""So many creates in vain after an invitation has passed without its link are worth a notice."""

STALE = timedelta(days=7)
"""That a conference was deleted so long ago is no news."""

_ATOM = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
_DELIVERABLE = re.compile(rf"{_ATOM}(\.{_ATOM})*@[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)*")
"""A Dot-string at a Domain (RFC 5321 §4.1.2): what needs no quotes and no SMTPUTF8."""


@dataclass(frozen=True)
class Notice:
    """One mail to the organizer. `details`: the join link, a secret. `renounced`: why there is none, or may be none."""

    cause: Cause
    generation: int
    to: Person
    language: str
    topic: str
    details: JoinDetails | None
    spec: Spec | None
    people: tuple[Person, ...]
    renounced: str


def news(meeting: Meeting) -> tuple[Cause, ...]:
    """What the organizer may not know yet, whatever the settings and the time say."""
    gone = meeting.conference.state is State.GONE and meeting.delete_at is not None
    unlinked = meeting.unlinked and meeting.link is None and meeting.wanted
    sealed = meeting.sealed is not None and meeting.link is None and not meeting.wanted
    found = {
        _link_cause(meeting): meeting.link is not None,
        Cause.UNLINKED: sealed or (unlinked and meeting.attempts >= FAILED_ATTEMPTS),
        Cause.DOUBTFUL: bool(meeting.doubtful) and meeting.link is not None,
        Cause.DELETED: gone and bool(meeting.ever_told),
    }
    return tuple(cause for cause, stands in found.items() if stands and not _is_settled(meeting, cause))


def _link_cause(meeting: Meeting) -> Cause:
    if meeting.superseded and meeting.link and meeting.superseded != meeting.link.link:
        return Cause.REPLACED
    return Cause.LATE if meeting.unlinked else Cause.LINK


def _is_settled(meeting: Meeting, cause: Cause) -> bool:
    """A notice that brought the link for another reason will do as the first."""
    if cause is Cause.LINK and meeting.conference.state is State.READY:
        return True  # no mail has announced it yet
    causes = {Cause.LINK, Cause.LATE, Cause.REPLACED} if cause is Cause.LINK else {cause}
    settled = meeting.notices.settled
    return any(settled[c].generation == meeting.conference.generation for c in causes & settled.keys())


def due(
    meeting: Meeting, when: When, policy: Policy, now: datetime, kinds: Collection[CopyKind] = ()
) -> tuple[Cause, ...]:
    """What of the news is to be mailed: to an organizer of ours, and not of what is over."""
    organizer = meeting.key.organizer
    if domain(organizer) not in policy.organizer_domains or not _DELIVERABLE.fullmatch(_address(meeting)):
        return ()
    return tuple(cause for cause in news(meeting) if _matters(meeting, cause, when, policy, now, kinds))


def _matters(
    meeting: Meeting, cause: Cause, when: When, policy: Policy, now: datetime, kinds: Collection[CopyKind]
) -> bool:
    match cause:
        case Cause.DELETED:
            return meeting.delete_at is not None and now - meeting.delete_at < STALE
        case Cause.UNLINKED if meeting.sealed is not None and not meeting.wanted:
            return True
        case Cause.LINK if when == "when-not-written" and (
            meeting.borne is not None or is_written(meeting, kinds)
        ):
            return False
        case Cause.LINK | Cause.LATE | Cause.REPLACED | Cause.UNLINKED | Cause.DOUBTFUL:
            spec = _spec(meeting, policy, now)
            return spec is not None and spec.end > now
        case _:
            assert_never(cause)


def _spec(meeting: Meeting, policy: Policy, now: datetime) -> Spec | None:
    aim = desired(meeting, now, policy.roll_after)
    return aim.spec if isinstance(aim, Room) else meeting.conference.applied


def _address(meeting: Meeting) -> str:
    return meeting.organizer.address or meeting.key.organizer


def claim(
    meeting: Meeting, when: When, policy: Policy, now: datetime, kinds: Collection[CopyKind] = ()
) -> tuple[Meeting, Notice | None]:
    """The next notice, with the meeting as it has to be before it is sent. News that calls for none is settled.

    `kinds`: the copies of his event that are written. A link that may soon stand in one of them waits.
    """
    notices, found = meeting.notices, news(meeting)
    if not found or (notices.next_at is not None and notices.next_at > now):
        return meeting, None
    if notices.next_at is None:
        return replace(meeting, notices=replace(notices, next_at=now + SETTLE)), None
    causes = due(meeting, when, policy, now, kinds)
    for cause in found:
        if cause not in causes:
            meeting = _settled(meeting, cause, meeting.conference.generation, now, sent=False)
    if when == "when-not-written" and Cause.LINK in causes and is_hoped_for(meeting, kinds):
        causes = tuple(cause for cause in causes if cause is not Cause.LINK)
        if not causes:
            return replace(meeting, notices=replace(meeting.notices, next_at=now + SETTLE)), None
    if not causes:
        return _rested(meeting), None
    taken = replace(meeting.notices, next_at=now + LEASE, attempts=notices.attempts + 1)
    return replace(meeting, notices=taken), _notice(meeting, causes[0], policy, now)


def _notice(meeting: Meeting, cause: Cause, policy: Policy, now: datetime) -> Notice:
    return Notice(
        cause,
        meeting.conference.generation,
        Person(_address(meeting), meeting.organizer.name),
        meeting.language,
        _topic(meeting),
        meeting.link,
        None if cause is Cause.DELETED else _spec(meeting, policy, now),
        participants(meeting),
        _why(meeting, cause),
    )


def _why(meeting: Meeting, cause: Cause) -> str:
    """What ended the conference, or makes it doubtful, other than that nobody is invited any more."""
    if cause is Cause.UNLINKED:
        return meeting.sealed.why if meeting.sealed and not meeting.wanted else ""
    if cause is Cause.DOUBTFUL:
        return GONE if meeting.doubtful == MISSING else ""
    seen = (
        copy.ended for copy in meeting.copies.values() if copy.ended and copy.goes_at == meeting.delete_at
    )
    return meeting.renounced or next(seen, "")


def _topic(meeting: Meeting) -> str:
    """Also of an event that was called off, or of which nothing else is known."""
    component = meeting.component(MASTER) or next(iter(meeting.components), None)
    if component is None:
        return meeting.sealed.topic if meeting.sealed else ""
    return component.summary


def told(meeting: Meeting, notice: Notice, now: datetime) -> Meeting:
    """The meeting after the next hop has taken `notice`."""
    return _rested(_settled(meeting, notice.cause, notice.generation, now, sent=True))


def refused(meeting: Meeting, notice: Notice, now: datetime) -> Meeting:
    """The meeting after the next hop has refused `notice` for good: it is not tried again."""
    return _rested(_settled(meeting, notice.cause, notice.generation, now, sent=False))


def untold(meeting: Meeting, error: str, now: datetime) -> Meeting:
    """The meeting after the next hop has not taken it: tried again after a pause that grows."""
    notices = meeting.notices
    pause = min(FIRST_PAUSE * 2 ** min(notices.attempts, 12), LONGEST_PAUSE)
    return replace(meeting, notices=replace(notices, next_at=now + pause, error=error))


def _settled(meeting: Meeting, cause: Cause, generation: int, now: datetime, *, sent: bool) -> Meeting:
    settled = {**meeting.notices.settled, cause: Noticed(generation, now, sent)}
    return replace(meeting, notices=replace(meeting.notices, settled=settled))


def _rested(meeting: Meeting) -> Meeting:
    return replace(meeting, notices=replace(meeting.notices, next_at=None, attempts=0, error=""))
