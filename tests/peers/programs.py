"""Programs that tests run without a server of their own, and what installs them."""

import shutil
from functools import partial

ADVICE = {"sqlite3": "sqlite3", "systemd-analyze": "systemd"}


def _missing(program: str) -> str:
    return "" if shutil.which(program) else f"needs {program}: apt-get install {ADVICE[program]}"


sqlite3_missing = partial(_missing, "sqlite3")
systemd_missing = partial(_missing, "systemd-analyze")
