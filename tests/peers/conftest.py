"""The whole site, for each test anew."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.peers.site import Site, site


@pytest.fixture(name="site")
async def _site(tmp_path: Path) -> AsyncIterator[Site]:
    async with site(tmp_path) as started:
        yield started
