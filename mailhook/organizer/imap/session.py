"""The few commands of IMAP (RFC 3501) that a sent copy needs, as methods with values.

What: `logged_in` opens a session for one organizer; `Session` lists, selects, searches, fetches, appends, marks,
expunges. Messages are named by UID.

Not here: what is to be done (`sent`), the connection (`connection`).

Errors: those of `connection`; Misconfigured when a login that is the same for all is refused, Permanent when one
organizer's is; Temporary for an answer that cannot be read.
"""

import re
from base64 import b64encode
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from typing import TypeVar

from mailhook.errors import Misconfigured, Permanent, Temporary
from mailhook.organizer.imap.answers import Value, code, values
from mailhook.organizer.imap.connection import Connection, Line, Refused, connected
from mailhook.organizer.imap.names import quoted
from mailhook.organizer.imap.server import Server

T = TypeVar("T")

DELETED, RECENT = r"\Deleted", r"\Recent"


@dataclass(frozen=True)
class Login:
    """`user` shows who he is with `password`; `on_behalf_of`: whose mailboxes, "" for his own (RFC 4616).

    `shared`: the secret is the same for all organizers, so that nobody is served while it is refused.
    """

    user: str
    password: str = field(repr=False)
    on_behalf_of: str = ""
    shared: bool = True


@dataclass(frozen=True)
class Mailbox:
    """`name` as on the wire; `attributes` in lower case; `delimiter` "" in a flat hierarchy."""

    name: str
    attributes: frozenset[str]
    delimiter: str

    @property
    def selectable(self) -> bool:
        return not self.attributes & {r"\noselect", r"\nonexistent"}


@dataclass(frozen=True)
class Selected:
    """A mailbox as SELECT showed it. `removable`: messages can be marked \\Deleted there for good."""

    uidvalidity: str
    removable: bool


@dataclass(frozen=True)
class Message:
    """`date`: INTERNALDATE as it stood; `content` is what was asked for: some header fields, or all."""

    uid: int
    flags: tuple[str, ...]
    date: str
    size: int
    content: bytes


class Session:
    """Use `logged_in`."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    @property
    def server(self) -> Server:
        return self._connection.server

    def offers(self, capability: str) -> bool:
        return capability in self._connection.capabilities

    @property
    def largest(self) -> int | None:
        """APPENDLIMIT (RFC 7889) in octets, where it is the same for all mailboxes."""
        found = [name for name in self._connection.capabilities if re.fullmatch(r"APPENDLIMIT=\d+", name)]
        return int(found[0].partition("=")[2]) if found else None

    async def mailboxes(self, pattern: str, selection: str = "") -> list[Mailbox]:
        """RFC 3501 §6.3.8; `selection`: an option such as "(SPECIAL-USE)" (RFC 5258 §3.1)."""
        arguments = (*filter(None, (selection,)), '""', quoted(pattern))
        lines = (await self._told("LIST", *arguments))[:-1]
        return self._read(lambda: [_mailbox(*triple) for triple in _triples(values(lines))])

    async def prefix(self) -> tuple[str, str]:
        """Prefix and delimiter of the user's own mailboxes (RFC 2342); both "" where nobody tells."""
        if not self.offers("NAMESPACE"):
            return "", ""
        lines = (await self._told("NAMESPACE"))[:-1]
        return self._read(lambda: _personal(values(lines)))

    async def select(self, name: str) -> Selected:
        lines = await self._told("SELECT", quoted(name))
        texts = [bytes(line).decode("latin-1") for line in lines]
        codes = dict(code(text.removeprefix("OK ")) for text in texts if text.startswith(("OK [", "[")))
        flags = codes.get("PERMANENTFLAGS")
        removable = "READ-ONLY" not in codes and (flags is None or DELETED.lower() in flags.lower())
        if "UIDVALIDITY" not in codes:
            raise Permanent(f"{self.server} does not tell UIDVALIDITY: its messages cannot be named safely")
        return Selected(codes["UIDVALIDITY"], removable)

    async def search(self, *criteria: str) -> list[int]:
        """UIDs, in ascending order."""
        lines = (await self._told("SEARCH", *criteria, uid=True))[:-1]
        return self._read(lambda: sorted({int(str(number)) for number in values(lines)}))

    async def fetch(self, uids: Sequence[int], what: str) -> list[Message]:
        """`what`: one BODY.PEEK[…]. Messages that are gone are not in the answer."""
        numbers = ",".join(map(str, uids))
        items = f"(UID FLAGS INTERNALDATE RFC822.SIZE {what})"
        lines = (await self._told("FETCH", numbers, items, uid=True))[:-1]
        found = self._read(lambda: list(_messages(values(lines))))
        return [message for message in found if message.uid in uids]

    async def append(self, name: str, content: bytes, flags: Sequence[str], date: str) -> None:
        """RFC 3501 §6.3.11. Refused: NO."""
        arguments = (quoted(name), f"({' '.join(flags)})", f'"{date}"', f"{{{len(content)}}}")
        await self._connection.command("APPEND", *arguments, literal=content)

    async def mark_deleted(self, uids: Sequence[int]) -> None:
        numbers = ",".join(map(str, uids))
        await self._told("STORE", numbers, "+FLAGS.SILENT", f"({DELETED})", uid=True, heard_as="FETCH")

    async def expunge(self, uids: Sequence[int]) -> None:
        """UID EXPUNGE (RFC 4315 §2.1)."""
        await self._told("EXPUNGE", ",".join(map(str, uids)), uid=True)

    async def expunge_all(self) -> None:
        """Every message that is marked \\Deleted, whoever marked it."""
        await self._told("EXPUNGE")

    async def authenticate(self, login: Login) -> None:
        """SASL PLAIN where it is offered, else LOGIN, which cannot act on behalf of others."""
        try:
            if self.offers("AUTH=PLAIN"):
                secret = f"{login.on_behalf_of}\0{login.user}\0{login.password}"
                await self._connection.authenticate_plain(b64encode(secret.encode()).decode())
            elif login.on_behalf_of or self.offers("LOGINDISABLED"):
                raise Misconfigured(f"{self.server} does not offer AUTH=PLAIN: is organizer.imap.tls right?")
            else:
                await self._connection.command("LOGIN", quoted(login.user), quoted(login.password))
        except Refused as refusal:
            raise _not_let_in(self.server, login, refusal) from None
        await self._connection.refresh()

    async def _told(
        self, name: str, *arguments: str, uid: bool = False, heard_as: str = ""
    ) -> Sequence[Line]:
        try:
            return await self._connection.command(name, *arguments, uid=uid, heard_as=heard_as)
        except Refused as refusal:
            raise refusal.error(self.server) from None

    def _read(self, read: Callable[[], T]) -> T:
        with self._understood():
            return read()

    @contextmanager
    def _understood(self) -> Iterator[None]:
        try:
            yield
        except (ValueError, LookupError, TypeError) as error:
            raise Temporary(f"an answer of {self.server} cannot be read: {error}") from None


@asynccontextmanager
async def logged_in(server: Server, login: Login) -> AsyncIterator[Session]:
    async with connected(server) as connection:
        session = Session(connection)
        await session.authenticate(login)
        yield session


def _not_let_in(server: Server, login: Login, refusal: Refused) -> Exception:
    who = f"{login.user} on behalf of {login.on_behalf_of}" if login.on_behalf_of else login.user
    what = f"{server} refuses the login of {who}: {refusal.text}"
    match refusal.code:
        case "UNAVAILABLE" | "LIMIT" | "INUSE" | "SERVERBUG" | "CONTACTADMIN":
            return Temporary(what)
        case "AUTHORIZATIONFAILED":
            return Permanent(what)
        case _:
            return Misconfigured(what) if login.shared else Permanent(what)


# --- answers ---------------------------------------------------------------------------------------------------


def _triples(read: list[Value]) -> Iterator[tuple[Value, Value, Value]]:
    """Of LIST: attributes, delimiter, name; and from RFC 5258 on perhaps a list of extended data after them."""
    rest = list(read)
    while rest:
        yield rest[0], rest[1], rest[2]
        extended = len(rest) > 4 and isinstance(rest[3], list) and isinstance(rest[4], list)
        rest = rest[4:] if extended or (len(rest) == 4 and isinstance(rest[3], list)) else rest[3:]


def _mailbox(attributes: Value, delimiter: Value, name: Value) -> Mailbox:
    if not isinstance(attributes, list):
        raise ValueError("a mailbox has no attributes")
    flags = frozenset(str(flag).lower() for flag in attributes)
    return Mailbox(_text(name), flags, _text(delimiter) if isinstance(delimiter, bytes) else "")


def _personal(read: list[Value]) -> tuple[str, str]:
    match read:
        case [[[bytes(prefix), delimiter, *_], *_], *_]:
            return _text(prefix), _text(delimiter) if isinstance(delimiter, bytes) else ""
        case _:
            return "", ""


def _messages(read: list[Value]) -> Iterator[Message]:
    """Of FETCH: number, "FETCH", list. What tells only of changed flags is not asked for."""
    for at in range(0, len(read), 3):
        number, word, items = read[at : at + 3]
        if not isinstance(items, list) or word != "FETCH" or not str(number).isdecimal():
            raise ValueError("it is no FETCH")
        told = {str(items[i]).upper(): items[i + 1] for i in range(0, len(items), 2)}
        body = next((value for name, value in told.items() if name.startswith("BODY[")), None)
        if isinstance(body, bytes) and {"UID", "FLAGS", "INTERNALDATE", "RFC822.SIZE"} <= set(told):
            yield _message(told, body)


def _message(told: dict[str, Value], body: bytes) -> Message:
    flags = told["FLAGS"]
    return Message(
        int(str(told["UID"])),
        tuple(str(flag) for flag in flags if str(flag).lower() != RECENT.lower()),
        _text(told["INTERNALDATE"]),
        int(str(told["RFC822.SIZE"])),
        body,
    )


def _text(value: Value) -> str:
    match value:
        case bytes():
            return value.decode("utf-8")
        case str():
            return value
        case _:
            raise ValueError("there is a list where a string should be")
