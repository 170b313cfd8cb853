import re
from dataclasses import replace
from html import escape
from pathlib import Path

import pytest

from mailhook.core import message
from mailhook.core.rewrite import Options, rewrite
from mailhook.core.wording import FILES, MOST_LINES, SAMPLE, Variables, Wording
from mailhook.errors import Misconfigured
from tests.relay.mails import Event, invitation

TEMPLATES = Path(__file__).parents[2] / "templates"
LINK = "https://vm.example/service/join/?confid=1&confpass=2"


def shipped() -> dict[str, str]:
    return {path.relative_to(TEMPLATES).as_posix(): path.read_text() for path in TEMPLATES.glob("*/*.j2")}


def test_both_languages_have_every_template() -> None:
    assert set(shipped()) >= {f"{language}/{file}" for language in ("ru", "en") for file in FILES.values()}
    assert Wording(shipped(), "ru").languages == ("en", "ru")


def test_other_folders_of_templates_are_no_languages() -> None:
    assert Wording(shipped() | {"page/mail.html.j2": "{{ broken"}, "ru").languages == ("en", "ru")


@pytest.mark.parametrize(
    ("language", "test", "name"),
    [
        ("ru", False, "Конференция в Videomost"),
        ("ru", True, "ТЕСТ: Конференция в Videomost"),
        ("en", False, "Videomost conference"),
        ("en", True, "TEST: Videomost conference"),
        ("en-GB", False, "Videomost conference"),
        ("EN_us", False, "Videomost conference"),
        ("de", False, "Конференция в Videomost"),
        ("", False, "Конференция в Videomost"),
    ],
)
def test_the_name_of_the_service_and_the_bare_link_below_it(language: str, test: bool, name: str) -> None:
    block = Wording(shipped(), "ru").render(language, Variables(link=LINK, test=test))
    assert block.text == block.description == f"{name}\n{LINK}"
    assert block.location == LINK
    assert block.label == name
    escaped = LINK.replace("&", "&amp;")
    for html in (block.html, block.description_html):
        assert f'<a href="{escaped}" style="color:inherit;word-break:break-all">{escaped}</a>' in html
        assert name in html
        assert "<table" in html


def test_html_has_no_external_resources_and_no_background() -> None:
    for language in ("ru", "en"):
        html = Wording(shipped(), language).render(language, Variables(link=LINK)).html
        assert not any(
            word in html.lower() for word in ("src=", "url(", "background", "bgcolor", "<script", "<style")
        )


def test_html_uses_what_the_word_engine_of_outlook_knows() -> None:
    """A table, its cell's padding and border; what it does not know (word-break, inherit) only helps others."""
    for language in ("ru", "en"):
        html = Wording(shipped(), language).render(language, Variables(link=LINK, dial_in="1")).html
        assert set(re.findall(r"<(\w+)", html)) == {"table", "tr", "td", "b", "br", "a"}
        styles = ";".join(re.findall(r'style="([^"]*)"', html))
        assert {declaration.partition(":")[0] for declaration in styles.split(";")} == {
            *(
                "border-collapse",
                "margin",
                "padding",
                "border-left",
                "font-family",
                "font-size",
                "line-height",
            ),
            *("color", "word-break"),
        }


def test_variables_are_escaped_in_html_only() -> None:
    sources = shipped() | {
        "en/body.html.j2": "{{ topic }}",
        "en/body.txt.j2": "{{ topic }}\r\n{{ organizer_name }}  ",
    }
    block = Wording(sources, "en").render("en", Variables(link=LINK, topic="<b>&", organizer_name="x"))
    assert (block.html, block.text) == ("&lt;b&gt;&amp;", "<b>&\nx")


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("ok\n{{ link", "template en/body.txt.j2, line 2"),
        ("ok\n\n{{ lnik }}", "template en/body.txt.j2, line 3: there is no variable lnik"),
        ("{% include 'nowhere' %}", "template en/body.txt.j2, line 1"),
        ("\n{{ 1 / 0 }}", "template en/body.txt.j2, line 2"),
        ("{{ link.__class__.__mro__ }}", "template en/body.txt.j2, line 1"),
        ("{% if test %}{{ lnik }}{% endif %}", "template en/body.txt.j2, line 1"),
    ],
)
def test_a_broken_template_is_found_when_the_wording_is_made(source: str, message: str) -> None:
    with pytest.raises(Misconfigured, match=message):
        Wording(shipped() | {"en/body.txt.j2": source}, "ru")


def test_a_missing_template_is_named() -> None:
    sources = shipped()
    del sources["en/label.txt.j2"]
    with pytest.raises(Misconfigured, match=r"en/label\.txt\.j2"):
        Wording(sources, "ru")


def test_a_default_language_without_templates() -> None:
    with pytest.raises(Misconfigured, match="'fr'"):
        Wording(shipped(), "fr")


@pytest.mark.parametrize("language", ["ru", "en"])
def test_the_telephone_stands_below_the_link(language: str) -> None:
    block = Wording(shipped(), language).render(language, Variables(link=LINK, dial_in="+7 495 0 <1>"))
    for text in (block.text, block.description):
        assert text.splitlines()[-2:] == [LINK, "+7 495 0 <1>"]
    for html in (block.html, block.description_html):
        assert "</a><br>\n+7 495 0 &lt;1&gt;\n" in html


def test_a_piece_that_grows_too_long_with_an_event_shows_the_link_alone() -> None:
    """What the samples did not show: the mail goes on, and the fault is told."""
    long = "{{ link }}{% for letter in topic %}" + "x" * 1000 + "{% endfor %}"
    wording = Wording({**shipped(), "ru/body.html.j2": long}, "ru")
    assert not wording.render("ru", SAMPLE).fault
    block = wording.render("ru", replace(SAMPLE, topic="Б" * 1000))
    assert block.html == escape(SAMPLE.link)
    assert block.text == wording.render("ru", replace(SAMPLE, topic="Б" * 1000)).text
    assert "Videomost" in block.text
    assert block.fault == "template ru/body.html.j2: more than 65536 characters come of it"


def test_a_template_that_fails_with_an_event_shows_the_link_alone() -> None:
    wrong = "{{ link }}{% if topic == 'Budget' %}{{ topic | date }}{% endif %}"
    wording = Wording({**shipped(), "ru/label.txt.j2": wrong}, "ru")
    block = wording.render("ru", replace(SAMPLE, topic="Budget"))
    assert block.label == SAMPLE.link
    assert block.fault.startswith("template ru/label.txt.j2, line 1: date and time are filters")


@pytest.mark.parametrize(
    ("file", "text", "why"),
    [
        ("body.txt.j2", "{{ link }}\n" + "x\n" * 48, "more than 48 lines"),
        (
            "description.txt.j2",
            "{{ link }}{% if dial_in %}" + "\nx" * 48 + "{% endif %}",
            "more than 48 lines",
        ),
        ("body.html.j2", "{{ link }}" + "<br>x" * 48, "more than 48 lines"),
        ("body.html.j2", "<p>{{ link }}</p><!-- videomost:end --><p>x</p>", "leave out 'videomost:end'"),
        (
            "body.html.j2",
            '<div id="videomost-conference">{{ link }}</div>',
            "leave out 'videomost-conference'",
        ),
        (
            "description.html.j2",
            "<p>_______ Videomost _______</p>{{ link }}",
            "leave out '_______ Videomost'",
        ),
        ("body.txt.j2", "_______ Videomost _______\n{{ link }}", "leave out '_______ Videomost'"),
        ("body.txt.j2", "{{ link }}\n_______ /Videomost ______", "leave out '_______ /Videomost ______'"),
        ("label.txt.j2", "{{ link }} _______ /Videomost ______", "leave out"),
    ],
)
def test_what_would_make_blocks_multiply_is_refused(file: str, text: str, why: str) -> None:
    with pytest.raises(Misconfigured, match=f"template ru/{re.escape(file)}: {why}"):
        Wording(shipped() | {f"ru/{file}": text}, "ru")


def test_a_block_of_as_many_lines_is_found_again() -> None:
    lines = [f"line {number}" for number in range(MOST_LINES - 2)]
    sources = shipped()
    for name in ("body", "description"):
        text, html = ("\n".join(lines), "<br>".join(lines))
        sources[f"ru/{name}.txt.j2"] = f"{{{{ link }}}}\n{text}\n{{{{ topic }}}}"
        sources[f"ru/{name}.html.j2"] = f"{{{{ link }}}}<br>{html}<br>{{{{ topic }}}}"
    wording, raw = Wording(sources, "ru"), invitation(Event())
    former, block = (wording.render("ru", Variables(link=LINK, topic=topic)) for topic in ("one", "other"))
    once = rewrite(message.read(raw), former, LINK, "c", Options()).content
    again = rewrite(message.read(once), block, LINK, "c", Options()).content
    assert again == rewrite(message.read(raw), block, LINK, "c", Options()).content
