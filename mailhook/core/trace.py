"""What the header says of a message's way: Received (RFC 5321 §4.4), ARC (RFC 8617), and signatures of domains,
DKIM-Signature (RFC 6376) and the older DomainKey-Signature (RFC 4870).

Not here: the structure of a message (`message`).

Errors: none; a field that cannot be read counts as absent.
"""

import re
from collections.abc import Iterable
from datetime import datetime

from mailhook.core import header_values
from mailhook.core.message import Message, header, read

_SIGNATURES = ("dkim-signature", "domainkey-signature")
_TAG_DOMAIN = re.compile(rb"(?:^|;)\s*d\s*=\s*([^;\s]+)")


def received(message: Message) -> datetime | None:
    """When the newest Received field was written (UTC)."""
    value = header(message, "received")
    return None if value is None else header_values.date(value.rpartition(";")[2].strip())


def _domain(value: bytes) -> str:
    found = _TAG_DOMAIN.search(value)
    return found[1].decode("ascii", "replace").lower() if found else ""


def _is_of(name: str, domains: Iterable[str]) -> bool:
    """Whether `name` is one of `domains` or below one."""
    return any(name == each or name.endswith(f".{each}") for each in domains)


def is_signed_by(message: Message, domains: Iterable[str]) -> bool:
    """Whether a signature is of one of `domains` or of a domain below one (tag d=)."""
    ours = tuple(domains)
    return any(_is_of(_domain(each.value), ours) for each in message.headers if each.name in _SIGNATURES)


def is_in_custody(message: Message) -> bool:
    """Whether a server on the way has set its ARC seal on the message: changing it would break the chain."""
    return any(each.name == "arc-seal" for each in message.headers)


def unsigned(message: Message, domains: Iterable[str]) -> Message:
    """The message without those signatures."""
    ours = tuple(domains)
    raw, at, kept = message.raw, 0, bytearray()
    for each in message.headers:
        if each.name in _SIGNATURES and _is_of(_domain(each.value), ours):
            kept += raw[at : each.start]
            at = each.end
    return read(bytes(kept) + raw[at:]) if at else message
