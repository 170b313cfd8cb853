"""What somebody typed into a block stays, the link stands once, and what is quoted from other mails is left alone."""

from collections.abc import Callable
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailhook.core import contentlines, message
from mailhook.core.message import read
from mailhook.core.rewrite import Options, remove, rewrite
from mailhook.core.splice_html import marked as html_block
from mailhook.core.splices import Position
from mailhook.core.text_blocks import BEGIN, END, OPENING
from mailhook.core.text_blocks import marked as text_block
from mailhook.core.wording import Block, Variables
from tests.core.edited import WORDING
from tests.core.test_rewrite_remove import mail

LINK = "https://videomost.corp.example/service/join/?confid=c0ffee&confpass=1"
OTHER = "https://videomost.corp.example/service/join/?confid=another&confpass=2"
HREF, OTHER_HREF = (each.replace("&", "&amp;") for each in (LINK, OTHER))
ANCHOR = f'<a href="{HREF}">{HREF}</a>'
TOP, BOTTOM = Options(position="top"), Options(position="bottom")
PLAIN, HTML = ("text/plain", "DESCRIPTION"), ("text/html", "X-ALT-DESC")


def block(language: str = "ru", link: str = LINK) -> Block:
    return WORDING.render(language, Variables(link, "Topic", conference_id="c0ffee", dial_in="+7 495"))


def shape(text: str, html: str) -> bytes:
    """The same in the texts and in the event."""
    rows = (
        f"DESCRIPTION:{contentlines.escape_text(text)}",
        f"X-ALT-DESC;FMTTYPE=text/html:{contentlines.escape_text(html)}",
    )
    return mail(*rows, text=text.replace("\n", "\r\n"), html=html.replace("\n", "\r\n"))


def texts(raw: bytes) -> dict[str, str]:
    """What stands in each place, with LF."""
    whole = read(raw)
    found = {
        part.content_type: message.text(whole, part).replace("\r\n", "\n").strip("\n") for part in whole.parts
    }
    calendar = contentlines.read(found.pop("text/calendar").replace("\n", "\r\n").encode(), "utf-8")
    event = next(each for each in calendar.children if each.name == "VEVENT")
    properties = {
        name: contentlines.unescape_text(event.value(name)) for name in ("DESCRIPTION", "X-ALT-DESC")
    }
    return {kind: found[kind] for kind in ("text/plain", "text/html")} | properties


def updated(
    raw: bytes, language: str = "ru", copied: frozenset[str] = frozenset(), options: Options = TOP
) -> dict[str, str]:
    """After the update, which is the same when it comes again."""
    once = rewrite(read(raw), block(language), LINK, "c0ffee", options, copied=copied).content
    again = rewrite(read(once), block(language), LINK, "c0ffee", options, copied=copied).content
    assert again == once
    return texts(once)


def shown(html: str) -> int:
    """How often HTML leads to the link; in text it stands as it is."""
    return html.count(f'href="{HREF}"')


RU, EN = text_block(block().description), text_block(block("en").description)
RU_HTML, EN_HTML = html_block(block().description_html), html_block(block("en").description_html)
LABEL = "Конференция в Videomost"
WIKI = "https://wiki.example/agenda"


@pytest.mark.parametrize("language", ["ru", "en"])
@pytest.mark.parametrize(
    ("old", "new", "above", "below"),
    [
        (f"{LABEL}\n", f"{LABEL}\nBring laptops\n", "Bring laptops\n", ""),
        (f"{LABEL}\n", f"Принесите\n\n{LABEL}\nотчёты\n", "Принесите\n\nотчёты\n", ""),
        (f"{LINK}\n", f"{LINK}\nask Anna\n", "", "\nask Anna"),
        (f"{LINK}\n", f"{LINK} ask Anna\n", "", "\nask Anna"),
        (f"{LINK}\n", f"{LINK} <{LINK}> ask Anna\n", "", "\nask Anna"),
        ("+7 495\n", "+7 495\nhttps://wiki.example/\n", "", "\nhttps://wiki.example/"),
        (LINK, f"{LINK[:30]}typed{LINK[30:]}", "typed\n", ""),
        (LINK, LINK[:40], "", ""),
        (LINK, f"{LINK[:45]} \n{LINK[45:]} ask Anna", "ask Anna\n", ""),
        (f"{LABEL}\n", "", "", ""),
        (LABEL, f"{LABEL}!!", f"{LABEL}!!\n", ""),
        (LABEL, f"*{LABEL}*", "", ""),
        (LABEL, "Конференция \nв Videomost", "", ""),
        (LINK, f"{WIKI}{LINK}", "", f"\n{WIKI}"),
        (LINK, f"https://safe.example/?url={LINK}", "", ""),
        (f"\n{END}", "\nafter", "", "\nafter"),
    ],
)  # fmt: skip
def test_typed_lines_of_a_text(language: str, old: str, new: str, above: str, below: str) -> None:
    assert old in RU
    text = f"before\n{RU.replace(old, new)}\nthen"
    found = updated(shape(text, "<p>x</p>"), language)
    block = RU if language == "ru" else EN
    if old.endswith(END):
        block += "\n+7 495"
    assert found["text/plain"] == found["DESCRIPTION"] == f"before\n{above}{block}{below}\nthen"


@pytest.mark.parametrize("language", ["ru", "en"])
@pytest.mark.parametrize("marks", ["all", "no comments", "text"])
@pytest.mark.parametrize(
    ("old", "new", "above", "below"),
    [
        (f"{LABEL}</b><br>", f"{LABEL}</b><br>Bring <b>laptops</b><br>", "<div>Bring <b>laptops</b></div>\n", ""),
        ("+7 495", "+7 495<br>кофе &amp; чай", "", "\n<div>кофе &amp; чай</div>"),
        ("+7 495", "+7 495<p>one</p><p>two</p>", "", "\n<div>one</div>\n<div>two</div>"),
        ("+7 495", '+7 495<br><img src="cid:1">', "", '\n<div><img src="cid:1"></div>'),
        ("+7 495", f'+7 495<br><span>see<br>the <a href="{WIKI}">wiki</a></span>', "",
         f'\n<div><span>see</span></div>\n<div><span>the <a href="{WIKI}">wiki</a></span></div>'),
        ("+7 495", f'+7 495<br><a href="{WIKI}">the<br>wiki</a>', "",
         f'\n<div><a href="{WIKI}">the</a></div>\n<div><a href="{WIKI}">wiki</a></div>'),
        ("+7 495", '+7 495<br><span><img src="cid:1"><br>foo</span>', "",
         '\n<div><span><img src="cid:1"></span></div>\n<div><span>foo</span></div>'),
        ("+7 495", "+7 495<br><b>one<i>two</b>three</i>", "", "\n<div><b>one<i>two</i></b>three</div>"),
        (f"{HREF}</a>", f"{HREF}</a> ask Anna", "", "\n<div>ask Anna</div>"),
        (f"{LABEL}</b>", "</b>", "", ""),
        ("&amp;", "&#38;", "", ""),
    ],
)  # fmt: skip
def test_typed_lines_of_html(language: str, marks: str, old: str, new: str, above: str, below: str) -> None:
    assert old in RU_HTML
    edited = RU_HTML.replace(old, new)
    if marks == "no comments":
        edited = "\n".join(edited.split("\n")[1:-1])
    if marks == "text":
        lines = "<br>".join(RU.split("\n")).replace(LINK, ANCHOR).replace(LABEL, f"<b>{LABEL}</b>")
        edited = lines.replace(old, new)
    found = updated(shape("x", f"<body><p>1</p>\n{edited}\n<p>2</p></body>"), language)
    block = RU_HTML if language == "ru" else EN_HTML
    assert (
        found["text/html"] == found["X-ALT-DESC"] == f"<body><p>1</p>\n{above}{block}{below}\n<p>2</p></body>"
    )


@pytest.mark.parametrize("language", ["ru", "en"])
def test_a_block_without_digests(language: str) -> None:
    """As it was written before there were any."""
    text = RU.replace(RU.partition("\n")[0], BEGIN).replace("+7 495", "typed")
    html = RU_HTML.partition("-->")[2].partition("<!--")[0].replace("+7 495", "typed")
    old = f'<div id="videomost-conference">{html.partition(">")[2]}'
    found = updated(shape(text, old.strip()), language)
    assert found["DESCRIPTION"] == f"{RU if language == 'ru' else EN}\ntyped"
    assert found["text/html"] == f"{RU_HTML if language == 'ru' else EN_HTML}\n<div>typed</div>"


@pytest.mark.parametrize("removing", ["DESCRIPTION", "text/plain"])
def test_what_was_typed_stays_when_the_link_is_taken_out(removing: str) -> None:
    typed = RU.replace("+7 495", "+7 495\ntyped")
    raw = shape(f"a\n\n{typed}\n\nb", RU_HTML.replace("+7 495", "+7 495<br>typed"))
    found = texts(remove(read(raw), LINK, "c0ffee", TOP).content)
    assert found[removing] == "a\n\ntyped\n\nb"
    assert found["text/html"] == found["X-ALT-DESC"] == "<div>typed</div>"


@pytest.mark.parametrize(
    ("text", "html", "left", "html_left"),
    [
        (f"a\n\n{LABEL}\n{LINK}\n\nb", f"<p>a</p><b>{LABEL}</b><br>{ANCHOR}<p>b</p>", "a\n\nb", "<p>a</p><p>b</p>"),
        (f"a\n{LINK}\nb", f"<p>a</p><div>{ANCHOR}</div>b", "a\nb", "<p>a</p><div></div>b"),
        (f"<{LINK}>", f"{HREF}", "", ""),
        (f"a\n{LABEL}\n{LINK}\n{LINK}", f"a<br>{LABEL}<br>{ANCHOR}", "a", "a<br>"),
        (f"Call: {LINK}", f"Call: {ANCHOR}", f"Call: {LINK}", f"Call: {ANCHOR}"),
        (f"> {LINK}", f"<blockquote>{ANCHOR}</blockquote>", f"> {LINK}", f"<blockquote>{ANCHOR}</blockquote>"),
        (f"{LINK}2", f"<span>{ANCHOR}<br>x</span>", f"{LINK}2", f"<span>{ANCHOR}<br>x</span>"),
    ],
)  # fmt: skip
def test_a_link_without_marks_that_stands_alone_is_taken_out(
    text: str, html: str, left: str, html_left: str
) -> None:
    once = remove(read(shape(text, html)), LINK, "c0ffee", TOP).content
    found = texts(once)
    assert found["text/plain"] == found["DESCRIPTION"] == left
    assert found["text/html"] == found["X-ALT-DESC"] == html_left
    assert remove(read(once), LINK, "c0ffee", TOP).content == once


@pytest.mark.parametrize(
    "text",
    [
        LINK,
        f"Join <{LINK}>",
        f"[{LINK}]<{LINK}>",
        f"{LINK} ({LINK})",
        f"Связь: {LINK}",
        f"a\n*Label*\n{LINK}\nb",
    ],
)
@pytest.mark.parametrize(
    "html",
    [ANCHOR, f'<p><a class="x" href="{LINK}">join</a></p>', f"<td>{HREF}</td>", f"<a href='{HREF}'>x</a>",
     f'<a href="{HREF.replace("&amp;", "&#38;")}">x</a>'],
)  # fmt: skip
def test_a_link_without_marks_gets_no_second_one_beside_it(text: str, html: str) -> None:
    found = updated(shape(text, html))
    assert found["text/plain"] == found["DESCRIPTION"] == text
    assert found["text/html"] == found["X-ALT-DESC"] == html


@pytest.mark.parametrize(
    "html",
    [
        f"<!-- {HREF} -->",
        f'<script>"{LINK}"</script>',
        f"<blockquote>{ANCHOR}</blockquote>",
        f"<p>{HREF}2</p>",
        f'<meta content="{HREF}">',
        f"<div>-----Original Message-----</div><p>{ANCHOR}</p>",
    ],
)
def test_a_link_that_is_not_shown_or_only_quoted_does_not_count(html: str) -> None:
    found = updated(shape(f"> {LINK}", f"<body>{html}</body>"))
    assert found["text/plain"] == found["DESCRIPTION"] == f"{RU}\n\n> {LINK}"
    assert found["text/html"] == found["X-ALT-DESC"] == f"<body>{RU_HTML}\n{html}</body>"


FOREIGN, FOREIGN_HTML = text_block(block(link=OTHER).text), html_block(block(link=OTHER).html)
HEADERS = (
    "-----Original Message-----",
    "-------- Пересылаемое сообщение --------",
    "---------- Forwarded message ---------",
    "Begin forwarded message:",
    "From: Anna <anna@corp.example>\nSent: Monday\nTo: Ivan\nSubject: Plan",
    "От: Анна\nДата: понедельник\nКому: Иван\nТема: План",
    "*From:* Anna\n*Date:* Monday\n*Subject:* Plan",
)


@pytest.mark.parametrize("header", HEADERS)
def test_another_meetings_block_in_quoted_text_is_left_alone(header: str) -> None:
    text = f"see below\n\n{header}\n\n{FOREIGN}\nend"
    lines = "<br>".join(header.split("\n"))
    html = f"<p>see below</p><p>{lines}</p>{FOREIGN_HTML}<p>end</p>"
    found = updated(shape(text, html))
    assert found["text/plain"] == found["DESCRIPTION"] == f"{RU}\n\n{text}"
    assert found["text/html"] == found["X-ALT-DESC"] == f"{RU_HTML}\n{html}"


@pytest.mark.parametrize("header", HEADERS)
def test_the_own_link_counts_below_a_header_where_the_block_stands_at_the_bottom(header: str) -> None:
    """An editor has lost the marks; a quotation of the same link is none."""
    text = f"see below\n\n{header}\n\nwords\n\n{LABEL}\n{LINK}"
    html = f"<p>a</p><p>{'<br>'.join(header.split(chr(10)))}</p><p>words</p><b>{LABEL}</b><br>{ANCHOR}"
    assert updated(shape(text, html), options=BOTTOM) == dict.fromkeys(PLAIN, text) | dict.fromkeys(
        HTML, html
    )
    text, html = text.replace(LINK, f"> {LINK}"), html.replace(ANCHOR, f"<blockquote>{ANCHOR}</blockquote>")
    found = updated(shape(text, html), options=BOTTOM)
    assert found["DESCRIPTION"] == found["text/plain"] == f"{text}\n\n{RU}"
    assert found["X-ALT-DESC"] == found["text/html"] == f"{html}{RU_HTML}"


@pytest.mark.parametrize(
    "spell",
    [lambda each: each, lambda each: f"&#{ord(each)};", lambda each: f"&#x{ord(each):X};"],
    ids=["as it stands", "entities", "hexadecimal"],
)
def test_a_header_in_the_html_of_a_parameter_or_in_entities(spell: Callable[[str], str]) -> None:
    header = "".join(each if each.isascii() else spell(each) for each in "От: Анна<br>Дата: пн<br>Тема: План")
    html = f"<p>see</p><p>{header}</p>{FOREIGN_HTML}"
    encoded = quote(html, safe="")
    raw = mail(f'DESCRIPTION;ALTREP="data:text/html,{encoded}":x', html=html.replace("\n", "\r\n"))
    written = rewrite(read(raw), block(), LINK, "c0ffee", TOP).content
    assert html.replace("\n", "\r\n").encode() in written
    assert encoded.encode() in written.replace(b"\r\n ", b"")


def test_another_meetings_block_in_a_quotation_is_left_alone() -> None:
    html = f"<p>a</p><blockquote><p>b</p>{FOREIGN_HTML}</blockquote><p>c</p>"
    assert updated(shape("x", html))["text/html"] == f"{RU_HTML}\n{html}"


def test_a_reference_beside_the_own_block_is_left_alone() -> None:
    found = updated(shape(f"{EN}\n\nlast time:\n{FOREIGN}", f"{EN_HTML}<p>last time:</p>{FOREIGN_HTML}"))
    assert found["text/plain"] == found["DESCRIPTION"] == f"{RU}\n\nlast time:\n{FOREIGN}"
    assert found["text/html"] == f"{RU_HTML}<p>last time:</p>{FOREIGN_HTML}"


def test_the_own_block_below_a_header_is_replaced() -> None:
    found = updated(shape(f"{HEADERS[0]}\n{EN}", f"<blockquote>{EN_HTML}</blockquote>"))
    assert found["DESCRIPTION"] == f"{HEADERS[0]}\n{RU}"
    assert found["text/html"] == f"<blockquote>{RU_HTML}</blockquote>"


@pytest.mark.parametrize("copied", [frozenset[str](), frozenset({OTHER})])
def test_the_block_of_a_copied_event_is_replaced(copied: frozenset[str]) -> None:
    found = updated(shape(f"a\n\n{FOREIGN}", f"<p>a</p>{FOREIGN_HTML}"), copied=copied)
    assert found["text/plain"] == found["DESCRIPTION"] == f"a\n\n{RU}"
    assert found["text/html"] == f"<p>a</p>{RU_HTML}"
    assert OTHER not in "".join(found.values())


DIAL_IN = "+7 495"


@pytest.mark.parametrize("typed", ["", "typed words"])
@pytest.mark.parametrize("number", ["all", "label and link", "link and below"])
def test_where_a_client_joins_lines_our_words_do_not_stay(number: str, typed: str) -> None:
    """However often it does."""
    joined = {"all": RU, "label and link": f"{LABEL}\n{LINK}", "link and below": f"{LINK}\n{DIAL_IN}"}[number]
    text, html = RU, RU_HTML
    for language in ("ru", "en", "ru"):
        text = " ".join(f"{text} {typed}".split()) if number == "all" else text.replace(
            joined, f"{' '.join(joined.split())} {typed}".strip()
        )  # fmt: skip
        html = html.replace("<br>", " ")
        found = updated(shape(text, f"{html}"), language)
        assert found["DESCRIPTION"].count(LINK) == shown(found["X-ALT-DESC"]) == 1
        assert sum(map(found["DESCRIPTION"].count, (LABEL, "Videomost conference"))) == 1
        assert sum(map(found["X-ALT-DESC"].count, (LABEL, "Videomost conference"))) == 1
        assert found["DESCRIPTION"].count(DIAL_IN) == found["X-ALT-DESC"].count(DIAL_IN) == 1
        assert typed in found["DESCRIPTION"]
        text, html = found["DESCRIPTION"], found["X-ALT-DESC"]


UNLINKED, UNLINKED_HTML = (
    RU.replace(f"{LINK}\n", ""),
    RU_HTML.replace(f"{HREF}</a>", "</a>").replace(HREF, ""),
)


@pytest.mark.parametrize("language", ["ru", "en"])
def test_a_link_that_somebody_has_put_outside_of_the_block_gets_no_second_one(language: str) -> None:
    raw = shape(f"Ссылка: {LINK}\n\n{UNLINKED}\nb", f"<p>Ссылка: {ANCHOR}</p>{UNLINKED_HTML}\n<p>b</p>")
    found = updated(raw, language)
    assert found["text/plain"] == found["DESCRIPTION"] == f"Ссылка: {LINK}\nb"
    assert found["text/html"] == found["X-ALT-DESC"] == f"<p>Ссылка: {ANCHOR}</p><p>b</p>"


def test_what_was_typed_into_a_block_whose_link_stands_outside_stays() -> None:
    text, html = (each.replace(LABEL, "typed") for each in (UNLINKED, UNLINKED_HTML))
    found = updated(shape(f"{LINK}\n\n{text}\nb", f"{ANCHOR}{html}\n<p>b</p>"))
    assert found["text/plain"] == found["DESCRIPTION"] == f"{LINK}\n\ntyped\nb"
    assert found["text/html"] == found["X-ALT-DESC"] == f"{ANCHOR}<div><b>typed</b></div>\n<p>b</p>"


def test_a_reference_beside_a_link_without_marks_is_left_alone() -> None:
    text, html = f"{LINK}\n\nlast time:\n{FOREIGN}", f"{ANCHOR}<p>last time:</p>{FOREIGN_HTML}"
    assert updated(shape(text, html)) == dict.fromkeys(PLAIN, text) | dict.fromkeys(HTML, html)


@pytest.mark.parametrize("language", ["ru", "en"])
@pytest.mark.parametrize(
    ("old", "new", "above", "below"),
    [
        (LINK, f"{WIKI}\n{LINK}", f"{WIKI}\n", ""),
        (LINK, f"\n{LINK}", "", ""),
        (LINK, f"{LINK}\n{WIKI}", "", f"\n{WIKI}"),
        (f"{LABEL}\n{LINK}", f"{LABEL}\n\n{LINK}\n\nagenda", "", "\n\nagenda"),
    ],
)
def test_a_block_without_its_end_mark_ends_with_its_link(
    language: str, old: str, new: str, above: str, below: str
) -> None:
    block = RU if language == "ru" else EN
    cut = RU.partition(f"\n{DIAL_IN}")[0].replace(old, new)
    found = updated(shape(f"a\n\n{cut}", "<p>x</p>"), language)
    assert found["text/plain"] == found["DESCRIPTION"] == f"a\n\n{above}{block}{below}"


def test_a_url_that_was_typed_into_a_block_without_digests_stays() -> None:
    """That of another meeting goes only where this one's does not stand there."""
    opening = RU.partition("\n")[0]
    text = RU.replace(opening, BEGIN).replace(DIAL_IN, WIKI)
    html = "\n".join(RU_HTML.split("\n")[1:-1]).replace(DIAL_IN, WIKI)
    known = html.partition('"')[2].partition('"')[0]
    html = html.replace(known, "videomost-conference")
    found = updated(shape(text, html), "en")
    assert found["text/plain"] == found["DESCRIPTION"] == f"{EN}\n{WIKI}"
    assert found["text/html"] == found["X-ALT-DESC"] == f"{EN_HTML}\n<div>{WIKI}</div>"


@pytest.mark.parametrize(
    ("old", "new", "left", "lines"),
    [
        (LABEL, "Созвон в Videomost", "Созвон в Videomost", 1),
        (f"\n{END}", "", DIAL_IN, 2),
        ("<!-- videomost:end -->", "", LABEL, 1),
    ],
    ids=["another heading", "no end mark", "no end comment"],
)
def test_what_cannot_be_told_from_typed_words_stands_twice_and_not_thrice(
    old: str, new: str, left: str, lines: int
) -> None:
    """However often the event is sent again, and in whatever language: with words below the link in the template."""
    text, html = RU.replace(old, new), RU_HTML.replace(old, new)
    seen = []
    for language in ("ru", "en", "ru", "en", "ru"):
        found = updated(shape(f"a\n\n{text}", f"<p>a</p>{html}"), language)
        text, html = found["DESCRIPTION"].removeprefix("a\n\n"), found["X-ALT-DESC"].removeprefix("<p>a</p>")
        seen.append((found["DESCRIPTION"], found["X-ALT-DESC"]))
    assert seen[0] == seen[2] == seen[4]
    assert seen[1] == seen[3]
    assert text.count(LINK) == text.count(LABEL) == shown(html) == html.count(LABEL) == 1
    assert text.count(left) == lines
    assert html.count(left) == 1


WORDS = st.text("абв xyz!?.,:", min_size=1, max_size=12).filter(lambda text: text.strip("*_/| "))


@given(WORDS, st.integers(0, 200), st.sampled_from(["ru", "en"]), st.sampled_from(["top", "bottom"]))
def test_typed_words_survive_two_updates(words: str, at: int, language: str, position: Position) -> None:
    options = Options(position=position)
    once = rewrite(read(shape("Hello\n", "<p>Hello</p>")), block(language), LINK, "c", options).content
    before = texts(once)
    start = before["DESCRIPTION"].index("\n", before["DESCRIPTION"].index(OPENING)) + 1
    place = min(start + at, before["DESCRIPTION"].index(END))
    text = f"{before['DESCRIPTION'][:place]} {words} {before['DESCRIPTION'][place:]}"
    gaps = [i for i, c in enumerate(before["X-ALT-DESC"]) if c == "\n" and before["X-ALT-DESC"][i - 1] == ">"]
    gap = gaps[4 + at % 3]
    html = f"{before['X-ALT-DESC'][:gap]}{words}{before['X-ALT-DESC'][gap:]}"
    for each in ("en", "ru"):
        once = rewrite(read(shape(text, html)), block(each), LINK, "c", options).content
        found = texts(once)
        text, html = found["DESCRIPTION"], found["X-ALT-DESC"]
    assert "".join(words.split()) in "".join(text.split())
    assert "".join(words.split()) in "".join(html.split())
    assert text.count(LINK) == 1
    assert shown(html) == 1
