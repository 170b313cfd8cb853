"""The composition root: how the parts are put together, and how they start and stop.

What: `running` builds everything that the settings name, in the order in which it is needed, and stops it in the
reverse order; `serve` runs until a signal comes.

Not here: what the parts do.

Errors: Misconfigured and Temporary from starting; OSError when the listener's address is taken.
"""

import asyncio
import signal
import socket
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import assert_never
from urllib.parse import urlsplit

from mailhook import journal
from mailhook.config import Problem, Settings, VideomostSettings
from mailhook.config.problem import is_secret
from mailhook.core.calendar_servers import SERVERS, reach
from mailhook.core.meeting import CopyKind
from mailhook.core.notice_wording import NoticeWording
from mailhook.core.rewrite import Options
from mailhook.core.stored_event import EventEditor, Fashion
from mailhook.core.wording import Wording
from mailhook.courier import Courier
from mailhook.errors import Misconfigured
from mailhook.flight import Flight
from mailhook.front.dialogue import Terms
from mailhook.front.smtp import Listener
from mailhook.guard import Guard
from mailhook.nexthop.pool import Pool
from mailhook.organizer.accounts import Accounts
from mailhook.organizer.caldav import CalDavWriter
from mailhook.organizer.dav import Dav
from mailhook.organizer.notice import MailNotifier
from mailhook.pipeline import Pipeline
from mailhook.ports import NextHop, Provider, Reception, Store
from mailhook.provider import external
from mailhook.provider.sandbox import Sandbox
from mailhook.provider.session import Route, Witness
from mailhook.provider.videomost import Videomost
from mailhook.relay import Relay
from mailhook.scribe import Scribe, Watch
from mailhook.store.sqlite import SqliteStore
from mailhook.sync import Sync
from mailhook.writer import Manner, Writer

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


@asynccontextmanager
async def running(
    settings: Settings, clock: Clock = utc_now, watch: Callable[[Reception], Reception] = lambda relay: relay
) -> AsyncIterator[App]:
    """Everything, started and accepting mail; leaving the context drains and stops it.

    `watch` may stand between listener and relay: the demo looks at the mail there.
    """
    async with AsyncExitStack() as stack:
        store = await open_store(settings, clock, stack)
        sandbox = await start_sandbox(settings, stack)
        policy = settings.policy
        patience = policy.deadline.total_seconds()
        provider = Guard(make_provider(settings, sandbox, stack), patience, clock)
        secret = await store.secret()
        flight = Flight(store, provider, secret, policy)
        stack.push_async_callback(flight.close)
        sync = Sync(store, provider, flight, secret, policy, settings.store.keep, clock)
        await stack.enter_async_context(background(sync.run()))
        hop = make_pool(settings)
        stack.push_async_callback(hop.close)
        courier = make_courier(settings, store, hop, clock)
        if courier is not None:
            await stack.enter_async_context(background(courier.run()))
        scribes = make_scribes(settings, store, stack)
        for scribe in scribes:
            await stack.enter_async_context(background(scribe.run()))
        pipeline = Pipeline(
            store, flight, policy, make_wording(settings), manner(settings), provider.identity, clock
        )
        listener = Listener(watch(Relay(hop, pipeline, store, policy)), terms(settings))
        await listener.start(settings.listen.host, settings.listen.port)
        stack.push_async_callback(listener.drain, longest_transaction(settings))
        journal.event("listening", host=settings.listen.host, port=listener.port)
        yield App(settings, store, provider, flight, sync, courier, scribes, listener, sandbox)


async def open_store(settings: Settings, clock: Clock, stack: AsyncExitStack) -> SqliteStore:
    store = await SqliteStore.open(settings.store.path, clock)
    stack.push_async_callback(store.close)
    return store


async def start_sandbox(settings: Settings, stack: AsyncExitStack) -> Sandbox | None:
    if settings.provider.kind != "sandbox":
        return None
    own = settings.provider.sandbox
    sandbox = Sandbox(public_url=own.public_url, state=Path(own.state) if own.state else None)
    await sandbox.start(own.host, own.port)
    stack.push_async_callback(sandbox.stop)
    return sandbox


def make_provider(
    settings: Settings, sandbox: Sandbox | None, stack: AsyncExitStack, witness: Witness | None = None
) -> Provider:
    """What the settings name, without a guard; `witness` sees every HTTP exchange."""
    provider = _provider(settings, sandbox, witness)
    stack.push_async_callback(provider.close)
    return provider


def _provider(settings: Settings, sandbox: Sandbox | None, witness: Witness | None) -> Provider:
    kind = settings.provider.kind
    match kind:
        case "sandbox":
            own = settings.provider.sandbox
            base = sandbox.url if sandbox else f"http://{own.host}:{own.port}"
            hosts = link_hosts(own.public_url or base)
            return Videomost(base, link_hosts=hosts, kind="sandbox", witness=witness)
        case "videomost":
            return _videomost(settings.provider.videomost, witness)
        case "external":
            own_file = settings.provider.external
            seconds = own_file.timeout.total_seconds()
            return external.load(Path(own_file.file), own_file.options, own_file.link_hosts, seconds)
        case None:
            raise Misconfigured('provider.kind is missing: "videomost", or "sandbox" to try mailhook out')
        case _:
            assert_never(kind)


def _videomost(vm: VideomostSettings, witness: Witness | None) -> Videomost:
    return Videomost(
        vm.base_url,
        token=vm.token,
        link_hosts=vm.link_hosts,
        fallback_owner=vm.fallback_owner,
        timeout=vm.timeout.total_seconds(),
        transport=vm.transport,
        mode=vm.mode,
        route=Route(vm.ca_file, vm.client_cert_file, vm.client_key_file, vm.proxy),
        witness=witness,
    )


def secrets(settings: Settings) -> tuple[str, ...]:
    """What must not be shown of an exchange with the provider."""
    vm, options = settings.provider.videomost, settings.provider.external.options
    hidden = (str(value) for name, value in options.items() if is_secret(name))
    return tuple(filter(None, (vm.token, vm.auth.password, *hidden)))


def provider_problems(settings: Settings) -> list[Problem]:
    """What keeps the provider from being made: certificates, and the Python file of an external one."""
    where = {"videomost": "provider.videomost", "external": "provider.external.file"}
    key = where.get(settings.provider.kind or "")
    if key is None:
        return []
    try:
        _provider(settings, None, None)
    except Misconfigured as error:
        return [Problem(key, "", line) for line in str(error).splitlines()]
    return []


def link_hosts(url: str) -> tuple[str, ...]:
    """The host of `url`, without port and brackets."""
    return (urlsplit(url).hostname or "",)


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
    )


def manner(settings: Settings) -> Manner:
    return Manner(
        location=settings.rewrite.location,
        position=settings.rewrite.position,
        dkim=settings.rewrite.dkim,
        language=settings.templates.language,
        languages=tuple(settings.templates.domains.items()),
        test=settings.provider.kind == "sandbox",
        link_hosts=own_link_hosts(settings),
    )


def own_link_hosts(settings: Settings) -> tuple[str, ...]:
    """The hosts that join links of our Videomost name."""
    match settings.provider.kind:
        case "sandbox":
            own = settings.provider.sandbox
            return link_hosts(own.public_url or f"http://{own.host}")
        case "videomost":
            vm = settings.provider.videomost
            return vm.link_hosts or link_hosts(vm.base_url)
        case "external":
            return settings.provider.external.link_hosts
        case None:
            return ()
        case _:
            assert_never(settings.provider.kind)


def make_writer(settings: Settings) -> Writer:
    return Writer(settings.policy, make_wording(settings), manner(settings))


def make_wording(settings: Settings) -> Wording:
    return Wording(_templates(settings), settings.templates.language)


def make_notice_wording(settings: Settings) -> NoticeWording:
    return NoticeWording(
        _templates(settings),
        settings.templates.language,
        next(iter(settings.policy.opt_out), ""),
        test=settings.provider.kind == "sandbox",
    )


def try_templates(settings: Settings) -> None:
    """Misconfigured when a template that is used is missing or broken."""
    make_wording(settings)
    if settings.organizer.notice.enabled:
        make_notice_wording(settings)


def make_courier(settings: Settings, store: Store, hop: NextHop, clock: Clock) -> Courier | None:
    own = settings.organizer.notice
    if not own.enabled:
        return None
    notifier = MailNotifier(
        hop, make_notice_wording(settings), own.sender, own.sender_name, own_name(settings), clock
    )
    return Courier(store, notifier, own.when, settings.policy, copy_kinds(settings))


def make_scribes(settings: Settings, store: Store, stack: AsyncExitStack) -> tuple[Scribe, ...]:
    """One for each kind of copy that is written."""
    caldav = make_caldav(settings)
    if caldav is None:
        return ()
    stack.push_async_callback(caldav.close)
    every = settings.organizer.caldav.watch
    watch = Watch(caldav, every) if every else None
    return (Scribe(store, caldav, settings.policy, watch),)


def make_caldav(settings: Settings) -> CalDavWriter | None:
    """Misconfigured when its certificate authority cannot be used."""
    own = settings.organizer.caldav
    if not own.url:
        return None
    silence, way = SERVERS[own.profile], manner(settings)
    fashion = Fashion(
        Options(way.location if silence.location else "never", way.position, settings.policy.keywords),
        reach(own.profile, own.write),
        way.language,
        dict(way.languages),
        settings.policy.domain_aliases,
        way.test,
    )
    base = "/".join(own.url.split("/", 3)[:3])
    return CalDavWriter(
        Dav(base, own.timeout.total_seconds(), own.ca_file),
        Accounts(own.username, own.password, own.token, own.users_file),
        own.url,
        EventEditor(make_wording(settings), fashion),
        silence.headers,
    )


def copy_kinds(settings: Settings) -> tuple[CopyKind, ...]:
    """The copies of organizers' events that are written."""
    return (CopyKind.CALDAV,) if settings.organizer.caldav.url else ()


def _templates(settings: Settings) -> dict[str, str]:
    """The shipped templates, with those of `templates.path` over them."""
    sources = read_templates(shipped("templates"))
    if settings.templates.path:
        sources |= read_templates(Path(settings.templates.path))
    return sources


def shipped(name: str) -> Path:
    """A folder that comes with mailhook: inside the installed package, or beside it in a source tree."""
    package = Path(__file__).parent
    inside = package / name
    return inside if inside.is_dir() else package.parent / name


def read_templates(folder: Path) -> dict[str, str]:
    """language/file → source."""
    kinds = ("*/*.txt.j2", "*/*.html.j2")
    paths = (path for kind in kinds for path in folder.glob(kind))
    return {f"{path.parent.name}/{path.name}": path.read_text(encoding="utf-8") for path in paths}


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


async def serve(settings: Settings) -> None:
    """Run until a signal; then drain: transactions past DATA end, others are asked to come again."""
    async with running(settings):
        await stop_signal()
        journal.event("stopping")
    journal.event("stopped")
