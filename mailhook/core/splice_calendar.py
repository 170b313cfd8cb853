"""The link in calendar data: every event of the invitation, every place that some client shows (RFC 5545, 7986, 9073).

What: splices for DESCRIPTION and its HTML twins, LOCATION, URL, CONFERENCE and our own property. Lines that stay keep
their bytes and their order; new ones stand after the event's own properties.

Not here: SEQUENCE, DTSTAMP, ORGANIZER, ATTENDEE, alarms, and everything else of the event: none of them is touched.

Errors: none; a calendar that cannot be read does not come here.
"""

import base64
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Literal
from urllib.parse import quote_from_bytes

from mailhook.core import contentlines, header_values, mime_bodies, splice_html, splice_text
from mailhook.core.contentlines import Component, ContentLine, escape_text, unescape_text
from mailhook.core.relinking import exchanged
from mailhook.core.splices import Position, Splice, apply, decoded, effective, shifted

LocationRule = Literal["if-empty", "append", "never"]
Reach = Literal["everywhere", "links", "hidden"]
"""Every place; URL, CONFERENCE and our own property; or only those two, which programs do not take for a change."""

MAX_TWIN = 128 * 1024
"""Octets of a description or its HTML twin; a longer one is left alone, because its escapes take long to follow."""
OWN_PROPERTY = "X-VIDEOMOST-CONFERENCE"
_TEXT_ESCAPE = re.compile(rb"\\[\\;,nN]")
_PERCENT = re.compile(rb"%[0-9A-Fa-f]{2}")
_ALTREP = re.compile(rb';ALTREP="(data:text/html[^",]*,)([^"]*)"', re.IGNORECASE)


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
        description, label = (splice_text.held(text, charset) for text in (self.description, self.label))
        return replace(self, description=description, label=label)


@dataclass(frozen=True)
class Change:
    """The edits for one place: within existing lines, and lines to add."""

    place: str
    splices: tuple[Splice, ...] = ()
    added: bytes = b""


@dataclass(frozen=True)
class _Event:
    data: bytes
    component: Component
    additions: Additions
    charset: str
    line_end: bytes
    stale: frozenset[str]
    """Links of older blocks of ours in this event, and former ones: what bears one of them is ours too."""

    def line(self, name: str, params: tuple[tuple[str, str], ...], value: str) -> bytes:
        return contentlines.write(name, params, value, self.line_end, self.charset)

    def replaced(self, line: ContentLine, value: str) -> tuple[Splice, ...]:
        """The line with another value, its name and parameters as they stand."""
        layer = contentlines.unfold(self.data, line.start, line.end)
        new = value.encode(self.charset, "replace")
        splice = Splice(contentlines.value_start(layer.content), len(layer.content), new)
        return tuple(contentlines.fold_in(self.data, layer, [splice], self.line_end))

    def relinked(self, line: ContentLine, *, text: bool) -> tuple[Splice, ...]:
        """The line with our link in place of stale ones; `text`: its value is of type TEXT."""
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
        return [line for line in self.component.lines if line.name == name]


def events(calendar: Component, uid: str) -> list[Component]:
    """The calendar's events with that UID."""
    return [each for each in calendar.children if each.name == "VEVENT" and each.value("UID") == uid]


def changes(data: bytes, event: Component, additions: Additions, charset: str) -> list[Change]:
    """All edits of one event; those of several changes never overlap."""
    line_end = mime_bodies.line_end(data[event.start : event.end])
    stale = frozenset(_older_links(event, additions)) | additions.former
    context = _Event(data, event, additions, charset, line_end, stale)
    rules = _REMOVING if additions.removing else _RULES[additions.reach]
    return [change for rule in rules for change in rule(context)]


def insertion(event: Component, found: list[Change]) -> Splice:
    """The added lines of all changes, after the event's own properties."""
    at = event.children[0].start if event.children else event.closing
    return Splice(at, at, b"".join(change.added for change in found))


def _older_links(event: Component, additions: Additions) -> Iterator[str]:
    for line in event.lines:
        if line.name == "DESCRIPTION":
            text = unescape_text(line.value).encode("utf-8", "replace")
            yield from (link for link in splice_text.links(text) if link != additions.link)


# --- description ---------------------------------------------------------------------------------------


def _description(event: _Event) -> Iterator[Change]:
    lines = event.all("DESCRIPTION")
    block = event.additions.description
    if not lines and not block:
        return
    if not lines:
        yield Change("DESCRIPTION", added=event.line("DESCRIPTION", (), escape_text(block)))
        return
    line = next((each for each in lines if splice_text.BEGIN in each.value), lines[0])
    if line.end - line.start > MAX_TWIN:
        return
    layer = contentlines.unfold(event.data, line.start, line.end)
    start = contentlines.value_start(layer.content)
    text = decoded(layer.content[start:], _TEXT_ESCAPE, _unescaped)
    found = splice_text.place(
        text.content, block.encode(event.charset, "replace"), event.additions.position, b"\n", _old(event)
    )
    found = _exchanged(event, text.content, found)
    lifted = text.lifted(effective(text.content, found), _escaped)
    inner = [Splice(s.start + start, s.end + start, s.data) for s in lifted]
    twin = _altrep(event, layer.content[:start])
    folded = contentlines.fold_in(event.data, layer, [*(twin or []), *inner], event.line_end)
    yield Change("DESCRIPTION", tuple(folded))
    if twin is not None:
        yield Change("ALTREP")


def _exchanged(event: _Event, text: bytes, edits: list[Splice]) -> list[Splice]:
    """With the link in place of stale ones outside of blocks."""
    if event.additions.removing:
        return edits
    return exchanged(text, event.stale, event.additions.link, event.charset, edits)


def _old(event: _Event) -> set[bytes]:
    return {link.encode(event.charset, "replace") for link in event.stale}


def _altrep(event: _Event, head: bytes) -> list[Splice] | None:
    """Edits of the HTML in DESCRIPTION;ALTREP="data:text/html,…", which some clients prefer over the text."""
    found = _ALTREP.search(head)
    if not found or found.end() - found.start() > MAX_TWIN:
        return None
    prefix, source, at = found[1], found[2], found.start(2)
    if prefix.lower().endswith(b";base64,"):
        html = header_values.base64_decoded(source)
        edits = effective(html, _html(event, html, "ascii"))
        encoded = base64.b64encode(apply(html, edits))
        return [Splice(at, found.end(2), encoded)] if edits else []
    layer = decoded(source, _PERCENT, lambda token: bytes((int(token[1:], 16),)))
    edits = effective(layer.content, _html(event, layer.content, "ascii"))
    lifted = layer.lifted(edits, lambda each: quote_from_bytes(each, safe="").encode("ascii"))
    return [Splice(s.start + at, s.end + at, s.data) for s in lifted]


def _html_twins(event: _Event) -> Iterator[Change]:
    """X-ALT-DESC and STYLED-DESCRIPTION (RFC 9073 §6.5) that hold HTML as TEXT."""
    for line in event.component.lines:
        if line.end - line.start > MAX_TWIN:
            continue
        html = line.name in {"X-ALT-DESC", "STYLED-DESCRIPTION"} and line.param("VALUE").upper() != "URI"
        if not html or line.param("FMTTYPE").lower() != "text/html":
            continue
        layer = contentlines.unfold(event.data, line.start, line.end)
        start = contentlines.value_start(layer.content)
        text = decoded(layer.content[start:], _TEXT_ESCAPE, _unescaped)
        found = effective(text.content, _html(event, text.content, event.charset))
        inner = [Splice(s.start + start, s.end + start, s.data) for s in text.lifted(found, _escaped)]
        yield Change(line.name, tuple(contentlines.fold_in(event.data, layer, inner, event.line_end)))


def _html(event: _Event, html: bytes, charset: str) -> list[Splice]:
    block = event.additions.description_html.encode(charset, "xmlcharrefreplace")
    return _exchanged(event, html, splice_html.place(html, block, event.additions.position, b"\n"))


def _as_text(link: str) -> bytes:
    """A pattern for a link as it stands in a value of type TEXT, where clients also leave out the escapes."""
    return b"(?:%b|%b)" % (re.escape(escape_text(link).encode()), re.escape(link.encode()))


def _unescaped(token: bytes) -> bytes:
    return b"\n" if token[1:] in b"nN" else token[1:]


def _escaped(text: bytes) -> bytes:
    """Bytes of any charset in which ASCII octets stand for themselves (RFC 5545 §3.3.11)."""
    plain = text.replace(b"\r\n", b"\n")
    return re.sub(rb"[\\;,]", rb"\\\g<0>", plain).replace(b"\n", b"\\n")


# --- the other properties ------------------------------------------------------------------------------


def _location(event: _Event) -> Iterator[Change]:
    rule, text = event.additions.location_rule, event.additions.location
    line = event.component.first("LOCATION")
    present = unescape_text(line.value).strip() if line else ""
    anew = event.relinked(line, text=True) if line else ()
    if anew or event.additions.link in present:
        yield Change("LOCATION", anew)
    elif rule == "never" or not text:
        return
    elif line is None:
        yield Change("LOCATION", added=event.line("LOCATION", (), escape_text(text)))
    elif present == text or present.endswith(f"; {text}"):
        yield Change("LOCATION")
    elif not present or present.casefold() in event.additions.keywords:
        yield Change("LOCATION", event.replaced(line, escape_text(text)))
    elif rule == "append":
        yield Change("LOCATION", event.edited(line, rb"\s*\Z", f"\\; {escape_text(text)}"))


def _url(event: _Event) -> Iterator[Change]:
    line = event.component.first("URL")
    link = event.additions.link
    if line is None:
        yield Change("URL", added=event.line("URL", (), link))
    elif line.value.strip() == link:
        yield Change("URL")
    elif not line.value.strip():
        yield Change("URL", event.replaced(line, link))
    elif anew := event.relinked(line, text=False):
        yield Change("URL", anew)


def _conference(event: _Event) -> Iterator[Change]:
    """CONFERENCE (RFC 7986 §5.11): one of ours; other people's are kept."""
    link = event.additions.link
    lines = event.all("CONFERENCE")
    mine = [line for line in lines if line.value.strip() == link]
    old = [line for line in lines if event.relinked(line, text=False)]
    if mine:
        yield Change("CONFERENCE", event.removed([*mine[1:], *old]))
    elif old:
        yield Change("CONFERENCE", (*event.replaced(old[0], link), *event.removed(old[1:])))
    else:
        params = (
            ("VALUE", "URI"),
            ("FEATURE", "AUDIO"),
            ("FEATURE", "VIDEO"),
            ("LABEL", event.additions.label),
        )
        kept = params if event.additions.label else params[:-1]
        yield Change("CONFERENCE", added=event.line("CONFERENCE", kept, link))


def _extensions(event: _Event) -> Iterator[Change]:
    """What other products have made of a link that is ours."""
    for line in event.component.lines:
        if line.name.startswith("X-") and line.name not in {"X-ALT-DESC", OWN_PROPERTY}:
            anew = event.relinked(line, text=False)
            yield from (Change(line.name, anew),) if anew or event.additions.link in line.value else ()


def _own_property(event: _Event) -> Iterator[Change]:
    lines = event.all(OWN_PROPERTY)
    value = escape_text(event.additions.conference_id)
    if not lines:
        yield Change(OWN_PROPERTY, added=event.line(OWN_PROPERTY, (), value))
        return
    first = () if lines[0].value == value else event.replaced(lines[0], value)
    yield Change(OWN_PROPERTY, (*first, *event.removed(lines[1:])))


# --- taking out ----------------------------------------------------------------------------------------


def _dead(event: _Event) -> frozenset[str]:
    return event.stale | {event.additions.link}


def _bare_link(event: _Event) -> Iterator[Change]:
    """LOCATION without the link that stands in it, whatever else it says."""
    line = event.component.first("LOCATION")
    present = unescape_text(line.value) if line else ""
    link = next((link for link in _dead(event) if link and link in present), None)
    if line is not None and link is not None:
        yield Change("LOCATION", event.edited(line, rb"(?:\\; | )?" + _as_text(link), ""))


def _references(event: _Event) -> Iterator[Change]:
    for name in ("URL", "CONFERENCE"):
        yield Change(name, event.removed([x for x in event.all(name) if x.value.strip() in _dead(event)]))
    yield Change(OWN_PROPERTY, event.removed(event.all(OWN_PROPERTY)))


_Rules = tuple[Callable[[_Event], Iterator[Change]], ...]
_HIDDEN: _Rules = (_conference, _extensions, _own_property)
_RULES: dict[Reach, _Rules] = {
    "everywhere": (_description, _html_twins, _location, _url, *_HIDDEN),
    "links": (_url, *_HIDDEN),
    "hidden": _HIDDEN,
}
_REMOVING: _Rules = (_description, _html_twins, _bare_link, _references)
