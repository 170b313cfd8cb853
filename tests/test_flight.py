"""A create for one mail: how often it is tried, and what is written down between two attempts."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from mailhook import flight
from mailhook.core.breaker import FAILURES
from mailhook.core.meeting import MeetingKey
from mailhook.core.policy import Policy
from mailhook.errors import Gone, MailhookError, Misconfigured, Permanent, Temporary, Unsent, Unusable
from mailhook.flight import ATTEMPTS, Flight, pause
from mailhook.guard import Guard, LeftAloneError
from mailhook.store.sqlite import SqliteStore
from tests.scripted import MADE, NOW, SPEC, Scripted

KEY = MeetingKey("ivan@corp.example", "meeting")


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(flight, "FIRST_PAUSE", 0.0)


@asynccontextmanager
async def under_way(provider: Scripted, **rules: Any) -> AsyncIterator[tuple[Flight, SqliteStore]]:
    store = await SqliteStore.open(":memory:", lambda: NOW)
    try:
        yield Flight(store, provider, b"secret", replace(Policy(), **rules)), store
    finally:
        await store.close()


async def tried(provider: Scripted, **rules: Any) -> MailhookError | None:
    """What a mail is told that waits for its conference."""
    async with under_way(provider, **rules) as (found, _):
        try:
            assert await found.obtain(KEY, SPEC) == MADE
        except MailhookError as error:
            return error
    return None


@pytest.mark.parametrize("kind", [Temporary, Unsent, Unusable])
async def test_what_passes_is_tried_again(kind: type[MailhookError]) -> None:
    provider = Scripted([kind("x")] * (ATTEMPTS - 1))
    assert await tried(provider) is None
    assert provider.calls == ATTEMPTS


async def test_but_not_for_ever() -> None:
    provider = Scripted([Temporary("x")] * 20)
    assert isinstance(await tried(provider), Temporary)
    assert provider.calls == ATTEMPTS


@pytest.mark.parametrize("kind", [Permanent, Gone, Misconfigured, LeftAloneError])
async def test_what_does_not_pass_is_not(kind: type[MailhookError]) -> None:
    provider = Scripted([kind("x")] * ATTEMPTS)
    assert isinstance(await tried(provider), kind)
    assert provider.calls == 1


async def test_not_beyond_the_time_of_a_waiting_mail() -> None:
    provider = Scripted([Unsent("x")] * 20)
    async with under_way(provider, deadline=timedelta(0)) as (found, _):
        with pytest.raises(Unsent):
            await found.create(KEY, SPEC)
    assert provider.calls == 1


@pytest.mark.parametrize(("kind", "calls"), [(Temporary, 1), (Unsent, ATTEMPTS)])
async def test_where_nobody_could_find_a_second_room_none_is_made(
    kind: type[MailhookError], calls: int
) -> None:
    provider = Scripted([kind("x")] * ATTEMPTS, chooses_id=False, finds=False)
    assert isinstance(await tried(provider), kind)
    assert provider.calls == calls


@pytest.mark.parametrize(("kind", "suspects"), [(Temporary, 1), (Unsent, 0)])
async def test_a_second_room_is_looked_for_only_where_there_may_be_one(
    kind: type[MailhookError], suspects: int
) -> None:
    async with under_way(Scripted([kind("x")])) as (found, store):
        await found.obtain(KEY, SPEC)
        meeting = await store.get(KEY)
        assert meeting is not None
        assert len(meeting.suspects) == suspects


async def test_a_provider_that_hangs_is_left_alone_though_its_own_timeout_is_longer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(flight, "LEASE", timedelta(seconds=0.01))
    provider = Scripted()
    provider.gate = asyncio.Event()
    store = await SqliteStore.open(":memory:", lambda: NOW)
    found = Flight(
        store,
        Guard(provider, lambda: NOW),
        b"secret",
        replace(Policy(), deadline=timedelta(seconds=0.05)),
    )
    keys = [MeetingKey("ivan@corp.example", f"meeting {number}") for number in range(FAILURES + 1)]
    for key in keys[:-1]:
        with pytest.raises(Temporary, match=r"within policy\.deadline"):
            await found.obtain(key, SPEC)
        while found._under_way:
            await asyncio.wait(found._under_way.values())
    with pytest.raises(LeftAloneError):
        await found.obtain(keys[-1], SPEC)
    await store.close()
    assert provider.calls == FAILURES


async def test_what_it_said_last_is_told_when_time_is_over() -> None:
    provider = Scripted([Unsent("answered 502")])
    async with under_way(provider, deadline=timedelta(seconds=0.05)) as (found, _):
        answered, provider.gate = provider._call, asyncio.Event()
        provider.gate.set()

        async def once() -> None:
            try:
                await answered()
            finally:
                provider.gate = asyncio.Event()

        provider._call = once  # type: ignore[method-assign]
        with pytest.raises(Temporary, match=r"within policy\.deadline \(last: answered 502\)"):
            await found.obtain(KEY, SPEC)


def test_pauses_are_by_chance_and_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(flight, "FIRST_PAUSE", 0.25)
    first, second = [pause(0) for _ in range(200)], [pause(1) for _ in range(200)]
    assert 0 <= min(first) <= max(first) <= 0.25 < max(second) <= 0.5
    assert len(set(first)) > 1
