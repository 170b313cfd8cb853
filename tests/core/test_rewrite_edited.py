"""What an organizer's own program makes of the block when he edits his event, and mailhook of that.

`data/edited/` holds events as the named program stored them after an edit: only the title was changed, or something was
typed below the block. tests/peers makes them anew with the real programs.
"""

from pathlib import Path

import icalendar
import pytest

from mailhook.core import message
from mailhook.core.rewrite import Options, remove, rewrite
from mailhook.core.wording import Variables
from tests.core.edited import LINK, WORDING, occurrences, request, rewritten

EVENTS = sorted((Path(__file__).parent / "data" / "edited").glob("*.ics"))


@pytest.mark.parametrize("path", EVENTS, ids=lambda path: path.stem)
@pytest.mark.parametrize("language", ["ru", "en"])
def test_the_link_stands_once_after_an_edit(path: Path, language: str) -> None:
    raw = request(path.read_bytes())
    found = rewritten(raw, language)
    assert occurrences(raw) == occurrences(found)
    assert rewritten(found, language) == found
    (event,) = icalendar.Calendar.from_ical(found.partition(b"\r\n\r\n")[2]).walk("VEVENT")
    assert str(event["DESCRIPTION"]).strip().endswith(("Agenda", "and more"))


def test_there_are_events() -> None:
    assert {path.stem.partition("-")[0] for path in EVENTS} == {"sogo", "thunderbird"}


@pytest.mark.parametrize("path", EVENTS, ids=lambda path: path.stem)
def test_nothing_but_text_is_left_when_the_link_is_taken_out(path: Path) -> None:
    raw = request(path.read_bytes())
    found = remove(message.read(raw), LINK, "a", Options()).content
    counted = occurrences(found)
    assert counted.pop("DESCRIPTION") <= 1
    assert not any(counted.values())


@pytest.mark.parametrize("path", EVENTS, ids=lambda path: path.stem)
def test_a_copied_event_gets_its_own_link_in_place_of_the_other(path: Path) -> None:
    raw, own = request(path.read_bytes()), LINK.replace("confid=a", "confid=b")
    block = WORDING.render("ru", Variables(own, "Topic", conference_id="b"))
    found = rewrite(message.read(raw), block, own, "b", Options(), copied=frozenset({LINK})).content
    assert not any(occurrences(found).values())
    assert occurrences(found, own) == occurrences(raw)
