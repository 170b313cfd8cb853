"""The schema of the store's file, and how an earlier one is brought up to it.

What: the scripts in the folder `schema`, each applied in a transaction of its own, whoever else does the same.

Not here: what the tables hold (`sqlite`).

Errors: sqlite3's own; Misconfigured when a later version of mailhook wrote the file.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.resources import files

from mailhook.errors import Misconfigured


@contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """One write transaction; an exception undoes it."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:  # SQLite undoes by itself what fails for a full disk
            connection.execute("ROLLBACK")
        raise


def migrations() -> list[str]:
    """The scripts that make the schema, in order; the n-th leads to version n."""
    scripts = (
        entry for entry in files("mailhook.store").joinpath("schema").iterdir() if entry.name.endswith(".sql")
    )
    return [entry.read_text(encoding="utf-8") for entry in sorted(scripts, key=lambda entry: entry.name)]


def migrate(connection: sqlite3.Connection) -> None:
    """Apply what is missing, each script in a transaction of its own, whoever else does the same."""
    scripts = migrations()
    while (version := _version(connection, len(scripts))) < len(scripts):
        with transaction(connection):
            # Asked again with the file locked: another process may have been faster.
            if connection.execute("PRAGMA user_version").fetchone() == (version,):
                for statement in _statements(scripts[version]):
                    connection.execute(statement)
                connection.execute(f"PRAGMA user_version = {version + 1}")


def require_current(connection: sqlite3.Connection) -> None:
    """Misconfigured: the file has to be brought up to this version's schema first."""
    version, known = _version(connection, len(migrations())), len(migrations())
    if version < known:
        raise Misconfigured(
            f"the store has schema {version}, this version of mailhook works with {known}: "
            "start mailhook serve, which brings it up to that"
        )


def _version(connection: sqlite3.Connection, known: int) -> int:
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if version > known:
        raise Misconfigured(
            f"the store has schema {version}, this version of mailhook knows up to {known}: "
            "a later version has written it; install that version or restore a backup"
        )
    return int(version)


def _statements(script: str) -> Iterator[str]:
    """`executescript` would commit the transaction it is called in."""
    statement = ""
    for line in script.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""
