"""What a rewritten invitation must be, told by the libraries `email` and `icalendar`.

What: `check` compares a message with what was made of it: the same parts, the same components and properties but for
ours, the link in every place where it belongs, and no other line changed.

Not here: which messages are rewritten (expect.json).
"""

import html
import re
from dataclasses import dataclass
from email import message_from_bytes
from email.message import Message
from typing import Any
from urllib.parse import unquote

from icalendar import Calendar
from icalendar.cal import Component

KEYWORDS = {"", "videomost", "видеомост"}
TEXT_MARKS = ("_______ Videomost ", "_______ /Videomost ______")
HTML_MARKS = ("<!-- videomost:begin -->", "<!-- videomost:end -->")
EDITED = {"DESCRIPTION", "LOCATION", "URL", "CONFERENCE", "X-VIDEOMOST-CONFERENCE", "X-ALT-DESC"}
PART_FIELDS = re.compile(rb"content-(length|type|transfer-encoding):|\s", re.IGNORECASE)


@dataclass(frozen=True)
class Expected:
    link: str
    conference: str


def check(before: bytes, after: bytes, expected: Expected) -> None:
    """AssertionError where `after` is not `before` with the link."""
    old, new = message_from_bytes(before), message_from_bytes(after)
    assert new["X-Mailhook-Conference"] == expected.conference
    assert _names(old) == _names(new)
    pairs = list(zip(leaves(old), leaves(new), strict=True))
    changed = [pair for pair in pairs if _check_part(*pair, expected)]
    edited = [one for one, _ in changed]
    assert any(map(is_calendar, edited))
    texts = [one for one, _ in pairs if is_text(one) and not is_armoured(one)]
    assert not any(map(is_armoured, edited))
    for kind in ("text/plain", "text/html"):
        of_kind = [one for one in texts if one.get_content_type() == kind]
        assert not of_kind or of_kind[0] in edited or bears(of_kind[0], expected.link), f"no link in {kind}"
    check_twins([other for _, other in pairs if is_calendar(other)])
    check_lines(before, after, changed)


def check_removed(before: bytes, after: bytes) -> None:
    """AssertionError where `after` is not `before` without what was left of our block in the texts."""
    old, new = message_from_bytes(before), message_from_bytes(after)
    assert new["X-Mailhook-Conference"]
    assert _names(old) == _names(new)
    for one, other in zip(leaves(old), leaves(new), strict=True):
        if is_text(one):
            marks = HTML_MARKS if one.get_content_type() == "text/html" else TEXT_MARKS
            assert marks[0] not in _text(other)
            assert _text(other) in without(_text(one), marks)
        else:
            assert decoded(one) == decoded(other)


def _names(message: Message) -> list[str]:
    """Fields but for the marker, and one that a message which is all calendar may come to need."""
    return [name for name in message if name not in {"X-Mailhook-Conference", "Content-Transfer-Encoding"}]


def leaves(message: Message) -> list[Message]:
    """The parts; an enclosed message is one of them, whatever is in it."""
    if message.get_content_maintype() != "multipart" or not message.is_multipart():
        return [message]
    children = message.get_payload()
    assert isinstance(children, list)
    return [leaf for child in children if isinstance(child, Message) for leaf in leaves(child)]


def is_calendar(part: Message) -> bool:
    named = (part.get_filename() or "").lower().endswith(".ics")
    return part.get_content_type() in {"text/calendar", "application/ics"} or named


def is_text(part: Message) -> bool:
    return part.get_content_maintype() == "text" and not is_calendar(part) and part.get_filename() is None


def is_armoured(part: Message) -> bool:
    """A text that PGP has encrypted or signed."""
    return is_text(part) and b"\n-----BEGIN PGP " in b"\n" + decoded(part)


def decoded(part: Message) -> bytes:
    if part.get_content_maintype() == "message":
        return part.as_bytes()
    payload = part.get_payload(decode=True)
    assert isinstance(payload, bytes)
    return payload


def octets(part: Message) -> bytes:
    """A calendar in UTF-8, from charsets in which its bytes are no lines."""
    charset = part.get_content_charset() or ""
    return decoded(part).decode(charset).encode() if charset.startswith("utf-16") else decoded(part)


def encoded(part: Message) -> bytes:
    """The body as it stands in the message."""
    if str(part.get("content-transfer-encoding", "7bit")).lower() in {"7bit", "8bit", "binary"}:
        return decoded(part)
    payload = part.get_payload()
    assert isinstance(payload, str)
    return payload.encode("ascii")


def _text(part: Message) -> str:
    return decoded(part).decode(part.get_content_charset() or "utf-8", "replace")


def _check_part(old: Message, new: Message, expected: Expected) -> bool:
    """Whether the part is edited."""
    assert _type(old) == _type(new)
    if decoded(old) == decoded(new):
        return False
    if "content-length" in new:
        stated, was = int(new["content-length"]), int(old["content-length"])
        assert stated - was == len(encoded(new)) - len(encoded(old))
    if is_calendar(old):
        check_calendar(octets(old), octets(new), expected)
    else:
        check_text(old, new, expected)
    return True


def bears(part: Message, link: str) -> bool:
    """Whether the text came with the link: then it stays as it is."""
    return link in html.unescape(_text(part))


def _type(part: Message) -> list[tuple[str, str]]:
    return [(name, value) for name, value in part.get_params() or [] if name != "charset"]


# --- texts ---------------------------------------------------------------------------------------------


def check_text(old: Message, new: Message, expected: Expected) -> None:
    assert is_text(old)
    before, after = _text(old), _text(new)
    if old.get_content_type() == "text/html":
        assert html.escape(expected.link) in after
        assert is_kept(before, after, HTML_MARKS)
    else:
        assert expected.link in [line.strip() for line in after.splitlines()]
        assert is_kept(before, after, TEXT_MARKS)


def is_kept(before: str, after: str, marks: tuple[str, str]) -> bool:
    """Whether all but the block is the same; where somebody typed into an older one, whether no word is lost."""
    if marks[1] not in before and "videomost-conference" not in before:
        return bool(without(after, marks) & without(before, marks))
    if before.count(marks[0]) == after.count(marks[0]) == 1 and without(after, marks) & without(
        before, marks
    ):
        return True
    own, words = (
        re.compile(r"_+|[a-z2-7]{4,48}|/?Videomost|Конференция|в|https://\S+"),
        (re.sub(r"<[^>]*>", " ", each).split() for each in (before, after)),
    )
    old, new = (set(each) for each in words)
    return all(word in new or own.fullmatch(word) for word in old)


def without(text: str, marks: tuple[str, str]) -> set[str]:
    """What the text may have been before it got its block: up to two line ends on each side are the block's."""
    begin, end = text.find(marks[0]), text.find(marks[1])
    if begin < 0:
        return {text}
    assert end > begin
    assert text.count(marks[0]) == text.count(marks[1]) == 1
    head, tail = text[:begin], text[end + len(marks[1]) :]
    ends = [eol * count for eol in ("\n", "\r\n") for count in (0, 1, 2)]
    return {head.removesuffix(before) + tail.removeprefix(after) for before in ends for after in ends}


# --- calendars -----------------------------------------------------------------------------------------


def check_calendar(before: bytes, after: bytes, expected: Expected) -> None:
    """New lines are folded; what is left of a line that was too long may stay so."""
    old, new = set(re.split(rb"\r?\n", before)), set(re.split(rb"\r?\n", after))
    long = [line.removeprefix(b" ") for line in new - old if len(line) > 75]
    assert all(any(line in was for was in old) for line in long)
    _check_component(_calendar(before), _calendar(after), expected)


def _calendar(data: bytes) -> Component:
    return Calendar.from_ical(data)


def _check_component(old: Component, new: Component, expected: Expected) -> None:
    assert (old.name, old.errors) == (new.name, new.errors)
    if old.name == "VEVENT":
        _check_event(old, new, expected)
    else:
        assert _properties(old) == _properties(new)
    for one, other in zip(old.subcomponents, new.subcomponents, strict=True):
        _check_component(one, other, expected)


def _properties(component: Component, skipped: frozenset[str] = frozenset()) -> list[tuple[str, str, str]]:
    items = component.property_items(recursive=False, sorted=False)
    return [(n, _ical(v), str(dict(getattr(v, "params", {})))) for n, v in items if n not in skipped]


def _ical(value: Any) -> str:
    return str(value.to_ical() if hasattr(value, "to_ical") else value)


def _values(event: Component, name: str) -> list[str]:
    found = event.get(name, [])
    return [str(value) for value in (found if isinstance(found, list) else [found])]


def _check_event(old: Component, new: Component, expected: Expected) -> None:
    link = expected.link
    assert _properties(old, frozenset(EDITED)) == _properties(new, frozenset(EDITED))
    (description,) = _values(new, "DESCRIPTION")[:1]
    before = "".join(_values(old, "DESCRIPTION")[:1])
    assert link in before or link in [line.strip() for line in description.splitlines()]
    assert is_kept(before, description, TEXT_MARKS)
    assert _values(new, "LOCATION")[:1] == _location(_values(old, "LOCATION"), link)
    assert _values(new, "URL")[:1] == (list(filter(None, _values(old, "URL")))[:1] or [link])
    assert _values(new, "CONFERENCE") == [*_values(old, "CONFERENCE"), link]
    assert _values(new, "X-VIDEOMOST-CONFERENCE") == [expected.conference]
    _check_html_twins(old, new, link)


def _location(before: list[str], link: str) -> list[str]:
    present = before[0] if before else ""
    return [link] if present.strip().casefold() in KEYWORDS else [present]


def _check_html_twins(old: Component, new: Component, link: str) -> None:
    for before, after in zip(_values(old, "X-ALT-DESC"), _values(new, "X-ALT-DESC"), strict=True):
        one, other = (re.sub(r"\\([,;])", r"\1", each).replace("\\n", "\n") for each in (before, after))
        assert html.escape(link) in other
        assert without(other, HTML_MARKS) & without(one, HTML_MARKS)
    params = getattr(old.get("DESCRIPTION"), "params", {})
    if "ALTREP" in params:
        twin = unquote(str(new["DESCRIPTION"].params["ALTREP"]))
        assert html.escape(link) in twin
        assert without(twin, HTML_MARKS) & without(unquote(str(params["ALTREP"])), HTML_MARKS)


def check_twins(calendars: list[Message]) -> None:
    """The calendar and its attached twin hold the same events; what is no REQUEST is no twin."""
    read = [_calendar(octets(each)) for each in calendars if decoded(each).strip()]
    twins = [each for each in read if str(each.get("METHOD", "REQUEST")).upper() in {"REQUEST", "ADD"}]
    events = [[_properties(event) for event in each.walk("VEVENT")] for each in twins]
    assert all(each == events[0] for each in events)


# --- lines ---------------------------------------------------------------------------------------------


def check_lines(before: bytes, after: bytes, edited: list[tuple[Message, Message]]) -> None:
    """Outside of the bodies of edited parts no line is gone or other, but for fields that describe these."""
    old = _outside(before, [one for one, _ in edited])
    new = _outside(after, [other for _, other in edited])
    assert old == [line for line in new if not line.startswith(b"X-Mailhook-Conference:")]


def _outside(raw: bytes, edited: list[Message]) -> list[bytes]:
    pieces, at = [], 0
    for part in edited:
        start, end = _span(raw, encoded(part), at)
        pieces.append(raw[at:start])
        at = end
    lines = b"".join([*pieces, raw[at:]]).split(b"\n")
    return [line for line in lines if not PART_FIELDS.match(line)]


def _span(raw: bytes, body: bytes, after: int) -> tuple[int, int]:
    """Where the body stands: between an empty line and a delimiter or the end."""
    found = re.compile(rb"\n\r?\n(%b)(?=\r?\n--|\r?\n?\Z)" % re.escape(body)).search(raw, after)
    assert found is not None
    return found.span(1)
