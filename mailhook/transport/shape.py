"""How a provider is spoken to over HTTP, as data: the sections below `[provider.videomost]`.

What: frozen models of what stands in TOML. The same models serve for a preset, for what an administrator lays over it,
and for the `Transport` that comes of both.

Not here: presets (`presets`), requests (`requests`), answers (`answers`), whether templates can be rendered (`trying`).

Errors: pydantic's ValidationError, whose texts say what would be right.
"""

import re
from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, StrictBool

from mailhook.core.templates import Leaf
from mailhook.errors import Misconfigured

OPERATIONS = ("create", "update", "delete", "find", "ping")
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD")

Table = Mapping[str, object]

_TOKEN = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_KINDS = {"1xx": 1, "2xx": 2, "3xx": 3, "4xx": 4, "5xx": 5}


def _statuses(value: object) -> object:
    """200, [200, 201], "5xx"; every status is spelt out."""
    given = value if isinstance(value, list | tuple) else (value,)
    known: list[int] = []
    for item in given:
        if isinstance(item, str) and item in _KINDS:
            known += range(_KINDS[item] * 100, _KINDS[item] * 100 + 100)
        elif isinstance(item, int) and not isinstance(item, bool) and 100 <= item <= 599:
            known.append(item)
        else:
            raise ValueError('should be a status such as 404, "5xx", or a list of those')
    return tuple(known)


def _method(value: str) -> str:
    if value and value not in METHODS:
        raise ValueError(f"should be one of {', '.join(METHODS)}, or empty: there is no such operation then")
    return value


def is_pointer(text: str) -> bool:
    """Whether `text` is a JSON pointer (RFC 6901) other than that of the whole document."""
    return text.startswith("/") and not re.search(r"~(?![01])", text)


def _pointer(value: str) -> str:
    if value and not is_pointer(value):
        raise ValueError('should be a JSON pointer such as "/data/id"')
    return value


def _pattern(value: str) -> str:
    try:
        re.compile(value)
    except re.error as error:
        raise ValueError(f"should be a regular expression: {error}") from None
    return value


def _picks(value: object) -> object:
    given = value if isinstance(value, list | tuple) else (value,) if value != "" else ()
    for item in given:
        if not isinstance(item, str) or not item:
            raise ValueError('should be text such as "/data/id", or a list of those')
        if item.startswith("~"):
            _pattern(item[1:])
        elif not is_pointer(item) and "{{" not in item:
            raise ValueError(
                'should be a JSON pointer such as "/data/id", a regular expression such as "~id=([0-9]+)", '
                'or a template such as "{{ base_url }}/join/{{ id }}"'
            )
    return tuple(given)


def _header(value: str) -> str:
    if not _TOKEN.fullmatch(value):
        raise ValueError("should be the name of an HTTP header")
    return value


def _item(value: object) -> object:
    if not isinstance(value, str | Mapping):
        raise ValueError('should be a table, or text such as "{{ person.email }}"')
    return value


def _template(value: str) -> str:
    try:
        Leaf(value)
    except Misconfigured as error:
        raise ValueError(str(error)) from None
    return value


Statuses = Annotated[tuple[int, ...], BeforeValidator(_statuses)]
Method = Annotated[str, AfterValidator(_method)]
Pointer = Annotated[str, AfterValidator(_pointer)]
Pattern = Annotated[str, AfterValidator(_pattern)]
Picks = Annotated[tuple[str, ...], BeforeValidator(_picks)]
Header = Annotated[str, AfterValidator(_header)]
Item = Annotated[object, AfterValidator(_item)]
Text = Annotated[str, AfterValidator(_template)]


class Overlay(BaseModel):
    """A section of which only what is given counts: it is laid over that of the preset."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class When(Overlay):
    """A condition on an answer; all that is given must hold.

    `status`: one of these; `at`, `equals`: what stands at a JSON pointer (without `equals`: that something stands
    there); `text`: a regular expression that is found in the body; `is_json`: the body is a JSON object, or is none.
    """

    status: Statuses = ()
    at: Pointer = ""
    equals: str | int | bool | float | None = None
    text: Pattern = ""
    is_json: StrictBool | None = None


class Operation(Overlay):
    """One request, and what its answers mean beyond what their status says. `method` "": there is no such operation.

    `path` follows base_url; what a template puts into it is percent-encoded. `body` {}: none is sent. `expects`: what
    a success must hold for it to be believed. The conditions are looked at in the order in which they stand here.
    """

    method: Method = ""
    path: Text = ""
    query: Table = Field(default_factory=dict)
    headers: Mapping[Header, Text] = Field(default_factory=dict)
    body: Table = Field(default_factory=dict)
    encoding: Literal["json", "form"] = "json"
    expects: Literal["json", "list", "text", "nothing"] = "json"
    unknown_owner: tuple[When, ...] = ()
    gone: tuple[When, ...] = ()
    temporary: tuple[When, ...] = ()
    misconfigured: tuple[When, ...] = ()
    permanent: tuple[When, ...] = ()
    success: tuple[When, ...] = ()


class Operations(Overlay):
    """What can be asked of the provider."""

    create: Operation = Operation()
    update: Operation = Operation()
    delete: Operation = Operation()
    find: Operation = Operation()
    ping: Operation = Operation()


class Auth(Overlay):
    """How mailhook shows who it is.

    bearer: `Authorization: Bearer TOKEN`; basic: `username` and `password`; header: `value` in `header`; login: the
    request `login`, whose answer holds a `session` (empty: it sets a cookie), which is then shown as `value` in
    `header`, and renewed when it is answered 401, or as a condition in `expired` says.
    """

    kind: Literal["none", "bearer", "basic", "header", "login"] = "none"
    username: str = ""
    password: str = Field(default="", repr=False)
    password_file: str = ""
    header: Header = "Authorization"
    value: Text = "{{ token }}"
    session: Picks = ()
    expired: tuple[When, ...] = ()
    login: Operation = Operation()


class Answer(Overlay):
    """Where in an answer what stands: JSON pointers, regular expressions ("~…"), or templates; the first that is there.

    `items`: the list in an answer to find, if it is one; `key`: what must hold the key that we look for.
    """

    id: Picks = ()
    link: Picks = ()
    passcode: Picks = ()
    host_link: Picks = ()
    dial_in: Picks = ()
    items: Pointer = ""
    key: Picks = ()
    code: Picks = ()


class Capabilities(Overlay):
    """What the provider can do.

    `chooses_id`: the id is ours; `repeats_create`: to create again under that id is harmless (else mailhook looks
    first); `updates_keep_link`: else nothing is ever updated; `sends_mail`: it mails the participants by itself.
    """

    chooses_id: StrictBool = False
    repeats_create: StrictBool = False
    updates_keep_link: StrictBool = True
    sends_mail: StrictBool = False


class Transport(Overlay):
    """All of it. `participant`: what becomes of each `person` in the list `participants`."""

    auth: Auth = Auth()
    capabilities: Capabilities = Capabilities()
    operations: Operations = Operations()
    answer: Answer = Answer()
    participant: Item = Field(default_factory=dict)
