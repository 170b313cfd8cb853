"""The content of one message while it is in our hands.

What: `Spool` implements `ports.Content`: in memory up to 1 MiB, above that in a temporary file without a name,
which vanishes with the process.

Not here: finding the end of the data (smtp.content).

Errors: OSError from `write` when the disk is full or fails; what was written before is then worthless.
"""

import os
import tempfile
from collections.abc import Iterator
from typing import IO

IN_MEMORY = 1 << 20
CHUNK = 65536


class Spool:
    """Written once, read any number of times. `close` gives the memory or the disk space back.

    `held`: octets of all that are open in this process.
    """

    held = 0

    def __init__(self, in_memory: int = IN_MEMORY) -> None:
        self._in_memory = in_memory
        self._pieces: list[bytes] = []
        self._file: IO[bytes] | None = None
        self._size = 0

    @property
    def size(self) -> int:
        return self._size

    def write(self, piece: bytes) -> None:
        if self._file is None and self._size + len(piece) > self._in_memory:
            self._file = tempfile.TemporaryFile(prefix="mailhook-", buffering=0)  # noqa: SIM115 - see close
            for kept in self._pieces:
                _write_all(self._file, kept)
            self._pieces.clear()
        if self._file is None:
            self._pieces.append(piece)
        else:
            _write_all(self._file, piece)
        self._size += len(piece)
        Spool.held += len(piece)

    def chunks(self) -> Iterator[bytes]:
        """Pieces of at most the size in which they were written, or 64 KiB from the file."""
        if self._file is None:
            yield from self._pieces
            return
        for offset in range(0, self._size, CHUNK):
            yield os.pread(self._file.fileno(), CHUNK, offset)

    def wire(self) -> bytes:
        return b"".join(self.chunks())

    def close(self) -> None:
        self._pieces.clear()
        Spool.held -= self._size
        self._size = 0
        if self._file is not None:
            self._file.close()
            self._file = None


def _write_all(file: IO[bytes], piece: bytes) -> None:
    rest = memoryview(piece)
    while rest:
        rest = rest[file.write(rest) :]
