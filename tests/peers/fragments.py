"""The configuration that the documents tell administrators to paste, as the tests take it out of there."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
POSTFIX = ROOT / "docs" / "postfix.md"
EXIM = ROOT / "docs" / "exim.md"

_BLOCK = re.compile(r"^```\n# (?P<title>.+)\n(?P<text>(?:.*\n)*?)```$", re.MULTILINE)


def fragments(title: str, document: Path = POSTFIX) -> str:
    """All code blocks whose first line is the comment `title`, one after the other."""
    found = [block["text"] for block in _BLOCK.finditer(document.read_text()) if block["title"] == title]
    assert found, f"{document.name} has no block '# {title}'"
    return "".join(found)


def commands(start: str) -> list[str]:
    """The one-line commands in docs/postfix.md that begin with `start`."""
    lines = re.findall(r"^    (\S.*)$|`([^`\n]+)`", POSTFIX.read_text(), re.MULTILINE)
    found = [line for pair in lines for line in pair if line.startswith(start)]
    assert found, f"docs/postfix.md has no command that begins with {start!r}"
    return found
