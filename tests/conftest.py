"""What concerns all tests: those marked `peers` need a real server or browser."""

import os

import pytest

from tests.peers import chromium, cyrus, postfix, sogo

MISSING = {
    "postfix": postfix.missing,
    "cyrus": cyrus.missing,
    "sogo": sogo.missing,
    "chromium": chromium.missing,
}
REQUIRED = {"postfix", "cyrus", "chromium"}
"""The peers that .ci/run installs."""


def pytest_runtest_setup(item: pytest.Item) -> None:
    for marker in item.iter_markers("peers"):
        (name,) = marker.args or ("postfix",)
        if not (reason := MISSING[name]()):
            continue
        if name in REQUIRED and os.environ.get("MAILHOOK_REQUIRE_PEERS") == "1":
            pytest.fail(f"MAILHOOK_REQUIRE_PEERS=1, and this {reason}")
        pytest.skip(reason)
