"""The processes of one reading of the settings: started together, restarted one by one, drained together.

What: `Process` is one child with its channel. A `Generation` begins with one worker that reads the settings and says
what they ask for; when it is given the sockets, it starts the others, and is ready when all accept. A worker that dies
is started again, with the settings of its generation, after a pause that grows while it dies again soon.

Not here: when a generation begins and ends (`supervisor`), what a worker does (`worker`).

Errors: FailedError, with all that a process said, when it cannot begin.
"""

import asyncio
import logging
import os
import signal
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from mailhook import journal
from mailhook.channel import Begin, Channel, Failed, Message, Planned, Read, Ready, SocketName, Take

START_PATIENCE = 120.0
"""Seconds that a process may take until it works: it may have to bring the store up to a new schema."""

FIRST_PAUSE = 0.1
"""Seconds before a worker that has died is started again; doubled each time it dies soon."""

LONGEST_PAUSE = 30.0

SOON = 10.0
"""Seconds of work after which a death is taken for the first one."""


class FailedError(Exception):
    """A process cannot begin; the text names all faults, one per line, below a heading if there are several."""

    @property
    def faults(self) -> list[str]:
        lines = str(self).splitlines()
        return lines[1:] or lines


@dataclass(frozen=True)
class Way:
    """How processes are started: `command`, to which the descriptor of the channel is added, and the environment."""

    command: Sequence[str]
    environment: Mapping[str, str]


class Process:
    """A child. `name`: for the log."""

    def __init__(self, name: str, process: asyncio.subprocess.Process, channel: Channel) -> None:
        self.name = name
        self._process = process
        self._channel = channel

    @classmethod
    async def start(cls, name: str, way: Way) -> Self:
        ours, theirs = Channel.pair()
        number = theirs.fileno()
        try:
            process = await asyncio.create_subprocess_exec(
                *way.command,
                str(number),
                stdin=asyncio.subprocess.DEVNULL,
                pass_fds=(number,),
                env=way.environment,
            )
        except OSError as error:
            ours.close()
            raise FailedError(f"{name} cannot be started: {error.strerror}") from None
        except BaseException:
            ours.close()
            raise
        finally:
            theirs.close()
        return cls(name, process, ours)

    @property
    def pid(self) -> int:
        return self._process.pid

    def tell(self, message: Message, files: Sequence[int] = ()) -> None:
        self._channel.send(message, files)

    async def answer(self) -> tuple[Message, list[int]]:
        """What it says next. FailedError: that it cannot go on, or nothing."""
        try:
            async with asyncio.timeout(START_PATIENCE):
                message, files = await self._channel.received()
        except TimeoutError:
            raise FailedError(f"{self.name} was not ready within {START_PATIENCE:.0f} s") from None
        match message:
            case None:
                raise FailedError(f"{self.name} ended before it was ready: {_reason(await self.ended())}")
            case Failed(faults):
                raise FailedError("\n".join(faults))
            case _:
                return message, files

    async def ended(self) -> int:
        """The exit status, as soon as there is one; negative: the signal that ended it."""
        return await self._process.wait()

    def send_signal(self, number: signal.Signals) -> None:
        with suppress(ProcessLookupError):
            self._process.send_signal(number)

    async def end(self, number: signal.Signals, within: float | None = None) -> None:
        """Send the signal, and wait; if it goes on after `within` seconds, kill it."""
        self.send_signal(number)
        try:
            async with asyncio.timeout(within):
                await self.ended()
        except TimeoutError:
            self.send_signal(signal.SIGKILL)
            await self.ended()
        self._channel.close()


def _reason(status: int) -> str:
    return f"signal {-status}" if status < 0 else f"exit status {status}"


class Generation:
    """Use `read`. `plan`: what its settings ask for."""

    def __init__(self, way: Way, buried: Callable[[int], None], lead: Process) -> None:
        self._way = way
        self._buried = buried
        self._workers: dict[int, Process] = {1: lead}
        self._keepers: list[asyncio.Task[None]] = []
        self._begin = Begin((), 0)
        self._sockets: list[int] = []
        self._settings: int | None = None
        self.plan: Planned

    @classmethod
    async def read(cls, config: Path, way: Way, buried: Callable[[int], None]) -> Self:
        """What `config` asks for now; nothing is begun. `buried` is told the pid of each worker that has ended."""
        lead = await Process.start("worker 1", way)
        generation = cls(way, buried, lead)
        try:
            lead.tell(Read(1, str(config)))
            plan, files = await lead.answer()
            assert isinstance(plan, Planned)
            generation.plan, generation._settings = plan, files[0]
        except BaseException:
            await generation.end(signal.SIGKILL)
            raise
        return generation

    async def begin(self, sockets: Sequence[tuple[SocketName, int]], sandbox_port: int) -> None:
        """Start all workers on `sockets`, by name and descriptor, and return when they accept."""
        self._begin = Begin(tuple(name for name, _ in sockets), sandbox_port)
        self._sockets = [file for _, file in sockets]
        try:
            async with asyncio.TaskGroup() as starts:
                starts.create_task(self._begun(self._workers[1]))
                for number in range(2, self.plan.workers + 1):
                    starts.create_task(self._started(number))
        except BaseExceptionGroup as group:
            await self._give_up()
            raise FailedError("\n".join(str(fault) for fault in group.exceptions)) from None
        except BaseException:
            await self._give_up()
            raise
        self._keepers = [asyncio.create_task(self._keep(number)) for number in self._workers]

    async def end(self, number: signal.Signals = signal.SIGTERM, within: float | None = None) -> None:
        """Let all workers drain and end; `within`: as for a process."""
        for keeper in self._keepers:
            keeper.cancel()
        await asyncio.gather(*self._keepers, return_exceptions=True)
        await asyncio.gather(*(worker.end(number, within) for worker in self._workers.values()))
        for worker in self._workers.values():
            self._buried(worker.pid)
        if self._settings is not None:
            os.close(self._settings)
            self._settings = None

    async def _give_up(self) -> None:
        """Some may have begun to work: what they have in hand must not be cut."""
        await self.end(within=START_PATIENCE)

    async def _started(self, number: int) -> None:
        worker = await Process.start(f"worker {number}", self._way)
        self._workers[number] = worker
        assert self._settings is not None
        worker.tell(Take(number), [self._settings])
        await self._begun(worker)

    async def _begun(self, worker: Process) -> None:
        worker.tell(self._begin, self._sockets)
        message, _ = await worker.answer()
        assert isinstance(message, Ready)

    async def _keep(self, number: int) -> None:
        """Start the worker `number` again whenever it has died."""
        clock, deaths = asyncio.get_running_loop().time, 0
        while True:
            worker, since = self._workers[number], clock()
            status = await worker.ended()
            self._buried(worker.pid)
            deaths = 1 if clock() - since >= SOON else deaths + 1
            pause = min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** (deaths - 1))
            self._tell(worker, f"{_reason(status)}; it is started again in {pause:.1f} s")
            await asyncio.sleep(pause)
            try:
                await self._started(number)
                journal.event("worker-started", name=f"worker {number}", pid=self._workers[number].pid)
            except FailedError as error:
                self._tell(self._workers[number], str(error))
                await self._workers[number].end(signal.SIGKILL)

    def _tell(self, worker: Process, error: str) -> None:
        journal.event("worker-died", level=logging.ERROR, name=worker.name, pid=worker.pid, error=error)
