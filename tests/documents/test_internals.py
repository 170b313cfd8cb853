"""docs/internals.md names every room of the house, and docs/dependencies.md every library that is asked for."""

import re
import tomllib
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path

import mailhook

ROOT = Path(__file__).parents[2]
PACKAGE = Path(mailhook.__file__).parent
MODULES = {
    str(path.relative_to(PACKAGE).with_suffix(""))
    for path in PACKAGE.rglob("*.py")
    if path.name != "__init__.py"
}


def rooms() -> Iterator[str]:
    """What the first column of the table names; what follows `core/first` is in core/ too."""
    text = (ROOT / "docs" / "internals.md").read_text(encoding="utf-8")
    (rows,) = re.findall(r"^\| room .*\n\|---.*\n((?:\|.*\n)+)", text, re.MULTILINE)
    for row in rows.splitlines():
        names = re.findall(r"`([^`]+)`", row.split("|")[1])
        folder = names[0].rpartition("/")[0]
        for name in names:
            yield name if "/" in name or not folder else f"{folder}/{name}"


def is_in(module: str, room: str) -> bool:
    """`doctor/` is the room of all that is in there."""
    return fnmatch(module, f"{room}*" if room.endswith("/") else room)


def test_every_module_has_a_room() -> None:
    named = list(rooms())
    assert {module for module in MODULES if not any(is_in(module, room) for room in named)} == set()
    assert {room for room in named if not any(is_in(module, room) for module in MODULES)} == set()
    assert len(named) == len(set(named))


def test_every_dependency_is_explained() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    asked = [
        *project["dependencies"],
        *(each for extra in project["optional-dependencies"].values() for each in extra),
    ]
    text = (ROOT / "docs" / "dependencies.md").read_text(encoding="utf-8")
    told = {word.lower() for word in re.findall(r"[\w-]+", text)}
    assert {re.split(r"[<>=\[]", each)[0] for each in asked} <= told
