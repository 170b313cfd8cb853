"""What an IMAP server has answered, as values (RFC 3501 §9, `response-data`).

What: `values` reads a sequence of atoms, strings and lists; `code` the response code of a status line.

Not here: asking (`session`), and cutting a stream into lines and literals (`connection`).

Errors: ValueError for what cannot be read.
"""

import re
from collections.abc import Iterable

Value = str | bytes | list["Value"]
"""An atom or number as str, a quoted string or literal as bytes, a parenthesized list as list."""

_TOKEN = re.compile(
    rb'(?P<space>\s+)|(?P<open>\()|(?P<close>\))|"(?P<quoted>(?:[^"\\]|\\.)*)"|(?P<literal>\{\d+\+?\}$)'
    rb'|(?P<atom>[A-Za-z0-9.]+\[[^\]]*\](?:<\d+>)?|[^\s()"{]+)',
    re.DOTALL,
)
_ESCAPE = re.compile(rb"\\(.)", re.DOTALL)
_CODE = re.compile(r"\s*\[([^\]\s]+) ?([^\]]*)\]")


def values(parts: Iterable[bytes | bytearray]) -> list[Value]:
    """`parts`: lines, and literals as bytearray, each after the line that announces it."""
    stack: list[list[Value]] = [[]]
    for part in parts:
        if isinstance(part, bytearray):
            stack[-1].append(bytes(part))
        else:
            _read_line(part, stack)
    if len(stack) != 1:
        raise ValueError("a list is not closed")
    return stack[0]


def _read_line(line: bytes, stack: list[list[Value]]) -> None:
    at = 0
    while at < len(line):
        found = _TOKEN.match(line, at)
        if found is None:
            raise ValueError("there is neither atom nor string nor list")
        at = found.end()
        _take(found, stack)


def _take(found: re.Match[bytes], stack: list[list[Value]]) -> None:
    match found.lastgroup:
        case "open":
            stack.append([])
        case "close":
            if len(stack) == 1:
                raise ValueError("a list is closed that was not open")
            inner = stack.pop()
            stack[-1].append(inner)
        case "quoted":
            stack[-1].append(_ESCAPE.sub(rb"\1", found["quoted"]))
        case "atom":
            stack[-1].append(found["atom"].decode("latin-1"))
        case _:
            pass


def code(line: str) -> tuple[str, str]:
    """The response code in front of a status text, in upper case, and its arguments; ("", "") without one."""
    found = _CODE.match(line)
    return (found[1].upper(), found[2]) if found else ("", "")
