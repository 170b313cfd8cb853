"""What concerns all tests: those marked `peers` need a real server or browser."""

import logging
import os
from collections.abc import Iterator

import pytest

from tests.peers import chromium, cyrus, dovecot, exim, icaljs, postfix, programs, sogo, thunderbird

MISSING = {
    "postfix": postfix.missing,
    "cyrus": cyrus.missing,
    "sogo": sogo.missing,
    "chromium": chromium.missing,
    "dovecot": dovecot.missing,
    "exim": exim.missing,
    "ical.js": icaljs.missing,
    "thunderbird": thunderbird.missing,
    "sqlite3": programs.sqlite3_missing,
    "systemd": programs.systemd_missing,
}
REQUIRED = {"postfix", "cyrus", "chromium", "dovecot", "exim", "ical.js", "sqlite3", "systemd"}
"""The peers that .ci/run installs."""


def pytest_runtest_setup(item: pytest.Item) -> None:
    for marker in item.iter_markers("peers"):
        (name,) = marker.args or ("postfix",)
        if not (reason := MISSING[name]()):
            continue
        if name in REQUIRED and os.environ.get("MAILHOOK_REQUIRE_PEERS") == "1":
            pytest.fail(f"MAILHOOK_REQUIRE_PEERS=1, and this {reason}")
        pytest.skip(reason)


@pytest.fixture
def logging_as_it_was() -> Iterator[None]:
    """For tests that run a command, which sets logging up for a process that is its own."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
