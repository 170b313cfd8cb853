"""Jinja2 in its sandbox: tables of which only the leaves are templates.

What: `Tree` is data as it stands in TOML, in which every string is a template. A leaf that is one expression and
nothing else (`"{{ participants }}"`) keeps the type of its value, so that no JSON has to be glued from text. A table's
entry or a list's item that yields `OMIT` is left out.

Not here: files of wording (`confined`), what the tables are for (the transport of a provider).

Errors: Misconfigured, naming the template and where possible the line or the variable.
"""

import re
from collections.abc import Iterator, Mapping
from functools import cached_property, reduce
from typing import ClassVar
from urllib.parse import quote

from jinja2 import StrictUndefined, Template, TemplateError, TemplateSyntaxError, Undefined, meta
from jinja2.environment import TemplateExpression
from jinja2.sandbox import ImmutableSandboxedEnvironment

from mailhook.errors import Misconfigured

FAULTS = (TemplateError, ArithmeticError, LookupError, TypeError, ValueError, AttributeError)
"""What rendering a template that somebody wrote may raise."""

_PATH = re.compile(r"[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*")
_EXPRESSION = re.compile(r"\s*\{\{-?((?:(?!\}\}|\{\{|\{%).)*?)-?\}\}\s*", re.DOTALL)


class _Omit:
    """The type of OMIT."""


OMIT = _Omit()

_PLAIN = ImmutableSandboxedEnvironment(undefined=StrictUndefined, keep_trailing_newline=True)
_URL = ImmutableSandboxedEnvironment(
    undefined=StrictUndefined, finalize=lambda value: quote(str(value), safe="")
)


def rendered(source: str, values: Mapping[str, str]) -> str:
    """A text that stands by itself: nothing is escaped. Errors: those of jinja2."""
    return _PLAIN.from_string(source).render(values)


class Leaf:
    """One string of a `Tree`, or a text of its own. Raises Misconfigured when it is no template."""

    _environment: ClassVar = _PLAIN
    _typed: ClassVar = True

    def __init__(self, source: str) -> None:
        self.source = source
        try:
            _ = self._expression or self._text
        except TemplateSyntaxError as error:
            raise Misconfigured(f"is no template: {error.message}") from None

    @cached_property
    def _expression(self) -> TemplateExpression | None:
        return _PLAIN.compile_expression(self._inner, undefined_to_none=False) if self._inner else None

    @cached_property
    def _inner(self) -> str:
        """What stands between the braces, where there is one expression and nothing else; else ""."""
        found = _EXPRESSION.fullmatch(self.source) if self._typed else None
        return found[1].strip() if found else ""

    @cached_property
    def _path(self) -> list[str]:
        """The names in an expression that is nothing but names, such as `start.utc`."""
        return self._inner.split(".") if _PATH.fullmatch(self._inner) else []

    @cached_property
    def _text(self) -> Template:
        return self._environment.from_string(self.source)

    def value(self, values: Mapping[str, object]) -> object:
        """With its type, where the leaf is one expression; else a text."""
        try:
            if self._expression is None:
                return self._text.render(values)
            value = self._evaluated(self._expression, values)
        except FAULTS as error:
            raise Misconfigured(_told(error)) from None
        if isinstance(value, Undefined):
            raise Misconfigured(f"there is no variable {self.source.strip('{}- ')}")
        return value

    def _evaluated(self, expression: TemplateExpression, values: Mapping[str, object]) -> object:
        """Names are looked up by Jinja's own rule, without the context that an expression needs."""
        head, *rest = self._path or [""]
        return reduce(_PLAIN.getattr, rest, values[head]) if head in values else expression(**values)

    def text(self, values: Mapping[str, object]) -> str:
        value = self.value(values)
        return "" if value is None or value is OMIT else str(value)


def names(source: str) -> frozenset[str]:
    """The variables that a template needs. Raises Misconfigured when it is none."""
    try:
        return frozenset(meta.find_undeclared_variables(_PLAIN.parse(source)))
    except TemplateSyntaxError as error:
        raise Misconfigured(f"is no template: {error.message}") from None


def leaves(source: object, place: str = "") -> Iterator[tuple[str, str]]:
    """Every string in tables and lists, with its place as `a.b[0]`."""
    match source:
        case str():
            yield place, source
        case Mapping():
            for name, item in source.items():
                yield from leaves(item, _within(place, str(name)))
        case list() | tuple():
            for index, item in enumerate(source):
                yield from leaves(item, f"{place}[{index}]")
        case _:
            pass


class UrlLeaf(Leaf):
    """A text of which all that a template puts into it is percent-encoded (RFC 3986 §2.1)."""

    _environment: ClassVar = _URL
    _typed: ClassVar = False


def _told(error: Exception) -> str:
    """Jinja's words, in which "'x' is undefined" and "… has no attribute 'y'" name the variable."""
    if unknown := re.fullmatch(r"'(\w+)' is undefined", str(error)):
        return f"there is no variable {unknown[1]}"
    if unknown := re.search(r"has no attribute '(\w+)'$", str(error)):
        return f"there is no variable that ends in .{unknown[1]}"
    return f"cannot be rendered: {error}"


class Tree:
    """Data of tables, lists and plain values, whose strings are templates; values without a string stay as they are.

    Raises Misconfigured, with the place of the leaf as `a.b[0]: …`, when one is no template.
    """

    def __init__(self, source: object) -> None:
        self._node = _compiled(source, "")

    def value(self, values: Mapping[str, object]) -> object:
        """A new tree; OMIT if the whole of it is left out."""
        return _filled(self._node, values, "")


def _compiled(source: object, place: str) -> object:
    match source:
        case str():
            try:
                return Leaf(source)
            except Misconfigured as error:
                raise Misconfigured(f"{place}: {error}" if place else str(error)) from None
        case Mapping():
            return {str(name): _compiled(item, _within(place, str(name))) for name, item in source.items()}
        case list() | tuple():
            return [_compiled(item, f"{place}[{index}]") for index, item in enumerate(source)]
        case _:
            return source


def _filled(node: object, values: Mapping[str, object], place: str) -> object:
    match node:
        case Leaf():
            try:
                return node.value(values)
            except Misconfigured as error:
                raise Misconfigured(f"{place}: {error}" if place else str(error)) from None
        case dict():
            filled = {name: _filled(item, values, _within(place, name)) for name, item in node.items()}
            return {name: item for name, item in filled.items() if item is not OMIT}
        case list():
            items = [_filled(item, values, f"{place}[{index}]") for index, item in enumerate(node)]
            return [item for item in items if item is not OMIT]
        case _:
            return node


def _within(place: str, name: str) -> str:
    return f"{place}.{name}" if place else name
