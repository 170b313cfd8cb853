"""Invitations put together at random, as senders might: what is made of them holds against the oracle."""

import base64
import quopri
from dataclasses import dataclass

from hypothesis import given, settings
from hypothesis import strategies as st

from mailhook.config import Settings
from mailhook.core.message import read
from mailhook.core.rewrite import Options, rewrite
from mailhook.core.splices import Position
from mailhook.core.wording import Variables
from mailhook.phrasebook import make_wording
from tests.golden.oracle import Expected, check

EXPECTED = Expected("https://videomost.corp.example/service/join/?confid=a&confpass=1", "a")
WORDING = make_wording(Settings())
VARIABLES = Variables(EXPECTED.link, "Topic", "", "ivan@corp.example", "", "a", test=False)
EOLS = st.sampled_from([b"\r\n", b"\n"])
TEXT = st.text(st.sampled_from("abc XYZ=.,;:\\\"'<>&-_é€ж日🙂\n"), max_size=120)
SAFE = st.text(st.sampled_from("abc XYZ.,;\\éж日🙂\n"), max_size=200)
CHARSETS = st.sampled_from(
    ["utf-8", "iso-8859-1", "windows-1251", "koi8-r", "us-ascii", "utf-16", "iso-2022-jp", ""]
)
HTML_CHARSETS = CHARSETS
ENCODINGS = st.sampled_from(["7bit", "8bit", "quoted-printable", "base64", "QUOTED-PRINTABLE", ""])


def escaped(text: str) -> str:
    for char in "\\;,":
        text = text.replace(char, f"\\{char}")
    return text.replace("\n", "\\n")


def folded(line: str, width: int) -> list[str]:
    pieces = [line[at : at + width] for at in range(0, len(line), width)]
    return [piece if not at else f" {piece}" for at, piece in enumerate(pieces)]


@dataclass(frozen=True)
class Body:
    kind: str
    charset: str
    encoding: str
    eol: bytes
    text: str
    extra: str = ""

    def part(self) -> bytes:
        charset = self.charset or "utf-8"
        data = self.eol.join(line.encode(charset, "ignore") for line in self.text.split("\n"))
        if charset == "utf-16":
            data = self.text.replace("\n", self.eol.decode()).encode("utf-16")
        encoding = self.encoding
        if encoding.lower() in {"", "7bit"} and not data.isascii():
            encoding = "8bit"
        if charset == "utf-16":
            encoding = "base64"
        match encoding.lower():
            case "base64":
                data = base64.encodebytes(data).replace(b"\n", self.eol)
            case "quoted-printable":
                data = quopri.encodestring(data.replace(b"\r\n", b"\n")).replace(b"\n", self.eol)
        head = f"Content-Type: {self.kind}{f'; charset={self.charset}' if self.charset else ''}{self.extra}"
        lines = [head, *([f"Content-Transfer-Encoding: {encoding}"] if encoding else []), "", ""]
        return "\r\n".join(lines).encode() + data


@st.composite
def calendars(draw: st.DrawFn) -> str:
    lines = ["BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:x", "METHOD:REQUEST"]
    for number in range(draw(st.integers(1, 3))):
        own = [
            "UID:u",
            "DTSTAMP:20261123T000000Z",
            f"DTSTART:202612{number + 10}T100000Z",
            "ORGANIZER:mailto:ivan@corp.example",
            "ATTENDEE:mailto:anna@partner.example",
            f"SUMMARY:{escaped(draw(SAFE))}",
        ]
        if number:
            own.append(f"RECURRENCE-ID:202612{number + 10}T100000Z")
        if draw(st.booleans()):
            own.append(f"DESCRIPTION{draw(st.sampled_from(['', ';LANGUAGE=ru']))}:{escaped(draw(SAFE))}")
        if draw(st.booleans()):
            own.append(
                f"LOCATION:{draw(st.sampled_from(['', 'Videomost', 'Room, 5'])).replace(',', chr(92) + ',')}"
            )
        if draw(st.booleans()):
            own.append("URL:https://corp.example/event")
        if draw(st.booleans()):
            own.append(
                "X-ALT-DESC;FMTTYPE=text/html:<html><body><p>"
                + escaped(draw(st.sampled_from(["a", "ж,б;"])))
                + "</p></body></html>"
            )
        if draw(st.booleans()):
            own += ["BEGIN:VALARM", "ACTION:DISPLAY", "DESCRIPTION:R", "TRIGGER:-PT5M", "END:VALARM"]
        lines += ["BEGIN:VEVENT", *own, "END:VEVENT"]
    lines.append("END:VCALENDAR")
    width = draw(st.sampled_from([20, 37, 1000]))
    return "\n".join(piece for line in lines for piece in folded(line, width)) + draw(
        st.sampled_from(["", "\n"])
    )


@st.composite
def messages(draw: st.DrawFn) -> bytes:
    parts: list[bytes] = []
    if draw(st.booleans()):
        flowed = draw(st.sampled_from(["", "; format=flowed", "; format=flowed; delsp=yes"]))
        parts.append(
            Body("text/plain", draw(CHARSETS), draw(ENCODINGS), draw(EOLS), draw(TEXT), flowed).part()
        )
    if draw(st.booleans()):
        shape = draw(
            st.sampled_from(
                [
                    "{}",
                    "<html><body>{}</body></html>",
                    "<!-- <body> --><BODY a='>'>{}<!-- </body> -->",
                    "<p>{}",
                ]
            )
        )
        html = shape.format(draw(st.sampled_from(["", "a", "ж é<br>\n", "<style>b{}</style>"])))
        parts.append(Body("text/html", draw(HTML_CHARSETS), draw(ENCODINGS), draw(EOLS), html).part())
    calendar = draw(calendars())
    charset = draw(st.sampled_from(["utf-8", "UTF-8", ""]))
    eol = draw(EOLS)
    parts.append(Body("text/calendar", charset, draw(ENCODINGS), eol, calendar, "; method=REQUEST").part())
    if draw(st.booleans()):
        parts.append(Body("application/ics", charset, draw(ENCODINGS), eol, calendar, "; name=i.ics").part())
    head = b"From: ivan@corp.example\r\nTo: anna@partner.example\r\nMIME-Version: 1.0\r\n"
    body = b"".join(b"--b\r\n" + part + b"\r\n" for part in parts)
    return head + b"Content-Type: multipart/mixed; boundary=b\r\n\r\n" + body + b"--b--\r\n"


@settings(max_examples=150, deadline=None)
@given(messages(), st.sampled_from(["ru", "en"]), st.sampled_from(["top", "bottom"]), st.booleans())
def test_any_structure(content: bytes, language: str, position: Position, eight_bit: bool) -> None:
    block = WORDING.render(language, VARIABLES)
    options = Options(position=position, keywords=("videomost",), eight_bit=eight_bit)
    once = rewrite(read(content), block, EXPECTED.link, "a", options)
    assert once.places
    check(content, once.content, EXPECTED)
    assert rewrite(read(once.content), block, EXPECTED.link, "a", options).content == once.content
