"""Language tags (RFC 5646), and what is there for each.

What: `Languages` finds what stands for the tag of a reader, and the rules by which dates are written for him.

Not here: what stands there (`wording`, `notice_wording`), which tag is the reader's (`writer`).

Errors: Misconfigured where something is named by a tag that is no language.
"""

from collections.abc import Iterable, Mapping
from typing import Generic, TypeVar

from mailhook.core.dates import Locale, locale
from mailhook.errors import Misconfigured

T = TypeVar("T")


def rules_of(folder: str) -> Locale:
    """The rules for dates in the language by which a folder is named."""
    rules = locale(folder)
    if rules is None:
        raise Misconfigured(f"the folder {folder} is named like no language: use a tag such as de or pt-BR")
    return rules


class Languages(Generic[T]):
    """Things by language tag; `default` is the tag whose thing stands for languages that have none."""

    def __init__(self, things: Mapping[str, T], default: str) -> None:
        self._rules = {_comparable(tag): rules_of(tag) for tag in things}
        self._things = {_comparable(tag): thing for tag, thing in things.items()}
        self._default = _comparable(default)
        if self._default not in self._things:
            raise Misconfigured(f"there are no templates for the language {default!r}")

    @property
    def tags(self) -> Iterable[str]:
        return self._things.keys()

    def __contains__(self, tag: str) -> bool:
        """Whether something stands for the tag, or for its language alone."""
        return self._found(tag) is not None

    def chosen(self, tag: str) -> tuple[T, Locale]:
        """What stands for the tag, and the rules of the region that it names; or both for the default."""
        found = self._found(tag)
        own = locale(tag) if found else None
        return self._things[found or self._default], own or self._rules[found or self._default]

    def _found(self, tag: str) -> str | None:
        whole = _comparable(tag)
        return next((each for each in (whole, whole.partition("-")[0]) if each in self._things), None)


def _comparable(tag: str) -> str:
    return tag.strip().lower().replace("_", "-")
