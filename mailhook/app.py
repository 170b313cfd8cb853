"""The composition root: how the parts are put together, and how they start and stop.

What: `running` builds everything that the settings name, in the order in which it is needed, and stops it in the
reverse order.

Not here: what the parts do, and the processes of `mailhook serve` (`supervisor`, `worker`).

Errors: Misconfigured and Temporary from starting; OSError when the listener's address is taken.
"""

import asyncio
import signal
import socket
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import assert_never

from mailhook import journal, texts
from mailhook.config import Problem, Settings, VideomostSettings
from mailhook.config.problem import is_secret
from mailhook.courier import Courier
from mailhook.errors import Misconfigured
from mailhook.flight import Flight
from mailhook.front import descriptors
from mailhook.front.dialogue import Terms
from mailhook.front.limits import Limits
from mailhook.front.smtp import Listener
from mailhook.guard import Guard
from mailhook.monitoring import Monitor
from mailhook.nexthop.pool import Pool
from mailhook.organizer.notice import MailNotifier
from mailhook.own_copies import make_scribes, seen_kinds
from mailhook.phrasebook import Phrasebook, template_problems
from mailhook.pipeline import Pipeline
from mailhook.ports import NextHop, Provider, Reception, Store
from mailhook.provider import external
from mailhook.provider.route import Route
from mailhook.provider.sandbox import Sandbox
from mailhook.provider.session import Witness
from mailhook.provider.videomost import Videomost
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
            secret, sandbox = await store.secret(), await start_sandbox(settings, stack)
        else:
            store, secret, sandbox = _known_store(settings, clock, stack), given.secret, None
            settings = _with_sandbox_at(settings, given.sandbox_port)
        policy = settings.policy
        provider = Guard(make_provider(settings, sandbox, stack, secret), clock)
        flight = Flight(store, provider, secret, policy)
        stack.push_async_callback(flight.close)
        sync = Sync(store, provider, flight, secret, policy, settings.store.keep, clock)
        await stack.enter_async_context(background(sync.run()))
        hop = make_pool(settings)
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
        listener = Listener(watch(Relay(hop, pipeline, store, policy)), terms(settings))
        monitor = Monitor(settings, store, hop, provider, listener, clock)
        await stack.enter_async_context(monitor.counting())
        if given is None:
            await listener.start(settings.listen.host, settings.listen.port)
        else:
            await listener.start(sockets=given.smtp)
        stack.push_async_callback(listener.drain, longest_transaction(settings))
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


async def start_sandbox(settings: Settings, stack: AsyncExitStack) -> Sandbox | None:
    if settings.provider.kind != "sandbox":
        return None
    own = settings.provider.sandbox
    sandbox = Sandbox(public_url=own.public_url, state=Path(own.state) if own.state else None)
    await sandbox.start(own.host, own.port)
    stack.push_async_callback(sandbox.stop)
    return sandbox


def _with_sandbox_at(settings: Settings, port: int) -> Settings:
    """The settings, with the port that the local Videomost really has."""
    sandbox = settings.provider.sandbox.model_copy(update={"port": port})
    return settings.model_copy(update={"provider": settings.provider.model_copy(update={"sandbox": sandbox})})


def make_provider(
    settings: Settings,
    sandbox: Sandbox | None,
    stack: AsyncExitStack,
    secret: bytes,
    witness: Witness | None = None,
) -> Provider:
    """What the settings name, without a guard; `secret`: the store's; `witness` sees every HTTP exchange."""
    provider = _provider(settings, sandbox, secret, witness)
    stack.push_async_callback(provider.close)
    return provider


def _provider(
    settings: Settings, sandbox: Sandbox | None, secret: bytes, witness: Witness | None
) -> Provider:
    kind = settings.provider.kind
    match kind:
        case "sandbox":
            own = settings.provider.sandbox
            base = sandbox.url if sandbox else f"http://{own.host}:{own.port}"
            hosts = texts.link_hosts(own.public_url or base)
            return Videomost(base, link_hosts=hosts, kind="sandbox", witness=witness)
        case "videomost":
            return _videomost(settings.provider.videomost, secret, witness)
        case "external":
            own_file = settings.provider.external
            seconds = own_file.timeout.total_seconds()
            return external.load(Path(own_file.file), own_file.options, own_file.link_hosts, seconds)
        case None:
            raise Misconfigured('provider.kind is missing: "videomost", or "sandbox" to try mailhook out')
        case _:
            assert_never(kind)


def _videomost(vm: VideomostSettings, secret: bytes, witness: Witness | None) -> Videomost:
    return Videomost(
        vm.base_url,
        token=vm.token,
        link_hosts=vm.link_hosts,
        fallback_owner=vm.fallback_owner,
        timeout=vm.timeout.total_seconds(),
        transport=vm.transport,
        mode=vm.mode,
        secret=secret,
        route=Route(vm.ca_file, vm.client_cert_file, vm.client_key_file, vm.proxy),
        witness=witness,
    )


def secrets(settings: Settings) -> tuple[str, ...]:
    """What must not be shown of an exchange with the provider."""
    vm, options = settings.provider.videomost, settings.provider.external.options
    hidden = (str(value) for name, value in options.items() if is_secret(name))
    return tuple(filter(None, (vm.token, vm.auth.password, *hidden)))


def provider_problems(settings: Settings, known: Sequence[Problem]) -> list[Problem]:
    """What keeps the provider from being made: certificates, and the Python file of an external one.

    Nothing where errors among those that are `known` already say so.
    """
    where = {"videomost": "provider.videomost", "external": "provider.external.file"}
    key = where.get(settings.provider.kind or "")
    if key is None or any(f"{each.key}.".startswith(f"{key}.") for each in known if not each.warning):
        return []
    try:
        _provider(settings, None, b"", None)
    except Misconfigured as error:
        return [Problem(key, "", line) for line in str(error).splitlines()]
    return []


def tried(settings: Settings, known: Sequence[Problem]) -> list[Problem]:
    """What shows only when the provider and the wording are made."""
    return [*provider_problems(settings, known), *template_problems(settings)]


def make_pool(settings: Settings) -> Pool:
    hop = settings.nexthop
    return Pool(
        hop.host,
        hop.port,
        hostname=own_name(settings),
        connect_timeout=hop.connect_timeout.total_seconds(),
        command_timeout=hop.command_timeout.total_seconds(),
        data_timeout=hop.data_timeout.total_seconds(),
        limit=hop.max_sessions,
    )


def longest_transaction(settings: Settings) -> float:
    """Seconds that a mail may take after its content: a stop waits as long, for what is cut is delivered twice."""
    return (settings.policy.deadline + settings.nexthop.data_timeout).total_seconds()


def own_name(settings: Settings) -> str:
    name = settings.listen.hostname or socket.gethostname()
    return name if name and name.isascii() else "localhost"


def terms(settings: Settings) -> Terms:
    listen = settings.listen
    return Terms(
        hostname=own_name(settings),
        allow=tuple(str(network) for network in listen.allow),
        max_size=listen.max_size,
        timeout=listen.timeout.total_seconds(),
        limits=Limits(
            max_connections=connections(settings),
            max_connections_per_peer=listen.max_connections_per_peer,
            max_transactions=listen.max_transactions,
            sessions=settings.nexthop.max_sessions,
            max_in_flight=listen.max_in_flight,
        ),
    )


def connections(settings: Settings) -> int:
    """How many clients may be connected: as many as the settings say, if there are file descriptors for them."""
    wanted = settings.listen.max_connections
    # A large message is in a file.
    others = settings.nexthop.max_sessions + settings.listen.max_transactions
    to_be_had = max(descriptors.provide(wanted + others) - others, 1)
    if to_be_had < wanted:
        journal.event("few-descriptors", error=f"only {to_be_had} connections are taken; raise LimitNOFILE")
    return to_be_had


def make_courier(
    settings: Settings, store: Store, hop: NextHop, phrases: Phrasebook, clock: Clock
) -> Courier | None:
    own = settings.organizer.notice
    if not own.enabled:
        return None
    notifier = MailNotifier(hop, phrases.notices, own.sender, own.sender_name, own_name(settings), clock)
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
