"""The organizer's own copies of an event: what must stand in them, and when they are looked at.

What: `desired` is what must stand in a copy, as a fingerprint; `claim` picks the next `CopyTask` of one kind and takes
the time for it; `stood` and `unwritten` write the result. A copy counts as written when it was *found* as desired
without having to be changed: what some servers accept while they still send their invitations is overwritten by
them. All pure, carried out inside `store.change`.

Not here: editing a copy (`stored_event`), I/O (`scribe`, `organizer`), notices.

Errors: none.
"""

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import assert_never

from mailhook.core import aim
from mailhook.core.conference import JoinDetails, Person, State
from mailhook.core.itip import Invitation
from mailhook.core.meeting import MASTER, Component, Copy, CopyKind, Meeting, MeetingKey, Passage, Place
from mailhook.core.order import Stamp
from mailhook.core.policy import Policy, domain
from mailhook.core.recurrence import Schedule

SETTLE = timedelta(seconds=30)
"""How long a copy is left alone after a mail of its meeting: the server may still be at work on the event."""

LEASE = timedelta(minutes=15)
"""How long one attempt may take before another worker takes it up."""

FIRST_PAUSE, LONGEST_PAUSE = timedelta(minutes=1), timedelta(hours=6)

OFF = timedelta(0)
"""Nothing is watched."""

FIRST_LOOK = timedelta(minutes=10)
"""When a copy that was just found as it should be is looked at again, where copies are watched."""

MOST_ROUNDS = 3
"""A copy that is never found as it was written (a server that drops a property) is left alone after so many."""

MOST_ATTEMPTS = 30
"""A link is not taken out of a copy that cannot be written for so long: a week."""

HOPEFUL = 3
"""So many attempts in vain, and a notice brings the link, which may still be written later."""

MOST_MAILS, LONGEST_ID = 20, 250
"""Of the mails of a meeting so many are remembered, by Message-IDs of so many characters."""

EMPTY = "nothing"
NOT_KEPT = "the server does not keep what is written"
LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)
_NONE = Copy()


@dataclass(frozen=True)
class CopyTask:
    """Bring one copy to what is desired. `details`: whose link must stand there; None: no link of ours.

    `former`: the link and the id that an earlier write has put there, "" for none. `message_ids`: of the mails that
    told of it, the newest last. `copied`: links of ours from another meeting, in whose place it comes.
    """

    key: MeetingKey
    organizer: Person
    language: str
    topic: str
    details: JoinDetails | None
    former: tuple[str, str]
    standing: str
    message_ids: tuple[str, ...] = ()
    copied: frozenset[str] = frozenset()
    schedule: Schedule | None = None


@dataclass(frozen=True)
class Stands:
    """A copy is as its task asks; `changed`: it was not before. The rest, as it was before: see `meeting.Copy`."""

    changed: bool
    bears: bool
    passage: Passage | None = None
    stamp: Stamp = field(default_factory=Stamp)
    places: tuple[Place, ...] = ()


@dataclass(frozen=True)
class LookTask:
    """Look whether the organizer has changed a copy that is as it should be. `known`: what mails had told by then."""

    key: MeetingKey
    organizer: Person
    places: tuple[Place, ...]
    known: str = ""


def desired(meeting: Meeting, kind: CopyKind) -> str:
    """A fingerprint of what must stand in the copy; "": whatever is there.

    It changes with every revision: the organizer's program may have put an older state of the event back.
    """
    details = _details(meeting)
    if details is not None:
        stamps = [f"{c.key} {_revision(c)}" for c in meeting.components]
        mails = meeting.sent if kind is CopyKind.IMAP else ()
        text = "\n".join((str(meeting.conference.generation), details.link, *stamps, *mails))
        return sha256(text.encode("utf-8", "replace")).hexdigest()[:16]
    if _copy(meeting, kind).link and _is_unwanted(meeting):
        return EMPTY
    return ""


def _details(meeting: Meeting) -> JoinDetails | None:
    if not meeting.wanted or not meeting.ever_told or meeting.conference.state is State.READY:
        return None
    return meeting.link


def _is_unwanted(meeting: Meeting) -> bool:
    """Whether a link of ours leads nowhere, or is to: not while the next room is being made."""
    state = meeting.conference.state
    match state:
        case State.ENDING | State.GONE:
            return not meeting.wanted or meeting.delete_at is not None
        case State.ABSENT | State.READY | State.ANNOUNCED | State.FINISHED | State.RESERVED:
            return not meeting.wanted
        case _:
            assert_never(state)


def _revision(component: Component) -> str:
    stamp = component.stamp
    return f"{stamp.sequence} {stamp.dtstamp} {stamp.last_modified}"


def _copy(meeting: Meeting, kind: CopyKind) -> Copy:
    return meeting.copies.get(kind, _NONE)


def is_due(meeting: Meeting, kind: CopyKind) -> bool:
    """Whether something is to be written."""
    return desired(meeting, kind) not in ("", _copy(meeting, kind).standing)


def mailed(meeting: Meeting, invitation: Invitation) -> Meeting:
    """The meeting once a REQUEST has passed, of which its sender may keep a copy."""
    name = invitation.message_id
    if not (name and name.isascii() and name.isprintable() and len(name) <= LONGEST_ID):
        return meeting
    others = tuple(each for each in meeting.sent if each != name)
    return replace(meeting, sent=(*others, name)[-MOST_MAILS:])


def _stir(meeting: Meeting, wish: str) -> str:
    mails = sum(entry.copies for entries in meeting.told.values() for entry in entries)
    return f"{wish} {mails}"


def due_at(meeting: Meeting, kind: CopyKind) -> datetime | None:
    """When the copy has to be looked at, long ago for at once; None: never, as things are."""
    copy = _copy(meeting, kind)
    if copy.busy:
        return copy.next_at
    wish = desired(meeting, kind)
    if wish in ("", copy.standing):
        return copy.watch_at if wish else None
    return copy.next_at if copy.next_at is not None and copy.stir == _stir(meeting, wish) else LONG_AGO


def claim(
    meeting: Meeting, kind: CopyKind, policy: Policy, now: datetime, watch: timedelta = OFF
) -> tuple[Meeting, CopyTask | LookTask | None]:
    """The next task, with the meeting as it has to be before it is done. What matters no more is settled.

    `watch`: how often a copy that is as it should be is looked at.
    """
    copy, wish = _copy(meeting, kind), desired(meeting, kind)
    stir = _stir(meeting, wish)
    if copy.busy and copy.next_at is not None and copy.next_at > now:
        return meeting, None
    matters = _matters(meeting, wish, copy, policy, now)
    if wish in ("", copy.standing):
        return _watched(meeting, kind, now, watch if wish and matters else None)
    if not matters:
        settled = replace(copy, standing=wish, bears=False, stir=stir, watch_at=None)
        return _with(meeting, kind, _rested(settled)), None
    if copy.stir != stir:
        return _with(meeting, kind, replace(copy, busy=False, stir=stir, next_at=now + SETTLE)), None
    if copy.next_at is not None and copy.next_at > now:
        return meeting, None
    taken = replace(copy, busy=True, next_at=now + LEASE, attempts=copy.attempts + 1)
    return _with(meeting, kind, taken), _task(meeting, copy, wish)


def _watched(
    meeting: Meeting, kind: CopyKind, now: datetime, watch: timedelta | None
) -> tuple[Meeting, LookTask | None]:
    """`watch`: None where there is nothing to look at any more."""
    copy = replace(_copy(meeting, kind), busy=False, next_at=None)
    if watch is None or not copy.places:
        return _with(meeting, kind, replace(copy, watch_at=None)), None
    if copy.watch_at is None or copy.watch_at > now:
        return _with(meeting, kind, copy), None
    if watch == OFF:
        return _with(meeting, kind, replace(copy, watch_at=now + LONGEST_PAUSE)), None
    taken = replace(copy, busy=True, next_at=now + LEASE)
    return _with(meeting, kind, taken), LookTask(
        meeting.key, _organizer(meeting), copy.places, known(meeting)
    )


def known(meeting: Meeting) -> str:
    """A fingerprint of what mails have told of the meeting, and of what became of it."""
    told = (_stir(meeting, ""), *sorted(f"{c.key} {_revision(c)} {c.cancelled}" for c in meeting.components))
    link = meeting.link.link if meeting.link else ""
    room = (meeting.conference.generation, link)
    fate = (*room, meeting.wanted, meeting.renounced, meeting.delete_at, meeting.will)
    text = "\n".join(map(str, (*told, *fate, *sorted(meeting.left), *meeting.sent)))
    return sha256(text.encode("utf-8", "replace")).hexdigest()[:16]


def _matters(meeting: Meeting, wish: str, copy: Copy, policy: Policy, now: datetime) -> bool:
    """Whether the organizer is one of ours and the event is still to come, or a link can still be taken out."""
    if domain(meeting.key.organizer) not in policy.organizer_domains:
        return False
    if wish == EMPTY:
        return copy.attempts < MOST_ATTEMPTS
    place = aim.desired(meeting, now, policy.roll_after)
    return isinstance(place, aim.Room) and place.spec.end > now


def _task(meeting: Meeting, copy: Copy, wish: str) -> CopyTask:
    master = meeting.component(MASTER) or next(iter(meeting.components), None)
    return CopyTask(
        meeting.key,
        _organizer(meeting),
        meeting.language,
        aim.topic(meeting),
        None if wish == EMPTY else meeting.link,
        (copy.link, copy.conference_id),
        wish,
        meeting.sent,
        meeting.copied,
        master.schedule if master else None,
    )


def _organizer(meeting: Meeting) -> Person:
    return Person(meeting.organizer.address or meeting.key.organizer, meeting.organizer.name)


def stood(meeting: Meeting, kind: CopyKind, task: CopyTask, found: Stands, now: datetime) -> Meeting:
    """The meeting after the copy was brought to what `task` asks; one that was changed is looked at again."""
    before, details = _copy(meeting, kind), task.details
    link, name = (details.link, details.conference_id) if details else task.former
    at = before.at if before.link == link else None
    copy = replace(before, link=link, conference_id=name, at=at, busy=False, attempts=0, error="")
    if found.changed and copy.rounds + 1 < MOST_ROUNDS:
        return _with(meeting, kind, replace(copy, rounds=copy.rounds + 1, next_at=now + SETTLE))
    if details is None:
        copy = replace(copy, link="", conference_id="")
    bears = found.bears and details is not None
    since = None if found.changed or copy.rounds else at
    copy = replace(copy, standing=task.standing, at=since or now, bears=bears, passage=found.passage)
    copy = located(replace(copy, stamp=found.stamp), found.places if details else (), now)
    copy = _rested(replace(copy, watch_at=now + FIRST_LOOK if copy.places else None))
    if found.changed and not bears:
        copy = replace(copy, at=None, error=NOT_KEPT)
    return _with(meeting, kind, copy)


def located(copy: Copy, places: tuple[Place, ...], now: datetime) -> Copy:
    """The copy as it was found at `now`."""
    tagged = copy.tagged if copy.places == places else now
    return replace(copy, places=places, tagged=tagged, seen=now, missing=None, lost=None)


def unwritten(
    meeting: Meeting, kind: CopyKind, error: str, now: datetime, *, hopeless: bool = False
) -> Meeting:
    """The meeting after the copy could not be brought there: tried again after a pause that grows.

    `hopeless`: only somebody who changes rights or settings can help; the longest pause at once.
    """
    copy = _copy(meeting, kind)
    grown = min(FIRST_PAUSE * 2 ** max(0, min(copy.attempts - 1, 12)), LONGEST_PAUSE)
    pause, attempts = (LONGEST_PAUSE, max(copy.attempts, HOPEFUL)) if hopeless else (grown, copy.attempts)
    after = replace(copy, busy=False, next_at=now + pause, attempts=attempts, error=error)
    return _with(meeting, kind, after)


def unseen(meeting: Meeting, kind: CopyKind, error: str, now: datetime, every: timedelta) -> Meeting:
    """The meeting after a look that failed: it tells nothing, and another one follows."""
    copy = replace(_copy(meeting, kind), busy=False, next_at=None, watch_at=now + every, error=error)
    return _with(meeting, kind, copy)


def failing_copies(meeting: Meeting) -> dict[CopyKind, Copy]:
    """Those that wait for their next try."""
    return {kind: copy for kind, copy in meeting.copies.items() if copy.error and is_due(meeting, kind)}


def looked_at_now(meeting: Meeting, now: datetime) -> Meeting:
    """The meeting with the copies that wait for their next try due at `now`."""
    copies = {k: replace(copy, next_at=now) for k, copy in failing_copies(meeting).items() if not copy.busy}
    return replace(meeting, copies={**meeting.copies, **copies})


def _rested(copy: Copy) -> Copy:
    return replace(copy, rounds=0, next_at=None, busy=False, attempts=0, error="")


def _with(meeting: Meeting, kind: CopyKind, copy: Copy) -> Meeting:
    return replace(meeting, copies={**meeting.copies, kind: copy})
