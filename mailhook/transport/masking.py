"""Requests and answers as an administrator may see and send them on: without what opens a door.

What: `Mask` replaces what is known to be secret wherever it stands, and what its name says to be secret, however deep
and in whatever kind of text: tokens, passwords, passcodes, cookies, sessions, the values in a join link.

Not here: printing (`mailhook provider-test`).

Errors: none.
"""

import json
import re
from collections.abc import Iterable, Mapping
from urllib.parse import parse_qsl, quote, quote_plus, urlsplit

HIDDEN = "***"
LONGEST = 2000
"""Characters of a body that are shown."""

_NAME = re.compile(
    r"pass|pwd|token|secret|cookie|authorization|session|credential|api.?key|\bkey\b|pin$|confid", re.I
)
_URL = re.compile(r"(https?://[^\s\"'<>\\/?#]+)[/?#][^\s\"'<>\\]+", re.I)
# From the beginning of a name on only: else a long word would be looked at from each of its letters.
_WORD = re.compile(r"""(?<![\w.-])([\w.-]{1,100})(["']?\s*[=:]\s*["']?)([^\s&;,"'<>]+)""")
_ELEMENT = re.compile(r"(<([\w:.-]+)(?:\s[^<>]*)?>)([^<>]+)(?=</)")
_PAIR = re.compile(r"([?&;]|^)([^=&;\s]+)=([^&;\s]*)")


class Mask:
    """`secrets`: what must not be seen wherever it stands; more can be learned later."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        self._secrets: set[str] = set()
        self._spared: set[str] = set()
        for secret in secrets:
            self.learn(secret)

    def learn(self, secret: str) -> None:
        """Short texts are not taken: everything would be masked. A form or query holds it percent-encoded."""
        if len(secret) > 3:
            self._secrets |= {secret, quote(secret, safe=""), quote(secret), quote_plus(secret)}

    def learn_link(self, link: str) -> None:
        """A join link is known by the values in its query, too, and by what follows its host."""
        self.learn(link)
        try:
            parts = urlsplit(link)
        except ValueError:
            return
        for value in (parts.path.rpartition("/")[2], *(value for _, value in parse_qsl(parts.query))):
            self.learn(value)

    def spare(self, text: str) -> None:
        """An id that may be seen, though it stands in a link too."""
        self._spared.add(text)

    def text(self, text: str) -> str:
        """Of a URL only the host may be seen: it may be a join link."""
        return _URL.sub(lambda found: f"{found[1]}/{HIDDEN}", self._without_secrets(text))

    def target(self, url: str) -> str:
        """The URL of a request of ours."""
        return self._without_secrets(_query(url))

    def _without_secrets(self, text: str) -> str:
        for secret in sorted(self._secrets - self._spared, key=len, reverse=True):
            text = text.replace(secret, HIDDEN)
        return text

    def header(self, name: str, value: str) -> str:
        return HIDDEN if _NAME.search(name) else self.text(value)

    def body(self, content: bytes) -> str:
        """JSON with its secret values masked, a form likewise, and any other text; cut to LONGEST."""
        text = content.decode("utf-8", "replace")
        try:
            shown = json.dumps(self._masked(json.loads(text)), ensure_ascii=False)
        except (ValueError, RecursionError):
            # By value first: what a name is followed by may be a part of a secret only.
            shown = _named(self.text(_query(text) if re.fullmatch(r"[!-~]*=[!-~]*", text) else text))
        shown = "".join(char if char.isprintable() or char == "\n" else "�" for char in shown)
        return shown if len(shown) <= LONGEST else f"{shown[:LONGEST]}… ({len(shown)} characters)"

    def _masked(self, value: object) -> object:
        match value:
            case Mapping():
                return {
                    name: _hidden(item) if _NAME.search(str(name)) else self._masked(item)
                    for name, item in value.items()
                }
            case list():
                return [self._masked(item) for item in value]
            case str():
                return self.text(value)
            case _:
                return HIDDEN if _is_plain(value) and str(value) in self._secrets - self._spared else value


def _hidden(value: object) -> object:
    """All that can be secret below a name that says so: a list of tokens, a session's id."""
    match value:
        case Mapping():
            return {name: _hidden(item) for name, item in value.items()}
        case list():
            return [_hidden(item) for item in value]
        case _:
            return HIDDEN if _is_plain(value) else value


def _is_plain(value: object) -> bool:
    """Whether it can be a secret: a number or a text; true and false tell nothing."""
    return isinstance(value, str | int | float) and not isinstance(value, bool)


def _named(text: str) -> str:
    """`pin=1234`, `pin: 1234`, `<pin>1234</pin>`, and what is left of JSON that is cut off."""
    text = _WORD.sub(lambda pair: f"{pair[1]}{pair[2]}{HIDDEN}" if _NAME.search(pair[1]) else pair[0], text)
    return _ELEMENT.sub(lambda found: f"{found[1]}{HIDDEN}" if _NAME.search(found[2]) else found[0], text)


def _query(url: str) -> str:
    """Every value of a query or form masked whose name says that it is a secret."""
    return _PAIR.sub(lambda pair: f"{pair[1]}{pair[2]}={HIDDEN}" if _NAME.search(pair[2]) else pair[0], url)
