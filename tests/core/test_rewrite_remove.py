"""Taking the link out again: the inverse of writing it in."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailhook.core import splice_html, splice_text, text_blocks
from mailhook.core.message import read
from mailhook.core.rewrite import Options, remove, rewrite
from mailhook.core.splice_text import Text
from mailhook.core.splices import Position, apply
from mailhook.core.wording import Block

LINK = "https://videomost.corp.example/service/join/?confid=c0ffee&confpass=1"
HREF = LINK.replace("&", "&amp;")
BLOCK = Block(
    f"Связь\n{LINK}", f'<a href="{HREF}">{HREF}</a>', f"Связь\n{LINK}", f"<a>{HREF}</a>", LINK, "VM"
)
OPTIONS = Options(keywords=("videomost",))


def mail(*rows: str, text: str = "Hello", html: str = "<p>Hello</p>") -> bytes:
    event = ("BEGIN:VEVENT", "UID:1", "DTSTART:20270301T070000Z", *rows, "END:VEVENT")
    calendar = "\r\n".join(("BEGIN:VCALENDAR", "METHOD:REQUEST", *event, "END:VCALENDAR"))
    head = "From: ivan@corp.example\r\nMIME-Version: 1.0\r\n"
    parts = [
        f"Content-Type: {kind}; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n{body}\r\n"
        for kind, body in (("text/plain", text), ("text/html", html), ("text/calendar", calendar))
    ]
    body = "".join(f"--x\r\n{part}" for part in parts)
    return f"{head}Content-Type: multipart/alternative; boundary=x\r\n\r\n{body}--x--\r\n".encode()


def without_marker(content: bytes) -> bytes:
    lines = content.split(b"\r\n")
    return b"\r\n".join(line for line in lines if not line.startswith(b"X-Mailhook-Conference"))


@pytest.mark.parametrize("position", ["top", "bottom"])
@pytest.mark.parametrize("text", ["Hello", "Hello\r\n\r\nworld\r\n", ""])
def test_what_was_written_is_taken_out_again(position: Position, text: str) -> None:
    raw = mail("SUMMARY:Plan", "DESCRIPTION:agenda\\npoints", "LOCATION:room 5", text=text)
    options = Options(position=position)
    once = rewrite(read(raw), BLOCK, LINK, "c0ffee", options)
    back = remove(read(once.content), LINK, "c0ffee", options)
    assert without_marker(back.content) == raw
    assert LINK.encode() not in back.content
    assert set(back.places) == {
        "text/plain",
        "text/html",
        "DESCRIPTION",
        "URL",
        "CONFERENCE",
        "X-VIDEOMOST-CONFERENCE",
        "header",
    }


@pytest.mark.parametrize(
    ("row", "left"),
    [
        (f"LOCATION:{LINK}", "LOCATION:"),
        (f"LOCATION:room 5\\; {LINK}", "LOCATION:room 5"),
        (f"LOCATION:Videomost {LINK}", "LOCATION:Videomost"),
        (f"URL:{LINK}", ""),
        ("URL:https://wiki.corp.example/", "URL:https://wiki.corp.example/"),
        (f"CONFERENCE;VALUE=URI:{LINK}", ""),
        ("X-VIDEOMOST-CONFERENCE:c0ffee", ""),
        ("DESCRIPTION:agenda", "DESCRIPTION:agenda"),
    ],
)
def test_properties(row: str, left: str) -> None:
    found = remove(read(mail(row)), LINK, "c0ffee", OPTIONS).content
    assert without_marker(found) == mail(*filter(None, [left]))


def test_what_is_left_of_a_block_goes_from_the_texts_alone() -> None:
    """As where a server keeps the HTML of the event apart from its calendar data."""
    marked = splice_html.marked(BLOCK.html).replace("\n", "\r\n")
    raw = mail("DESCRIPTION:agenda", html=f"<body>{marked}\r\n<p>Hello</p></body>")
    back = remove(read(raw), LINK, "c0ffee", OPTIONS)
    assert without_marker(back.content) == mail("DESCRIPTION:agenda", html="<body><p>Hello</p></body>")
    assert back.places == ("text/html", "header")


def test_a_message_without_the_link_comes_back_as_it_was() -> None:
    raw = mail("DESCRIPTION:agenda", "LOCATION:Videomost", "URL:https://videomost.corp.example/2")
    assert remove(read(raw), LINK, "c0ffee", OPTIONS) == type(remove(read(raw), LINK, "x", OPTIONS))(raw, ())


def test_an_altrep_twin() -> None:
    raw = mail('DESCRIPTION;ALTREP="data:text/html,%3Cp%3EHello%3C%2Fp%3E":Hello')
    once = rewrite(read(raw), BLOCK, LINK, "c0ffee", OPTIONS).content
    assert b"c0ffee" in once
    back = remove(read(once), LINK, "c0ffee", OPTIONS).content
    assert b"videomost" not in without_marker(back).lower()


@given(st.text("ab \n", max_size=20), st.sampled_from(["top", "bottom"]))
def test_text_loses_at_most_empty_lines(text: str, position: Position) -> None:
    data, block = text.encode(), text_blocks.marked("link").encode()
    written = apply(data, splice_text.place(data, block, Text(position, b"\n")))
    back = apply(written, splice_text.place(written, b"", Text(position, b"\n")))
    assert [line for line in back.split(b"\n") if line] == [line for line in data.split(b"\n") if line]
    if data.strip() and not data.startswith(b"\n") and not data.endswith(b"\n\n"):
        assert back == data


@given(st.lists(st.sampled_from(["<p>", "a", "<!-- videomost:begin -->", splice_html.END, "</div>", "\n"])))
def test_taking_out_twice_is_taking_out_once(pieces: list[str]) -> None:
    data = ("".join(pieces) + splice_html.marked("x")).encode()
    once = apply(data, splice_html.place(data, b"", Text("top", b"\n")))
    assert apply(once, splice_html.place(once, b"", Text("top", b"\n"))) == once
    assert splice_html.marked("x").encode() not in once
