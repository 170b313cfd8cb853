"""mailhook for a while under mixed traffic, good, broken, slow and hostile; is its memory flat, and is nothing lost?

    python -m tests.benchmarks.soak [--minutes 20] [--rate 40]

Each minute one line of what there is so far: resident memory and its peak (MiB) and open descriptors of `mailhook
serve`; mails accepted, mails refused for now, replies that should not have come (`faults`), mails that were accepted
and have not arrived, or arrived changed (`owed`, `changed`), mails served while 10 000 connections were open (`amid`).
The sink and all clients are in this process, mailhook and the local Videomost in their own. Exit status 1 if there
are faults or losses, or if memory grows by more than a tenth and 8 MiB from a third of the time on.
"""

import argparse
import asyncio
import contextlib
import hashlib
import os
import random
import resource
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from mailhook.front.sink import Received, Sink
from mailhook.smtp.commands import Command, Rcpt
from mailhook.smtp.content import dot_stuff
from mailhook.smtp.replies import Reply, ReplyParser, reply
from tests.peers.daemon import Daemon
from tests.peers.mails import ORGANIZER, Meeting
from tests.peers.postfix import free_ports
from tests.peers.site import configured

LATER = reply(450, "4.2.0 try later")
FLOOD = 10_000
MARK = b"X-Soak: "


@dataclass
class Books:
    """What was sent and what arrived; a message is known by the digest of all behind its mark."""

    counts: Counter[str] = field(default_factory=Counter)
    owed: set[bytes] = field(default_factory=set)
    early: set[bytes] = field(default_factory=set)

    def marked(self, body: bytes) -> tuple[bytes, bytes]:
        digest = hashlib.sha256(body).hexdigest().encode()
        return digest, MARK + digest + b"\r\n" + body

    def accepted(self, digest: bytes) -> None:
        self.counts["accepted"] += 1
        if digest in self.early:
            self.early.discard(digest)
        else:
            self.owed.add(digest)

    def arrived(self, content: bytes) -> None:
        mark, _, body = content.partition(b"\r\n")
        if not mark.startswith(MARK):
            return
        digest = mark.removeprefix(MARK)
        if hashlib.sha256(body).hexdigest().encode() != digest:
            self.counts["changed"] += 1
        elif digest in self.owed:
            self.owed.discard(digest)
        else:
            self.early.add(digest)


class Scale(Sink):
    """A next hop that keeps nothing, and refuses now and then."""

    def __init__(self, books: Books) -> None:
        super().__init__(self._sometimes)
        self._books = books

    async def keep(self, message: Received) -> None:
        self._books.arrived(message.content)

    @staticmethod
    def _sometimes(said: Command | Received) -> Reply | None:
        return LATER if isinstance(said, Rcpt | Received) and random.random() < 0.01 else None


@dataclass
class Talk:
    """A client's connection."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    parser: ReplyParser = field(default_factory=ReplyParser)
    heard: list[Reply] = field(default_factory=list)

    async def hear(self) -> Reply:
        async with asyncio.timeout(120):
            while not self.heard:
                data = await self.reader.read(65536)
                if not data:
                    raise EOFError
                self.heard += self.parser.feed(data)
        return self.heard.pop(0)

    async def ask(self, data: bytes) -> Reply:
        self.writer.write(data)
        await self.writer.drain()
        return await self.hear()


@dataclass
class Soak:
    port: int
    books: Books
    until: float
    rate: float
    chance: random.Random = field(default_factory=lambda: random.Random(7))
    flooding: bool = False

    @property
    def over(self) -> bool:
        return time.monotonic() >= self.until

    @asynccontextmanager
    async def talk(self) -> AsyncIterator[Talk]:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            talk = Talk(reader, writer)
            if (await talk.hear()).code == 220:
                await talk.ask(b"EHLO soak.test\r\n")
                yield talk
            else:
                raise EOFError
        finally:
            writer.transport.abort()

    def note(self, said: Reply) -> bool:
        """Whether the mail is taken; only what the sink says, and limits, may be in the way."""
        if said.permanent:
            self.books.counts["faults"] += 1
            print("fault:", said.text, flush=True)
        elif said.code >= 400:
            self.books.counts["refused"] += 1
        return said.code < 400

    async def send(self, talk: Talk, content: bytes, *recipients: str) -> bool:
        said = [await talk.ask(f"MAIL FROM:<{ORGANIZER}>\r\n".encode())]
        for recipient in recipients:
            said.append(await talk.ask(f"RCPT TO:<{recipient}>\r\n".encode()))
        taken = [self.note(each) for each in said]
        if not all(taken):
            await talk.ask(b"RSET\r\n")
            return False
        assert (await talk.ask(b"DATA\r\n")).code == 354
        talk.writer.write(dot_stuff(content) + b".\r\n")
        return self.note(await talk.hear())

    # --- who comes

    async def good(self) -> None:
        """Mails of a few KiB, several per connection."""
        async with self.talk() as talk:
            for _ in range(self.chance.randint(1, 30)):
                await self.one(talk, self.chance.randint(0, 8000))
                await asyncio.sleep(self.chance.expovariate(self.rate / 8))

    async def one(self, talk: Talk, size: int) -> None:
        body = b"Subject: soak\r\n\r\n" + self.chance.randbytes(size).hex().encode() + b"\r\n"
        digest, content = self.books.marked(body)
        if await self.send(talk, content, "anna@partner.example"):
            self.books.accepted(digest)
            self.books.counts["amid"] += self.flooding

    async def large(self) -> None:
        """Several of up to 25 MiB at a time."""

        async def alone() -> None:
            async with self.talk() as talk:
                await self.one(talk, self.chance.choice((600_000, 2_000_000, 13_000_000)))

        await asyncio.gather(*(alone() for _ in range(4)))
        await asyncio.sleep(20)

    async def invitation(self) -> None:
        """An invitation, its update, its cancellation."""
        uid = f"{self.chance.getrandbits(64):x}@example.org"
        async with self.talk() as talk:
            for sequence, method in enumerate(("REQUEST", "REQUEST", "CANCEL")):
                meeting = Meeting(uid, ("anna@partner.example",), f"Soak {sequence}", sequence=sequence)
                if await self.send(talk, meeting.mail(method), "anna@partner.example"):
                    self.books.counts["invitations"] += 1
                await asyncio.sleep(self.chance.uniform(0.2, 2))

    async def vanishing(self) -> None:
        """Goes away at any octet of a mail."""
        whole = b"MAIL FROM:<a@x>\r\nRCPT TO:<b@x>\r\nDATA\r\n" + b"x" * 100_000 + b"\r\n"
        async with self.talk() as talk:
            talk.writer.write(whole[: self.chance.choice((5, 20, 40, 45, 1000, 90_000))])
            await asyncio.sleep(0.1)

    async def garbage(self) -> None:
        async with self.talk() as talk:
            talk.writer.write(self.chance.randbytes(self.chance.randint(1, 300_000)))
            await asyncio.sleep(0.5)

    async def trickling(self) -> None:
        """Slow-loris, in a command or in content, for longer than listen.timeout."""
        async with self.talk() as talk:
            if self.chance.random() < 0.5:
                talk.writer.write(b"MAIL FROM:<a@x>\r\nRCPT TO:<b@x>\r\nDATA\r\n")
            while not self.over:
                talk.writer.write(b"x")
                await talk.writer.drain()
                await asyncio.sleep(1)

    async def endless(self) -> None:
        """A line, or headers, without an end."""
        async with self.talk() as talk:
            if self.chance.random() < 0.5:
                talk.writer.write(b"MAIL FROM:<a@x>\r\nRCPT TO:<b@x>\r\nDATA\r\n")
                line = b"X-Endless: header\r\n" * 3000
            else:
                line = b"x" * 60_000
            for _ in range(2000):
                talk.writer.write(line)
                await talk.writer.drain()
                await asyncio.sleep(0.01)

    async def deaf(self) -> None:
        """Asks and never reads the answers."""
        async with self.talk() as talk:
            talk.writer.transport.pause_reading()  # type: ignore[attr-defined]
            async with asyncio.timeout(60):
                while not self.over:
                    talk.writer.write(b"VRFY anna\r\n" * 5000)
                    await talk.writer.drain()

    async def crowd(self) -> None:
        """Thousands of recipients, pipelined."""
        async with self.talk() as talk:
            many = b"".join(b"RCPT TO:<r%d@partner.example>\r\n" % n for n in range(12_000))
            await talk.ask(b"MAIL FROM:<a@x>\r\n" + many)
            for _ in range(12_000):
                self.books.counts["recipients"] += (await talk.hear()).positive
        await asyncio.sleep(20)

    async def idle(self) -> None:
        async with self.talk() as talk:
            await talk.hear()

    async def flood(self) -> None:
        """10 000 connections at a time."""
        await asyncio.sleep(min(45, (self.until - time.monotonic()) / 3))
        self.flooding = True
        gate = asyncio.Semaphore(500)

        async def dial() -> asyncio.StreamWriter | None:
            async with gate:
                try:
                    reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
                    said = await asyncio.wait_for(reader.readline(), 60)
                except (OSError, TimeoutError):
                    self.books.counts["unanswered"] += 1
                    return None
            self.books.counts[f"flood {said[:3].decode()}"] += 1
            return writer

        writers = await asyncio.gather(*(dial() for _ in range(FLOOD)))
        await asyncio.sleep(15)
        self.flooding = False
        for writer in filter(None, writers):
            writer.transport.abort()
        await asyncio.sleep(120)

    async def again(self, visit: Callable[[], Awaitable[None]]) -> None:
        """One visitor after the other, until the time is over."""
        while not self.over:
            with contextlib.suppress(OSError, EOFError, TimeoutError):
                await visit()
            await asyncio.sleep(self.chance.uniform(0, 1))

    async def run(self) -> None:
        visitors = (
            *((self.good, 8), (self.large, 1), (self.invitation, 6), (self.vanishing, 4), (self.garbage, 2)),
            *((self.trickling, 20), (self.endless, 2), (self.deaf, 3), (self.crowd, 1), (self.idle, 100)),
            (self.flood, 1),
        )
        tasks = [asyncio.create_task(self.again(visit)) for visit, count in visitors for _ in range(count)]
        await asyncio.sleep(max(self.until - time.monotonic(), 0))
        _, late = await asyncio.wait(tasks, timeout=15)
        for task in late:
            task.cancel()
        await asyncio.gather(*late, return_exceptions=True)


def measured(pid: int) -> tuple[float, float, int]:
    """Resident memory now, its peak, in MiB; open descriptors (proc(5))."""
    status = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    resident, peak = (int(status[name].split()[0]) / 1024 for name in ("VmRSS", "VmHWM"))
    return resident, peak, len(os.listdir(f"/proc/{pid}/fd"))


async def watched(mailhook: Daemon, books: Books, until: float, every: float) -> list[float]:
    seen: list[float] = []
    began = time.monotonic()
    while time.monotonic() < until:
        await asyncio.sleep(min(every, max(until - time.monotonic(), 0.1)))
        resident, peak, files = measured(mailhook.pid)
        seen.append(resident)
        told = " ".join(f"{name}={count}" for name, count in sorted(books.counts.items()))
        print(
            f"{(time.monotonic() - began) / 60:5.1f} min  rss {resident:6.1f}  peak {peak:6.1f}  files {files:5}"
            f"  owed={len(books.owed)} {told}",
            flush=True,
        )
    return seen


async def soaked(folder: Path, minutes: float, rate: float) -> int:
    ports, books = free_ports(), Books()
    world = Scale(books)
    await world.start(port=ports.back)
    state = ("--port", str(ports.videomost), "--state", str(folder / "videomost.json"))
    videomost = Daemon(folder / "videomost.log", "listens on", "-m", "mailhook.cli", "sandbox", *state)
    config = configured(ports, folder, own='[listen]\ntimeout = "40s"\n')
    mailhook = Daemon(
        folder / "mailhook.log", "listening", "-m", "mailhook.cli", "serve", "--config", str(config)
    )
    await videomost.start()
    await mailhook.start()
    try:
        print(f"start      rss {measured(mailhook.pid)[0]:6.1f}", flush=True)
        until = time.monotonic() + minutes * 60
        soak = Soak(ports.mailhook, books, until, rate)
        seen, _ = await asyncio.gather(watched(mailhook, books, until, min(60, minutes * 15)), soak.run())
    finally:
        await mailhook.stop()
        await videomost.stop()
        await world.close()
    return verdict(seen, books, mailhook.output())


def verdict(seen: list[float], books: Books, log: str) -> int:
    early, late = seen[len(seen) // 3], seen[-1]
    faults = books.counts["faults"] + books.counts["changed"] + log.count("Traceback")
    print(f"rss after a third {early:.1f}, at the end {late:.1f}, highest {max(seen):.1f} MiB")
    print(f"accepted {books.counts['accepted']}, lost {len(books.owed)}, faults {faults}")
    return int(bool(faults or books.owed or late > early * 1.1 + 8))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--minutes", type=float, default=20)
    parser.add_argument("--rate", type=float, default=40, help="ordinary mails per second, about")
    arguments = parser.parse_args()
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard < FLOOD + 1000:
        print(f"needs {FLOOD + 1000} file descriptors, and may have {hard}: ulimit -n")
        return 2
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    with tempfile.TemporaryDirectory(prefix="mailhook-soak-") as folder:
        return asyncio.run(soaked(Path(folder), arguments.minutes, arguments.rate))


if __name__ == "__main__":
    sys.exit(main())
