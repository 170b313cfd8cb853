"""What SOGo's own web calendar makes of the block when the organizer edits his event (tests/core/data/edited)."""

from collections.abc import AsyncIterator

import httpx
import pytest
import pytest_asyncio

from mailhook.front.sink import Sink
from tests.core.edited import occurrences, request, rewritten, stored
from tests.peers.caldav import Account
from tests.peers.sogo import Sogo

pytestmark = [pytest.mark.peers("sogo"), pytest.mark.asyncio(loop_scope="module")]


@pytest_asyncio.fixture(scope="module", loop_scope="module", name="ivan")
async def _ivan() -> AsyncIterator[Account]:
    sink = Sink()
    await sink.start()
    server = Sogo(sink.port)
    try:
        await server.start()
        yield server.account("ivan")
    finally:
        await server.stop()
        await sink.close()


async def edit(ivan: Account, name: str, typed: str) -> None:
    """As the page of the event does it: log in, ask for the event, send it back with another title and more text."""
    site = ivan.url.partition("/SOGo/")[0] + "/SOGo"
    page = f"{site}/so/{ivan.user}/Calendar/personal/{name}"
    async with httpx.AsyncClient(trust_env=False, timeout=60) as client:
        await client.post(f"{site}/connect", json={"userName": ivan.user, "password": ivan.password})
        client.headers["X-XSRF-TOKEN"] = client.cookies["XSRF-TOKEN"]
        event = (await client.get(f"{page}/view")).json()
        event |= {"summary": "s edited", "comment": event["comment"] + typed}
        assert (await client.post(f"{page}/save", json=event)).json() == {"status": "success"}


@pytest.mark.parametrize("typed", ["", "\nand more"], ids=["retitled", "retyped"])
async def test_an_edited_event_keeps_one_block(ivan: Account, typed: str) -> None:
    put = await ivan.ask("PUT", "u1.ics", stored("DESCRIPTION:Agenda"), **{"Content-Type": "text/calendar"})
    assert put.is_success
    await edit(ivan, "u1.ics", typed)
    edited = request((await ivan.ask("GET", "u1.ics")).content)
    await ivan.delete("u1")
    assert b"s edited" in edited
    assert rewritten(edited).count(b"_______ Videomost ") == edited.count(b"_______ Videomost ") == 1
    assert occurrences(rewritten(edited)) == occurrences(edited)
