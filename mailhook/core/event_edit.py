"""One event of a calendar that is edited: what goes in, and edits of its lines.

What: `Additions` says what goes into an event and how, `EventEdit` makes splices of its lines, by octets, so that what
stays keeps its bytes whatever its charset; a `Change` is what they do in one place.

Not here: which lines (`splice_calendar`, `splice_properties`).

Errors: none.
"""

import re
from dataclasses import dataclass, replace
from typing import Literal

from mailhook.core import contentlines, text_blocks
from mailhook.core.contentlines import Component, ContentLine, escape_text
from mailhook.core.relinking import exchanged
from mailhook.core.splice_text import Text
from mailhook.core.splices import Position, Splice, shifted

LocationRule = Literal["if-empty", "append", "never"]
Reach = Literal["everywhere", "links", "hidden"]
"""Every place; URL, CONFERENCE and our own property; or only those two, which programs do not take for a change."""


@dataclass(frozen=True)
class Additions:
    """What goes into each event. `description` is plain text, `description_html` markup, both with marks."""

    description: str
    description_html: str
    location: str
    label: str
    link: str
    conference_id: str
    location_rule: LocationRule
    position: Position
    keywords: frozenset[str]
    """Case-folded; a LOCATION that is just one of them counts as empty."""
    removing: bool = False
    """Whatever bears `link` or is a block of ours goes; nothing is added."""
    former: frozenset[str] = frozenset()
    """Links of ours that are replaced, or go, as those of older blocks: put in before, or copied with the event."""
    reach: Reach = "everywhere"

    @property
    def words(self) -> str:
        """All that the calendar's charset must be able to hold; markup is none of it."""
        return "".join((self.description, self.location, self.label, self.link, self.conference_id))

    def held_by(self, charset: str) -> "Additions":
        """Without the words that the charset lacks."""
        description, label = (text_blocks.held(text, charset) for text in (self.description, self.label))
        return replace(self, description=description, label=label)


@dataclass(frozen=True)
class Change:
    """The edits for one place: within existing lines, and lines to add."""

    place: str
    splices: tuple[Splice, ...] = ()
    added: bytes = b""


TEXTS = ("DESCRIPTION", "X-ALT-DESC", "STYLED-DESCRIPTION")
MAX_TEXTS = 128 * 1024
"""Octets of the descriptions of one message, HTML twins included, in which an escape counts as ESCAPE more, and a
text as LEAST at least."""
ESCAPE, LEAST = 4, 1024


class Allowance:
    """What of the descriptions of one message is edited: a text that goes beyond MAX_TEXTS with those before is not."""

    def __init__(self) -> None:
        self._left = MAX_TEXTS
        self.beyond: dict[str, None] = {}
        """The names of those that were too much, in order."""

    def granted(self, data: bytes, event: Component) -> tuple[ContentLine, ...]:
        """The descriptions of the event for which enough is left."""
        return tuple(line for line in event.lines if line.name in TEXTS and self._grants(data, line))

    def _grants(self, data: bytes, line: ContentLine) -> bool:
        escapes = data.count(b"\\", line.start, line.end) + data.count(b"%", line.start, line.end)
        cost = max(LEAST, line.end - line.start + ESCAPE * escapes)
        if cost > self._left:
            self.beyond[line.name] = None
            return False
        self._left -= cost
        return True


@dataclass(frozen=True)
class EventEdit:
    data: bytes
    component: Component
    additions: Additions
    charset: str
    line_end: bytes
    stale: frozenset[str]
    """Links of older blocks of ours in this event, and former ones: what bears one of them is ours too."""
    texts: tuple[ContentLine, ...]
    """The descriptions that may be edited."""

    @property
    def text(self) -> Text:
        links = frozenset({self.additions.link, *self.stale})
        return Text(self.additions.position, b"\n", links, self.charset, self.additions.link)

    def line(self, name: str, params: tuple[tuple[str, str], ...], value: str) -> bytes:
        return contentlines.write(name, params, value, self.line_end, self.charset)

    def is_broken(self, line: ContentLine) -> bool:
        """Whether nothing may be written behind what stands in the line (`contentlines.is_broken`)."""
        return contentlines.is_broken(contentlines.unfold(self.data, line.start, line.end).content)

    def replaced(self, line: ContentLine, value: str) -> tuple[Splice, ...]:
        """The line with another value, its name and parameters as they stand."""
        layer = contentlines.unfold(self.data, line.start, line.end)
        new = value.encode(self.charset, "replace")
        splice = Splice(contentlines.value_start(layer.content), len(layer.content), new)
        return tuple(contentlines.fold_in(self.data, layer, [splice], self.line_end))

    def relinked(self, line: ContentLine, *, text: bool) -> tuple[Splice, ...]:
        """The line with our link in place of stale ones; `text`: its value is of type TEXT."""
        if not self.stale:
            return ()
        layer = contentlines.unfold(self.data, line.start, line.end)
        start = contentlines.value_start(layer.content)
        old = (*map(escape_text, self.stale), *self.stale) if text else self.stale
        new = escape_text(self.additions.link) if text else self.additions.link
        found = exchanged(layer.content[start:], old, new, self.charset, [])
        return tuple(contentlines.fold_in(self.data, layer, shifted(found, start), self.line_end))

    def edited(self, line: ContentLine, pattern: bytes, by: str) -> tuple[Splice, ...]:
        """The line with `by` for what matches `pattern` in its value; other octets stay, whatever their charset."""
        layer = contentlines.unfold(self.data, line.start, line.end)
        found = re.compile(pattern).finditer(layer.content, contentlines.value_start(layer.content))
        splices = [Splice(*match.span(), by.encode(self.charset, "replace")) for match in found]
        return tuple(contentlines.fold_in(self.data, layer, splices, self.line_end))

    def removed(self, lines: list[ContentLine]) -> tuple[Splice, ...]:
        return tuple(Splice(line.start, line.end, b"") for line in lines)

    def all(self, name: str) -> list[ContentLine]:
        return self.component.by_name.get(name, [])
