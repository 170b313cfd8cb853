"""How servers tell an organizer's guests what he did: one event, saved again and again, in the dialects of iTIP.

What: `Event` is what the organizer sees; `letters` are the mails that a server sends when one state of it follows
another. What is peculiar to each server was seen in mails or read in source.

Not here: MIME (tests/golden), and what becomes of the mails.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from email.utils import format_datetime
from typing import Literal

from mailhook.core.itip import Invitation
from tests.core.invitations import invitation

HOUR, WEEK = timedelta(hours=1), timedelta(weeks=1)
WEEKS = 5
RESOURCE = "videomost@corp.example"


@dataclass(frozen=True)
class Event:
    """As the organizer's calendar holds it: an hour, once or on `weeks` weeks, less the occurrences called off.

    off       original starts of occurrences that were called off
    moved     original and new starts of occurrences that were moved
    text      of DESCRIPTION; a join link in it is one that the organizer has put there
    marks     how he asks for a conference: a word in LOCATION, a category, the resource among the attendees
    opted_out he says that he wants none
    """

    name: str
    start: datetime
    weekly: bool
    people: frozenset[str]
    weeks: int = WEEKS
    off: frozenset[datetime] = frozenset()
    moved: tuple[tuple[datetime, datetime], ...] = ()
    text: str = ""
    marks: frozenset[str] = frozenset({"keyword"})
    opted_out: bool = False
    sequence: int = 0
    stamp: datetime | None = None
    modified: datetime | None = None

    @property
    def originals(self) -> list[datetime]:
        """The starts that the rule has, without those that were called off."""
        starts = [self.start + week * WEEK for week in range(self.weeks if self.weekly else 1)]
        return [start for start in starts if start not in self.off]

    def occurrences(self) -> list[datetime]:
        moved = dict(self.moved)
        return sorted(moved.get(start, start) for start in self.originals)

    @property
    def guests(self) -> frozenset[str]:
        """All who get mail: the resource too."""
        return self.people | ({RESOURCE} if "resource" in self.marks else set())


Raise = Literal["move", "move-one", "rename", "call-off", "people", "shorten", "text", "marks"]


@dataclass(frozen=True)
class Dialect:
    """A server's ways.

    together     one message to all whom it concerns, instead of one to each
    ahead        the first REQUEST bears so much more than the stored SEQUENCE
    raises       by how much SEQUENCE rises when the organizer saves such a change
    fresh        DTSTAMP is the time of the mail, else that of the first save
    modified     LAST-MODIFIED is written: of the last save that changed more than the list of people
    all_told     of new people everybody is told, else they alone
    text_told    everybody is told of another DESCRIPTION, else nobody
    one          how an occurrence that is called off is told: a REQUEST of the series with EXDATE, a CANCEL of the
                 occurrence, or a REQUEST of it with STATUS:CANCELLED
    whole        an occurrence that is moved is told by the series with all its overrides, else by the override alone
    shortens     how the end of a series is told: by a REQUEST with another COUNT, or a CANCEL with RANGE
    status       a CANCEL has STATUS:CANCELLED
    lists        whom a CANCEL to somebody removed lists
    internal     whom the server tells without a mail
    """

    name: str
    together: bool = False
    ahead: int = 0
    raises: dict[Raise, int] = field(default_factory=dict)
    cancel_raises: int = 0
    fresh: bool = True
    modified: bool = True
    all_told: bool = False
    text_told: bool = True
    one: Literal["exdate", "cancel", "status"] = "exdate"
    whole: bool = False
    shortens: Literal["count", "range"] = "count"
    status: bool = True
    lists: Literal["all", "others", "removed"] = "all"
    internal: frozenset[str] = frozenset()


CYRUS = Dialect(
    "cyrus",
    ahead=1,
    raises={"move": 1, "move-one": 1, "call-off": 1, "shorten": 1},
    whole=True,
    internal=frozenset({"petr@corp.example"}),
)
SOGO = Dialect(
    "sogo",
    raises={"move": 2, "move-one": 2, "rename": 1, "call-off": 2, "shorten": 2, "marks": 1},
    fresh=False,
    text_told=False,
    status=False,
    lists="others",
)
SOGO_STATUS = replace(SOGO, name="sogo, by status", one="status")
ZIMBRA = Dialect(
    "zimbra",
    together=True,
    raises={"move": 1, "move-one": 1, "rename": 1, "people": 1, "shorten": 1, "text": 1, "marks": 1},
    cancel_raises=1,
    modified=False,
    all_told=True,
    one="cancel",
    lists="removed",
)
SABRE = Dialect(
    "sabre",
    raises={"move": 1, "move-one": 1, "call-off": 1, "shorten": 1},
    whole=True,
    lists="removed",
)
EXCHANGE = Dialect(
    "exchange",
    together=True,
    raises={"move": 1, "move-one": 1, "shorten": 1},
    cancel_raises=1,
    modified=False,
    all_told=True,
    one="cancel",
    lists="removed",
)
GOOGLE = Dialect(
    "google",
    raises={"move": 1, "move-one": 1, "shorten": 1},
    cancel_raises=1,
    one="cancel",
    lists="removed",
)
RFC = Dialect(
    "by the letter of RFC 5546",
    together=True,
    raises={"move": 1, "move-one": 1, "rename": 1, "people": 1, "shorten": 1, "text": 1, "marks": 1},
    cancel_raises=1,
    all_told=True,
    one="cancel",
    shortens="range",
)
DIALECTS = (CYRUS, SOGO, SOGO_STATUS, ZIMBRA, SABRE, EXCHANGE, GOOGLE, RFC)


@dataclass(frozen=True)
class Letter:
    """A mail that is to be handed in once. `saved`: which save of the organizer's it tells of."""

    invitation: Invitation
    recipients: frozenset[str]
    saved: int


Draft = tuple[Invitation, frozenset[str]]


def letters(
    dialect: Dialect, old: Event | None, new: Event | None, now: datetime, saved: int
) -> list[Letter]:
    """What goes out when `new` is saved over `old`; None: there is no event (yet, any more)."""
    drafts = [(read, people - dialect.internal) for read, people in _drafts(dialect, old, new, now)]
    return [
        Letter(read, frozenset(group), saved)
        for read, people in drafts
        for group in ([sorted(people)] if dialect.together else [[who] for who in sorted(people)])
        if group
    ]


def _drafts(dialect: Dialect, old: Event | None, new: Event | None, now: datetime) -> Iterator[Draft]:
    if new is None:
        assert old is not None
        yield _cancel(dialect, old, old.guests, now, raised=dialect.cancel_raises), old.guests
        return
    before = old or Event("", new.start, new.weekly, frozenset(), marks=frozenset())
    removed, kept = before.guests - new.guests, before.guests & new.guests
    if removed:
        listed = {"all": before.guests, "others": new.guests, "removed": removed}[dialect.lists]
        yield _cancel(dialect, new, listed, now, raised=0), removed
    for read in _of_instances(dialect, before, new, now):
        yield read, kept
    told = new.guests if _told_all(dialect, before, new) else new.guests - kept
    ahead = dialect.ahead if old is None else 0
    yield _whole(dialect, new, now, sequence=new.sequence + ahead), told


def _told_all(dialect: Dialect, before: Event, new: Event) -> bool:
    """Whether the series is sent to everybody again."""
    seen = [("name", True), ("start", True), ("opted_out", True), ("text", dialect.text_told)]
    seen += [
        ("off", dialect.one == "exdate"),
        ("moved", dialect.whole),
        ("weeks", dialect.shortens == "count"),
    ]
    changed = any(told and getattr(before, name) != getattr(new, name) for name, told in seen)
    written = before.marks - {"resource"} != new.marks - {"resource"}
    return changed or written or (dialect.all_told and before.guests != new.guests)


def _of_instances(dialect: Dialect, before: Event, new: Event, now: datetime) -> Iterator[Invitation]:
    """Mails that tell of single occurrences, or of all from one on."""
    method = "CANCEL" if dialect.one == "cancel" else "REQUEST"
    for original in sorted(new.off - before.off) if dialect.one != "exdate" else ():
        yield _sent([_instance(dialect, new, original, now, "STATUS:CANCELLED")], now, method)
    for original, start in sorted(set(new.moved) - set(before.moved)) if not dialect.whole else ():
        yield _sent([_instance(dialect, new, original, now, start=start)], now)
    if new.weeks < before.weeks and dialect.shortens == "range":
        end = new.start + new.weeks * WEEK
        rows = _instance(dialect, new, end, now, "STATUS:CANCELLED", ranged=";RANGE=THISANDFUTURE")
        yield _sent([rows], now, "CANCEL")


def _cancel(
    dialect: Dialect, event: Event, listed: Iterable[str], now: datetime, *, raised: int
) -> Invitation:
    extra = ["STATUS:CANCELLED"] if dialect.status else []
    rows = _rows(dialect, event, listed, now, event.sequence + raised, event.start)
    return _sent([[*rows, *_rule(event), *extra]], now, "CANCEL")


def _whole(dialect: Dialect, event: Event, now: datetime, sequence: int) -> Invitation:
    """The event, with its overrides where the server sends them along."""
    rows = [*_rows(dialect, event, event.guests, now, sequence, event.start), *_rule(event)]
    moved = event.moved if dialect.whole else ()
    overrides = [_instance(dialect, event, original, now, start=start) for original, start in moved]
    return _sent([rows, *overrides], now)


def _rule(event: Event) -> list[str]:
    rule = [f"RRULE:FREQ=WEEKLY;COUNT={event.weeks}"] if event.weekly else []
    return [*rule, *(f"EXDATE:{_utc(date)}" for date in sorted(event.off))]


def _instance(
    dialect: Dialect,
    event: Event,
    original: datetime,
    now: datetime,
    *extra: str,
    start: datetime | None = None,
    ranged: str = "",
) -> list[str]:
    rows = _rows(dialect, event, event.guests, now, event.sequence + 1, start or original)
    return [*rows, f"RECURRENCE-ID{ranged}:{_utc(original)}", *extra]


def _rows(
    dialect: Dialect, event: Event, listed: Iterable[str], now: datetime, sequence: int, start: datetime
) -> list[str]:
    stamp = now if dialect.fresh else event.stamp or now
    return [
        f"SUMMARY:{event.name}{' #novideomost' if event.opted_out else ''}",
        f"SEQUENCE:{sequence}",
        f"DTSTAMP:{_utc(stamp)}",
        *([f"LAST-MODIFIED:{_utc(event.modified)}"] if dialect.modified and event.modified else []),
        f"DTSTART:{_utc(start)}",
        "DURATION:PT1H",
        *(["LOCATION:Videomost"] if "keyword" in event.marks else []),
        *(["CATEGORIES:Videomost"] if "category" in event.marks else []),
        *([f"DESCRIPTION:{event.text}"] if event.text else []),
        *(f"ATTENDEE:mailto:{address}" for address in sorted(listed)),
    ]


def _sent(events: Iterable[list[str]], now: datetime, method: str = "REQUEST") -> Invitation:
    return invitation(*("\n".join(rows) for rows in events), method=method, date=format_datetime(now))


def _utc(moment: datetime) -> str:
    return f"{moment:%Y%m%dT%H%M%SZ}"
