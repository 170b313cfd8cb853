"""Names of mailboxes as they stand on the wire: modified UTF-7 (RFC 3501 §5.1.3), and quoted strings (§4.3).

Not here: which mailbox (`folders`).

Errors: ValueError for what is no modified UTF-7.
"""

import re
from base64 import b64decode, b64encode
from itertools import groupby

_SHIFTED = re.compile(r"&([A-Za-z0-9+,]*)-")


def encoded(name: str) -> str:
    """`name` in modified UTF-7. ValueError: lone surrogates."""
    return "".join(
        _direct("".join(run)) if direct else _shifted("".join(run))
        for direct, run in groupby(name, _printable)
    )


def _printable(char: str) -> bool:
    return " " <= char <= "~"


def _direct(text: str) -> str:
    return text.replace("&", "&-")


def _shifted(text: str) -> str:
    return f"&{b64encode(text.encode('utf-16-be'), altchars=b'+,').decode().rstrip('=')}-"


def decoded(name: str) -> str:
    """The name that modified UTF-7 stands for. ValueError: it is none, or not the one way to write it."""
    text = _SHIFTED.sub(_unshifted, name)
    if encoded(text) != name:
        raise ValueError(f"{name!r} is no modified UTF-7")
    return text


def _unshifted(found: re.Match[str]) -> str:
    if not found[1]:
        return "&"
    return b64decode(f"{found[1]}==", altchars=b"+,").decode("utf-16-be")


def readable(name: str) -> str:
    """`decoded`, or what stands on the wire where that is not possible: for messages to people."""
    try:
        return decoded(name)
    except ValueError:
        return name


def quoted(text: str) -> str:
    """A quoted string."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
