"""Requests and answers as an administrator may see and send them on: without what opens a door.

What: `Mask` replaces what is known to be secret, and what its name says to be secret: tokens, passwords, passcodes,
cookies, the values in a join link.

Not here: printing (`mailhook provider-test`).

Errors: none.
"""

import json
import re
from collections.abc import Iterable, Mapping
from urllib.parse import quote, quote_plus

HIDDEN = "***"
LONGEST = 2000
"""Characters of a body that are shown."""

_NAME = re.compile(
    r"pass|pwd|token|secret|cookie|authorization|session|credential|api.?key|\bkey\b|pin$|confid", re.I
)
_URL = re.compile(r"(https?://[^\s\"'<>\\/?#]+)[/?#][^\s\"'<>\\]+", re.I)
_PAIR = re.compile(r"([?&;]|^)([^=&;\s]+)=([^&;\s]*)")


class Mask:
    """`secrets`: what must not be seen wherever it stands; more can be learned later."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        self._secrets: set[str] = set()
        for secret in secrets:
            self.learn(secret)

    def learn(self, secret: str) -> None:
        """Short texts are not taken: everything would be masked. A form or query holds it percent-encoded."""
        if len(secret) > 3:
            self._secrets |= {secret, quote(secret, safe=""), quote(secret), quote_plus(secret)}

    def text(self, text: str) -> str:
        """Of a URL only the host may be seen: it may be a join link."""
        return _URL.sub(lambda found: f"{found[1]}/{HIDDEN}", self._without_secrets(text))

    def target(self, url: str) -> str:
        """The URL of a request of ours."""
        return self._without_secrets(_query(url))

    def _without_secrets(self, text: str) -> str:
        for secret in sorted(self._secrets, key=len, reverse=True):
            text = text.replace(secret, HIDDEN)
        return text

    def header(self, name: str, value: str) -> str:
        return HIDDEN if _NAME.search(name) else self.text(value)

    def body(self, content: bytes) -> str:
        """JSON with its secret values masked; a form likewise; any other text as it stands, cut to LONGEST."""
        text = content.decode("utf-8", "replace")
        try:
            shown = json.dumps(self._masked(json.loads(text)), ensure_ascii=False)
        except (ValueError, RecursionError):
            shown = self.text(_query(text) if re.fullmatch(r"[!-~]*=[!-~]*", text) else text)
        shown = "".join(char if char.isprintable() or char == "\n" else "�" for char in shown)
        return shown if len(shown) <= LONGEST else f"{shown[:LONGEST]}… ({len(shown)} characters)"

    def _masked(self, value: object) -> object:
        match value:
            case Mapping():
                return {
                    name: HIDDEN if _NAME.search(str(name)) and _is_plain(item) else self._masked(item)
                    for name, item in value.items()
                }
            case list():
                return [self._masked(item) for item in value]
            case str():
                return self.text(value)
            case _:
                return value


def _is_plain(value: object) -> bool:
    """Whether it can be a secret: a number or a text; true and false tell nothing."""
    return isinstance(value, str | int | float) and not isinstance(value, bool)


def _query(url: str) -> str:
    """Every value of a query or form masked whose name says that it is a secret."""
    return _PAIR.sub(lambda pair: f"{pair[1]}{pair[2]}={HIDDEN}" if _NAME.search(pair[2]) else pair[0], url)
