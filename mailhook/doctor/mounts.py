"""On what kind of file system a folder is.

What: `file_system` reads /proc/self/mountinfo (proc_pid_mountinfo(5)).

Errors: none; "" where it cannot be told.
"""

import os
import re
from pathlib import Path

MOUNTS = Path("/proc/self/mountinfo")

_ESCAPED = re.compile(r"\\([0-7]{3})")


def file_system(folder: Path) -> str:
    """As the kernel calls it: "ext4", "nfs4"."""
    try:
        return kind_of(os.path.realpath(folder), MOUNTS.read_text(encoding="utf-8", errors="surrogateescape"))
    except OSError:
        return ""


def kind_of(place: str, mounts: str) -> str:
    """`place`: an absolute path without links. Of mounts at one place the last one counts."""
    best, kind = "", ""
    for line in mounts.splitlines():
        fields, _, rest = line.partition(" - ")
        at = _ESCAPED.sub(lambda found: chr(int(found[1], 8)), fields.split(" ")[4])
        if len(at) >= len(best) and f"{place}/".startswith(f"{at.rstrip('/')}/"):
            best, kind = at, rest.split(" ")[0]
    return kind
