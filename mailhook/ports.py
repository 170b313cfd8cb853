"""The seams: what the middle of the house asks of its adapters.

What: `Provider`, `Store`, `NextHop` are called by relay, pipeline, flight and sync and implemented by adapters;
`Reception` is called by the listener and implemented by relay.

Errors: adapters raise only `mailhook.errors`; a next hop's refusal is a `Reply`, never an exception.
"""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Literal, Protocol, TypeVar

from mailhook.core.conference import Found, JoinDetails, Spec
from mailhook.core.copies import CopyTask, LookTask, Stands
from mailhook.core.meeting import CopyKind, Meeting, MeetingKey
from mailhook.core.notice import Notice
from mailhook.core.watch import Seen
from mailhook.smtp.commands import Mail, Rcpt
from mailhook.smtp.ehlo import Capabilities
from mailhook.smtp.replies import Reply

T = TypeVar("T")


# --- conference provider -------------------------------------------------------------------------------


class Provider(Protocol):
    """A service that has rooms. Errors: Temporary, Permanent, Gone, Misconfigured.

    `key` is our own opaque identifier of (organizer, UID, generation). `chooses_id`: it is the room's id, and `create`
    twice with one key yields one room. `finds`: rooms can be found by it. Without both nobody can tell what an unclear
    `create` has left: that is listed for the administrator.
    """

    @property
    def identity(self) -> str:
        """Kind and base URL: a stored room belongs to the identity that made it."""

    @property
    def chooses_id(self) -> bool: ...

    @property
    def finds(self) -> bool: ...

    async def create(self, spec: Spec, key: str) -> JoinDetails: ...

    async def update(self, conference_id: str, spec: Spec) -> None:
        """Gone: the room no longer exists."""

    async def delete(self, conference_id: str) -> None:
        """A room that no longer exists is success."""

    async def find(self, key: str) -> tuple[Found, ...]:
        """The rooms that stand and bear `key`, and no others; those too that may only be removed."""

    async def ping(self) -> None: ...

    async def close(self) -> None: ...


# --- store ---------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Circumstances:
    """What a decision may know beside the meeting: the store's clock (UTC), and the last hour's counts.

    These cost as much as there is to count, so they are asked for where they matter, and only while the decision runs.
    """

    now: datetime
    created_by_organizer: Callable[[], int]
    deleted: Callable[[], int]


Sighting = Literal["signed-before-us"]
"""What concerns the set-up and no single meeting: an invitation came with a signature of our own domain."""

Decide = Callable[[Meeting, Circumstances], tuple[Meeting, T]]


AMISS = ("without-link", "store-unavailable", "no-place", "too-large", "dkim-signed", "fault")
"""Reasons for which an invitation that should have got its link goes without."""


@dataclass(frozen=True)
class Decision:
    """What was done with a mail that looked like an invitation, for the administrator; no join link, no text of it.

    `code`: of the reply that the client got. `decision`, `reason`, `ident`, `error`, `places`: as in the log.
    """

    at: datetime
    decision: str
    reason: str
    code: int
    method: str = ""
    organizer: str = ""
    uid: str = ""
    ident: str = ""
    places: tuple[str, ...] = ()
    error: str = ""


BreakerState = Literal["closed", "open", "probing"]


@dataclass(frozen=True)
class Load:
    """What one process has in hand now.

    `clients`: connections to us; `busy`, `idle`: connections to the next hop, `waiting`: mails that wait for one;
    `held_bytes`: octets of messages; `reachable`: whether the next hop answered when it was last spoken to, None: it
    was not yet; `certificates`: seconds until ours cease to be valid, by side of the hop.
    """

    clients: int
    busy: int
    idle: int
    waiting: int
    held_bytes: int
    breaker: BreakerState
    reachable: bool | None = None
    certificates: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Holdings:
    """What a store holds, counted.

    conferences  by state
    pending      meetings with something that has failed so far or is in doubt, by kind (`core.pending`), and "due":
                 those that the worker should look at now; `oldest`: for how many seconds the oldest has been so
    doubtful     meetings of which nobody can tell whether they live
    """

    conferences: Mapping[str, int]
    pending: Mapping[str, int]
    oldest: Mapping[str, float]
    doubtful: int


class Store(Protocol):
    """Meetings, one row each.

    Errors: Temporary when the store cannot be read or written now; Permanent for a meeting that cannot be stored
    (a UID with lone surrogates).
    """

    async def change(self, key: MeetingKey, decide: Decide[T]) -> T:
        """Run `decide` on the fresh row with the row locked and write what it returns, in one transaction.

        An unknown key is given as `Meeting(key)`; an unchanged meeting is not written. `decide` is pure: it runs
        again where a transaction that it shared with others has failed. What it raises comes out of `change`, and
        nothing is written.
        """

    async def get(self, key: MeetingKey) -> Meeting | None: ...

    async def all(self) -> list[Meeting]:
        """Every meeting, the one that is due first at the head."""

    async def due(self, limit: int) -> list[MeetingKey]:
        """Meetings whose `wake_at` has come, the longest waiting first."""

    async def news(self, limit: int) -> list[MeetingKey]:
        """Meetings of which the organizer may have to be told something now (`core.notice.news`)."""

    async def copies(self, kind: CopyKind, limit: int) -> list[MeetingKey]:
        """Meetings of which this copy of the organizer has to be looked at now (`core.copies.due_at`)."""

    async def of_organizer(self, organizer: str) -> list[Meeting]:
        """All meetings of one organizer, over or not."""

    async def missed(self, kind: CopyKind, within: timedelta) -> int:
        """How many copies, of whichever organizer, were first looked for in vain within that time until now."""

    async def purge(self, before: datetime) -> int:
        """Forget meetings that need nothing any more and have not changed since `before`; how many."""

    async def makers(self, links: Collection[str]) -> dict[str, frozenset[MeetingKey]]:
        """Those of `links` that lead to a conference of ours, or led to one before, each with its meeting.

        And with the meetings into which it was copied (`Meeting.copied`).
        """

    async def note(self, sighting: Sighting) -> None:
        """Remember that this was seen now; only the last time is kept."""

    async def remember(self, decisions: Sequence[Decision]) -> None:
        """Keep these and the newest of those before them; how many is the store's affair."""

    async def check(self) -> None:
        """Temporary: nothing can be written now."""

    async def secret(self) -> bytes:
        """Random bytes, made once per store: the key of our conference ids."""

    async def close(self) -> None: ...


# --- relaying ------------------------------------------------------------------------------------------


class Content(Protocol):
    """A message as it stood on the wire: dot-stuffed, without the final dot line (RFC 5321 §4.5.2)."""

    @property
    def size(self) -> int:
        """Octets on the wire."""

    def chunks(self) -> Iterator[bytes]: ...

    def wire(self) -> bytes: ...


@dataclass(frozen=True)
class Client:
    """Who speaks to us: `address` is the peer's IP; XFORWARD values are raw xtext by upper-case name.

    `told`: what of the next hop was announced to it, so what parameters it believes that it may use.
    """

    address: str
    helo: bytes
    esmtp: bool = True
    xforward: Mapping[str, bytes] = field(default_factory=dict)
    told: Capabilities = field(default_factory=Capabilities)


@dataclass(frozen=True)
class Answered:
    """The next hop's reply to the final dot (or to DATA, if it refused that)."""

    reply: Reply


@dataclass(frozen=True)
class Lost:
    """No reply came. `after_dot`: the message may have been accepted, so it must not be sent again by us."""

    after_dot: bool
    why: str


Delivery = Answered | Lost


class HopTransaction(Protocol):
    """One mail transaction with the next hop."""

    @property
    def capabilities(self) -> Capabilities:
        """What this transaction's connection announced; empty before its first command."""

    async def envelope(self, commands: Sequence[Mail | Rcpt]) -> list[Reply]:
        """Send MAIL and RCPTs (in one write where the next hop pipelines); one reply each, in order.

        Temporary: the next hop is unreachable or died; the transaction is over.
        """

    async def deliver(self, content: Content) -> Delivery:
        """DATA, content and dot. Ends the transaction."""

    async def abandon(self) -> None:
        """End the transaction without content; harmless when it is over."""


class NextHop(Protocol):
    async def capabilities(self) -> Capabilities:
        """What the next hop announces (cached for a short time). Temporary: unreachable."""

    def transaction(self, client: Client) -> HopTransaction:
        """A transaction that takes a connection when its first command is sent."""

    async def close(self) -> None: ...


class Notifier(Protocol):
    """Brings notices to organizers."""

    async def send(self, notice: Notice) -> None:
        """Temporary: it has not gone, or nobody knows whether it has. Permanent: it is refused for good."""


class CopyWriter(Protocol):
    """Writes the link into one kind of the organizer's own copies, or takes it out.

    Errors: Temporary: not written, or nobody knows; the next try may succeed. Permanent, Misconfigured: only somebody
    who changes rights or settings can help.
    """

    @property
    def kind(self) -> CopyKind: ...

    async def write(self, task: CopyTask) -> Stands:
        """Bring the copy to what `task` asks, if it is not so already; repeating it does no harm.

        `Stands` says what stood there before. `Stands.bears` only of a copy that the organizer himself edits: what he
        takes out there ends the conference.
        """

    async def close(self) -> None: ...


class CopyWatcher(Protocol):
    """Looks at copies that the organizer may have changed. Errors: those of CopyWriter; they decide nothing."""

    async def look(self, task: LookTask) -> Seen: ...


class Submission(Protocol):
    """One mail transaction of a client, as the listener sees it. No method raises a MailhookError."""

    async def envelope(self, commands: Sequence[Mail | Rcpt]) -> list[Reply]: ...

    async def content(self, content: Content, candidate: bool) -> Reply:
        """The reply to the dot. `candidate`: the inspector saw something like an invitation."""

    async def abort(self, why: str = "") -> None:
        """End the transaction without relaying; `why`: the listener's refusal, for the log."""


class Reception(Protocol):
    """What the listener hands mail to."""

    async def capabilities(self) -> Capabilities:
        """Temporary: the next hop cannot be reached."""

    def submission(self, client: Client) -> Submission: ...
