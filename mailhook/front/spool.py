"""The content of one message while it is in our hands.

What: `Spool` implements `ports.Content`: in memory up to 1 MiB and as far as the budget of the process allows, else in
a temporary file without a name, which vanishes with the process.

Not here: finding the end of the data (smtp.content).

Errors: OSError from `write` when the disk is full or fails; what was written before is then worthless.
"""

import os
import tempfile
from collections.abc import Iterator
from typing import IO

from mailhook.front.limits import Budget

IN_MEMORY = (1 << 20) + (1 << 16)
"""A message of 1 MiB, and what its pieces cost beside their octets."""

CHUNK = 256 * 1024
PIECE = 64
"""Octets that a piece costs beside its own: content that comes octet by octet must not fill the memory."""


class Spool:
    """Written once, read any number of times. `close` gives the memory or the disk space back.

    `held`: octets of all that are open in this process.
    """

    held = 0

    def __init__(self, in_memory: int = IN_MEMORY, budget: Budget | None = None) -> None:
        self._in_memory = in_memory
        self._budget = budget or Budget(in_memory)
        self._taken = 0
        self._pieces: list[bytes] = []
        self._file: IO[bytes] | None = None
        self._size = 0

    @property
    def size(self) -> int:
        return self._size

    def write(self, piece: bytes) -> None:
        if self._file is None and not self._fits(len(piece) + PIECE):
            self._file = tempfile.TemporaryFile(prefix="mailhook-", buffering=0)  # noqa: SIM115 - see close
            for kept in self._pieces:
                _write_all(self._file, kept)
            self._forget_pieces()
        if self._file is None:
            self._pieces.append(piece)
        else:
            _write_all(self._file, piece)
        self._size += len(piece)
        Spool.held += len(piece)

    def chunks(self) -> Iterator[bytes]:
        """Pieces of at most the size in which they were written, or CHUNK from the file."""
        if self._file is None:
            yield from self._pieces
            return
        for offset in range(0, self._size, CHUNK):
            yield os.pread(self._file.fileno(), CHUNK, offset)

    def wire(self) -> bytes:
        return b"".join(self.chunks())

    def _fits(self, octets: int) -> bool:
        if self._taken + octets > self._in_memory or not self._budget.take(octets):
            return False
        self._taken += octets
        return True

    def _forget_pieces(self) -> None:
        self._pieces.clear()
        self._budget.give(self._taken)
        self._taken = 0

    def close(self) -> None:
        self._forget_pieces()
        Spool.held -= self._size
        self._size = 0
        if self._file is not None:
            self._file.close()
            self._file = None


def _write_all(file: IO[bytes], piece: bytes) -> None:
    rest = memoryview(piece)
    while rest:
        rest = rest[file.write(rest) :]
