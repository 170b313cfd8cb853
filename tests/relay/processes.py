"""mailhook as real processes: `serve` with a settings file, ended by a signal."""

import asyncio
import json
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from mailhook.app import utc_now
from mailhook.front.sink import Sink
from mailhook.provider.sandbox import Sandbox
from tests.relay.mails import PUBLIC, Event
from tests.relay.rig import PATIENCE

SETTINGS = """
[listen]
port = 0
workers = {workers}
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
[http]
port = {http}
[log]
format = "json"
"""


@dataclass
class Served:
    """A running `serve`; `port`: where mail is handed in."""

    process: asyncio.subprocess.Process
    port: int
    log: list[str]

    @property
    def workers(self) -> list[int]:
        """Their process ids."""
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        return [int(child) for child in children.read_text().split()]

    def told(self, event: str) -> list[dict[str, Any]]:
        """The lines of that name, in order."""
        lines = (json.loads(line) for line in self.log if line.startswith("{"))
        return [line for line in lines if line["event"] == event]

    def reload(self) -> None:
        self.process.send_signal(signal.SIGHUP)

    async def kill(self) -> None:
        """All of it at once."""
        for pid in (self.process.pid, *self.workers):
            os.kill(pid, signal.SIGKILL)
        await self.process.wait()


def write_settings(
    path: Path, *, hop: int, base: str, store: Path, policy: str = "", workers: int = 1, http: int = 0
) -> Path:
    host = PUBLIC.partition("://")[2]
    text = SETTINGS.format(
        hop=hop, base=base, host=host, store=store, policy=policy, workers=workers, http=http
    )
    path.write_text(text, encoding="utf-8")
    return path


@asynccontextmanager
async def serving(
    settings: Path, sockets: Mapping[str, socket.socket] | None = None, **environment: str
) -> AsyncIterator[Served]:
    """`sockets`: handed over by name, as systemd does."""
    command = [sys.executable, "-m", "mailhook", "serve", "--config", str(settings)]
    files = {name: each.fileno() for name, each in (sockets or {}).items()}
    if files:
        named = ",".join(f"{name}:{file}" for name, file in files.items())
        command = [sys.executable, "-m", "tests.relay.activation", named, *command]
    process = await asyncio.create_subprocess_exec(
        *command,
        stderr=asyncio.subprocess.PIPE,
        pass_fds=tuple(files.values()),
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2]), **environment},
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


@dataclass
class Outside:
    """A Videomost and a next hop, and the settings of processes that share a store."""

    sandbox: Sandbox
    sink: Sink
    settings: Path

    def configure(self, workers: int = 1, policy: str = "") -> Path:
        """Other settings."""
        store = self.settings.parent / "store.db"
        return write_settings(
            self.settings,
            hop=self.sink.port,
            base=self.sandbox.url,
            store=store,
            policy=policy,
            workers=workers,
        )


@asynccontextmanager
async def outside_of(place: Path) -> AsyncIterator[Outside]:
    sandbox, sink = Sandbox(public_url=PUBLIC), Sink()
    async with AsyncExitStack() as stack:
        await sandbox.start()
        stack.push_async_callback(sandbox.stop)
        await sink.start()
        stack.push_async_callback(sink.close)
        outside = Outside(sandbox, sink, place / "mailhook.toml")
        outside.configure()
        yield outside


def creates(sandbox: Sandbox) -> int:
    return sum(counter["create"] for counter in sandbox.counts.values())


def fresh() -> Event:
    """For processes, whose clock cannot be moved."""
    now = utc_now().replace(microsecond=0)
    return Event(start=now + timedelta(days=7), stamp=now)
