"""The guard: when the provider is left alone, and when not."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

import pytest

from mailhook import journal
from mailhook.core.breaker import FAILURES, REST
from mailhook.errors import Gone, MailhookError, Misconfigured, Permanent, Temporary, Unsent, Unusable
from mailhook.guard import Guard, LeftAloneError
from tests.scripted import NOW, SPEC, Scripted


@dataclass
class Clock:
    now: datetime = NOW

    def __call__(self) -> datetime:
        return self.now


def guarded(provider: Scripted, clock: Callable[[], datetime] = Clock()) -> Guard:  # noqa: B008
    return Guard(provider, clock)


def calls(guard: Guard) -> dict[str, Callable[[], object]]:
    return {
        "create": lambda: guard.create(SPEC, "k"),
        "update": lambda: guard.update("1", SPEC),
        "delete": lambda: guard.delete("1"),
        "find": lambda: guard.find("k"),
        "ping": guard.ping,
    }


@pytest.mark.parametrize("operation", ["create", "update", "delete", "find", "ping"])
@pytest.mark.parametrize("kind", [Temporary, Unsent, Unusable, Permanent, Gone, Misconfigured])
async def test_nothing_is_repeated_here(operation: str, kind: type[MailhookError]) -> None:
    """Whoever asks knows what a repetition may do."""
    provider = Scripted([kind("x")])
    with pytest.raises(kind):
        await calls(guarded(provider))[operation]()  # type: ignore[misc]
    assert provider.calls == 1


async def failing(found: Guard, *conferences: object) -> None:
    for conference in conferences:
        with pytest.raises(MailhookError):
            await found.update(str(conference), SPEC)


async def test_one_conference_keeps_nobody_from_the_provider() -> None:
    found = guarded(Scripted([Temporary("500")] * FAILURES * 3))
    await failing(found, *(["1"] * FAILURES * 3))
    await found.ping()


async def test_an_answer_that_cannot_be_used_is_one() -> None:
    provider = Scripted([Unusable("a foreign link")] * FAILURES)
    found = guarded(provider)
    await failing(found, *range(FAILURES))
    await found.ping()
    few = [Temporary("x")] * (FAILURES - 1)
    provider.errors = [*few, Unusable("x"), *few]
    await failing(found, *range(2 * FAILURES - 1))
    await found.ping()


async def test_what_comes_late_neither_opens_nor_closes_it() -> None:
    """Calls from before it opened, which end after the probe has been sent, tell nothing of the present."""
    provider, clock = Scripted(), Clock()
    found = guarded(provider, clock)
    provider.gate = asyncio.Event()
    late = asyncio.create_task(found.delete("late"))
    while provider.calls == 0:  # noqa: ASYNC110
        await asyncio.sleep(0)
    gate, provider.gate = provider.gate, None
    await opened(provider, clock, found)
    gate.set()
    await late
    with pytest.raises(LeftAloneError):
        await found.ping()


async def opened(provider: Scripted, clock: Clock, found: Guard | None = None) -> Guard:
    """A guard that has given the provider up."""
    found = found or guarded(provider, clock)
    provider.errors = [Temporary("x")] * FAILURES
    await failing(found, *range(FAILURES))
    return found


async def test_a_provider_that_is_down_is_left_alone_and_the_answer_comes_at_once() -> None:
    provider, clock = Scripted(), Clock()
    found = await opened(provider, clock)
    known = provider.calls
    for call in calls(found).values():
        with pytest.raises(LeftAloneError, match="left alone"):
            await call()  # type: ignore[misc]
    assert provider.calls == known
    clock.now += REST
    await found.ping()
    await asyncio.gather(*(found.ping() for _ in range(5)))
    assert provider.calls == known + 6


async def test_one_probe_at_a_time() -> None:
    provider, clock = Scripted(), Clock()
    found = await opened(provider, clock)
    known = provider.calls
    clock.now += REST
    provider.gate = asyncio.Event()
    probe = asyncio.create_task(found.ping())
    while provider.calls == known:  # noqa: ASYNC110
        await asyncio.sleep(0)
    for _ in range(3):
        with pytest.raises(Unsent):
            await found.ping()
    provider.gate.set()
    await probe
    await found.ping()
    assert provider.calls == known + 2


async def test_a_probe_that_fails_opens_it_again() -> None:
    provider, clock = Scripted(), Clock()
    found = await opened(provider, clock)
    clock.now += REST
    provider.errors = [Temporary("still")]
    with pytest.raises(Temporary, match="still"):
        await found.ping()
    with pytest.raises(Unsent):
        await found.ping()


async def test_calls_that_are_given_up_count_as_failed() -> None:
    provider = Scripted()
    found = guarded(provider)
    provider.gate = asyncio.Event()
    for conference in range(FAILURES):
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.01):
                await found.update(str(conference), SPEC)
    with pytest.raises(LeftAloneError, match=r"last: scripted .*: no answer in the time"):
        await found.update("another", SPEC)
    assert provider.calls == FAILURES


async def test_who_is_left_alone_has_said_why() -> None:
    found = await opened(Scripted(), Clock())
    with pytest.raises(LeftAloneError, match=r"left alone for a moment \(last: x\)"):
        await found.ping()


async def test_a_refusal_shows_that_it_works() -> None:
    provider = Scripted([Temporary("x"), Permanent("no account")] * FAILURES)
    found = guarded(provider)
    await failing(found, *range(2 * FAILURES))
    await found.ping()


async def test_a_token_that_is_refused_counts_as_down() -> None:
    found = guarded(Scripted([Misconfigured("401")] * FAILURES))
    await failing(found, *range(FAILURES))
    with pytest.raises(LeftAloneError):
        await found.ping()


async def test_who_only_looks_neither_opens_it_nor_closes_it() -> None:
    provider = Scripted([Temporary("x")] * (FAILURES - 1))
    found = guarded(provider)
    await failing(found, *range(FAILURES - 1))
    await found.look()
    provider.errors = [Temporary("looked")] * 3
    for _ in range(3):
        with pytest.raises(Temporary, match="looked"):
            await found.look()
    assert (found.state, found.last_failure) == ("closed", "")
    provider.errors = [Temporary("y")]
    await failing(found, FAILURES)
    await found.look()
    assert (found.state, found.last_failure) == ("open", "y")


async def test_every_call_is_counted_by_what_came_of_it() -> None:
    told: list[tuple[str, str]] = []

    def hear(operation: str, outcome: str, seconds: float) -> None:
        assert 0 <= seconds < 60
        told.append((operation, outcome))

    journal.on_call.append(hear)
    try:
        kinds = (Permanent, Gone, Unusable, Misconfigured, *([Temporary] * (FAILURES - 1)))
        provider = Scripted()
        found = guarded(provider)
        await found.find("k")
        provider.errors = [kind("x") for kind in kinds]
        await failing(found, *range(len(kinds)), "left alone")
        silent = Scripted()
        silent.gate = asyncio.Event()
        waiting = asyncio.create_task(guarded(silent).create(SPEC, "k"))
        await asyncio.sleep(0)
        waiting.cancel()
        await asyncio.wait({waiting})
    finally:
        journal.on_call.remove(hear)
    failed = ["refused", "gone", "unusable", "misconfigured", *(["failed"] * (FAILURES - 1)), "left-alone"]
    assert told == [("find", "ok"), *(("update", outcome) for outcome in failed), ("create", "given-up")]
