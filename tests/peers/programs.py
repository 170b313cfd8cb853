"""Programs that tests run without a server of their own, and what installs them."""

import shutil


def sqlite3_missing() -> str:
    return "" if shutil.which("sqlite3") else "needs SQLite's shell: apt-get install sqlite3"


def systemd_missing() -> str:
    return "" if shutil.which("systemd-analyze") else "needs systemd: apt-get install systemd"
