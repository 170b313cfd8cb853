"""Hashed passwords, and the lines of a file in which they stand.

What: a line is `USER:$scrypt$ln=15,r=8,p=1$SALT$HASH` (RFC 7914; base64). `line` makes one, `parsed` reads all, and
`Hashed` tells whether a password is the one. Every line costs the same, and nobody's line costs as much: else the
time that a login takes would tell which users there are.

Not here: reading the file, and logins (front/auth).

Errors: Misconfigured, with the number of the line and nothing of what stands in it.
"""

import binascii
import hashlib
import hmac
import re
from base64 import b64decode, b64encode
from collections.abc import Mapping
from dataclasses import dataclass

from mailhook.errors import Misconfigured

COST = 15
"""Binary logarithm of scrypt's N, with r = 8 and p = 1: 32 MiB and a tenth of a second for each try."""
MOST_MEMORY = 256 * 1024 * 1024
SALT, DIGEST = 16, 32
"""Octets."""

_LINE = re.compile(r"([^:\s]+):\$scrypt\$ln=(\d{1,2}),r=8,p=1\$([A-Za-z0-9+/=]+)\$([A-Za-z0-9+/=]+)")


@dataclass(frozen=True)
class Hashed:
    salt: bytes
    digest: bytes

    def fits(self, password: str) -> bool:
        """In constant time."""
        return hmac.compare_digest(self.digest, _digest(password, self.salt))


NOBODY = Hashed(b"nobody" * 3, bytes(DIGEST))
"""Is tried where the user is not known: that takes as long as a wrong password."""


def _digest(password: str, salt: bytes) -> bytes:
    return hashlib.scrypt(
        password.encode(), salt=salt, n=1 << COST, r=8, p=1, maxmem=MOST_MEMORY, dklen=DIGEST
    )


def line(user: str, password: str, salt: bytes) -> str:
    """For the file; `salt`: SALT fresh octets. Misconfigured: a name or a password that cannot be one."""
    if not re.fullmatch(r"[^:\s\x00]+", user) or not user.isprintable():
        raise Misconfigured("a user's name should have neither colons nor blanks")
    if not password or "\0" in password:
        raise Misconfigured("the password should not be empty")
    digest = b64encode(_digest(password, salt)).decode()
    return f"{user}:$scrypt$ln={COST},r=8,p=1${b64encode(salt).decode()}${digest}"


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
        if match is None or int(match[2]) != COST:
            raise ValueError
        hashed = Hashed(b64decode(match[3], validate=True), b64decode(match[4], validate=True))
        if len(hashed.digest) != DIGEST:
            raise ValueError
    except (ValueError, binascii.Error):
        why = f"line {number} should be what `mailhook password USER` prints"
        raise Misconfigured(why) from None
    return match[1], hashed
