"""Looking at a store from outside, without changing what it holds.

What: `inspect` opens the file as it is, writes to it, and reads what an administrator should know. It neither makes a
file nor migrates one: a store of another version stays as that version left it.

Not here: meetings (`sqlite`), the folder and the disk (`doctor`).

Errors: Temporary with SQLite's reason when it cannot be opened, read or written.
"""

import sqlite3
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from time import monotonic

from mailhook.errors import Temporary
from mailhook.ports import Sighting
from mailhook.store.migration import migrations

STEPS = 100_000
"""Of SQLite's machine, between two looks at the clock."""


@dataclass(frozen=True)
class Condition:
    """`schema`: the file's version (0: empty), `known`: that of this mailhook. `damage`: "" where none was found.

    `signed_at`: when an invitation last came with a signature of our own domain; None: never, or not known.
    """

    schema: int
    known: int
    meetings: int = 0
    damage: str = ""
    signed_at: datetime | None = None


def inspect(path: Path, patience: timedelta) -> Condition:
    """The condition of the store at `path`, which exists; `patience`: for locks, and for the search for damage."""
    address = f"{path.absolute().as_uri()}?mode=rw"
    try:
        with closing(sqlite3.connect(address, uri=True, isolation_level=None)) as connection:
            connection.execute(f"PRAGMA busy_timeout = {int(patience.total_seconds() * 1000)}")
            return _condition(connection, patience)
    except sqlite3.Error as fault:
        raise Temporary(f"the store {path} failed: {fault}") from fault


def _condition(connection: sqlite3.Connection, patience: timedelta) -> Condition:
    schema, known = _rewritten_version(connection), len(migrations())
    if not 0 < schema <= known:
        return Condition(schema, known)
    (meetings,) = connection.execute("SELECT count(*) FROM meeting").fetchone()
    signed_at = _seen(connection, "signed-before-us")
    return Condition(schema, known, meetings, _damage(connection, patience), signed_at)


def _rewritten_version(connection: sqlite3.Connection) -> int:
    """Written as it stands: it costs a real write to the disk, and changes nothing."""
    connection.execute("BEGIN IMMEDIATE")
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    connection.execute(f"PRAGMA user_version = {version}")
    connection.execute("COMMIT")
    return int(version)


def _damage(connection: sqlite3.Connection, patience: timedelta) -> str:
    """The first damage that is found within `patience`."""
    end = monotonic() + patience.total_seconds()
    connection.set_progress_handler(lambda: monotonic() > end, STEPS)
    try:
        (found,) = connection.execute("PRAGMA quick_check(1)").fetchone()
    except sqlite3.OperationalError as fault:
        if fault.sqlite_errorcode == sqlite3.SQLITE_INTERRUPT:
            return ""
        raise
    return "" if found == "ok" else " ".join(str(found).split())


def _seen(connection: sqlite3.Connection, sighting: Sighting) -> datetime | None:
    if not connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'sighting'").fetchone():
        return None
    row = connection.execute("SELECT at FROM sighting WHERE name = ?", (sighting,)).fetchone()
    return datetime.fromtimestamp(row[0], UTC) if row else None
