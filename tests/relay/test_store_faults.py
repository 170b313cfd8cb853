"""The store fails under a running `serve`: ordinary mail goes on, invitations follow the failure policy."""

import os
import shutil
import signal
import sqlite3
import subprocess
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from dataclasses import replace
from email.utils import format_datetime
from pathlib import Path

import pytest

from mailhook.app import utc_now
from tests.relay.mails import ANNA, IVAN, ORDINARY, invitation, link_in
from tests.relay.processes import Outside, Served, fresh, serving
from tests.relay.rig import Client, until

SIZE = 4 * 1024 * 1024


@contextmanager
def mounted(place: Path) -> Iterator[None]:
    """A small disk of its own at `place`."""
    if os.geteuid() != 0:
        pytest.skip("needs root, to mount a small disk: run the tests as root")
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={SIZE}", "none", place], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", place], check=True)


@contextmanager
def full(store: Path) -> Iterator[None]:
    filler = store.with_name("filler")
    with filler.open("wb", buffering=0) as file:
        for size in (4096, 1):
            try:
                while file.write(bytes(size)) == size:
                    pass
            except OSError:
                continue
    yield
    filler.unlink()


@contextmanager
def read_only(store: Path) -> Iterator[None]:
    """As after an error of the disk: the same files, and nothing can be written."""
    kept = [(file.name, file.read_bytes()) for file in store.parent.iterdir()]
    with mounted(store.parent):
        for name, content in kept:
            (store.parent / name).write_bytes(content)
        subprocess.run(["mount", "-o", "remount,ro", store.parent], check=True)
        yield


@contextmanager
def corrupt(store: Path) -> Iterator[None]:
    """Overwritten, and restored from a backup."""
    backup = store.with_name("backup")
    with closing(sqlite3.connect(store)) as whole, closing(sqlite3.connect(backup)) as copy:
        whole.backup(copy)
    beside = [store.with_name(f"{store.name}-{kind}") for kind in ("wal", "shm")]
    for path in (store, *beside):
        with path.open("r+b") as file:
            file.write(b"this is no database " * 1000)
    yield
    for path in beside:
        path.unlink(missing_ok=True)
    backup.replace(store)


@contextmanager
def lost(store: Path) -> Iterator[None]:
    aside = store.with_name("aside")
    store.rename(aside)
    yield
    assert not store.exists()
    aside.rename(store)


async def hand_in(served: Served, content: bytes) -> int:
    async with await Client.connect(served.port) as client:
        return (await client.send(content, IVAN, ANNA)).code


def queued(uid: str) -> bytes:
    """As a mail server hands it in, with its trace."""
    received = f"Received: from a by b id 4ABC; {format_datetime(utc_now())}\r\n"
    return received.encode() + invitation(replace(fresh(), uid=uid))


@pytest.mark.parametrize("fault", [full, read_only, corrupt, lost])
async def test_ordinary_mail_goes_on(
    outside: Outside, fault: Callable[[Path], AbstractContextManager[None]]
) -> None:
    """Also through a worker that is started meanwhile; afterwards all is as before."""
    place = outside.settings.parent / "disk"
    place.mkdir()
    store = place / "store.db"
    text = outside.settings.read_text()
    outside.settings.write_text(text.replace(str(outside.settings.parent / "store.db"), str(store)))
    with mounted(place):
        async with serving(outside.settings) as served:
            assert await hand_in(served, queued("before")) == 250
            with fault(store):
                await only_ordinary_mail_passes(outside, served, "meanwhile-0")
                os.kill(served.workers[0], signal.SIGKILL)
                await until(lambda: len(served.told("worker-started")) == 1)
                await only_ordinary_mail_passes(outside, served, "meanwhile-1")
            for number in range(2):
                assert await hand_in(served, queued(f"meanwhile-{number}")) == 250
                assert link_in(outside.sink.messages[-1].content)
    assert len(outside.sandbox.conferences) == 3


async def test_figures_that_find_no_room_hold_up_no_mail(outside: Outside, tmp_path: Path) -> None:
    """They are in files that are mapped into memory; and a folder that was tidied away is made anew."""
    place = tmp_path / "run"
    place.mkdir()
    with mounted(place):
        async with serving(outside.settings, RUNTIME_DIRECTORY=str(place)) as served:
            with full(place / "store.db"):
                for uid in ("one", "two"):
                    assert [await hand_in(served, each) for each in (ORDINARY, queued(uid))] == [250, 250]
                os.kill(served.workers[0], signal.SIGKILL)
                await until(lambda: len(served.told("worker-started")) == 1)
                assert [await hand_in(served, each) for each in (ORDINARY, queued("three"))] == [250, 250]
                assert len(served.told("figures-alone")) == 1
            (folder,) = place.glob("mailhook-*")
            shutil.rmtree(folder)
            os.kill(served.workers[0], signal.SIGKILL)
            await until(lambda: len(served.told("worker-started")) == 2)
            assert await hand_in(served, ORDINARY) == 250
    assert len(served.told("worker-died")) == 2


async def only_ordinary_mail_passes(outside: Outside, served: Served, uid: str) -> None:
    assert await hand_in(served, ORDINARY) == 250
    assert outside.sink.messages[-1].content == ORDINARY
    assert await hand_in(served, queued(uid)) == 451
