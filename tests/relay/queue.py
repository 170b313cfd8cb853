"""A mail server's queue as the client of mailhook: it keeps every mail until it is told that another has it."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from email import message_from_bytes
from itertools import count

from mailhook.front.sink import Received
from tests.relay.mails import ANNA, IVAN, ORDINARY, PUBLIC, invitation, link_in
from tests.relay.processes import fresh
from tests.relay.rig import PATIENCE, Client

HANDS = 6
MAILS_PER_CONNECTION = 3
EVERY = 7
"""One mail of so many is an invitation."""

PAUSE = 0.02
"""Seconds until a mail that was not taken is tried again."""


@dataclass
class Queue:
    """`sent`: by Message-ID; `refused`: connections; `put_off`: 4xx by code; `bounced`: 5xx; `doubtful`: mails of which
    the connection was lost after the dot, so that they may have been delivered.
    """

    port: int
    sent: dict[str, bytes] = field(default_factory=dict)
    refused: int = 0
    put_off: Counter[int] = field(default_factory=Counter)
    bounced: list[str] = field(default_factory=list)
    doubtful: Counter[str] = field(default_factory=Counter)
    done: int = 0
    _flowing: bool = True
    _hands: list["asyncio.Task[None]"] = field(default_factory=list)

    def begin(self) -> None:
        """Mail flows from now on, invitations to meetings of their own among it."""
        stream = self._mails()
        self._hands = [asyncio.create_task(self._work(stream)) for _ in range(HANDS)]

    async def emptied(self) -> None:
        """No more mail comes, and what is queued is delivered."""
        self._flowing = False
        async with asyncio.timeout(PATIENCE):
            await asyncio.gather(*self._hands)

    def _mails(self) -> Iterator[bytes]:
        for number in count(1):
            if not self._flowing:
                return
            if number % EVERY:
                yield f"Message-ID: <plain-{number}@corp.example>\r\n".encode() + ORDINARY
            else:
                yield invitation(replace(fresh(), uid=f"meeting-{number}@corp.example"))

    async def _work(self, mails: Iterator[bytes]) -> None:
        """One delivery process: some mails over one connection, then another one."""
        client, used = None, 0
        for mail in mails:
            self.sent[name_of(mail)] = mail
            while True:
                if client is None or used == MAILS_PER_CONNECTION:
                    await _close(client)
                    client, used = await self._connected(), 0
                if client is not None:
                    used += 1
                    if await self._handed_in(client, mail):
                        break
                    await _close(client)
                    client = None
                await asyncio.sleep(PAUSE)
            self.done += 1
        await _close(client)

    async def _connected(self) -> Client | None:
        try:
            return await Client.connect(self.port)
        except ConnectionRefusedError:
            self.refused += 1
        except (OSError, EOFError):
            self.put_off[0] += 1
        return None

    async def _handed_in(self, client: Client, mail: bytes) -> bool:
        """Whether it need not be tried again."""
        try:
            for answer in await client.envelope(IVAN, ANNA):
                if not answer.positive:
                    return self._answered(answer.code, mail)
            if (answer := await client.ask(b"DATA\r\n")).code != 354:
                return self._answered(answer.code, mail)
            try:
                return self._answered((await client.content(mail)).code, mail)
            except (OSError, EOFError):
                self.doubtful[name_of(mail)] += 1
        except (OSError, EOFError):
            self.put_off[0] += 1
        return False

    def _answered(self, code: int, mail: bytes) -> bool:
        if code >= 500:
            self.bounced.append(name_of(mail))
        elif code >= 400:
            self.put_off[code] += 1
        return not 400 <= code < 500


async def _close(client: Client | None) -> None:
    if client is None:
        return
    with suppress(OSError, EOFError):
        await client.ask(b"QUIT\r\n")
    client.writer.close()


def name_of(mail: bytes) -> str:
    return str(message_from_bytes(mail.partition(b"\r\n\r\n")[0])["Message-ID"])


@asynccontextmanager
async def load(port: int) -> AsyncIterator[Queue]:
    """Mail flows until the context is left."""
    queue = Queue(port)
    queue.begin()
    yield queue
    await queue.emptied()


def check(queue: Queue, arrived: Sequence[Received]) -> None:
    """All that was sent has arrived as it should be, and twice only what SMTP allows."""
    counted = Counter(name_of(mail.content) for mail in arrived)
    assert queue.sent.keys() == counted.keys()
    for mail in arrived:
        name = name_of(mail.content)
        if name.startswith("<plain"):
            assert mail.content == queue.sent[name]
        else:
            assert link_in(mail.content).startswith(PUBLIC)
    twice = {name: times - 1 for name, times in counted.items() if times > 1}
    assert all(times <= queue.doubtful[name] for name, times in twice.items()), twice
    assert queue.bounced == []
