"""Processes of a groupware server of our own, as root, beside whatever the machine runs.

What: `Groupware` holds a directory that goes away with it, starts programs as other users, and ends what it started by
process group. A server adds what it needs (cyrus, sogo).

Not here: who mails what.
"""

import asyncio
import os
import random
import shutil
import signal
import socket
import subprocess
import tempfile
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from tests.peers.caldav import Account
from tests.peers.waiting import eventually_async

USERS = ("ivan", "olga")
SERVICE = "mailhook"
"""The account that may change everybody's events."""


def unused_ports(count: int) -> list[int]:
    """Below the range from which the system gives ports to connections."""
    chosen: list[int] = []
    while len(chosen) < count:
        port = random.randrange(20000, 32000)
        with socket.socket() as probe, suppress(OSError):
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(("127.0.0.1", port))
            chosen += [port] if port not in chosen else []
    return chosen


def lacking(programs: tuple[str, ...], advice: str) -> str:
    """Why a server that needs `programs` cannot be started here, and what would help; "" if it can."""
    if any(shutil.which(program) is None for program in programs):
        return f"needs {advice}"
    if os.geteuid() != 0:
        return "needs root, to start a server of its own: run the tests as root"
    return ""


class Groupware(ABC):
    """Invitations go by SMTP to 127.0.0.1:`smtp`, inside the user's request.

    `mails_own_people`: whether attendees who have an account on the server get mail; `mails_cancelled_occurrences`:
    whether anybody does when an occurrence gets STATUS:CANCELLED; `uninvites_from_whole_series`: whether the CANCEL to
    somebody removed from a series with an exception names the series, and not that exception only.
    """

    mails_own_people: bool
    mails_cancelled_occurrences: bool
    uninvites_from_whole_series: bool

    def __init__(self, smtp: int) -> None:
        self.smtp = smtp
        self.home = Path(tempfile.mkdtemp(prefix="mailhook-groupware-"))
        self.home.chmod(0o755)
        self._processes: list[tuple[asyncio.subprocess.Process, signal.Signals]] = []

    @abstractmethod
    async def start(self) -> None: ...

    @abstractmethod
    def account(self, user: str) -> Account: ...

    @abstractmethod
    def caldav(self) -> dict[str, str]:
        """The section [organizer.caldav] with which mailhook writes as SERVICE."""

    async def stop(self) -> None:
        """All data is thrown away, so nobody is asked to end in good order."""
        for process, last in reversed(self._processes):
            with suppress(ProcessLookupError):
                os.killpg(process.pid, last)
            await process.wait()
        shutil.rmtree(self.home)

    def folder(self, name: str, owner: str) -> Path:
        path = self.home / name
        path.mkdir(parents=True)
        shutil.chown(path, owner, owner if owner != "cyrus" else "mail")
        return path

    async def spawn(self, user: str | None, *line: str, last: signal.Signals = signal.SIGKILL) -> None:
        """A program that stays, the leader of a process group of its own; `last`: the signal that ends it."""
        with (self.home / "log").open("ab") as log:
            process = await asyncio.create_subprocess_exec(
                *line,
                user=user,
                group=user,
                extra_groups=[] if user else None,
                cwd=self.home,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self._processes.append((process, last))

    async def run(self, user: str | None, *line: str, given: str = "") -> None:
        """A program that ends, and well."""
        process = await asyncio.create_subprocess_exec(
            *line,
            user=user,
            group=user,
            extra_groups=[] if user else None,
            cwd=self.home,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        output, _ = await process.communicate(given.encode())
        assert process.returncode == 0, f"{line}: {output.decode(errors='replace')}"

    async def serves(self) -> None:
        """Until the users' calendars answer."""
        for user in USERS:
            await eventually_async(self.account(user).there, f"the calendar of {user} is there")


@asynccontextmanager
async def served(kind: type[Groupware]) -> AsyncIterator[Groupware]:
    """A server of its own, on a port that is free."""
    (port,) = unused_ports(1)
    server = kind(port)
    try:
        await server.start()
        yield server
    finally:
        await server.stop()
