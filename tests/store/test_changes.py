"""Changes that wait for the disk together, and nothing else."""

import asyncio
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from mailhook.core.meeting import Meeting, MeetingKey
from mailhook.errors import Permanent, Temporary
from mailhook.ports import Circumstances, Decide
from mailhook.store.changes import MOST, Changes
from mailhook.store.sqlite import SqliteStore
from tests.store.disks import full_disk

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)


def key(number: int) -> MeetingKey:
    return MeetingKey("boss@example.org", str(number))


def noted(error: str) -> Decide[str]:
    return lambda before, _: (replace(before, error=error), error)


def refused(_before: Meeting, _: Circumstances) -> tuple[Meeting, None]:
    raise LookupError("refused")


@pytest.fixture
def connection(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    path = tmp_path / "changes.db"
    with closing(sqlite3.connect(path, isolation_level=None, check_same_thread=False)) as connection:
        connection.execute("CREATE TABLE done (number INTEGER)")
        yield connection


@pytest.fixture
def begun(connection: sqlite3.Connection) -> list[str]:
    """The transactions of the connection."""
    found: list[str] = []
    connection.set_trace_callback(lambda text: found.append(text) if text.startswith("BEGIN") else None)
    return found


@pytest.fixture
def changes(connection: sqlite3.Connection) -> Changes:
    async def run(work: Callable[[sqlite3.Connection], list[Any]]) -> list[Any]:
        return await asyncio.to_thread(work, connection)

    return Changes(run)


def insert(number: int) -> Callable[[sqlite3.Connection], int]:
    def work(connection: sqlite3.Connection) -> int:
        connection.execute("INSERT INTO done VALUES (?)", (number,))
        return number

    return work


def fail(_connection: sqlite3.Connection) -> int:
    raise LookupError("a fault of this one")


def held(connection: sqlite3.Connection) -> list[int]:
    return [number for (number,) in connection.execute("SELECT number FROM done ORDER BY number")]


async def test_what_comes_meanwhile_shares_the_next_transaction(
    changes: Changes, connection: sqlite3.Connection, begun: list[str]
) -> None:
    running, go_on = asyncio.Event(), threading.Event()
    loop = asyncio.get_running_loop()

    def slow(connection: sqlite3.Connection) -> int:
        loop.call_soon_threadsafe(running.set)
        assert go_on.wait(60)
        return insert(0)(connection)

    first = asyncio.create_task(changes.made(slow))
    await running.wait()
    others = [asyncio.create_task(changes.made(insert(number))) for number in range(1, 6)]
    await asyncio.sleep(0)
    go_on.set()
    assert await asyncio.gather(first, *others) == list(range(6))
    assert len(begun) == 2
    assert held(connection) == list(range(6))


async def test_a_transaction_has_an_end_for_other_processes(changes: Changes, begun: list[str]) -> None:
    numbers = range(2 * MOST + 1)
    assert await asyncio.gather(*(changes.made(insert(number)) for number in numbers)) == list(numbers)
    assert len(begun) == 3


async def test_one_that_fails_spoils_none_of_the_others(
    changes: Changes, connection: sqlite3.Connection
) -> None:
    works = (insert(1), fail, insert(2))
    one, fault, two = await asyncio.gather(*(changes.made(each) for each in works), return_exceptions=True)
    assert (one, two, held(connection)) == (1, 2, [1, 2])
    assert isinstance(fault, LookupError)


async def test_nothing_is_answered_before_it_is_committed(
    changes: Changes, connection: sqlite3.Connection
) -> None:
    async def look(number: int) -> bool:
        await changes.made(insert(number))
        return connection.in_transaction

    assert not any(await asyncio.gather(*map(look, range(5))))


async def test_who_is_gone_holds_up_nobody(changes: Changes, connection: sqlite3.Connection) -> None:
    gone, stays = (asyncio.create_task(changes.made(insert(number))) for number in range(2))
    await asyncio.sleep(0)
    gone.cancel()
    assert await stays == 1
    assert held(connection) == [0, 1]
    await changes.ended()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "mailhook.db"


async def test_of_many_mails_each_hears_of_its_own_fault(path: Path) -> None:
    store = await SqliteStore.open(path, lambda: NOON)
    asked: list[Decide[Any]] = [noted("one"), refused, noted("\ud800"), noted("two")]
    answers = await asyncio.gather(
        *(store.change(key(number), each) for number, each in enumerate(asked)), return_exceptions=True
    )
    assert (answers[0], answers[3]) == ("one", "two")
    assert [type(each) for each in answers[1:3]] == [LookupError, Permanent]
    assert [meeting.error for meeting in await store.all()] == ["one", "two"]
    await store.close()


async def test_a_commit_that_fails_is_an_answer_to_nobody(path: Path) -> None:
    store = await SqliteStore.open(path, lambda: NOON)
    await store.change(key(0), noted("before"))
    with full_disk(path):
        answers = await asyncio.gather(
            *(store.change(key(number), noted("x" * 100_000)) for number in range(3)), return_exceptions=True
        )
    assert [type(each) for each in answers] == [Temporary] * 3
    assert [meeting.error for meeting in await store.all()] == ["before"]
    await store.close()


async def test_what_is_asked_before_the_end_is_done_before_it(path: Path) -> None:
    store = await SqliteStore.open(path, lambda: NOON)
    asked = [asyncio.create_task(store.change(key(number), noted("done"))) for number in range(5)]
    await asyncio.sleep(0)
    await store.close()
    assert await asyncio.gather(*asked) == ["done"] * 5
