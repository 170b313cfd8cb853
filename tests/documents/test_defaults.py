"""Where a document says the default of a setting beside its name, it is the one of the code."""

import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from mailhook.config import Settings

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
UNITS = {"s": 1, "с": 1, "min": 60, "мин": 60, "h": 3600, "ч": 3600}


def told(path: Path) -> Iterator[tuple[str, str, str]]:
    """Setting, number and unit, as in `policy.deadline` (20 s)."""
    text = path.read_text(encoding="utf-8")
    yield from re.findall(r"`((?:policy|nexthop|listen)\.\w+)` \((\d+)(?: (s|с|min|мин|h|ч))?\)", text)


FOUND = [(path, *each) for path in PAGES for each in told(path)]


@pytest.mark.parametrize(
    ("path", "setting", "number", "unit"),
    FOUND,
    ids=[f"{path.name}-{setting}" for path, setting, *_ in FOUND],
)
def test_a_default_in_a_document_is_that_of_the_code(
    path: Path, setting: str, number: str, unit: str
) -> None:
    section, name = setting.split(".")
    default = getattr(getattr(Settings(), section), name)
    seconds = default.total_seconds() if isinstance(default, timedelta) else default
    assert seconds == int(number) * UNITS.get(unit, 1)


def test_there_are_some() -> None:
    assert {path.name for path, *_ in FOUND} >= {"flow.md", "postfix.md"}
