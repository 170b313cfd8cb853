"""The composition root: how the parts are put together, and how they start and stop.

What: `running` builds everything that the settings name, in the order in which it is needed, and stops it in the
reverse order.

Not here: what the parts do, and the processes of `mailhook serve` (`supervisor`, `worker`).

Errors: Misconfigured and Temporary from starting; OSError when the listener's address is taken.
"""

import asyncio
import signal
import socket
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

from mailhook import chosen_provider, journal, sides, texts
from mailhook.config import Settings
from mailhook.courier import Courier
from mailhook.flight import Flight
from mailhook.front import descriptors
from mailhook.front.listener import Listener
from mailhook.guard import Guard
from mailhook.monitoring import Monitor
from mailhook.organizer.notice import MailNotifier
from mailhook.own_copies import make_scribes, seen_kinds
from mailhook.phrasebook import Phrasebook
from mailhook.pipeline import Pipeline
from mailhook.ports import NextHop, Provider, Reception, Store
from mailhook.provider.sandbox import Sandbox
from mailhook.relay import Relay
from mailhook.scribe import Scribe
from mailhook.store.file import Access
from mailhook.store.sqlite import SqliteStore
from mailhook.sync import Sync

Clock = Callable[[], datetime]


def utc_now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True)
class App:
    """What runs. `sandbox` and `courier` are there if the settings ask for them."""

    settings: Settings
    store: SqliteStore
    provider: Provider
    flight: Flight
    sync: Sync
    courier: Courier | None
    scribes: tuple[Scribe, ...]
    listener: Listener
    sandbox: Sandbox | None
    monitor: Monitor


@dataclass(frozen=True)
class Given:
    """What a worker of `serve` has from its supervisor, and shares with others.

    `smtp`, `http`: sockets that listen; `templates`: as they were read, language/file → source; `secret`: the store's,
    which was in order when it was read, and need not be now; `sandbox_port`: where the local Videomost is, if there is
    one.
    """

    smtp: tuple[socket.socket, ...]
    http: tuple[socket.socket, ...]
    templates: Mapping[str, str]
    secret: bytes
    sandbox_port: int = 0


@asynccontextmanager
async def running(
    settings: Settings,
    clock: Clock = utc_now,
    watch: Callable[[Reception], Reception] = lambda relay: relay,
    given: Given | None = None,
) -> AsyncIterator[App]:
    """Everything, started and accepting mail; leaving the context drains and stops it.

    `watch` may stand between listener and relay: the demo looks at the mail there. What is `given` is not made here.
    """
    async with AsyncExitStack() as stack:
        if given is None:
            store = await open_store(settings, clock, stack)
            secret, sandbox = await store.secret(), await chosen_provider.start_sandbox(settings, stack)
        else:
            store, secret, sandbox = _known_store(settings, clock, stack), given.secret, None
            settings = chosen_provider.with_sandbox_at(settings, given.sandbox_port)
        policy = settings.policy
        provider = Guard(chosen_provider.make_provider(settings, sandbox, stack, secret), clock)
        flight = Flight(store, provider, secret, policy)
        stack.push_async_callback(flight.close)
        sync = Sync(store, provider, flight, secret, policy, settings.store.keep, clock)
        await stack.enter_async_context(background(sync.run()))
        hop = sides.make_pool(settings)
        stack.push_async_callback(hop.close)
        phrases = Phrasebook(settings, given.templates if given else None)
        courier = make_courier(settings, store, hop, phrases, clock)
        if courier is not None:
            await stack.enter_async_context(background(courier.run()))
        scribes = make_scribes(settings, store, phrases, stack)
        for scribe in scribes:
            await stack.enter_async_context(background(scribe.run()))
        pipeline = Pipeline(
            store, flight, policy, phrases.blocks, texts.manner(settings), provider.identity, clock
        )
        descriptors.survive(asyncio.get_running_loop())
        listener = Listener(watch(Relay(hop, pipeline, store, policy)), sides.terms(settings))
        monitor = Monitor(settings, store, hop, provider, listener, clock)
        await stack.enter_async_context(monitor.counting())
        if given is None:
            await listener.start(settings.listen.host, settings.listen.port)
        else:
            await listener.start(sockets=given.smtp)
        stack.push_async_callback(listener.drain, sides.longest_transaction(settings))
        yield App(settings, store, provider, flight, sync, courier, scribes, listener, sandbox, monitor)


async def open_store(
    settings: Settings, clock: Clock, stack: AsyncExitStack, access: Access = "make"
) -> SqliteStore:
    store = await SqliteStore.open(settings.store.path, clock, access=access)
    stack.push_async_callback(store.close)
    return store


def _known_store(settings: Settings, clock: Clock, stack: AsyncExitStack) -> SqliteStore:
    store = SqliteStore.known(settings.store.path, clock)
    stack.push_async_callback(store.close)
    return store


async def secret_of_store(settings: Settings) -> bytes:
    """Opens the store for a moment: made and migrated where needed. Temporary, Misconfigured: it is not in order."""
    async with AsyncExitStack() as stack:
        return await (await open_store(settings, utc_now, stack)).secret()


def make_courier(
    settings: Settings, store: Store, hop: NextHop, phrases: Phrasebook, clock: Clock
) -> Courier | None:
    own = settings.organizer.notice
    if not own.enabled:
        return None
    notifier = MailNotifier(
        hop, phrases.notices, own.sender, own.sender_name, sides.own_name(settings), clock
    )
    return Courier(store, notifier, own.when, settings.policy, seen_kinds(settings))


@asynccontextmanager
async def background(work: Coroutine[object, object, None]) -> AsyncIterator[None]:
    """Runs `work` until the context is left, and leaves it only when the work has ended."""
    task = asyncio.create_task(work)
    task.add_done_callback(_tell_of_death)
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait({task})


def _tell_of_death(task: "asyncio.Task[None]") -> None:
    if not task.cancelled() and (fault := task.exception()) is not None:
        journal.event("worker-died", error=f"{type(fault).__name__}: {fault}; restart mailhook")


async def stop_signal() -> None:
    """Wait for SIGTERM or SIGINT."""
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    await stop.wait()
