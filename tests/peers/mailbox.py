"""A user's mailboxes, as another client sees them: imaplib."""

import imaplib
import re
from asyncio import to_thread
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar

T = TypeVar("T")

DATE = '" 7-Nov-2026 10:11:12 +0300"'


@dataclass(frozen=True)
class Stored:
    """`flags` without \\Recent."""

    uid: int
    flags: frozenset[str]
    date: str
    content: bytes


@dataclass(frozen=True)
class Mailbox:
    """`folder`: its name as on the wire."""

    port: int
    user: str
    password: str
    folder: str = "Sent"

    async def fill(self, content: bytes, flags: str = "(\\Seen)", date: str = DATE) -> None:
        await self._told(lambda client: client.append(self._name, flags, date, content))

    async def create(self) -> None:
        await self._told(lambda client: client.create(self._name))

    async def delete(self) -> None:
        await self._told(lambda client: client.delete(self._name))

    async def hold(self, *messages: tuple[bytes, str]) -> None:
        """These, each with its flags, and nothing else."""

        def held(client: imaplib.IMAP4) -> None:
            client.uid("STORE", "1:*", "+FLAGS", "(\\Deleted)")
            client.expunge()
            for content, flags in messages:
                client.append(self._name, flags, DATE, content)

        await self._selected(held)

    async def flag(self, uid: int, flags: str) -> None:
        await self._selected(lambda client: client.uid("STORE", str(uid), "+FLAGS", flags))

    async def expunge(self, uid: int) -> None:
        def gone(client: imaplib.IMAP4) -> object:
            client.uid("STORE", str(uid), "+FLAGS", "(\\Deleted)")
            return client.uid("EXPUNGE", str(uid))

        await self._selected(gone)

    async def messages(self) -> list[Stored]:
        return await self._selected(_messages)

    @property
    def _name(self) -> str:
        escaped = self.folder.replace("\\", "\\\\").replace('"', '\\"')
        return f'"{escaped}"'

    async def _selected(self, act: Callable[[imaplib.IMAP4], T]) -> T:
        def acted(client: imaplib.IMAP4) -> T:
            assert client.select(self._name)[0] == "OK"
            return act(client)

        return await self._told(acted)

    async def _told(self, act: Callable[[imaplib.IMAP4], T]) -> T:
        def told() -> T:
            with self._client() as client:
                return act(client)

        return await to_thread(told)

    @contextmanager
    def _client(self) -> Iterator[imaplib.IMAP4]:
        with imaplib.IMAP4("127.0.0.1", self.port) as client:
            client.login(self.user, self.password)
            yield client


def _messages(client: imaplib.IMAP4) -> list[Stored]:
    _, found = client.uid("SEARCH", "ALL")
    return [_message(client, uid.decode()) for uid in found[0].split()]


def _message(client: imaplib.IMAP4, uid: str) -> Stored:
    _, parts = client.uid("FETCH", uid, "(FLAGS INTERNALDATE BODY.PEEK[])")
    head, content = next(part for part in parts if isinstance(part, tuple))
    text = b" ".join(part if isinstance(part, bytes) else part[0] for part in parts).decode()
    flags = re.search(r"FLAGS \((.*?)\)", text)
    date = re.search(r'INTERNALDATE (".*?")', text)
    assert head
    assert flags
    assert date
    return Stored(int(uid), frozenset(flags[1].split()) - {"\\Recent"}, date[1], content)
