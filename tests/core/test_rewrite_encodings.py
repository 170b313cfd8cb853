"""Charsets and transfer encodings: what is written is what a reader decodes, told by the `email` package alone."""

import base64
import email
import quopri
from email.message import Message as Email

import icalendar
import pytest

from mailhook.core import message, rewrite
from mailhook.core.rewrite import Options
from mailhook.core.wording import Block

LINK = "https://vm.corp.example/service/join/?confid=0123456789abcdef&confpass=1234"
NAME = {"ru": "Конференция в Videomost", "en": "Videomost conference"}
SAMPLES = {
    "us-ascii": "Agenda",
    "utf-8": "Повестка, é, 日本",
    "iso-8859-1": "Café déjà vu",
    "iso-8859-5": "Повестка",
    "windows-1251": "Повестка «дня» №1",
    "windows-1257": "Darbotvarkė, Šiauliai",
    "koi8-r": "Повестка",
    "iso-2022-jp": "会議の議題",
    "utf-16": "Повестка",
    "utf-16le": "Повестка",
    "utf-7": "Повестка",
    "gb2312": "会议",
    "shift_jis": "会議ソ表",
}
HOLDS_RUSSIAN = {"utf-8", "iso-8859-5", "windows-1251", "koi8-r"}
NO_LINES = {"utf-16", "utf-16le"}
ENCODINGS = ["7bit", "8bit", "quoted-printable", "base64", "binary"]


def block(language: str) -> Block:
    name, link = NAME[language], LINK.replace("&", "&amp;")
    html = f'<b>{name}</b><br><a href="{link}">{link}</a>'
    return Block(f"{name}\n{LINK}", html, f"{name}\n{LINK}", html, LINK, name)


def calendar(description: str) -> str:
    lines = (
        *("BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:-//x//EN", "METHOD:REQUEST", "BEGIN:VEVENT", "UID:1"),
        *("DTSTAMP:20260101T000000Z", "SUMMARY:s", f"DESCRIPTION:{description}"),
        *("END:VEVENT", "END:VCALENDAR", ""),
    )
    return "\r\n".join(lines)


def encoded(data: bytes, encoding: str) -> bytes:
    match encoding:
        case "base64":
            return base64.encodebytes(data).replace(b"\n", b"\r\n")
        case "quoted-printable":
            return quopri.encodestring(data.replace(b"\r\n", b"\n")).replace(b"\n", b"\r\n")
        case _:
            return data


def part(kind: str, charset: str, encoding: str, data: bytes) -> bytes:
    head = f"Content-Type: {kind}; charset={charset}\r\nContent-Transfer-Encoding: {encoding}\r\n\r\n"
    return head.encode() + encoded(data, encoding)


def mail(*parts: bytes) -> bytes:
    head = b"From: a@corp.example\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n"
    return head + b"".join(b"--b\r\n" + each + b"\r\n" for each in parts) + b"--b--\r\n"


PLAIN_CALENDAR = part("text/calendar", "utf-8", "7bit", calendar("x").encode())


def rewritten(raw: bytes, language: str, *, eight_bit: bool = True) -> bytes:
    options = Options(eight_bit=eight_bit)
    made = rewrite.rewrite(message.read(raw), block(language), LINK, "c", options)
    again = rewrite.rewrite(message.read(made.content), block(language), LINK, "c", options)
    assert again.content == made.content
    return made.content


def first(raw: bytes) -> Email:
    found = email.message_from_bytes(raw).get_payload(0)
    assert isinstance(found, Email)
    return found


def octets(each: Email) -> bytes:
    payload = each.get_payload(decode=True)
    assert isinstance(payload, bytes)
    return payload


def shown(each: Email) -> str:
    return octets(each).decode(each.get_content_charset("utf-8"))


def labelled_truly(raw: bytes, before: bytes) -> None:
    """What calls itself seven-bit is so, and what was seven-bit is no more than the next hop takes."""
    each = first(raw)
    if each["Content-Transfer-Encoding"] == "7bit" and before.isascii():
        assert raw.isascii()


CASES = [
    (charset, encoding)
    for charset in SAMPLES
    for encoding in ENCODINGS
    if not (charset in NO_LINES and encoding not in {"base64", "binary"})
]


@pytest.mark.parametrize(("charset", "encoding"), CASES)
@pytest.mark.parametrize("language", ["ru", "en"])
@pytest.mark.parametrize("eight_bit", [True, False], ids=["8bit", "7bit"])
def test_plain_text(charset: str, encoding: str, language: str, eight_bit: bool) -> None:
    sample = SAMPLES[charset]
    raw = mail(part("text/plain", charset, encoding, f"{sample}\r\n".encode(charset)), PLAIN_CALENDAR)
    after = rewritten(raw, language, eight_bit=eight_bit)
    text = shown(first(after))
    assert f"\n{NAME[language]}\n{LINK}\n" in text.replace("\r\n", "\n")
    assert text.rstrip().endswith(sample)
    if charset in HOLDS_RUSSIAN or (language == "en" and charset not in NO_LINES and charset[:2] != "ut"):
        assert first(after).get_content_charset() in {charset, "utf-8"}
    labelled_truly(after, raw)


@pytest.mark.parametrize(("charset", "encoding"), CASES)
@pytest.mark.parametrize("language", ["ru", "en"])
@pytest.mark.parametrize("eight_bit", [True, False], ids=["8bit", "7bit"])
def test_html(charset: str, encoding: str, language: str, eight_bit: bool) -> None:
    """The charset stays where markup is found by its octets; else it changes in the part and in `<meta>` together."""
    sample, stays = SAMPLES[charset], charset not in {*NO_LINES, "utf-7", "iso-2022-jp"}
    html = (
        f'<html><head><meta http-equiv="Content-Type" content="text/html; charset={charset}"></head>'
        f"<body><p>{sample}</p></body></html>\r\n"
    )
    raw = mail(part("text/html", charset, encoding, html.encode(charset)), PLAIN_CALENDAR)
    each = first(rewritten(raw, language, eight_bit=eight_bit))
    now = each.get_content_charset()
    assert now == (charset if stays else "utf-8")
    assert f"text/html; charset={now}" in shown(each)
    assert f"<p>{sample}</p>" in shown(each)
    assert f'<a href="{LINK.replace("&", "&amp;")}">' in shown(each)
    name = NAME[language]
    assert name in shown(each) or name.encode("ascii", "xmlcharrefreplace").decode() in shown(each)
    labelled_truly(rewritten(raw, language, eight_bit=eight_bit), raw)


@pytest.mark.parametrize(("charset", "encoding"), CASES)
@pytest.mark.parametrize("language", ["ru", "en"])
@pytest.mark.parametrize("eight_bit", [True, False], ids=["8bit", "7bit"])
def test_calendars(charset: str, encoding: str, language: str, eight_bit: bool) -> None:
    sample = SAMPLES[charset]
    written = calendar(sample.replace(",", "\\,")).encode(charset)
    raw = mail(part("text/calendar; method=REQUEST", charset, encoding, written))
    after = rewritten(raw, language, eight_bit=eight_bit)
    (event,) = icalendar.Calendar.from_ical(shown(first(after))).walk("VEVENT")
    assert f"\n{NAME[language]}\n{LINK}\n" in str(event["DESCRIPTION"])
    assert str(event["DESCRIPTION"]).endswith(sample)
    assert str(event["CONFERENCE"].params["LABEL"]) == NAME[language]
    labelled_truly(after, raw)


NO_TEXT = ["hex", "rot13", "zip", "bz2", "uu", "quopri", "base64", "undefined"]
"""Codecs of Python, and none of text."""


@pytest.mark.parametrize("charset", ["x-unknown", "iso-4444-5", "utf8mb4", '"bad charset"', "idna", *NO_TEXT])
@pytest.mark.parametrize("sample", ["Agenda", "Повестка"])
def test_an_unknown_charset_becomes_the_one_that_its_octets_are_in(charset: str, sample: str) -> None:
    raw = mail(part("text/plain", charset, "8bit", f"{sample}\r\n".encode()), PLAIN_CALENDAR)
    text = shown(first(rewritten(raw, "ru")))
    assert NAME["ru"] in text
    assert text.rstrip().endswith(sample)


@pytest.mark.parametrize("charset", NO_TEXT)
def test_a_codec_that_is_none_of_text_loses_neither_html_nor_calendar(charset: str) -> None:
    html = part("text/html", charset, "8bit", "<html><body>Повестка</body></html>".encode())
    raw = mail(html, part("text/calendar", charset, "8bit", calendar("Повестка").encode()))
    after = rewritten(raw, "ru")
    _, page, invited = email.message_from_bytes(after).walk()
    assert LINK.replace("&", "&amp;").encode() in octets(page)
    (event,) = icalendar.Calendar.from_ical(octets(invited).decode()).walk("VEVENT")
    assert f"\n{LINK}\n" in str(event["DESCRIPTION"])


def test_octets_that_are_not_in_the_charset_that_is_declared_stay() -> None:
    raw = mail(part("text/plain", "utf-8", "8bit", "Повестка\r\n".encode("cp1251")), PLAIN_CALENDAR)
    after = octets(first(rewritten(raw, "ru")))
    assert NAME["ru"].encode() in after
    assert "Повестка\r\n".encode("cp1251") in after


@pytest.mark.parametrize("declared", ["", "us-ascii", "x-unknown"])
def test_octets_of_no_known_charset_stay_beside_what_is_written_in_ascii(declared: str) -> None:
    """Mail programs guess there; our own words would tell them wrongly, so that the link stands alone."""
    sample = "Повестка\r\n".encode("cp1251")
    raw = mail(part("text/plain", declared or "x", "8bit", sample), PLAIN_CALENDAR)
    if not declared:
        raw = raw.replace(b"; charset=x", b"")
    each = first(rewritten(raw, "ru"))
    assert octets(each).endswith(b"\r\n\r\n" + sample)
    assert LINK.encode() in octets(each).splitlines()
    assert octets(each).removesuffix(sample).isascii()


CALENDAR_OF_NO_CHARSET = part("text/calendar", "x", "8bit", calendar("Повестка").encode("cp1251"))


def test_a_calendar_in_octets_of_no_known_charset() -> None:
    each = first(rewritten(mail(CALENDAR_OF_NO_CHARSET), "ru"))
    (event,) = icalendar.Calendar.from_ical(octets(each).decode("cp1251")).walk("VEVENT")
    assert f"\n{LINK}\n" in str(event["DESCRIPTION"])
    assert str(event["DESCRIPTION"]).endswith("Повестка")
    assert "LABEL" not in event["CONFERENCE"].params


@pytest.mark.parametrize("charset", ["x", "utf-8", "windows-1251"])
def test_a_place_keeps_its_octets_when_the_link_is_appended(charset: str) -> None:
    place = f"LOCATION:{'Зал, '.replace(',', chr(92) + ',') * 12}5\r\nDESCRIPTION".encode("cp1251")
    octets_of = calendar("x").encode().replace(b"DESCRIPTION", place)
    raw = mail(part("text/calendar", charset, "8bit", octets_of))
    made = rewrite.rewrite(message.read(raw), block("en"), LINK, "c", Options(location="append"))
    (event,) = icalendar.Calendar.from_ical(octets(first(made.content)).decode("cp1251")).walk("VEVENT")
    assert str(event["LOCATION"]) == f"{'Зал, ' * 12}5; {LINK}"


@pytest.mark.parametrize("delsp", ["", "; delsp=yes"])
@pytest.mark.parametrize("position", ["top", "bottom"])
def test_flowed_text_neither_swallows_the_block_nor_is_swallowed(delsp: str, position: str) -> None:
    """RFC 3676: a line that ends with a blank goes on in the next one."""
    raw = mail(
        part("text/plain; format=flowed" + delsp, "utf-8", "8bit", b"a long line \r\nthat flows \r\n"),
        PLAIN_CALENDAR,
    )
    options = Options(position="top" if position == "top" else "bottom")
    made = rewrite.rewrite(message.read(raw), block("ru"), LINK, "c", options).content
    lines = shown(first(made)).split("\r\n")
    at = lines.index(LINK)
    assert not any(line.endswith(" ") for line in lines[at - 2 : at + 2])
    before = lines[at - 3] if at > 2 else ""
    assert not before.endswith(" ")


def test_quoted_printable_lines_that_are_not_edited_stay_and_no_line_is_long() -> None:
    lines = [f"line {number} =D0=B6=20" + "=" * (number % 2) for number in range(20)]
    body = "\r\n".join(lines).encode()
    head = b"Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n"
    after = rewritten(mail(head + body, PLAIN_CALENDAR), "ru")
    assert body in after
    assert max(map(len, after.split(b"\r\n"))) <= 76


@pytest.mark.parametrize("eight_bit", [True, False], ids=["8bit", "7bit"])
def test_raw_utf_8_in_the_header_stays_and_gets_no_company(eight_bit: bool) -> None:
    """As SMTPUTF8 mail has it (RFC 6532): what is added is ASCII, so that no next hop needs more than before."""
    raw = "Subject: Повестка\r\nTo: Анна <anna@partner.example>\r\n".encode() + mail(PLAIN_CALENDAR)
    head, _, _ = rewritten(raw, "ru", eight_bit=eight_bit).partition(b"\r\n\r\n")
    added = head.removeprefix(raw.partition(b"\r\n\r\n")[0])
    assert added == b"\r\nX-Mailhook-Conference: c"


def test_content_length_and_line_ends_are_those_of_the_part() -> None:
    text, html = b"a\nb\n", b"<p>x</p>\r\n"
    parts = (
        b"Content-Type: text/plain; charset=utf-8\nContent-Length: %d\n\n%b" % (len(text), text),
        b"Content-Type: text/html; charset=utf-8\r\nContent-Length: %d\r\n\r\n%b" % (len(html), html),
    )
    after = message.read(rewritten(mail(*parts, PLAIN_CALENDAR), "ru"))
    for each, count, line_end in ((after.parts[0], 4, b"\n"), (after.parts[1], 10, b"\r\n")):
        body = after.raw[each.body_start : each.body_end]
        length = int(message.raw_header(each.headers, "content-length") or b"0")
        assert length == len(body)
        assert length > count
        assert body.count(line_end) == body.count(b"\n")
        assert (b"\r" in body) == (line_end == b"\r\n")
