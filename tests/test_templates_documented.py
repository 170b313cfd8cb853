"""docs/templates.md says what is so: its tables are compared with the code, its examples are rendered."""

import re
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from mailhook.core import notice_wording
from mailhook.core.confined import LONGEST_OUTPUT, Sources
from mailhook.core.dates import Timing
from mailhook.core.meeting import Cause
from mailhook.core.notice_wording import NoticeWording
from mailhook.core.wording import FILES, Variables, Wording, variable_names
from mailhook.errors import Misconfigured
from mailhook.phrasebook import read_templates, shipped

TEXT = (Path(__file__).parents[1] / "docs" / "templates.md").read_text(encoding="utf-8")
SECTIONS = {part.partition("\n")[0]: part for part in TEXT.split("\n## ")}
SHIPPED = read_templates(shipped("templates"))
START = datetime(2026, 3, 10, 12, 0, tzinfo=ZoneInfo("Europe/Moscow"))
SAMPLE = Variables(
    link="https://videomost.example.org/service/join/?confid=c1&confpass=1234",
    topic="Планёрка отдела",
    organizer_name="Анна Миллер",
    organizer_address="anna@example.org",
    passcode="1234",
    conference_id="c1",
    dial_in="+7 495 000-00-00, 1234#",
    timing=Timing(START, START + timedelta(minutes=90), "Europe/Moscow", repeats=True),
)


def rows(section: str, table: int = 0) -> list[tuple[str, str]]:
    """The first and the last cell of each row of a table, without its head."""
    tables = re.findall(r"^\|.*\n\|---.*\n((?:\|.*\n)+)", SECTIONS[section], re.MULTILINE)
    cells = [re.split(r"(?<!\\)\|", line.strip("|")) for line in tables[table].splitlines()]
    return [(row[0].strip(), row[-1].strip().strip("`")) for row in cells]


def named(section: str, table: int = 0) -> set[str]:
    return {name for first, _ in rows(section, table) for name in re.findall(r"`([^`]+)`", first)}


def shown(source: str, language: str = "ru", file: str = "body.txt.j2") -> str:
    block = Wording(SHIPPED | {f"{language}/{file}": source}, "ru").render(language, SAMPLE)
    return {"body.txt.j2": block.text, "location.txt.j2": block.location}[file]


def test_every_file_is_named() -> None:
    assert named("Files") == {*FILES.values(), notice_wording.FILE}


def test_every_variable_is_named() -> None:
    assert named("Variables") == variable_names()


@pytest.mark.parametrize(("name", "example"), rows("Variables"))
def test_a_variable_looks_like_its_example(name: str, example: str) -> None:
    assert shown(f"{{{{ {name.strip('`')} }}}}") == example


def test_every_variable_of_a_notice_is_named() -> None:
    with pytest.raises(Misconfigured) as caught:
        NoticeWording({"ru/notice.txt.j2": "{{ x }}"}, "ru", "")
    known = set(str(caught.value).partition("; there are ")[2].split(", "))
    told = SECTIONS["Variables"].partition("In `notice.txt.j2` there are")[2].partition("and:")[0]
    assert known == named("Variables", 1) | set(re.findall(r"`(\w+)`", told))
    assert set(rows("Variables", 1)[0][1].replace("`", "").split(", ")) == {cause.value for cause in Cause}


def test_every_filter_is_named() -> None:
    with pytest.raises(Misconfigured) as caught:
        Sources({"a.txt.j2": "{{ x | nothing }}"}).tried("a.txt.j2", [{"x": 1}])
    assert set(str(caught.value).partition("; there are ")[2].split(", ")) == named("What a template may do")
    assert f"{LONGEST_OUTPUT:,}".replace(",", " ") in SECTIONS["What a template may do"]


EXAMPLES = re.findall(
    r"<!-- (\w+)/(\S+) -->\n```jinja\n(.*?)```.*?```text\n(.*?)\n```", SECTIONS["Examples"], re.DOTALL
)


@pytest.mark.parametrize(("language", "file", "source", "told"), EXAMPLES)
def test_an_example_becomes_what_is_said(language: str, file: str, source: str, told: str) -> None:
    assert shown(source, language, file) == told


def test_there_are_examples() -> None:
    assert len(EXAMPLES) == TEXT.count("```jinja")


def test_what_is_not_known_is_empty() -> None:
    """As the document says of `{% if %}`: nothing but the flag is left of an invitation that tells nothing."""
    bare = replace(Variables(SAMPLE.link), link="")
    for name in variable_names() - {"test"}:
        block = Wording(SHIPPED | {"ru/body.txt.j2": f"{{% if {name} %}}x{{% endif %}}"}, "ru").render(
            "ru", bare
        )
        assert block.text == ""
