"""Processes of a generation: what keeps them from starting is said, whatever it is."""

from pathlib import Path

import pytest

from mailhook.generation import FailedError, Generation, Process, Way


async def test_a_program_that_is_gone_is_a_failure_like_others(tmp_path: Path) -> None:
    """As amid an upgrade: the supervisor has to try again, or to keep what it has."""
    way = Way([str(tmp_path / "python")], {})
    with pytest.raises(FailedError, match="worker 2 cannot be started: No such file or directory"):
        await Process.start("worker 2", way)
    with pytest.raises(FailedError, match="worker 1 cannot be started"):
        await Generation.read(tmp_path / "config.toml", way, lambda pid: None)
