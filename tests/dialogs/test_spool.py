"""The spool: the same bytes from memory and from a file, and nothing left behind."""

import io
import os
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailhook.front.limits import Budget
from mailhook.front.spool import CHUNK, Spool


@given(st.lists(st.binary(max_size=100), max_size=20), st.integers(0, 400))
def test_what_was_written_is_read_any_number_of_times(pieces: list[bytes], in_memory: int) -> None:
    with closing(Spool(in_memory)) as spool:
        for piece in pieces:
            spool.write(piece)
        whole = b"".join(pieces)
        first, second = spool.chunks(), spool.chunks()
        next(first, None)
        assert b"".join(second) == whole
        assert spool.wire() == whole
        assert spool.size == len(whole)


def test_a_large_message_leaves_memory_and_has_no_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with closing(Spool()) as spool:
        for number in range(40):
            spool.write(bytes([number]) * 65536)
        assert list(tmp_path.iterdir()) == []
        assert max(len(chunk) for chunk in spool.chunks()) == CHUNK
        assert spool.wire() == b"".join(bytes([number]) * 65536 for number in range(40))


def test_close_gives_everything_back() -> None:
    before = len(os.listdir("/proc/self/fd"))
    spool = Spool(10)
    spool.write(b"x" * 100)
    assert len(os.listdir("/proc/self/fd")) == before + 1
    spool.close()
    spool.close()
    assert len(os.listdir("/proc/self/fd")) == before
    assert spool.size == 0


def test_what_the_budget_does_not_grant_is_in_a_file() -> None:
    budget, before = Budget(1000), len(os.listdir("/proc/self/fd"))
    with closing(Spool(budget=budget)) as first, closing(Spool(budget=budget)) as second:
        first.write(b"x" * 800)
        assert len(os.listdir("/proc/self/fd")) == before
        second.write(b"y" * 800)
        assert len(os.listdir("/proc/self/fd")) == before + 1
        assert (first.wire(), second.wire()) == (b"x" * 800, b"y" * 800)
    assert budget.take(1000)


def test_content_octet_by_octet_counts_what_it_costs() -> None:
    budget = Budget(2 << 20)
    with closing(Spool(budget=budget)) as spool:
        for _ in range(20_000):
            spool.write(b"x")
        # In a file by now, after 1 MiB of memory though a fiftieth of that in octets: all is given back.
        assert budget.take(2 << 20)
        assert spool.wire() == b"x" * 20_000


@contextmanager
def full_disk(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """/dev/full takes nothing, as a full disk does."""
    with monkeypatch.context() as patch:
        patch.setattr(tempfile, "TemporaryFile", lambda **_: io.FileIO("/dev/full", "wb"))
        yield


def test_a_full_disk_is_an_oserror(monkeypatch: pytest.MonkeyPatch) -> None:
    with full_disk(monkeypatch), closing(Spool(10)) as spool, pytest.raises(OSError, match="No space"):
        spool.write(b"x" * 100)
