"""The logins of clients: a file of hashed passwords.

What: `Passwords` judges a login against the file, which is read at each login, so a change counts at once. Hashing is
dear, so logins are hashed one at a time; neighbours wait in one line, so that who floods us keeps nobody else
waiting, and a password that was right a moment ago is not hashed again.

Not here: the exchange (smtp/auth), lines and hashes (core/hashed), who needs to log in (standing).

Errors: Misconfigured from `read`. `judged` gives a reply, whatever happens.
"""

import asyncio
import hashlib
import logging
import os
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from mailhook import door
from mailhook.core import hashed
from mailhook.core.hashed import Hashed
from mailhook.errors import Misconfigured
from mailhook.front.limits import Seldom, neighbourhood
from mailhook.smtp import replies
from mailhook.smtp.auth import Credentials
from mailhook.smtp.replies import Reply

MAX_WAITING = 20
"""Neighbourhoods of which logins wait, and logins of one that wait."""
REMEMBERED = 300.0
"""Seconds for which a password that was right is not hashed again."""
MOST_REMEMBERED = 1000

log = logging.getLogger("mailhook.front.auth")


def line(user: str, password: str) -> str:
    """For the file, with a fresh salt. Misconfigured: a name or a password that cannot be one."""
    return hashed.line(user, password, os.urandom(hashed.SALT))


def read(file: str) -> Mapping[str, Hashed]:
    """Misconfigured: the file cannot be read."""
    try:
        return hashed.parsed(Path(file).read_text(encoding="utf-8-sig"))
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise Misconfigured(f"cannot be read: {why}") from None


class _Queue:
    """Logins of one neighbourhood: one at a time."""

    def __init__(self) -> None:
        self.waiting = 0
        self.turn = asyncio.Lock()


class Passwords:
    """Those in `file`."""

    def __init__(self, file: str) -> None:
        self._file = file
        self._worker = ThreadPoolExecutor(1, "login")
        self._queues: dict[str, _Queue] = {}
        self._put_off = Seldom(60)
        self._key = os.urandom(hashlib.blake2b.MAX_KEY_SIZE)
        self._remembered: dict[bytes, float] = {}

    async def judged(self, credentials: Credentials, address: str) -> Reply:
        """The reply to a login; `address`: the client's."""
        try:
            return await self._judged(credentials, address)
        except (Misconfigured, ValueError, MemoryError) as error:
            door.turned_away("login")
            self._tell(address, f"{self._file}: {error}", logging.ERROR)
            return replies.AUTH_UNAVAILABLE

    async def _judged(self, credentials: Credentials, address: str) -> Reply:
        if self._remembers(credentials):
            return replies.AUTHENTICATED
        place = neighbourhood(address)
        queue = self._queues.get(place) or _Queue()
        if queue.waiting >= MAX_WAITING or (not queue.waiting and len(self._queues) >= MAX_WAITING):
            self._tell(address, "too many others are waiting", logging.WARNING)
            return replies.AUTH_UNAVAILABLE
        self._queues[place] = queue
        queue.waiting += 1
        try:
            async with queue.turn:
                fits = self._remembers(credentials) or await self._fits(credentials)
        finally:
            queue.waiting -= 1
            if not queue.waiting:
                del self._queues[place]
        if not fits:
            door.turned_away("login")
            log.warning("%s: login failed, user %r", address, credentials.user)
            return replies.WRONG_CREDENTIALS
        return replies.AUTHENTICATED

    async def _fits(self, credentials: Credentials) -> bool:
        known = read(self._file).get(credentials.user)
        tried = known or hashed.NOBODY
        loop = asyncio.get_running_loop()
        fits = await loop.run_in_executor(self._worker, tried.fits, credentials.password)
        if not fits or known is None:
            return False
        self._forget(loop.time())
        self._remembered[self._mark(known, credentials)] = loop.time() + REMEMBERED
        return True

    def _remembers(self, credentials: Credentials) -> bool:
        """Of the line as it is in the file now."""
        known = read(self._file).get(credentials.user)
        if known is None:
            return False
        until = self._remembered.get(self._mark(known, credentials), 0.0)
        return asyncio.get_running_loop().time() < until

    def _forget(self, now: float) -> None:
        """What is out of date; all of it, should that not be enough."""
        self._remembered = {mark: until for mark, until in self._remembered.items() if now < until}
        if len(self._remembered) >= MOST_REMEMBERED:
            self._remembered.clear()

    def _mark(self, known: Hashed, credentials: Credentials) -> bytes:
        """Of a line and a password; the key is this process's own, so nothing can be guessed from it elsewhere."""
        mark = hashlib.blake2b(known.digest + known.salt, key=self._key)
        mark.update(credentials.password.encode())
        return mark.digest()

    def _tell(self, address: str, why: str, level: int) -> None:
        times = self._put_off.due(asyncio.get_running_loop().time())
        if times is not None:
            log.log(level, "%s: login put off (%d times), %s", address, times, why)
