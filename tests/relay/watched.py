"""A mailhook that is watched: with a store on disk, and its pages on a free port.

What: `watched` is the relay's `world`, served over HTTP; `troubled` gives it a day with good and bad mails.

Not here: expectations.
"""

import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import httpx

from mailhook.core.meeting import Meeting, MeetingKey
from mailhook.ports import Circumstances
from mailhook.provider.sandbox_faults import Fault
from tests.relay.mails import ANNA, BORIS, IVAN, ORDINARY, Event, invitation
from tests.relay.rig import Clock, World, world

HOSTILE = '"><script>document.title="owned"</script><img src=x onerror=alert(1)>'


@dataclass
class Watched:
    """`url`: of the pages, without a final slash; `auth`: name and password, if one is needed."""

    here: World
    url: str
    auth: tuple[str, str] | None

    def browser(self) -> httpx.AsyncClient:
        return httpx.AsyncClient(base_url=self.url, trust_env=False, auth=self.auth)

    async def text(self, path: str = "/", **headers: str) -> str:
        async with self.browser() as client:
            answer = await client.get(path, headers=headers)
        assert answer.status_code == 200, answer.text
        return answer.text


@asynccontextmanager
async def watched(
    folder: Path,
    policy: Mapping[str, Any] | None = None,
    password: str = "",
    videomost: Mapping[str, Any] | None = None,
    listen: Mapping[str, Any] | None = None,
    clock: Clock | None = None,
) -> AsyncIterator[Watched]:
    listener = socket.create_server(("127.0.0.1", 0))
    store, http = str(folder / "store.db"), {"password": password}
    async with (
        world(policy, clock=clock, store=store, http=http, videomost=videomost, listen=listen) as here,
        here.app.monitor.served([listener]),
    ):
        port = listener.getsockname()[1]
        yield Watched(here, f"http://127.0.0.1:{port}", ("admin", password) if password else None)


async def day(here: World) -> None:
    """A conference, mails that get none, and an ordinary one."""
    for n, topic in enumerate(("Бюджет", "Planning", HOSTILE)):
        event = Event(uid=f"weekly-{n}@corp.example", summary=topic, attendees=(ANNA, BORIS))
        await here.send(invitation(event), IVAN, ANNA)
    await here.send(invitation(Event(uid="plain@corp.example", location="Room 5")))
    await here.send(
        invitation(Event(uid=HOSTILE, organizer="eve@elsewhere.example")), "eve@elsewhere.example"
    )
    await here.send(invitation(Event(uid="reply@corp.example", method="REPLY")))
    await here.send(ORDINARY)
    await here.app.monitor.remember()


async def trouble(here: World) -> None:
    """Videomost stops answering, one conference waits for it, and of another nobody knows whether it is wanted."""
    here.sandbox.faults["create"] = here.sandbox.faults["ping"] = Fault(status=503)
    await here.send(invitation(Event(uid="waits@corp.example", summary="Срочное")))
    await here.settle()

    def doubted(meeting: Meeting, _: Circumstances) -> tuple[Meeting, None]:
        return replace(meeting, doubtful=f"perhaps un-invited: {BORIS}"), None

    await here.app.store.change(MeetingKey(IVAN, "weekly-1@corp.example"), doubted)
    await here.app.monitor.remember()
