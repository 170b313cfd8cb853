"""Service extensions: what the next hop announces, and what we announce.

What: `Capabilities`, parsed from a reply to EHLO; `announce` makes ours out of them (RFC 5321 §4.1.1.1).

Not here: using an extension (nexthop, front).

Errors: none; a line of the reply that is no keyword is ignored.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from mailhook.smtp.commands import Mail, Rcpt
from mailhook.smtp.replies import Reply

XFORWARD_ATTRIBUTES = ("NAME", "ADDR", "PORT", "PROTO", "HELO", "IDENT", "SOURCE")
XFORWARD = f"XFORWARD {' '.join(XFORWARD_ATTRIBUTES)}"

# Extensions that live in parameters of MAIL and RCPT, in the content, or in the text of replies: all of that
# passes as it came. STARTTLS, AUTH, CHUNKING, BINARYMIME, VRFY, ETRN … need something done by us.
_CARRIED = (
    "8BITMIME",
    "SMTPUTF8",
    "DSN",
    "ENHANCEDSTATUSCODES",
    "DELIVERBY",
    "MT-PRIORITY",
    "FUTURERELEASE",
    "RRVS",
)

_NEEDS = {
    **dict.fromkeys((b"RET", b"ENVID", b"NOTIFY", b"ORCPT"), "DSN"),
    **dict.fromkeys((b"HOLDFOR", b"HOLDUNTIL"), "FUTURERELEASE"),
    b"SIZE": "SIZE",
    b"BODY": "8BITMIME",
    b"SMTPUTF8": "SMTPUTF8",
    b"BY": "DELIVERBY",
    b"MT-PRIORITY": "MT-PRIORITY",
    b"RRVS": "RRVS",
}
"""The extension that makes a parameter of MAIL or RCPT possible."""

_KEYWORD = re.compile(rb"[A-Za-z0-9][A-Za-z0-9-]*\Z")


@dataclass(frozen=True)
class Capabilities:
    """`keywords`: upper-case keyword → its parameters as they came. Empty for a peer that knows only HELO."""

    keywords: Mapping[str, bytes] = field(default_factory=dict)

    @classmethod
    def parse(cls, reply: Reply) -> "Capabilities":
        """From a positive reply to EHLO; its first line is the peer's name."""
        keywords: dict[str, bytes] = {}
        for line in reply.lines[1:]:
            keyword, _, parameters = line.strip().partition(b" ")
            if _KEYWORD.match(keyword):
                keywords[keyword.decode("ascii").upper()] = parameters.strip()
        return cls(keywords)

    def __contains__(self, keyword: str) -> bool:
        return keyword in self.keywords

    @cached_property
    def size(self) -> int | None:
        """The largest message in octets; None where no limit is announced (RFC 1870 §6: 0 is no limit)."""
        value = self.keywords.get("SIZE", b"")
        return int(value) or None if value.isdigit() and len(value) <= 20 else None

    @property
    def pipelining(self) -> bool:
        return "PIPELINING" in self

    @cached_property
    def xforward(self) -> frozenset[str]:
        """The XFORWARD attributes that the peer takes; empty where it takes none."""
        return frozenset(self.keywords.get("XFORWARD", b"").decode("ascii", "replace").upper().split())

    def announce(self, hostname: str, max_size: int = 0, own: Sequence[str] = (XFORWARD,)) -> Reply:
        """Our reply to a client's EHLO. `max_size` in octets; 0: the next hop's own limit. `own`: lines of ours."""
        lines = [hostname, "PIPELINING"]
        if "SIZE" in self:
            # Without it the next hop would refuse the client's SIZE= as a parameter that it does not know.
            lines.append(f"SIZE {self.limit(max_size) or ''}".rstrip())
        lines += [_with_parameters(word, self.keywords[word]) for word in _CARRIED if word in self]
        lines += own
        return Reply(250, tuple(line.encode() for line in lines))

    def limit(self, max_size: int) -> int | None:
        """The smaller one of the next hop's limit and ours (0 is none), in octets."""
        return min((size for size in (self.size, max_size) if size), default=None)


def _with_parameters(keyword: str, parameters: bytes) -> str:
    return f"{keyword} {parameters.decode('ascii', 'replace')}".rstrip()


def outdated(told: Capabilities, now: Capabilities, commands: Sequence[Mail | Rcpt]) -> bool:
    """Does a parameter rest on what the client was told of the next hop, and is so no more?

    The next hop would refuse it for good, and the client would bounce the mail.
    """
    gone = told.keywords.keys() - now.keywords.keys()
    return bool(gone) and any(
        _NEEDS.get(item.partition(b"=")[0].upper()) in gone
        for command in commands
        for item in command.parameters
    )
