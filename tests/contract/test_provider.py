"""What relay, flight and sync rely on: every implementation of `Provider` passes.

An implementation joins by a rig in `rigs`. What only some can do is asked of those: to choose the id, to find.
"""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from mailhook.core.conference import Found, Person, Spec, usable
from mailhook.errors import Gone, Misconfigured, Permanent, Temporary, Unsent
from mailhook.ports import Provider
from mailhook.provider.sandbox_faults import Fault
from tests.contract.rigs import BREAKS, CHOOSING, DEFAULT, FINDING, KEY, LINK_BREAKS, RIGS, Rig

START = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
SPEC = Spec(
    topic="Планёрка отдела",
    start=START,
    end=START + timedelta(hours=1),
    timezone="Europe/Moscow",
    owner=Person("anna@example.com", "Анна"),
    participants=(Person("boris@example.com", "Борис"), Person("guest@example.org")),
)
UNKNOWN = "999999"
"""An id that no provider has made."""


async def _started(request: pytest.FixtureRequest, folder: Path) -> AsyncIterator[Rig]:
    rig = await RIGS[request.param](folder)
    yield rig
    await rig.close()


@pytest.fixture(params=RIGS)
async def rig(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Rig]:
    async for started in _started(request, tmp_path):
        yield started


@pytest.fixture(params=CHOOSING)
async def choosing(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Rig]:
    async for started in _started(request, tmp_path):
        yield started


@pytest.fixture(params=FINDING)
async def finding(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Rig]:
    async for started in _started(request, tmp_path):
        yield started


@pytest.fixture(params=DEFAULT)
async def default(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Rig]:
    async for started in _started(request, tmp_path):
        yield started


async def call(provider: Provider, operation: str, room: str = UNKNOWN) -> None:
    match operation:
        case "create":
            await provider.create(SPEC, KEY)
        case "update":
            await provider.update(room, SPEC)
        case "delete":
            await provider.delete(room)
        case "find":
            await provider.find(KEY)
        case "ping":
            await provider.ping()
        case _:
            pytest.fail(f"no such operation: {operation}")


# --- what works ----------------------------------------------------------------------------------------


async def test_a_created_room_is_what_was_asked_for(rig: Rig) -> None:
    details = await rig.provider.create(SPEC, KEY)
    assert rig.rooms() == {details.conference_id: rig.kept(SPEC)}
    assert details.link.startswith("http")


async def test_create_is_idempotent_by_key(choosing: Rig) -> None:
    first = await choosing.provider.create(SPEC, KEY)
    second = await choosing.provider.create(replace(SPEC, topic="Moved"), KEY)
    assert second == first
    assert choosing.rooms() == {first.conference_id: choosing.kept(replace(SPEC, topic="Moved"))}


async def test_concurrent_creates_with_one_key_are_one_room_and_one_link(choosing: Rig) -> None:
    details = await asyncio.gather(*(choosing.provider.create(SPEC, KEY) for _ in range(20)))
    assert len(set(details)) == 1
    assert len(choosing.rooms()) == 1


async def test_capabilities_are_told(rig: Rig, request: pytest.FixtureRequest) -> None:
    name = request.node.callspec.params["rig"]
    assert (rig.provider.chooses_id, rig.provider.finds) == (name in CHOOSING, name in FINDING)


async def test_keys_have_rooms_and_links_of_their_own(rig: Rig) -> None:
    one, other = await rig.provider.create(SPEC, KEY), await rig.provider.create(SPEC, "fedcba9876543210")
    assert one.link != other.link
    assert len(rig.rooms()) == 2


async def test_update_changes_the_room_and_keeps_the_link(rig: Rig) -> None:
    details = await rig.provider.create(SPEC, KEY)
    moved = replace(
        SPEC, start=SPEC.start + timedelta(days=1), end=SPEC.end + timedelta(days=1), participants=()
    )
    await rig.provider.update(details.conference_id, moved)
    assert rig.rooms() == {details.conference_id: rig.kept(moved)}
    if rig.provider.finds:
        assert await rig.provider.find(KEY) == (Found(details.conference_id, details),)


async def test_delete_removes_the_room(rig: Rig) -> None:
    details = await rig.provider.create(SPEC, KEY)
    await rig.provider.delete(details.conference_id)
    assert rig.rooms() == {}


async def test_delete_of_what_is_not_there_is_success(rig: Rig) -> None:
    details = await rig.provider.create(SPEC, KEY)
    await rig.provider.delete(details.conference_id)
    await rig.provider.delete(details.conference_id)
    await rig.provider.delete(UNKNOWN)
    assert rig.rooms() == {}


async def test_find_sees_a_room_that_stands_and_no_other(finding: Rig) -> None:
    provider = finding.provider
    other = await provider.create(SPEC, "fedcba9876543210")
    assert await provider.find(KEY) == ()
    details = await provider.create(SPEC, KEY)
    assert await provider.find(KEY) == (Found(details.conference_id, details),)
    await provider.delete(details.conference_id)
    assert await provider.find(KEY) == ()
    assert set(finding.rooms()) == {other.conference_id}


async def test_ping_of_a_provider_that_works(rig: Rig) -> None:
    await rig.provider.ping()


async def test_identity_names_one_provider(rig: Rig) -> None:
    assert rig.provider.identity == rig.unauthorized().identity
    assert " http" in rig.provider.identity


@pytest.mark.parametrize("topic", ["", "a\x00b\r\n\t\"'<&>", "х" * 900, "\U0001f600", "broken \udc80"])
async def test_any_topic_can_be_sent(rig: Rig, topic: str) -> None:
    await rig.provider.create(replace(SPEC, topic=topic), KEY)
    assert list(rig.rooms().values()) == [rig.kept(replace(SPEC, topic=topic))]


# --- what does not -------------------------------------------------------------------------------------


async def test_create_with_the_key_of_a_deleted_room_is_permanent(default: Rig) -> None:
    details = await default.provider.create(SPEC, KEY)
    await default.provider.delete(details.conference_id)
    with pytest.raises(Permanent):
        await default.provider.create(SPEC, KEY)
    assert default.rooms() == {}


async def test_update_of_a_deleted_or_unknown_room_is_gone(rig: Rig) -> None:
    details = await rig.provider.create(SPEC, KEY)
    await rig.provider.delete(details.conference_id)
    with pytest.raises(Gone):
        await rig.provider.update(details.conference_id, SPEC)
    with pytest.raises(Gone):
        await rig.provider.update(UNKNOWN, SPEC)
    assert rig.rooms() == {}


async def test_what_the_provider_refuses_for_good_is_permanent(rig: Rig) -> None:
    impossible = replace(SPEC, timezone="Nowhere/Land", owner=Person("nobody@example.com"))
    with pytest.raises(Permanent) as caught:
        await rig.provider.create(impossible, KEY)
    assert not isinstance(caught.value, Gone)
    assert rig.rooms() == {}


LOST = Fault(fail_after=True, times=1)
OPERATIONS = ["create", "update", "delete", "find", "ping"]


@pytest.mark.parametrize("operation", OPERATIONS)
async def test_a_wrong_token_is_misconfigured(rig: Rig, operation: str) -> None:
    if operation == "find" and not rig.provider.finds:
        return
    with pytest.raises(Misconfigured):
        await call(rig.unauthorized(), operation)


@pytest.mark.parametrize("operation", OPERATIONS)
@pytest.mark.parametrize("how", BREAKS)
async def test_every_fault_is_temporary_and_may_have_had_an_effect(
    rig: Rig, how: str, operation: str
) -> None:
    if operation == "find" and not rig.provider.finds:
        return
    room = await rig.provider.create(SPEC, KEY)
    provider = rig.impatient() if how in ("slow", "trickling") else rig.provider
    if operation == "create":
        await rig.provider.delete(room.conference_id)  # what is there is not created by those that look first
    rig.faults[operation] = BREAKS[how]
    with pytest.raises(Temporary) as caught:
        await call(provider, operation, room.conference_id)
    assert not isinstance(caught.value, Unsent)


@pytest.mark.parametrize("operation", OPERATIONS)
async def test_a_server_that_is_down_has_had_no_request(rig: Rig, operation: str) -> None:
    if operation == "find" and not rig.provider.finds:
        return
    await rig.stop()
    with pytest.raises(Temporary) as caught:
        await call(rig.provider, operation)
    assert isinstance(caught.value, Unsent) == ("external" not in rig.provider.identity)


@pytest.mark.parametrize("operation", ["create", "find"])
@pytest.mark.parametrize("how", LINK_BREAKS)
async def test_a_link_that_may_not_be_sent_is_temporary(choosing: Rig, how: str, operation: str) -> None:
    choosing.faults[operation] = LINK_BREAKS[how]
    with pytest.raises(Temporary):
        usable(await choosing.provider.find(KEY)) if operation == "find" else await call(
            choosing.provider, operation
        )


async def test_a_create_without_an_answer_is_found_and_repeated_with_the_same_link(choosing: Rig) -> None:
    choosing.faults["create"] = LOST
    with pytest.raises(Temporary):
        await choosing.provider.create(SPEC, KEY)
    found = await choosing.provider.find(KEY)
    assert [room.details for room in found] == [await choosing.provider.create(SPEC, KEY)]
    assert len(choosing.rooms()) == 1


async def test_an_update_and_a_delete_without_an_answer_can_be_repeated(rig: Rig) -> None:
    details = await rig.provider.create(SPEC, KEY)
    for operation in ("update", "delete"):
        rig.faults[operation] = LOST
        with pytest.raises(Temporary):
            await call(rig.provider, operation, details.conference_id)
        await call(rig.provider, operation, details.conference_id)
    assert details.conference_id not in rig.rooms()


async def test_calls_that_are_given_up_take_nothing_from_later_ones(rig: Rig) -> None:
    rig.faults["create"] = BREAKS["slow"]
    for _ in range(3):
        given_up = [asyncio.create_task(rig.provider.create(SPEC, KEY)) for _ in range(30)]
        # An answer to a later call shows that the earlier ones are on their way.
        await rig.impatient().ping()
        for task in given_up:
            task.cancel()
        await asyncio.wait(given_up)
    await rig.provider.ping()
