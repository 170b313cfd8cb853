"""What relay, flight and sync rely on: every implementation of `Provider` passes.

An implementation joins by a rig: a class that starts a provider of its own, can break it in the ways of `BREAKS`,
and stands in `RIGS`.
"""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Protocol

import pytest

from mailhook.core.conference import Person, Spec
from mailhook.errors import Gone, Misconfigured, Permanent, Temporary
from mailhook.ports import Provider
from mailhook.provider.sandbox import Sandbox
from mailhook.provider.sandbox_faults import Fault
from mailhook.provider.videomost import Videomost

START = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
SPEC = Spec(
    topic="Планёрка отдела",
    start=START,
    end=START + timedelta(hours=1),
    timezone="Europe/Moscow",
    owner=Person("anna@example.com", "Анна"),
    participants=(Person("boris@example.com", "Борис"), Person("guest@example.org")),
)
KEY = "0123456789abcdef0123456789abcdef"


class Rig(Protocol):
    @property
    def provider(self) -> Provider: ...

    def impatient(self) -> Provider:
        """A client of the same server that waits for an answer no longer than a test likes."""

    def unauthorized(self) -> Provider: ...

    def rooms(self) -> dict[str, Spec]:
        """What stands at the provider, by id."""

    async def break_(self, how: str, operation: str) -> None: ...

    def refuse_after_doing(self, operation: str) -> None:
        """Once, carry the operation out and cut the connection."""

    async def close(self) -> None: ...


WHOLE = '{"id": "' + KEY + '", "join_url": "https://elsewhere.example/join", "passcode": "1", "status": "ok"}'

BREAKS = {
    "error": Fault(status=500),
    "unavailable": Fault(status=503),
    "too many requests": Fault(status=429),
    "slow": Fault(delay=600),
    "page instead of an answer": Fault(body="<!DOCTYPE html><p>Maintenance</p>"),
    "list instead of an object": Fault(body="[]"),
    "truncated JSON": Fault(body=WHOLE[:-20]),
    "truncated in transit": Fault(body=WHOLE, truncate=True),
    # Each byte comes well within any time-out for one read; all of them would take 10 s.
    "trickling": Fault(body=WHOLE.ljust(500), trickle=0.02),
    "oversized": Fault(body=" " * 1024 * 1024 + WHOLE),
    "bottomless nesting": Fault(body="[" * 500_000),
}
LINK_BREAKS = {
    "link to a foreign host": Fault(body=WHOLE),
    "answer about another room": Fault(body=WHOLE.replace(KEY, "another")),
    "no link": Fault(body='{"id": "' + KEY + '"}'),
}


class SandboxRig:
    """Videomost's client and a live sandbox."""

    TOKEN = "right-token"

    def __init__(self, state: Path | None) -> None:
        self.sandbox = Sandbox(state=state, token=self.TOKEN)
        self._clients: list[Videomost] = []

    async def start(self) -> None:
        await self.sandbox.start("127.0.0.1", 0)
        self.provider = self._client(self.TOKEN)

    def impatient(self) -> Provider:
        return self._client(self.TOKEN, timeout=0.2)

    def unauthorized(self) -> Provider:
        return self._client("wrong-token")

    def rooms(self) -> dict[str, Spec]:
        return {room.id: room.spec for room in self.sandbox.conferences.values()}

    async def break_(self, how: str, operation: str) -> None:
        if how == "down":
            await self.sandbox.stop()
        else:
            self.sandbox.faults[operation] = (BREAKS | LINK_BREAKS)[how]

    def refuse_after_doing(self, operation: str) -> None:
        self.sandbox.faults[operation] = Fault(fail_after=True, times=1)

    async def close(self) -> None:
        for client in self._clients:
            await client.close()
        await self.sandbox.stop()

    def _client(self, token: str, timeout: float = 30) -> Videomost:
        client = Videomost(self.sandbox.url, token=token, kind="sandbox", timeout=timeout)
        self._clients.append(client)
        return client


async def _in_memory(_: Path) -> Rig:
    rig = SandboxRig(None)
    await rig.start()
    return rig


async def _in_a_file(folder: Path) -> Rig:
    rig = SandboxRig(folder / "state.json")
    await rig.start()
    return rig


RIGS = {"videomost, sandbox in memory": _in_memory, "videomost, sandbox in a file": _in_a_file}


@pytest.fixture(params=RIGS)
async def rig(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Rig]:
    rig = await RIGS[request.param](tmp_path)
    yield rig
    await rig.close()


async def call(provider: Provider, operation: str) -> None:
    match operation:
        case "create":
            await provider.create(SPEC, KEY)
        case "update":
            await provider.update(KEY, SPEC)
        case "delete":
            await provider.delete(KEY)
        case "find":
            await provider.find(KEY)
        case "ping":
            await provider.ping()
        case _:
            pytest.fail(f"no such operation: {operation}")


# --- what works ----------------------------------------------------------------------------------------


async def test_a_created_room_is_what_was_asked_for(rig: Rig) -> None:
    details = await rig.provider.create(SPEC, KEY)
    assert rig.rooms() == {details.conference_id: SPEC}
    assert details.link.startswith("http")


async def test_create_is_idempotent_by_key(rig: Rig) -> None:
    first = await rig.provider.create(SPEC, KEY)
    second = await rig.provider.create(replace(SPEC, topic="Moved"), KEY)
    assert second == first
    assert rig.rooms() == {first.conference_id: replace(SPEC, topic="Moved")}


async def test_concurrent_creates_with_one_key_are_one_room_and_one_link(rig: Rig) -> None:
    details = await asyncio.gather(*(rig.provider.create(SPEC, KEY) for _ in range(20)))
    assert len(set(details)) == 1
    assert len(rig.rooms()) == 1


async def test_keys_have_rooms_and_links_of_their_own(rig: Rig) -> None:
    one, other = await rig.provider.create(SPEC, KEY), await rig.provider.create(SPEC, "other-key")
    assert one.link != other.link
    assert len(rig.rooms()) == 2


async def test_update_changes_the_room_and_keeps_the_link(rig: Rig) -> None:
    details = await rig.provider.create(SPEC, KEY)
    moved = replace(
        SPEC, start=SPEC.start + timedelta(days=1), end=SPEC.end + timedelta(days=1), participants=()
    )
    await rig.provider.update(details.conference_id, moved)
    assert rig.rooms() == {details.conference_id: moved}
    assert await rig.provider.find(KEY) == (details,)


async def test_delete_removes_the_room(rig: Rig) -> None:
    details = await rig.provider.create(SPEC, KEY)
    await rig.provider.delete(details.conference_id)
    assert rig.rooms() == {}


async def test_delete_of_what_is_not_there_is_success(rig: Rig) -> None:
    details = await rig.provider.create(SPEC, KEY)
    await rig.provider.delete(details.conference_id)
    await rig.provider.delete(details.conference_id)
    await rig.provider.delete("never-made")
    assert rig.rooms() == {}


async def test_find_sees_a_room_that_stands_and_no_other(rig: Rig) -> None:
    assert await rig.provider.find(KEY) == ()
    details = await rig.provider.create(SPEC, KEY)
    assert await rig.provider.find(KEY) == (details,)
    await rig.provider.delete(details.conference_id)
    assert await rig.provider.find(KEY) == ()


async def test_ping_of_a_provider_that_works(rig: Rig) -> None:
    await rig.provider.ping()


async def test_identity_names_one_provider(rig: Rig) -> None:
    assert rig.provider.identity == rig.unauthorized().identity
    assert " http" in rig.provider.identity


@pytest.mark.parametrize("topic", ["", "a\x00b\r\n\t\"'<&>", "х" * 900, "\U0001f600", "broken \udc80"])
async def test_any_topic_can_be_sent(rig: Rig, topic: str) -> None:
    await rig.provider.create(replace(SPEC, topic=topic), KEY)
    assert [spec.topic for spec in rig.rooms().values()] == [topic.replace("\udc80", "?")]


# --- what does not -------------------------------------------------------------------------------------


async def test_create_with_the_key_of_a_deleted_room_is_permanent(rig: Rig) -> None:
    details = await rig.provider.create(SPEC, KEY)
    await rig.provider.delete(details.conference_id)
    with pytest.raises(Permanent):
        await rig.provider.create(SPEC, KEY)
    assert rig.rooms() == {}


async def test_update_of_a_deleted_or_unknown_room_is_gone(rig: Rig) -> None:
    details = await rig.provider.create(SPEC, KEY)
    await rig.provider.delete(details.conference_id)
    with pytest.raises(Gone):
        await rig.provider.update(details.conference_id, SPEC)
    with pytest.raises(Gone):
        await rig.provider.update("never-made", SPEC)
    assert rig.rooms() == {}


async def test_what_the_provider_refuses_for_good_is_permanent(rig: Rig) -> None:
    with pytest.raises(Permanent) as caught:
        await rig.provider.create(replace(SPEC, timezone="Nowhere/Land"), KEY)
    assert not isinstance(caught.value, Gone)


OPERATIONS = ["create", "update", "delete", "find", "ping"]


@pytest.mark.parametrize("operation", OPERATIONS)
async def test_a_wrong_token_is_misconfigured(rig: Rig, operation: str) -> None:
    with pytest.raises(Misconfigured):
        await call(rig.unauthorized(), operation)


@pytest.mark.parametrize("operation", OPERATIONS)
@pytest.mark.parametrize("how", ["down", *BREAKS])
async def test_every_fault_is_temporary(rig: Rig, how: str, operation: str) -> None:
    await rig.provider.create(SPEC, KEY)
    provider = rig.impatient() if how in ("slow", "trickling") else rig.provider
    await rig.break_(how, operation)
    with pytest.raises(Temporary):
        await call(provider, operation)


@pytest.mark.parametrize("operation", ["create", "find"])
@pytest.mark.parametrize("how", LINK_BREAKS)
async def test_a_link_that_may_not_be_sent_is_temporary(rig: Rig, how: str, operation: str) -> None:
    await rig.break_(how, operation)
    with pytest.raises(Temporary):
        await call(rig.provider, operation)


async def test_a_create_without_an_answer_is_found_and_repeated_with_the_same_link(rig: Rig) -> None:
    rig.refuse_after_doing("create")
    with pytest.raises(Temporary):
        await rig.provider.create(SPEC, KEY)
    found = await rig.provider.find(KEY)
    assert found == (await rig.provider.create(SPEC, KEY),)
    assert len(rig.rooms()) == 1


async def test_an_update_and_a_delete_without_an_answer_can_be_repeated(rig: Rig) -> None:
    details = await rig.provider.create(SPEC, KEY)
    for operation in ("update", "delete"):
        rig.refuse_after_doing(operation)
        with pytest.raises(Temporary):
            await call(rig.provider, operation)
        await call(rig.provider, operation)
    assert details.conference_id not in rig.rooms()


async def test_calls_that_are_given_up_take_nothing_from_later_ones(rig: Rig) -> None:
    await rig.break_("slow", "create")
    for _ in range(3):
        given_up = [asyncio.create_task(rig.provider.create(SPEC, KEY)) for _ in range(30)]
        # An answer to a later call shows that the earlier ones are on their way.
        await rig.impatient().ping()
        for task in given_up:
            task.cancel()
        await asyncio.wait(given_up)
    await rig.provider.ping()
