import base64
import difflib
import email
import quopri
import re
from pathlib import Path

import icalendar
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailhook.core import message, rewrite
from mailhook.core.rewrite import Options, Rewritten
from mailhook.core.wording import Block
from tests.core import fidelity

DATA = Path(__file__).parent / "data"
LINK = "https://vm.corp.example/service/join/?confid=0123456789abcdef0123456789abcdef&confpass=1234"
OLD_LINK = "https://vm.corp.example/service/join/?confid=old&confpass=1"
CALENDAR_PLACES = ("DESCRIPTION", "LOCATION", "URL", "CONFERENCE", "X-VIDEOMOST-CONFERENCE")


def block(name: str = "Конференция в Videomost", link: str = LINK) -> Block:
    html = f'<table><tr><td>{name}<br><a href="{link}">{link}</a></td></tr></table>'.replace("&", "&amp;")
    return Block(f"{name}\n{link}", html, f"{name}\n{link}", html, link, name)


RUSSIAN, ENGLISH, OLD = block(), block("Videomost conference"), block("Older", OLD_LINK)


def rewritten(
    raw: bytes,
    options: Options | None = None,
    what: Block = RUSSIAN,
    link: str = LINK,
    conference_id: str = "conf_1",
) -> Rewritten:
    options = options or Options(keywords=("Videomost", "видеомост"))
    return rewrite.rewrite(message.read(raw), what, link, conference_id, options)


def leaves(raw: bytes) -> list[tuple[str, bytes]]:
    """Content type and decoded octets of each leaf, as the email package sees them."""
    found = []
    for part in email.message_from_bytes(raw).walk():
        if not part.is_multipart():
            payload = part.get_payload(decode=True)
            assert isinstance(payload, bytes)
            found.append((part.get_content_type(), payload))
    return found


def events(raw: bytes) -> list[icalendar.Component]:
    kinds = ("text/calendar", "application/ics")
    calendars = [icalendar.Calendar.from_ical(data) for kind, data in leaves(raw) if kind in kinds]
    return [event for calendar in calendars for event in calendar.walk("VEVENT")]


def values(event: icalendar.Component, name: str) -> list[str]:
    value: object = event[name]
    return [str(each) for each in (value if isinstance(value, list) else [value])]


def others(component: icalendar.Component) -> tuple[object, ...]:
    """The component without the properties that a rewrite may change."""
    ours = {*CALENDAR_PLACES, "X-ALT-DESC"} if component.name == "VEVENT" else set()
    own = tuple((name, str(value)) for name, value in component.items() if name not in ours)
    return (component.name, own, tuple(map(others, component.subcomponents)))


def lost_lines(before: bytes, after: bytes) -> list[str]:
    delta = difflib.unified_diff(
        before.decode("latin-1").split("\n"), after.decode("latin-1").split("\n"), n=0, lineterm=""
    )
    return [line[1:].rstrip("\r") for line in list(delta)[2:] if line.startswith("-")]


def calendar(*lines: str, method: str = "METHOD:REQUEST", line_end: str = "\r\n") -> str:
    event = (
        "BEGIN:VEVENT",
        "UID:1@corp.example",
        "DTSTAMP:20260101T000000Z",
        "SUMMARY:s",
        *lines,
        "END:VEVENT",
    )
    every = (
        "BEGIN:VCALENDAR",
        "VERSION:2.0",
        "PRODID:-//x//EN",
        *filter(None, [method]),
        *event,
        "END:VCALENDAR",
    )
    return "".join(line + line_end for line in every)


def encoded(data: bytes, encoding: str) -> bytes:
    if encoding == "base64":
        return base64.encodebytes(data)
    return quopri.encodestring(data) if encoding == "quoted-printable" else data


def part(header: str, data: bytes, encoding: str = "8bit") -> bytes:
    head = f"Content-Type: {header}\nContent-Transfer-Encoding: {encoding}\n\n"
    return head.encode() + encoded(data, encoding)


def mixed(*parts: bytes) -> bytes:
    head = b"From: a@corp.example\nMIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=b\n\n"
    return head + b"".join(b"--b\n" + each + b"\n" for each in parts) + b"--b--\n"


def request(*lines: str) -> bytes:
    return mixed(part("text/calendar; charset=utf-8; method=REQUEST", calendar(*lines).encode()))


# --- real messages -------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", sorted(DATA.glob("*.eml")), ids=lambda path: path.stem)
@pytest.mark.parametrize("position", ["top", "bottom"])
def test_real_messages(path: Path, position: str) -> None:
    raw = path.read_bytes()
    options = Options(position="top" if position == "top" else "bottom", keywords=("videomost",))
    result = rewritten(raw, options)
    if path.stem in {"sogo-reply", "sogo-cancel"}:
        assert result == Rewritten(raw, ())
        return
    assert {"text/html", "DESCRIPTION", "CONFERENCE", "X-VIDEOMOST-CONFERENCE", "header"} <= set(
        result.places
    )
    assert list(map(others, events(result.content))) == list(map(others, events(raw)))
    for event in events(result.content):
        assert f"\n{LINK}\n" in str(event["DESCRIPTION"])
        assert str(event["X-VIDEOMOST-CONFERENCE"]) == "conf_1"
    for kind, data in leaves(result.content):
        if kind == "text/html":
            assert LINK.replace("&", "&amp;").encode() in data
    assert rewritten(result.content, options) == result


@pytest.mark.parametrize(
    ("name", "touched"),
    [
        ("sogo-create", ("Content-Length", "DESCRIPTION", "  <body>")),
        ("sogo-location-keyword", ("Content-Length", "DESCRIPTION", "LOCATION:Videomost", "  <body>")),
        ("sogo-rich-properties", ("Content-Length", "DESCRIPTION", "X-ALT-DESC", "  <body>")),
        ("sogo-en-series", ("Content-Length", "DESCRIPTION", "  <body>")),
    ],
)
def test_lines_outside_the_edits_stay(name: str, touched: tuple[str, ...]) -> None:
    raw = (DATA / f"{name}.eml").read_bytes()
    for line in lost_lines(raw, rewritten(raw).content):
        assert line.startswith(touched)


def test_content_length_follows_the_body() -> None:
    raw = (DATA / "sogo-create.eml").read_bytes()
    after = rewritten(raw).content
    for old, new in zip(message.read(raw).parts, message.read(after).parts, strict=True):
        claimed = [int(message.raw_header(each.headers, "content-length") or b"-1") for each in (old, new)]
        real = [each.body_end - each.body_start for each in (old, new)]
        assert claimed[1] - claimed[0] == real[1] - real[0] > 0


# --- look-alikes of other senders ----------------------------------------------------------------------

PLAIN_TEXT, HTML_TEXT = b"When: Monday\nWhere: Room 5\n", b"<html><body><p>When</p></body></html>\n"

EXCHANGE = mixed(
    part('text/plain; charset="iso-8859-1"', PLAIN_TEXT, "quoted-printable"),
    part('text/html; charset="iso-8859-1"', HTML_TEXT, "quoted-printable"),
    part(
        'text/calendar; charset="utf-8"; method=REQUEST',
        calendar("DESCRIPTION;LANGUAGE=ru-RU:When: Monday\\N", "LOCATION:").encode(),
        "base64",
    ),
)
EXCHANGE_2003 = mixed(
    part("text/plain", PLAIN_TEXT, "7bit"),
    part("text/html", HTML_TEXT, "7bit"),
    part(
        'text/calendar;\n\tmethod=REQUEST;\n\tname="meeting.ics"',
        calendar(
            "DESCRIPTION:\\N", "LOCATION:", "ATTENDEE;CN=x:MAILTO:b@partner.example", line_end="\n"
        ).encode(),
    ),
)
GOOGLE = mixed(
    part('text/plain; charset="UTF-8"; format=flowed; delsp=yes', PLAIN_TEXT, "base64"),
    part('text/html; charset="UTF-8"', HTML_TEXT, "quoted-printable"),
    part(
        'text/calendar; charset="UTF-8"; method=REQUEST',
        calendar("DESCRIPTION:<b>x</b>", "LOCATION:").encode(),
    ),
    part(
        'application/ics; name="invite.ics"', calendar("DESCRIPTION:<b>x</b>", "LOCATION:").encode(), "base64"
    ),
)
THUNDERBIRD = mixed(
    part("text/plain; charset=UTF-8; format=flowed", PLAIN_TEXT, "8bit"),
    part("text/html; charset=UTF-8", HTML_TEXT, "8bit"),
    part(
        "text/calendar; charset=UTF-8; method=REQUEST",
        calendar('DESCRIPTION;ALTREP="data:text/html,%3Cp%3Ex%3C%2Fp%3E":x', "LOCATION:Videomost").encode(),
    ),
)
APPLE = mixed(
    part("text/plain", PLAIN_TEXT, "7bit"),
    part("text/html", HTML_TEXT, "7bit"),
    part("text/calendar; method=request; charset=utf-8", calendar(method="METHOD:request").encode(), "7bit"),
)
ATTACHED_ONLY = mixed(
    part("text/plain; charset=windows-1251", "Встреча\n".encode("cp1251"), "8bit"),
    part("text/html; charset=windows-1251", "<p>Встреча</p>\n".encode("cp1251"), "8bit"),
    part('application/octet-stream; name="invite.ics"', calendar("LOCATION:").encode(), "base64"),
)
SENDERS = {
    "exchange": EXCHANGE,
    "exchange-2003": EXCHANGE_2003,
    "google": GOOGLE,
    "thunderbird": THUNDERBIRD,
    "apple": APPLE,
    "attached-only": ATTACHED_ONLY,
}


@pytest.mark.parametrize("raw", SENDERS.values(), ids=SENDERS)
@pytest.mark.parametrize("line_end", [b"\n", b"\r\n"], ids=["lf", "crlf"])
@pytest.mark.parametrize("what", [RUSSIAN, ENGLISH], ids=["ru", "en"])
@pytest.mark.parametrize("eight_bit", [True, False], ids=["8bit", "7bit"])
def test_senders(raw: bytes, line_end: bytes, what: Block, eight_bit: bool) -> None:
    raw = raw.replace(b"\r\n", b"\n").replace(b"\n", line_end)
    options = Options(keywords=("videomost",), eight_bit=eight_bit)
    result = rewritten(raw, options, what)
    assert set(result.places) >= {"text/plain", "text/html", *CALENDAR_PLACES, "header"}
    read = message.read(result.content)
    plain, html, *calendars = (message.text(read, each) for each in read.parts)
    assert f"{what.text}\n".replace("\n", "\r\n" if "\r\n" in plain else "\n") in plain
    assert what.label in html or "&#1042;" in html.upper() or "&#1050;" in html
    for each in calendars:
        (event,) = icalendar.Calendar.from_ical(each).walk("VEVENT")
        assert what.description in str(event["DESCRIPTION"])
        assert str(event["LOCATION"]) == str(event["URL"]) == str(event["CONFERENCE"]) == LINK
    assert len(calendars) == len(leaves(raw)) - 2
    assert rewritten(result.content, options, what) == result
    if not eight_bit or raw in (APPLE, EXCHANGE):
        assert result.content.isascii() or not raw.isascii()


def test_a_seven_bit_part_becomes_quoted_printable_and_says_so() -> None:
    content = rewritten(EXCHANGE_2003).content
    plain, html, ics = message.read(content).parts
    assert (plain.encoding, plain.charset) == ("quoted-printable", "utf-8")
    assert (html.encoding, html.charset) == ("7bit", None)
    assert (ics.encoding, ics.charset) == ("8bit", "utf-8")
    assert message.body(message.read(content), html).isascii()


def test_an_ascii_block_changes_no_header_of_a_part() -> None:
    before, after = message.read(EXCHANGE_2003), message.read(rewritten(EXCHANGE_2003, what=ENGLISH).content)
    for old, new in zip(before.parts, after.parts, strict=True):
        assert [each.value for each in old.headers] == [each.value for each in new.headers]


def test_a_charset_that_holds_the_block_stays() -> None:
    content = rewritten(ATTACHED_ONLY).content
    plain = message.read(content).parts[0]
    assert plain.charset == "windows-1251"
    assert RUSSIAN.text.encode("cp1251") in message.body(message.read(content), plain)


def test_a_charset_that_does_not_is_changed_with_its_text() -> None:
    raw = mixed(
        part("text/plain; charset=iso-8859-1", b"caf\xe9\n"), part("text/calendar", calendar().encode())
    )
    read = message.read(rewritten(raw).content)
    assert read.parts[0].charset == "utf-8"
    assert message.text(read, read.parts[0]).endswith("\n\ncafé\n")


def test_markup_gets_character_references_where_the_charset_lacks_the_characters() -> None:
    raw = mixed(
        part("text/html; charset=gb2312", b"<p>\xc4\xe3</p>"), part("text/calendar", calendar().encode())
    )
    html = rewritten(raw).content
    assert "К".encode("ascii", "xmlcharrefreplace") in html
    assert b"<p>\xc4\xe3</p>" in html


def test_thunderbirds_html_twin() -> None:
    (event,) = events(rewritten(THUNDERBIRD).content)
    twin = event["DESCRIPTION"].params["ALTREP"]
    assert twin.endswith("%3Cp%3Ex%3C%2Fp%3E")
    assert "confid%3D0123456789abcdef0123456789abcdef" in twin


@pytest.mark.parametrize(
    "line",
    [
        "X-ALT-DESC;FMTTYPE=text/html:<html><body>a\\, b\\nc</body></html>",
        "STYLED-DESCRIPTION;VALUE=TEXT;FMTTYPE=text/html:<body>a\\, b\\nc</body>",
        'X-ALT-DESC;FMTTYPE="text/html; charset=utf-8":<body>a\\, b\\nc</body>',
        "X-ALT-DESC;FMTTYPE=Text/HTML;CHARSET=utf-8:<body>a\\, b\\nc</body>",
        'X-ALT-DESC;LANGUAGE=ru;FMTTYPE="text/html;x=y;charset=utf-8":<body>a\\, b\\nc</body>',
    ],
)
def test_html_twins(line: str) -> None:
    content = rewritten(request(line), Options(position="bottom")).content.replace(b"\r\n ", b"")
    before, after = line.encode().split(b"</body>")
    assert before + b"<!-- videomost:begin -->\\n" in content
    assert b"<!-- videomost:end -->\\n</body>" + after in content


@pytest.mark.parametrize(
    "line",
    [
        "X-ALT-DESC:<html></html>",
        'X-ALT-DESC;FMTTYPE="text/html5; charset=utf-8":<html></html>',
        "STYLED-DESCRIPTION;VALUE=URI;FMTTYPE=text/html:https://x/",
        'DESCRIPTION;ALTREP="cid:part@x":y',
    ],
)
def test_what_only_looks_like_a_twin_stays(line: str) -> None:
    content = rewritten(request(line)).content.replace(b"\r\n ", b"")
    assert line.partition(":y")[0].encode() in content
    assert b"videomost:begin" not in content


@pytest.mark.parametrize(
    "line", ['DESCRIPTION;X="a:b">c', 'X-ALT-DESC;FMTTYPE=text/html;X="a:b">c', 'LOCATION;X="a:b">c']
)
def test_a_line_whose_only_colon_stands_in_quotes_stays(line: str) -> None:
    """Behind a link, with its colon, the value would be another one, and each update would write one more."""
    options = Options(location="append", position="bottom")
    once = rewritten(request(line), options)
    assert f"\r\n{line}\r\n".encode() in once.content
    assert rewritten(once.content, options).content == once.content


# --- rules ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rule", "before", "after"),
    [
        ("if-empty", None, LINK),
        ("if-empty", "LOCATION:", LINK),
        ("if-empty", "LOCATION: ВидеоМост ", LINK),
        ("if-empty", "LOCATION;LANGUAGE=ru:Videomost", LINK),
        ("if-empty", "LOCATION:Room 5\\, Videomost", "Room 5, Videomost"),
        ("if-empty", f"LOCATION:{LINK}", LINK),
        ("append", "LOCATION:Room 5\\, left", f"Room 5, left; {LINK}"),
        ("append", f"LOCATION:Room 5\\; {LINK}", f"Room 5; {LINK}"),
        ("append", None, LINK),
        ("never", None, None),
        ("never", "LOCATION:Videomost", "Videomost"),
    ],
)
def test_location(rule: str, before: str | None, after: str | None) -> None:
    known = {"if-empty": Options(), "append": Options(location="append"), "never": Options(location="never")}[
        rule
    ]
    options = Options(location=known.location, keywords=("videomost", "видеомост"))
    result = rewritten(request(*filter(None, [before])), options)
    (event,) = events(result.content)
    assert (str(event["LOCATION"]) if "LOCATION" in event else None) == after
    assert ("LOCATION" in result.places) == (LINK in (after or ""))


def test_links_that_are_not_ours_stay() -> None:
    foreign = ("URL:https://other.example/", "CONFERENCE;VALUE=URI:https://other.example/c")
    result = rewritten(request(*foreign))
    (event,) = events(result.content)
    assert str(event["URL"]) == "https://other.example/"
    assert values(event, "CONFERENCE") == ["https://other.example/c", LINK]
    assert "URL" not in result.places


def test_a_new_link_takes_the_places_of_the_old_one() -> None:
    options = Options(location="append")
    raw = mixed(
        part("text/plain", b"text"),
        part("text/html", b"<p>text"),
        part("text/calendar", calendar("LOCATION:Room", "DESCRIPTION:text").encode()),
    )
    old = rewritten(raw, options, OLD, OLD_LINK, "conf_0")
    assert OLD_LINK.encode() in old.content
    new = rewritten(old.content, options)
    read = message.read(new.content)
    for each in read.parts:
        text = message.text(read, each).replace("\r\n ", "")
        assert OLD_LINK not in text
        assert "confid=old" not in text
        assert "Older" not in text or each.content_type == "text/calendar"
    (event,) = events(new.content)
    assert str(event["LOCATION"]) == f"Room; {LINK}"
    assert str(event["X-VIDEOMOST-CONFERENCE"]) == "conf_1"
    assert message.header(read, "x-mailhook-conference") == "conf_1"
    assert new.places == old.places


@pytest.mark.parametrize("position", ["top", "bottom"])
@pytest.mark.parametrize("first", [RUSSIAN, block("An older template")], ids=["language", "template"])
def test_a_block_in_other_words_is_replaced_and_not_repeated(position: str, first: Block) -> None:
    """The same link; the second wording stands as if it had been the only one."""
    options = Options(position="top" if position == "top" else "bottom", keywords=("videomost",))
    for raw in SENDERS.values():
        once = rewritten(rewritten(raw, options, first).content, options, ENGLISH)
        assert shown_texts(once.content) == shown_texts(rewritten(raw, options, ENGLISH).content)


def shown_texts(raw: bytes) -> list[str]:
    read = message.read(raw)
    texts = [
        message.text(read, each) for each in read.parts if each.content_type in {"text/plain", "text/html"}
    ]
    return [*texts, *(str(event["DESCRIPTION"]) for event in events(raw))]


def test_added_lines_stand_after_the_events_own_properties_and_before_its_alarms() -> None:
    alarm = ("BEGIN:VALARM", "ACTION:DISPLAY", "DESCRIPTION:Reminder", "TRIGGER:-PT5M", "END:VALARM")
    content = rewritten(request(*alarm), Options(location="never")).content
    after = content.partition(b"SUMMARY:s\r\n")[2]
    names = [line.partition(b":")[0].partition(b";")[0] for line in after.split(b"\r\n") if line[:1] != b" "]
    assert names[:5] == [b"DESCRIPTION", b"URL", b"CONFERENCE", b"X-VIDEOMOST-CONFERENCE", b"BEGIN"]
    assert b"\r\n".join(line.encode() for line in alarm) in after


def test_every_event_of_the_invitation_and_no_other() -> None:
    override = ("END:VEVENT", "BEGIN:VEVENT", "UID:1@corp.example", "RECURRENCE-ID:20260102T000000Z")
    stranger = ("END:VEVENT", "BEGIN:VEVENT", "UID:2@corp.example")
    result = rewritten(request(*override, *stranger))
    assert ["DESCRIPTION" in event for event in events(result.content)] == [True, True, False]


def test_a_given_uid_decides() -> None:
    whole = message.read(request())
    assert rewrite.rewrite(whole, RUSSIAN, LINK, "c", Options(), uid="other@corp.example").places == ()
    assert rewrite.rewrite(whole, RUSSIAN, LINK, "c", Options(), uid="1@corp.example").places != ()


def test_a_twin_without_method_is_edited_too() -> None:
    twin = part("application/ics", calendar(method="").encode(), "base64")
    raw = mixed(part("text/calendar; method=REQUEST", calendar().encode()), twin)
    assert all("CONFERENCE" in event for event in events(rewritten(raw).content))


@pytest.mark.parametrize(
    "raw",
    [
        mixed(part("text/plain", b"x"), part("text/calendar", calendar(method="METHOD:CANCEL").encode())),
        mixed(part("text/plain", b"x"), part("text/calendar", calendar(method="METHOD:REPLY").encode())),
        mixed(part("text/plain", b"x"), part("application/ics", calendar(method="").encode())),
        mixed(part("text/plain", b"x"), part("text/calendar", b"")),
        mixed(
            part("text/plain", b"x"),
            part("message/rfc822", request().replace(b"--b", b"--c").replace(b"=b", b"=c")),
        ),
        mixed(
            part("text/plain", b"x"), part("application/ms-tnef; name=x.ics", calendar().encode(), "base64")
        ),
        request().replace(b"multipart/mixed", b"multipart/signed"),
        request().replace(b"multipart/mixed", b"multipart/encrypted"),
        b"Content-Type: application/pkcs7-mime; name=x.ics\n\n" + calendar().encode(),
        mixed(part("text/calendar", calendar().encode()).replace(b"8bit", b"x-uuencode")),
        mixed(b"Content-Type: text/calendar\nBEGIN:VCALENDAR\nMETHOD:REQUEST\n"),
        b"",
    ],
    ids=[
        "cancel",
        "reply",
        "no method",
        "empty",
        "enclosed",
        "tnef",
        "signed",
        "encrypted",
        "s/mime",
        "uuencode",
        "calendar in the header",
        "nothing",
    ],
)
def test_no_place_leaves_every_byte(raw: bytes) -> None:
    assert rewritten(raw) == Rewritten(raw, ())


def test_attached_texts_are_not_the_invitations_text() -> None:
    attached = b"Content-Disposition: attachment\n" + part("text/plain", b"notes")
    raw = mixed(part("text/calendar", calendar().encode()), attached)
    result = rewritten(raw)
    assert "text/plain" not in result.places
    assert attached in result.content


def test_a_giant_text_is_left_alone() -> None:
    raw = mixed(part("text/plain", b"x" * 5_000_000), part("text/calendar", calendar().encode()))
    result = rewritten(raw)
    assert "text/plain" not in result.places
    assert "DESCRIPTION" in result.places


def test_a_message_that_is_a_calendar() -> None:
    raw = b"From: a@corp.example\r\nContent-Type: text/calendar; method=REQUEST\r\n\r\n" + calendar().encode()
    result = rewritten(raw)
    read = message.read(result.content)
    assert [each.name for each in read.headers] == [
        "from",
        "content-type",
        "content-transfer-encoding",
        "x-mailhook-conference",
    ]
    assert read.parts[0].charset == "utf-8"
    assert all(LINK in str(event["DESCRIPTION"]) for event in events(result.content))
    assert rewritten(result.content) == result


def test_the_marker_header_is_ascii_in_one_line() -> None:
    content = rewritten(request(), conference_id="конф\r\nBcc: x@y").content
    values = [each.value for each in message.read(content).headers if each.name == "x-mailhook-conference"]
    assert values == [b" %D0%BA%D0%BE%D0%BD%D1%84%0D%0ABcc:%20x@y\n"]
    assert message.header(message.read(content), "bcc") is None


# --- properties ----------------------------------------------------------------------------------------

CHARSETS = st.sampled_from(
    ["utf-8", "us-ascii", "koi8-r", "iso-8859-1", "windows-1251", "iso-2022-jp", "utf-16"]
)
ENCODINGS = st.sampled_from(["7bit", "8bit", "base64", "quoted-printable"])
TEXT = st.text("aя é=.<>\n_-", max_size=120)
EVENT_LINES = st.sampled_from(
    [
        "DESCRIPTION:текст\\nещё",
        "DESCRIPTION:_______ Videomost _______\\nOld\\nhttps://vm.example/old\\n_______ /Videomost ______",
        "DESCRIPTION:_______ Videomost _______\\nOld",
        'DESCRIPTION;ALTREP="data:text/html;base64,PHA+eDwvcD4=":x',
        "LOCATION:Videomost",
        "LOCATION:https://vm.example/old",
        "URL:https://vm.example/old",
        "CONFERENCE;VALUE=URI:https://vm.example/old",
        f"CONFERENCE;VALUE=URI:{LINK}",
        "X-VIDEOMOST-CONFERENCE:conf_0",
        "X-ALT-DESC;FMTTYPE=text/html:<body>x</body>",
        "malformed",
        "X-LONG:" + "я" * 50,
    ]
)


@st.composite
def invitations(draw: st.DrawFn) -> bytes:
    parts = []
    for kind in draw(st.lists(st.sampled_from(["plain", "html"]), max_size=2)):
        charset = draw(CHARSETS)
        data = draw(TEXT).encode(charset, "replace")
        parts.append(part(f"text/{kind}; charset={charset}", data, draw(ENCODINGS)))
    lines = [line.encode() for line in calendar(*draw(st.lists(EVENT_LINES, max_size=5))).splitlines()]
    folded = [line[:60] + b"\r\n " + line[60:] if draw(st.booleans()) else line for line in lines]
    data = b"\r\n".join(folded) + b"\r\n"
    parts.append(part(f"text/calendar; charset={draw(CHARSETS)}; method=REQUEST", data, draw(ENCODINGS)))
    raw = mixed(*parts)
    return raw.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n") if draw(st.booleans()) else raw


@given(
    invitations(),
    st.builds(
        Options,
        location=st.sampled_from(["if-empty", "append", "never"]),
        position=st.sampled_from(["top", "bottom"]),
        keywords=st.just(("videomost",)),
        eight_bit=st.booleans(),
    ),
    st.sampled_from([RUSSIAN, ENGLISH]),
)
def test_twice_is_once(raw: bytes, options: Options, what: Block) -> None:
    once = rewritten(raw, options, what)
    assert rewritten(once.content, options, what) == once
    before, after = message.read(raw), message.read(once.content)
    assert [each.content_type for each in before.parts] == [each.content_type for each in after.parts]
    if not once.places:
        assert once.content == raw
    elif "text/plain" in once.places:
        text = next(message.text(after, each) for each in after.parts if each.content_type == "text/plain")
        assert what.text in text.replace("\r\n", "\n")


@given(invitations(), st.sampled_from([RUSSIAN, ENGLISH]))
def test_promises(raw: bytes, what: Block) -> None:
    """Bytes outside of the edited parts, twice is once, what is taken out again, and the same components."""
    fidelity.check(raw, what, LINK, Options(keywords=("videomost",)))


@given(invitations(), st.data())
def test_damaged_invitations_are_rewritten_or_left_or_unreadable(raw: bytes, data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(raw)))
    to = data.draw(st.integers(at, min(len(raw), at + 40)))
    damaged = raw[:at] + data.draw(st.binary(max_size=10)) + raw[to:]
    fidelity.check(damaged, RUSSIAN, LINK, Options())


BARE = b"BEGIN:VCALENDAR\r\nMETHOD:REQUEST\r\nBEGIN:VEVENT\r\nUID:1\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n"


@pytest.mark.parametrize(
    "kind",
    [
        b'Content-Type: text/plain; name="contract.txt"\r\nContent-Disposition: inline',
        b'Content-Type: text/plain; name="contract.txt"',
        b'Content-Type: text/html\r\nContent-Disposition: inline; filename="report.html"',
    ],
)
def test_a_document_is_no_text_of_the_invitation(kind: bytes) -> None:
    """Senders without a text/plain of their own attach what they like."""
    raw = (
        b"From: a@corp.example\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n"
        b"Content-Type: text/calendar; method=REQUEST\r\n\r\n" + BARE + b"--b\r\n"
    ) + (kind + b"\r\n\r\nThe contract\r\n--b--\r\n")
    result = rewritten(raw)
    assert kind + b"\r\n\r\nThe contract\r\n--b--\r\n" in result.content
    assert "DESCRIPTION" in result.places


@pytest.mark.parametrize(
    "label", [b'"quoted-printable"', b"quoted printable", b"quoted-printable charset=utf-8"]
)
def test_an_encoding_that_is_labelled_badly_is_still_what_it_is(label: bytes) -> None:
    raw = (
        b"From: a@corp.example\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n"
        b"Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: " + label + b"\r\n\r\n"
        b"=D0=9F=D1=80=D0=B8\r\n--b\r\n"
        b"Content-Type: text/calendar; method=REQUEST\r\n\r\n" + BARE + b"--b--\r\n"
    )
    result = rewritten(raw).content
    assert b"Content-Transfer-Encoding: " + label + b"\r\n" in result
    assert b"=D0=9F=D1=80=D0=B8\r\n" in result
    text = result.partition(label)[2].partition(b"--b")[0]
    assert LINK.encode() in quopri.decodestring(text)


def described(*descriptions: str) -> bytes:
    """An invitation to a series whose events have these lines beside their own."""
    days = range(1, len(descriptions) + 1)
    lines = "".join(
        f"BEGIN:VEVENT\r\nUID:1\r\nRECURRENCE-ID:202703{day:02}T070000Z\r\n{line}\r\nEND:VEVENT\r\n"
        for day, line in zip(days, descriptions, strict=True)
    )
    head = "From: a@corp.example\r\nContent-Type: text/calendar; charset=utf-8; method=REQUEST\r\n\r\n"
    return f"{head}BEGIN:VCALENDAR\r\nMETHOD:REQUEST\r\n{lines}END:VCALENDAR\r\n".encode()


@pytest.mark.parametrize(
    "long",
    [
        "DESCRIPTION:" + "x" * 100_000,
        "DESCRIPTION:" + "\\n" * 12_000,
        "DESCRIPTION:" + "\\" * 24_000,
        'DESCRIPTION;ALTREP="data:text/html,' + "%41" * 15_000 + '":x',
        "DESCRIPTION:x\r\nX-ALT-DESC;FMTTYPE=text/html:" + "<b>x</b> and more\\n" * 4000,
    ],
)
def test_long_descriptions_are_written_into_as_far_as_all_together_are_not_too_long(long: str) -> None:
    """The first one is, the second one is not, a short one after it is; all events get the other places."""
    raw = described(long, long, "DESCRIPTION:agenda")
    made = rewritten(raw)
    name = "X-ALT-DESC" if "X-ALT-DESC" in long else "DESCRIPTION"
    assert made.beyond == (name,)
    texts = [re.sub(r"&amp\\?;", "&", str(event[name])) for event in events(made.content) if name in event]
    assert [LINK in text for text in texts] == [True, False, True][: len(texts)]
    assert all(event["CONFERENCE"] == event["URL"] == LINK for event in events(made.content))
    assert rewritten(made.content).content == made.content
    assert rewritten(described("DESCRIPTION:agenda")).beyond == ()


def test_of_very_many_events_the_first_get_the_block_and_all_the_link() -> None:
    raw = described(*["DESCRIPTION:agenda"] * 300).replace(b"RECURRENCE-ID", b"X-DAY")
    found = events(rewritten(raw).content)
    assert [LINK in str(event["DESCRIPTION"]) for event in found] == [True] * 128 + [False] * 172
    assert all(event["CONFERENCE"] == event["URL"] == event["LOCATION"] == LINK for event in found)
