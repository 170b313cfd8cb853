"""A whole site: Postfix as docs/postfix.md sets it up, mailhook and a local Videomost as processes, and the world."""

import asyncio
import re
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from mailhook.front.sink import Received, Sink
from tests.peers.daemon import Daemon
from tests.peers.fragments import ROOT
from tests.peers.mails import is_bounce, submit
from tests.peers.postfix import Ports, Postfix, free_ports
from tests.peers.waiting import eventually, eventually_async

GRACE = "2s"


@dataclass(frozen=True)
class Room:
    """A conference as the local Videomost shows it."""

    topic: str
    start: str
    link: str
    deleted: bool


@dataclass
class Surroundings:
    """All but the mail server; `world` gets all mail that leaves the site."""

    ports: Ports
    mailhook: Daemon
    videomost: Daemon
    world: Sink
    config: Path

    async def arrived(self, count: int) -> list[Received]:
        """All mail in the world, when it is at least so much."""
        await eventually(lambda: len(self.world.messages) >= count, f"{count} mails arrive")
        return list(self.world.messages)

    def bounces(self) -> list[Received]:
        return [mail for mail in self.world.messages if is_bounce(mail)]

    # --- Videomost

    async def rooms(self) -> list[Room]:
        rows = (await self._ask("GET", "state"))["conferences"]
        return [Room(row["topic"], row["start"], row["join_url"], row["deleted"]) for row in rows]

    async def creates(self) -> int:
        """For how many conferences a create has been asked."""
        counts: dict[str, dict[str, int]] = (await self._ask("GET", "state"))["counts"]
        return sum("create" in count for count in counts.values())

    async def fault(self, **faults: dict[str, float]) -> None:
        await self._ask("POST", "faults", faults)

    async def _ask(self, method: str, what: str, body: object = None) -> Any:
        url = f"http://127.0.0.1:{self.ports.videomost}/sandbox/{what}"
        async with httpx.AsyncClient(trust_env=False) as client:
            answer = await client.request(method, url, json=body)
        assert answer.is_success, answer.text
        return answer.json() if answer.content else {}


@dataclass
class Site(Surroundings):
    """With Postfix."""

    postfix: Postfix

    async def submit(self, recipients: Sequence[str], content: bytes) -> str:
        """As a user, on the submission port."""
        return await submit(self.ports.submission, recipients, content)

    async def emptied(self) -> list[Received]:
        """All mail in the world, when nothing is left in the queue."""

        async def look() -> bool:
            queue = await self.postfix.queue()
            if any(mail.queue == "deferred" for mail in queue):
                await self.postfix.flush()
            return not queue

        await eventually_async(look, "the queue is empty")
        return list(self.world.messages)


def configured(ports: Ports, folder: Path, own: str = "") -> Path:
    """config.example.toml with the ports, paths and names of this site, a short grace, and `own` sections."""
    text = (ROOT / "config.example.toml").read_text()
    for example, ours in (
        ("\nport = 10225", f"\nport = {ports.mailhook}"),
        ("\nport = 10226", f"\nport = {ports.back}"),
        ("https://videomost.example.org", f"http://127.0.0.1:{ports.videomost}"),
        ('#path = "/var/lib/mailhook/mailhook.db"', f'path = "{folder}/mailhook.db"'),
        ('#delete_grace = "1h"', f'delete_grace = "{GRACE}"'),
        ("#max_deletions_per_hour = 30", "max_deletions_per_hour = 100000"),
        ("#max_conferences_per_organizer_per_hour = 60", "max_conferences_per_organizer_per_hour = 100000"),
    ):
        assert text.count(example) == 1, example
        text = text.replace(example, ours)
    done = ""
    for section, line in re.findall(r"(?:^\[(.+)\]$)|^(\w+ = .*)$", own, re.MULTILINE):
        if section:
            head, name, text = text.partition(f"\n[{section}]\n")
            done += head + name
        else:
            text, found = re.subn(
                rf"^#?{line.partition(' ')[0]} = .*", line, text, count=1, flags=re.MULTILINE
            )
            assert found == 1, line
    config = folder / "mailhook.toml"
    config.write_text(done + text)
    return config


@asynccontextmanager
async def surroundings(folder: Path, ports: Ports, own: str = "") -> AsyncIterator[Surroundings]:
    """Started; stopped at the end in the reverse order. `own`: settings other than the example's."""
    async with AsyncExitStack() as stack:
        config = configured(ports, folder, own)
        world = Sink()
        await world.start(port=ports.world)
        stack.push_async_callback(world.close)
        state = ("--port", str(ports.videomost), "--state", str(folder / "videomost.json"))
        videomost = Daemon(folder / "videomost.log", "listens on", "-m", "mailhook.cli", "sandbox", *state)
        mailhook = Daemon(
            folder / "mailhook.log", "listening", "-m", "mailhook", "serve", "--config", str(config)
        )
        for daemon in (videomost, mailhook):
            stack.push_async_callback(_end, daemon)
        async with asyncio.TaskGroup() as starts:
            for part in (videomost, mailhook):
                starts.create_task(part.start())
        yield Surroundings(ports, mailhook, videomost, world, config)
        # pytest shows it when a test fails.
        print(mailhook.output())


@asynccontextmanager
async def site(folder: Path, own: str = "") -> AsyncIterator[Site]:
    """The same with Postfix."""
    postfix = Postfix(free_ports())
    async with AsyncExitStack() as stack:
        stack.push_async_callback(postfix.stop)
        async with asyncio.TaskGroup() as starts:
            starts.create_task(postfix.start())
            entering = stack.enter_async_context(surroundings(folder, postfix.ports, own))
            around = starts.create_task(entering)
        yield Site(**vars(around.result()), postfix=postfix)
        print(postfix.log())


async def _end(daemon: Daemon) -> None:
    if daemon.running:
        await daemon.stop()
