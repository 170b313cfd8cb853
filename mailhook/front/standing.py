"""What a client may do: by its address, by TLS, by a certificate, or by a password.

What: `Entry` is what the settings grant, `Standing` what one client has reached. A client in `listen.allow` may hand
in mail and tell by XFORWARD whose it is; any other has to log in, or to show a certificate, and no XFORWARD
of his is believed.

Not here: the commands (dialogue), passwords (auth), handshakes (tls).

Errors: none. A client that may not hand in mail is answered 4xx, never 5xx: a mistake in the settings must not
bounce mail (RFC 3207 §4 and RFC 4954 §6 recommend 530).
"""

import ssl
from dataclasses import dataclass
from typing import Literal

from mailhook.certificates import Kept
from mailhook.front.auth import Passwords
from mailhook.smtp import commands, replies
from mailhook.smtp.auth import MECHANISMS, Credentials
from mailhook.smtp.commands import Command
from mailhook.smtp.ehlo import XFORWARD
from mailhook.smtp.replies import Reply

StartTls = Literal["off", "optional", "required"]

MAX_FAILURES = 3
"""Logins of one connection that may fail."""

ANYTIME = (
    *(commands.Ehlo, commands.Helo, commands.Noop, commands.Rset, commands.Quit, commands.Help),
    *(commands.StartTls, commands.Auth, commands.HttpVerb, commands.Malformed),
)


@dataclass(frozen=True)
class Entry:
    """`tls` is there unless `starttls` is "off"; `certificates`: a client's certificate counts like a login."""

    starttls: StartTls = "off"
    tls: Kept | None = None
    passwords: Passwords | None = None
    certificates: bool = False

    @property
    def admits_others(self) -> bool:
        """Whether a client that is not in `allow` has any way in."""
        return self.passwords is not None or self.certificates


class Standing:
    """Of one connection."""

    def __init__(self, entry: Entry, address: str, *, allowed: bool) -> None:
        self.address = address
        self._entry = entry
        self._allowed = allowed
        self._secure = False
        self._known = False
        self._failures = 0

    @property
    def stranger(self) -> bool:
        return not self._allowed and not self._known

    @property
    def offers_auth(self) -> bool:
        return self._secure and self._entry.passwords is not None

    def offers(self) -> tuple[str, ...]:
        """Our own lines in the reply to EHLO."""
        offered = []
        if self._entry.tls is not None and not self._secure:
            offered.append("STARTTLS")
        if self.offers_auth:
            offered.append(MECHANISMS)
        if self._allowed:
            offered.append(XFORWARD)
        return tuple(offered)

    def refusal(self, command: Command) -> Reply | None:
        """Why this may not be said now; None if it may."""
        match command:
            case commands.StartTls():
                return self._no_tls()
            case commands.Auth():
                return self._no_auth()
            case commands.Xforward() if not self._allowed:
                return replies.NO_XFORWARD
            case _ if isinstance(command, ANYTIME):
                return None
        if self._entry.starttls == "required" and not self._secure:
            return replies.TLS_FIRST
        return None if self._allowed or self._known else replies.AUTH_FIRST

    def context(self) -> ssl.SSLContext:
        assert self._entry.tls is not None
        return self._entry.tls.context()

    def secured(self, *, certified: bool) -> None:
        self._secure = True
        self._known = certified and self._entry.certificates

    async def log_in(self, said: Credentials | Reply) -> Reply:
        """`said`: or why it was none. Whatever does not end in a login counts as a try: each costs us something."""
        assert self._entry.passwords is not None
        if isinstance(said, Credentials):
            answer = await self._entry.passwords.judged(said, self.address)
        else:
            answer = said
        if answer.code == 235:
            self._known = True
            return answer
        self._failures += 1
        return replies.TOO_MANY_FAILURES if self._failures >= MAX_FAILURES else answer

    def _no_tls(self) -> Reply | None:
        if self._entry.tls is None:
            return replies.NOT_IMPLEMENTED
        return replies.ALREADY_SECURE if self._secure else None

    def _no_auth(self) -> Reply | None:
        if self._entry.passwords is None:
            return replies.NOT_IMPLEMENTED
        if not self._secure:
            return replies.TLS_NEEDED_FOR_AUTH
        return replies.ALREADY_AUTHENTICATED if self._known else None
