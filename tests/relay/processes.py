"""mailhook as real processes: `serve` with a settings file, ended by a signal."""

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.relay.rig import PATIENCE, PUBLIC

SETTINGS = """
[listen]
port = 0
[nexthop]
port = {hop}
[provider]
kind = "videomost"
[provider.videomost]
base_url = "{base}"
link_hosts = ["{host}"]
[store]
path = "{store}"
[policy]
organizer_domains = ["corp.example"]
{policy}
[log]
format = "json"
"""


@dataclass
class Served:
    """A running `serve`; `port`: where mail is handed in."""

    process: asyncio.subprocess.Process
    port: int
    log: list[str]

    async def kill(self) -> None:
        self.process.kill()
        await self.process.wait()


def write_settings(path: Path, *, hop: int, base: str, store: Path, policy: str = "") -> Path:
    host = PUBLIC.partition("://")[2]
    path.write_text(
        SETTINGS.format(hop=hop, base=base, host=host, store=store, policy=policy), encoding="utf-8"
    )
    return path


@asynccontextmanager
async def serving(settings: Path) -> AsyncIterator[Served]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "mailhook.cli", "serve", "--config", str(settings)),
        stderr=asyncio.subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
    )
    assert process.stderr is not None
    log: list[str] = []
    reading = asyncio.create_task(_read(process.stderr, log))
    try:
        yield Served(process, await _port(process, log), log)
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(PATIENCE):
            await process.wait()
            await reading


async def _read(stream: asyncio.StreamReader, log: list[str]) -> None:
    while line := await stream.readline():
        log.append(line.decode())


async def _port(process: asyncio.subprocess.Process, log: list[str]) -> int:
    async with asyncio.timeout(PATIENCE):
        while True:
            for line in log:
                told = json.loads(line) if line.startswith("{") else {}
                if told.get("event") == "listening":
                    return int(told["port"])
            assert process.returncode is None, "".join(log)
            await asyncio.sleep(0.01)
