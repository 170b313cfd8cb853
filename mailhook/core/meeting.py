"""What is known of a meeting.

What: a `Meeting` is all that is known of one (organizer, UID): its components as last revised, the holders (who
was told of what by a mail that passed), its conference, and what keeps the worker busy.

Not here: how a message changes a meeting (`revision`, `uninviting`), what its conference should be (`aim`), who may act
(`policy`), I/O (`flight`, `sync`), when the worker looks (`waking`).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import assert_never

from mailhook.core.conference import Conference, JoinDetails, Person, State
from mailhook.core.order import Stamp
from mailhook.core.recurrence import Schedule
from mailhook.core.vtimezone import date_time

NOBODY = Person("")
UNSCHEDULED = Conference()
MASTER = ""
"""The component key of a VEVENT without RECURRENCE-ID."""


@dataclass(frozen=True, order=True)
class MeetingKey:
    """`organizer`: lower case, domain alias resolved; `uid` as it stands (RFC 5545 §3.8.4.7)."""

    organizer: str
    uid: str


@dataclass(frozen=True)
class Attendee:
    """An ATTENDEE: `kind` is CUTYPE in upper case (INDIVIDUAL when absent)."""

    person: Person
    kind: str = "INDIVIDUAL"

    @property
    def individual(self) -> bool:
        return self.kind not in {"ROOM", "RESOURCE"}


@dataclass(frozen=True)
class Component:
    """A VEVENT as last revised. `key` is RECURRENCE-ID as a UTC instant in basic form, or MASTER.

    `ranged`: it stands for the later instances too (RANGE=THISANDFUTURE). `added`: an instance that the rule lacks.
    """

    key: str
    stamp: Stamp
    summary: str
    schedule: Schedule | None
    attendees: tuple[Attendee, ...] = ()
    cancelled: bool = False
    ranged: bool = False
    added: bool = False

    @property
    def instance(self) -> datetime | None:
        """The instance that an override replaces: its original start."""
        return date_time(self.key) if self.key else None


@dataclass(frozen=True)
class Told:
    """A recipient was told of the component `key` in the revision `stamp`, by so many `copies` of the mail.

    `cancelled`: a CANCEL has taken this one instance from him, who still holds the series.
    """

    key: str
    stamp: Stamp
    copies: int = 1
    cancelled: bool = False


@dataclass(frozen=True)
class Will:
    """The organizer's newest word on whether he wants a conference, in the revision `stamp` of the component `key`.

    `renounced`: why he wants none any more; "": he wants one.
    """

    key: str
    stamp: Stamp
    renounced: str = ""


@dataclass(frozen=True)
class Passage:
    """Where a DESCRIPTION bore the link, counted in words that a reader sees.

    digests   of the first words, four hex digits each; `count`: how many words come before `heading`
    heading   the words right before the link, and the link; none where the link stood in markup only
    ends      after how many words the text may well end once the link is taken out
    below     whether there is text after it
    more      whether there is any text that does not go with it
    """

    digests: str
    count: int
    heading: tuple[str, ...] = ()
    ends: tuple[int, ...] = ()
    below: bool = False
    more: bool = False


@dataclass(frozen=True)
class Leftover:
    """A room that must go: it lost a race, or its generation has ended."""

    conference_id: str
    provider: str


@dataclass(frozen=True)
class Suspect:
    """After a create without a clear answer what bears the key of `generation`, but the meeting's own room, must go.

    `due`: when to look for the last time; None: now, and once more later, because an answer may come late.
    `unsearchable`: the provider has no means to look; it stays listed for the administrator.
    """

    generation: int
    provider: str
    due: datetime | None = None
    unsearchable: bool = False


@dataclass(frozen=True)
class Lease:
    """Who works on the conference at present, and until when nobody else does."""

    token: str
    until: datetime


class Cause(StrEnum):
    """Why the organizer gets a notice. The first three bring the link."""

    LINK = "link"
    LATE = "link-late"
    REPLACED = "link-changed"
    UNLINKED = "without-link"
    DOUBTFUL = "doubtful"
    DELETED = "deleted"


@dataclass(frozen=True)
class Sealed:
    """An invitation that asks for a conference could not be written into: why (as the log says), and its topic."""

    why: str
    topic: str


@dataclass(frozen=True)
class Noticed:
    """A cause was settled for the conference of this generation; `sent`: by a mail, else none was called for."""

    generation: int
    at: datetime
    sent: bool


@dataclass(frozen=True)
class Notices:
    """What the organizer has been told of by notices.

    `next_at`: nothing is sent before; `attempts`: how often the present one was tried, and `error`: why in vain.
    """

    settled: Mapping[Cause, Noticed] = field(default_factory=dict)
    next_at: datetime | None = None
    attempts: int = 0
    error: str = ""


class CopyKind(StrEnum):
    """The organizer's own copies of an event: in his calendar, in his folder of sent mail."""

    CALDAV = "caldav"
    IMAP = "imap"


@dataclass(frozen=True)
class Place:
    """Where a copy is: a URL, and the entity tag of what was last read there ("": none)."""

    url: str
    tag: str


@dataclass(frozen=True)
class Copy:
    """What is known of one of the organizer's copies.

    standing    fingerprint of what was found to stand there as desired ("": nothing ever was), and since `at`
    link        the link that we have written there ("": none), with `conference_id`
    bears       that stands where programs keep it: DESCRIPTION, LOCATION or URL; `passage`: its place in DESCRIPTION
                (None: it stands in LOCATION too)
    places      where it was found, as of `stamp`, the master's own; just so since `tagged`, and last `seen`
    missing     when it was first looked for in vain since it was last found, and `lost`: by a look that can be
                believed; `ended`: why the conference goes for it, and `goes_at` when
    watch_at    when it is looked at again, although nothing is to be written
    rounds      how often it was written for one fingerprint and not yet found standing
    stir        fingerprint of the mails of the meeting that there had been when it was last looked at
    next_at     not looked at before, whatever else is so while `busy`: somebody works on it
    """

    standing: str = ""
    at: datetime | None = None
    link: str = ""
    conference_id: str = ""
    bears: bool = False
    passage: Passage | None = None
    places: tuple[Place, ...] = ()
    tagged: datetime | None = None
    seen: datetime | None = None
    stamp: Stamp = field(default_factory=Stamp)
    missing: datetime | None = None
    lost: datetime | None = None
    ended: str = ""
    goes_at: datetime | None = None
    watch_at: datetime | None = None
    rounds: int = 0
    stir: str = ""
    next_at: datetime | None = None
    busy: bool = False
    attempts: int = 0
    error: str = ""


@dataclass(frozen=True)
class Meeting:
    """All that is known of one (organizer, UID).

    language      ORGANIZER's LANGUAGE (RFC 5646), or ""
    told          recipient → what he was told by REQUESTs that passed, and not un-invited from
    ever_told     everyone who was ever told by mail
    left          who was un-invited → by what; no participant, whatever an ATTENDEE list says, until he is told of
                  something newer
    unlisted      who left because a mail to one person alone lists him no more: perhaps that one's own view
    unheard       who may not have heard of the newest mail, because the next hop did not take it → since when that is
                  doubtful
    wanted        a conference is wanted: later REQUESTs need no marker, not even after a deletion by CANCEL
    markers       how the newest revision of the master asks for a conference
    borne         the newest revision of the master in which the organizer's own copy is known to bear the link,
                  and `passage` its place in DESCRIPTION (None: it stood elsewhere too)
    copied        links of ours from another meeting, or an earlier conference, that his copy was seen to bear
    will          what the organizer has last said about it: once renounced, only a new wish brings a conference again
    elsewhere     rooms of other providers: neither used nor changed here, and found again when one of them is back
    unlinked      an invitation has passed without the link of this generation
    sealed        an invitation has passed of which only the organizer can be told that it has no link, None if there is
                  a conference
    superseded    a link that mails bore and that leads nowhere any more ("": none)
    notices       what the organizer was told of by mails of our own
    copies        what is known of his own copies of the event
    sent          Message-IDs of the newest mails that passed with it
    delete_at     when the conference goes, unless a REQUEST is seen meanwhile; once past, there shall be none
    doubtful      why nobody can tell whether the meeting lives ("" when there is no doubt)
    first_seen    revision fingerprint → when a REQUEST of it was first deferred
    wake_at       when the worker has to look again; `error`, `attempts`: why it did not succeed so far, and `retry_at`:
                  not before that
    """

    key: MeetingKey
    organizer: Person = NOBODY
    language: str = ""
    components: tuple[Component, ...] = ()
    told: Mapping[str, tuple[Told, ...]] = field(default_factory=dict)
    ever_told: frozenset[str] = frozenset()
    left: Mapping[str, tuple[Told, ...]] = field(default_factory=dict)
    unlisted: frozenset[str] = frozenset()
    unheard: Mapping[str, datetime] = field(default_factory=dict)
    wanted: bool = False
    markers: frozenset[str] = frozenset()
    borne: Stamp | None = None
    passage: Passage | None = None
    copied: frozenset[str] = frozenset()
    will: Will | None = None
    conference: Conference = UNSCHEDULED
    elsewhere: tuple[Conference, ...] = ()
    leftovers: tuple[Leftover, ...] = ()
    suspects: tuple[Suspect, ...] = ()
    unlinked: bool = False
    sealed: Sealed | None = None
    superseded: str = ""
    notices: Notices = field(default_factory=Notices)
    copies: Mapping[CopyKind, Copy] = field(default_factory=dict)
    sent: tuple[str, ...] = ()
    delete_at: datetime | None = None
    doubtful: str = ""
    first_seen: Mapping[str, datetime] = field(default_factory=dict)
    wake_at: datetime | None = None
    lease: Lease | None = None
    attempts: int = 0
    error: str = ""
    retry_at: datetime | None = None

    def component(self, key: str) -> Component | None:
        return next((component for component in self.components if component.key == key), None)

    @property
    def living(self) -> tuple[Component, ...]:
        return tuple(component for component in self.components if not component.cancelled)

    @property
    def renounced(self) -> str:
        """Why the organizer wants no conference any more, or ""."""
        return self.will.renounced if self.will else ""

    @property
    def link(self) -> JoinDetails | None:
        """The join details that a mail may bear now."""
        conference = self.conference
        match conference.state:
            case State.READY | State.ANNOUNCED | State.FINISHED:
                return conference.details
            case State.ABSENT | State.RESERVED | State.ENDING | State.GONE:
                return None
            case _:
                assert_never(conference.state)
