"""A process of `mailhook serve`: a worker, or the local Videomost that the workers share.

What: `main` asks the supervisor over its channel what to be. The first worker of a generation reads the settings and
the templates, tries all that can be tried, and puts them into a file in memory, from which the others take them: what
changes on disk meanwhile concerns none of them, nor one that is started again later. A worker drains and ends on
SIGTERM, and when its supervisor is gone.

Not here: the supervisor's part (`supervisor`, `generation`), and what a worker does (`app`).

Errors: what keeps it from beginning is told to the supervisor, and the exit status is 1.

    python -m mailhook.worker N     N: the descriptor of its end of the channel
"""

import asyncio
import os
import pickle
import signal
import socket
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from mailhook import app, journal, loop
from mailhook.channel import (
    Address,
    Begin,
    Channel,
    Failed,
    Planned,
    Read,
    Ready,
    SandboxPlan,
    Serve,
    SocketName,
    Take,
)
from mailhook.chosen_provider import tried
from mailhook.config import Settings, exposed, load, problems
from mailhook.errors import MailhookError, Misconfigured
from mailhook.phrasebook import Phrasebook, read_all
from mailhook.provider.sandbox import Sandbox

ENDED, FAILED = 0, 1

SWITCH_INTERVAL = 0.001
"""Seconds after which a thread that reads a large invitation lets ordinary mail have its turn; by default 0.005."""


@dataclass(frozen=True)
class Snapshot:
    """All that a generation has read: `templates`: language/file → source; `secret`: the store's."""

    settings: Settings
    templates: Mapping[str, str]
    secret: bytes


def main(channel: Channel) -> int:
    """The whole life of the process; the exit status."""
    # The supervisor's business, also where a terminal sends it to all.
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    message, files = channel.receive()
    try:
        match message:
            case Read(number, config):
                return _lead(channel, number, Path(config))
            case Take(number):
                return _work(channel, number, _taken(files[0]))
            case Serve(plan):
                asyncio.run(_videomost(channel, plan))
                return ENDED
            case _:
                return ENDED
    except MailhookError as error:
        channel.send(Failed(tuple(str(error).splitlines())))
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        channel.send(Failed((f"{where}{error.strerror or error}",)))
    return FAILED


def _lead(channel: Channel, number: int, config: Path) -> int:
    snapshot = _read(config)
    settings = snapshot.settings
    wording = Phrasebook(settings, snapshot.templates).blocks()
    file = os.memfd_create("mailhook-settings")
    with open(file, "wb", closefd=False) as memory:
        pickle.dump(snapshot, memory)
    plan = Planned(
        settings.listen.workers,
        addresses(settings),
        _sandbox_plan(settings),
        settings.log.level,
        settings.log.format,
        wording.languages,
    )
    channel.send(plan, [file])
    return _work(channel, number, snapshot)


def _read(config: Path) -> Snapshot:
    """Misconfigured names all that is wrong; OSError."""
    settings = load(config)
    journal.setup(settings.log.level, settings.log.format)
    found = problems(config, tried)
    errors = [str(problem) for problem in found if not problem.warning]
    if errors:
        raise Misconfigured("\n".join([f"{config} cannot be used:", *errors]))
    for problem in found:
        journal.event("setting", key=problem.key, error=problem.message)
    return Snapshot(settings, read_all(settings), asyncio.run(app.secret_of_store(settings)))


def _taken(file: int) -> Snapshot:
    # Not through the file's position, which all processes have in common.
    data = os.pread(file, os.fstat(file).st_size, 0)
    os.close(file)
    snapshot = pickle.loads(data)  # noqa: S301 - written by `_lead`
    assert isinstance(snapshot, Snapshot)
    return snapshot


def addresses(settings: Settings) -> dict[SocketName, Address]:
    """Where a generation with these settings listens."""
    places: dict[SocketName, Address] = {"smtp": (settings.listen.host, settings.listen.port)}
    if settings.http.port:
        places["http"] = (settings.http.host, settings.http.port)
    return places


def _sandbox_plan(settings: Settings) -> SandboxPlan | None:
    own = settings.provider.sandbox
    plan = SandboxPlan(own.host, own.port, own.public_url, own.state)
    return plan if settings.provider.kind == "sandbox" else None


# --- a worker ------------------------------------------------------------------------------------------------------


def _work(channel: Channel, number: int, snapshot: Snapshot) -> int:
    settings = snapshot.settings
    several = settings.listen.workers > 1
    journal.setup(settings.log.level, settings.log.format, worker=str(number) if several else "")
    sys.setswitchinterval(SWITCH_INTERVAL)
    message, files = channel.receive()
    if not isinstance(message, Begin):
        return ENDED
    loop.run(_serve(channel, message, files, snapshot))
    return ENDED


async def _serve(channel: Channel, begin: Begin, files: list[int], snapshot: Snapshot) -> None:
    named = [(name, socket.socket(fileno=file)) for name, file in zip(begin.sockets, files, strict=True)]
    _not_exposed(snapshot.settings, named)
    given = app.Given(
        smtp=tuple(each for name, each in named if name == "smtp"),
        http=tuple(each for name, each in named if name == "http"),
        templates=snapshot.templates,
        secret=snapshot.secret,
        sandbox_port=begin.sandbox_port,
    )
    stop = _stop_asked()
    async with (
        app.running(snapshot.settings.share(), given=given) as running,
        running.monitor.served(given.http),
    ):
        channel.send(Ready())
        await asyncio.wait({stop, _supervisor_gone(channel)}, return_when=asyncio.FIRST_COMPLETED)


def _not_exposed(settings: Settings, sockets: "list[tuple[SocketName, socket.socket]]") -> None:
    """Misconfigured: systemd may have bound a socket where these settings let everybody in."""
    faults: list[str] = []
    for name, each in sockets:
        host = str(each.getsockname()[0]).partition("%")[0]
        faults += [f"a socket is bound to {host}: {problem}" for problem in exposed(settings, name, host)]
    if faults:
        raise Misconfigured("\n".join(["the sockets cannot be used with these settings:", *faults]))


def _stop_asked() -> "asyncio.Task[None]":
    return asyncio.create_task(app.stop_signal())


def _supervisor_gone(channel: Channel) -> "asyncio.Task[None]":
    """Done when the other end of the channel is closed: after `Begin` nothing is said there any more."""
    return asyncio.create_task(channel.readable())


async def _videomost(channel: Channel, plan: SandboxPlan) -> None:
    sandbox = Sandbox(public_url=plan.public_url, state=Path(plan.state) if plan.state else None)
    await sandbox.start(plan.host, plan.port)
    channel.send(Ready(int(sandbox.url.rpartition(":")[2])))
    await asyncio.wait({_stop_asked(), _supervisor_gone(channel)}, return_when=asyncio.FIRST_COMPLETED)
    await sandbox.stop()


if __name__ == "__main__":
    sys.exit(main(Channel(socket.socket(fileno=int(sys.argv[1])))))
