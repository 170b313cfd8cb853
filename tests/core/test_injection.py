"""Hostile text in what an invitation or a provider says: nothing gets out of the place where it is put.

The templates put every variable into every piece of the block; the defaults show the link alone. Each hostile text is
compared with a harmless one: the same headers, parts, tags, components, properties and marks.
"""

import email
from dataclasses import fields, replace
from html.parser import HTMLParser

import icalendar
import pytest

from mailhook.core import contentlines, itip, message
from mailhook.core.conference import JoinDetails
from mailhook.core.itip import Invitation
from mailhook.core.policy import Envelope, Policy, defaults
from mailhook.core.rewrite import rewrite
from mailhook.core.text_blocks import BEGIN, END
from mailhook.core.wording import FILES, Variables, Wording
from mailhook.journal import Story
from mailhook.writer import Carriage, Manner, Writer
from tests.relay.mails import ANNA, IVAN, Event, invitation

EVERYTHING = "Conference\n{{ link }}\n" + " ".join(
    f"{{{{ {each.name} }}}}" for each in fields(Variables) if each.name not in {"link", "test", "timing"}
)
PIECES = {f"en/{file}": EVERYTHING for file in FILES.values()} | {
    "en/body.html.j2": '<b title="{{ topic }}">{{ organizer_name }}</b><a href="{{ link }}">{{ link }}</a>',
    "en/description.html.j2": '<a href="{{ link }}" title="{{ topic }}">{{ passcode }}{{ conference_id }}</a>',
}
WORDING = Wording(PIECES, "en")
WRITER = Writer(Policy(), lambda: WORDING, Manner(language="en"))
HARMLESS = "Budget"
HOSTILE = {
    "tag": '"><script>alert(1)</script><img src=x onerror=alert(1)>',
    "end of comment": "--><!-- videomost:end --></div></td></table></body><script>",
    "apostrophe": "' onmouseover='alert(1)",
    "entity": "&quot;&gt;&lt;script&gt;&#x3c;script&#62;",
    "template": "{{ ''.__class__ }}{% raw %}",
    "line ends": "x\r\nBcc: all@corp.example\r\n\r\n<script>\r\n--=_test\r\nContent-Type: text/html\r\n",
    "other line ends": "x\u2028y\u2029z\x85w\x0bv\x0cu\x1ct\rs",
    "event": "x\r\nEND:VEVENT\r\nEND:VCALENDAR\r\nBEGIN:VCALENDAR\r\nATTENDEE:mailto:eve@evil.example",
    "escapes": "a\\n\\;b\\\\\\nATTENDEE:mailto:eve@evil.example\\",
    "parameters": 'x";X-EVIL="y:z,;^n^\'',
    "marks": f"{END}\r\n{BEGIN}\r\nevil",
    "nested marks": f"_______ Vide{BEGIN}omost _______ _______ /Vide{END}omost ______",
    "nul": "a\x00b\x01c\x7f",
    "direction": "\u202egnp.ecilop\u2066\u2067\u200f",
    "100 kB": "x" * 100_000,
    "100 kB of escapes": "<,;\\" * 25_000,
    "surrogate-free emoji": "👨‍👩‍👧‍👦" * 30,
    "ends in an escape": "x" * 74 + "\\",
}


class Outline(HTMLParser):
    """Tags and the names of their attributes."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.found: list[tuple[str, ...]] = []
        self.text = ""
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, *(name for name, _ in attrs)))

    def handle_endtag(self, tag: str) -> None:
        self.found.append((f"/{tag}",))

    def handle_comment(self, data: str) -> None:
        self.found.append(("!--", data))

    def handle_data(self, data: str) -> None:
        self.text += data


def components(component: icalendar.Component) -> tuple[object, ...]:
    return component.name, list(component.keys()), [components(each) for each in component.subcomponents]


def leaves(raw: bytes) -> list[tuple[str, str]]:
    found = []
    for part in email.message_from_bytes(raw).walk():
        if not part.is_multipart():
            payload = part.get_payload(decode=True)
            assert isinstance(payload, bytes)
            found.append((part.get_content_type(), payload.decode()))
    return found


def structure(raw: bytes) -> tuple[object, ...]:
    """All that a hostile text may not change."""
    (_, plain), (_, html), (_, calendar) = leaves(raw)
    parsed = email.message_from_bytes(raw)
    kinds = [
        (part.get_content_type(), sorted(name.lower() for name, _ in part.items())) for part in parsed.walk()
    ]
    found = icalendar.Calendar.from_ical(calendar)
    (event,) = found.walk("VEVENT")
    description = str(event["DESCRIPTION"])
    marks = [text.count(mark) for text in (plain, description) for mark in (BEGIN, END)]
    attendees = str(event["ATTENDEE"])
    params = sorted(event["CONFERENCE"].params)
    assert not any(len(line.encode()) > 75 for line in calendar.split("\r\n"))
    assert "<script" not in html
    assert plain.count("Вы приглашены") == 1
    assert description.endswith("Повестка")
    return kinds, components(found), Outline(html).found, marks, attendees, params


def calendar_line(name: str, text: str) -> str:
    escaped = contentlines.escape_text(text.replace("\r\n", "\n"))
    return contentlines.write(name, (), escaped).decode().removesuffix("\r\n")


def read(
    summary: str = "SUMMARY:Budget", location: str = "LOCATION:Videomost"
) -> tuple[message.Message, Invitation]:
    """The invitation with these lines; the sender's own texts say nothing of them."""
    raw = invitation(replace(Event(), summary="s", location="l")).decode()
    parsed = message.read(raw.replace("SUMMARY:s", summary).replace("LOCATION:l", location).encode())
    found = itip.read(parsed, defaults(Policy()))
    assert isinstance(found, Invitation)
    return parsed, found


LINK = "https://videomost.corp.example/service/join/?confid=a&confpass=1"


def rewritten(summary: str, location: str, name: str, details: JoinDetails) -> bytes:
    parsed, found = read(calendar_line("SUMMARY", summary), calendar_line("LOCATION", location))
    found = replace(found, organizer=replace(found.organizer, name=name))
    story = Story()
    verdict = WRITER.rewritten(
        parsed, found, details, Envelope(IVAN, "", (ANNA,)), Carriage(True, None), story
    )
    assert verdict.content is not None
    return verdict.content


PLAIN = structure(rewritten(HARMLESS, "Videomost", HARMLESS, JoinDetails("a", LINK, "1", "", HARMLESS)))


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
@pytest.mark.parametrize(
    "where", ["summary", "location", "name", "conference_id", "link", "passcode", "dial_in"]
)
def test_nothing_gets_out(text: str, where: str) -> None:
    values = {"summary": HARMLESS, "location": "Videomost", "name": HARMLESS}
    details = JoinDetails("a", LINK, "1", "", HARMLESS)
    if where in values:
        values[where] = text
    else:
        # A link is never longer (transport.credible).
        details = replace(details, **{where: f"{LINK}{text[:2000]}" if where == "link" else text})
    once = rewritten(**values, details=details)
    assert structure(once) == PLAIN


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_hostile_words_do_not_grow_when_written_again(text: str) -> None:
    """Rewriting twice is rewriting once, whatever stands in the block."""
    parsed, found = read()
    found = replace(found, organizer=replace(found.organizer, name=text))
    block = WRITER.block(found, JoinDetails("a", LINK, text), (ANNA,))
    once = rewrite(parsed, block, LINK, "a", WRITER._options(Carriage(True, None)))
    again = rewrite(message.read(once.content), block, LINK, "a", WRITER._options(Carriage(True, None)))
    assert again == once


def test_what_is_shown_of_the_event_keeps_its_direction_and_its_line() -> None:
    _, found = read(calendar_line("SUMMARY", "\u202eab\nc\u2066d" + "e" * 5000))
    block = WRITER.block(found, JoinDetails("a", LINK), (ANNA,))
    assert "ab c d" in block.text
    assert len(block.text) < 2000
    assert not set(block.text + block.html) & set("\u202e\u2066\u2028")
