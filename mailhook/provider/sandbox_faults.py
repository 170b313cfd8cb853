"""How the sandbox misbehaves when a test asks for it.

What: `Fault`, one per operation of OPERATIONS, and its form in JSON.

Not here: carrying it out (sandbox).

Errors: `parse_faults` raises RefusedError (422).
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields

from mailhook.provider.sandbox_rooms import RefusedError

OPERATIONS = ("create", "update", "delete", "find", "ping")

_CODES = {401: "unauthorized", 404: "unknown_conference", 410: "deleted_conference", 422: "invalid"}


@dataclass(frozen=True)
class Fault:
    """How an operation misbehaves.

    `delay`: seconds before anything is done; `status`, `code`, `body`: answered instead of carrying the request out
    (`code` goes into the JSON error, `body` is the whole text); `fail_after`: it is carried out first, and without a
    status or body the connection is cut and no answer given; `truncate`: half of the answer, then the end of the
    connection; `trickle`: seconds before each byte of the answer's body; `times`: how often (0: until taken away).
    """

    delay: float = 0.0
    status: int = 0
    code: str = ""
    body: str | None = None
    fail_after: bool = False
    truncate: bool = False
    trickle: float = 0.0
    times: int = 0

    @property
    def replaces(self) -> bool:
        """Another answer than the true one is given."""
        return bool(self.status) or self.body is not None

    @property
    def error_code(self) -> str:
        return self.code or _CODES.get(self.status, "fault")


def parse_faults(document: Mapping[str, object]) -> dict[str, Fault]:
    """Faults by operation, from {"create": {"delay": 2, "times": 1}, …}."""
    kinds = {field.name: type(field.default) for field in fields(Fault)} | {"body": str}
    faults: dict[str, Fault] = {}
    for operation, given in document.items():
        if operation not in OPERATIONS or not isinstance(given, dict) or not given.keys() <= kinds.keys():
            raise RefusedError(
                422, "invalid", f"faults are {', '.join(OPERATIONS)}, each with {', '.join(kinds)}"
            )
        for name, value in given.items():
            if not _fits(value, kinds[name]):
                raise RefusedError(422, "invalid", f"{name} must be of type {kinds[name].__name__}")
        faults[operation] = Fault(**given)
    return faults


def _fits(value: object, kind: type) -> bool:
    if isinstance(value, bool) or kind is bool:
        return isinstance(value, bool) and kind is bool
    return isinstance(value, (int, float) if kind is float else kind)
