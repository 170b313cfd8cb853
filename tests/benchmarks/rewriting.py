"""What it costs to write a link into an invitation: milliseconds of CPU, the best of several runs.

    python -m tests.benchmarks.rewriting

`scan`: is there anything like a calendar in the bytes? `read`: the message and its invitation. `decide`: whether a
conference is wanted, and the meeting after it. `rewrite`: wording and splices. Nothing is remembered from one run to
the next. The aims: 3 ms for a typical invitation of 10 kB, 30 ms for one of 1 MB, 50 ms for hostile input, or `passed`
where a bound of the code leaves the message as it came. An update bears the block that was written the first time, in
another language. What hostile calendars cost, `hostile_calendars` tells.
"""

import base64
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from itertools import pairwise
from pathlib import Path
from time import process_time

from mailhook.config import Settings
from mailhook.core import (
    contentlines,
    expansion,
    itip,
    message,
    quoting,
    rrule,
    splice_html,
    splice_text,
    text_blocks,
    vtimezone,
)
from mailhook.core.bearing import bare_links
from mailhook.core.conference import JoinDetails
from mailhook.core.itip import Invitation
from mailhook.core.meeting import Meeting
from mailhook.core.mime_bodies import quoted_printable
from mailhook.core.policy import Envelope, Policy, defaults, wish
from mailhook.core.revision import look
from mailhook.errors import Unreadable
from mailhook.journal import Story
from mailhook.phrasebook import make_wording
from mailhook.smtp.content import Inspector
from mailhook.writer import Carriage, Manner, Writer
from tests.relay.mails import ANNA, IVAN, NOW, Event, invitation

GOLDEN = Path(__file__).parents[1] / "golden"
CHUNK = 64 * 1024
RUNS = 7
POLICY = Policy(organizer_domains=("corp.example",))
WORDING = make_wording(Settings())
WRITER = Writer(POLICY, lambda: WORDING, Manner(language="ru"))
AGAIN = Writer(POLICY, lambda: WORDING, Manner(language="en"))
ENVELOPE = Envelope(IVAN, "127.0.0.1", (ANNA,))
DETAILS = JoinDetails("a", "https://videomost.corp.example/service/join/?confid=a&confpass=1")
HOSTS = ("videomost.corp.example",)


def attached(raw: bytes, size: int) -> bytes:
    """The invitation with a file of that size as base64 beside it."""
    head, _, body = raw.partition(b"\r\n\r\n")
    fields = [line for line in head.split(b"\r\n") if not line.startswith(b"Content-Type")]
    kind = next(line for line in head.split(b"\r\n") if line.startswith(b"Content-Type"))
    file = base64.encodebytes(bytes(size * 3 // 4)).replace(b"\n", b"\r\n")
    return b"\r\n".join(
        (
            *fields,
            b"Content-Type: multipart/mixed; boundary=outer",
            b"",
            b"--outer",
            kind,
            b"",
            body,
            b"--outer",
            b"Content-Type: application/pdf; name=a.pdf",
            b"Content-Transfer-Encoding: base64",
            b"",
            file + b"--outer--",
            b"",
        )
    )


def described(text: str, html: str = "", **headers: str) -> bytes:
    """An invitation with that text in its DESCRIPTION and, escaped by the caller, in its HTML."""
    raw = invitation(Event(description="D"), **headers)
    line = contentlines.write("DESCRIPTION", (), text)
    page = f"<html><body>{html}</body></html>".encode()
    return raw.replace(b"DESCRIPTION:D\r\n", line).replace(b"<html><body>", b"<html><body>" + page, 1)


def quoted(line: bytes, lines: int) -> bytes:
    """An invitation whose text is so many encoded lines."""
    return (
        invitation(Event())
        .replace(b"Transfer-Encoding: 8bit", b"Transfer-Encoding: quoted-printable", 1)
        .replace(b"\r\n\r\n\xd0", b"\r\n\r\n" + line * lines + b"\xd0", 1)
    )


def texted(text: str) -> bytes:
    """An invitation with that text, with LF, above its own."""
    octets = text.replace("\n", "\r\n").encode()
    return invitation(Event()).replace(b"\r\n\r\n\xd0", b"\r\n\r\n" + octets + b"\r\n\xd0", 1)


def within(block: str, typed: str) -> str:
    """The block with that under its first line."""
    first, _, rest = block.partition("\n")
    return f"{first}\n{typed}\n{rest}"


def nested(depth: int) -> bytes:
    opened = b"".join(
        b"Content-Type: multipart/mixed; boundary=%d\r\n\r\n--%d\r\n" % (n, n) for n in range(depth)
    )
    return b"From: <ivan@corp.example>\r\n" + opened + invitation(Event())


def series(*lines: str, count: int = 8) -> bytes:
    """An invitation to so many VEVENTs of one meeting, with these lines each."""
    events = "".join(
        "BEGIN:VEVENT\r\nUID:1\r\n"
        + (f"RECURRENCE-ID:{NOW + timedelta(days=number):%Y%m%dT%H%M%SZ}\r\n" if number else "")
        + f"DTSTART:{NOW + timedelta(days=number):%Y%m%dT%H%M%SZ}\r\nDTSTAMP:{NOW:%Y%m%dT%H%M%SZ}\r\n"
        + f"ORGANIZER:mailto:{IVAN}\r\nATTENDEE:mailto:{ANNA}\r\n"
        + "".join(f"{line}\r\n" for line in lines)
        + "END:VEVENT\r\n"
        for number in range(count)
    )
    raw = invitation(Event())
    start, end = raw.index(b"BEGIN:VEVENT"), raw.index(b"END:VCALENDAR")
    return raw[:start] + events.encode() + raw[end:]


def golden(name: str) -> bytes:
    return (GOLDEN / name / "in.eml").read_bytes()


HREF = DETAILS.link.replace("&", "&amp;")
TEXT_BLOCK = text_blocks.marked(f"Конференция в Videomost\n{DETAILS.link}")
HTML_BLOCK = splice_html.marked(f"<p>Конференция в Videomost<br><a href='{HREF}'>{HREF}</a></p>")
DESCRIBED = TEXT_BLOCK.replace("\n", "\\n")
TEXT = "Повестка: один, два; три\\n" * 100
TYPICAL = {
    "Exchange Online": lambda: golden("exchange-online-request"),
    "Google": lambda: golden("google-request"),
    "Cyrus": lambda: golden("cyrus-request"),
    "10 kB, 8bit": lambda: described(TEXT, "<p>Повестка</p>" * 150),
    "1 MB, an attached file": lambda: attached(invitation(Event()), 1_000_000),
    "1 MB of HTML": lambda: described("x", "<p class='a'>Повестка <b>дня</b></p>" * 20_000),
    "1 MB of DESCRIPTION": lambda: described("Повестка\\, " * 55_000),
    "1 MB of quoted-printable": lambda: quoted(b"=D0=B6=20" * 8 + b"=\r\n", 13_000),
    "1 MB of quoted-printable, plain": lambda: quoted(
        b"The agenda of a week, and what was said of it, =\r\n", 19_000
    ),
}
HOSTILE = {
    "<!-- x 50 000": lambda: described("x", "<!--" * 50_000),
    "quotes x 50 000 in a tag": lambda: described("x", '<a ="' + '" ="' * 50_000),
    "<div> x 100 000": lambda: described("x", "<div>" * 100_000),
    "begin marks x 20 000 in text": lambda: described("_______ Videomost _______\\n" * 20_000),
    "begin marks x 20 000 in HTML": lambda: described("x", "<!-- videomost:begin -->" * 20_000),
    "blocks x 2000 in HTML": lambda: described(
        "x", "<!-- videomost:begin --><div id='videomost-conference'>x</div><!-- videomost:end -->" * 2000
    ),
    "multiparts 3000 deep": lambda: nested(3000),
    "900 multiparts, 20 000 lines": lambda: nested(900) + b"x\r\n" * 20_000,
    "20 000 quotes in a header": lambda: invitation(Event(), X_Quotes='"' * 20_000),
    "20 000 quotes in Content-Type": lambda: (
        b'Content-Type: text/x; a="' + b'"; a="' * 20_000 + invitation(Event())
    ),
    "quotes x 40 000 in a file name": lambda: (
        b'Content-Disposition: x; filename="' + b'"; a="' * 40_000 + b"\r\n" + invitation(Event())
    ),
    "16 000 attendees": lambda: invitation(
        Event(attendees=tuple(f"person{number}@partner.example" for number in range(16_000)))
    ),
    "lines like boundaries x 90 000": lambda: invitation(Event()).replace(
        b"\r\n\r\n", b"\r\n\r\n" + b"--=_testx\r\n" * 90_000, 1
    ),
    "calendar lines x 45 000": lambda: described("x\r\nX-A:b" + "\r\nX-A:b" * 45_000),
    "encoded words x 20 000": lambda: invitation(Event(), X_Words="=?utf-8?q?a?= " * 15_000),
    "escapes x 400 000 in DESCRIPTION": lambda: described("\\,\\n" * 200_000),
    "<div> x 100 000 after a block": lambda: described(
        "x", "<div id=videomost-conference>" + "<div>" * 100_000
    ),
    "quoted-printable with blanks before its line ends": lambda: quoted(b"=D0=B6=20" * 5 + b" \r\n", 19_000),
    "quoted-printable, damaged": lambda: quoted(b"=D0=B6=2g=" * 5 + b"\r\n", 19_000),
    "folds x 40 000": lambda: described("x" + "\r\n x" * 40_000),
    "ALTREP of 1 MB": lambda: invitation(Event(description="D")).replace(
        b"DESCRIPTION:D", b'DESCRIPTION;ALTREP="data:text/html,' + b"%3C!--" * 170_000 + b'":D'
    ),
    "backslashes x 120 000 in DESCRIPTION": lambda: series("DESCRIPTION:" + "\\" * 120_000, count=1),
    "8 x 120 kB of backslashes": lambda: series("DESCRIPTION:" + "\\" * 120_000),
    "8 x 120 kB of escaped line ends": lambda: series("DESCRIPTION:" + "\\n" * 60_000),
    "8 x 120 kB of ALTREP": lambda: series('DESCRIPTION;ALTREP="data:text/html,' + "%41" * 40_000 + '":x'),
    "8 x 120 kB of X-ALT-DESC": lambda: series(
        "X-ALT-DESC;FMTTYPE=text/html:" + "<p>a <b>b</b></p>\\n" * 6000
    ),
    "8 x 120 kB of escaped line ends in LOCATION": lambda: series("LOCATION:" + "\\n" * 60_000),
    "8 x 120 kB of links": lambda: series("DESCRIPTION:" + f"{DETAILS.link} " * 1500),
    "8 x 120 kB of a calendar that becomes quoted-printable": lambda: series(
        "DESCRIPTION:" + "x y " * 30_000
    ).replace(b"Transfer-Encoding: 8bit", b"Transfer-Encoding: 7bit"),
    "500 VEVENTs": lambda: series("DESCRIPTION:x", count=500),
    "2000 VEVENTs": lambda: series("DESCRIPTION:x", count=2000),
    "4000 VEVENTs": lambda: series("DESCRIPTION:x", count=4000),
    "quoted-printable, 40 000 lines": lambda: quoted(b"=D0=B6=20=\r\n", 40_000),
    "<blockquote> x 10 000 around a link": lambda: described(
        "x", "<blockquote>" * 10_000 + f"<a href='{HREF}'>x</a>"
    ),
    "<blockquote> x 4900, each with its end, and a link": lambda: described(
        "x", "<blockquote></blockquote>" * 4900 + f"<a href='{HREF}'>x</a>"
    ),
    "From: x 112 000 and a block": lambda: texted("From: x\n" * 112_000 + TEXT_BLOCK),
    "From: x 9000 in HTML and a block": lambda: described("x", "<p>From: x</p>" * 9000 + HTML_BLOCK),
    "From: x 13 000 in DESCRIPTION and a block": lambda: described("From: a\\n" * 10_000 + DESCRIBED),
    "<p> x 20 000 in a block": lambda: described("x", within(HTML_BLOCK, "<p>" * 20_000)),
    "<span> x 1600 in a block": lambda: described("x", within(HTML_BLOCK, "<span>" * 1600)),
    "<p> x 20 000 beside a block": lambda: described("x", "<p></p>" * 10_000 + HTML_BLOCK),
    "links x 12 000": lambda: texted(f"{DETAILS.link}\n" * 12_000),
    "links x 100 behind 90 000 tags": lambda: described("x", "<b></b>" * 45_000 + HREF * 100),
    "<b></b> x 100 000 before a link": lambda: described("x", "<b></b>" * 100_000 + HREF),
    "links x 10 000 in HTML": lambda: described("x", f"{HREF}<br>" * 10_000),
    "other links x 12 000": lambda: texted(f"{DETAILS.link}1\n" * 12_000),
    "blanks x 900 000 and a block": lambda: texted(" " * 900_000 + "\n" + TEXT_BLOCK),
    "line ends x 450 000 and a block": lambda: texted("\n" * 450_000 + TEXT_BLOCK),
    "line ends x 45 000 in DESCRIPTION and a block": lambda: described("\\n" * 45_000 + DESCRIBED),
    "_ x 900 000 and a block": lambda: texted("_" * 900_000 + TEXT_BLOCK),
    "> x 900 000 and a block": lambda: texted(">" * 900_000 + TEXT_BLOCK),
    "> x 900 000 in HTML and a block": lambda: described("x", ">" * 900_000 + HTML_BLOCK),
    "< x 900 000 in HTML after a mark": lambda: described("x", "_______ Videomost " + "<" * 900_000 + HREF),
    "&nbsp; x 150 000 and a block": lambda: texted("\n" + "&nbsp;" * 150_000 + TEXT_BLOCK),
    "blanks x 900 000 in a block": lambda: texted(within(TEXT_BLOCK, " " * 900_000)),
    "https:// x 110 000 in a block": lambda: texted(within(TEXT_BLOCK, "https://" * 110_000)),
    "https:// x 1900 in a block": lambda: texted(within(TEXT_BLOCK, "https://" * 1900 + DETAILS.link)),
    "< x 15 000 in a block": lambda: texted(within(TEXT_BLOCK, "<" * 15_000)),
    "<a> x 5000 in a block": lambda: texted(within(TEXT_BLOCK, "<a>" * 5000)),
    "20 blocks of 100 lines": lambda: texted(f"{within(TEXT_BLOCK, chr(10).join('abcdef' * 90))}\n" * 20),
    "20 blocks with other links": lambda: described(
        "".join(DESCRIBED.replace("confid=a", f"confid=b{each}") + "\\n" for each in range(20))
    ),
}


def updated(raw: bytes) -> bytes:
    """The same invitation as its organizer's program sends it again, with the block that was written into it."""
    parsed = message.read(raw)
    found = itip.read(parsed, defaults(POLICY))
    assert isinstance(found, Invitation)
    content = WRITER.rewritten(parsed, found, DETAILS, ENVELOPE, Carriage(True, None), Story()).content
    assert content is not None
    return re.sub(rb"X-Mailhook-Conference:[^\r\n]*\r\n", b"", content, count=1)


def word(size: int) -> str:
    """HTML as Outlook writes it, of about so many octets."""
    style = "style='font-size:11.0pt;font-family:\"Calibri\",sans-serif;mso-fareast-language:EN-US'"
    line = f"<p class=MsoNormal><span lang=RU {style}>Повестка <b>дня</b>&nbsp;<o:p></o:p></span></p>\r\n"
    return line * (size // len(line.encode()) + 1)


def plain(size: int) -> bytes:
    """An invitation with a text of about so many octets."""
    line = "Повестка недели, и что о ней было сказано\r\n".encode()
    return invitation(Event()).replace(b"\r\n\r\n\xd0", b"\r\n\r\n" + line * (size // len(line)) + b"\xd0", 1)


UPDATES: dict[str, Callable[[], bytes]] = {
    "update, Exchange Online": lambda: updated(golden("exchange-online-request")),
    "update, Google": lambda: updated(golden("google-request")),
    "update, Cyrus": lambda: updated(golden("cyrus-request")),
    "update, plain": lambda: updated(invitation(Event())),
    "update, 10 kB of Outlook's HTML": lambda: updated(described(TEXT[:200], word(10_000))),
    "update, 97 kB of Outlook's HTML": lambda: updated(described(TEXT[:200], word(97_000))),
    "update, 900 kB of text": lambda: updated(plain(900_000)),
    "update, 120 kB of DESCRIPTION": lambda: updated(described("Повестка недели " * 3500)),
    "update, 50 VEVENTs": lambda: updated(series("DESCRIPTION:x", count=50)),
    "update, 500 VEVENTs": lambda: updated(series("DESCRIPTION:x", count=500)),
}


@dataclass(frozen=True)
class Cost:
    """Milliseconds; `outcome`: what became of the message."""

    scan: float
    read: float
    decide: float
    rewrite: float
    outcome: str

    @property
    def total(self) -> float:
        return self.scan + self.read + self.decide + self.rewrite


def forget() -> None:
    for each in (
        contentlines.read,
        contentlines.write,
        rrule.parse,
        expansion._year,
        vtimezone.custom_zone,
        quoted_printable,
        quoting._section,
        splice_text._places,
    ):
        each.cache_clear()


def scan(raw: bytes) -> None:
    look = Inspector()
    for at in range(0, len(raw), CHUNK):
        look.feed(raw[at : at + CHUNK])


def once(raw: bytes, writer: Writer = WRITER) -> Cost:
    forget()
    times = [process_time()]

    def passed() -> None:
        times.append(process_time())

    scan(raw)
    passed()
    outcome = "passed"
    try:
        parsed = message.read(raw)
        found = itip.read(parsed, defaults(POLICY))
        passed()
        if isinstance(found, Invitation):
            wanted = wish(POLICY, found, HOSTS)
            bare_links(found, HOSTS)
            look(Meeting(found.key), found, wanted, POLICY, NOW, (ANNA,))
            passed()
            verdict = writer.rewritten(parsed, found, DETAILS, ENVELOPE, Carriage(True, None), Story())
            outcome = verdict.reason
    except Unreadable as error:
        outcome = f"passed: {error}"
    times += [process_time()] * (5 - len(times))
    spent = [(after - before) * 1000 for before, after in pairwise(times)]
    return Cost(spent[0], spent[1], spent[2], spent[3], outcome)


def best(raw: bytes, writer: Writer) -> Cost:
    return min((once(raw, writer) for _ in range(RUNS)), key=lambda cost: cost.total)


def table(
    title: str, cases: dict[str, Callable[[], bytes]], aim: Callable[[int], float], writer: Writer = WRITER
) -> None:
    heads = ("octets", "scan", "read", "decide", "rewrite", "sum")
    print(f"{title:50}" + "".join(f"{head:>9}" for head in heads))
    for name, make in cases.items():
        raw = make()
        cost = best(raw, writer)
        parts = (cost.scan, cost.read, cost.decide, cost.rewrite, cost.total)
        figures = "".join(f"{each:9.2f}" for each in parts)
        over = "  OVER" if cost.total > aim(len(raw)) else ""
        print(f"{name:50}{len(raw):9}{figures}  {cost.outcome}{over}", flush=True)


def main() -> None:
    table("typical", TYPICAL, lambda size: 3.0 if size < 20_000 else 30.0)
    table("an update, in another language", UPDATES, lambda size: 3.0 if size < 20_000 else 50.0, AGAIN)
    table("hostile", HOSTILE, lambda size: 50.0)


if __name__ == "__main__":
    main()
