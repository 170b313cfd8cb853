"""What concerns all tests: those marked `peers` need a real Postfix."""

import os

import pytest

from tests.peers.postfix import missing


def pytest_runtest_setup(item: pytest.Item) -> None:
    if item.get_closest_marker("peers") is None or not (reason := missing()):
        return
    if os.environ.get("MAILHOOK_REQUIRE_PEERS") == "1":
        pytest.fail(f"MAILHOOK_REQUIRE_PEERS=1, and this {reason}")
    pytest.skip(reason)
