"""What this machine lets mailhook, and everybody else, do with the files that settings name.

What: `on_this_machine` looks at the store and at the files that are read when they are needed; `of_secret` and
`of_trusted` say of one file that everybody may read or change it, `of_group` that its group may change it.

Not here: whether the group may read. A file of root's that mailhook's group may read is as it should be.

Errors: none from `on_this_machine`; OSError where another file cannot be looked at.
"""

import os
import stat
from collections.abc import Iterator
from pathlib import Path

from mailhook.config.problem import Problem, shown
from mailhook.config.settings import Settings

READ = "can be read by everybody on this machine: chmod o-r"
CHANGED = "can be changed by everybody on this machine: chmod o-w"


def on_this_machine(settings: Settings) -> list[Problem]:
    """Whether the store's file can be written by who runs this, and who else may open what is mailhook's."""
    return [*_store(Path(settings.store.path)), *_keys(settings), *_code(settings)]


def of_secret(key: str, value: str, path: str | Path, what: str = "the file") -> Iterator[Problem]:
    """`path` holds a secret; `key` and `value`: the setting that says so."""
    if read_by_all(path):
        yield Problem(key, value, f"{what} {READ}", warning=True)
    yield from of_trusted(key, value, path, what)


def of_trusted(key: str, value: str, path: str | Path, what: str = "the file") -> Iterator[Problem]:
    """mailhook does what `path` says: who may change it, commands mailhook."""
    if os.stat(path).st_mode & stat.S_IWOTH:
        yield Problem(key, value, f"{what} {CHANGED}", warning=True)


def of_group(key: str, value: str, path: str | Path) -> Iterator[Problem]:
    """The group may change what decides who gets in."""
    if os.stat(path).st_mode & (stat.S_IWGRP | stat.S_IWOTH) == stat.S_IWGRP:
        yield Problem(key, value, "the file can be changed by its group: chmod g-w", warning=True)


def read_by_all(path: str | Path) -> bool:
    return bool(os.stat(path).st_mode & stat.S_IROTH)


def _store(path: Path) -> Iterator[Problem]:
    """It holds the join links of all conferences."""
    if not path.is_absolute():
        return
    value = shown("", str(path))
    if wrong := _unwritable(path):
        yield Problem("store.path", value, wrong)
        return
    if path.exists():
        yield from of_secret("store.path", value, path, "the store")
    if path.parent.stat().st_mode & (stat.S_IWOTH | stat.S_ISVTX) == stat.S_IWOTH:
        yield Problem("store.path", value, f"its folder {CHANGED} {path.parent}", warning=True)


def _unwritable(path: Path) -> str:
    if path.is_dir():
        return "is a directory; name a file in it"
    if not path.parent.is_dir():
        return f"its directory {path.parent} does not exist; make it, owned by the user that mailhook runs as"
    if not os.access(path.parent, os.W_OK | os.X_OK):
        return f"its directory {path.parent} cannot be written by this user"
    if path.exists() and not os.access(path, os.R_OK | os.W_OK):
        return "cannot be written by this user"
    return ""


def _keys(settings: Settings) -> Iterator[Problem]:
    """A certificate's file holds the key too where no other is named."""
    videomost = settings.provider.videomost
    name = "client_key_file" if videomost.client_key_file else "client_cert_file"
    file = getattr(videomost, name)
    if file and os.path.isfile(file):
        yield from of_secret(f"provider.videomost.{name}", shown("", file), file)


def _code(settings: Settings) -> Iterator[Problem]:
    file = settings.provider.external.file
    if settings.provider.kind == "external" and os.path.isfile(file):
        yield from of_trusted("provider.external.file", shown("", file), file)
