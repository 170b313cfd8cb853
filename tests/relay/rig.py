"""The whole relay in this process, between a client that a test leads and a receiving server it looks into.

What: `world` starts a local Videomost, a sink and mailhook on free ports, with a clock that the test moves; `Client`
speaks SMTP.

Not here: the mails (mails), expectations.
"""

import asyncio
import logging
import sqlite3
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, closing, contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from mailhook.app import App, running
from mailhook.config import (
    CalDavSettings,
    Http,
    ImapSettings,
    Listen,
    NextHop,
    NoticeSettings,
    Organizer,
    PolicySettings,
    Provider,
    Rewrite,
    Settings,
    StoreSettings,
    VideomostSettings,
)
from mailhook.core.copies import FIRST_LOOK, SETTLE
from mailhook.core.itip import canonical
from mailhook.core.meeting import Meeting, MeetingKey
from mailhook.front.sink import Received, Sink
from mailhook.provider.sandbox import Sandbox
from mailhook.provider.sandbox_rooms import Room
from mailhook.smtp.content import dot_stuff
from mailhook.smtp.replies import Reply, ReplyParser
from mailhook.store.sqlite import SqliteStore
from tests.relay.mails import ANNA, IVAN, NOW, PUBLIC

SECRET = bytes(range(32))
ROUNDS = 4
"""Looks at a copy after which it is found as it should be: wait, write, find."""

PATIENCE = 30.0
"""Seconds after which a test that waits for something has failed."""


@dataclass
class Clock:
    now: datetime = NOW

    def __call__(self) -> datetime:
        return self.now

    def forward(self, by: timedelta) -> None:
        self.now += by


@contextmanager
def stories() -> Iterator[list[dict[str, Any]]]:
    """The fields of the line that is told of each message, in order."""
    told: list[dict[str, Any]] = []

    class Listening(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if record.getMessage() == "message":
                told.append(vars(record)["fields"])

    log, handler = logging.getLogger("mailhook"), Listening()
    level = log.level
    log.addHandler(handler)
    log.setLevel(logging.INFO)
    try:
        yield told
    finally:
        log.removeHandler(handler)
        log.setLevel(level)


@dataclass
class Client:
    """One SMTP connection. A connection that ends while a reply is awaited raises EOFError."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    parser: ReplyParser = field(default_factory=ReplyParser)
    heard: list[Reply] = field(default_factory=list)

    @classmethod
    async def connect(cls, port: int) -> Self:
        """Greeted and introduced."""
        client = cls(*await asyncio.open_connection("127.0.0.1", port))
        try:
            await client.hear()
            await client.ask(b"EHLO client.test\r\n")
        except BaseException:
            client.writer.close()
            raise
        return client

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self.writer.close()

    async def hear(self) -> Reply:
        async with asyncio.timeout(PATIENCE):
            while not self.heard:
                data = await self.reader.read(65536)
                if not data:
                    raise EOFError("the connection was closed")
                self.heard += self.parser.feed(data)
        return self.heard.pop(0)

    async def ask(self, data: bytes) -> Reply:
        self.writer.write(data)
        await self.writer.drain()
        return await self.hear()

    async def envelope(self, sender: str, *recipients: str) -> list[Reply]:
        replies = [await self.ask(f"MAIL FROM:<{sender}>\r\n".encode())]
        for recipient in recipients:
            replies.append(await self.ask(f"RCPT TO:<{recipient}>\r\n".encode()))
        return replies

    async def begin(self, content: bytes, sender: str, *recipients: str) -> None:
        """Everything up to the final dot, but without awaiting the reply to that."""
        await self.envelope(sender, *recipients)
        assert (await self.ask(b"DATA\r\n")).code == 354
        self.writer.write(dot_stuff(content) + b".\r\n")
        await self.writer.drain()

    async def content(self, content: bytes) -> Reply:
        """The reply to the final dot, where everything before it has been said."""
        return await self.ask(dot_stuff(content) + b".\r\n")

    async def send(self, content: bytes, sender: str, *recipients: str) -> Reply:
        """The reply to the final dot."""
        await self.begin(content, sender, *recipients)
        return await self.hear()


@dataclass
class World:
    """`port`: where mail is handed in."""

    app: App
    sandbox: Sandbox
    sink: Sink
    clock: Clock
    stories: list[dict[str, Any]]

    @property
    def port(self) -> int:
        return self.app.listener.port

    @property
    def messages(self) -> list[Received]:
        return self.sink.messages

    async def send(self, content: bytes, sender: str = IVAN, *recipients: str) -> Reply:
        """By a connection of its own."""
        async with await Client.connect(self.port) as client:
            return await client.send(content, sender, *(recipients or (ANNA,)))

    async def passes(self, content: bytes, sender: str = IVAN, *recipients: str) -> bytes:
        """What arrives of a mail that is accepted."""
        known = len(self.messages)
        reply = await self.send(content, sender, *(recipients or (ANNA,)))
        assert reply.code == 250, reply
        assert len(self.messages) == known + 1
        return self.messages[-1].content

    async def settle(self) -> None:
        """Until the worker has done all that is due at the clock's time."""
        async with asyncio.timeout(PATIENCE):
            while await self.app.sync.once() or any(m.lease for m in await self.app.store.all()):
                pass

    async def written(self) -> None:
        """Until the copies of the organizers' events are as they should be, or have to wait for their next try."""
        for _ in range(ROUNDS):
            await self.written_once()

    async def written_once(self) -> None:
        await self.settle()
        for scribe in self.app.scribes:
            await scribe.once()
        self.clock.forward(SETTLE)

    async def looked(self) -> None:
        """Once more at all copies that are as they should be."""
        self.clock.forward(FIRST_LOOK)
        await self.written_once()
        await self.settle()

    async def meeting(self, uid: str, organizer: str = IVAN) -> Meeting | None:
        return await self.app.store.get(MeetingKey(canonical(organizer, {}), uid))

    def rooms(self) -> list[Room]:
        return list(self.sandbox.conferences.values())

    def calls(self, operation: str) -> int:
        """How many requests of that kind Videomost has had."""
        return sum(counter[operation] for counter in self.sandbox.counts.values())

    def link(self) -> str:
        """Of the only room."""
        (room,) = self.rooms()
        return self.sandbox.link(room)


def settings_for(
    sandbox_url: str,
    hop: int,
    policy: Mapping[str, Any] | None = None,
    store: str = ":memory:",
    port: int = 0,
    videomost: Mapping[str, Any] | None = None,
    notice: Mapping[str, Any] | None = None,
    caldav: Mapping[str, Any] | None = None,
    imap: Mapping[str, Any] | None = None,
    rewrite: Mapping[str, Any] | None = None,
    http: Mapping[str, Any] | None = None,
    listen: Mapping[str, Any] | None = None,
) -> Settings:
    rules: dict[str, Any] = {"organizer_domains": ("corp.example",), **(policy or {})}
    hosts = ("127.0.0.1", PUBLIC.partition("://")[2])
    return Settings(
        listen=Listen(**{"port": port, "hostname": "mailhook.test", **(listen or {})}),
        nexthop=NextHop(port=hop),
        provider=Provider(
            kind="videomost",
            videomost=VideomostSettings(
                **{"base_url": sandbox_url, "link_hosts": hosts, **(videomost or {})}
            ),
        ),
        store=StoreSettings(path=store),
        policy=PolicySettings(**rules),
        rewrite=Rewrite(**(rewrite or {})),
        http=Http(**(http or {})),
        organizer=Organizer(
            notice=NoticeSettings(**(notice or {})),
            caldav=CalDavSettings(**(caldav or {})),
            imap=ImapSettings(**(imap or {})),
        ),
    )


@asynccontextmanager
async def world(
    policy: Mapping[str, Any] | None = None,
    *,
    store: str = ":memory:",
    clock: Clock | None = None,
    sink: Sink | None = None,
    port: int = 0,
    videomost: Mapping[str, Any] | None = None,
    notice: Mapping[str, Any] | None = None,
    caldav: Mapping[str, Any] | None = None,
    imap: Mapping[str, Any] | None = None,
    rewrite: Mapping[str, Any] | None = None,
    http: Mapping[str, Any] | None = None,
    listen: Mapping[str, Any] | None = None,
) -> AsyncIterator[World]:
    """`port`: where mail is handed in, by default any that is free; the mappings are sections of the settings."""
    clock = clock or Clock()
    async with AsyncExitStack() as stack:
        told = stack.enter_context(stories())
        sandbox, sink = Sandbox(public_url=PUBLIC), sink or Sink()
        await sandbox.start()
        stack.push_async_callback(sandbox.stop)
        await sink.start()
        stack.push_async_callback(sink.close)
        settings = settings_for(
            sandbox.url,
            sink.port,
            policy,
            store,
            port,
            videomost,
            notice,
            caldav,
            imap,
            rewrite,
            http,
            listen,
        )
        app = await stack.enter_async_context(running(settings, clock))
        yield World(app, sandbox, sink, clock, told)


async def with_secret(path: Path) -> str:
    """A store whose secret is SECRET, so that conferences have the same ids in every run."""
    store = await SqliteStore.open(path, Clock())
    await store.secret()
    await store.close()
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE secret SET value = ?", (SECRET,))
    return str(path)


async def until(condition: Callable[[], bool]) -> None:
    """Let others run until `condition` holds."""
    async with asyncio.timeout(PATIENCE):
        while not condition():  # noqa: ASYNC110 - it may be anything, and tells nobody
            await asyncio.sleep(0.005)
