"""The store and the disks under it: whether it can be written, by whom it can be read, and what it remembers.

What: no file is made that stays, so that a doctor who is root leaves none that mailhook's user cannot write.

Errors: none; what goes wrong is a finding.
"""

import asyncio
import os
import pwd
import shutil
import stat
import tempfile
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Literal

from mailhook import app
from mailhook.config import Settings
from mailhook.doctor.finding import Finding, failure, ok, warning
from mailhook.doctor.mounts import file_system
from mailhook.errors import Temporary
from mailhook.store.inspection import Condition, inspect

STORE, OWNER, DISK, SIGNATURES = "store", "store's owner", "disk", "signatures"

MiB = 1024 * 1024
SCARCE, LITTLE = 50 * MiB, 500 * MiB
RECENT = timedelta(days=7)
SHARE = 0.3
"""Of a probe's time, for locks and for the search for damage each."""

NETWORK = {
    *("nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "ceph", "afs", "ncpfs", "lustre", "glusterfs", "beegfs"),
    *("fuse.sshfs", "fuse.glusterfs", "fuse.s3fs", "fuse.rclone", "davfs", "fuse.davfs2", "ocfs2", "gfs2"),
}
MEMORY = {"tmpfs", "ramfs"}


async def store(settings: Settings, patience: float) -> list[Finding]:
    path, within = Path(settings.store.path), timedelta(seconds=patience * SHARE)
    try:
        return await asyncio.to_thread(_store, path, within, settings.rewrite.dkim)
    except OSError as error:
        sentence = f"{path} cannot be looked at: {error.strerror or error}"
        return [failure(STORE, sentence, "run mailhook doctor as the user that mailhook runs as"), _unknown()]


def _store(path: Path, within: timedelta, dkim: Literal["skip", "strip"]) -> list[Finding]:
    if not path.exists():
        return [_place(path), _unknown()]
    try:
        found = inspect(path, within)
    except Temporary as error:
        advice = "let mailhook's user own the file and its folder, see to the disk, or restore a backup"
        return [failure(STORE, str(error), advice), *_owners(path), _unknown()]
    current = found.schema == found.known
    seen = signatures(found.signed_at, app.utc_now(), dkim) if current else _unknown()
    return [_condition(path, found), *_owners(path), seen]


def _place(path: Path) -> Finding:
    """Of a store that is still to be made."""
    try:
        with tempfile.TemporaryFile(dir=path.parent) as trial:
            trial.write(b"\0" * 4096)
            trial.flush()
    except OSError as error:
        sentence = f"there is no {path}, and none can be made in its folder: {error.strerror}"
        advice = f"as root: install -d -o USER {path.parent}, with the user that mailhook runs as"
        return failure(STORE, sentence, advice)
    return ok(STORE, f"there is no {path} yet; the first start makes it")


def _condition(path: Path, found: Condition) -> Finding:
    if found.schema > found.known:
        sentence = f"{path} has schema {found.schema}, this mailhook knows up to {found.known}"
        return failure(STORE, sentence, "install the later version of mailhook again, or restore a backup")
    if found.damage:
        sentence = f"{path} is damaged: {found.damage}"
        return failure(STORE, sentence, 'stop mailhook and restore a backup, or try "sqlite3 FILE .recover"')
    if found.schema == 0:
        return ok(STORE, f"{path} is empty; the first start fills it")
    if found.schema < found.known:
        sentence = f"{path} has schema {found.schema}; the next start brings it up to {found.known}"
        return warning(
            STORE, sentence, "make a backup before: an earlier mailhook does not open it afterwards"
        )
    return ok(STORE, f"{path} opens, can be written, and holds {found.meetings} meetings")


# --- owner and permissions ---------------------------------------------------------------------------------


def _owners(path: Path) -> list[Finding]:
    files = [path.with_name(path.name + suffix) for suffix in ("", "-wal", "-shm")]
    status = {file: file.stat() for file in files if file.exists()}
    owners = {file: one.st_uid for file, one in status.items()}
    readable = [file for file, one in status.items() if one.st_mode & (stat.S_IRWXG | stat.S_IRWXO)]
    return list(_foreign(path, owners, os.geteuid())) or [_private(path, readable, owners[path])]


def _foreign(path: Path, owners: Mapping[Path, int], me: int) -> Iterator[Finding]:
    owner = owners[path]
    for file in (file for file in owners if owners[file] != owner):
        sentence = f"{file} belongs to {_name(owners[file])}, but {path.name} to {_name(owner)}"
        yield failure(OWNER, sentence, f"chown {_name(owner)} {file}")
    if me != owner:
        sentence = f"{path} belongs to {_name(owner)}, and this was tried by {_name(me)}"
        yield warning(OWNER, sentence, "run mailhook doctor as the user that mailhook runs as")


def _private(path: Path, readable: list[Path], owner: int) -> Finding:
    if readable:
        names = " ".join(map(str, readable))
        return warning(
            OWNER, f"others than {_name(owner)} may open {names}, with all join links", f"chmod 600 {names}"
        )
    return ok(OWNER, f"only {_name(owner)} may open {path}")


def _name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"user {uid}"


# --- signatures ------------------------------------------------------------------------------------------------


def signatures(seen: datetime | None, now: datetime, dkim: Literal["skip", "strip"]) -> Finding:
    """`seen`: when an invitation last came that one of our own domains had signed already."""
    if seen is None or now - seen > RECENT:
        return ok(SIGNATURES, f"no invitation came signed by your own domains in the last {RECENT.days} days")
    what = "went on without its link" if dkim == "skip" else "lost that signature"
    came = f"{seen:%Y-%m-%d %H:%M} UTC"
    sentence = f"at {came} an invitation came that one of your domains had signed already, and it {what}"
    return warning(
        SIGNATURES, sentence, "sign mail when it comes back from mailhook: docs/postfix.md, section 4"
    )


def _unknown() -> Finding:
    return ok(SIGNATURES, "no store tells yet whether invitations come signed by your own domains")


# --- disks -------------------------------------------------------------------------------------------------------


async def disk(settings: Settings) -> list[Finding]:
    """Under the store, and where large mails are kept while they pass."""
    folder = Path(settings.store.path).parent
    try:
        return await asyncio.to_thread(lambda: _disks(folder, Path(tempfile.gettempdir())))
    except OSError as error:
        return [failure(DISK, str(error), "make room, and a folder for temporary files (TMPDIR)")]


def _disks(folder: Path, spool: Path) -> list[Finding]:
    """A folder of the store that is missing is told of by `store`."""
    places = [(folder, "the store")] if folder.is_dir() else []
    places.append((spool, "large mails on their way"))
    found = [space(shutil.disk_usage(place).free, f"{place}, for {what}") for place, what in places]
    return found + suited(file_system(folder), folder)


def space(free: int, where: str) -> Finding:
    """`free` in octets."""
    sentence, advice = f"{free // MiB} MiB are free in {where}", "make room: on a full disk mail has to wait"
    if free < SCARCE:
        return failure(DISK, sentence, advice)
    return warning(DISK, sentence, advice) if free < LITTLE else ok(DISK, sentence)


def suited(kind: str, folder: Path) -> list[Finding]:
    """`kind` of file system, as the kernel calls it."""
    if kind in NETWORK:
        sentence = f"{folder} is on a network file system ({kind}), on which SQLite can lose what was written"
        return [warning(DISK, sentence, "move store.path to a local disk")]
    if kind in MEMORY:
        sentence = f"{folder} is in memory ({kind}): all conferences are forgotten at the next boot"
        return [warning(DISK, sentence, "move store.path to a disk")]
    return []
