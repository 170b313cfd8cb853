"""Peers that are well, and settings that name them.

Not here: expectations.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

from mailhook.config import Settings
from mailhook.doctor import Finding, examine
from mailhook.front.sink import Sink
from mailhook.provider.sandbox import Sandbox

PATIENCE = 30.0


@dataclass
class Site:
    """Peers that are well, and settings that name them."""

    settings: Settings
    sandbox: Sandbox
    sink: Sink

    async def finding(self, subject: str, patience: float = PATIENCE, **sections: object) -> Finding:
        """The first one on `subject`; `sections` of the settings are replaced."""
        found = await examine(changed(self.settings, **sections), (), patience)
        return next(each for each in found if each.subject == subject)


def changed(settings: Settings, **sections: object) -> Settings:
    return settings.model_copy(update=sections)


@asynccontextmanager
async def server(talk: Callable[[asyncio.StreamWriter], Awaitable[None]]) -> AsyncIterator[int]:
    """A server that does `talk` with every client and then waits for it to go; its port."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await talk(writer)
        while await reader.read(65536):
            pass
        writer.close()

    listening = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield listening.sockets[0].getsockname()[1]
    finally:
        listening.close()


async def nothing(_: asyncio.StreamWriter) -> None:
    """Accept, and never answer."""
