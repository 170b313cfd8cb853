"""What is to be done about the copies of a message that a mailbox holds: pure.

What: `choose` looks at all messages with the Message-ID that was asked for. It is level-triggered: whatever an earlier
run has left, cut off anywhere, the next choice leads to one copy, the new one.

* a copy that `rewrite` changes is *stale*; the new copy is what `rewrite` makes of it, and nothing else;
* one stale copy alone: the new one is to be appended;
* the new copy is there: the stale ones are to be removed, and what else is the new copy over again;
* anything else is unclear, and nothing is touched: above all when beside a stale copy there is one of another content,
  which may be another message with the same Message-ID.

A copy that is marked \\Deleted is none, for it may be the user who deletes it; it is removed only where the new copy is
there, which is how a run looks that was cut between marking and expunging.

Not here: I/O (`sent`).

Errors: none.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from mailhook.organizer.imap.session import DELETED, Message

Rewrite = Callable[[bytes], bytes | None]
"""A whole message (RFC 5322) → the same with the link; None: there is nothing to change."""


@dataclass(frozen=True)
class Absent:
    """There is no copy."""


@dataclass(frozen=True)
class Done:
    """Nothing is to be changed in any copy."""


@dataclass(frozen=True)
class Append:
    """`content` is to be appended with the flags and the date of `old`."""

    old: Message
    content: bytes


@dataclass(frozen=True)
class Remove:
    """These UIDs: the copy that replaces them is there."""

    uids: tuple[int, ...]


@dataclass(frozen=True)
class Unclear:
    why: str


Choice = Absent | Done | Append | Remove | Unclear


def choose(copies: Sequence[Message], rewrite: Rewrite) -> Choice:
    wanted = {copy.uid: new for copy in copies if (new := rewrite(copy.content)) is not None}
    live = [copy for copy in copies if not _deleted(copy)]
    stale = [copy for copy in live if copy.uid in wanted]
    if not live:
        return Absent()
    new_copies = [copy for copy in live if copy.uid not in wanted and _is_any(copy.content, wanted.values())]
    if len(stale) > 1:
        return Unclear(f"there are {len(stale)} copies of it without the link")
    if new_copies:
        return _removal(new_copies, copies, wanted)
    if not stale:
        return Done()
    if len(live) > 1:
        return Unclear("there is another message with the same Message-ID, of another content")
    return Append(stale[0], wanted[stale[0].uid])


def _removal(new_copies: Sequence[Message], copies: Sequence[Message], wanted: dict[int, bytes]) -> Choice:
    """What the first of `new_copies` replaces: those that it was made of, and the rest of `new_copies`."""
    kept = new_copies[0].content
    old = [copy.uid for copy in copies if copy.uid in wanted and _same(kept, wanted[copy.uid])]
    again = [copy.uid for copy in new_copies[1:] if _same(kept, copy.content)]
    return Remove((*old, *again))


def _deleted(copy: Message) -> bool:
    return any(flag.lower() == DELETED.lower() for flag in copy.flags)


def _is_any(content: bytes, wanted: Iterable[bytes]) -> bool:
    return any(_same(content, new) for new in wanted)


def _same(one: bytes, other: bytes) -> bool:
    """Servers may keep lines with a bare LF and give them out with CRLF."""
    return one == other or one.replace(b"\r\n", b"\n") == other.replace(b"\r\n", b"\n")
