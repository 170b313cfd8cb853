"""The words of notices."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from mailhook.core.conference import JoinDetails, Person, Spec
from mailhook.core.meeting import Cause
from mailhook.core.notice import Notice
from mailhook.core.notice_wording import NoticeWording
from mailhook.errors import Misconfigured
from mailhook.phrasebook import read_templates, shipped

LINK = "https://vm.corp.example/service/join/?confid=1&confpass=2"
IVAN = Person("ivan@corp.example", "Ivan")
SPEC = Spec(
    "Budget", datetime(2027, 3, 1, 7, tzinfo=UTC), datetime(2027, 3, 1, 8, tzinfo=UTC), "Europe/Moscow", IVAN
)
WHEN = {
    "ru": "понедельник, 1 марта 2027 г., 10:00 – 11:00 (Москва, UTC+3)",
    "en": "Monday, March 1, 2027, 10:00 AM – 11:00 AM (Moscow, UTC+3)",
}
SOURCES = read_templates(shipped("templates"))


def notice(cause: Cause, language: str = "", link: bool = True, renounced: str = "") -> Notice:
    details = JoinDetails("1", LINK) if link else None
    people = (Person("anna@partner.example", "Anna"),)
    return Notice(cause, 1, IVAN, language, "Bud\r\nget", details, SPEC, people, renounced)


@pytest.mark.parametrize("language", ["ru", "en"])
@pytest.mark.parametrize("cause", list(Cause))
def test_every_cause_has_words_of_its_own(cause: Cause, language: str) -> None:
    wording = NoticeWording(SOURCES, "ru", "#novideomost")
    subject, text = wording.render(notice(cause, language))
    others = {wording.render(notice(other, language))[0] for other in Cause if other is not cause}
    assert subject not in others
    assert subject.endswith("Bud get")
    assert "\n" not in subject
    assert LINK in text.splitlines()
    assert WHEN[language] in text
    assert "#novideomost" in text
    assert LINK not in subject


def test_without_a_room_there_is_neither_link_nor_how_to_remove_it() -> None:
    _, text = NoticeWording(SOURCES, "ru", "#novideomost").render(notice(Cause.UNLINKED, link=False))
    assert "http" not in text
    assert "#novideomost" not in text


def test_why_a_conference_was_deleted() -> None:
    wording = NoticeWording(SOURCES, "en", "")
    assert "nobody is invited" in wording.render(notice(Cause.DELETED, link=False))[1]
    assert "removed from the event" in wording.render(notice(Cause.DELETED, link=False, renounced="x"))[1]


@pytest.mark.parametrize(
    ("language", "words"), [("EN_us", "Videomost conference"), ("", "Конференция"), ("de", "Конференция")]
)
def test_the_language(language: str, words: str) -> None:
    assert NoticeWording(SOURCES, "ru", "").render(notice(Cause.LINK, language))[0].startswith(words)


def test_an_unknown_zone_is_utc() -> None:
    odd = replace(notice(Cause.LINK), spec=replace(SPEC, timezone="Mars/Olympus"))
    assert "07:00 – 08:00 (UTC)" in NoticeWording(SOURCES, "ru", "").render(odd)[1]


def test_the_sandbox_is_named() -> None:
    assert NoticeWording(SOURCES, "en", "", test=True).render(notice(Cause.LINK))[0].startswith("TEST: ")


@pytest.mark.parametrize(
    ("sources", "default", "words"),
    [
        (SOURCES, "de", "there are no templates for the language 'de'"),
        (
            SOURCES | {"en/notice.txt.j2": "{{ lnk }}"},
            "ru",
            "template en/notice.txt.j2, line 1: there is no variable lnk",
        ),
    ],
)
def test_what_is_wrong_with_templates_is_named(sources: dict[str, str], default: str, words: str) -> None:
    with pytest.raises(Misconfigured) as caught:
        NoticeWording(sources, default, "")
    assert str(caught.value).startswith(words)


def test_a_thousand_participants_with_long_names_do_not_keep_a_notice_from_going() -> None:
    people = tuple(Person(f"a{number}@partner.example", "Anna\n" * 200) for number in range(1000))
    _, text = NoticeWording(SOURCES, "ru", "").render(replace(notice(Cause.LINK), people=people))
    assert LINK in text.splitlines()
    assert text.count("Anna Anna") >= 200
    assert "…" in text
