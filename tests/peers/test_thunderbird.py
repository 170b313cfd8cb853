"""What Thunderbird shows of rewritten invitations, and what it makes of the block when the organizer edits his event.

MAILHOOK_SCREENSHOTS=FOLDER leaves a picture of each message there.
"""

import json
import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.core.edited import LINK, occurrences, request, rewritten, stored
from tests.peers.thunderbird import Thunderbird, thunderbird

pytestmark = [pytest.mark.peers("thunderbird"), pytest.mark.asyncio(loop_scope="module")]

GOLDEN = Path(__file__).parents[1] / "golden"
NO_INVITATIONS = {"anyone-ics-only", "anyone-plain-named-ics", "anyone-two-methods"}
"""Thunderbird offers no answer to a calendar of another type, nor where the last one is a publication."""


def is_case(folder: Path) -> bool:
    if folder.name in NO_INVITATIONS or not (folder / "expect.eml").exists():
        return False
    seen = json.loads((folder / "expect.json").read_text())["in.eml"]["reason"]
    return seen == "rewritten" and "anna@partner.example" in (folder / "envelope.json").read_text()


CASES = sorted(filter(is_case, GOLDEN.iterdir()))
HTML_TWIN = 'DESCRIPTION;ALTREP="data:text/html,%3Cbody%3E%3Cp%3EAgenda%3C%2Fp%3E%3C%2Fbody%3E":Agenda'


@pytest_asyncio.fixture(scope="module", loop_scope="module", name="anna")
async def _anna() -> AsyncIterator[Thunderbird]:
    mails = [(folder / name).read_bytes() for folder in CASES for name in ("expect.eml", "in.eml")]
    async with thunderbird(mails) as started:
        yield started


def link_of(folder: Path) -> str:
    marker = next(
        line
        for line in (folder / "expect.eml").read_bytes().splitlines()
        if line.startswith(b"X-Mailhook-Conf")
    )
    return f"https://videomost.corp.example/service/join/?confid={marker.split()[1].decode()}&confpass="


@pytest.mark.parametrize("folder", CASES, ids=lambda folder: folder.name)
async def test_the_link_is_shown_and_accept_is_offered(anna: Thunderbird, folder: Path) -> None:
    pictures = os.environ.get("MAILHOOK_SCREENSHOTS")
    picture = Path(pictures) / f"thunderbird-{folder.name}.png" if pictures else None
    at = 2 * CASES.index(folder)
    shown = await anna.show(at, link_of(folder), picture)
    assert any(each.startswith("imipAccept") for each in shown.buttons)
    assert any(each.startswith("imipDecline") for each in shown.buttons)
    if b"utf-16" not in (folder / "in.eml").read_bytes():  # which Thunderbird does not read as it came
        assert shown.buttons == (await anna.show(at + 1, "")).buttons
    assert any(each.startswith(link_of(folder)) for each in shown.links)
    assert {each for each in shown.links if "/service/join/" in each} == {
        next(each for each in shown.links if each.startswith(link_of(folder)))
    }


@pytest.mark.parametrize("description", ["DESCRIPTION:Agenda", HTML_TWIN], ids=["text", "html"])
@pytest.mark.parametrize("typed", ["", "and more"], ids=["retitled", "retyped"])
async def test_an_edited_event_keeps_one_block(anna: Thunderbird, description: str, typed: str) -> None:
    """As tests/core/data/edited holds it."""
    edited = request((await anna.edit(stored(description).decode(), typed, LINK)).encode())
    assert b"edited" in edited
    found = rewritten(edited)
    assert set(occurrences(found).values()) <= {0, 1}
    assert occurrences(found)["DESCRIPTION"] == 1
