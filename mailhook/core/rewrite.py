"""Writing the join link into an invitation: bytes in, bytes out.

What: `rewrite` puts the block into every place of the message where somebody may look for it, by splices at known
offsets: every byte outside the edited spans is the byte that came in. Doing it twice is doing it once.

Not here: whether to (`policy`, `meeting`), the words of the block (`wording`).

Errors: none for a message that was read; a part that cannot be edited safely is left as it is, and a message whose
calendar cannot be edited is returned as it came, with no places.
"""

from dataclasses import dataclass, replace
from urllib.parse import quote

from mailhook.core import (
    contentlines,
    header_values,
    message,
    mime_bodies,
    part_edit,
    splice_calendar,
    splice_html,
    splice_text,
    text_blocks,
)
from mailhook.core.contentlines import Component
from mailhook.core.event_edit import Additions, Allowance, LocationRule
from mailhook.core.message import Message, Part
from mailhook.core.relinking import exchanged
from mailhook.core.splice_text import Text
from mailhook.core.splices import Position, Splice, apply
from mailhook.core.wording import Block
from mailhook.errors import Unreadable

METHODS = ("REQUEST", "ADD")
NO_BLOCK = Block("", "", "", "", "", "")


@dataclass(frozen=True)
class Options:
    """`eight_bit`: the next hop takes 8BITMIME. `marker`: the name of the header that a rewritten message gets."""

    location: LocationRule = "if-empty"
    position: Position = "top"
    keywords: tuple[str, ...] = ()
    eight_bit: bool = True
    marker: bytes = b"X-Mailhook-Conference"


@dataclass(frozen=True)
class Rewritten:
    """`places`: where the link now stands, each once; none when the message came back as it was.

    `beyond`: names of properties that were left as they came, because together they are too long.
    """

    content: bytes
    places: tuple[str, ...]
    beyond: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Calendar:
    part: Part
    method: str
    root: Component


@dataclass(frozen=True)
class _Edit:
    places: tuple[str, ...]
    splices: tuple[Splice, ...]


def rewrite(
    whole: Message,
    block: Block,
    link: str,
    conference_id: str,
    options: Options,
    uid: str = "",
    copied: frozenset[str] = frozenset(),
) -> Rewritten:
    """Write the block into the texts and into the events with `uid` (by default the first scheduling calendar's).

    `copied`: links of ours that the message has from another meeting; `link` takes their place.
    """
    calendars = _calendars(whole)
    wanted = uid or _uid(calendars)
    added = replace(additions(block, link, conference_id, options), former=copied)
    allowance = Allowance()
    edits = _calendar_edits(whole, calendars, wanted, added, options, allowance)
    if not edits:
        return Rewritten(whole.raw, ())
    edits = [
        *_text_edits(whole, block, options, link, copied),
        *edits,
        _marker(whole, conference_id, options),
    ]
    content = apply(whole.raw, [splice for edit in edits for splice in edit.splices])
    places = dict.fromkeys(place for edit in edits for place in edit.places)
    return Rewritten(content, tuple(places), tuple(allowance.beyond))


def remove(whole: Message, link: str, conference_id: str, options: Options) -> Rewritten:
    """Take out blocks of ours, and `link` wherever it stands alone; the inverse of `rewrite`."""
    calendars = _calendars(whole)
    added = replace(additions(NO_BLOCK, link, conference_id, options), removing=True)
    edits = _calendar_edits(whole, calendars, _uid(calendars), added, options, Allowance())
    edits = [
        each for each in (*_text_edits(whole, NO_BLOCK, options, link, frozenset()), *edits) if each.splices
    ]
    if not edits:
        return Rewritten(whole.raw, ())
    edits.append(_marker(whole, conference_id, options))
    content = apply(whole.raw, [splice for edit in edits for splice in edit.splices])
    return Rewritten(content, tuple(dict.fromkeys(place for edit in edits for place in edit.places)))


def additions(block: Block, link: str, conference_id: str, options: Options) -> Additions:
    """What goes into each event of a calendar."""
    return Additions(
        description=_marked_text(block.description),
        description_html=_marked_html(block.description_html),
        location=" ".join(block.location.split()),
        label=" ".join(block.label.split()),
        link=link,
        conference_id=conference_id,
        location_rule=options.location,
        position=options.position,
        keywords=frozenset(keyword.casefold() for keyword in options.keywords),
    )


def _marked_text(words: str) -> str:
    return text_blocks.marked(words) if words else ""


def _marked_html(words: str) -> str:
    return splice_html.marked(words) if words else ""


# --- calendars -----------------------------------------------------------------------------------------


def _calendars(whole: Message) -> list[_Calendar]:
    """The calendars that can be read and are no reply, cancellation or publication."""
    found: list[_Calendar] = []
    for part in whole.parts:
        if not (message.may_hold_calendar(part) and part_edit.editable(whole, part)):
            continue
        try:
            root = contentlines.read(*message.lines(whole, part))
        except Unreadable:
            continue
        method = (root.value("METHOD") or part.params.get("method", "")).strip().upper()
        if method in (*METHODS, ""):
            found.append(_Calendar(part, method, root))
    return found


def _uid(calendars: list[_Calendar]) -> str:
    """The UID of the first event that is scheduled; a calendar without METHOD is at most a twin of such a one."""
    uids = (
        event.value("UID")
        for calendar in calendars
        if calendar.method
        for event in calendar.root.children
        if event.name == "VEVENT"
    )
    return next(filter(None, uids), "")


def _calendar_edits(
    whole: Message,
    calendars: list[_Calendar],
    uid: str,
    added: Additions,
    options: Options,
    allowance: Allowance,
) -> list[_Edit]:
    edits = (_calendar_edit(whole, each, uid, added, options, allowance) for each in calendars)
    return [edit for edit in edits if edit is not None]


def _calendar_edit(
    whole: Message, calendar: _Calendar, uid: str, added: Additions, options: Options, allowance: Allowance
) -> _Edit | None:
    if not uid or not splice_calendar.events(calendar.root, uid):
        return None
    prepared = part_edit.prepare_text(whole, calendar.part, added.words)
    if prepared is None:
        return None
    try:
        root = contentlines.read(prepared.data, prepared.charset)
    except Unreadable:
        return None
    added = added.held_by(prepared.charset)
    edits: list[Splice] = []
    places: list[str] = []
    for event in splice_calendar.events(root, uid):
        changes = splice_calendar.changes(prepared.data, event, added, prepared.charset, allowance)
        edits += (splice for change in changes for splice in change.splices)
        edits.append(splice_calendar.insertion(event, changes))
        places += (change.place for change in changes if change.splices or not added.removing)
    made = part_edit.splices(whole, prepared, edits, eight_bit=options.eight_bit)
    return _Edit(tuple(dict.fromkeys(places)), tuple(made))


# --- texts ---------------------------------------------------------------------------------------------


def _text_edits(
    whole: Message, block: Block, options: Options, link: str, copied: frozenset[str]
) -> list[_Edit]:
    """The first text/plain and the first text/html that are the invitation's own text."""
    out: list[_Edit] = []
    for content_type, edit in (("text/plain", _plain), ("text/html", _html)):
        part = next((each for each in whole.parts if _is_text(whole, each, content_type)), None)
        try:
            made = edit(whole, part, block, options, link, copied) if part else None
        except Unreadable:
            continue
        if made is not None:
            out.append(_Edit((content_type,), tuple(made)))
    return out


def _is_text(whole: Message, part: Part, content_type: str) -> bool:
    # What has a file name is a document, however it is to be shown.
    attached = message.disposition(part) == "attachment" or bool(part.filename)
    if attached or message.may_hold_calendar(part):
        return False
    return part.content_type == content_type and part_edit.editable(whole, part)


def _plain(
    whole: Message, part: Part, block: Block, options: Options, link: str, copied: frozenset[str]
) -> list[Splice] | None:
    text = _marked_text(block.text)
    if part.params.get("format", "").lower() == "flowed":
        text = text_blocks.flowed(text)
    prepared = part_edit.prepare_text(whole, part, text)
    if prepared is None:
        return None
    eol = mime_bodies.line_end(prepared.data, mime_bodies.line_end(whole.raw[: part.body_start]))
    written = text_blocks.held(text, prepared.charset).encode(prepared.charset).replace(b"\n", eol)
    place = Text(options.position, eol, copied | {link}, prepared.charset, link)
    edits = splice_text.place(prepared.data, written, place)
    if copied:
        history = splice_text.history(prepared.data, prepared.charset)
        edits = exchanged(prepared.data, copied, link, prepared.charset, edits, history)
    return part_edit.splices(whole, prepared, edits, eight_bit=options.eight_bit)


def _html(
    whole: Message, part: Part, block: Block, options: Options, link: str, copied: frozenset[str]
) -> list[Splice] | None:
    prepared = part_edit.prepare_html(whole, part, eight_bit=options.eight_bit)
    if prepared is None:
        return None
    eol = mime_bodies.line_end(prepared.data, mime_bodies.line_end(whole.raw[: part.body_start]))
    html = _marked_html(block.html).encode(prepared.charset, "xmlcharrefreplace")
    written = html.replace(b"\r\n", b"\n").replace(b"\n", eol)
    place = Text(options.position, eol, copied | {link}, prepared.charset, link)
    edits = splice_html.place(prepared.data, written, place)
    if copied:
        history = splice_html.history(prepared.data, place)
        edits = exchanged(prepared.data, copied, link, prepared.charset, edits, history)
    return part_edit.splices(whole, prepared, edits, eight_bit=options.eight_bit)


# --- marker header -------------------------------------------------------------------------------------


def _marker(whole: Message, conference_id: str, options: Options) -> _Edit:
    """One header at the end of the message's own; the value is ASCII whatever the provider's id is."""
    name = options.marker.decode("ascii").lower()
    value = b" " + quote(conference_id, safe="!#$&'()*+,-./:;=?@[]^_`{|}~").encode("ascii")
    present = [each for each in whole.headers if each.name == name]
    if not present:
        at = whole.headers[-1].end
        eol = mime_bodies.line_end(whole.raw[:at])
        return _Edit(("header",), (Splice(at, at, options.marker + b":" + value + eol),))
    if header_values.unfolded(present[0].value) == value.strip().decode("ascii"):
        return _Edit(("header",), ())
    start = present[0].end - len(present[0].value)
    return _Edit(("header",), (Splice(start, start + len(present[0].value.rstrip(b"\r\n")), value),))
