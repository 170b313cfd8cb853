"""Who logs in at the calendar server for an organizer.

What: `Accounts.login` gives the Authorization header: of a service account (RFC 7617), of the organizer himself with
his password from a file, or a bearer token (RFC 6750). `expanded` fills a template with what is known of him.

Not here: HTTP (`dav`).

Errors: Permanent for an organizer who has no password, or whose address cannot stand in a URL; Misconfigured for a
file that cannot be read.
"""

import asyncio
from base64 import b64encode
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

from mailhook.errors import Misconfigured, Permanent

VARIABLES = ("{user}", "{address}", "{domain}")
"""What a template may hold of the organizer: the local part of his address, all of it, its domain."""


@dataclass(frozen=True)
class Login:
    """`name`: for people; `header`: the value of Authorization, a secret."""

    name: str
    header: str = field(repr=False)


@dataclass(frozen=True)
class Accounts:
    """`username` may hold VARIABLES. `users_file`: lines "address:password"; "" for one account for all."""

    username: str = ""
    password: str = field(default="", repr=False)
    token: str = field(default="", repr=False)
    users_file: str = ""

    async def login(self, address: str) -> Login:
        """For the organizer `address` (lower case)."""
        if self.token:
            return Login("the token", f"Bearer {self.token}")
        name, password = expanded(self.username or "{address}", address), self.password
        if self.users_file:
            known = await asyncio.to_thread(self._passwords)
            if address not in known:
                raise Permanent(f"organizer.caldav.users_file has no line for {address}")
            password = known[address]
        pair = b64encode(f"{name}:{password}".encode()).decode("ascii")
        return Login(name, f"Basic {pair}")

    async def somebody(self) -> str:
        """The first organizer with a password, or "" where a service account logs in."""
        known = await asyncio.to_thread(self._passwords) if self.users_file else {}
        return next(iter(known), "")

    def _passwords(self) -> dict[str, str]:
        """Read each time: a password that somebody has changed counts at once."""
        try:
            text = Path(self.users_file).read_text(encoding="utf-8-sig")
        except (OSError, ValueError) as fault:
            why = fault.strerror if isinstance(fault, OSError) else "it is not UTF-8"
            raise Misconfigured(
                f"organizer.caldav.users_file {self.users_file} cannot be read: {why}"
            ) from None
        lines = (line for line in text.splitlines() if ":" in line and not line.startswith("#"))
        pairs = (line.partition(":") for line in lines)
        return {address.strip().lower(): password for address, _, password in pairs}


def expanded(template: str, address: str) -> str:
    user, _, domain = address.rpartition("@")
    for name, value in zip(VARIABLES, (user, address, domain), strict=True):
        template = template.replace(name, value)
    return template


def located(template: str, address: str, uid: str) -> str:
    """A URL from a template, which may hold {uid} too; values are percent-encoded."""
    user, _, domain = address.rpartition("@")
    if any(each in address for each in "/\\"):
        raise Permanent("the organizer's address cannot stand in organizer.caldav.url")
    values = dict(zip((*VARIABLES, "{uid}"), (user, address, domain, uid), strict=True))
    for name, value in values.items():
        if name in template:
            template = template.replace(name, _segment(value))
    return template


def _segment(value: str) -> str:
    """One segment of a path (RFC 3986 §3.3), and never a way up."""
    if value in {"", ".", ".."}:
        raise Permanent("the organizer's address or the UID cannot stand in organizer.caldav.url")
    return quote(value.encode("utf-8", "replace"), safe="@")
