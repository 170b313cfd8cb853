"""How the sandbox misbehaves when a test asks for it.

What: `Fault`, one per operation of OPERATIONS, and its form in JSON.

Not here: carrying it out (sandbox).

Errors: `parse_faults` raises RefusedError (422).
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace

from mailhook.provider.sandbox_rooms import RefusedError

OPERATIONS = ("create", "update", "delete", "find", "ping")
ALL = "all"

BOUNDS: Mapping[str, tuple[float, float]] = {
    "delay": (0, 3600),
    "trickle": (0, 60),
    "status": (200, 599),
    "times": (1, 1_000_000),
}
"""The least and the most of each number, beside 0."""

_CODES = {401: "unauthorized", 404: "unknown_conference", 410: "deleted_conference", 422: "invalid"}


@dataclass(frozen=True)
class Fault:
    """How an operation misbehaves.

    `delay`: seconds before anything is done; `drop`: the connection is cut, and nothing done; `status`, `code`, `body`:
    answered instead of carrying the request out (`code` goes into the JSON error, `body` is the whole text);
    `fail_after`: it is carried out first, and without a status or body the connection is cut and no answer given;
    `wrong`: fields that take the place of those in the true answer; `truncate`: half of the answer, then the end of the
    connection; `trickle`: seconds before each byte of the answer's body; `if_ended`: only a conference whose end has
    passed, which is refused unless something else is asked for; `times`: how often (0: until taken away).
    """

    delay: float = 0.0
    drop: bool = False
    status: int = 0
    code: str = ""
    body: str | None = None
    fail_after: bool = False
    wrong: Mapping[str, object] | None = None
    truncate: bool = False
    trickle: float = 0.0
    if_ended: bool = False
    times: int = 0

    @property
    def replaces(self) -> bool:
        """Another answer than the true one is given."""
        return bool(self.status) or self.body is not None or self._refuses_ended

    @property
    def answer_status(self) -> int:
        """Of the answer that is given instead of the true one."""
        return self.status or (409 if self._refuses_ended else 200)

    @property
    def error_code(self) -> str:
        return self.code or ("ended_conference" if self.if_ended else _CODES.get(self.status, "fault"))

    @property
    def _refuses_ended(self) -> bool:
        nothing_else = replace(self, delay=0.0, code="", times=0) == Fault(if_ended=True)
        return self.if_ended and nothing_else

    def falsified(self, content: bytes) -> bytes:
        """The true answer with the fields of `wrong`."""
        document = json.loads(content) if content else {}
        return json.dumps(document | dict(self.wrong or {}), ensure_ascii=False).encode()


def parse_faults(document: Mapping[str, object]) -> dict[str, Fault]:
    """Faults by operation, from {"create": {"delay": 2, "times": 1}, …}; "all" stands for those that are not named."""
    kinds = {field.name: type(field.default) for field in fields(Fault)} | {"body": str, "wrong": dict}
    faults: dict[str, Fault] = {}
    for operation, given in document.items():
        if (
            operation not in (*OPERATIONS, ALL)
            or not isinstance(given, dict)
            or not given.keys() <= kinds.keys()
        ):
            raise RefusedError(
                422, "invalid", f"faults are {', '.join((*OPERATIONS, ALL))}, each with {', '.join(kinds)}"
            )
        for name, value in given.items():
            if not _fits(value, kinds[name]):
                raise RefusedError(422, "invalid", f"{name} must be of type {kinds[name].__name__}")
            if name in BOUNDS and not (value == 0 or BOUNDS[name][0] <= value <= BOUNDS[name][1]):
                least, most = BOUNDS[name]
                raise RefusedError(422, "invalid", f"{name} must be 0, or from {least} to {most}")
        faults[operation] = Fault(**given)
    common = faults.pop(ALL, None)
    return faults if common is None else dict.fromkeys(OPERATIONS, common) | faults


def _fits(value: object, kind: type) -> bool:
    if isinstance(value, bool) or kind is bool:
        return isinstance(value, bool) and kind is bool
    return isinstance(value, (int, float) if kind is float else kind)
