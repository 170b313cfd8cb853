"""The documents hold together: links lead somewhere, and the Russian ones say what the English ones do."""

import re
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = sorted([ROOT / "README.md", ROOT / "CHANGELOG.md", *(ROOT / "docs").rglob("*.md")])

FENCED = r"^```.*?^```$"


def name(path: Path) -> str:
    return str(path.relative_to(ROOT))


def bare(text: str) -> str:
    """Without blocks of code."""
    return re.sub(FENCED, "", text, flags=re.MULTILINE | re.DOTALL)


def anchors(path: Path) -> set[str]:
    """As GitHub makes them of headings."""
    headings = re.findall(r"^#+ (.*)$", bare(path.read_text(encoding="utf-8")), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading).strip().lower().replace(" ", "-") for heading in headings}


def links(path: Path) -> Iterator[str]:
    for target in re.findall(r"\]\(([^)\s]+)\)", bare(path.read_text(encoding="utf-8"))):
        if not re.match(r"https?:", target):
            yield target


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_every_link_leads_somewhere(page: Path) -> None:
    for target in links(page):
        file, _, anchor = target.partition("#")
        path = (page.parent / file).resolve() if file else page
        assert path.exists(), target
        assert not anchor or anchor in anchors(path), target


def test_every_page_is_named_in_the_readme() -> None:
    named = {(ROOT / target.partition("#")[0]).resolve() for target in links(ROOT / "README.md")}
    assert {path for path in PAGES if path.name != "README.md"} <= named


def test_the_changelog_begins_with_this_version() -> None:
    found = re.findall(r"^## (\S+)", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert found[0] == version("mailhook")


# --- Russian ----------------------------------------------------------------------------------------------------


def english(page: Path) -> Path:
    return ROOT / "README.md" if page.name == "README.md" else ROOT / "docs" / page.name


RUSSIAN = sorted((ROOT / "docs" / "ru").glob("*.md"))


def sections(path: Path) -> list[tuple[str, list[str], set[str], int]]:
    """Of each: the level of its heading, its blocks of code, what is said in code, the rows of its tables.

    Only fenced blocks count: what is indented shows pictures and logs, whose words may be translated.
    """
    blocks: list[str] = []

    def numbered(block: re.Match[str]) -> str:
        """In which "#" begins no heading."""
        blocks.append(block[0])
        return f"\0{len(blocks) - 1}"

    text = re.sub(FENCED, numbered, path.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    return [
        (
            part.partition(" ")[0],
            [blocks[int(number)] for number in re.findall(r"\0(\d+)", part)],
            set(re.findall(r"`([^`\n]+)`", part)),
            len(re.findall(r"^\|", part, re.MULTILINE)),
        )
        for part in re.split(r"^(?=#+ )", text, flags=re.MULTILINE)[1:]
    ]


@pytest.mark.parametrize("page", RUSSIAN, ids=name)
def test_the_russian_page_says_what_the_english_one_does(page: Path) -> None:
    """As far as a test can see: headings, code, names of settings and commands, rows of tables."""
    ours, theirs = sections(page), sections(english(page))
    assert [one[0] for one in ours] == [one[0] for one in theirs]
    for one, other in zip(ours, theirs, strict=True):
        assert one == other


@pytest.mark.parametrize("page", RUSSIAN, ids=name)
def test_it_is_russian(page: Path) -> None:
    text = bare(page.read_text(encoding="utf-8"))
    assert len(re.findall(r"[а-яё]", text, re.IGNORECASE)) > len(re.findall(r"[a-z]", text, re.IGNORECASE))
