"""The logins of clients: a file of hashed passwords.

What: `line` makes a line of such a file, `parsed` reads it, `Passwords` judges a login against it. A line is
`USER:$scrypt$ln=15,r=8,p=1$SALT$HASH` (RFC 7914; base64). The file is read at each login, so a change counts at once.

Not here: the exchange (smtp/auth), and who needs to log in (standing).

Errors: Misconfigured from `parsed`, with the number of the line. `judged` gives a reply, whatever happens.
"""

import asyncio
import binascii
import hashlib
import hmac
import logging
import os
import re
from base64 import b64decode, b64encode
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from mailhook.errors import Misconfigured
from mailhook.smtp import replies
from mailhook.smtp.auth import Credentials
from mailhook.smtp.replies import Reply

COST = 15
"""Binary logarithm of scrypt's N, with r = 8 and p = 1: 32 MiB and a tenth of a second for each try."""
MOST_MEMORY = 256 * 1024 * 1024
MAX_WAITING = 20
"""Logins that may wait for their turn: they are judged one at a time, so that guessing takes no more than a core."""

_LINE = re.compile(
    r"([^:\s]+):\$scrypt\$ln=(\d{1,2}),r=(\d{1,2}),p=(\d{1,2})\$([A-Za-z0-9+/=]+)\$([A-Za-z0-9+/=]+)"
)

log = logging.getLogger("mailhook.front.auth")


@dataclass(frozen=True)
class Hashed:
    cost: int
    block: int
    parallel: int
    salt: bytes
    digest: bytes

    def fits(self, password: str) -> bool:
        """In constant time."""
        return hmac.compare_digest(self.digest, _digest(password, self))


NOBODY = Hashed(COST, 8, 1, b"nobody" * 3, bytes(32))
"""Is tried where the user is not known: that takes as long as a wrong password."""


def _digest(password: str, way: Hashed) -> bytes:
    return hashlib.scrypt(
        password.encode(),
        salt=way.salt,
        n=1 << way.cost,
        r=way.block,
        p=way.parallel,
        maxmem=MOST_MEMORY,
        dklen=32,
    )


def line(user: str, password: str) -> str:
    """For the file, with a fresh salt. Misconfigured: a name or a password that cannot be one."""
    if not re.fullmatch(r"[^:\s\x00]+", user) or not user.isprintable():
        raise Misconfigured("a user's name should have neither colons nor blanks")
    if not password or "\0" in password:
        raise Misconfigured("the password should not be empty")
    way = Hashed(COST, 8, 1, os.urandom(16), b"")
    salt, digest = b64encode(way.salt).decode(), b64encode(_digest(password, way)).decode()
    return f"{user}:$scrypt$ln={COST},r=8,p=1${salt}${digest}"


def parsed(text: str) -> Mapping[str, Hashed]:
    """By user; blank lines and such as begin with # are left out."""
    found: dict[str, Hashed] = {}
    for number, content in enumerate(text.splitlines(), 1):
        if content.strip() and not content.startswith("#"):
            user, hashed = _parsed(content.strip(), number)
            found[user] = hashed
    return found


def _parsed(content: str, number: int) -> tuple[str, Hashed]:
    match = _LINE.fullmatch(content)
    try:
        if match is None or not 10 <= int(match[2]) <= 17 or not int(match[3]) or not int(match[4]):
            raise ValueError
        salt, digest = b64decode(match[5], validate=True), b64decode(match[6], validate=True)
        return match[1], Hashed(int(match[2]), int(match[3]), int(match[4]), salt, digest)
    except (ValueError, binascii.Error):
        why = f"line {number} should be what `mailhook password USER` prints"
        raise Misconfigured(why) from None


def read(file: str) -> Mapping[str, Hashed]:
    """Misconfigured: the file cannot be read."""
    try:
        return parsed(Path(file).read_text(encoding="utf-8-sig"))
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise Misconfigured(f"cannot be read: {why}") from None


class Passwords:
    """Those in `file`."""

    def __init__(self, file: str) -> None:
        self._file = file
        self._worker = ThreadPoolExecutor(1, "login")
        self._waiting = 0

    async def judged(self, credentials: Credentials, address: str) -> Reply:
        """The reply to a login; `address`: the client's, for the log."""
        if self._waiting >= MAX_WAITING:
            log.warning("%s: login put off, %d others are waiting", address, self._waiting)
            return replies.AUTH_UNAVAILABLE
        self._waiting += 1
        try:
            loop = asyncio.get_running_loop()
            fits = await loop.run_in_executor(self._worker, self._fits, credentials)
        except (Misconfigured, ValueError, MemoryError) as error:
            log.error("%s: login put off, %s: %s", address, self._file, error)
            return replies.AUTH_UNAVAILABLE
        finally:
            self._waiting -= 1
        if not fits:
            log.warning("%s: login failed, user %r", address, credentials.user)
            return replies.WRONG_CREDENTIALS
        return replies.AUTHENTICATED

    def _fits(self, credentials: Credentials) -> bool:
        hashed = read(self._file).get(credentials.user)
        fits = (hashed or NOBODY).fits(credentials.password)
        return fits and hashed is not None
