"""Whether a transport can be used: every template is rendered against sample data before the first invitation comes.

What: `faults` finds all that is wrong, each with its key and what would be right.

Not here: single values (`shape`), and whether the provider agrees (`mailhook provider-test`).

Errors: none; what is wrong is a `Fault`.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from mailhook.core.conference import Person, Spec
from mailhook.core.templates import OMIT, Leaf, Tree, leaves, names
from mailhook.errors import Misconfigured, Permanent
from mailhook.transport.requests import Form, Group, Someone, described, fits_header, keyed, login_values
from mailhook.transport.shape import OPERATIONS, Operation, Transport, When

_START = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
SAMPLE = Spec(
    topic="Планёрка",
    start=_START,
    end=_START + timedelta(hours=1),
    timezone="Europe/Moscow",
    owner=Person("anna@example.org", "Анна"),
    participants=(Person("boris@example.org", "Борис"), Person("guest@example.com")),
)
BARE = replace(SAMPLE, topic="", owner=Person("anna@example.org"), participants=())
"""The least that an invitation may tell."""

KEY = "0123456789abcdef0123456789abcdef"
ALWAYS: Mapping[str, object] = {
    **login_values("user", "password", "token"),
    "base_url": "https://videomost.example.org",
    "mode": "discussion",
    "omit": OMIT,
}
PICKED = frozenset({"id", "passcode", "key", "base_url", "answer"})


@dataclass(frozen=True)
class Fault:
    """`key` is relative to [provider.videomost]; `value` is what stands there, "" where nothing does."""

    key: str
    value: str
    message: str


def faults(transport: Transport) -> list[Fault]:
    """All that is wrong."""
    return [*_missing(transport), *_conditions(transport), *_templates(transport), *_answers(transport)]


def _missing(transport: Transport) -> Iterator[Fault]:
    operations, answer, can = transport.operations, transport.answer, transport.capabilities
    if not operations.create.method:
        yield Fault("operations.create.method", "", "should be given: nothing could be created")
    for name in OPERATIONS:
        operation = getattr(operations, name)
        if operation.method in {"GET", "HEAD"} and operation.body:
            yield Fault(f"operations.{name}.body", "", f"should not be given: {operation.method} has none")
    for name in ("id", "link"):
        if not getattr(answer, name):
            yield Fault(f"answer.{name}", "", "should say where in the answer it stands")
    finds = bool(operations.find.method)
    if finds and not can.chooses_id and not answer.key:
        why = "should say where a found conference bears our key: others' conferences would be taken for ours"
        yield Fault("answer.key", "", why)
    if can.chooses_id and not can.repeats_create and not finds:
        why = "should be given: without repeats_create mailhook looks before it creates"
        yield Fault("operations.find.method", "", why)
    yield from _missing_auth(transport)


def _missing_auth(transport: Transport) -> Iterator[Fault]:
    auth = transport.auth
    match auth.kind:
        case "basic" if not auth.username:
            yield Fault("auth.username", "", 'should be given with kind "basic"')
        case "login" if not auth.login.method:
            yield Fault("auth.login.method", "", 'should be given with kind "login"')
        case _:
            pass


def _conditions(transport: Transport) -> Iterator[Fault]:
    for name in OPERATIONS:
        operation = getattr(transport.operations, name)
        for kind in ("unknown_owner", "gone", "temporary", "misconfigured", "permanent", "success"):
            yield from _boundless(f"operations.{name}.{kind}", getattr(operation, kind))
    yield from _boundless("auth.expired", transport.auth.expired)


def _boundless(place: str, conditions: tuple[When, ...]) -> Iterator[Fault]:
    for index, when in enumerate(conditions):
        if when == When(equals=when.equals):
            why = "should name a status, a pointer, a text or is_json: every answer would fit"
            yield Fault(f"{place}[{index}]", "", why)


# --- templates ------------------------------------------------------------------------------------------------


def values_of(name: str, transport: Transport, spec: Spec) -> dict[str, object]:
    """What the templates of an operation may name, with sample values."""
    known = {"id": KEY, **(keyed(KEY, b"") if transport.capabilities.chooses_id else {})}
    match name:
        case "create":
            return {**ALWAYS, **described(spec, Tree(transport.participant)), **keyed(KEY, b"")}
        case "update":
            return {**ALWAYS, **described(spec, Tree(transport.participant)), **known}
        case "delete":
            return {**ALWAYS, **known}
        case "find":
            return {**ALWAYS, **keyed(KEY, b"")}
        case _:
            return dict(ALWAYS)


def _templates(transport: Transport) -> Iterator[Fault]:
    person = {"person": Someone("guest@example.com", ""), "omit": OMIT}
    broken = list(_leaf_faults("participant", transport.participant, [person]))
    yield from broken
    usable = transport if not broken else transport.model_copy(update={"participant": {}})
    for name in OPERATIONS:
        operation = getattr(transport.operations, name)
        if operation.method:
            samples = [values_of(name, usable, spec) for spec in (SAMPLE, BARE)]
            yield from _operation(f"operations.{name}", operation, samples)
    auth = transport.auth
    if auth.kind == "login":
        yield from _operation("auth.login", auth.login, [dict(ALWAYS)])
    if auth.kind in {"header", "login"}:
        session = {"session": "session"} if auth.session else {}
        if auth.session or auth.kind == "header":
            yield from _leaf_faults("auth.value", auth.value, [{**ALWAYS, **session}])


def _operation(place: str, operation: Operation, samples: list[dict[str, object]]) -> Iterator[Fault]:
    parts = {
        "path": operation.path,
        "query": operation.query,
        "headers": operation.headers,
        "body": operation.body,
    }
    found = [
        fault for part, source in parts.items() for fault in _leaf_faults(f"{place}.{part}", source, samples)
    ]
    yield from found
    if not found:
        yield from _as_a_whole(place, operation, samples)


def _leaf_faults(place: str, source: object, samples: list[dict[str, object]]) -> Iterator[Fault]:
    for where, text in leaves(source, place):
        try:
            leaf = Leaf(text)
            groups = [value for sample in samples if isinstance(value := leaf.value(sample), Group)]
            if groups:
                yield Fault(where, text, groups[0].refusal(text.strip("{}- ")))
        except Misconfigured as error:
            yield Fault(where, text, str(error))


def _as_a_whole(place: str, operation: Operation, samples: list[dict[str, object]]) -> Iterator[Fault]:
    try:
        for sample in samples:
            Form(place, operation).request(sample)
    except Misconfigured as error:
        key, _, why = str(error).partition(": ")
        part, _, rest = why.partition(": ")
        yield Fault(f"{key}.{part}", "", rest)
    except Permanent as error:
        yield from _headers(place, operation, samples) or [Fault(f"{place}.path", operation.path, str(error))]


def _headers(place: str, operation: Operation, samples: list[dict[str, object]]) -> list[Fault]:
    why = "a header cannot hold what stands in an invitation, such as letters beyond ASCII"
    return [
        Fault(f"{place}.headers.{name}", text, why)
        for name, text in operation.headers.items()
        if not all(fits_header(Leaf(text).text(sample)) for sample in samples)
    ]


def _answers(transport: Transport) -> Iterator[Fault]:
    rules = transport.answer
    for name in ("id", "link", "passcode", "host_link", "dial_in", "key", "code"):
        yield from _picks(f"answer.{name}", getattr(rules, name), PICKED)
    if transport.auth.kind == "login":
        yield from _picks("auth.session", transport.auth.session, frozenset({"answer"}))


def _picks(place: str, picks: tuple[str, ...], known: frozenset[str]) -> Iterator[Fault]:
    """Pointers and patterns were looked at when they were read; what a template finds depends on the answer."""
    for pick in picks:
        if pick.startswith(("/", "~")):
            continue
        try:
            Leaf(pick)
            unknown = names(pick) - known
        except Misconfigured as error:
            yield Fault(place, pick, str(error))
            continue
        for variable in sorted(unknown):
            yield Fault(place, pick, f"there is no variable {variable}")
