"""Edits of bytes at known offsets, and offsets through encodings.

What: a `Splice` replaces one span; `apply` does several at once, and every byte outside the spans stays. A
`Layer` is content that was decoded from something (unfolded, unescaped) and knows for each of its offsets where
that stood, so that an edit found in the decoded form can be made in the encoded one.

Not here: what to write where (`splice_text`, `splice_html`, `splice_calendar`), and transfer encodings
(`mime_bodies`).

Errors: overlapping splices raise ValueError, a fault of the program.
"""

import re
import sys
from bisect import bisect_right
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

Position = Literal["top", "bottom"]

_SETTLING_ROUNDS = 8


@dataclass(frozen=True)
class Splice:
    """Replace [start, end) by `data`; an insertion where start == end."""

    start: int
    end: int
    data: bytes


def apply(data: bytes, splices: Iterable[Splice]) -> bytes:
    """`data` with all splices made; insertions at one offset keep their order."""
    pieces: list[bytes] = []
    done = 0
    for splice in sorted(splices, key=lambda each: (each.start, each.end)):
        if splice.start < done:
            raise ValueError("overlapping splices")
        pieces += (data[done : splice.start], splice.data)
        done = splice.end
    return b"".join((*pieces, data[done:]))


def effective(data: bytes, splices: Iterable[Splice]) -> list[Splice]:
    """Without those that would write what is there already."""
    return [each for each in splices if data[each.start : each.end] != each.data]


def settled(
    data: bytes, place: Callable[[bytes], list[Splice]], first: list[Splice] | None = None
) -> list[Splice]:
    """`place(data)`, or `first` where that is known, so that placing again would change nothing.

    Taking one block out of damaged text can join the remains of two others to a third.
    """
    splices = place(data) if first is None else first
    once = apply(data, splices)
    if once == data:
        return splices
    for _ in range(_SETTLING_ROUNDS):
        again = apply(once, place(once))
        if again == once:
            return splices
        splices, once = [Splice(0, len(data), again)], again
    return splices


def within(at: int, spans: Sequence[tuple[int, int]]) -> bool:
    """Whether the offset is in one of the spans, which are in order."""
    before = bisect_right(spans, (at, sys.maxsize)) - 1
    return before >= 0 and at < spans[before][1]


def shifted(splices: Iterable[Splice], by: int) -> list[Splice]:
    return [Splice(each.start + by, each.end + by, each.data) for each in splices]


@dataclass(frozen=True)
class Layer:
    """Decoded content in runs: from `starts[i]` on, offsets run parallel to the source from `origins[i]` on."""

    content: bytes
    starts: tuple[int, ...]
    origins: tuple[int, ...]

    def origin(self, offset: int) -> int:
        """Where in the source the byte at `offset` begins; for the length of the content: the source's end."""
        run = bisect_right(self.starts, offset) - 1
        return self.origins[run] + offset - self.starts[run]

    def lifted(self, splices: Iterable[Splice], encode: Callable[[bytes], bytes]) -> list[Splice]:
        """The same edits as splices of the source."""
        return [Splice(self.origin(s.start), self.origin(s.end), encode(s.data)) for s in splices]


def layer(pieces: Iterable[tuple[bytes, int]], end: int) -> Layer:
    """From decoded pieces, each with the offset of its source, and the offset where the source ends."""
    contents: list[bytes] = []
    starts: list[int] = []
    origins: list[int] = []
    length = 0
    for content, origin in pieces:
        contents.append(content)
        starts.append(length)
        origins.append(origin)
        length += len(content)
    return Layer(b"".join(contents), (*starts, length), (*origins, end))


def decoded(source: bytes, token: re.Pattern[bytes], decode: Callable[[bytes], bytes]) -> Layer:
    """The layer of a source in which each match of `token` stands for `decode(match)`, the rest for itself."""
    pieces: list[tuple[bytes, int]] = []
    done = 0
    for match in token.finditer(source):
        pieces.append((source[done : match.start()] + decode(match[0]), done))
        done = match.end()
    pieces.append((source[done:], done))
    return layer(pieces, len(source))
