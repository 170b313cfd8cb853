"""Every reason of the log is explained on the status page, in both languages."""

import ast
from collections.abc import Iterator
from pathlib import Path

from mailhook.core.removal import LINK_REMOVED, OPTED_OUT, RESOURCE_REMOVED
from mailhook.core.watch import CANCELLED, GONE
from mailhook.front.status_words import REASONS, WORDS, reason
from mailhook.meter import METHODS
from mailhook.ports import AMISS

CODE = Path(__file__).parents[1] / "mailhook"
VERDICTS = {"Pass", "Defer", "NotOurs", "Leave", "Unwanted"}
JUDGES = {"may_act", "obstacle"}
"""Functions that return a reason."""

HIDING = {"encrypted", "signed", "pgp", "tnef", "partial"}
"""What `core.sealing` says."""


def reasons() -> Iterator[str]:
    """The constants that code gives as reasons."""
    for path in CODE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            match node:
                case ast.Call(func=ast.Name(id=name), args=[told, *_]) if name in VERDICTS:
                    yield from constants(told)
                case ast.FunctionDef(name=name) if name in JUDGES:
                    yield from returned(node)
                case _:
                    pass


def returned(function: ast.FunctionDef) -> Iterator[str]:
    for node in ast.walk(function):
        if isinstance(node, ast.Return) and node.value is not None:
            yield from constants(node.value)


def constants(value: ast.expr) -> Iterator[str]:
    """Texts in it, but for the beginning of one that is put together (`method-`)."""
    for node in ast.walk(value):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and not node.value.endswith("-"):
            yield from filter(None, [node.value])


def test_every_reason_is_explained() -> None:
    known = {*reasons(), LINK_REMOVED, OPTED_OUT, RESOURCE_REMOVED, GONE, CANCELLED, *HIDING}
    known |= {f"method-{method}" for method in METHODS if method != "add"}
    assert len(known) > 35
    assert known - {"ordinary"} == set(REASONS)
    assert set(AMISS) <= set(REASONS)
    for name in REASONS:
        for language in WORDS:
            assert reason(name, language)


def test_another_reason_says_it_itself() -> None:
    assert reason("method-other", "ru") == ""
