"""What is wrong with the settings, as a value.

What: `Problem`, and how a setting's value is shown without its secrets.

Not here: finding problems (`reading`, `checks`).

Errors: none.
"""

import json
import re
from dataclasses import dataclass
from datetime import timedelta

LONGEST = 60
_SECRET = re.compile(r"pass|token|secret|credential|key$", re.IGNORECASE)
_USERINFO = re.compile(r"//[^/@\s]*@")


@dataclass(frozen=True)
class Problem:
    """`key` as in the file ("nexthop.port"), `value` as `shown`, `message` says what would be right.

    A warning does not keep mailhook from starting.
    """

    key: str
    value: str
    message: str
    warning: bool = False

    def __str__(self) -> str:
        value = f" = {self.value}" if self.value else ""
        return f"{self.key}{value}: {self.message}"


def shown(key: str, value: object) -> str:
    """`value` for people: secrets masked, long values cut; "" for what is not a plain value."""
    if is_secret(key):
        return "***"
    match value:
        case None | dict():
            return ""
        case timedelta():
            return duration(value)
        case bool() | int() | float() | str():
            text = json.dumps(value, ensure_ascii=False)
        case list() | tuple():
            text = f"[{', '.join(shown(key, item) for item in value)}]"
        case _:
            text = json.dumps(str(value), ensure_ascii=False)
    text = _USERINFO.sub("//***@", text)
    text = text if text.isprintable() else ascii(text)
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}…"


def is_secret(key: str) -> bool:
    """Whether the name of a setting says that its value is a secret; a path to one is none, nor where one is found."""
    section, _, name = key.rpartition(".")
    return not section.endswith(".answer") and not name.endswith("_file") and _SECRET.search(name) is not None


def duration(value: timedelta) -> str:
    """`value` as it is written in the file: "1h30m"."""
    rest, text = int(value.total_seconds()), ""
    for unit, seconds in (("d", 86400), ("h", 3600), ("m", 60), ("s", 1)):
        count, rest = divmod(rest, seconds)
        text += f"{count}{unit}" if count else ""
    return f'"{text or "0s"}"'
