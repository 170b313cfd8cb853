"""Events that hold the block, on their way through an organizer's program, and what is looked for in them."""

from collections import Counter
from urllib.parse import unquote

import icalendar

from mailhook.config import Settings
from mailhook.core import message
from mailhook.core.rewrite import Options, rewrite
from mailhook.core.wording import Variables
from mailhook.phrasebook import make_wording

WORDING = make_wording(Settings())
LINK = "https://videomost.corp.example/service/join/?confid=a&confpass=1"


def request(event: bytes) -> bytes:
    """A stored event as its server would mail it."""
    head = b"Content-Type: text/calendar; method=REQUEST; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n"
    calendar = (
        event if b"METHOD:" in event else event.replace(b"VERSION:2.0", b"VERSION:2.0\r\nMETHOD:REQUEST", 1)
    )
    return head + calendar


def occurrences(raw: bytes, link: str = LINK) -> Counter[str]:
    """How often a reader meets the link, by property; in HTML a link and its text are one."""
    (event,) = icalendar.Calendar.from_ical(raw.partition(b"\r\n\r\n")[2]).walk("VEVENT")
    found: Counter[str] = Counter()
    for name, value in event.property_items(recursive=False):
        found[name] += str(value).count(link)
        params: dict[str, str] = getattr(value, "params", {})
        if "ALTREP" in params:
            html = unquote(params["ALTREP"]).replace("&amp;", "&")
            found["ALTREP"] += html.count(f">{link}</a>")
    return found


def stored(description: str) -> bytes:
    """An event with this DESCRIPTION, once the block is written into it."""
    lines = (
        *("BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:-//x//EN", "METHOD:REQUEST", "BEGIN:VEVENT", "UID:u1"),
        *("DTSTAMP:20261122T000000Z", "DTSTART:20261210T090000Z", "DTEND:20261210T100000Z", "SUMMARY:s"),
        *(description, "END:VEVENT", "END:VCALENDAR", ""),
    )
    mailed = rewritten(request("\r\n".join(lines).encode()))
    return mailed.partition(b"\r\n\r\n")[2].replace(b"METHOD:REQUEST\r\n", b"")


def rewritten(raw: bytes, language: str = "ru") -> bytes:
    block = WORDING.render(language, Variables(LINK, "Topic", conference_id="a"))
    return rewrite(message.read(raw), block, LINK, "a", Options()).content
