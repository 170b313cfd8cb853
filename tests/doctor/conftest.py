"""A site that is well, for each test anew."""

import socket
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from mailhook.app import running
from mailhook.config import Provider
from mailhook.front.sink import Sink
from mailhook.provider.sandbox import Sandbox
from tests.doctor.rig import Site, changed
from tests.relay.rig import settings_for


@pytest.fixture(name="site")
async def _site(tmp_path: Path) -> AsyncIterator[Site]:
    """mailhook serves it; the store has been made."""
    async with AsyncExitStack() as stack:
        sandbox, sink = Sandbox(token="right"), Sink()
        await sandbox.start()
        stack.push_async_callback(sandbox.stop)
        await sink.start()
        stack.push_async_callback(sink.close)
        settings = settings_for(sandbox.url, sink.port, store=str(tmp_path / "store.db"))
        vm = settings.provider.videomost.model_copy(update={"token": "right"})
        settings = changed(settings, provider=Provider(kind="videomost", videomost=vm))
        app = await stack.enter_async_context(running(settings))
        listen = settings.listen.model_copy(update={"port": app.listener.port})
        yield Site(changed(settings, listen=listen), sandbox, sink)


@pytest.fixture
def dead_port() -> int:
    """Where nobody listens."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])
