"""A provider that fails as a test tells it.

What: `Scripted`, and the conference that it makes.

Not here: HTTP (contract).
"""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from mailhook.core.conference import Found, JoinDetails, Person, Spec
from mailhook.errors import MailhookError

NOW = datetime(2027, 2, 1, 12, tzinfo=UTC)
SPEC = Spec("Plan", NOW, NOW + timedelta(hours=1), "UTC", Person("ivan@corp.example"))
MADE = JoinDetails("1", "https://vm.example.com/1")


class Scripted:
    """Fails call by call with `errors`, and works then; `calls` counts. `gate`: calls wait for it."""

    identity = "scripted http://vm.example.com"

    def __init__(
        self, errors: Sequence[MailhookError] = (), *, chooses_id: bool = True, finds: bool = True
    ) -> None:
        self.errors = list(errors)
        self.chooses_id = chooses_id
        self.finds = finds
        self.calls = 0
        self.gate: asyncio.Event | None = None

    async def _call(self) -> None:
        self.calls += 1
        if self.gate:
            await self.gate.wait()
        if self.errors:
            raise self.errors.pop(0)

    async def create(self, spec: Spec, key: str) -> JoinDetails:
        await self._call()
        return MADE

    async def update(self, conference_id: str, spec: Spec) -> None:
        await self._call()

    async def delete(self, conference_id: str) -> None:
        await self._call()

    async def find(self, key: str) -> tuple[Found, ...]:
        await self._call()
        return (Found(MADE.conference_id, MADE),)

    async def ping(self) -> None:
        await self._call()

    async def close(self) -> None:
        pass
