"""The guard: what is repeated, what is not, and when the provider is left alone."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest

from mailhook import guard
from mailhook.core.breaker import FAILURES, REST
from mailhook.core.conference import JoinDetails, Person, Spec
from mailhook.errors import Gone, MailhookError, Misconfigured, Permanent, Temporary, Unsent
from mailhook.guard import ATTEMPTS, Guard, pause

NOW = datetime(2027, 2, 1, 12, tzinfo=UTC)
SPEC = Spec("Plan", NOW, NOW + timedelta(hours=1), "UTC", Person("ivan@corp.example"))
MADE = JoinDetails("1", "https://vm.example.com/1")


@dataclass
class Scripted:
    """A provider that fails as it is told, call by call, and works then."""

    errors: list[MailhookError] = field(default_factory=list)
    identity: str = "scripted http://vm.example.com"
    chooses_id: bool = True
    finds: bool = True
    calls: int = 0
    gate: asyncio.Event | None = None

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

    async def find(self, key: str) -> tuple[JoinDetails, ...]:
        await self._call()
        return (MADE,)

    async def ping(self) -> None:
        await self._call()

    async def close(self) -> None:
        pass


@dataclass
class Clock:
    now: datetime = NOW

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guard, "FIRST_PAUSE", 0.0)


def guarded(provider: Scripted, clock: Callable[[], datetime] = Clock(), patience: float = 20) -> Guard:  # noqa: B008
    return Guard(provider, patience, clock)


def calls(guard: Guard) -> dict[str, Callable[[], object]]:
    return {
        "create": lambda: guard.create(SPEC, "k"),
        "update": lambda: guard.update("1", SPEC),
        "delete": lambda: guard.delete("1"),
        "find": lambda: guard.find("k"),
        "ping": guard.ping,
    }


@pytest.mark.parametrize("operation", ["create", "update", "delete", "find", "ping"])
@pytest.mark.parametrize(
    ("error", "repeated"),
    [
        (Temporary("x"), True),
        (Unsent("x"), True),
        (Permanent("x"), False),
        (Gone("x"), False),
        (Misconfigured("x"), False),
    ],
)
async def test_what_is_repeated(operation: str, error: MailhookError, repeated: bool) -> None:
    """An unclear create is not: first it has to be written down that there may be a room."""
    provider = Scripted([error] * (ATTEMPTS - 1))
    call = calls(guarded(provider))[operation]
    if repeated and not (operation == "create" and type(error) is Temporary):
        await call()  # type: ignore[misc]
        assert provider.calls == ATTEMPTS
    else:
        with pytest.raises(type(error)):
            await call()  # type: ignore[misc]
        assert provider.calls == 1


async def test_not_for_ever() -> None:
    provider = Scripted([Temporary("x")] * 10)
    with pytest.raises(Temporary):
        await guarded(provider).ping()
    assert provider.calls == ATTEMPTS


async def test_not_beyond_the_time_of_a_waiting_mail() -> None:
    provider = Scripted([Temporary("x")] * 10)
    with pytest.raises(Temporary):
        await guarded(provider, patience=0).ping()
    assert provider.calls == 1


def test_pauses_are_by_chance_and_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guard, "FIRST_PAUSE", 0.25)
    first, second = [pause(0) for _ in range(200)], [pause(1) for _ in range(200)]
    assert 0 <= min(first) <= max(first) <= 0.25 < max(second) <= 0.5
    assert len(set(first)) > 1


async def opened(provider: Scripted, clock: Clock) -> Guard:
    """A guard that has given the provider up."""
    provider.errors = [Temporary("x")] * FAILURES
    found = guarded(provider, clock)
    while provider.errors:
        with pytest.raises(Temporary):
            await found.ping()
    return found


async def test_a_provider_that_is_down_is_left_alone_and_the_answer_comes_at_once() -> None:
    provider, clock = Scripted(), Clock()
    found = await opened(provider, clock)
    known = provider.calls
    for call in calls(found).values():
        with pytest.raises(Unsent, match="left alone"):
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


async def test_a_refusal_shows_that_it_works() -> None:
    provider = Scripted([Temporary("x"), Permanent("no account")] * FAILURES)
    found = guarded(provider)
    for _ in range(FAILURES):
        with pytest.raises(Permanent):
            await found.update("1", SPEC)


async def test_a_token_that_is_refused_counts_as_down() -> None:
    provider = Scripted([Misconfigured("401")] * FAILURES)
    found = guarded(provider)
    for _ in range(FAILURES):
        with pytest.raises(Misconfigured):
            await found.ping()
    with pytest.raises(Unsent):
        await found.ping()
