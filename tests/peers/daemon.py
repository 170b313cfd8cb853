"""A process of ours: started, waited for, and ended by its own id."""

import asyncio
import signal
import sys
from pathlib import Path

from tests.peers.fragments import ROOT
from tests.peers.waiting import eventually


class Daemon:
    """`python *arguments`, its output appended to `output`; it is ready when it prints `ready`."""

    def __init__(self, output: Path, ready: str, *arguments: str) -> None:
        self._output = output
        self._ready = ready
        self._arguments = arguments
        self._process: asyncio.subprocess.Process | None = None

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.returncode is None

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def output(self) -> str:
        return self._output.read_text(errors="replace") if self._output.exists() else ""

    async def start(self, *arguments: str) -> None:
        """Other `arguments` take the place of those known."""
        assert not self.running
        before = len(self.output())
        with self._output.open("ab") as sink:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable,
                *(arguments or self._arguments),
                cwd=ROOT,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=sink,
                stderr=sink,
            )
        await eventually(
            lambda: self._ready in self.output()[before:] or not self.running, f"'{self._ready}' is printed"
        )
        assert self._ready in self.output()[before:], self.output()[before:]

    def send(self, number: signal.Signals) -> None:
        assert self._process is not None
        self._process.send_signal(number)

    async def ended(self, patience: float = 90.0) -> int:
        """The exit status, as soon as there is one; negative: the signal that killed it."""
        assert self._process is not None
        try:
            async with asyncio.timeout(patience):
                return await self._process.wait()
        except TimeoutError:
            raise AssertionError(f"{self._arguments} still runs:\n{self.output()[-3000:]}") from None

    async def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        if self.running:
            self.send(number)
        return await self.ended()
