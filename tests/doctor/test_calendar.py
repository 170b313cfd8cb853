"""The organizers' calendar server."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from mailhook.config import CalDavSettings, Organizer
from mailhook.doctor import Level, examine
from mailhook.doctor.calendar import CALENDAR
from tests.doctor.rig import Site
from tests.organizer.calendars import Answer, Calendars


@pytest.fixture(name="calendars")
async def _calendars() -> AsyncIterator[Calendars]:
    calendars = Calendars()
    await calendars.server.start()
    yield calendars
    await calendars.server.stop()


def organizer(calendars: Calendars, **own: Any) -> Organizer:
    return Organizer(caldav=CalDavSettings(url=f"{calendars.url}/dav/{{user}}/", **{"username": "m", **own}))


async def test_a_server_that_is_well(site: Site, calendars: Calendars) -> None:
    found = await site.finding(CALENDAR, organizer=organizer(calendars, password="x"))
    assert (found.level, "accepts the login of m" in found.sentence) == (Level.OK, True), found


async def test_the_first_organizer_with_a_password_is_tried(
    site: Site, calendars: Calendars, tmp_path: Path
) -> None:
    users = tmp_path / "users"
    users.write_text("ivan@corp.example:x\nolga@corp.example:y\n")
    for name, level in (("{user}", Level.OK), ("{address}", Level.OK)):
        own = organizer(calendars, username=name, passwords_file=str(users))
        assert (await site.finding(CALENDAR, organizer=own)).level is level
    users.unlink()
    assert (await site.finding(CALENDAR, organizer=own)).level is Level.FAILURE


@pytest.mark.parametrize(
    ("status", "said"),
    [(401, "refuses the login"), (403, "does not let m read"), (404, "answers 404"), (503, "answers 503")],
)
async def test_a_server_that_is_not(site: Site, calendars: Calendars, status: int, said: str) -> None:
    calendars.answers["PROPFIND"] = [Answer(status)]
    found = await site.finding(CALENDAR, organizer=organizer(calendars, password="x"))
    assert (found.level, said in found.sentence) == (Level.FAILURE, True), found


async def test_the_organizer_who_is_named_is_tried(site: Site, calendars: Calendars) -> None:
    for name, level in (("ivan", Level.OK), ("nobody", Level.FAILURE)):
        own = organizer(calendars, password="x", probe=f"{name}@corp.example")
        found = await site.finding(CALENDAR, organizer=own)
        assert found.level is level, found


async def test_where_none_is_written_nothing_is_asked(site: Site) -> None:
    assert CALENDAR not in {found.subject for found in await examine(site.settings, ())}
