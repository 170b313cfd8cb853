"""Events that hold the block, on their way through an organizer's program, and what is looked for in them."""

from collections import Counter
from urllib.parse import unquote

import icalendar

LINK = "https://videomost.corp.example/service/join/?confid=a&confpass=1"


def request(event: bytes) -> bytes:
    """A stored event as its server would mail it."""
    head = b"Content-Type: text/calendar; method=REQUEST; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n"
    calendar = (
        event if b"METHOD:" in event else event.replace(b"VERSION:2.0", b"VERSION:2.0\r\nMETHOD:REQUEST", 1)
    )
    return head + calendar


def occurrences(raw: bytes) -> Counter[str]:
    """How often a reader meets the link, by property; in HTML a link and its text are one."""
    (event,) = icalendar.Calendar.from_ical(raw.partition(b"\r\n\r\n")[2]).walk("VEVENT")
    found: Counter[str] = Counter()
    for name, value in event.property_items(recursive=False):
        found[name] += str(value).count(LINK)
        params: dict[str, str] = getattr(value, "params", {})
        if "ALTREP" in params:
            html = unquote(params["ALTREP"]).replace("&amp;", "&")
            found["ALTREP"] += html.count(f">{LINK}</a>")
    return found
