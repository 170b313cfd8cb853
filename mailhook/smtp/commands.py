"""Commands of the SMTP dialogue, parsed without judging what only the next hop can judge.

What: the closed union `Command`, and `parse`. Arguments of MAIL and RCPT stay the bytes that came, because
they are forwarded; what we must know of them is derived beside.

Not here: whether a command is allowed now (front), and whether an address or a parameter is acceptable
(the next hop says so).

Errors: none; a line that is no command is `Malformed` with its reply.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property

from mailhook.smtp import replies
from mailhook.smtp.replies import Reply

_HEX_CHARACTER = re.compile(rb"\+([0-9A-Fa-f]{2})")
_PARAMETER_NAME = re.compile(rb"[A-Za-z0-9-]+\Z")


@dataclass(frozen=True)
class _Envelope:
    argument: bytes

    @property
    def path(self) -> bytes:
        """The path with its brackets as it came."""
        rest = self.argument.lstrip(b" \t")
        return rest[: _path_end(rest)]

    @cached_property
    def parameters(self) -> tuple[bytes, ...]:
        rest = self.argument.lstrip(b" \t")
        return tuple(rest[_path_end(rest) :].split())

    @cached_property
    def address(self) -> str:
        """Lower case, without brackets and source route; "" for the null path."""
        inner = self.path.removeprefix(b"<").removesuffix(b">")
        if inner.startswith(b"@") and b":" in inner:
            inner = inner.partition(b":")[2]
        return inner.decode("utf-8", "backslashreplace").lower()

    def parameter(self, name: bytes) -> bytes | None:
        """The value of `name=`, compared without case; None where it is missing or has no value."""
        for item in self.parameters:
            keyword, equals, value = item.partition(b"=")
            if equals and keyword.upper() == name:
                return value
        return None


@dataclass(frozen=True)
class Mail(_Envelope):
    """`argument` is everything after "MAIL FROM:" as it came (RFC 5321 §4.1.1.2)."""

    def wire(self) -> bytes:
        return b"MAIL FROM:" + self.argument + b"\r\n"


@dataclass(frozen=True)
class Rcpt(_Envelope):
    """`argument` is everything after "RCPT TO:" as it came (RFC 5321 §4.1.1.3)."""

    @cached_property
    def orcpt(self) -> str | None:
        """The original recipient in lower case, if given as `ORCPT=rfc822;xtext` (RFC 3461 §4.2)."""
        kind, semicolon, xtext = (self.parameter(b"ORCPT") or b"").partition(b";")
        if not semicolon or kind.lower() != b"rfc822":
            return None
        decoded = _HEX_CHARACTER.sub(lambda match: bytes([int(match[1], 16)]), xtext)
        return decoded.decode("utf-8", "backslashreplace").lower() or None

    def wire(self) -> bytes:
        return b"RCPT TO:" + self.argument + b"\r\n"


@dataclass(frozen=True)
class Ehlo:
    hostname: bytes


@dataclass(frozen=True)
class Helo:
    hostname: bytes


@dataclass(frozen=True)
class Data:
    pass


@dataclass(frozen=True)
class Rset:
    pass


@dataclass(frozen=True)
class Noop:
    pass


@dataclass(frozen=True)
class Quit:
    pass


@dataclass(frozen=True)
class Vrfy:
    pass


@dataclass(frozen=True)
class Help:
    pass


@dataclass(frozen=True)
class Xforward:
    """Postfix XFORWARD_README: upper-case names, values raw xtext, in the order that they came."""

    attributes: tuple[tuple[str, bytes], ...]


@dataclass(frozen=True)
class StartTls:
    """RFC 3207. What stands behind it in the same packet was not said under TLS, and must be forgotten."""


@dataclass(frozen=True)
class Auth:
    """RFC 4954 §4. `initial`: the response that came with it, in base64; None where there is none."""

    mechanism: bytes
    initial: bytes | None = field(default=None, repr=False)


@dataclass(frozen=True)
class HttpVerb:
    """A web browser, or someone who abuses one: whatever follows is not SMTP."""


@dataclass(frozen=True)
class Malformed:
    reply: Reply


Command = (
    Mail
    | Rcpt
    | Data
    | Ehlo
    | Helo
    | Rset
    | Noop
    | Quit
    | Vrfy
    | Help
    | Xforward
    | StartTls
    | Auth
    | HttpVerb
    | Malformed
)

_HTTP_VERBS = {
    b"GET",
    b"POST",
    b"PUT",
    b"HEAD",
    b"CONNECT",
    b"OPTIONS",
    b"DELETE",
    b"PATCH",
    b"TRACE",
    b"PRI",
}
_NOT_IMPLEMENTED = {b"EXPN", b"ETRN", b"TURN", b"SEND", b"SOML", b"SAML"}


def parse(line: bytes) -> Command:
    """One command line, with or without its line end."""
    line = line.removesuffix(b"\n").removesuffix(b"\r")
    if b"\r" in line or b"\0" in line or b"\n" in line:
        return Malformed(replies.BAD_CHARACTER)
    verb, _, argument = line.lstrip(b" \t").partition(b" ")
    verb = verb.rstrip(b"\t").upper()
    parser = _PARSERS.get(verb)
    if parser is not None:
        return parser(argument)
    if verb in _HTTP_VERBS:
        return HttpVerb()
    if verb == b"BDAT":
        # What follows is content, and no line of it may be taken for a command.
        return Malformed(replies.NO_CHUNKING)
    return Malformed(replies.NOT_IMPLEMENTED if verb in _NOT_IMPLEMENTED else replies.UNKNOWN_COMMAND)


def _mail(argument: bytes) -> Command:
    rest = _after_keyword(argument, b"FROM:")
    return Mail(rest) if rest is not None else Malformed(replies.syntax("MAIL FROM:<address>"))


def _rcpt(argument: bytes) -> Command:
    rest = _after_keyword(argument, b"TO:")
    return Rcpt(rest) if rest is not None else Malformed(replies.syntax("RCPT TO:<address>"))


def _after_keyword(argument: bytes, keyword: bytes) -> bytes | None:
    argument = argument.lstrip(b" \t")
    rest = argument[len(keyword) :]
    return rest if argument[: len(keyword)].upper() == keyword and rest.strip() else None


def _ehlo(argument: bytes) -> Command:
    return Ehlo(argument.strip()) if argument.strip() else Malformed(replies.syntax("EHLO hostname"))


def _helo(argument: bytes) -> Command:
    return Helo(argument.strip()) if argument.strip() else Malformed(replies.syntax("HELO hostname"))


def _xforward(argument: bytes) -> Command:
    pairs = [item.partition(b"=") for item in argument.split()]
    if not pairs or not all(_PARAMETER_NAME.match(name) and equals for name, equals, _ in pairs):
        return Malformed(replies.syntax("XFORWARD attribute=value..."))
    return Xforward(tuple((name.upper().decode("ascii"), value) for name, _, value in pairs))


def _auth(argument: bytes) -> Command:
    words = argument.split()
    if len(words) not in {1, 2}:
        return Malformed(replies.syntax("AUTH mechanism [initial-response]"))
    return Auth(words[0].upper(), words[1] if len(words) == 2 else None)


def _bare(command: Command) -> Callable[[bytes], Command]:
    return lambda argument: Malformed(replies.NO_ARGUMENT_ALLOWED) if argument.strip() else command


def _whatever(command: Command) -> Callable[[bytes], Command]:
    return lambda argument: command  # noqa: ARG005 - RFC 5321 allows an argument that means nothing to us


_PARSERS: dict[bytes, Callable[[bytes], Command]] = {
    b"MAIL": _mail,
    b"RCPT": _rcpt,
    b"EHLO": _ehlo,
    b"HELO": _helo,
    b"XFORWARD": _xforward,
    b"AUTH": _auth,
    b"STARTTLS": _bare(StartTls()),
    b"DATA": _bare(Data()),
    b"RSET": _bare(Rset()),
    b"QUIT": _bare(Quit()),
    b"NOOP": _whatever(Noop()),
    b"VRFY": _whatever(Vrfy()),
    b"HELP": _whatever(Help()),
}


def _path_end(rest: bytes) -> int:
    """Where the path ends: behind the bracket that closes it, else at the first blank (RFC 5321 §4.1.2)."""
    bracketed = rest.startswith(b"<")
    if bracketed and b'"' not in rest:
        return rest.find(b">") + 1 or len(rest)
    quoted = escaped = False
    for position, octet in enumerate(rest):
        if escaped:
            escaped = False
        elif quoted and octet == 0x5C:
            escaped = True
        elif octet == 0x22:
            quoted = not quoted
        elif not quoted and bracketed and octet == 0x3E:
            return position + 1
        elif not quoted and not bracketed and octet in b" \t":
            return position
    return len(rest)
