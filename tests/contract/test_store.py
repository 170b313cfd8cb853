"""What every `ports.Store` has to do. Another database joins by a `Database` in the fixture `database`."""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import pytest

from mailhook.core.conference import Conference, JoinDetails, State
from mailhook.core.copies import desired
from mailhook.core.meeting import Cause, Copy, CopyKind, Meeting, MeetingKey, Noticed, Notices
from mailhook.errors import Temporary
from mailhook.ports import Circumstances, Decide, Store
from mailhook.store.sqlite import SqliteStore

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
KEY = MeetingKey("boss@example.org", "uid-1@example.org")


@dataclass
class Clock:
    now: datetime = NOON

    def __call__(self) -> datetime:
        return self.now


@dataclass
class Database:
    """A place for stores. Two opened on one that processes share see each other's writes."""

    path: str
    clock: Clock
    closing: AsyncExitStack = field(default_factory=AsyncExitStack)

    async def open(self) -> Store:
        store = await SqliteStore.open(self.path, self.clock)
        self.closing.push_async_callback(store.close)
        return store


SHARED = ["disk"]
"""The kinds of database that several processes can share."""


def place(kind: str, folder: Path) -> str:
    return {"memory": ":memory:", "disk": str(folder / "mailhook.db")}[kind]


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(params=["memory", *SHARED])
async def database(request: pytest.FixtureRequest, tmp_path: Path, clock: Clock) -> AsyncIterator[Database]:
    database = Database(place(request.param, tmp_path), clock)
    async with database.closing:
        yield database


@pytest.fixture
async def store(database: Database) -> Store:
    return await database.open()


@pytest.fixture(params=SHARED)
async def pair(
    request: pytest.FixtureRequest, tmp_path: Path, clock: Clock
) -> AsyncIterator[tuple[Store, Store]]:
    database = Database(place(request.param, tmp_path), clock)
    async with database.closing:
        yield await database.open(), await database.open()


def become(after: Meeting) -> Decide[None]:
    return lambda before, circumstances: (after, None)


def conference(state: State, generation: int = 1) -> Callable[[Meeting], Meeting]:
    return lambda meeting: replace(meeting, conference=Conference(state, generation))


async def turn(store: Store, key: MeetingKey, to: Callable[[Meeting], Meeting]) -> None:
    await store.change(key, lambda before, circumstances: (to(before), None))


@dataclass(frozen=True)
class Known:
    """`Circumstances`, with what was counted."""

    now: datetime
    created_by_organizer: int
    deleted: int


async def circumstances(store: Store, key: MeetingKey = KEY) -> Known:
    def decide(before: Meeting, known: Circumstances) -> tuple[Meeting, Known]:
        return before, Known(known.now, known.created_by_organizer(), known.deleted())

    return await store.change(key, decide)


async def increment(store: Store, times: int) -> None:
    for _ in range(times):
        await turn(store, KEY, lambda meeting: replace(meeting, attempts=meeting.attempts + 1))


async def test_an_unknown_key_is_given_as_an_empty_meeting(store: Store) -> None:
    assert await store.change(KEY, lambda before, circumstances: (before, before)) == Meeting(KEY)
    assert await store.get(KEY) is None
    assert await store.all() == []


async def test_what_a_decision_returns_is_kept_and_its_answer_returned(store: Store) -> None:
    details = JoinDetails("room", "https://videomost.example.org/service/join/?confid=a&confpass=1", "1")
    after = Meeting(KEY, wanted=True, conference=Conference(State.READY, details=details), wake_at=NOON)
    assert await store.change(KEY, lambda before, circumstances: (after, "answer")) == "answer"
    assert await store.get(KEY) == after
    assert await store.change(KEY, lambda before, circumstances: (before, before)) == after


async def test_the_key_is_organizer_and_uid(store: Store) -> None:
    others = [MeetingKey("boss@example.org", "uid-2"), MeetingKey("other@example.org", KEY.uid)]
    for key in [KEY, *others]:
        await store.change(key, become(Meeting(key, error=key.organizer + key.uid)))
    for key in [KEY, *others]:
        assert await store.get(key) == Meeting(key, error=key.organizer + key.uid)


async def test_a_decision_that_raises_writes_nothing_and_is_heard(store: Store) -> None:
    def refuse(before: Meeting, circumstances: Circumstances) -> tuple[Meeting, None]:
        raise LookupError(before.key.uid)

    await store.change(KEY, become(Meeting(KEY, attempts=1)))
    with pytest.raises(LookupError, match=KEY.uid):
        await store.change(KEY, refuse)
    assert await store.get(KEY) == Meeting(KEY, attempts=1)
    await increment(store, 1)
    assert await store.get(KEY) == Meeting(KEY, attempts=2)


async def test_a_decision_runs_once_per_call(store: Store) -> None:
    calls: list[Meeting] = []

    def note(before: Meeting, circumstances: Circumstances) -> tuple[Meeting, None]:
        calls.append(before)
        return before, None

    await store.change(KEY, note)
    assert calls == [Meeting(KEY)]


async def test_concurrent_changes_of_one_store_lose_nothing(store: Store) -> None:
    await asyncio.gather(*(increment(store, 1) for _ in range(50)))
    assert await store.get(KEY) == Meeting(KEY, attempts=50)


async def test_two_stores_racing_lose_nothing(pair: tuple[Store, Store]) -> None:
    one, other = pair
    await asyncio.gather(increment(one, 200), increment(other, 200))
    assert await one.get(KEY) == Meeting(KEY, attempts=400)
    assert await other.get(KEY) == Meeting(KEY, attempts=400)


async def test_two_stores_have_one_secret(pair: tuple[Store, Store]) -> None:
    first, second = await asyncio.gather(*(store.secret() for store in pair))
    assert first == second


async def test_the_secret_is_random_and_stays(store: Store) -> None:
    secret = await store.secret()
    assert len(secret) == 32
    assert len(set(secret)) > 8
    assert await store.secret() == secret


async def test_a_change_that_has_begun_completes_though_its_caller_is_cancelled(store: Store) -> None:
    begun, go_on = asyncio.Event(), threading.Event()
    loop = asyncio.get_running_loop()

    def slow(before: Meeting, circumstances: Circumstances) -> tuple[Meeting, None]:
        loop.call_soon_threadsafe(begun.set)
        assert go_on.wait(60)
        return replace(before, attempts=1), None

    task = asyncio.create_task(store.change(KEY, slow))
    await begun.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    go_on.set()
    assert await store.get(KEY) == Meeting(KEY, attempts=1)


async def test_due_gives_what_has_waited_longest(store: Store, clock: Clock) -> None:
    minutes = {"later": 1, "now": 0, "long": -60, "shortly": -1}
    for uid, offset in minutes.items():
        key = MeetingKey("boss@example.org", uid)
        await store.change(key, become(Meeting(key, wake_at=NOON + timedelta(minutes=offset))))
    await store.change(KEY, become(Meeting(KEY, attempts=1)))
    assert [key.uid for key in await store.due(10)] == ["long", "shortly", "now"]
    assert [key.uid for key in await store.due(2)] == ["long", "shortly"]
    clock.now = NOON + timedelta(minutes=1)
    assert [key.uid for key in await store.due(10)] == ["long", "shortly", "now", "later"]
    assert [meeting.key.uid for meeting in await store.all()] == ["long", "shortly", "now", "later", KEY.uid]


async def test_news_is_found_until_it_is_settled(store: Store, clock: Clock) -> None:
    room = Conference(State.ANNOUNCED, details=JoinDetails("1", "https://vm.example/1"))
    soon = Notices(next_at=clock.now + timedelta(minutes=1))
    done = Notices({Cause.LINK: Noticed(1, clock.now, sent=True)})
    for uid, conference, notices in (
        ("none", Conference(), Notices()),
        ("new", room, Notices()),
        ("soon", room, soon),
        ("done", room, done),
    ):
        await store.change(
            MeetingKey("a", uid),
            _becomes(Meeting(MeetingKey("a", uid), conference=conference, notices=notices)),
        )
    assert [key.uid for key in await store.news(10)] == ["new"]
    clock.now += timedelta(minutes=1)
    assert [key.uid for key in await store.news(10)] == ["new", "soon"]
    assert [key.uid for key in await store.news(1)] == ["new"]


@pytest.mark.parametrize("kind", CopyKind)
async def test_a_copy_is_found_while_it_is_to_be_looked_at(
    store: Store, clock: Clock, kind: CopyKind
) -> None:
    room = Conference(State.ANNOUNCED, details=JoinDetails("1", "https://vm.example/1"))
    told = Meeting(KEY, conference=room, wanted=True, ever_told=frozenset({"anna@partner.example"}))
    busy = Copy(busy=True, next_at=clock.now + timedelta(minutes=1))
    for uid, meeting in (
        ("none", Meeting(KEY, conference=room)),
        ("new", told),
        ("busy", replace(told, copies={kind: busy})),
        ("done", replace(told, copies={kind: Copy(standing=desired(told, kind))})),
    ):
        key = MeetingKey("a", uid)
        await store.change(key, _becomes(replace(meeting, key=key)))
    assert [key.uid for key in await store.copies(kind, 10)] == ["new"]
    clock.now += timedelta(minutes=1)
    assert [key.uid for key in await store.copies(kind, 10)] == ["new", "busy"]
    assert [key.uid for key in await store.copies(kind, 1)] == ["new"]
    (other,) = set(CopyKind) - {kind}
    assert {key.uid for key in await store.copies(other, 10)} == {"new", "busy", "done"}


def _becomes(after: Meeting) -> Decide[None]:
    return lambda _, __: (after, None)


async def test_a_meeting_that_needs_nothing_more_is_no_longer_due(store: Store) -> None:
    await store.change(KEY, become(Meeting(KEY, wake_at=NOON)))
    await store.change(KEY, become(Meeting(KEY, attempts=1)))
    assert await store.due(10) == []


async def test_purge_forgets_only_what_is_old_and_needs_nothing(store: Store, clock: Clock) -> None:
    waiting, fresh = MeetingKey("a@example.org", "waiting"), MeetingKey("a@example.org", "fresh")
    await store.change(KEY, become(Meeting(KEY, attempts=1)))
    await store.change(waiting, become(Meeting(waiting, wake_at=NOON)))
    clock.now = NOON + timedelta(days=2)
    await store.change(fresh, become(Meeting(fresh, attempts=1)))
    assert await store.purge(NOON + timedelta(days=1)) == 1
    assert [meeting.key for meeting in await store.all()] == [waiting, fresh]


async def test_an_unchanged_meeting_is_not_written(store: Store, clock: Clock) -> None:
    await store.change(KEY, become(Meeting(KEY, attempts=1)))
    clock.now = NOON + timedelta(days=2)
    await store.change(KEY, become(Meeting(KEY, attempts=1)))
    assert await store.purge(NOON + timedelta(days=1)) == 1


async def test_now_is_the_stores_clock(store: Store, clock: Clock) -> None:
    clock.now = NOON + timedelta(hours=3)
    assert (await circumstances(store)).now == clock.now


async def test_creates_are_counted_per_organizer(store: Store) -> None:
    for uid in ("a", "b", "c"):
        await turn(store, MeetingKey(KEY.organizer, uid), conference(State.RESERVED))
    await turn(store, MeetingKey("other@example.org", "a"), conference(State.RESERVED))
    known = await circumstances(store)
    assert (known.created_by_organizer, known.deleted) == (3, 0)


async def test_a_create_that_is_tried_again_counts_once(store: Store) -> None:
    for state in (State.RESERVED, State.ABSENT, State.RESERVED, State.READY):
        await turn(store, KEY, conference(state))
    assert (await circumstances(store)).created_by_organizer == 1


async def test_a_takeover_of_a_reservation_is_no_new_create(store: Store, clock: Clock) -> None:
    await turn(store, KEY, conference(State.RESERVED))
    clock.now = NOON + timedelta(minutes=59)
    await store.change(KEY, become(Meeting(KEY, conference=Conference(State.RESERVED, token="other"))))
    clock.now = NOON + timedelta(minutes=61)
    assert (await circumstances(store)).created_by_organizer == 0


@pytest.mark.parametrize("ended", [State.ENDING, State.GONE])
async def test_the_next_generation_counts_as_a_create(store: Store, ended: State) -> None:
    for state in (State.RESERVED, State.READY, ended):
        await turn(store, KEY, conference(state))
    await turn(store, KEY, conference(State.RESERVED, generation=2))
    assert (await circumstances(store)).created_by_organizer == 2


async def test_deletions_are_counted_of_all_organizers(store: Store) -> None:
    for organizer in ("a@example.org", "b@example.org"):
        for state in (State.RESERVED, State.READY, State.ENDING, State.GONE):
            await turn(store, MeetingKey(organizer, "uid"), conference(state))
    assert (await circumstances(store)).deleted == 2


async def test_only_the_last_hour_counts(store: Store, clock: Clock) -> None:
    for state in (State.RESERVED, State.READY, State.ENDING):
        await turn(store, KEY, conference(state))
    clock.now = NOON + timedelta(minutes=59)
    before = await circumstances(store)
    clock.now = NOON + timedelta(minutes=60)
    after = await circumstances(store)
    assert (before.created_by_organizer, before.deleted) == (1, 1)
    assert (after.created_by_organizer, after.deleted) == (0, 0)


async def test_a_closed_store_is_temporarily_not_there(store: Store) -> None:
    await store.close()
    await store.close()
    with pytest.raises(Temporary, match="closed"):
        await store.get(KEY)


async def test_whose_a_link_is(store: Store, clock: Clock) -> None:
    """Also that of a conference that is gone; both are forgotten with their meeting."""
    first, second = (JoinDetails(f"room-{n}", f"https://vm.corp.example/{n}") for n in (1, 2))
    for details in (first, second):
        await turn(store, KEY, partial(replace, conference=Conference(State.READY, details=details)))
    links = ("https://vm.corp.example/1", "https://vm.corp.example/2", "https://vm.corp.example/3")
    assert await store.makers(links) == {link: {KEY} for link in links[:2]}
    other = MeetingKey(KEY.organizer, "uid-2@example.org")
    await turn(store, other, partial(replace, copied=frozenset(links[1:])))
    assert await store.makers(links) == {links[0]: {KEY}, links[1]: {KEY, other}, links[2]: {other}}
    assert await store.makers(()) == {}
    await store.purge(clock() + timedelta(days=1))
    assert await store.makers(links) == {}


async def test_what_else_is_missed_is_counted(store: Store, clock: Clock) -> None:
    kind = CopyKind.CALDAV
    long_ago, lately = clock() - timedelta(hours=5), clock() - timedelta(minutes=5)
    for uid, missing in (("there", None), ("lately", lately), ("long ago", long_ago)):
        key = replace(KEY, uid=uid)
        copy = Copy(missing=missing, next_at=clock(), busy=True)
        await store.change(key, _becomes(Meeting(key, copies={kind: copy})))
    stranger = replace(KEY, organizer="olga@corp.example")
    await store.change(
        stranger, _becomes(Meeting(stranger, copies={kind: Copy(missing=lately, next_at=clock(), busy=True)}))
    )
    assert await store.missed(kind, timedelta(hours=2)) == 2
    assert await store.missed(CopyKind.IMAP, timedelta(hours=2)) == 0
    found = await store.of_organizer(KEY.organizer)
    assert {meeting.key.uid for meeting in found} == {"there", "lately", "long ago"}
