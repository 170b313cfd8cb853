"""docs/failure-modes.md tells of every reason, decision, event and reply of ours, and of nothing else."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import mailhook
from mailhook import journal, relay
from mailhook.core import removal, sealing
from mailhook.smtp import replies
from mailhook.smtp.replies import Reply

PAGE = (Path(__file__).parents[2] / "docs" / "failure-modes.md").read_text(encoding="utf-8")
SECTIONS = {part.partition("\n")[0]: part for part in re.split(r"\n##+ ", PAGE)}
TREES = {
    path: ast.parse(path.read_text(encoding="utf-8")) for path in Path(mailhook.__file__).parent.rglob("*.py")
}

GIVEN_REASONS = {"Pass", "Defer", "NotOurs", "Leave", "Condemn", "Unwanted"}
"""What a verdict is made of: its first argument is the reason."""

REASON_MAKERS = {"may_act", "obstacle"}
"""Functions that return a reason, or ""."""

HANDED_ON = {"why", "fault", "reason", "plan.reason", "invitation.reason"}
"""Names under which a reason of one of those is handed on."""

ENCLOSED = {"signed", "pgp", *sealing._ENCLOSURES.values()}

ELSEWHERE = {
    "OPTED_OUT": {removal.OPTED_OUT},
    "sealed": {"signed", "pgp"},
    "sealing.enclosure(message)": ENCLOSED,
    "sealing.beginning(_beginning(content))": ENCLOSED,
    "f'method-{method.lower()}'": {"method-…"},
}
"""Reasons that are not written out where they are given."""

TAKEN_AWAY = {removal.LINK_REMOVED, removal.RESOURCE_REMOVED}
"""What `removal.taken_away` says, which hands on what is stored too."""


def calls(*names: str) -> Iterator[tuple[Path, ast.Call]]:
    for path, tree in TREES.items():
        for node in ast.walk(tree):
            match node:
                case ast.Call(func=ast.Name(id=name) | ast.Attribute(attr=name)) if name in names:
                    yield path, node
                case _:
                    pass


def texts(expression: ast.expr) -> Iterator[str]:
    """The reasons that `expression` may be; AssertionError for one that this test cannot follow."""
    match expression:
        case ast.Constant(value=str(text)):
            yield text
        case ast.BoolOp(values=values):
            for value in values:
                yield from texts(value)
        case ast.IfExp(body=one, orelse=other):
            yield from texts(one)
            yield from texts(other)
        case _:
            code = ast.unparse(expression)
            assert code in HANDED_ON | set(ELSEWHERE), f"where does the reason {code} come from?"
            yield from ELSEWHERE.get(code, ())


def reasons() -> set[str]:
    found = set(TAKEN_AWAY)
    for path, call in calls(*GIVEN_REASONS):
        if call.args and path.name != "preview.py":
            found |= set(texts(call.args[0]))
    for tree in TREES.values():
        for maker in ast.walk(tree):
            if isinstance(maker, ast.FunctionDef) and maker.name in REASON_MAKERS:
                returns = (node for node in ast.walk(maker) if isinstance(node, ast.Return))
                found |= {text for node in returns if node.value for text in texts(node.value)}
    return found - {""}


def events() -> set[str]:
    """`journal.event("name")`, and what logs under a name of its own."""
    found = {
        call.args[0].value
        for path, call in calls("event", "_tell", "_log", "error")
        for call.args in [call.args[1:] if ast.unparse(call.func) == "_log" else call.args]
        if ast.unparse(call.func) in {"journal.event", "self._tell", "_log", "_LOG.error"}
        if call.args and isinstance(call.args[0], ast.Constant) and isinstance(call.args[0].value, str)
    }
    return {name for name in found if " " not in name}


def decisions() -> set[str]:
    found: set[str] = set()
    for tree in TREES.values():
        for node in ast.walk(tree):
            match node:
                case ast.Assign(targets=[ast.Attribute(attr="decision")], value=value):
                    constants = (each for each in ast.walk(value) if isinstance(each, ast.Constant))
                    found |= {each.value for each in constants if isinstance(each.value, str)}
                case _:
                    pass
    return found


def first_cells(section: str, table: int = 0) -> list[str]:
    """What is named in the first column of a table, without its head."""
    tables = re.findall(r"^\|.*\n\|---.*\n((?:\|.*\n)+)", SECTIONS[section], re.MULTILINE)
    return [
        name for line in tables[table].splitlines() for name in re.findall(r"`([^`]+)`", line.split("|")[1])
    ]


def test_every_reason_is_explained() -> None:
    told = first_cells("Decisions", 1)
    assert set(told) == reasons()
    assert len(told) == len(set(told))


def test_every_decision_is_explained() -> None:
    assert set(first_cells("Decisions")) == decisions()


def test_every_event_is_explained() -> None:
    told = first_cells("Events")
    assert set(told) == events()
    assert len(told) == len(set(told))


def test_every_field_of_a_message_is_explained() -> None:
    names = {name for name in journal.Story.__dataclass_fields__ if not name.startswith("_")}
    assert set(first_cells("The line of a message")) == names - {"times"} | {"ms", "steps"}


def lines() -> set[str]:
    """What is logged in words, without what is put into it: the longest piece."""
    logged = (call.args[0] for _, call in calls("warning", "error", "exception") if call.args)
    formats = {
        node.value for node in logged if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }
    return {max(re.split("%[sdr]", text), key=len).strip(" ,:") for text in formats if "%" in text}


def own_replies() -> set[str]:
    values = [value for module in (replies, relay) for value in vars(module).values()]
    return {value.text for value in values if isinstance(value, Reply) and value.code >= 400}


def test_every_line_in_words_is_explained() -> None:
    assert lines()
    assert not {line for line in lines() if line not in SECTIONS["Events"]}


def test_every_reply_of_ours_is_explained() -> None:
    told = first_cells("What the mail server says")
    assert set(told) == own_replies() | {"451 4.4.1 …", "451 4.4.2 …"}
