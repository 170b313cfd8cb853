"""What a supervisor and its processes say to each other.

What: the messages, and `Channel`, one end of the socket pair between the two: a message is one packet, and open files
go along with it. A channel whose other end is gone says so at once: so a worker learns that its supervisor died.

Not here: what is done about a message (`supervisor`, `generation`, `worker`).

Errors: none. Who is gone is told nothing, and from him comes None.
"""

import asyncio
import os
import pickle
import socket
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Literal

LARGEST = 65536
MOST_FILES = 32

Address = tuple[str, int]
SocketName = Literal["smtp", "http"]


@dataclass(frozen=True)
class SandboxPlan:
    """The local Videomost that all workers share (`[provider.sandbox]`)."""

    host: str
    port: int
    public_url: str
    state: str


# --- from the supervisor


@dataclass(frozen=True)
class Read:
    """To the first worker of a generation: read the settings in the file `config`, and say what they ask for."""

    number: int
    config: str


@dataclass(frozen=True)
class Take:
    """To the others: the settings are those of the first, in the file that comes along."""

    number: int


@dataclass(frozen=True)
class Begin:
    """Work: accept on the sockets that come along. `sandbox_port`: where the local Videomost is, if there is one."""

    sockets: tuple[SocketName, ...]
    sandbox_port: int


@dataclass(frozen=True)
class Serve:
    """To the process of the local Videomost: be it."""

    plan: SandboxPlan


# --- from a process


@dataclass(frozen=True)
class Planned:
    """What the supervisor has to know of the settings; they themselves come along in a file.

    `addresses`: where to listen; `level`, `style`: of the log; `languages`: of the wording.
    """

    workers: int
    addresses: Mapping[SocketName, Address]
    sandbox: SandboxPlan | None
    level: str
    style: Literal["console", "json"]
    languages: tuple[str, ...]


@dataclass(frozen=True)
class Ready:
    """It works; `port`: of the local Videomost."""

    port: int = 0


@dataclass(frozen=True)
class Failed:
    """It cannot begin, and why; it ends."""

    faults: tuple[str, ...]


Message = Read | Take | Begin | Serve | Planned | Ready | Failed


class Channel:
    """One end. `files` that come with a message belong to who receives it."""

    def __init__(self, end: socket.socket) -> None:
        self._end = end

    @classmethod
    def pair(cls) -> "tuple[Channel, Channel]":
        one, other = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        return cls(one), cls(other)

    def fileno(self) -> int:
        return self._end.fileno()

    def send(self, message: Message, files: Sequence[int] = ()) -> None:
        with suppress(OSError):
            socket.send_fds(self._end, [pickle.dumps(message)], files)

    def receive(self) -> tuple[Message | None, list[int]]:
        """Wait for a message; None: there will be none."""
        try:
            data, files, _, _ = socket.recv_fds(self._end, LARGEST, MOST_FILES)
        except OSError:
            return None, []
        for file in files:
            os.set_inheritable(file, False)
        # The other end is a process of ours, and nobody else has it.
        return (pickle.loads(data) if data else None), files  # noqa: S301

    async def received(self) -> tuple[Message | None, list[int]]:
        """`receive`, while the event loop goes on."""
        await self.readable()
        return self.receive()

    async def readable(self) -> None:
        """Wait until there is a message, or there will be none any more."""
        loop = asyncio.get_running_loop()
        readable: asyncio.Future[None] = loop.create_future()
        loop.add_reader(self._end, _done, readable)
        try:
            await readable
        finally:
            loop.remove_reader(self._end)

    def close(self) -> None:
        self._end.close()


def _done(future: "asyncio.Future[None]") -> None:
    if not future.done():
        future.set_result(None)
