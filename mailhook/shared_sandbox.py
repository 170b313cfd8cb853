"""The local Videomost of `provider.kind = "sandbox"`, one process beside the workers that share it.

What: it keeps its conferences in memory (or in the file `provider.sandbox.state`), so neither each worker nor each
generation may have one of its own. It is started again when it dies, and replaced when the settings for it change.

Not here: what it does (`provider.sandbox`).

Errors: FailedError when it cannot begin.
"""

import asyncio
import logging
import signal
from dataclasses import replace

from mailhook import journal
from mailhook.channel import Ready, SandboxPlan, Serve
from mailhook.generation import FailedError, Process, Way

PAUSE = 1.0
"""Seconds before it is started again."""


class SharedSandbox:
    def __init__(self, way: Way) -> None:
        self._way = way
        self._plan: SandboxPlan | None = None
        self._port = 0
        self._process: Process | None = None
        self._keeper: asyncio.Task[None] | None = None

    async def be(self, plan: SandboxPlan | None) -> int:
        """Be as the plan says, or not at all; its port, or 0."""
        if plan != self._plan:
            await self.end()
            if plan is not None:
                await self._start(plan)
                self._keeper = asyncio.create_task(self._keep(replace(plan, port=self._port)))
            self._plan = plan
        return self._port

    async def end(self) -> None:
        if self._keeper is not None:
            self._keeper.cancel()
            await asyncio.wait({self._keeper})
        if self._process is not None:
            await self._process.end(signal.SIGTERM)
        self._plan, self._port, self._process, self._keeper = None, 0, None, None

    async def _start(self, plan: SandboxPlan) -> None:
        self._process = await Process.start("the local Videomost", self._way)
        self._process.tell(Serve(plan))
        message, _ = await self._process.answer()
        assert isinstance(message, Ready)
        self._port = message.port

    async def _keep(self, plan: SandboxPlan) -> None:
        while True:
            assert self._process is not None
            await self._process.ended()
            journal.event("sandbox-died", level=logging.ERROR, error="it is started again")
            await asyncio.sleep(PAUSE)
            try:
                await self._start(plan)
            except FailedError as error:
                journal.event("sandbox-died", level=logging.ERROR, error=str(error))
