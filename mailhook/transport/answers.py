"""What an answer means, and what stands in it.

What: `Reply` is an HTTP answer; `judged` says what it means for an operation; `Reader` finds the join details in it. An
answer is not believed because its status says 200: it must be whole, be about the key that was asked for, and bear a
link that may be sent out.

Not here: requests (`requests`), what may stand in a mail (`credible`), and what an error does (flight, sync).

Errors: Unusable for an answer that cannot be true, with a sentence that holds nothing of what the server wrote.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from functools import cached_property

from mailhook.core.conference import Found, JoinDetails
from mailhook.core.templates import Leaf
from mailhook.errors import Misconfigured, Unusable
from mailhook.transport.credible import checked, checked_link
from mailhook.transport.shape import Answer, Operation, When

AGAIN = (408, 425, 429)
"""Statuses of the class 4xx that say: later."""

_CODE = re.compile(r"[a-zA-Z0-9_.-]{1,64}")


class _Missing:
    """The type of MISSING."""


MISSING = _Missing()


class Meaning(Enum):
    """What an answer says; the values are the names of the conditions in `Operation`."""

    UNKNOWN_OWNER = "unknown_owner"
    GONE = "gone"
    TEMPORARY = "temporary"
    MISCONFIGURED = "misconfigured"
    PERMANENT = "permanent"
    SUCCESS = "success"


@dataclass(frozen=True)
class Reply:
    """An HTTP answer; `content` is its whole body."""

    status: int
    content: bytes

    @property
    def ok(self) -> bool:
        return 200 <= self.status < 300

    @cached_property
    def document(self) -> object:
        """The body as JSON; MISSING if it is none."""
        try:
            return json.loads(self.content)
        except (ValueError, RecursionError):
            return MISSING

    @cached_property
    def text(self) -> str:
        return self.content.decode("utf-8", "replace")

    @property
    def is_object(self) -> bool:
        return isinstance(self.document, dict)


def at(document: object, pointer: str) -> object:
    """What stands at a JSON pointer (RFC 6901); MISSING if nothing does."""
    for token in pointer.split("/")[1:]:
        name = token.replace("~1", "/").replace("~0", "~")
        if isinstance(document, dict) and name in document:
            document = document[name]
        elif isinstance(document, list) and re.fullmatch("0|[1-9][0-9]{0,8}", name):
            document = document[int(name)] if int(name) < len(document) else MISSING
        else:
            return MISSING
    return document


def holds(when: When, reply: Reply) -> bool:
    """Whether the condition is met."""
    found = at(reply.document, when.at) if when.at else None
    return (
        (not when.status or reply.status in when.status)
        and (when.is_json is None or when.is_json == reply.is_object)
        and (not when.at or (found is not MISSING and (when.equals is None or _same(found, when.equals))))
        and (not when.text or re.search(when.text, reply.text) is not None)
    )


def _same(found: object, wanted: object) -> bool:
    """Equal, and true is not 1."""
    return found == wanted and isinstance(found, bool) == isinstance(wanted, bool)


@dataclass(frozen=True)
class Judgement:
    """`why` is a part of a sentence, without anything that the server wrote but for its error code."""

    meaning: Meaning
    why: str = ""


def judged(operation: Operation, reply: Reply, code: str) -> Judgement:
    """By the operation's own conditions, then by the status; a success is looked at before it is believed."""
    said = f"answered {reply.status}" + (f" ({code})" if code else "")
    for meaning in Meaning:
        if (met := _met(getattr(operation, meaning.value), reply)) is not None:
            said = f"{said}: by the condition {meaning.value}[{met}]"
            break
    else:
        if reply.ok and operation.success:
            return Judgement(Meaning.TEMPORARY, f"{said}, but not what means success")
        meaning, why = _by_status(reply)
        said = f"{said}{why}"
    lie = _lie(operation, reply) if meaning is Meaning.SUCCESS else ""
    return Judgement(Meaning.TEMPORARY, lie) if lie else Judgement(meaning, said)


def _met(conditions: Sequence[When], reply: Reply) -> int | None:
    return next((number for number, when in enumerate(conditions) if holds(when, reply)), None)


def _by_status(reply: Reply) -> tuple[Meaning, str]:
    match reply.status:
        case status if 200 <= status < 300:
            return Meaning.SUCCESS, ""
        case 401 | 403:
            return Meaning.MISCONFIGURED, ": the token is not accepted"
        # Not the API's own "no such conference" (that is a JSON object): a proxy's page, or a wrong address.
        case 404 | 410 if not reply.is_object:
            return Meaning.MISCONFIGURED, " without JSON: no API at base_url"
        case status if 300 <= status < 400:
            return Meaning.MISCONFIGURED, ": base_url must not redirect"
        case status if status in AGAIN or not 400 <= status < 500:
            return Meaning.TEMPORARY, ""
        case _:
            return Meaning.PERMANENT, ""


def _lie(operation: Operation, reply: Reply) -> str:
    """Why a success is none, or ""."""
    match operation.expects:
        case "json" if not reply.is_object and reply.status != 204:
            return "the answer is not a JSON object"
        case "list" if not isinstance(reply.document, list):
            return "the answer is not a JSON list"
        case _:
            return ""


class Reader:
    """Finds in an answer what `rules` name; `base` are the variables that a template may use besides.

    `link_hosts`: the hosts that a join link may name, in lower case.
    """

    def __init__(self, rules: Answer, base: Mapping[str, object], link_hosts: frozenset[str]) -> None:
        self._rules = rules
        self._base = base
        self._link_hosts = link_hosts
        named = (
            *rules.id,
            *rules.link,
            *rules.passcode,
            *rules.host_link,
            *rules.dial_in,
            *rules.key,
            *rules.code,
        )
        self._leaves = {pick: Leaf(pick) for pick in named if _is_template(pick)}

    def code(self, reply: Reply) -> str:
        """The error code, if it is one that may stand in a log."""
        code = self._first(self._rules.code, reply, reply.document, {})
        return code if isinstance(code, str) and _CODE.fullmatch(code) else ""

    def value(self, picks: tuple[str, ...], reply: Reply) -> str:
        """A text or number that one of `picks`, which are among the rules, finds; else ""."""
        found = self._first(picks, reply, reply.document, {})
        return str(found) if isinstance(found, str | int) and not isinstance(found, bool) else ""

    def secrets(self, reply: Reply) -> Iterator[str]:
        """What the rules say to open a room, in an answer of any kind, whether it can be used or not."""
        listed = at(reply.document, self._rules.items) if self._rules.items else reply.document
        rules = self._rules
        for item in (reply.document, *(listed if isinstance(listed, list) else ())):
            for pick in (*rules.link, *rules.host_link, *rules.passcode, *rules.dial_in):
                found = self._first((pick,), reply, item, {})
                if isinstance(found, str | int) and not isinstance(found, bool):
                    yield str(found)

    def is_about(self, reply: Reply, conference_id: str) -> bool:
        """Whether an answer that need not name a conference names no other one."""
        return self.named(reply) in {"", conference_id}

    def named(self, reply: Reply) -> str:
        """The id of the conference that an answer is about; "" where it names none."""
        return self.value(self._rules.id, reply)

    def details(self, reply: Reply, known: Mapping[str, object], *, own_id: str) -> JoinDetails:
        """The room in an answer about one; `own_id`: the id that we have chosen, or ""."""
        return self._room(reply, reply.document, known, own_id)

    def bearing(
        self, reply: Reply, known: Mapping[str, object], key: str, *, own_id: str
    ) -> tuple[Found, ...]:
        """The rooms in an answer to find that bear `key`: what is found by likeness only is somebody else's."""
        items = self._items(reply)
        if own_id:
            mine = [item for item in items if self._first(self._rules.id, reply, item, known) == own_id]
            items = mine if self._listed(reply) else items
        else:
            items = [item for item in items if self._bears(reply, item, known, key)]
        return tuple(self._found_room(reply, item, known, own_id) for item in items)

    def _found_room(self, reply: Reply, item: object, known: Mapping[str, object], own_id: str) -> Found:
        """An id is enough to remove a room by, whatever the rest is like."""
        name = self._id(reply, item, known, own_id)
        try:
            return Found(name, self._room(reply, item, known, own_id))
        except Unusable as error:
            return Found(name, why=str(error))

    def _listed(self, reply: Reply) -> bool:
        return bool(self._rules.items) or isinstance(reply.document, list)

    def _items(self, reply: Reply) -> list[object]:
        if not self._listed(reply):
            return [reply.document]
        items = at(reply.document, self._rules.items) if self._rules.items else reply.document
        if not isinstance(items, list):
            raise Unusable("the answer holds no list of conferences")
        return items

    def _bears(self, reply: Reply, item: object, known: Mapping[str, object], key: str) -> bool:
        found = self._first(self._rules.key, reply, item, known)
        return isinstance(found, str) and key in found

    def _id(self, reply: Reply, item: object, known: Mapping[str, object], own_id: str) -> str:
        name = self._first(self._rules.id, reply, item, known)
        name = str(name) if isinstance(name, int) and not isinstance(name, bool) else name
        if own_id and name != own_id:
            raise Unusable("the answer is about another conference")
        return checked("id of the conference", name)

    def _room(self, reply: Reply, item: object, known: Mapping[str, object], own_id: str) -> JoinDetails:
        name = self._id(reply, item, known, own_id)
        passcode = checked(
            "passcode", self._optional(self._rules.passcode, reply, item, {**known, "id": name})
        )
        known = {**known, "id": name, "passcode": passcode}
        link = checked_link(self._first(self._rules.link, reply, item, known), self._link_hosts)
        host_link = self._optional(self._rules.host_link, reply, item, known)
        if host_link:
            host_link = checked_link(host_link, self._link_hosts, "host link")
        dial_in = checked("dial-in", self._optional(self._rules.dial_in, reply, item, known))
        return JoinDetails(name, link, passcode, str(host_link), dial_in)

    def _optional(
        self, picks: tuple[str, ...], reply: Reply, item: object, known: Mapping[str, object]
    ) -> object:
        found = self._first(picks, reply, item, known)
        return "" if found is MISSING else found

    def _first(
        self, picks: tuple[str, ...], reply: Reply, item: object, known: Mapping[str, object]
    ) -> object:
        return next(
            (found for found in self._candidates(picks, reply, item, known) if found is not MISSING), MISSING
        )

    def _candidates(
        self, picks: tuple[str, ...], reply: Reply, item: object, known: Mapping[str, object]
    ) -> Iterator[object]:
        for pick in picks:
            if pick.startswith("~"):
                found = re.search(pick[1:], reply.text)
                yield found[1 if found.re.groups else 0] if found else MISSING
            elif _is_template(pick):
                yield self._rendered(pick, {**self._base, **known, "answer": item})
            else:
                yield at(item, pick)

    def _rendered(self, pick: str, values: Mapping[str, object]) -> object:
        try:
            return self._leaves[pick].text(values) or MISSING
        except Misconfigured:
            # `check` has tried it with an answer that holds all: this one lacks something.
            return MISSING


def _is_template(pick: str) -> bool:
    return "{{" in pick and not pick.startswith(("/", "~"))
