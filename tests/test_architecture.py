"""Imports go one way, a library has one home, and the core is pure (docs/internals.md, "Layout")."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import mailhook

ROOT = Path(mailhook.__file__).parent
MODULES = sorted(ROOT.rglob("*.py"))

MIDDLE = {"relay", "records", "pipeline", "verdict", "writer", "flight", "sync", "courier", "scribe", "guard"}
ADAPTERS = {"front", "nexthop", "provider", "store", "organizer"}
PURE = {"core", "smtp", "transport"}

ALLOWED: dict[str, set[str]] = {
    "core": {"core", "errors"},
    "smtp": {"smtp", "errors"},
    "errors": set(),
    "journal": {"errors"},
    "web": set(),
    "door": set(),
    "validity": {"certificates", "config", "errors"},
    "metrics_folder": set(),
    "many_processes": {"metrics_folder"},
    "meter": {"core", "door", "journal", "many_processes", "metrics_folder", "ports"},
    "files": set(),
    "certificates": {"errors"},
    "loop": set(),
    "alarm": set(),
    "ports": {"core", "smtp", "errors"},
    "transport": {"core", "errors"},
    "comparison": {"core", "errors"},
    **{
        name: {"ports", "errors", "smtp", "core", "web", "files", "certificates", "alarm"}
        for name in ADAPTERS - {"provider", "front"}
    },
    "front": {"alarm", "certificates", "comparison", "door", "ports", "errors", "smtp", "core", "web"},
    "provider": {"ports", "errors", "core", "transport", "web", "files", "certificates"},
    **{name: {"ports", "errors", "smtp", "core", "journal", *MIDDLE} for name in MIDDLE},
    "config": {"certificates", "core", "errors", "files", "transport"},
    "samples": {"core"},
    "preview": {"core", "errors", "journal", "writer"},
    "phrasebook": {"config", "core", "errors", "files"},
    "admin": {"core", "ports"},
    "texts": {"config", "core", "errors", "phrasebook", "writer"},
    "own_copies": {"config", "core", "phrasebook", "ports", "texts", "organizer", "scribe"},
    "sight": {
        *("admin", "config", "core", "errors", "front", "guard", "journal", "nexthop", "ports", "store"),
        *("validity",),
    },
    "monitoring": {
        *("config", "errors", "front", "guard", "journal", "meter", "nexthop", "ports", "sight", "validity"),
        *("metrics_folder", "web"),
    },
    "systemd": set(),
    "channel": set(),
    "generation": {"channel", "journal"},
    "listening": {"channel", "generation", "journal", "systemd"},
    "shared_sandbox": {"channel", "generation", "journal"},
    "supervisor": {
        *("channel", "generation", "journal", "listening", "metrics_folder", "shared_sandbox", "systemd"),
    },
    "worker": {
        "app",
        "channel",
        "chosen_provider",
        "config",
        "errors",
        "journal",
        "loop",
        "phrasebook",
        "provider",
    },
    "__main__": {"cli", "supervisor"},
    "sides": {"certificates", "config", "front", "journal", "nexthop", "smtp"},
    "chosen_provider": {"config", "errors", "phrasebook", "ports", "provider", "texts"},
    "app": {
        *("chosen_provider", "monitoring", "own_copies", "phrasebook", "sides", "texts", "config", "core"),
        *("errors", "journal", "ports", *MIDDLE, *ADAPTERS),
    },
    "trial": {"chosen_provider", "config", "core", "errors", "ports", "provider", "transport"},
    "demo": {
        *("app", "comparison", "config", "errors", "front", "nexthop", "phrasebook", "ports"),
        *("relay", "samples", "smtp", "texts", "web"),
    },
    "doctor": {
        *("app", "chosen_provider", "own_copies", "phrasebook", "config", "core", "errors", "journal"),
        *("certificates", "nexthop", "organizer", "provider", "sides", "smtp", "store"),
    },
    "listing": {
        "admin",
        "chosen_provider",
        "own_copies",
        "app",
        "config",
        "core",
        "flight",
        "journal",
        "ports",
        "store",
        "sync",
    },
    "drafting": {
        *("app", "comparison", "config", "core", "errors", "phrasebook", "preview", "texts"),
    },
    "cli": {
        *("app", "chosen_provider", "config", "core", "demo", "doctor", "drafting", "errors", "front"),
        *("journal", "listing", "provider", "supervisor", "trial"),
    },
}

HOMES: dict[str, set[str]] = {
    "aioimaplib": {"organizer/imap/connection.py"},
    "aiosmtpd": {"front/smtp.py"},
    "httpx": {"provider/session.py", "provider/route.py", "organizer/dav.py"},
    "jinja2": {"core/templates.py", "core/confined.py"},
    "cryptography": {"certificates.py"},
    "babel": {"core/dates.py"},
    "icalendar": {"core/timing.py"},
    "dateutil": set(),  # the oracle of the tests: it looks for impossible dates up to the year 9999
    "sqlite3": {
        *("store/sqlite.py", "store/file.py", "store/migration.py", "store/inspection.py"),
        *("store/changes.py", "store/observer.py"),
    },
    "prometheus_client": {"meter.py", "many_processes.py"},
    "uvicorn": {"web.py"},
    "uvloop": {"loop.py"},
    "starlette": {
        "web.py",
        "front/pages.py",
        "front/http.py",
        "provider/sandbox.py",
        "provider/sandbox_faults.py",
    },
    "pydantic": {
        *("config/reading.py", "config/settings.py", "config/values.py", "store/rows.py"),
        "transport/shape.py",
    },
}

IMPURE = {
    "asyncio",
    "socket",
    "logging",
    "random",
    "secrets",
    "time",
    "os",
    "pathlib",
    "threading",
    "subprocess",
}
CLOCKS = {("datetime", "now"), ("datetime", "utcnow"), ("date", "today"), ("datetime", "today")}


def _room(path: Path) -> str:
    return path.relative_to(ROOT).parts[0].removesuffix(".py")


def _imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        match node:
            case ast.Import(names=names):
                yield from (alias.name for alias in names)
            case ast.ImportFrom(module=str(module), names=names, level=0):
                yield from (
                    (f"{module}.{alias.name}" for alias in names) if module == "mailhook" else (module,)
                )
            case ast.ImportFrom(level=level) if level:
                raise AssertionError(f"{path}: relative import")
            case _:
                pass


def _ids(paths: list[Path]) -> list[str]:
    return [str(path.relative_to(ROOT)) for path in paths]


@pytest.mark.parametrize("path", MODULES, ids=_ids(MODULES))
def test_imports_go_one_way(path: Path) -> None:
    room = _room(path)
    if room == "__init__":
        return
    rooms = {name.split(".")[1] for name in _imports(path) if name.startswith("mailhook.")}
    allowed = ALLOWED[room] | ({room} if path.parent != ROOT else set())
    assert rooms <= allowed, f"{room} may not import {sorted(rooms - allowed)}"


@pytest.mark.parametrize("path", MODULES, ids=_ids(MODULES))
def test_a_library_has_one_home(path: Path) -> None:
    name = str(path.relative_to(ROOT))
    strangers = {
        library
        for library in (imported.partition(".")[0] for imported in _imports(path))
        if library in HOMES and name not in HOMES[library]
    }
    assert not strangers


PURE_MODULES = [path for path in MODULES if _room(path) in PURE]


@pytest.mark.parametrize("path", PURE_MODULES, ids=_ids(PURE_MODULES))
def test_the_core_is_pure(path: Path) -> None:
    assert not {name.partition(".")[0] for name in _imports(path)} & IMPURE
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        match node:
            case ast.Call(func=ast.Name(id="open" | "print" | "input")):
                raise AssertionError(f"{path.name}:{node.lineno} does I/O")
            case ast.Attribute(value=ast.Name(id=owner), attr=attribute):
                assert (owner, attribute) not in CLOCKS, f"{path.name}:{node.lineno} reads a clock"
            case _:
                pass


@pytest.mark.parametrize("path", MODULES, ids=_ids(MODULES))
def test_one_entry_point_catches_everything(path: Path) -> None:
    swallowing = [
        node.lineno
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.ExceptHandler)
        and not isinstance(node.body[-1], ast.Raise)
        and (
            node.type is None
            or (isinstance(node.type, ast.Name) and node.type.id in {"Exception", "BaseException"})
        )
    ]
    assert len(swallowing) <= 1, f"except Exception at lines {swallowing}"


def test_no_function_is_over_sixty_lines() -> None:
    long = [
        f"{path.relative_to(ROOT)}:{node.lineno} {node.name}"
        for path in MODULES
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (node.end_lineno or 0) - node.lineno >= 60
    ]
    assert not long
