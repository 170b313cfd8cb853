"""Several workers on one socket, ended, killed and replaced while mail flows: every mail is counted."""

import asyncio
import os
import signal
import socket
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from mailhook.core.breaker import FAILURES
from mailhook.flight import ATTEMPTS
from mailhook.provider.sandbox_faults import Fault
from tests.relay.mails import ANNA, IVAN, ORDINARY, copies, invitation, link_in
from tests.relay.processes import Outside, Served, creates, fresh, serving
from tests.relay.queue import Queue, check, load
from tests.relay.rig import Client, until

MANY = "max_conferences_per_organizer_per_hour = 100000"
WAVE = 30
"""Mails between two things that a test does."""


async def hand_in(port: int, recipient: str, content: bytes) -> int:
    async with await Client.connect(port) as client:
        return (await client.send(content, IVAN, recipient)).code


async def wave(queue: Queue, mails: int = WAVE) -> None:
    """Until so many more have been delivered."""
    goal = queue.done + mails
    await until(lambda: queue.done >= goal)


async def reloaded(served: Served, event: str = "settings-reloaded") -> None:
    before = len(served.told(event))
    served.reload()
    await until(lambda: len(served.told(event)) > before)


# --- while mail flows ---------------------------------------------------------------------------------


async def test_killed_workers_lose_nothing(outside: Outside) -> None:
    async with serving(outside.configure(2, MANY)) as served:
        async with load(served.port) as queue:
            for number in range(3):
                await wave(queue)
                os.kill(served.workers[number % 2], signal.SIGKILL)
                await until(lambda: len(served.told("worker-started")) > number)  # noqa: B023 - awaited within the turn
        check(queue, outside.sink.messages)
    assert queue.refused == 0
    assert len(served.told("worker-died")) == 3


async def test_reloads_refuse_nobody(outside: Outside) -> None:
    """From one worker to two and back; each reload replaces all of them."""
    async with serving(outside.configure(1, MANY)) as served:
        async with load(served.port) as queue:
            for workers in (2, 1):
                await wave(queue)
                before = set(served.workers)
                outside.configure(workers, MANY)
                await reloaded(served)
                await until(lambda: not before & set(served.workers))  # noqa: B023 - awaited within the turn
                assert len(served.workers) == workers
        check(queue, outside.sink.messages)
    assert (queue.refused, queue.doubtful) == (0, Counter())
    assert queue.put_off.keys() <= {0, 421}


async def test_a_stop_loses_and_bounces_nothing(outside: Outside) -> None:
    """What is queued meanwhile goes to the next process, which finds the port free."""
    async with serving(outside.configure(2, MANY)) as served:
        queue = Queue(served.port)
        queue.begin()
        await wave(queue)
        assert await stopped(served) == 0
    text = outside.settings.read_text().replace("port = 0", f"port = {queue.port}", 1)
    outside.settings.write_text(text)
    async with serving(outside.settings):
        await wave(queue)
        await queue.emptied()
    check(queue, outside.sink.messages)
    assert queue.doubtful == Counter()


async def test_a_restart_refuses_nobody_where_the_socket_stays(outside: Outside) -> None:
    """As with systemd, which holds it; twice in a row."""
    outside.configure(2, MANY)
    with socket.create_server(("127.0.0.1", 0), backlog=512) as sock:
        queue = Queue(sock.getsockname()[1])
        queue.begin()
        for _ in range(2):
            async with serving(outside.settings, {"smtp": sock}) as served:
                assert served.port == queue.port
                await wave(queue)
                assert await stopped(served) == 0
        async with serving(outside.settings, {"smtp": sock}):
            await queue.emptied()
    check(queue, outside.sink.messages)
    assert (queue.refused, queue.doubtful) == (0, Counter())


async def test_a_stop_amid_a_reload_cuts_no_mail(outside: Outside) -> None:
    """The workers of the reload may have mails in hand when it is given up."""
    outside.sandbox.faults["create"] = Fault(delay=0.3)
    outside.configure(2, MANY)
    with socket.create_server(("127.0.0.1", 0), backlog=512) as sock:
        queue = Queue(sock.getsockname()[1])
        queue.begin()
        for _ in range(3):
            async with serving(outside.settings, {"smtp": sock}) as served:
                await wave(queue)
                before = set(served.workers)
                served.reload()
                await until(lambda: len(set(served.workers) - before) == 2)  # noqa: B023 - awaited within the turn
                assert await stopped(served) == 0
        async with serving(outside.settings, {"smtp": sock}):
            await queue.emptied()
    check(queue, outside.sink.messages)
    assert (queue.refused, queue.doubtful) == (0, Counter())


async def stopped(served: Served) -> int:
    served.process.send_signal(signal.SIGTERM)
    return await served.process.wait()


async def test_workers_that_lose_their_supervisor_end_what_they_have_begun(outside: Outside) -> None:
    outside.sandbox.faults["create"] = Fault(delay=0.5)
    async with serving(outside.configure(2)) as served, await Client.connect(served.port) as client:
        await client.begin(invitation(fresh()), IVAN, ANNA)
        await until(lambda: creates(outside.sandbox) == 1)
        workers = served.workers
        served.process.kill()
        assert (await client.hear()).code == 250
        await until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in workers))
    assert link_in(outside.sink.messages[0].content)


# --- settings -----------------------------------------------------------------------------------------


async def test_settings_that_cannot_be_change_nothing(outside: Outside) -> None:
    """All that is wrong is told, and a worker that dies afterwards still has what was right."""
    async with serving(outside.configure(1)) as served:
        text, workers = outside.settings.read_text(), served.workers
        outside.settings.write_text(
            f'{text.replace("[log]", "[lgo]")}[listen.more]\n[rewrite]\nposition = "up"\n'
        )
        await reloaded(served, "settings-kept")
        faults = [str(line["error"]) for line in served.told("settings-kept")]
        wrong = {"lgo", "listen.more", 'rewrite.position = "up"'}
        assert {fault.partition(":")[0] for fault in faults} == wrong
        assert served.workers == workers
        os.kill(workers[0], signal.SIGKILL)
        assert await hand_in(served.port, ANNA, invitation(fresh())) == 250
        assert served.workers != workers


async def test_what_shows_only_when_it_is_tried_changes_nothing_either(outside: Outside) -> None:
    async with serving(outside.configure(1)) as served:
        with socket.create_server(("127.0.0.1", 0)) as taken:
            text = outside.settings.read_text()
            port = taken.getsockname()[1]
            outside.settings.write_text(text.replace("port = 0", f"port = {port}", 1))
            await reloaded(served, "settings-kept")
            assert served.told("settings-kept")[-1]["error"] == (
                f"listen.host, listen.port: cannot listen on 127.0.0.1 port {port}: Address already in use"
            )
        outside.settings.write_text(text.replace("store.db", "nowhere/store.db"))
        await reloaded(served, "settings-kept")
        assert "nowhere" in served.told("settings-kept")[-1]["error"]
        assert await hand_in(served.port, ANNA, ORDINARY) == 250


async def test_another_port_takes_the_place_of_the_first(outside: Outside) -> None:
    async with serving(outside.configure(1)) as served:
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        text = outside.settings.read_text()
        outside.settings.write_text(text.replace("port = 0", f"port = {port}", 1))
        before = served.workers
        await reloaded(served)
        assert await hand_in(port, ANNA, ORDINARY) == 250
        await until(lambda: served.workers != before and len(served.workers) == 1)
        with pytest.raises(ConnectionRefusedError):
            await Client.connect(served.port)


async def test_the_sandbox_is_one_for_all_workers_and_generations(outside: Outside) -> None:
    outside.configure(2)
    text = outside.settings.read_text().replace('kind = "videomost"', 'kind = "sandbox"')
    outside.settings.write_text(
        f'{text}[provider.sandbox]\nport = 0\npublic_url = "https://videomost.corp.example"\n'
    )
    async with serving(outside.settings) as served:
        event = fresh()
        assert await hand_in(served.port, ANNA, invitation(event)) == 250
        await reloaded(served)
        later = replace(event, sequence=1, location="")
        for number in range(4):
            assert await hand_in(served.port, ANNA, invitation(replace(later, sequence=number + 1))) == 250
        assert len({link_in(mail.content) for mail in outside.sink.messages}) == 1
        assert served.told("conference-failed") + served.told("conference-lost") == []


# --- what workers have in common ----------------------------------------------------------------------


async def connected(served: Served, count: int) -> list[Client]:
    """So many clients of each worker, one worker's after the other's: who is stopped accepts nobody."""
    clients: list[Client] = []
    for stopped in served.workers:
        os.kill(stopped, signal.SIGSTOP)
        await until(lambda: state(stopped) == "T")  # noqa: B023 - awaited within the turn
        clients += [await Client.connect(served.port) for _ in range(count)]
        os.kill(stopped, signal.SIGCONT)
    return clients


def state(pid: int) -> str:
    """proc(5): id (name) state …"""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]


async def test_copies_through_two_workers_make_one_conference(outside: Outside) -> None:
    outside.sandbox.faults["create"] = Fault(delay=0.3)
    async with serving(outside.configure(2)) as served:
        clients = await connected(served, 10)
        sent = [
            client.send(mail, IVAN, who)
            for client, (who, mail) in zip(clients, copies(fresh(), 20), strict=True)
        ]
        assert {reply.code for reply in await asyncio.gather(*sent)} == {250}
        assert Counter(line["worker"] for line in served.told("message")) == {"1": 10, "2": 10}
        for client in clients:
            client.writer.close()
    (room,) = outside.sandbox.conferences.values()
    assert [link_in(mail.content) for mail in outside.sink.messages] == [outside.sandbox.link(room)] * 20
    assert creates(outside.sandbox) == 1


async def test_the_hourly_limit_is_one_for_all(outside: Outside) -> None:
    outside.configure(2, "max_conferences_per_organizer_per_hour = 5")
    async with serving(outside.settings) as served:
        events = [replace(fresh(), uid=f"limit-{number}") for number in range(20)]
        sent = [hand_in(served.port, ANNA, invitation(event)) for event in events]
        assert await asyncio.gather(*sent) == [250] * 20
    assert len(outside.sandbox.conferences) == 5
    assert sum(bool(link_in(mail.content)) for mail in outside.sink.messages) == 5


async def test_no_more_wait_for_the_provider_than_may(outside: Outside) -> None:
    outside.sandbox.faults["create"] = Fault(delay=60)
    async with serving(outside.configure(2, "max_waiting = 4")) as served:
        events = [replace(fresh(), uid=f"waiting-{number}") for number in range(16)]
        sent = {asyncio.create_task(hand_in(served.port, ANNA, invitation(event))) for event in events}
        waiting = set(sent)
        while len(waiting) > 4:
            done, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            assert {task.result() for task in done} == {451}
        assert await hand_in(served.port, ANNA, ORDINARY) == 250
        await outside.sandbox.stop()
        assert {await task for task in sent} == {451}


async def test_a_provider_that_is_down_is_found_out_by_each_worker(outside: Outside) -> None:
    """So it is asked as often as there are workers, and no more."""
    outside.sandbox.faults["create"] = Fault(status=503)
    async with serving(outside.configure(2)) as served:
        for number, client in enumerate(await connected(served, 1)):
            for mail in range(2 * FAILURES):
                event = replace(fresh(), uid=f"down-{number}-{mail}")
                assert (await client.send(invitation(event), IVAN, ANNA)).code == 451
            client.writer.close()
        assert Counter(line["worker"] for line in served.told("provider-down")) == {"1": 1, "2": 1}
    # Beside what waits, the workers try in the background what has been given up.
    assert creates(outside.sandbox) <= 2 * (FAILURES + 1) * ATTEMPTS


async def test_work_in_the_background_is_done_once(outside: Outside) -> None:
    """Each worker looks for it."""
    async with serving(outside.configure(2, MANY)) as served:
        events = [replace(fresh(), uid=f"moved-{number}") for number in range(12)]
        for event in events:
            assert await hand_in(served.port, ANNA, invitation(event)) == 250
        for event in events:
            moved = replace(event, sequence=1, summary="Moved")
            assert await hand_in(served.port, ANNA, invitation(moved)) == 250
        await until(lambda: topics(outside) == {"Moved"})
    updates = [counter["update"] for counter in outside.sandbox.counts.values()]
    assert updates == [1] * 12


def topics(outside: Outside) -> set[str]:
    return {room.spec.topic for room in outside.sandbox.conferences.values()}


# --- systemd ------------------------------------------------------------------------------------------


async def test_the_service_manager_is_told(outside: Outside, tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        address = str(tmp_path / "notify")
        manager.bind(address)
        manager.setblocking(False)
        loop = asyncio.get_running_loop()
        async with serving(outside.settings, NOTIFY_SOCKET=address) as served:
            assert await loop.sock_recv(manager, 1000) == b"READY=1"
            served.reload()
            assert (await loop.sock_recv(manager, 1000)).startswith(b"RELOADING=1\nMONOTONIC_USEC=")
            assert await loop.sock_recv(manager, 1000) == b"READY=1"
            await stopped(served)
            assert await loop.sock_recv(manager, 1000) == b"STOPPING=1"


async def test_counters_live_in_a_folder_that_goes_with_the_process(outside: Outside, tmp_path: Path) -> None:
    async with serving(outside.configure(2), RUNTIME_DIRECTORY=str(tmp_path)) as served:
        (folder,) = folders(tmp_path)
        assert {counters_of(pid) for pid in served.workers} == {f"PROMETHEUS_MULTIPROC_DIR={folder}"}
        victim = served.workers[0]
        for file in folder.glob(f"*_{victim}.db"):
            file.unlink()
        for kind in ("gauge_livesum", "counter"):
            (folder / f"{kind}_{victim}.db").touch()
        os.kill(victim, signal.SIGKILL)
        await until(lambda: [file.name for file in folder.glob(f"*_{victim}.db")] == [f"counter_{victim}.db"])
    assert folders(tmp_path) == []


def folders(place: Path) -> list[Path]:
    return list(place.glob("mailhook-*"))


def counters_of(pid: int) -> str:
    variables = Path(f"/proc/{pid}/environ").read_text().split("\0")
    return next(each for each in variables if each.startswith("PROMETHEUS_"))


@pytest.mark.parametrize(
    ("name", "listen", "said"),
    [("smtp", 'allow = ["11.0.0.0/8"]', "open relay"), ("http", "", "http.password_file")],
)
async def test_a_socket_that_lets_everybody_in_is_refused(
    outside: Outside, name: str, listen: str, said: str
) -> None:
    """The settings name 127.0.0.1; whoever wrote the socket unit has bound it elsewhere."""
    text = outside.settings.read_text().replace("port = 0", f"port = 0\n{listen}", 1)
    outside.settings.write_text(text.replace("[http]\nport = 0", "[http]\nport = 10227"))
    with socket.create_server(("127.0.0.1", 0)) as harmless, socket.socket() as sock:
        sock.bind(("0.0.0.0", 0))
        with pytest.raises(AssertionError, match=rf"(?s)a socket is bound to 0\.0\.0\.0: .*{said}"):
            async with serving(outside.settings, {"smtp": harmless} | {name: sock}):
                pass
