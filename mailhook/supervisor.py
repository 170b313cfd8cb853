"""`mailhook serve`: the process that holds the sockets, and keeps workers running on them.

What: the supervisor binds the listening sockets, or is given them by systemd, and starts a generation of workers that
accept on them. SIGHUP begins the next generation, from the settings and templates as they are then; when it is
ready the one before drains, so that at no time connections are refused, and when it cannot begin nothing
has changed. SIGTERM lets the workers drain; who connects meanwhile is answered 421, or waits for the next process where
systemd keeps the socket. The local Videomost (`provider.kind = "sandbox"`) keeps its conferences in memory, so it is
one process beside the workers, which a generation with the same settings for it takes over. This process
imports little and does nothing else, so that there is nothing in it that could fail.

Not here: reading settings (`worker`), one generation (`generation`), sockets (`listening`).

Errors: `serve` prints what keeps the first generation from beginning, and its exit status is 2.
"""

import argparse
import asyncio
import logging
import os
import signal
import sys
import tempfile
from collections.abc import Coroutine, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

from mailhook import journal, systemd
from mailhook.generation import FailedError, Generation, Way
from mailhook.listening import Listening
from mailhook.metrics_folder import Events, forget_process
from mailhook.shared_sandbox import SharedSandbox

T = TypeVar("T")

OK, WRONG_CALL = 0, 2

MALLOC = {"MALLOC_TRIM_THRESHOLD_": str(32 << 20), "MALLOC_MMAP_THRESHOLD_": str(4 << 20)}
"""Of glibc, mallopt(3): what a message of some MiB took is kept for the next one, else each maps its pages anew."""

WORKER = (sys.executable, "-m", "mailhook.worker")

SORRY = b"421 4.3.2 Service shutting down, try again later\r\n"


DESCRIPTION = "Run the relay until SIGTERM. SIGHUP reads settings and templates anew, while mail flows."


def main(arguments: Sequence[str]) -> int:
    """`mailhook serve` without the rest of the command line, which would be imported for nothing."""
    parser = argparse.ArgumentParser(prog="mailhook serve", description=DESCRIPTION)
    add_config(parser)
    return serve(parser.parse_args(arguments).config)


def add_config(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--config", metavar="FILE", type=Path, required=True, help="the settings (TOML)")


def serve(config: Path, worker: Sequence[str] = WORKER) -> int:
    """Serve until SIGTERM; the exit status. `worker`: the command of a process that is a `worker`."""
    try:
        with tempfile.TemporaryDirectory(
            prefix="mailhook-", dir=os.environ.get("RUNTIME_DIRECTORY"), ignore_cleanup_errors=True
        ) as metrics:
            return asyncio.run(Supervisor(config, worker, Path(metrics)).run())
    except FailedError as error:
        print(f"mailhook: {error}", file=sys.stderr)
        return WRONG_CALL


class Supervisor:
    """`metrics`: a folder of our own in which the workers' counters live (prometheus_client's multiprocess mode)."""

    def __init__(self, config: Path, worker: Sequence[str], metrics: Path) -> None:
        self._config = config
        self._metrics = metrics
        self._way = Way(worker, {**MALLOC, **os.environ, "PROMETHEUS_MULTIPROC_DIR": str(metrics)})
        self._listening = Listening()
        self._sandbox = SharedSandbox(self._way)
        self._stop, self._reload = asyncio.Event(), asyncio.Event()
        self._leaving: set[asyncio.Task[None]] = set()

    async def run(self) -> int:
        """Until SIGTERM or SIGINT. FailedError: the first generation cannot begin."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop.set)
        loop.add_signal_handler(signal.SIGHUP, self._reload.set)
        counted = Events(self._metrics)
        journal.on_event.append(counted)
        try:
            generation = await self._unless_stopped(self._generation())
            while generation is not None and not self._stop.is_set():
                systemd.notify("READY=1")
                await self._unless_stopped(self._reload.wait())
                if self._reload.is_set():
                    generation = await self._next(generation)
            if generation is not None:
                await self._drained(generation)
        finally:
            await self._sandbox.end()
            journal.on_event.remove(counted)
        return OK

    async def _unless_stopped(self, work: Coroutine[object, object, T]) -> T | None:
        """What comes of the work; None, and the work is given up, when a stop is asked for."""
        task, stop = asyncio.create_task(work), asyncio.create_task(self._stop.wait())
        await asyncio.wait({task, stop}, return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            stop.cancel()
            return task.result()
        task.cancel()
        await asyncio.wait({task})
        return None

    async def _generation(self) -> Generation:
        """One that has begun, by the settings as they are now."""
        generation = await Generation.read(self._config, self._way, self._buried)
        plan = generation.plan
        journal.setup(plan.level, plan.style)
        try:
            held = await self._listening.at(plan)
            port = await self._sandbox.be(plan.sandbox)
        except BaseException:
            await generation.end(signal.SIGKILL)
            raise
        await generation.begin([(name, each.fileno()) for name, all_ in held.items() for each in all_], port)
        self._listening.keep(plan)
        host, number = held["smtp"][0].getsockname()[:2]
        journal.event("listening", host=host, port=number, workers=plan.workers)
        for each in held.get("http", ()):
            host, number = each.getsockname()[:2]
            journal.event("watching", host=host, port=number)
        return generation

    async def _next(self, current: Generation) -> Generation:
        """The generation that is in force after a reload."""
        self._reload.clear()
        systemd.reloading()
        try:
            following = await self._unless_stopped(self._generation())
        except FailedError as error:
            for fault in error.faults:
                journal.event("settings-kept", level=logging.ERROR, error=fault)
            journal.setup(current.plan.level, current.plan.style)
            self._listening.keep(current.plan)
            with suppress(FailedError):
                await self._sandbox.be(current.plan.sandbox)
            return current
        if following is None:
            return current
        leaving = asyncio.create_task(current.end())
        self._leaving.add(leaving)
        leaving.add_done_callback(self._leaving.discard)
        plan = following.plan
        journal.event("settings-reloaded", workers=plan.workers, languages=plan.languages)
        return following

    async def _drained(self, generation: Generation) -> None:
        """Let all workers end; who comes meanwhile is asked to come again, unless the socket outlives us."""
        systemd.notify("STOPPING=1")
        journal.event("stopping")
        for each in self._listening.own(generation.plan, "smtp"):
            await asyncio.get_running_loop().create_server(_Sorry, sock=each)
        await asyncio.gather(generation.end(), *self._leaving)
        journal.event("stopped")

    def _buried(self, pid: int) -> None:
        forget_process(self._metrics, pid)


class _Sorry(asyncio.Protocol):
    """Says so and closes, at once: a task for it could be cut by our own end."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        transport.write(SORRY)
        transport.close()
