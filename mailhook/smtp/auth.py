"""SMTP AUTH (RFC 4954) with PLAIN (RFC 4616) and LOGIN, in both directions.

What: `begun` starts what a client says after AUTH: it gives `Ask` for more, `Credentials`, or the refusal;
`login_lines` is what we say to a next hop.

Not here: whether the credentials are right (front/auth), and whether AUTH is allowed now (front/standing).

Errors: none from `begun`; `login_lines` gives None where the peer offers no mechanism that we have.
"""

import binascii
from base64 import b64decode, b64encode
from collections.abc import Callable
from dataclasses import dataclass, field

from mailhook.smtp import replies
from mailhook.smtp.commands import Mail
from mailhook.smtp.replies import Reply

MECHANISMS = "AUTH PLAIN LOGIN"
MAX_RESPONSE = 12288
"""Octets of one line of an exchange (RFC 4954 §4)."""


@dataclass(frozen=True)
class Credentials:
    user: str
    password: str = field(repr=False)


@dataclass(frozen=True)
class Ask:
    """Say `prompt` (334), and give the client's next line, without its line end, to `then`."""

    prompt: Reply
    then: Callable[[bytes], "Step"]


Step = Ask | Credentials | Reply


def begun(mechanism: bytes, initial: bytes | None) -> Step:
    """`initial`: the response that came with the command, still in base64; b"=" is the empty one."""
    match mechanism.upper():
        case b"PLAIN":
            return _plain(initial) if initial is not None else Ask(_prompt(b""), _plain)
        case b"LOGIN":
            return _user(initial) if initial is not None else Ask(_prompt(b"Username:"), _user)
        case _:
            return replies.NO_MECHANISM


def _prompt(text: bytes) -> Reply:
    return Reply(334, (b64encode(text),))


def _decoded(response: bytes) -> str | Reply:
    if response == b"*":
        return replies.AUTH_CANCELLED
    try:
        if len(response) > MAX_RESPONSE:
            return replies.AUTH_UNREADABLE
        return b64decode(b"" if response == b"=" else response, validate=True).decode("utf-8")
    except (binascii.Error, UnicodeDecodeError):
        return replies.AUTH_UNREADABLE


def _plain(response: bytes) -> Step:
    text = _decoded(response)
    if isinstance(text, Reply):
        return text
    parts = text.split("\0")
    if len(parts) != 3 or not parts[1] or parts[0] not in {"", parts[1]}:
        return replies.AUTH_UNREADABLE
    return Credentials(parts[1], parts[2])


def _user(response: bytes) -> Step:
    user = _decoded(response)
    if isinstance(user, Reply):
        return user

    def password(answer: bytes) -> Step:
        text = _decoded(answer)
        return text if isinstance(text, Reply) else Credentials(user, text)

    return Ask(_prompt(b"Password:"), password)


def login_lines(offered: bytes, credentials: Credentials) -> tuple[bytes, ...] | None:
    """The command and the answers to what the next hop asks; `offered`: the parameters of its AUTH keyword."""
    mechanisms = offered.upper().split()
    user, password = credentials.user.encode(), credentials.password.encode()
    if b"PLAIN" in mechanisms:
        return (b"AUTH PLAIN " + b64encode(b"\0" + user + b"\0" + password) + b"\r\n",)
    if b"LOGIN" in mechanisms:
        return (b"AUTH LOGIN\r\n", b64encode(user) + b"\r\n", b64encode(password) + b"\r\n")
    return None


def without_auth(mail: Mail) -> Mail:
    """MAIL without AUTH= (RFC 4954 §5): we announced AUTH, the next hop may not know the parameter."""
    if mail.parameter(b"AUTH") is None:
        return mail
    kept = (item for item in mail.parameters if not item.upper().startswith(b"AUTH="))
    return Mail(b" ".join((mail.path, *kept)))
