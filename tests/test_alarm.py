import asyncio

from mailhook.alarm import Alarm


async def test_a_wait_over_time_rings_once() -> None:
    rung = asyncio.Event()
    alarm = Alarm(asyncio.get_running_loop(), rung.set)
    alarm.set(0.0)
    await rung.wait()
    rung.clear()
    alarm.set(3600)
    alarm.close()
    assert not rung.is_set()


async def test_a_shorter_wait_behind_a_longer_one_rings_in_time() -> None:
    rung = asyncio.Event()
    alarm = Alarm(asyncio.get_running_loop(), rung.set)
    alarm.set(3600)
    alarm.clear()
    alarm.set(0.0)
    await rung.wait()


async def test_a_wait_that_ended_does_not_ring() -> None:
    rung, later = asyncio.Event(), asyncio.Event()
    alarm = Alarm(asyncio.get_running_loop(), rung.set)
    alarm.set(0.0)
    alarm.clear()
    asyncio.get_running_loop().call_later(0.01, later.set)
    await later.wait()
    assert not rung.is_set()


async def test_a_timer_that_is_early_is_moved_on() -> None:
    rung, later = asyncio.Event(), asyncio.Event()
    alarm = Alarm(asyncio.get_running_loop(), rung.set)
    alarm.set(0.0)
    alarm.set(0.005)
    asyncio.get_running_loop().call_later(0.0, later.set)
    await later.wait()
    assert not rung.is_set()
    await rung.wait()
