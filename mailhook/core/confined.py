"""Templates that an administrator writes, confined: they fill in texts and can do nothing else.

What: `Sources` holds texts by "folder/file"; `tried` parses one, refuses what it must not contain, and renders it with
samples. A template shows variables, chooses (`if`), goes through a list (`for`), and applies the filters below. It
calls nothing, reads no attributes, calculates nothing, and one `for` does not stand in another: so what it costs is
bounded by its own length, and there is nothing to be stopped by a clock. The sandbox behind all this is Jinja's.

Not here: what the texts say (`wording`, `notice_wording`), templates in data (`templates`).

Errors: Misconfigured, naming the template, the line, and what is wrong there.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import TracebackType

from jinja2 import DictLoader, StrictUndefined, Template, TemplateSyntaxError, meta, nodes, pass_eval_context
from jinja2.exceptions import SecurityError
from jinja2.filters import FILTERS
from jinja2.runtime import LoopContext
from jinja2.sandbox import ImmutableSandboxedEnvironment

from mailhook.core.dates import Moment
from mailhook.core.templates import FAULTS
from mailhook.errors import Misconfigured

LONGEST_SOURCE = 64 * 1024
LONGEST_OUTPUT = 64 * 1024
"""Characters of a template, and of what comes of it."""

_PLAIN_FILTERS = (
    *("capitalize", "default", "d", "escape", "e", "first", "last", "length", "lower"),
    *("title", "trim", "truncate", "upper", "urlencode"),
)

_ARITHMETIC = (nodes.Add, nodes.Sub, nodes.Mul, nodes.Div, nodes.FloorDiv, nodes.Mod, nodes.Pow)

_REFUSED: Mapping[type[nodes.Node], str] = {
    nodes.Call: "a template calls nothing; for a filter write {{ value | filter }}",
    nodes.Macro: "a template has no macros",
    nodes.CallBlock: "a template calls nothing",
    nodes.Import: "a template imports nothing; use include",
    nodes.FromImport: "a template imports nothing; use include",
    nodes.Extends: "a template extends no other one; use include",
    nodes.Block: "a template has no blocks",
    nodes.With: "a template has no with; use set",
    nodes.AssignBlock: "set takes one value: {% set name = value %}",
    nodes.FilterBlock: "a filter stands behind a value: {{ value | filter }}",
    nodes.EvalContextModifier: "a template does not switch escaping off",
    **dict.fromkeys(_ARITHMETIC, "a template calculates nothing; texts are joined by ~"),
}

_GROWING = (nodes.Concat, nodes.List, nodes.Tuple, nodes.Dict)
"""What could double a value with every `set`."""


class _Environment(ImmutableSandboxedEnvironment):
    """Nothing can be called, and only the variable of a `for` has attributes."""

    def is_safe_attribute(self, obj: object, attr: str, value: object) -> bool:
        return isinstance(obj, LoopContext) and super().is_safe_attribute(obj, attr, value)

    def is_safe_callable(self, obj: object) -> bool:  # noqa: ARG002 - nothing is
        return False


class Text:
    """A compiled template."""

    def __init__(self, name: str, template: Template) -> None:
        self._name, self._template = name, template

    def render(self, values: Mapping[str, object]) -> str:
        """Raises Misconfigured where more than LONGEST_OUTPUT comes of it, or what it shows cannot be shown."""
        pieces, size = [], 0
        try:
            for piece in self._template.generate(values):
                size += len(piece)
                if size > LONGEST_OUTPUT:
                    raise Misconfigured(
                        f"template {self._name}: more than {LONGEST_OUTPUT} characters come of it"
                    )
                pieces.append(piece)
        except FAULTS as error:
            raise _fault(self._name, _template_line(error.__traceback__, self._name), str(error)) from error
        return "".join(pieces)


class Faults:
    """What is wrong with several templates, told at once: a line for each."""

    def __init__(self) -> None:
        self._found: list[str] = []

    @contextmanager
    def gathered(self) -> Iterator[None]:
        """Keeps a Misconfigured for `tell`."""
        try:
            yield
        except Misconfigured as fault:
            self._found.append(str(fault))

    def tell(self) -> None:
        """Raises Misconfigured if anything was gathered."""
        if self._found:
            raise Misconfigured("\n".join(self._found))


class Sources:
    """Texts by "folder/file"; those named *.html.j2 escape what is put into them."""

    def __init__(self, sources: Mapping[str, str]) -> None:
        self._sources = dict(sources)
        self._environment = _Environment(
            loader=DictLoader(self._sources),
            autoescape=lambda name: _is_html(str(name)),
            undefined=StrictUndefined,
            keep_trailing_newline=False,
            trim_blocks=False,
            lstrip_blocks=True,
        )
        own = {"date": _date, "time": _time, "join": _join}
        self._environment.filters = {**{name: FILTERS[name] for name in _PLAIN_FILTERS}, **own}
        self._environment.globals = {}

    def tried(self, name: str, samples: Sequence[Mapping[str, object]]) -> Text:
        """Looked through, compiled, and rendered once with each of the samples, which name all variables."""
        if name not in self._sources:
            raise Misconfigured(f"template missing: {name}")
        try:
            self._look_through(name, set(samples[0]))
            text = Text(name, self._environment.get_template(name))
            for sample in samples:
                text.render(sample)
        except (*FAULTS, RecursionError, SyntaxError, MemoryError) as error:
            raise _fault(name, _template_line(error.__traceback__, name), str(error)) from error
        return text

    def _look_through(self, name: str, variables: set[str]) -> None:
        """Raises Misconfigured for what a template, or one that it includes, must not contain."""
        parsed = self._parsed(name, variables)
        for include in parsed.find_all(nodes.Include):
            other = include.template
            if not (isinstance(other, nodes.Const) and isinstance(other.value, str)):
                raise _fault(name, include.lineno, 'include names one file, as "ru/body.txt.j2"')
            if other.value not in self._sources:
                raise _fault(name, include.lineno, f"there is no template {other.value}")
            if _is_html(name) != _is_html(other.value):
                raise _fault(name, include.lineno, "text includes text, and HTML includes HTML")
            if (nested := self._parsed(other.value, variables).find(nodes.Include)) is not None:
                raise _fault(other.value, nested.lineno, "a template that is included includes no other one")

    def _parsed(self, name: str, variables: set[str]) -> nodes.Template:
        source = self._sources[name]
        if len(source) > LONGEST_SOURCE:
            raise _fault(name, 0, f"is longer than {LONGEST_SOURCE} characters")
        try:
            parsed = self._environment.parse(source, name)
            for node, why in _refused(parsed):
                raise _fault(name, node.lineno, why)
            for node in parsed.find_all(nodes.Filter):
                if node.name not in self._environment.filters:
                    known = ", ".join(sorted(self._environment.filters))
                    raise _fault(name, node.lineno, f"there is no filter {node.name}; there are {known}")
            unknown = meta.find_undeclared_variables(parsed) - variables
        except TemplateSyntaxError as error:
            raise _fault(name, error.lineno, error.message or "is no template") from error
        for node in parsed.find_all(nodes.Name):
            if node.name in unknown:
                known = ", ".join(sorted(variables))
                raise _fault(name, node.lineno, f"there is no variable {node.name}; there are {known}")
        return parsed


def _refused(parsed: nodes.Template) -> Iterator[tuple[nodes.Node, str]]:
    """Each node that must not be there, and why."""
    for node in parsed.find_all(tuple(_REFUSED)):
        yield node, next(why for kind, why in _REFUSED.items() if isinstance(node, kind))
    for attribute in parsed.find_all(nodes.Getattr):
        if not (isinstance(attribute.node, nodes.Name) and attribute.node.name == "loop"):
            yield attribute, f"there is nothing in a variable that .{attribute.attr} could read"
    for outer in parsed.find_all(nodes.For):
        for inner in outer.find_all((nodes.For, nodes.Include)):
            yield inner, "neither a for nor an include stands in a for"
    for assignment in parsed.find_all(nodes.Assign):
        value = assignment.node
        grows = isinstance(value, _GROWING) or next(value.find_all(_GROWING), None) is not None
        if grows or not isinstance(assignment.target, nodes.Name):
            yield assignment, "set takes one value: a variable, a text, or one of two by if"


def _is_html(name: str) -> bool:
    return name.endswith(".html.j2")


def _fault(name: str, line: int, why: str) -> Misconfigured:
    return Misconfigured(f"template {name}, line {line}: {why}" if line else f"template {name}: {why}")


def _template_line(traceback: TracebackType | None, name: str) -> int:
    """The innermost line of the template on the way to the error; 0 if there is none."""
    line = 0
    while traceback is not None:
        if traceback.tb_frame.f_code.co_filename in {name, "<template>", "<unknown>"}:
            line = traceback.tb_lineno
        traceback = traceback.tb_next
    return line


# --- filters ------------------------------------------------------------------------------------------------------


def _date(value: object, style: str = "full") -> str:
    return _moment(value).date(style) if value else ""


def _time(value: object, pattern: str = "") -> str:
    return _moment(value).time(pattern) if value else ""


def _moment(value: object) -> Moment:
    if not isinstance(value, Moment):
        raise TypeError("date and time are filters for start and end")
    return value


@pass_eval_context
def _join(context: nodes.EvalContext, values: Iterable[object], between: str = ", ") -> str:
    """As Jinja's, within LONGEST_OUTPUT."""
    parts: list[object] = []
    size = 0
    for value in values:
        parts.append(value)
        size += len(str(value)) + len(between)
        if size > LONGEST_OUTPUT:
            raise SecurityError(f"more than {LONGEST_OUTPUT} characters would come of join")
    joined: str = FILTERS["join"](context, parts, between)
    return joined
