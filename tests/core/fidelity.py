"""What holds of every rewriting, whatever came in; for hypothesis and for the fuzzer.

What: `check` compares a message with what was made of it, in time linear in its size: nothing outside of the edited
parts differs, components and properties are the same but for ours, twice is once, and taking the link out again gives
the text back.

Not here: what a reader sees of it (tests/golden/oracle.py, with `email` and `icalendar`).
"""

import re

from mailhook.core import contentlines, header_values, message, rewrite, splice_html, text_blocks
from mailhook.core.contentlines import Component
from mailhook.core.message import Message, Part
from mailhook.core.rewrite import Options, Rewritten
from mailhook.core.splice_properties import OWN_PROPERTY
from mailhook.core.wording import Block
from mailhook.errors import Unreadable

_LINK = re.compile(r"https?://\S+")
MARKER = "x-mailhook-conference"
DESCRIBING = {"content-type", "content-transfer-encoding", "content-length", MARKER}
OURS = {
    "DESCRIPTION",
    "LOCATION",
    "URL",
    "CONFERENCE",
    "X-VIDEOMOST-CONFERENCE",
    "X-ALT-DESC",
    "STYLED-DESCRIPTION",
}


def _has_ours(text: str) -> bool:
    marks = (text_blocks.OPENING, splice_html.BEGIN, splice_html.ELEMENT)
    return OWN_PROPERTY in text.upper() or any(mark in text for mark in marks)


def check(raw: bytes, block: Block, link: str, options: Options) -> Rewritten | None:
    """AssertionError where a promise is broken; None for what cannot be read."""
    try:
        before = message.read(raw)
    except Unreadable:
        return None
    once = rewrite.rewrite(before, block, link, "c", options)
    if not once.places:
        assert once.content == raw
        return once
    after = message.read(once.content)
    _same_outside(before, after)
    again = rewrite.rewrite(after, block, link, "c", options)
    if _has_ours(_all_text(before)):
        # What is replaced may have held the only octets of no known charset; without it more can be written.
        assert rewrite.rewrite(message.read(again.content), block, link, "c", options) == again
        return once
    assert again == once
    if link not in _all_text(before):
        back = message.read(rewrite.remove(after, link, "c", options).content)
        for old, new in zip(before.parts, back.parts, strict=True):
            _same_text(before, old, back, new)
    return once


def _same_outside(before: Message, after: Message) -> None:
    """(a): gaps between the parts, parts that hold no link, and header fields that do not describe a body."""
    assert len(before.parts) == len(after.parts)
    ends = [0, 0]
    for old, new in zip(before.parts, after.parts, strict=True):
        gap, again = _gap(before, ends[0], old.header_start), _gap(after, ends[1], new.header_start)
        assert gap == again
        ends = [old.body_end, new.body_end]
        assert _fields(old) == _fields(new)
        if message.may_hold_calendar(old):
            _same_components(_calendar(before, old), _calendar(after, new))
    assert before.raw[ends[0] :] == after.raw[ends[1] :]


def _gap(whole: Message, start: int, end: int) -> bytes:
    """What stands there, without the message's own marker header."""
    marker = next((each for each in whole.headers if each.name == MARKER), None)
    if marker is None or not start <= marker.start < end:
        return whole.raw[start:end]
    return whole.raw[start : marker.start] + whole.raw[marker.end : end]


def _fields(part: Part) -> list[tuple[str, bytes]]:
    return [(each.name, each.value) for each in part.headers if each.name not in DESCRIBING]


def _all_text(whole: Message) -> str:
    return "".join(_text(whole, part) for part in whole.parts).replace("\r\n ", "").replace("\n ", "")


def _text(whole: Message, part: Part) -> str:
    try:
        return message.text(whole, part)
    except Unreadable:
        return ""


def _same_text(before: Message, old: Part, back: Message, new: Part) -> None:
    """(c): but for empty lines around the block, and for folds and charsets that had to change."""
    if not message.may_hold_calendar(old) and _is_in_its_charset(before, old):
        assert _text(before, old).split() == _text(back, new).split()


def _is_in_its_charset(whole: Message, part: Part) -> bool:
    try:
        message.body(whole, part).decode(header_values.codec(part.charset) or "ascii")
    except (Unreadable, UnicodeError):
        return False
    return True


def _calendar(whole: Message, part: Part) -> Component | None:
    try:
        return contentlines.read(*message.lines(whole, part))
    except Unreadable:
        return None


def _same_components(old: Component | None, new: Component | None) -> None:
    """(d), by our own reader."""
    if old is None or new is None:
        assert old is new
        return
    assert old.name == new.name
    assert _kept(old) == _kept(new)
    assert len(old.children) == len(new.children)
    for one, other in zip(old.children, new.children, strict=True):
        _same_components(one, other)


def _kept(component: Component) -> list[tuple[str, ...]]:
    """Properties but for ours; in ASCII, because the charset that a part declares may have become the right one.

    Of X- properties of events without links: what other products make of a link of ours follows it.
    """
    skipped = OURS if component.name == "VEVENT" else set()
    lines = (line for line in component.lines if line.name not in skipped)
    return [
        (
            line.name,
            _ascii(_LINK.sub("", line.value) if line.name.startswith("X-") else line.value),
            *(_ascii("=".join(each)) for each in line.params),
        )
        for line in lines
    ]


def _ascii(text: str) -> str:
    return text.encode("ascii", "ignore").decode("ascii")
