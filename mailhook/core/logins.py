"""As whom we log in for an organizer: names made of his address, and secrets of his own.

What: `login_name` fills a template in with `places`, `unknown_places` tells what is wrong with one; `passwords` reads
a list of secrets.

Not here: reading the file, logging in.

Errors: Unreadable from `passwords`, with the number of the line and nothing of what stands in it.
"""

import re
from collections.abc import Mapping

from mailhook.errors import Unreadable

PLACES = ("address", "user", "domain")
"""What a template may name: the whole address, what stands before its @, and what stands after it."""

_PLACE = re.compile(r"\{([^{}]*)\}")


def places(address: str) -> dict[str, str]:
    """What PLACES stand for."""
    user, _, domain = address.rpartition("@")
    return {"address": address, "user": user, "domain": domain}


def login_name(template: str, address: str) -> str:
    """`template` with {address}, {user} and {domain} of `address`."""
    parts = places(address)
    return _PLACE.sub(lambda found: parts.get(found[1], found[0]), template)


def unknown_places(template: str) -> list[str]:
    """What stands in braces, but is none of PLACES."""
    return [name for name in _PLACE.findall(template) if name not in PLACES]


def passwords(text: str) -> Mapping[str, str]:
    """Lines of the form `address:password`, by the address in lower case; empty ones and those from # on do not count.

    A password may hold any character, blanks and colons too.
    """
    known: dict[str, str] = {}
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        address, _, password = line.partition(":")
        if "@" not in address or not password:
            raise Unreadable(f"line {number} should be an address, a colon and a password")
        known[address.strip().lower()] = password
    return known
