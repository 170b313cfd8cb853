"""Reading the files that the settings name: regular files only, whatever stands in their place.

What: `text` reads one whole; `require_regular` is for libraries that open a file by its name. A FIFO would make the
reader wait for a writer, and a device may have no end.

Not here: what stands in the files.

Errors: OSError, whose strerror says what is wrong; UnicodeDecodeError.
"""

import errno
import os
import stat
from pathlib import Path


def text(path: str | Path, encoding: str = "utf-8") -> str:
    """The file's text, line ends as LF."""
    # Without O_NONBLOCK opening a FIFO would wait already.
    with open(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), encoding=encoding) as file:
        _check(os.fstat(file.fileno()).st_mode, path)
        return file.read()


def require_regular(path: str | Path) -> None:
    """Raises OSError unless there is a regular file of that name."""
    _check(os.stat(path).st_mode, path)


def _check(mode: int, path: str | Path) -> None:
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    if not stat.S_ISREG(mode):
        kind = "a FIFO" if stat.S_ISFIFO(mode) else "a device" if stat.S_ISCHR(mode) else "something else"
        raise OSError(errno.EINVAL, f"it is {kind}, and should be a file", str(path))
