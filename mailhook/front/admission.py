"""Who may come in, and who has to go so that others may.

What: `Admission` counts the clients of one process, refuses those that are too many or not allowed, and sends one away
that keeps a place without using it, when another one needs it.

Not here: sockets (smtp), the limits themselves (limits), what may be said once a client is in (standing).

Errors: none.
"""

import ipaddress
import logging
from collections.abc import Sequence
from functools import lru_cache
from typing import Protocol

from mailhook import door
from mailhook.front.dialogue import Terms
from mailhook.front.limits import Load, Seldom, neighbourhood
from mailhook.smtp import replies
from mailhook.smtp.replies import Reply

IDLE = 10.0
"""Seconds after which a client that says nothing makes room, if others wait (Postfix under stress: smtpd_timeout)."""

log = logging.getLogger("mailhook.front.admission")


class Guest(Protocol):
    """A client, as far as its place is concerned. `now`: the loop's time in seconds."""

    address: str
    allowed: bool

    @property
    def stranger(self) -> bool:
        """Not in `listen.allow`, and not logged in."""

    @property
    def since(self) -> float:
        """When it last got on with a mail."""

    def is_idle(self, now: float) -> bool: ...

    def lingers(self, now: float) -> bool:
        """Has a stranger had the time to log in, and are we waiting for what he says?"""

    def stalls(self, now: float) -> bool:
        """Does it let a mail wait that needs its session with the next hop?"""

    def dismiss(self, reply: Reply) -> None:
        """Send it away now."""


class Admission:
    """Of one process; `now` is the loop's time in seconds."""

    def __init__(self, terms: Terms) -> None:
        self._limits = terms.limits
        self._admits_others = terms.entry.admits_others
        self._allow = tuple(ipaddress.ip_network(cidr, strict=False) for cidr in terms.allow)
        self._allowed = lru_cache(1024)(self._is_allowed)
        self.load = Load(terms.limits)
        self.guests: set[Guest] = set()
        self._refusals = Seldom(60)
        self._unknown = Seldom(60)
        self._nobody_idle_until = 0.0
        self._nobody_stalls_until = 0.0

    def admit(self, guest: Guest, now: float) -> Reply | None:
        """The refusal; without one `forget` is due later."""
        guest.allowed = self._allowed(guest.address)
        if not guest.allowed and not self._admits_others:
            door.turned_away("not-allowed")
            tell(self._unknown, "client refused, not in listen.allow", guest.address, now)
            return replies.NOT_ALLOWED
        refusal = None if guest.allowed else self._too_many_strangers(guest, now)
        if refusal is None:
            self._make_room(guest.address, now)
            refusal = self.load.connect(guest.address)
        if refusal is not None:
            door.turned_away("limits")
            tell(self._refusals, f"client refused, {refusal.text}", guest.address, now)
            return refusal
        self.guests.add(guest)
        return None

    def forget(self, guest: Guest) -> None:
        if guest in self.guests:
            self.guests.discard(guest)
            self.load.disconnect(guest.address)

    def make_way(self, now: float) -> None:
        """A mail waits for a session with the next hop: whoever keeps one without using it for longest goes."""
        if now >= self._nobody_stalls_until:
            found = self._send_away([each for each in self.guests if each.stalls(now)])
            self._nobody_stalls_until = now if found else now + IDLE / 100

    def _make_room(self, peer: str, now: float) -> None:
        """Where there is none for another client of this peer, whoever has been idle for longest goes."""
        if not (full := self.load.full()) and not self.load.full_for(peer):
            return
        if now >= self._nobody_idle_until:
            idle = [each for each in self.guests if full or each.address == peer]
            found = self._send_away([each for each in idle if each.is_idle(now)])
            # A flood of clients must not make us look each time.
            self._nobody_idle_until = now if found else now + IDLE / 100

    def _send_away(self, candidates: Sequence[Guest]) -> bool:
        if candidates:
            longest = min(candidates, key=lambda each: each.since)
            longest.dismiss(replies.MADE_ROOM)
            self.forget(longest)
        return bool(candidates)

    def _too_many_strangers(self, guest: Guest, now: float) -> Reply | None:
        """Who is not in `allow` may not fill all places while he has not logged in, nor one of them those of all."""
        limits, place = self._limits, neighbourhood(guest.address)
        near = [each for each in self._strangers() if neighbourhood(each.address) == place]
        if len(near) >= limits.strangers_of_one and not self._send_away_lingering(near, now):
            return replies.TOO_MANY_FROM_YOU
        everybody = self._strangers()
        if len(everybody) >= limits.strangers and not self._send_away_lingering(everybody, now):
            return replies.TOO_MANY_CONNECTIONS
        return None

    def _strangers(self) -> list[Guest]:
        return [each for each in self.guests if each.stranger]

    def _send_away_lingering(self, strangers: Sequence[Guest], now: float) -> bool:
        return self._send_away([each for each in strangers if each.lingers(now)])

    def _is_allowed(self, address: str) -> bool:
        try:
            peer = ipaddress.ip_address(address)
        except ValueError:
            return False
        if isinstance(peer, ipaddress.IPv6Address):
            peer = peer.ipv4_mapped or peer
        return any(peer in network for network in self._allow)


def tell(seldom: Seldom, what: str, address: str, now: float) -> None:
    """Strangers must not fill the log."""
    times = seldom.due(now)
    if times is not None:
        log.warning("%s: %s (%d times)", address, what, times)
