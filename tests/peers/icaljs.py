"""ical.js, Mozilla's reader of iCalendar (Thunderbird's), run by Node."""

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).with_name("icaljs")
PATIENCE = 60


def missing() -> str:
    if shutil.which("node") is None:
        return "needs node: apt-get install --no-remove nodejs npm"
    if not (FOLDER / "node_modules" / "ical.js").exists():
        return "needs ical.js: npm ci --prefix tests/peers/icaljs"
    return ""


def read(calendars: list[str]) -> list[Any]:
    """The components of each as jCal (RFC 7265): name, properties, components."""
    done = subprocess.run(
        ["node", FOLDER / "read.mjs"],
        input=json.dumps(calendars),
        capture_output=True,
        encoding="utf-8",
        timeout=PATIENCE,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found: list[Any] = json.loads(done.stdout)
    return found
