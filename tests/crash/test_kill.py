"""mailhook between two Postfix queues is killed at every step, and at random: nothing is lost or left over.

The long form, with hundreds of kills: python -m tests.crash --help
"""

import random
from pathlib import Path

import pytest

from tests.crash.kills import run, steps

pytestmark = pytest.mark.peers


async def test_kills_lose_nothing_and_leave_nothing(tmp_path: Path) -> None:
    await run(tmp_path, steps(random.Random(20261123)), workers=2)
