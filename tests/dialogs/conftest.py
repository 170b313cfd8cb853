"""The real listener, a reception that passes everything on, the real pool, and next hops to speak with."""

import asyncio
import contextlib
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from mailhook import texts
from mailhook.app import utc_now
from mailhook.config import Settings
from mailhook.errors import Temporary
from mailhook.flight import Flight
from mailhook.front.dialogue import Terms
from mailhook.front.listener import Listener
from mailhook.front.sink import Sink
from mailhook.nexthop.pool import Pool
from mailhook.phrasebook import Phrasebook
from mailhook.pipeline import Pipeline
from mailhook.ports import Answered, Client, Content, Delivery, HopTransaction, NextHop, Reception
from mailhook.relay import Relay
from mailhook.smtp.commands import Mail, Rcpt
from mailhook.smtp.ehlo import Capabilities
from mailhook.smtp.replies import LOCAL_ERROR, Reply, ReplyParser
from mailhook.store.sqlite import SqliteStore
from tests.scripted import Scripted

Hop = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


def reset(writer: asyncio.StreamWriter) -> None:
    """Cut the connection with a RST."""
    linger = struct.pack("ii", 1, 0)
    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
    writer.transport.abort()


@dataclass
class Passing:
    """A submission without any opinion; `gate` is where an invitation would wait for its conference."""

    hop: HopTransaction
    gate: asyncio.Event
    deliveries: "asyncio.Queue[Delivery]"
    waiting: asyncio.Event
    candidates: list[bool]

    async def envelope(self, commands: Sequence[Mail | Rcpt]) -> list[Reply]:
        try:
            return await self.hop.envelope(commands)
        except Temporary:
            return [LOCAL_ERROR] * len(commands)

    async def content(self, content: Content, candidate: bool) -> Reply:
        self.candidates.append(candidate)
        self.waiting.set()
        await self.gate.wait()
        delivery = await self.hop.deliver(content)
        self.deliveries.put_nowait(delivery)
        return delivery.reply if isinstance(delivery, Answered) else LOCAL_ERROR

    async def abort(self, why: str = "") -> None:
        await self.hop.abandon()


@dataclass
class PassThrough:
    next_hop: NextHop
    gate: asyncio.Event = field(default_factory=asyncio.Event)
    waiting: asyncio.Event = field(default_factory=asyncio.Event)
    deliveries: "asyncio.Queue[Delivery]" = field(default_factory=asyncio.Queue)
    candidates: list[bool] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.gate.set()

    async def capabilities(self) -> Capabilities:
        return await self.next_hop.capabilities()

    def submission(self, client: Client) -> Passing:
        hop = self.next_hop.transaction(client)
        return Passing(hop, self.gate, self.deliveries, self.waiting, self.candidates)


@dataclass
class Peer:
    """A client that says exactly what it is told to say."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    parser: ReplyParser = field(default_factory=ReplyParser)
    replies: list[Reply] = field(default_factory=list)

    async def say(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def hear(self, count: int = 1) -> list[Reply]:
        """The next replies; EOFError if the connection ends before."""
        while len(self.replies) < count:
            data = await self.reader.read(65536)
            if not data:
                raise EOFError(f"closed, with {self.replies} said")
            self.replies += self.parser.feed(data)
        heard, self.replies = self.replies[:count], self.replies[count:]
        return heard

    async def ask(self, data: bytes) -> Reply:
        await self.say(data)
        return (await self.hear())[0]

    async def codes(self, data: bytes, count: int) -> list[int]:
        await self.say(data)
        return [reply.code for reply in await self.hear(count)]

    def reset(self) -> None:
        reset(self.writer)

    async def closed(self) -> bool:
        """Wait until the other side has closed; True if it said nothing more."""
        with contextlib.suppress(ConnectionError):
            return not self.replies and await self.reader.read(65536) == b""
        return True


@dataclass
class Rig:
    """Everything with which a test may play; `port` is the next hop's."""

    stack: contextlib.AsyncExitStack
    sink: Sink = field(default_factory=Sink)
    listeners: list[Listener] = field(default_factory=list)
    hops: list[asyncio.Server] = field(default_factory=list)

    async def sink_port(self) -> int:
        await self.sink.start()
        self.stack.push_async_callback(self.sink.close)
        return self.sink.port

    async def hop_port(self, hop: Hop) -> int:
        """A next hop that is a function of the connection."""
        tasks: set[asyncio.Task[None]] = set()

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            with contextlib.suppress(OSError, EOFError):
                await hop(reader, writer)

        def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = asyncio.create_task(serve(reader, writer))
            tasks.add(task)
            # Also where it is cancelled before its first step.
            task.add_done_callback(lambda _: writer.close())

        async def stop() -> None:
            server.close()
            for task in tasks:
                task.cancel()
            for result in await asyncio.gather(*tasks, return_exceptions=True):
                if isinstance(result, Exception):
                    raise result

        server = await asyncio.start_server(accept, "127.0.0.1", 0)
        self.hops.append(server)
        self.stack.push_async_callback(stop)
        return int(server.sockets[0].getsockname()[1])

    async def pool(self, port: int, *, limit: int = 20, idle: float = 60.0, seconds: float = 30.0) -> Pool:
        pool = Pool(
            "127.0.0.1",
            port,
            hostname="mailhook.test",
            connect_timeout=seconds,
            command_timeout=seconds,
            data_timeout=seconds,
            limit=limit,
            idle=idle,
        )
        self.stack.push_async_callback(pool.close)
        return pool

    async def listener(self, reception: Reception, terms: Terms | None = None) -> Listener:
        listener = Listener(reception, terms or Terms("mailhook.test"))
        await listener.start()
        self.listeners.append(listener)
        self.stack.push_async_callback(listener.drain, 0)
        return listener

    async def relaying(self, port: int, file: Path, seconds: float) -> Listener:
        """A listener with the whole of a relay behind it."""
        settings = Settings()
        store = await SqliteStore.open(str(file), utc_now)
        self.stack.push_async_callback(store.close)
        flight = Flight(store, Scripted(), b"secret", settings.policy)
        self.stack.push_async_callback(flight.close)
        blocks, manner = Phrasebook(settings).blocks, texts.manner(settings)
        pipeline = Pipeline(store, flight, settings.policy, blocks, manner, Scripted.identity, utc_now)
        pool = await self.pool(port, seconds=seconds)
        return await self.listener(Relay(pool, pipeline, store, settings.policy))

    async def client(self, listener: Listener, hello: bytes = b"EHLO client.test\r\n") -> Peer:
        """Connected, greeted, and introduced unless `hello` is empty."""
        peer = await self.connect(listener)
        assert (await peer.hear())[0].code == 220
        if hello:
            assert (await peer.ask(hello)).code == 250
        return peer

    async def connect(self, listener: Listener) -> Peer:
        return await self.dial(listener.port)

    async def dial(self, port: int) -> Peer:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        self.stack.callback(writer.close)
        return Peer(reader, writer)

    async def through(self, terms: Terms | None = None) -> tuple[Peer, PassThrough]:
        """A client of a listener that relays to the sink."""
        reception = PassThrough(await self.pool(await self.sink_port()))
        return await self.client(await self.listener(reception, terms)), reception


@pytest.fixture
async def rig() -> AsyncIterator[Rig]:
    async with contextlib.AsyncExitStack() as stack:
        yield Rig(stack)
