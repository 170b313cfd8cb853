"""How servers tell an organizer's guests what he did: one event, saved again and again, in six dialects of iTIP.

What: `Event` is what the organizer sees; `letters` are the mails that a server sends when one state of it follows
another. What is peculiar to each server was seen in mails or read in source.

Not here: MIME (tests/golden), and what becomes of the mails.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from email.utils import format_datetime
from typing import Literal

from mailhook.core.itip import Invitation
from tests.core.invitations import invitation

HOUR, WEEK = timedelta(hours=1), timedelta(weeks=1)
WEEKS = 5


@dataclass(frozen=True)
class Event:
    """As the organizer's calendar holds it: an hour, once or on `WEEKS` weeks, less the occurrences called off."""

    name: str
    start: datetime
    weekly: bool
    people: frozenset[str]
    off: frozenset[datetime] = frozenset()
    sequence: int = 0
    stamp: datetime | None = None
    modified: datetime | None = None

    def occurrences(self) -> list[datetime]:
        starts = [self.start + week * WEEK for week in range(WEEKS if self.weekly else 1)]
        return [start for start in starts if start not in self.off]


Raise = Literal["move", "rename", "call-off", "people"]


@dataclass(frozen=True)
class Dialect:
    """A server's ways.

    together     one message to all whom it concerns, instead of one to each
    ahead        the first REQUEST bears so much more than the stored SEQUENCE
    raises       by how much SEQUENCE rises when the organizer saves such a change
    fresh        DTSTAMP is the time of the mail, else that of the first save
    modified     LAST-MODIFIED is written: of the last save that changed more than the list of people
    all_told     of new people everybody is told, else they alone
    one          how an occurrence that is called off is told: a REQUEST of the series with EXDATE, a CANCEL of the
                 occurrence, or a REQUEST of it with STATUS:CANCELLED
    status       a CANCEL has STATUS:CANCELLED
    lists        whom a CANCEL to somebody removed lists
    """

    name: str
    together: bool = False
    ahead: int = 0
    raises: dict[Raise, int] = field(default_factory=dict)
    cancel_raises: int = 0
    fresh: bool = True
    modified: bool = True
    all_told: bool = False
    one: Literal["exdate", "cancel", "status"] = "exdate"
    status: bool = True
    lists: Literal["all", "others", "removed"] = "all"


CYRUS = Dialect("cyrus", ahead=1, raises={"move": 1, "call-off": 1})
SOGO = Dialect(
    "sogo", raises={"move": 2, "rename": 1, "call-off": 2}, fresh=False, status=False, lists="others"
)
SOGO_STATUS = Dialect(
    "sogo, by status",
    raises={"move": 2, "rename": 1},
    fresh=False,
    one="status",
    status=False,
    lists="others",
)
ZIMBRA = Dialect(
    "zimbra",
    together=True,
    raises={"move": 1, "rename": 1, "people": 1},
    cancel_raises=1,
    modified=False,
    all_told=True,
    one="cancel",
    lists="removed",
)
SABRE = Dialect("sabre", raises={"move": 1, "call-off": 1}, lists="removed")
EXCHANGE = Dialect(
    "exchange",
    together=True,
    raises={"move": 1},
    cancel_raises=1,
    modified=False,
    all_told=True,
    one="cancel",
    lists="removed",
)
GOOGLE = Dialect("google", raises={"move": 1}, cancel_raises=1, one="cancel", lists="removed")
DIALECTS = (CYRUS, SOGO, SOGO_STATUS, ZIMBRA, SABRE, EXCHANGE, GOOGLE)


@dataclass(frozen=True)
class Letter:
    """A mail that is to be handed in once. `saved`: which save of the organizer's it tells of."""

    invitation: Invitation
    recipients: frozenset[str]
    saved: int


def letters(
    dialect: Dialect, old: Event | None, new: Event | None, now: datetime, saved: int
) -> list[Letter]:
    """What goes out when `new` is saved over `old`; None: there is no event (yet, any more)."""
    drafts = list(_drafts(dialect, old, new, now))
    return [
        Letter(read, frozenset(group), saved)
        for read, people in drafts
        for group in ([sorted(people)] if dialect.together else [[who] for who in sorted(people)])
        if group
    ]


def _drafts(
    dialect: Dialect, old: Event | None, new: Event | None, now: datetime
) -> Iterator[tuple[Invitation, frozenset[str]]]:
    if new is None:
        assert old is not None
        yield _cancel(dialect, old, old.people, now, raised=dialect.cancel_raises), old.people
        return
    before = old or Event("", new.start, new.weekly, frozenset())
    removed, kept = before.people - new.people, before.people & new.people
    if removed:
        listed = {"all": before.people, "others": new.people, "removed": removed}[dialect.lists]
        yield _cancel(dialect, new, listed, now, raised=0), removed
    single = dialect.one != "exdate"
    changed = (before.name, before.start) != (new.name, new.start) or (not single and before.off != new.off)
    if single:
        for occurrence in sorted(new.off - before.off):
            yield _called_off(dialect, new, occurrence, now), kept
    told = new.people if changed or (dialect.all_told and before.people != new.people) else new.people - kept
    ahead = dialect.ahead if old is None else 0
    yield _written(dialect, new, new.people, now, sequence=new.sequence + ahead), told


def _cancel(
    dialect: Dialect, event: Event, listed: Iterable[str], now: datetime, *, raised: int
) -> Invitation:
    extra = ["STATUS:CANCELLED"] if dialect.status else []
    return _written(
        dialect, event, listed, now, sequence=event.sequence + raised, method="CANCEL", extra=extra
    )


def _called_off(dialect: Dialect, event: Event, occurrence: datetime, now: datetime) -> Invitation:
    method = "CANCEL" if dialect.one == "cancel" else "REQUEST"
    extra = ["STATUS:CANCELLED", f"RECURRENCE-ID:{_utc(occurrence)}"]
    sequence = event.sequence + 1
    return _written(
        dialect, event, event.people, now, sequence=sequence, method=method, extra=extra, start=occurrence
    )


def _written(
    dialect: Dialect,
    event: Event,
    listed: Iterable[str],
    now: datetime,
    *,
    sequence: int,
    method: str = "REQUEST",
    extra: Iterable[str] = (),
    start: datetime | None = None,
) -> Invitation:
    stamp = now if dialect.fresh else event.stamp or now
    rule = [f"RRULE:FREQ=WEEKLY;COUNT={WEEKS}"] if event.weekly and start is None else []
    dates = sorted(event.off) if start is None else []
    lines = [
        f"SUMMARY:{event.name}",
        f"SEQUENCE:{sequence}",
        f"DTSTAMP:{_utc(stamp)}",
        *([f"LAST-MODIFIED:{_utc(event.modified)}"] if dialect.modified and event.modified else []),
        f"DTSTART:{_utc(start or event.start)}",
        "DURATION:PT1H",
        *rule,
        *(f"EXDATE:{_utc(date)}" for date in dates),
        *(f"ATTENDEE:mailto:{address}" for address in sorted(listed)),
        *extra,
    ]
    return invitation("\n".join(lines), method=method, date=format_datetime(now))


def _utc(moment: datetime) -> str:
    return f"{moment:%Y%m%dT%H%M%SZ}"
