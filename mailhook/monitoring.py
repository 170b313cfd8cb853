"""What those learn who watch over mailhook: figures, readiness, and the administrator's page.

What: a `Monitor` counts from the start to the end of a process (`counting`), and serves what is known (`served`).
Decisions on invitations are kept in the store for the page, in batches, after the mail has been answered.

Not here: counting itself (`meter`), what is seen (`sight`), HTML and HTTP (`front`).

Errors: none. What goes wrong is told in the log.
"""

import asyncio
import os
import socket
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import datetime
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from mailhook import journal, metrics_folder
from mailhook.config import Settings
from mailhook.errors import MailhookError
from mailhook.front.http import site
from mailhook.front.listener import Listener
from mailhook.front.spool import Spool
from mailhook.guard import Guard
from mailhook.journal import Story
from mailhook.nexthop.pool import Pool
from mailhook.ports import Decision, Holdings, Load, Store
from mailhook.sight import Known, Sight
from mailhook.validity import Validity
from mailhook.web import Bounds, WebServer

if TYPE_CHECKING:
    from mailhook.meter import Meter

PULSE = 1.0
"""Seconds between two settings of the gauges, and two batches of decisions."""

PROBE = 20.0
"""Seconds without a word from the next hop after which it is tried."""

WAITING = 200
"""Decisions that wait for the store at most; the oldest are given up, since the log has them."""

BOUNDS = Bounds(connections=32, seconds=60.0)


class Monitor:
    """One for a process, over what runs in it."""

    def __init__(
        self,
        settings: Settings,
        store: Store,
        hop: Pool,
        provider: Guard,
        listener: Listener,
        clock: Callable[[], datetime],
    ) -> None:
        self._http = settings.http
        self._store = store
        self._hop = hop
        self._provider = provider
        self._listener = listener
        self._clock = clock
        self._meter = _meter()
        self._validity = Validity(settings, clock)
        known = Known(self._figures, self._refused, self._validity.now)
        self._sight = Sight(settings, store, hop, provider, clock, known)
        self._probing: asyncio.Task[None] | None = None
        self._decisions: deque[Decision] = deque(maxlen=WAITING)

    # --- counting

    @asynccontextmanager
    async def counting(self) -> AsyncIterator[None]:
        """From before the first mail to after the last."""
        with self._meter.listening():
            journal.on_message.append(self._note)
            beating = asyncio.create_task(self._beat())
            try:
                yield
            finally:
                beating.cancel()
                probing = {self._probing} if self._probing is not None else set()
                for each in probing:
                    each.cancel()
                await asyncio.wait({beating, *probing})
                journal.on_message.remove(self._note)
                self._publish()
                await self.remember()
                self._sight.close()

    def _note(self, story: Story) -> None:
        """Ordinary mail, and what ended before its content, is of no interest."""
        if story.reason == "ordinary" or story.decision in {"aborted", ""}:
            return
        decision = Decision(
            at=self._clock(),
            decision=story.decision,
            reason=story.reason,
            code=story.code,
            method=journal.clean(story.method),
            organizer=journal.clean(story.organizer),
            uid=journal.clean(story.uid),
            ident=journal.clean(story.ident),
            places=tuple(map(journal.clean, story.places)),
            error=journal.clean(story.error),
        )
        self._decisions.append(decision)

    async def _beat(self) -> None:
        while True:
            await asyncio.sleep(PULSE)
            try:
                self._publish()
                self._probe()
                await self.remember()
            except Exception as fault:
                journal.event("fault", error=f"figures are not brought up to date: {fault!r}")

    def _publish(self) -> None:
        usage, clients = self._hop.usage, self._listener.connections
        self._meter.publish(
            Load(
                clients=clients,
                busy=usage.busy,
                idle=usage.idle,
                waiting=usage.waiting,
                held_bytes=Spool.held,
                breaker=self._provider.state,
                reachable=self._hop.seen.reachable if self._hop.seen else None,
                certificates=self._validity.seconds(),
            )
        )

    def _probe(self) -> None:
        """Try the next hop, if nothing has been heard of it for a while: an alert must not wait for mail."""
        seen, now = self._hop.seen, asyncio.get_running_loop().time()
        busy = self._probing is not None and not self._probing.done()
        if not busy and (seen is None or now >= seen.at + PROBE):
            self._probing = asyncio.create_task(self._tried())

    async def _tried(self) -> None:
        with suppress(MailhookError):  # what came of it is `seen`
            await self._hop.reach()

    async def remember(self) -> None:
        """Write down the decisions that wait for it."""
        if not self._decisions:
            return
        batch = tuple(self._decisions)
        self._decisions.clear()
        try:
            await self._store.remember(batch)
        except MailhookError as error:
            journal.event("decisions-lost", error=f"the status page lacks {len(batch)}: {error}")

    def _figures(self, holdings: Holdings | None) -> tuple[bytes, str]:
        self._publish()
        return self._meter.exposition(holdings), self._meter.content_type

    def _refused(self) -> Mapping[str, int]:
        self._publish()
        return self._meter.refused_lately()

    # --- serving

    @asynccontextmanager
    async def served(self, listeners: Sequence[socket.socket]) -> AsyncIterator[None]:
        """Over HTTP, on `listeners`, which several processes may share."""
        own = self._http
        server = WebServer(site(self._sight, own.host, own.password), BOUNDS)
        if listeners:
            await server.start(listeners=listeners)
        try:
            yield
        finally:
            await server.stop()


def _meter() -> "Meter":
    folder = os.environ.get(metrics_folder.VARIABLE)
    if folder:
        try:
            metrics_folder.prepare(Path(folder), os.getpid())
        except OSError as error:
            # Mail goes on; what this process counts is in the answers that it gives itself.
            del os.environ[metrics_folder.VARIABLE]
            journal.event("figures-alone", error=f"{folder}: {error.strerror}")
    from mailhook.meter import Meter  # noqa: PLC0415 - it decides at its import whether processes share figures

    return Meter(version("mailhook"))
