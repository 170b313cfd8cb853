"""What of an answer may be used, and stand in a mail.

What: `checked` looks at an id, a passcode, a dial-in; `checked_link` at a link, whose host must be one of ours;
`checked_details` at all of them.

Not here: where in an answer they stand (`answers`).

Errors: Unusable, with a sentence that holds nothing of what the server wrote but the host of a link.
"""

import re
from typing import Literal
from urllib.parse import urlsplit

from mailhook.core.conference import JoinDetails
from mailhook.errors import Unusable

# What may be spliced into a mail as a link: printable ASCII, and nothing that ends a URL in text or HTML.
_LINK = re.compile(r"https?://[!#-;=?-\[\]_a-z~]{1,2000}")
_HOST = re.compile(r"[a-z0-9._:-]{1,253}")

Kind = Literal["id of the conference", "passcode", "dial-in"]
_SHAPES: dict[Kind, re.Pattern[str]] = {
    "id of the conference": re.compile(r"[!-~]{1,256}"),
    "passcode": re.compile(r"[!-~]{0,64}"),
    "dial-in": re.compile(r"[^\x00-\x1f\x7f-\x9f\u2028\u2029<>]{0,200}"),
}


def checked(kind: Kind, value: object) -> str:
    """`value`, if it can be one."""
    if not isinstance(value, str) or not _SHAPES[kind].fullmatch(value):
        raise Unusable(f"the answer holds no usable {kind}")
    return value


def checked_details(details: JoinDetails, hosts: frozenset[str]) -> JoinDetails:
    """What somebody else's code has made of an answer, looked at like our own."""
    checked("id of the conference", details.conference_id)
    checked("passcode", details.passcode)
    checked("dial-in", details.dial_in)
    checked_link(details.link, hosts)
    if details.host_link:
        checked_link(details.host_link, hosts, "host link")
    return details


def checked_link(link: object, hosts: frozenset[str], what: str = "join link") -> str:
    """`link`, if it may stand in a mail; `hosts` in lower case."""
    if not isinstance(link, str) or not _LINK.fullmatch(link):
        raise Unusable(f"the answer holds no usable {what}")
    try:
        parts = urlsplit(link)
        host = parts.hostname or ""
    except ValueError:
        host, parts = "", urlsplit("")
    if host not in hosts or "@" in parts.netloc:
        named = host if _HOST.fullmatch(host) else "an unreadable host"
        raise Unusable(f"the {what} names {named}, which is not in link_hosts")
    return link
