"""The link in calendar data: every event of the invitation, every place that some client shows (RFC 5545, 7986, 9073).

What: splices for DESCRIPTION and its HTML twins, LOCATION, URL, CONFERENCE and our own property. Lines that stay keep
their bytes and their order; new ones stand after the event's own properties.

Not here: SEQUENCE, DTSTAMP, ORGANIZER, ATTENDEE, alarms, and everything else of the event: none of them is touched.

Errors: none; a calendar that cannot be read does not come here.
"""

import base64
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from urllib.parse import quote_from_bytes

from mailhook.core import (
    contentlines,
    header_values,
    mime_bodies,
    splice_html,
    splice_properties,
    splice_text,
    text_blocks,
)
from mailhook.core.contentlines import Component, ContentLine, escape_text, unescape_text
from mailhook.core.event_edit import Additions, Allowance, Change, EventEdit, Reach
from mailhook.core.relinking import exchanged
from mailhook.core.splice_text import Text
from mailhook.core.splices import Splice, apply, decoded, effective

History = Callable[[], list[tuple[int, int]]]
_TEXT_ESCAPE = re.compile(rb"\\[\\;,nN]")
_PERCENT = re.compile(rb"%[0-9A-Fa-f]{2}")
_ALTREP = re.compile(rb';ALTREP="(data:text/html[^",]*,)([^"]*)"', re.IGNORECASE)


def events(calendar: Component, uid: str) -> list[Component]:
    """The calendar's events with that UID."""
    return [each for each in calendar.children if each.name == "VEVENT" and each.value("UID") == uid]


def changes(
    data: bytes, event: Component, additions: Additions, charset: str, allowance: Allowance
) -> list[Change]:
    """All edits of one event; those of several changes never overlap."""
    line_end = mime_bodies.line_end(data[event.start : event.end])
    texts = allowance.granted(data, event)
    stale = frozenset(_older_links(texts, additions)) | additions.former
    context = EventEdit(data, event, additions, charset, line_end, stale, texts)
    rules = _REMOVING if additions.removing else _RULES[additions.reach]
    return [change for rule in rules for change in rule(context)]


def insertion(event: Component, found: list[Change]) -> Splice:
    """The added lines of all changes, after the event's own properties."""
    at = event.children[0].start if event.children else event.closing
    return Splice(at, at, b"".join(change.added for change in found))


def _older_links(texts: tuple[ContentLine, ...], additions: Additions) -> Iterator[str]:
    links = frozenset({additions.link, *additions.former})
    text = Text(additions.position, b"\n", links, "utf-8", additions.link)
    for line in texts:
        if line.name == "DESCRIPTION" and text_blocks.OPENING in line.value:
            data = unescape_text(line.value).encode("utf-8", "replace")
            if not splice_text.is_beside(data, text_blocks.blocks(data, links), text):
                yield from text_blocks.older_links(data, links, "utf-8")


# --- description ---------------------------------------------------------------------------------------


def _description(event: EventEdit) -> Iterator[Change]:
    lines = event.all("DESCRIPTION")
    block = event.additions.description
    if not lines and not block:
        return
    if not lines:
        yield Change("DESCRIPTION", added=event.line("DESCRIPTION", (), escape_text(block)))
        return
    line = next((each for each in lines if text_blocks.OPENING in each.value), lines[0])
    if line not in event.texts or event.is_broken(line):
        return
    layer = contentlines.unfold(event.data, line.start, line.end)
    start = contentlines.value_start(layer.content)
    text = decoded(layer.content[start:], _TEXT_ESCAPE, _unescaped)
    found = splice_text.place(text.content, block.encode(event.charset, "replace"), event.text)
    found = _exchanged(event, text.content, found, lambda: splice_text.history(text.content, event.charset))
    lifted = text.lifted(effective(text.content, found), _escaped)
    inner = [Splice(s.start + start, s.end + start, s.data) for s in lifted]
    twin = _altrep(event, layer.content[:start])
    folded = contentlines.fold_in(event.data, layer, [*(twin or []), *inner], event.line_end)
    yield Change("DESCRIPTION", tuple(folded))
    if twin is not None:
        yield Change("ALTREP")


def _exchanged(event: EventEdit, text: bytes, edits: list[Splice], history: History) -> list[Splice]:
    """With the link in place of stale ones outside of blocks."""
    if event.additions.removing or not event.stale:
        return edits
    return exchanged(text, event.stale, event.additions.link, event.charset, edits, history())


def _altrep(event: EventEdit, head: bytes) -> list[Splice] | None:
    """Edits of the HTML in DESCRIPTION;ALTREP="data:text/html,…", which some clients prefer over the text."""
    found = _ALTREP.search(head)
    if not found:
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


def _html_twins(event: EventEdit) -> Iterator[Change]:
    """X-ALT-DESC and STYLED-DESCRIPTION (RFC 9073 §6.5) that hold HTML as TEXT."""
    for line in event.texts:
        html = line.name in {"X-ALT-DESC", "STYLED-DESCRIPTION"} and line.param("VALUE").upper() != "URI"
        if not html or _media_type(line.param("FMTTYPE")) != "text/html":
            continue
        if event.is_broken(line):
            continue
        layer = contentlines.unfold(event.data, line.start, line.end)
        start = contentlines.value_start(layer.content)
        text = decoded(layer.content[start:], _TEXT_ESCAPE, _unescaped)
        found = effective(text.content, _html(event, text.content, event.charset))
        inner = [Splice(s.start + start, s.end + start, s.data) for s in text.lifted(found, _escaped)]
        yield Change(line.name, tuple(contentlines.fold_in(event.data, layer, inner, event.line_end)))


def _media_type(value: str) -> str:
    """Without parameters such as a charset, which here are those of the calendar (RFC 5545 §3.2.8)."""
    return value.partition(";")[0].strip().lower()


def _html(event: EventEdit, html: bytes, charset: str) -> list[Splice]:
    block = event.additions.description_html.encode(charset, "xmlcharrefreplace")
    text = replace(event.text, charset=charset)
    found = splice_html.place(html, block, text)
    return _exchanged(event, html, found, lambda: splice_html.history(html, text))


def _unescaped(token: bytes) -> bytes:
    return b"\n" if token[1:] in b"nN" else token[1:]


def _escaped(text: bytes) -> bytes:
    """Bytes of any charset in which ASCII octets stand for themselves (RFC 5545 §3.3.11)."""
    plain = text.replace(b"\r\n", b"\n")
    return re.sub(rb"[\\;,]", rb"\\\g<0>", plain).replace(b"\n", b"\\n")


_Rules = tuple[Callable[[EventEdit], Iterator[Change]], ...]
_HIDDEN: _Rules = (splice_properties.conference, splice_properties.extensions, splice_properties.own_property)
_RULES: dict[Reach, _Rules] = {
    "everywhere": (_description, _html_twins, splice_properties.location, splice_properties.url, *_HIDDEN),
    "links": (splice_properties.url, *_HIDDEN),
    "hidden": _HIDDEN,
}
_REMOVING: _Rules = (_description, _html_twins, splice_properties.bare_link, splice_properties.references)
