"""Two states of a message beside each other."""

import re
from html import unescape

import pytest

from mailhook.comparison import (
    LONGEST_LINE,
    MOST_LINES,
    differences,
    document,
    marked,
    sections,
    shown,
    title_of,
)
from tests.relay.mails import Event, invitation

NESTED = b"""Subject: =?utf-8?b?0J/RgNC40LLQtdGC?=\r
MIME-Version: 1.0\r
Content-Type: multipart/mixed; boundary=a\r
\r
--a\r
Content-Type: multipart/alternative; boundary=b\r
\r
--b\r
Content-Type: text/plain; charset=koi8-r\r
Content-Transfer-Encoding: 8bit\r
\r
\xf0\xd2\xc9\xd7\xc5\xd4\r
--b\r
Content-Type: multipart/related; boundary=c\r
\r
--c\r
Content-Type: text/html\r
\r
<p>x\r
--c--\r
--b--\r
--a\r
Content-Type: application/pdf\r
Content-Disposition: attachment; filename="a<b>.pdf"\r
Content-Transfer-Encoding: base64\r
\r
AAAA\r
--a--\r
"""


def cells(html: str) -> list[str]:
    return [unescape(text) for text in re.findall(r'<td class="">(.*?)</td>', html, re.DOTALL)]


def test_the_mime_tree() -> None:
    html = sections(NESTED, NESTED)
    tree = cells(html.partition("MIME structure")[2].partition("</section>")[0])[::2]
    assert tree == [
        "multipart/mixed",
        "  multipart/alternative",
        "    text/plain, 8bit, koi8-r, 6 octets",
        "    multipart/related",
        "      text/html, 4 octets",
        "  application/pdf, base64, attachment, a<b>.pdf, 4 octets",
    ]
    assert title_of(NESTED) == "Привет"
    assert "Привет" in cells(html)


def test_the_same_message_is_marked_nowhere() -> None:
    assert not re.search(r'class="(new|old)"|<ins>|<del>|Changed bytes', sections(NESTED, NESTED))
    assert differences(NESTED, NESTED) == []


def test_what_differs_is_marked_on_its_side() -> None:
    before = invitation(Event(description="same\\nold"))
    html = sections(before, before.replace(b"SEQUENCE:0", b"SEQUENCE:1\r\nURL:https://x.example"))
    html = html.partition("MIME structure")[0] + html.partition("Changed bytes")[2]
    assert re.findall(r'<td class="old">(.*?)</td>', html) == ["SEQUENCE:0"]
    assert re.findall(r'<td class="new">(.*?)</td>', html) == ["SEQUENCE:1", "URL:https://x.example"]
    assert re.findall("<ins>(.*?)</ins>", html) == ["SEQUENCE:1", "URL:https://x.example"]


@pytest.mark.parametrize(
    ("text", "html"),
    [
        ("plain", "plain"),
        ("<a b='\"'>&", "&lt;a b=&#x27;&quot;&#x27;&gt;&amp;"),
        ("Привет \U0001f600", "Привет \U0001f600"),
        ("a\u202eb\x00\x1b[1m\u200b", "a⟨U+202E⟩b⟨U+0000⟩⟨U+001B⟩[1m⟨U+200B⟩"),
        ("a\ud800", "a⟨U+D800⟩"),
    ],
)
def test_what_is_shown_of_a_text(text: str, html: str) -> None:
    assert shown(text) == html


@pytest.mark.parametrize(
    "html",
    [
        "<IFRAME src=x>",
        "<ifr\0ame src=x>",
        "<link\nrel=preconnect href=x>",
        "<a HREF=x>",
        "<a h\0ref=x>",
        "<svg><a xlink:href=x><animate attributeName=href to=x>",
        "<object data=x></object>",
        "</embed><embed src=x>",
    ],
)
def test_what_policies_do_not_stop_is_taken_out(html: str) -> None:
    raw = invitation(Event()).replace(b"<body>", f"<body>{html}".encode())
    (frame, _) = re.findall('<iframe sandbox="" srcdoc="(.*?)"></iframe>', sections(raw, raw), re.DOTALL)
    inside = unescape(frame).partition("</style>")[2]
    assert not re.search(r"<(iframe|link|object|embed|animate)\b|(?<!x-)href", inside, re.IGNORECASE)
    assert "\0" not in inside


def test_long_contents_are_cut() -> None:
    text = b"\r\n".join(b"line %d" % number for number in range(MOST_LINES + 10))
    raw = b"Subject: x\r\n\r\n" + text + b"\r\n" + b"y" * (LONGEST_LINE + 5)
    assert "… 11 more lines" in cells(sections(raw, raw))
    line = b"Subject: x\r\n\r\n" + b"y" * (LONGEST_LINE + 5)
    assert cells(sections(line, line))[0] == f"{'y' * LONGEST_LINE} … 5 more characters"
    assert len(marked(raw, raw + b"z")) < 1000


@pytest.mark.parametrize("raw", [b"", b"\r\n", b"Content-Type: multipart/mixed\r\n\r\n", b"\xff\xfe" * 50])
def test_what_is_hardly_a_message(raw: bytes) -> None:
    assert document("x", [("decision", "pass")], raw, raw).startswith("<!doctype html>")


def test_what_cannot_be_decoded() -> None:
    raw = b"Content-Type: text/plain\r\nContent-Transfer-Encoding: x-uuencode\r\n\r\nabc\r\n"
    assert cells(sections(raw, raw))[:2] == ["(cannot be decoded)"] * 2
