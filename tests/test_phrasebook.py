"""Template files: whose are used, and what is told of broken ones."""

from pathlib import Path

import pytest

from mailhook.config import NoticeSettings, Organizer, Settings, Templates
from mailhook.core.wording import FILES, Variables
from mailhook.errors import Misconfigured
from mailhook.phrasebook import (
    Phrasebook,
    copied,
    read_all,
    read_templates,
    shipped,
    template_problems,
    unused,
)

LINK = Variables("https://vm.example/service/join/?confid=1&confpass=2")


def settings(folder: Path | None, language: str = "ru", *, notices: bool = False) -> Settings:
    return Settings(
        templates=Templates(path=str(folder) if folder else "", language=language),
        organizer=Organizer(
            notice=NoticeSettings(enabled=notices, sender="v@corp.example" if notices else "")
        ),
    )


def write(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def test_only_some_files_are_ones_own(tmp_path: Path) -> None:
    write(tmp_path, "ru/body.txt.j2", "Наша встреча\n{{ link }}")
    block = Phrasebook(settings(tmp_path)).blocks().render("ru", LINK)
    usual = Phrasebook(settings(None)).blocks().render("ru", LINK)
    assert block.text == f"Наша встреча\n{LINK.link}"
    assert (block.html, block.description, block.label) == (usual.html, usual.description, usual.label)


def test_a_language_is_added_by_a_folder(tmp_path: Path) -> None:
    for file in FILES.values():
        source = (shipped("templates") / "en" / file).read_text(encoding="utf-8")
        write(tmp_path, f"de/{file}", source.replace("Videomost conference", "Videomost-Konferenz"))
    wording = Phrasebook(settings(tmp_path, "de")).blocks()
    assert wording.languages == ("de", "en", "ru")
    for tag in ("de", "de-AT", "", "fr"):
        assert wording.render(tag, LINK).text == f"Videomost-Konferenz\n{LINK.link}"
    assert wording.render("ru", LINK).label == "Конференция в Videomost"


def test_notices_in_an_added_language_are_asked_for_only_where_they_are_sent(tmp_path: Path) -> None:
    test_a_language_is_added_by_a_folder(tmp_path)
    with pytest.raises(Misconfigured, match="no templates for the language 'de'"):
        Phrasebook(settings(tmp_path, "de", notices=True))


def test_what_was_read_before_counts_whatever_stands_there_now(tmp_path: Path) -> None:
    write(tmp_path, "en/label.txt.j2", "Meet")
    read = read_all(settings(tmp_path))
    write(tmp_path, "en/label.txt.j2", "{{ lnik }}")
    assert Phrasebook(settings(tmp_path), read).blocks().render("en", LINK).label == "Meet"
    with pytest.raises(Misconfigured, match=r"template en/label\.txt\.j2, line 1: there is no variable lnik"):
        Phrasebook(settings(tmp_path))


def test_all_faults_are_told_at_once(tmp_path: Path) -> None:
    write(tmp_path, "ru/body.txt.j2", "{{ link")
    write(tmp_path, "en/body.html.j2", "\n{{ lnik }}")
    write(tmp_path, "de/label.txt.j2", "x")
    write(tmp_path, "house-style-which-is-long/label.txt.j2", "x")
    write(tmp_path, "en/notice.txt.j2", "{{ topic }}{{ passcode }}")
    found = [problem.message.partition("; there are")[0] for problem in template_problems(settings(tmp_path))]
    assert found == [
        *(f"template missing: de/{file}" for file in FILES.values() if file != "label.txt.j2"),
        "template en/body.html.j2, line 2: there is no variable lnik",
        "the folder house-style-which-is-long is named like no language: use a tag such as de or pt-BR",
        "template ru/body.txt.j2, line 1: unexpected end of template, expected 'end of print statement'.",
        "template en/notice.txt.j2, line 1: there is no variable passcode",
    ]
    assert not any(problem.warning for problem in template_problems(settings(tmp_path)))


def test_what_could_be_meant_otherwise_is_a_warning(tmp_path: Path) -> None:
    write(tmp_path, "ru/body.txt.j2", "Встреча: {{ link }}.")
    write(tmp_path, "ru/bodi.html.j2", "misspelt")
    write(tmp_path, "ru/notes.md", "not ours")
    write(tmp_path, "ru/logo.html.j2", "<b>Corp</b>")
    write(tmp_path, "ru/body.html.j2", "{% include 'ru/logo.html.j2' %}<a href='{{ link }}'>{{ link }}</a>")
    found = template_problems(settings(tmp_path))
    assert all(problem.warning for problem in found)
    assert [problem.message.partition(" ")[0] for problem in found] == [
        "template",
        "ru/bodi.html.j2",
        "ru/notes.md",
    ]
    assert "ru/body.txt.j2 does not show the link alone on its line" in found[0].message
    assert unused(settings(None)) == []


def test_a_file_that_is_no_text(tmp_path: Path) -> None:
    write(tmp_path, "ru/label.txt.j2", "").write_bytes("Встреча".encode("koi8-r"))
    with pytest.raises(Misconfigured, match=r"label\.txt\.j2 should be UTF-8"):
        Phrasebook(settings(tmp_path))


@pytest.mark.parametrize(
    "source",
    [
        "{% for a in range(10 ** 9) %}{% endfor %}",
        "{% for a in '" + "x" * 60_000 + "' %}{{ a }}{{ a }}{% endfor %}",
        "{% for a in link %}{% for b in link %}{% for c in link %}{% endfor %}{% endfor %}{% endfor %}",
        "{% set a = link ~ link %}" + "{% set a = a ~ a %}" * 60 + "{{ a }}",
        "{{ 'x' * 10 ** 10 }}",
        "{% include 'ru/body.txt.j2' %}{% include 'ru/body.txt.j2' %}",
    ],
)
def test_what_would_never_end_is_refused_before_it_begins(source: str, tmp_path: Path) -> None:
    write(tmp_path, "ru/body.txt.j2", source)
    with pytest.raises(Misconfigured, match=r"ru/body\.txt\.j2"):
        Phrasebook(settings(tmp_path))


def test_copies_to_begin_with(tmp_path: Path) -> None:
    folder, sources = tmp_path / "new" / "templates", read_templates(shipped("templates"))
    assert {(str(path.relative_to(folder)), written) for path, written in copied(folder, force=False)} == {
        (name, True) for name in sources
    }
    assert read_templates(folder) == sources
    assert list(copied(folder, force=False)) == []
    own = write(folder, "ru/label.txt.j2", "Наша встреча")
    (folder / "en" / "label.txt.j2").unlink()
    assert list(copied(folder, force=False)) == [(folder / "en" / "label.txt.j2", True), (own, False)]
    assert own.read_text(encoding="utf-8") == "Наша встреча"
    assert (own, True) in list(copied(folder, force=True))
    assert read_templates(folder) == sources
    assert template_problems(settings(folder)) == []
