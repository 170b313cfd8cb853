"""What clients may take up at a time, and how long they may take for it: the accounts.

What: `Load` counts connections, transactions and octets in memory of one process, and says what is too much;
`Patience` is the time that one client has; `neighbourhood` tells who counts as one; `Seldom` keeps a flood of
refusals from becoming a flood of log lines.
Whatever is too much is refused for now (421, 452), never for good: the client's queue keeps the mail.

Not here: clocks and sockets; `now` is a parameter, in seconds of any clock that does not go back.

Errors: none.
"""

from collections import Counter
from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address, ip_network

from mailhook.smtp import replies
from mailhook.smtp.replies import Reply

SLOWEST = 500
"""Octets per second below which a client uses up its time, as in Postfix (smtpd_min_data_rate)."""


@dataclass(frozen=True)
class Limits:
    """Of one process.

    A mail server has up to 100 deliveries at a time (Postfix, default_process_limit), and as many more where it also
    uses us before its queue; all of that comes from one address. The peer's limit lies above that, and below
    the limit of all, so that one client that runs wild leaves room for the others. `sessions`: transactions that
    the next hop takes at a time; the others wait.
    """

    max_connections: int = 1000
    max_connections_per_peer: int = 250
    max_transactions: int = 500
    sessions: int = 80
    max_in_flight: int = 256 * 1024 * 1024

    @property
    def strangers(self) -> int:
        """Connections at a time of all who are not in `allow` and have not logged in."""
        return max(self.max_connections // 4, 1)

    @property
    def strangers_of_one(self) -> int:
        """Of those of one neighbourhood: it takes ten of them to fill the places."""
        return max(self.strangers // 10, 1)


class Budget:
    """Octets in memory. What does not fit is kept elsewhere, or refused; never waited for."""

    def __init__(self, limit: int) -> None:
        self._left = limit

    def take(self, octets: int) -> bool:
        granted = octets <= self._left
        if granted:
            self._left -= octets
        return granted

    def give(self, octets: int) -> None:
        self._left += octets


class Load:
    """What is taken up in this process now."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._peers: Counter[str] = Counter()
        self._connections = 0
        self._transactions = 0
        # Apart, because content can be kept elsewhere, and must not take the place of recipients, which cannot.
        self.envelopes = Budget(limits.max_in_flight // 4)
        self.contents = Budget(limits.max_in_flight - limits.max_in_flight // 4)

    def full(self) -> bool:
        return self._connections >= self._limits.max_connections

    def full_for(self, peer: str) -> bool:
        return self._peers[peer] >= self._limits.max_connections_per_peer

    def connect(self, peer: str) -> Reply | None:
        """The refusal; without one `disconnect` is due later."""
        if self.full():
            return replies.TOO_MANY_CONNECTIONS
        if self.full_for(peer):
            return replies.TOO_MANY_FROM_YOU
        self._connections += 1
        self._peers[peer] += 1
        return None

    def disconnect(self, peer: str) -> None:
        self._connections -= 1
        self._peers[peer] -= 1
        if not self._peers[peer]:
            del self._peers[peer]

    def crowded(self) -> bool:
        """Would one more transaction have to wait for a session with the next hop?"""
        return self._transactions >= self._limits.sessions

    def begin(self) -> bool:
        """Whether one more transaction may begin; if so, `end` is due later."""
        granted = self._transactions < self._limits.max_transactions
        self._transactions += granted
        return granted

    def end(self) -> None:
        self._transactions -= 1


def neighbourhood(address: str) -> str:
    """What one stranger can have all to himself: an IPv4 address, or a /64 of IPv6 (RFC 6177)."""
    try:
        peer = ip_address(address)
    except ValueError:
        return address
    if isinstance(peer, IPv6Address) and peer.ipv4_mapped is None:
        return str(ip_network((peer, 64), strict=False))
    return str(peer)


class Patience:
    """`seconds` for a command or for content, and more while octets come at a fair rate.

    A limit per read alone would let a client that sends an octet now and then stay for ever.
    """

    def __init__(self, seconds: float, now: float) -> None:
        self._seconds = seconds
        self.since = now
        self._until = now + seconds

    def renew(self, now: float) -> None:
        """Something new is awaited."""
        self.since = now
        self._until = now + self._seconds

    def earn(self, octets: int, now: float) -> None:
        self._until = min(self._until + octets / SLOWEST, now + self._seconds)

    def left(self, now: float) -> float:
        return max(self._until - now, 0.0)


class Seldom:
    """Whether something that happens in floods is told again: once, and then at most every `pause` seconds."""

    def __init__(self, pause: float) -> None:
        self._pause = pause
        self._quiet_until: float | None = None
        self._untold = 0

    def due(self, now: float) -> int | None:
        """How often it has happened since it was last told; None: it is not to be told now."""
        self._untold += 1
        if self._quiet_until is not None and now < self._quiet_until:
            return None
        self._quiet_until = now + self._pause
        untold, self._untold = self._untold, 0
        return untold
