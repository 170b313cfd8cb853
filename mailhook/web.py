"""A web application served inside the program's event loop.

What: `WebServer` runs a starlette application by uvicorn on one address. The program keeps its signals, an address that
is taken raises instead of ending the process, and a stop ends every connection, as a server that goes down does.
`Bounds` keep those who connect from using up what mail needs: with uvicorn's own limits silent ones stand for ever.

Not here: the applications (`front.pages`, `provider.sandbox`).

Errors: `start` raises OSError when the address cannot be bound.
"""

import asyncio
import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from uvicorn.protocols.http.h11_impl import H11Protocol

STOP_SECONDS = 2
DATE_SECONDS = 1


@dataclass(frozen=True)
class Bounds:
    """`connections` at a time, more are cut; `seconds` after which one is cut whatever it does."""

    connections: int
    seconds: float


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.ending = asyncio.Event()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def main_loop(self) -> None:
        while not self.ending.is_set():
            # It writes the Date of the answers anew.
            await self.on_tick(0)
            with suppress(TimeoutError):
                async with asyncio.timeout(DATE_SECONDS):
                    await self.ending.wait()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:  # noqa: ARG002 - uvicorn's signature
        for server in self.servers:
            server.close()
        for transport in self.transports().values():
            transport.close()
        if self.server_state.tasks:
            await asyncio.wait(self.server_state.tasks, timeout=STOP_SECONDS)

    def transports(self) -> dict[tuple[str, int] | None, asyncio.Transport]:
        """Of the open connections, by the client's address and port."""
        connections = self.server_state.connections
        return {c.client: c.transport for c in connections if isinstance(c, H11Protocol)}


class WebServer:
    """`url`, without a final slash, is known when `start` has returned; it may be started again after a stop."""

    def __init__(self, app: Starlette, bounds: Bounds | None = None) -> None:
        self.url = ""
        self._app = app
        self._protocol = _bounded(bounds) if bounds else H11Protocol
        self._server: _Server | None = None
        self._serving: asyncio.Task[None] | None = None

    async def start(
        self, host: str = "127.0.0.1", port: int = 0, listeners: Sequence[socket.socket] = ()
    ) -> None:
        """Listen, on `listeners` if there are any (processes may share them); port 0 takes a free one.

        Connections are accepted when it returns.
        """
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        bound = list(listeners) or [socket.create_server((host, port), family=family, backlog=512)]
        for listener in bound:
            # asyncio sets it only where the socket names its protocol; accepted ones inherit it from the listener.
            listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.url = f"http://{f'[{host}]' if ':' in host else host}:{bound[0].getsockname()[1]}"
        self._server = _Server(_config(self._app, self._protocol))
        self._serving = asyncio.create_task(self._server.serve(sockets=bound))

    async def stop(self) -> None:
        """Stop listening and end every connection, the busy ones after STOP_SECONDS."""
        if self._server and self._serving:
            self._server.ending.set()
            await self._serving
        self._server = self._serving = None

    async def pause(self, seconds: float) -> bool:
        """Wait while a request is being answered; False when the server is being stopped."""
        server = self._server
        if server is not None and seconds > 0:
            with suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await server.ending.wait()
        return server is not None and not server.ending.is_set()

    def hang_up(self, request: Request, *, after_flush: bool) -> None:
        """Cut the connection of a request that is being answered."""
        transport = self._server.transports().get(request.scope["client"]) if self._server else None
        if transport:
            transport.close() if after_flush else transport.abort()


def _bounded(bounds: Bounds) -> type[H11Protocol]:
    class Bounded(H11Protocol):
        def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
            if len(self.connections) >= bounds.connections:
                transport.abort()
                return
            self._end = asyncio.get_running_loop().call_later(bounds.seconds, transport.abort)
            super().connection_made(transport)

        def connection_lost(self, exc: Exception | None) -> None:
            if self in self.connections:
                self._end.cancel()
                super().connection_lost(exc)

    return Bounded


def _config(app: Starlette, protocol: type[H11Protocol]) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        http=protocol,
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
    )
