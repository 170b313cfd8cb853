"""One link in place of others, wherever they stand in a text.

What: `exchanged` finds a link as it stands, as markup writes it (`&amp;`), and as a URL carries it inside of another
one (percent-encoded), and puts the new link there in the same spelling.

Not here: which links (`bearing`, `pipeline`), blocks of ours (`splice_text`, `splice_html`).

Errors: none.
"""

import html
import re
from collections.abc import Callable, Iterable
from urllib.parse import quote

from mailhook.core.splices import Splice

_SPELLINGS: tuple[Callable[[str], str], ...] = (str, html.escape, lambda link: quote(link, safe=""))
_HEAD = re.compile(r"https?(://|%3A%2F%2F)[^/?%]*", re.IGNORECASE)
_GOES_ON = rb"(?![\w=-])"
"""What follows here would make it another link."""


def exchanged(data: bytes, old: Iterable[str], new: str, charset: str, edits: list[Splice]) -> list[Splice]:
    """`edits`, and `new` for each link in `old` that stands outside of what they replace."""
    found = list(edits)
    for link in sorted(set(old) - {new}, key=len, reverse=True):
        for spelled in _SPELLINGS:
            pattern = _pattern(spelled(link), charset)
            written = spelled(new).encode(charset, "replace")
            spans = [match.span() for match in pattern.finditer(data)]
            found += [Splice(*span, written) for span in spans if not _touches(found, *span)]
    return found


def _touches(edits: list[Splice], start: int, end: int) -> bool:
    return any(each.start < end and start < each.end for each in edits)


def _pattern(link: str, charset: str) -> re.Pattern[bytes]:
    """Scheme and host in any case, and whether or not they say that the way is encrypted."""
    head = _HEAD.match(link)
    at = head.end() if head else 0
    host = re.sub(r"^https?", "", link[:at], flags=re.IGNORECASE)
    scheme = b"https?" if head else b""
    encoded = re.escape(host.encode(charset, "replace"))
    return re.compile(
        b"(?i:" + scheme + encoded + b")" + re.escape(link[at:].encode(charset, "replace")) + _GOES_ON
    )
