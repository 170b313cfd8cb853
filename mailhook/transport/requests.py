"""From a conference to the request that asks for it.

What: `described` and `keyed` give what templates may name; `Form` is one operation, compiled; its `request` is a value.

Not here: sending (`provider`), authentication, and what the answer means (`answers`).

Errors: Misconfigured, naming the key and the variable; Permanent where a value cannot be sent in a header.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from hashlib import sha256
from hmac import new as hmac
from typing import ClassVar
from urllib.parse import unquote, urlencode
from zoneinfo import ZoneInfo

from mailhook.core.conference import Person, Spec
from mailhook.core.templates import OMIT, Leaf, Tree, UrlLeaf
from mailhook.errors import Misconfigured, Permanent
from mailhook.transport.shape import Operation, Table

PASSCODE_DIGITS = 6

_HEADER_VALUE = re.compile(r"[!-~]([ -~\t]*[!-~])?|")


@dataclass(frozen=True)
class Request:
    """`target`: path and query, below base_url, encoded; `content` b"": there is no body."""

    method: str
    target: str
    headers: Mapping[str, str] = field(repr=False)
    content: bytes = field(default=b"", repr=False)


class Group:
    """Several variables in one, in a template, which has to name one of them: `example`."""

    example: ClassVar[str]

    def __str__(self) -> str:
        raise TypeError(self.refusal("this"))

    @classmethod
    def refusal(cls, name: str) -> str:
        return f"{name} is a group of variables: name one of them, such as {cls.example}"


@dataclass(frozen=True)
class Someone(Group):
    """A person in a template. `login`: what stands before the @."""

    example = "owner.email"

    email: str
    name: str

    @property
    def login(self) -> str:
        return self.email.partition("@")[0]


@dataclass(frozen=True)
class Moment(Group):
    """An instant in a template: in UTC, and as a clock on the wall of the conference's zone shows it."""

    example = "start.utc"

    _there: datetime

    @property
    def utc(self) -> str:
        """RFC 3339 in UTC, whole seconds."""
        return self._there.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")

    @property
    def local(self) -> str:
        """ISO 8601 without offset."""
        return self._there.replace(tzinfo=None).isoformat(timespec="seconds")

    @property
    def offset(self) -> str:
        """RFC 3339 with the zone's offset from UTC."""
        return self._there.isoformat(timespec="seconds")

    @property
    def offset_minutes(self) -> int:
        offset = self._there.utcoffset()
        return int(offset.total_seconds() // 60) if offset else 0

    @property
    def unix(self) -> int:
        """Seconds since 1970."""
        return int(self._there.timestamp())

    def format(self, pattern: str) -> str:
        """Local time by strftime's codes."""
        return self._there.strftime(pattern)


@dataclass(frozen=True)
class Duration(Group):
    example = "duration.minutes"
    seconds: int

    @property
    def minutes(self) -> int:
        """Rounded up."""
        return -(-self.seconds // 60)


def passcode(key: str, secret: bytes) -> str:
    """Digits that follow from the key and the store's secret: a conference made anew has the same."""
    digest = hmac(secret, f"mailhook passcode {key}".encode(), sha256).digest()
    return f"{int.from_bytes(digest[:8]) % 10**PASSCODE_DIGITS:0{PASSCODE_DIGITS}d}"


def described(spec: Spec, participant: Tree) -> dict[str, object]:
    """The variables that tell what a conference should be; `participant` makes the items of the lists."""
    zone = _zone(spec.timezone)
    owner, others = _someone(spec.owner), [_someone(person) for person in spec.participants]

    def listed(people: list[Someone]) -> list[object]:
        items = [participant.value({"person": person, "omit": OMIT}) for person in people]
        return [item for item in items if item is not OMIT]

    return {
        "topic": spec.topic,
        "start": Moment(spec.start.astimezone(zone)),
        "end": Moment(spec.end.astimezone(zone)),
        "timezone": spec.timezone,
        "duration": Duration(int((spec.end - spec.start).total_seconds())),
        "owner": owner,
        "participants": listed(others),
        "everyone": listed([owner, *others]),
    }


def _zone(name: str) -> ZoneInfo:
    """UTC where the name is none of IANA's: the provider judges the name itself."""
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        return ZoneInfo("UTC")


def _someone(person: Person) -> Someone:
    return Someone(person.address, person.name)


def keyed(key: str, secret: bytes) -> dict[str, object]:
    """The variables of a conference whose key is known; `secret` is the store's."""
    return {"key": key, "passcode": passcode(key, secret)}


class Form:
    """One operation, compiled; `name` is its place in the settings."""

    def __init__(self, name: str, operation: Operation) -> None:
        self.name = name
        self.operation = operation
        self._path = UrlLeaf(operation.path)
        self._query = Tree(operation.query)
        self._headers = {name: Leaf(value) for name, value in operation.headers.items()}
        self._body = Tree(operation.body)

    def request(self, values: Mapping[str, object]) -> Request:
        values = {**values, "omit": OMIT}
        try:
            path, query = self._path.text(values), self._fields("query", self._query, values)
            headers = {name: self._header(name, leaf.text(values)) for name, leaf in self._headers.items()}
            kind, content = self._content(values)
        except Misconfigured as error:
            raise Misconfigured(f"{self.name}: {error}") from None
        self._refuse_detours(path)
        separator = "&" if "?" in path else "?"
        target = path.lstrip("/") + (f"{separator}{urlencode(query)}" if query else "")
        return Request(self.operation.method, target, {**kind, **headers}, content)

    def _refuse_detours(self, path: str) -> None:
        """What leaves the path that was meant (RFC 3986 §5.2.4), as a topic or an id may; servers decode first."""
        if not {".", ".."}.isdisjoint(unquote(path.partition("?")[0]).replace("\\", "/").split("/")):
            raise Permanent(
                f"{self.name}: the path cannot hold what stands in it: a part of it would be . or .."
            )

    def _header(self, name: str, value: str) -> str:
        if not fits_header(value):
            raise Permanent(f"the header {name} cannot hold what stands in this invitation")
        return value

    def _content(self, values: Mapping[str, object]) -> tuple[dict[str, str], bytes]:
        if not self.operation.body:
            return {}, b""
        if self.operation.encoding == "form":
            text = urlencode(self._fields("body", self._body, values), errors="replace")
            return {"Content-Type": "application/x-www-form-urlencoded"}, text.encode("ascii")
        try:
            text = json.dumps(self._body.value(values), ensure_ascii=False)
        except (TypeError, ValueError):
            raise Misconfigured("body: a leaf names a group of variables, not one of them") from None
        # A summary in a broken charset may hold lone surrogates, which have no UTF-8 form.
        return {"Content-Type": "application/json"}, text.encode("utf-8", "replace")

    def _fields(self, place: str, tree: Tree, values: Mapping[str, object]) -> list[tuple[str, str]]:
        filled = tree.value(values)
        assert isinstance(filled, dict)
        return [
            (name, _plain(f"{place}.{name}", item))
            for name, value in filled.items()
            for item in (value if isinstance(value, list) else [value])
        ]


def fits_header(value: str) -> bool:
    return _HEADER_VALUE.fullmatch(value) is not None


def _plain(place: str, value: object) -> str:
    match value:
        case bool():
            return "true" if value else "false"
        case str() | int() | float():
            return str(value)
        case None:
            return ""
        case _:
            raise Misconfigured(f"{place}: should be text, a number, or a list of those")


def login_values(username: str, password: str, token: str) -> Table:
    return {"username": username, "password": password, "token": token}
