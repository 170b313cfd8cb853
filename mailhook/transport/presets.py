"""Transports that come with mailhook, and laying one's own settings over one of them.

What: `PRESETS` names the files in the folder `presets`; `preset` reads one; `laid_over` merges tables.

Not here: what the keys mean (`shape`).
"""

import tomllib
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Literal, get_args

from mailhook.transport.shape import Table, Transport

Preset = Literal["default", "trueconf-server-4", "none"]
PRESETS: tuple[str, ...] = get_args(Preset)


@cache
def preset(name: str) -> Table:
    """The table of one of PRESETS, as it stands in its file."""
    text = files("mailhook.transport").joinpath("presets", f"{name}.toml").read_text(encoding="utf-8")
    return tomllib.loads(text)


def transport(name: str, own: Table) -> Transport:
    """The preset `name` with one's own settings over it. Errors: pydantic's ValidationError."""
    return Transport.model_validate(laid_over(preset(name), own))


def laid_over(lower: Table, upper: Table) -> dict[str, object]:
    """Tables are merged, key by key; any other value of `upper` takes the place of that of `lower`."""
    merged = dict(lower)
    for key, value in upper.items():
        below = merged.get(key)
        both = isinstance(below, Mapping) and isinstance(value, Mapping)
        merged[key] = laid_over(below, value) if both else value  # type: ignore[arg-type]
    return merged
