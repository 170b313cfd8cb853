"""The listening sockets of `mailhook serve`, which outlive its workers.

What: `Listening` holds them by name: those that systemd has handed over, and those that it has bound itself at the
addresses that a plan asks for. Workers inherit them; what comes while no worker accepts waits in the socket.

Not here: who accepts (`front`), when a socket is needed (`supervisor`).

Errors: FailedError for an address that cannot be had, if mail comes there.
"""

import asyncio
import socket
from collections.abc import Iterable
from errno import EADDRINUSE

from mailhook import journal, systemd
from mailhook.channel import Address, Planned, SocketName
from mailhook.generation import FailedError

BACKLOG = 512
"""Connections that wait to be accepted: those that come while workers are started."""

PATIENCE = 5.0
"""Seconds after which an address is taken: workers whose supervisor was killed let go of theirs within moments."""

Held = dict[SocketName, list[socket.socket]]


class Listening:
    def __init__(self) -> None:
        self._given: Held = {}
        for name, each in systemd.inherited():
            self._given.setdefault("http" if name == "http" else "smtp", []).append(each)
        self._bound: dict[Address, list[socket.socket]] = {}

    async def at(self, plan: Planned) -> Held:
        """What the plan asks for, beside what is held already. Of what systemd gave its addresses are not looked at."""
        return {name: await self._held(name, address) for name, address in plan.addresses.items()}

    async def _held(self, name: SocketName, address: Address) -> list[socket.socket]:
        if name in self._given:
            return self._given[name]
        if address not in self._bound:
            try:
                self._bound[address] = await _bound(name, address)
            except FailedError as error:
                if name == "smtp":
                    raise
                # Mail goes on without those who only look.
                journal.event(
                    "http-unavailable", error=f"health, metrics and status page are not served: {error}"
                )
                return []
        return self._bound[address]

    def keep(self, plan: Planned) -> None:
        """Let go of what this plan does not ask for."""
        stale = self._bound.keys() - set(plan.addresses.values())
        for address in stale:
            _close(self._bound.pop(address))

    def own(self, plan: Planned, name: SocketName) -> list[socket.socket]:
        """Those on which nobody will listen when this process has ended."""
        return [] if name in self._given else self._bound.get(plan.addresses[name], [])


def _close(sockets: Iterable[socket.socket]) -> None:
    for each in sockets:
        each.close()


async def _bound(name: SocketName, address: Address) -> list[socket.socket]:
    clock = asyncio.get_running_loop().time
    until = clock() + PATIENCE
    while True:
        try:
            return await asyncio.to_thread(_listening, *address)
        except OSError as error:
            if error.errno != EADDRINUSE or clock() >= until:
                section = "listen" if name == "smtp" else name
                where = f"{section}.host, {section}.port: cannot listen on {address[0]} port {address[1]}"
                raise FailedError(f"{where}: {error.strerror}") from None
        await asyncio.sleep(0.05)


def _listening(host: str, port: int) -> list[socket.socket]:
    """One socket for each address that the host stands for."""
    sockets: list[socket.socket] = []
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    try:
        for family, kind, protocol, _, address in dict.fromkeys(found):
            each = socket.socket(family, kind, protocol)
            sockets.append(each)
            each.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                each.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            each.bind(address)
            each.listen(BACKLOG)
    except BaseException:
        _close(sockets)
        raise
    return sockets
