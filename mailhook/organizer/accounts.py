"""Who logs in at the calendar server for an organizer.

What: `Accounts.login` gives the Authorization header: of a service account (RFC 7617), of the organizer himself with
his password from a file, or a bearer token (RFC 6750). `located` fills in the template of a URL.

Not here: HTTP (`dav`).

Errors: Permanent for an organizer who has no password, or whose address cannot stand in a URL; Misconfigured for a
file that cannot be read.
"""

from base64 import b64encode
from dataclasses import dataclass, field
from urllib.parse import quote

from mailhook.core import logins
from mailhook.errors import Permanent
from mailhook.organizer import access

VARIABLES = tuple(f"{{{name}}}" for name in logins.PLACES)
"""What a template may hold of the organizer."""

PASSWORDS_FILE = "organizer.caldav.passwords_file"


@dataclass(frozen=True)
class Login:
    """`name`: for people; `header`: the value of Authorization, a secret."""

    name: str
    header: str = field(repr=False)


@dataclass(frozen=True)
class Accounts:
    """`username` may hold VARIABLES. `passwords_file` (`core.logins`): "" for one account for all."""

    username: str = ""
    password: str = field(default="", repr=False)
    token: str = field(default="", repr=False)
    passwords_file: str = ""

    async def login(self, address: str) -> Login:
        """For the organizer `address` (lower case)."""
        if self.token:
            return Login("the token", f"Bearer {self.token}")
        name, password = logins.login_name(self.username or "{address}", address), self.password
        if self.passwords_file:
            known = await access.passwords(PASSWORDS_FILE, self.passwords_file)
            if address not in known:
                raise Permanent(f"{PASSWORDS_FILE} has no line for {address}")
            password = known[address]
        pair = b64encode(f"{name}:{password}".encode()).decode("ascii")
        return Login(name, f"Basic {pair}")

    async def somebody(self) -> str:
        """The first organizer with a password, or "" where a service account logs in."""
        known = await access.passwords(PASSWORDS_FILE, self.passwords_file) if self.passwords_file else {}
        return next(iter(known), "")


def located(template: str, address: str, uid: str) -> str:
    """A URL from a template, which may hold {uid} too; values are percent-encoded."""
    if any(each in address for each in "/\\"):
        raise Permanent("the organizer's address cannot stand in organizer.caldav.url")
    for name, value in {**logins.places(address), "uid": uid}.items():
        if f"{{{name}}}" in template:
            template = template.replace(f"{{{name}}}", _segment(value))
    return template


def _segment(value: str) -> str:
    """One segment of a path (RFC 3986 §3.3), and never a way up."""
    if value in {"", ".", ".."}:
        raise Permanent("the organizer's address or the UID cannot stand in organizer.caldav.url")
    return quote(value.encode("utf-8", "replace"), safe="@")
