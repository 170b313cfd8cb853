"""Replies of the SMTP dialogue.

What: `Reply`, the parser of a peer's replies, and the replies that are our own.

Not here: which reply is due when (front, relay), and what a next hop's reply means for a session (nexthop).

Errors: `Temporary` when a peer sends what is not a reply.
"""

from dataclasses import dataclass
from functools import lru_cache

from mailhook.errors import Temporary

MAX_REPLY = 65536
BANNER = "ESMTP mailhook"
"""Behind our name in our greeting; who hears it from a next hop has come round in a loop."""


@dataclass(frozen=True)
class Reply:
    """RFC 5321 §4.2: `lines` is the text of each line, without code and line end (at least one line)."""

    code: int
    lines: tuple[bytes, ...]

    def __post_init__(self) -> None:
        if not 200 <= self.code <= 599 or not self.lines:
            raise ValueError(f"not a reply: {self.code} {self.lines!r}")

    def wire(self) -> bytes:
        head = b"".join([b"%d-%b\r\n" % (self.code, line) for line in self.lines[:-1]])
        return b"%b%d %b\r\n" % (head, self.code, self.lines[-1])

    @property
    def text(self) -> str:
        """For the log: one line, code first."""
        words = b" ".join(self.lines).decode("utf-8", "backslashreplace")
        return f"{self.code} {words}".rstrip()

    @property
    def positive(self) -> bool:
        """2yz or 3yz."""
        return self.code < 400

    @property
    def permanent(self) -> bool:
        return self.code >= 500


def reply(code: int, *lines: str) -> Reply:
    """A reply of our own; enhanced status codes (RFC 2034) stand in the text."""
    return Reply(code, tuple(line.encode() for line in lines))


class ReplyParser:
    """Cuts a peer's stream into replies, whatever the size of the pieces that it comes in."""

    def __init__(self) -> None:
        self._buffer = b""
        self._lines: list[bytes] = []
        self._size = 0

    def feed(self, data: bytes) -> list[Reply]:
        """Replies that are complete now. Temporary: not SMTP, or a reply of more than 64 KiB."""
        *lines, self._buffer = (self._buffer + data).split(b"\n")
        found = [done for line in lines if (done := self._line(line)) is not None]
        if self._size + len(self._buffer) > MAX_REPLY:
            raise Temporary("the next hop's reply is longer than 64 KiB")
        return found

    @property
    def pending(self) -> bool:
        """Whether a part of a reply has come."""
        return bool(self._buffer or self._lines)

    def _line(self, line: bytes) -> Reply | None:
        said, last = _read(line)
        self._lines += said.lines
        self._size += len(line)
        if not last:
            return None
        complete = said if len(self._lines) == 1 else Reply(said.code, tuple(self._lines))
        self._lines, self._size = [], 0
        return complete


@lru_cache(maxsize=64)
def _read(line: bytes) -> tuple[Reply, bool]:
    """One line of a reply, and whether it is the last; a peer says the same few again and again."""
    line = line.removesuffix(b"\r")
    code, separator, text = line[:3], line[3:4], line[4:]
    if not (
        len(code) == 3 and code.isdigit() and b"200" <= code <= b"599" and separator in {b"", b" ", b"-"}
    ):
        raise Temporary(f"the next hop sent what is not an SMTP reply: {line[:80]!r}")
    return Reply(int(code), (text,)), separator != b"-"


OK = reply(250, "2.0.0 Ok")
AUTHENTICATED = reply(235, "2.7.0 Authentication successful")
BYE = reply(221, "2.0.0 Bye")
HELP = reply(214, "2.0.0 See RFC 5321")
CANNOT_VRFY = reply(252, "2.5.2 Cannot verify, but the message is accepted for an attempt")
GO_AHEAD = reply(220, "2.0.0 Ready to start TLS")
START_MAIL = reply(354, "End data with <CR><LF>.<CR><LF>")

SHUTTING_DOWN = reply(421, "4.3.2 Service is shutting down")
HOP_UNREACHABLE = reply(421, "4.3.2 The next hop cannot be reached, try again later")
TOO_MANY_CONNECTIONS = reply(421, "4.3.2 Too many connections, try again later")
TOO_MANY_FROM_YOU = reply(421, "4.7.0 Too many connections from your address, try again later")
MADE_ROOM = reply(421, "4.3.2 Idle, and others are waiting")
TOO_MANY_FAULTS = reply(421, "4.7.0 Too many errors")
LINE_TOO_LONG = reply(421, "4.5.2 Command line too long")
HOP_HAS_CHANGED = reply(421, "4.3.2 The next hop has changed what it offers, try again")
NOT_ALLOWED = reply(421, "4.7.1 Your address is not in the list of allowed clients")
TOO_MANY_FAILURES = reply(421, "4.7.0 Too many failed logins")
CLIENT_TIMEOUT = reply(421, "4.4.2 Timeout exceeded")
BROKEN_OFF = reply(421, "4.3.0 Local error, try again later")
TLS_FIRST = reply(450, "4.7.0 Say STARTTLS first")
AUTH_FIRST = reply(450, "4.7.0 Authentication required")
AUTH_UNAVAILABLE = reply(454, "4.7.0 Temporary authentication failure")
TLS_UNAVAILABLE = reply(454, "4.7.0 TLS not available")
LOCAL_ERROR = reply(451, "4.3.0 Local error, try again later")
TOO_MANY_TRANSACTIONS = reply(452, "4.3.2 Too many messages at a time, try again later")
TOO_MANY_RECIPIENTS = reply(452, "4.5.3 Too many recipients, send the others in another transaction")
NO_SPACE = reply(452, "4.3.1 Insufficient storage, try again later")

UNKNOWN_COMMAND = reply(500, "5.5.2 Command not recognized")
BAD_CHARACTER = reply(500, "5.5.2 A command must not contain NUL or a bare CR")
NO_ARGUMENT_ALLOWED = reply(501, "5.5.4 This command takes no argument")
NO_CHUNKING = reply(421, "4.5.1 CHUNKING is not offered")
NOT_IMPLEMENTED = reply(502, "5.5.1 Command not implemented")
AUTH_CANCELLED = reply(501, "5.7.0 Authentication cancelled")
AUTH_UNREADABLE = reply(501, "5.5.2 Cannot read that response")
HELO_FIRST = reply(503, "5.5.1 Send EHLO first")
NESTED_MAIL = reply(503, "5.5.1 Nested MAIL command")
MAIL_FIRST = reply(503, "5.5.1 Send MAIL first")
IN_TRANSACTION = reply(503, "5.5.1 Not allowed inside a mail transaction")
ALREADY_SECURE = reply(503, "5.5.1 TLS is in use already")
ALREADY_AUTHENTICATED = reply(503, "5.5.1 Authenticated already")
NO_MECHANISM = reply(504, "5.5.4 Unknown authentication mechanism")
WRONG_CREDENTIALS = reply(535, "5.7.8 Authentication credentials invalid")
TLS_NEEDED_FOR_AUTH = reply(538, "5.7.11 Say STARTTLS before AUTH")
NO_XFORWARD = reply(550, "5.7.0 XFORWARD is for the clients in the list of allowed addresses")
BARE_NEWLINE = reply(550, "5.5.2 A line must end in <CR><LF>")
NO_RECIPIENTS = reply(554, "5.5.1 No valid recipients")
TOO_LARGE = reply(552, "5.3.4 Message size exceeds the limit")
AMBIGUOUS_END = reply(550, "5.5.2 A line with a lone dot must stand between <CR><LF>")


def syntax(usage: str) -> Reply:
    return reply(501, f"5.5.4 Syntax: {usage}")
