"""The organizer's own copy of a mail, in his folder of sent mail.

What: `SentCopies.replace` puts what a function makes of the copy in its place. An IMAP message cannot be changed, so
the new one is appended, with the flags and the date of the old, looked at, and only then the old one is removed: at
every moment there is at least one copy. A run that was cut anywhere is finished by the next (`choice`). Nothing is
remembered between runs.

Not here: when (the worker), what is written (`core.rewrite`), the mailbox (`folders`), the commands (`session`).

Errors: those of `session`. Temporary when another run may bring it about, Permanent when not, for this organizer or
message; Misconfigured when nobody can be served.
"""

import re
from contextlib import suppress
from dataclasses import dataclass
from email.parser import BytesHeaderParser
from typing import Literal, assert_never

from mailhook.core import logins
from mailhook.errors import Misconfigured, Permanent, Temporary
from mailhook.organizer import access
from mailhook.organizer.imap.choice import Absent, Append, Choice, Done, Remove, Rewrite, Unclear, choose
from mailhook.organizer.imap.connection import Refused, connected
from mailhook.organizer.imap.folders import sent_mailboxes
from mailhook.organizer.imap.names import quoted, readable
from mailhook.organizer.imap.server import Server
from mailhook.organizer.imap.session import Login, Message, Selected, Session, logged_in

LARGEST = 50 * 1024 * 1024
"""Octets of a copy that is looked at: it is held in memory, more than once."""

MOST = 20
"""Messages that a search may find: servers look for a part of the Message-ID."""

PASSWORDS_FILE = "organizer.imap.passwords_file"
_SEARCHABLE = re.compile(r"<[!-~]{1,900}>")


@dataclass(frozen=True)
class Account:
    """How we log in. `login`: a template (`core.logins`) of the name; with auth "authzid" `username` logs in for it.

    One of `password` and `passwords_file`, which is read anew for each login.
    """

    login: str = "{address}"
    auth: Literal["password", "authzid"] = "password"
    username: str = ""
    password: str = ""
    passwords_file: str = ""

    async def of(self, organizer: str) -> Login:
        """Permanent: there is no password for him."""
        name = logins.login_name(self.login, organizer)
        if self.auth == "authzid":
            return Login(self.username, self.password, on_behalf_of=name)
        if not self.passwords_file:
            return Login(name, self.password)
        known = await access.passwords(PASSWORDS_FILE, self.passwords_file)
        password = known.get(organizer.lower())
        if password is None:
            raise Permanent(f"{PASSWORDS_FILE} has no line for {organizer}")
        return Login(name, password, shared=False)


# --- what comes of it ------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Replaced:
    """The new copy is in `folder`, and the old one is gone."""

    folder: str


@dataclass(frozen=True)
class Unchanged:
    """The copy in `folder` is as it should be."""

    folder: str


@dataclass(frozen=True)
class NotFound:
    """No folder of sent mail holds it: not yet, no more, or never."""


@dataclass(frozen=True)
class LeftAlone:
    """It was found, and `why` nothing was touched: another run would see the same."""

    why: str


Outcome = Replaced | Unchanged | NotFound | LeftAlone


@dataclass(frozen=True)
class Inspection:
    """What a look without any message told. `folders`: None where nobody's mailboxes were opened; `uidplus`: None
    where nobody logged in, since servers tell it only then.
    """

    folders: tuple[str, ...] | None
    uidplus: bool | None


class SentCopies:
    """One for the process; it holds no connection. `folder`: as users see it, "" for the server's own mark."""

    def __init__(self, server: Server, account: Account, folder: str = "") -> None:
        self._server = server
        self._account = account
        self._folder = folder

    async def replace(self, organizer: str, message_id: str, rewrite: Rewrite) -> Outcome:
        """`message_id`: with its angle brackets. `rewrite` gives the same for the same, None for its own."""
        if not _SEARCHABLE.fullmatch(message_id):
            return LeftAlone("its Message-ID cannot be searched for")
        async with logged_in(self._server, await self._account.of(organizer)) as session:
            for name in await sent_mailboxes(session, self._folder):
                outcome = await _Place(session, name, message_id, rewrite).settled()
                if not isinstance(outcome, NotFound):
                    return outcome
        return NotFound()

    async def inspect(self, organizer: str = "") -> Inspection:
        """Log in for `organizer`; without one only as the service account, which need not be a user itself."""
        if organizer:
            async with logged_in(self._server, await self._account.of(organizer)) as session:
                folders = await sent_mailboxes(session, self._folder)
                return Inspection(tuple(map(readable, folders)), session.offers("UIDPLUS"))
        async with connected(self._server) as connection:
            session = Session(connection)
            if self._account.auth == "authzid" and session.offers("AUTH=PLAIN"):
                with suppress(Misconfigured, Permanent):
                    await session.authenticate(Login(self._account.username, self._account.password))
                    return Inspection(None, session.offers("UIDPLUS"))
            return Inspection(None, None)


@dataclass(frozen=True)
class _View:
    """A mailbox and the copies in it, as one SELECT showed them."""

    selected: Selected
    choice: Choice


class _Place:
    """One message in one mailbox; `name` as on the wire."""

    def __init__(self, session: Session, name: str, message_id: str, rewrite: Rewrite) -> None:
        self._session = session
        self._name = name
        self._folder = readable(name)
        self._message_id = message_id
        self._rewrite = rewrite

    async def settled(self) -> Outcome:
        view = await self._looked()
        match view.choice:
            case Absent():
                return NotFound()
            case Done():
                return Unchanged(self._folder)
            case Unclear(why):
                return LeftAlone(f"{self._folder}: {why}")
            case Remove(uids):
                return await self._removed(view.selected, uids)
            case Append(old, content):
                return await self._replaced(view.selected, old, content)
            case _:
                assert_never(view.choice)

    async def _looked(self) -> _View:
        """Every time anew: what another client does meanwhile is seen, and no UID of an older UIDVALIDITY is used."""
        selected = await self._session.select(self._name)
        uids = await self._session.search("HEADER", "Message-ID", quoted(self._message_id))
        if len(uids) > MOST:
            return _View(selected, Unclear(f"{len(uids)} messages have such a Message-ID"))
        heads = await self._session.fetch(uids, "BODY.PEEK[HEADER.FIELDS (MESSAGE-ID)]") if uids else []
        ours = [head for head in heads if _message_id(head.content) == self._message_id]
        if any(head.size > LARGEST for head in ours):
            return _View(selected, Unclear(f"it is larger than {LARGEST} octets"))
        copies = await self._session.fetch([head.uid for head in ours], "BODY.PEEK[]") if ours else []
        return _View(selected, choose(copies, self._rewrite))

    async def _replaced(self, before: Selected, old: Message, content: bytes) -> Outcome:
        if self._session.largest is not None and len(content) > self._session.largest:
            return LeftAlone(f"{self._folder}: with the link it is larger than the server takes")
        await self._make_sure(before, ())
        await self._append(old, content)
        view = await self._looked()
        if view.selected.uidvalidity != before.uidvalidity:
            raise Temporary(f"{self._folder} was numbered anew meanwhile (UIDVALIDITY): nothing was removed")
        match view.choice:
            case Remove(uids):
                return await self._removed(view.selected, uids)
            case Done():
                return Replaced(self._folder)
            case Absent():
                raise Temporary(f"{self._folder}: both copies are gone, by another client")
            case Append() | Unclear():
                # Not again: every run would append one more.
                why = "the new copy is not seen as it was sent, and nothing was removed: does the server change it?"
                return LeftAlone(f"{self._folder}: {why}")
            case _:
                assert_never(view.choice)

    async def _append(self, old: Message, content: bytes) -> None:
        try:
            await self._session.append(self._name, content, old.flags, old.date)
        except Refused as refusal:
            error = refusal.error(self._session.server)
            raise type(error)(f"{error}; the copy in {self._folder} is as it was") from None

    async def _removed(self, selected: Selected, uids: tuple[int, ...]) -> Outcome:
        if not uids:
            return Unchanged(self._folder)
        await self._make_sure(selected, uids)
        await self._session.mark_deleted(uids)
        if self._session.offers("UIDPLUS"):
            await self._session.expunge(uids)
        else:
            await self._make_sure(selected, uids)
            await self._session.expunge_all()
        return Replaced(self._folder)

    async def _make_sure(self, selected: Selected, uids: tuple[int, ...]) -> None:
        """That `uids` can be removed, and no other message with them."""
        if not selected.removable:
            raise Permanent(
                f"messages in {self._folder} may not be deleted by this login: give it that right"
            )
        if self._session.offers("UIDPLUS"):
            return
        if others := set(await self._session.search("DELETED")) - set(uids):
            why = "other messages are marked as deleted, and the server can expunge only all of them (no UIDPLUS)"
            raise Temporary(f"{self._folder}: {len(others)} {why}")


def _message_id(head: bytes) -> str:
    """The value of the one field Message-ID; "" where there is none or more."""
    fields = BytesHeaderParser().parsebytes(head).get_all("Message-ID", [])
    return str(fields[0]).strip() if len(fields) == 1 else ""
