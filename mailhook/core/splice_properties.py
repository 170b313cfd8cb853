"""The link in the properties of an event that hold no long text: LOCATION, URL, CONFERENCE, X- properties.

What: a rule for each, which yields what changes there; and those that take the link out again.

Not here: descriptions (`splice_calendar`).

Errors: none.
"""

import re
from collections.abc import Iterator

from mailhook.core.contentlines import escape_text, unescape_text
from mailhook.core.event_edit import Change, EventEdit

OWN_PROPERTY = "X-VIDEOMOST-CONFERENCE"


def location(event: EventEdit) -> Iterator[Change]:
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
    elif rule == "append" and not event.is_broken(line):
        yield Change("LOCATION", event.edited(line, rb"\s*\Z", f"\\; {escape_text(text)}"))


def url(event: EventEdit) -> Iterator[Change]:
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


def conference(event: EventEdit) -> Iterator[Change]:
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


def extensions(event: EventEdit) -> Iterator[Change]:
    """What other products have made of a link that is ours."""
    for line in event.component.lines:
        if line.name.startswith("X-") and line.name not in {"X-ALT-DESC", OWN_PROPERTY}:
            anew = event.relinked(line, text=False)
            yield from (Change(line.name, anew),) if anew or event.additions.link in line.value else ()


def own_property(event: EventEdit) -> Iterator[Change]:
    lines = event.all(OWN_PROPERTY)
    value = escape_text(event.additions.conference_id)
    if not lines:
        yield Change(OWN_PROPERTY, added=event.line(OWN_PROPERTY, (), value))
        return
    first = () if lines[0].value == value else event.replaced(lines[0], value)
    yield Change(OWN_PROPERTY, (*first, *event.removed(lines[1:])))


# --- taking out ----------------------------------------------------------------------------------------


def _dead(event: EventEdit) -> frozenset[str]:
    return event.stale | {event.additions.link}


def bare_link(event: EventEdit) -> Iterator[Change]:
    """LOCATION without the link that stands in it, whatever else it says."""
    line = event.component.first("LOCATION")
    present = unescape_text(line.value) if line else ""
    link = next((link for link in _dead(event) if link and link in present), None)
    if line is not None and link is not None:
        yield Change("LOCATION", event.edited(line, rb"(?:\\; | )?" + _as_text(link), ""))


def references(event: EventEdit) -> Iterator[Change]:
    for name in ("URL", "CONFERENCE"):
        yield Change(name, event.removed([x for x in event.all(name) if x.value.strip() in _dead(event)]))
    yield Change(OWN_PROPERTY, event.removed(event.all(OWN_PROPERTY)))


def _as_text(link: str) -> bytes:
    """A pattern for a link as it stands in a value of type TEXT, where clients also leave out the escapes."""
    return b"(?:%b|%b)" % (re.escape(escape_text(link).encode()), re.escape(link.encode()))
