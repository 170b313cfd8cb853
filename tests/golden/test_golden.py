"""Recorded and imitated messages, each folder in its order, through the real relay (see README.md beside this)."""

import asyncio
import json
from collections import defaultdict
from functools import cache
from pathlib import Path
from typing import Any, Literal

import pytest

from mailhook.config import Settings
from mailhook.core.message import read
from mailhook.core.rewrite import Options, rewrite
from mailhook.core.splices import Position
from mailhook.core.wording import Variables
from mailhook.front.sink import EXTENSIONS
from mailhook.phrasebook import make_wording
from tests.golden.oracle import Expected, check, check_removed
from tests.golden.table import Mail, Passage, envelope_file, expected_file, mails, run

HERE = Path(__file__).parent
FOLDERS = sorted({path.parent for path in HERE.rglob("*.eml")})
MAILS = [mail for folder in FOLDERS for mail in mails(folder)]
Trigger = Literal["always", "marker"]


def name(value: Path | Mail) -> str:
    path = value.path if isinstance(value, Mail) else value
    return str(path.relative_to(HERE))


@cache
def passages(folder: Path, trigger: Trigger = "always") -> list[Passage]:
    return asyncio.run(run(folder, trigger))


def passage(mail: Mail) -> Passage:
    return next(each for each in passages(mail.path.parent) if each.mail.path == mail.path)


def agree(path: Path, found: dict[str, Any], config: pytest.Config) -> None:
    """The file `path` says what was found; with --golden-write it is made to."""
    if config.getoption("--golden-write", default=False):
        path.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    assert json.loads(path.read_text(encoding="utf-8")) == found


@pytest.mark.parametrize("folder", FOLDERS, ids=name)
def test_decisions(folder: Path, pytestconfig: pytest.Config) -> None:
    found = {each.mail.path.name: each.expectation() for each in passages(folder)}
    agree(folder / "expect.json", found, pytestconfig)


@pytest.mark.parametrize("folder", FOLDERS, ids=name)
def test_decisions_by_marker(folder: Path, pytestconfig: pytest.Config) -> None:
    found = {e.mail.path.name: f"{e.decision} {e.reason}" for e in passages(folder, "marker")}
    agree(folder / "expect-marker.json", found, pytestconfig)


@pytest.mark.parametrize("mail", MAILS, ids=name)
def test_bytes(mail: Mail, pytestconfig: pytest.Config) -> None:
    """Unchanged, or as it is stored."""
    seen, stored = passage(mail), expected_file(mail.path)
    if pytestconfig.getoption("--golden-write", default=False):
        stored.write_bytes(seen.arrived) if seen.decision == "rewrite" else stored.unlink(missing_ok=True)
    assert stored.exists() == (seen.decision == "rewrite")
    assert seen.arrived == (stored.read_bytes() if stored.exists() else mail.content)


@pytest.mark.parametrize("mail", MAILS, ids=name)
def test_the_link_and_nothing_else(mail: Mail) -> None:
    seen = passage(mail)
    if seen.decision == "pass":
        assert seen.arrived == mail.content
        assert not seen.places
    elif seen.reason == "link-removed":
        check_removed(mail.content, seen.arrived)
    else:
        assert seen.decision == "rewrite"
        check(mail.content, seen.arrived, Expected(seen.link, seen.conference))


@pytest.mark.parametrize("mail", MAILS, ids=name)
def test_a_second_pass_changes_nothing(mail: Mail) -> None:
    seen = passage(mail)
    assert seen.again == seen.arrived


@pytest.mark.parametrize("folder", FOLDERS, ids=name)
def test_one_link_per_meeting(folder: Path) -> None:
    links: dict[tuple[str, str], set[str]] = defaultdict(set)
    for each in passages(folder):
        if each.link:
            links[each.mail.key].add(each.link)
    assert all(len(each) == 1 for each in links.values())
    assert len(set().union(*links.values())) == len(links)


@pytest.mark.parametrize("folder", FOLDERS, ids=name)
def test_a_next_hop_without_8bitmime(folder: Path) -> None:
    """Nothing becomes 8-bit that was not; and the rest is the same."""
    extensions = tuple(each for each in EXTENSIONS if each != "8BITMIME")
    seen = asyncio.run(run(folder, "always", extensions))
    for each in seen:
        assert each.arrived.isascii() or not each.mail.content.isascii()
        if each.reason == "rewritten":
            check(each.mail.content, each.arrived, Expected(each.link, each.conference))
    assert [each.expectation() for each in seen] == [each.expectation() for each in passages(folder)]


@pytest.mark.parametrize("language", ["ru", "en"])
@pytest.mark.parametrize("position", ["top", "bottom"])
def test_every_wording_everywhere(position: Position, language: str) -> None:
    """All messages that can be rewritten, wanted or not; and twice is once."""
    expected = Expected("https://videomost.corp.example/service/join/?confid=a&confpass=1", "a")
    variables = Variables(expected.link, "Topic", "", "ivan@corp.example", "", "a", test=False)
    block = make_wording(Settings()).render(language, variables)
    options = Options(position=position, keywords=("videomost",))
    rewritten = 0
    for mail in MAILS:
        once = rewrite(read(mail.content), block, expected.link, "a", options)
        if once.places:
            rewritten += 1
            check(mail.content, once.content, expected)
            assert rewrite(read(once.content), block, expected.link, "a", options).content == once.content
    assert rewritten > len(MAILS) / 2


def test_every_message_has_its_envelope() -> None:
    missing = [name(mail) for mail in MAILS if not envelope_file(mail.path).exists()]
    assert [each for each in missing if not each.startswith("private/")] == []
