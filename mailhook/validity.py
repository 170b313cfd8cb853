"""Whether our own certificates are still good: those of the listener, and the client's for the next hop.

What: `Validity` looks at their files now and then, and says until when they are valid, and what is wrong with files
that were renewed, of which those read before stay in use.

Not here: reading them (`certificates`), and the warnings of `mailhook check` (`config.security`).

Errors: none.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Literal

from mailhook.certificates import Pem, client, expiry, server
from mailhook.config import Settings
from mailhook.errors import Misconfigured

Side = Literal["listener", "nexthop"]

AGAIN = timedelta(minutes=1)
"""After which is looked again."""


@dataclass(frozen=True)
class Certificate:
    """`until`: when it ceases to be valid, None: unknown; `fault`: why its files cannot be used, or ""."""

    side: Side
    file: str
    until: datetime | None
    fault: str = ""


class Validity:
    def __init__(self, settings: Settings, clock: Callable[[], datetime]) -> None:
        self._tries = _tries(settings)
        self._clock = clock
        self._seen: dict[Side, Certificate] = {}
        self._at: datetime | None = None

    def now(self) -> Sequence[Certificate]:
        now = self._clock()
        if self._at is None or now >= self._at + AGAIN:
            self._at = now
            for side, (file, attempt) in self._tries.items():
                self._seen[side] = self._look(side, file, attempt)
        return tuple(self._seen.values())

    def seconds(self) -> Mapping[str, float]:
        """Until each ceases to be valid."""
        now = self._clock()
        return {each.side: (each.until - now).total_seconds() for each in self.now() if each.until}

    def _look(self, side: Side, file: str, attempt: Callable[[], object]) -> Certificate:
        before = self._seen.get(side)
        until = before.until if before else None
        try:
            attempt()
            return Certificate(side, file, expiry(file))
        except Misconfigured as error:
            return Certificate(side, file, until, str(error))


def _tries(settings: Settings) -> Mapping[Side, tuple[str, Callable[[], object]]]:
    """Of each side that has a certificate: its file, and how it is tried."""
    listen, hop = settings.listen, settings.nexthop
    tries: dict[Side, tuple[str, Callable[[], object]]] = {}
    if listen.starttls != "off":
        tries["listener"] = (
            listen.tls_cert,
            partial(server, Pem(listen.tls_cert, listen.tls_key, listen.client_ca)),
        )
    if hop.tls != "off" and hop.client_cert_file:
        pem = Pem(hop.client_cert_file, hop.client_key_file)
        tries["nexthop"] = hop.client_cert_file, partial(client, pem, verified=False)
    return tries
