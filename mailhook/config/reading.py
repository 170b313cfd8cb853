"""Reading a settings file, and saying all that is wrong with it at once.

What: `load` gives Settings or fails; `problems` lists everything, warnings too, and also tries the machine. A value
that cannot be is reported and left out, so that the rest of the file is looked at as well.

Not here: what single values must be (`values`), and what does not go together (`checks`).

Errors: Misconfigured from `load`.
"""

import re
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path

from pydantic import BaseModel, ValidationError

from mailhook import files
from mailhook.config import permissions
from mailhook.config.checks import crosswise
from mailhook.config.http import http
from mailhook.config.organizer import organizer
from mailhook.config.problem import Problem, shown
from mailhook.config.settings import Settings
from mailhook.errors import Misconfigured

Table = dict[str, object]
Place = tuple[str | int, ...]
Trying = Callable[[Settings, Sequence[Problem]], list[Problem]]

SECRETS = (
    ("provider", "videomost", "token"),
    ("provider", "videomost", "auth", "password"),
    ("http", "password"),
    *(
        ("organizer", "imap", "password"),
        ("organizer", "caldav", "password"),
        ("organizer", "caldav", "token"),
    ),
)
LATER = {
    *("listen.tls_cert", "listen.tls_key", "listen.starttls", "listen.bare_newline"),
    *("nexthop.tls", "nexthop.ca_file", "nexthop.username", "nexthop.password", "nexthop.password_file"),
}
EXPECTED = {
    "string_type": "should be text in quotes",
    "bool_type": "should be true or false",
    "int_type": "should be a whole number",
    "tuple_type": "should be a list in brackets",
    "mapping_type": "should be a table such as { name = value }",
    "dict_type": "should be a table such as { name = value }",
    "model_type": "should be a section in brackets",
}


@dataclass
class _Reading:
    """What was understood of a file. `broken`: keys that were left out."""

    settings: Settings | None = None
    problems: list[Problem] = field(default_factory=list)
    broken: set[str] = field(default_factory=set)


def load(path: str | Path) -> Settings:
    """The settings in the file `path`. Misconfigured names every problem, one per line; warnings do not matter."""
    reading = _read(Path(path))
    errors = [problem for problem in reading.problems if not problem.warning]
    if errors or reading.settings is None:
        raise Misconfigured("\n".join([f"{path} cannot be used:", *map(str, errors)]))
    return reading.settings


def problems(path: str | Path, tried: Trying | None = None) -> list[Problem]:
    """All that is wrong with the file, and with this machine as far as the file names it; errors first.

    `tried` finds what shows only when something is made of the settings, beside the problems that are known.
    """
    reading = _read(Path(path))
    found = list(reading.problems)
    if reading.settings is not None:
        found += _new(permissions.on_this_machine(reading.settings), reading.broken)
        found += _new(tried(reading.settings, found), reading.broken) if tried else []
    return sorted(found, key=lambda problem: problem.warning)


def _read(path: Path) -> _Reading:
    try:
        raw: Table = tomllib.loads(files.text(path, "utf-8-sig"))
    except OSError as fault:
        return _Reading(problems=[Problem(str(path), "", f"cannot be read: {fault.strerror}")])
    except UnicodeDecodeError:
        return _Reading(problems=[Problem(str(path), "", "is not UTF-8 text")])
    except tomllib.TOMLDecodeError as fault:
        return _Reading(problems=[_syntax(path, str(fault))])
    reading = _Reading(problems=list(permissions.of_trusted(str(path), "", path)))
    _fill_secrets(raw, path, reading)
    _validate(raw, reading)
    if reading.settings is not None:
        found = [*crosswise(reading.settings), *organizer(reading.settings), *http(reading.settings)]
        reading.problems += _new(found, reading.broken)
    return reading


def _new(found: list[Problem], broken: set[str]) -> list[Problem]:
    """Without those that only follow from a value that has been left out."""
    return [
        problem for problem in found if not any(f"{problem.key}.".startswith(f"{key}.") for key in broken)
    ]


def _syntax(path: Path, fault: str) -> Problem:
    found = re.fullmatch(r"(.*) \(at (?:line (\d+), column (\d+)|(end of document))\)", fault, re.DOTALL)
    if found is None:
        return Problem(str(path), "", f"is not TOML: {fault}")
    place = f"line {found[2]}, column {found[3]}" if found[2] else found[4]
    return Problem(f"{path}, {place}", "", f"is not TOML: {found[1]}")


# --- secrets in files -------------------------------------------------------------------------------------------


def _fill_secrets(raw: Table, path: Path, reading: _Reading) -> None:
    for place in SECRETS:
        section = _section(raw, place[:-1])
        name, key = place[-1], ".".join(place)
        secret, file = section.get(name, ""), section.get(f"{name}_file", "")
        if secret and file:
            reading.problems.append(
                Problem(f"{key}_file", shown("", file), f"should not be given beside {key}")
            )
        elif secret and permissions.read_by_all(path):
            why = f"{path} holds it and {permissions.READ}"
            reading.problems.append(Problem(key, shown(key, secret), why, warning=True))
        elif file and isinstance(file, str):
            _fill_secret(section, name, key, Path(file), reading)


def _fill_secret(section: Table, name: str, key: str, file: Path, reading: _Reading) -> None:
    try:
        section[name] = files.text(file).strip()
    except (OSError, ValueError) as fault:
        why = fault.strerror if isinstance(fault, OSError) else "it is not text"
        reading.problems.append(Problem(f"{key}_file", shown("", str(file)), f"cannot be read: {why}"))
        return
    if not section[name]:
        reading.problems.append(Problem(f"{key}_file", shown("", str(file)), "is an empty file"))
    reading.problems += permissions.of_secret(f"{key}_file", shown("", str(file)), file)


def _section(raw: Table, place: tuple[str, ...]) -> Table:
    """The table at `place`, or an empty one."""
    table: object = raw
    for name in place:
        table = table.get(name) if isinstance(table, dict) else None
    return table if isinstance(table, dict) else {}


_GONE = object()


# --- values -----------------------------------------------------------------------------------------------------


def _validate(raw: Table, reading: _Reading) -> None:
    """Validate, leaving out what is wrong, until the rest is right."""
    while reading.settings is None:
        try:
            reading.settings = Settings.model_validate(raw)
        except ValidationError as fault:
            for error in fault.errors(include_url=False):
                place = error["loc"]
                reading.problems.append(_problem(place, error["type"], error["msg"], error["input"]))
                reading.broken |= _leave_out(raw, place)
            reading.broken |= _swept(raw, ())


def _leave_out(raw: Table, place: Place) -> set[str]:
    """Remove the setting that holds `place`, if it has not been removed before; its key.

    The member of a list is only marked: what remains of the list can still be judged.
    """
    table, done = raw, [str(place[0])]
    for name in map(str, place[1:]):
        inner = table.get(done[-1])
        if isinstance(inner, list) and name.isdecimal():
            inner[int(name)] = _GONE
            return set()
        if not isinstance(inner, dict):
            break
        table = inner
        done.append(name)
    table.pop(done[-1], None)
    return {".".join(done)}


def _swept(table: Table, place: tuple[str, ...]) -> set[str]:
    """Remove the marked members of lists, and lists of which nothing is left; the keys of those."""
    broken: set[str] = set()
    for name, value in list(table.items()):
        here = (*place, name)
        if isinstance(value, dict):
            broken |= _swept(value, here)
        elif isinstance(value, list) and _GONE in value:
            table[name] = [member for member in value if member is not _GONE]
            if not table[name]:
                del table[name]
                broken.add(".".join(here))
    return broken


def _problem(place: Place, kind: str, message: str, value: object) -> Problem:
    key = _key(place)
    match kind:
        case "extra_forbidden":
            return Problem(key, shown(key, value), _unknown(place))
        case "value_error":
            expected = message.removeprefix("Value error, ")
        case _:
            expected = EXPECTED.get(kind) or message.replace("Input should", "should", 1)
    return Problem(key, shown(key, value), expected)


def _key(place: Place) -> str:
    names = [f"[{name}]" if isinstance(name, int) else f".{name}" for name in place if name != "[key]"]
    return "".join(names).removeprefix(".")


def _unknown(place: Place) -> str:
    if _key(place) in LATER:
        return "is not in this version of mailhook"
    near = get_close_matches(str(place[-1]), _names(place[:-1]), n=1)
    return f'is no setting; did you mean "{near[0]}"?' if near else "is no setting"


def _names(place: Place) -> list[str]:
    """The settings of the section at `place`, as they are written."""
    model: type[BaseModel] = Settings
    for name in place:
        inner = _fields(model).get(str(name))
        if not isinstance(inner, type) or not issubclass(inner, BaseModel):
            return []
        model = inner
    return list(_fields(model))


def _fields(model: type[BaseModel]) -> Mapping[str, object]:
    return {field.alias or name: field.annotation for name, field in model.model_fields.items()}
