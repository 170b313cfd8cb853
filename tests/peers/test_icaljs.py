"""What ical.js reads in a rewritten calendar: the components and properties that were there, and ours."""

from email import message_from_bytes
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mailhook.core.message import read
from mailhook.core.rewrite import Options, rewrite
from tests.golden.oracle import EDITED, is_calendar, leaves, octets
from tests.golden.table import mails
from tests.golden.test_any_structure import EXPECTED, VARIABLES, WORDING, messages
from tests.peers import icaljs

pytestmark = pytest.mark.peers("ical.js")

GOLDEN = Path(__file__).parents[1] / "golden"
CONTENTS = [
    mail.content for folder in sorted({p.parent for p in GOLDEN.rglob("*.eml")}) for mail in mails(folder)
]
OURS = {name.lower() for name in EDITED}


def pairs(content: bytes, language: str) -> list[tuple[str, str]]:
    """The calendars of the message that get the link, before and after."""
    block = WORDING.render(language, VARIABLES)
    after = rewrite(read(content), block, EXPECTED.link, "a", Options(keywords=("videomost",))).content
    both = zip(*(map(calendars, leaves(message_from_bytes(each))) for each in (content, after)), strict=True)
    return [(old, new) for old, new in both if old != new]


def calendars(part: Any) -> str:
    return octets(part).decode("utf-8", "replace").strip() if is_calendar(part) else ""


def kept(component: Any) -> Any:
    """Without our properties, which stand in events only."""
    name, properties, children = component
    skipped = OURS if name == "vevent" else set()
    return [name, [each for each in properties if each[0] not in skipped], [kept(each) for each in children]]


def check(read_pairs: list[tuple[Any, Any]]) -> None:
    for before, after in read_pairs:
        assert kept(before) == kept(after)
        for _, properties, _ in (each for each in after[2] if each[0] == "vevent"):
            values = {name: value for name, _, _, value, *_ in reversed(properties)}
            assert EXPECTED.link in [line.strip() for line in values["description"].splitlines()]
            assert EXPECTED.link in [p[3] for p in properties if p[0] == "conference" and p[2] == "uri"]
            assert values["x-videomost-conference"] == "a"


def checked(found: list[tuple[str, str]]) -> None:
    answers = icaljs.read([text for pair in found for text in pair])
    check(list(zip(answers[::2], answers[1::2], strict=True)))


@pytest.mark.parametrize("language", ["ru", "en"])
def test_golden_messages(language: str) -> None:
    found = [pair for content in CONTENTS for pair in pairs(content, language)]
    assert len(found) > len(CONTENTS) / 2
    checked(found)


@settings(
    max_examples=8, deadline=None, suppress_health_check=[HealthCheck.data_too_large, HealthCheck.too_slow]
)
@given(st.lists(messages(), min_size=1, max_size=15), st.sampled_from(["ru", "en"]))
def test_any_calendar(contents: list[bytes], language: str) -> None:
    checked([pair for content in contents for pair in pairs(content, language)])
