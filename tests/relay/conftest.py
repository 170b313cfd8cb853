"""What several tests of the whole way stand on."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.relay.processes import Outside, outside_of


@pytest.fixture
async def outside(tmp_path: Path) -> AsyncIterator[Outside]:
    async with outside_of(tmp_path) as found:
        yield found
