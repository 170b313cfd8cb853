"""The file of a store, and the one connection to it.

What: `File` opens it when that is needed, after every fault, and when it was replaced; and says what may be done to it.

Not here: what is in it (`sqlite`), its schema (`migration`). All of this runs on the store's thread.

Errors: Temporary with SQLite's reason. Misconfigured: there is no such file, or it has another schema.
"""

import os
import sqlite3
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from time import monotonic, sleep
from typing import Literal, TypeVar

from mailhook.errors import Misconfigured, Temporary
from mailhook.store.migration import migrate, require_current

R = TypeVar("R")

MEMORY = ":memory:"

Access = Literal["make", "change", "look"]
"""Of a file: make and migrate it where needed; or change it, or look at it, only if it is there and up to date."""


@dataclass
class File:
    """A database file and the one connection to it, opened when needed and after every fault; `made`: by us, once."""

    path: str
    patience: timedelta
    access: Access = "make"
    made: bool = False
    connection: sqlite3.Connection | None = None
    inode: tuple[int, int] | None = None

    def use(self, work: Callable[[sqlite3.Connection], R]) -> R:
        """The answer of `work`; sqlite3's errors become Temporary."""
        try:
            return work(self._connected())
        except sqlite3.Error as fault:
            if self.path != MEMORY:
                self.close()
            raise Temporary(f"the store {self.path} failed: {fault}") from fault

    def _connected(self) -> sqlite3.Connection:
        if self.path == MEMORY:
            self.connection = self.connection or _prepared(
                sqlite3.connect(MEMORY, isolation_level=None), self.patience, "make"
            )
            return self.connection
        try:
            inode = self._present()
        except FileNotFoundError as fault:
            self.close()
            if self.inode is None and self.access != "make":
                why = "there is none until mailhook serve has made it; see that --config names the right settings"
                raise Misconfigured(f"the store {self.path} does not exist: {why}") from None
            raise Temporary(f"the store {self.path} cannot be reached: {fault.strerror}") from fault
        except OSError as fault:
            self.close()
            raise Temporary(f"the store {self.path} cannot be reached: {fault.strerror}") from fault
        if inode != self.inode:
            # Replaced, for instance by a backup: what is written to the old file would be lost.
            self.close()
        if self.connection is None:
            self.connection = self._opened()
            self.inode = inode
        return self.connection

    def _opened(self) -> sqlite3.Connection:
        mode = "ro" if self.access == "look" else "rw"
        address = f"{Path(self.path).absolute().as_uri()}?mode={mode}"
        return _prepared(sqlite3.connect(address, uri=True, isolation_level=None), self.patience, self.access)

    def _present(self) -> tuple[int, int]:
        """Device and inode of the file."""
        if not self.made and self.access == "make":
            # Only the first time: a file that is lost later must not be replaced by an empty one unseen.
            os.close(os.open(self.path, os.O_RDWR | os.O_CREAT, 0o600))
            self.made = True
        status = os.stat(self.path)
        if self.access != "make" and os.geteuid() not in {0, status.st_uid}:
            # SQLite's files beside it would be ours, and its owner could not write them; root's are given to him.
            raise Misconfigured(
                f"the store {self.path} belongs to user {status.st_uid}: run this as that user"
            )
        return status.st_dev, status.st_ino

    def close(self) -> None:
        if self.connection is not None:
            connection, self.connection = self.connection, None
            with suppress(sqlite3.Error):
                connection.close()


def _prepared(connection: sqlite3.Connection, patience: timedelta, access: Access) -> sqlite3.Connection:
    try:
        connection.execute(f"PRAGMA busy_timeout = {int(patience.total_seconds() * 1000)}")
        if access != "make":
            require_current(connection)
        if access != "look":
            _write_ahead(connection, patience)
            connection.execute("PRAGMA synchronous = FULL")
        if access == "make":
            migrate(connection)
    except BaseException:
        connection.close()
        raise
    return connection


def _write_ahead(connection: sqlite3.Connection, patience: timedelta) -> None:
    """Switch to WAL: SQLite's own waiting does not cover this when two processes do it at once."""
    end = monotonic() + patience.total_seconds()
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError as fault:
            if fault.sqlite_errorcode != sqlite3.SQLITE_BUSY or monotonic() >= end:
                raise
            sleep(0.01)
