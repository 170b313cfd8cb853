"""The organizer's event on a calendar server that misbehaves in every way."""

from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mailhook import own_copies
from mailhook.config import CalDavSettings, Organizer, Settings
from mailhook.core.conference import Person
from mailhook.core.copies import EMPTY, CopyTask, LookTask, Stands
from mailhook.core.meeting import Place
from mailhook.core.watch import Absent, Present, Unchanged, Veiled
from mailhook.errors import MailhookError, Misconfigured, Permanent, Temporary
from mailhook.organizer.caldav import MAX_COPIES, TRIES, CalDavWriter
from mailhook.organizer.dav import MAX_ANSWER
from mailhook.phrasebook import Phrasebook
from tests.core.meetings import KEY, LINK
from tests.core.test_stored_event import stored
from tests.organizer.calendars import HOME, Answer, Calendars, multistatus, tag

EVENT = f"{HOME}team/event.ics"
PLAIN = stored("DESCRIPTION:Повестка")
TASK = CopyTask(KEY, Person(KEY.organizer), "", "Бюджет", LINK, ("", ""), "f")
UNTASK = replace(TASK, details=None, former=(LINK.link, LINK.conference_id), standing=EMPTY)
WRITTEN, FOUND = Stands(changed=True, bears=False), Stands(changed=False, bears=True)
SERVICE: Mapping[str, Any] = {"username": "mailhook", "password": "secret"}
BOMB = b'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]><D:multistatus xmlns:D="DAV:">&b;'


@pytest.fixture(name="server")
async def _server() -> AsyncIterator[Calendars]:
    calendars = Calendars(events={EVENT: PLAIN})
    await calendars.server.start()
    yield calendars
    await calendars.server.stop()


Make = Callable[..., CalDavWriter]


def plain(found: Stands) -> Stands:
    """Without where it was found, and as of when."""
    return Stands(found.changed, found.bears)


@pytest.fixture(name="make")
async def _make(server: Calendars) -> AsyncIterator[Make]:
    made: list[CalDavWriter] = []

    def make(path: str = "/dav/{user}/", **own: Any) -> CalDavWriter:
        values = {**SERVICE, **own, "url": f"{server.url}{path}"}
        settings = Settings(organizer=Organizer(caldav=CalDavSettings(**values)))
        writer = own_copies.make_caldav(settings, Phrasebook(settings))
        assert writer is not None
        made.append(writer)
        return writer

    yield make
    for writer in made:
        await writer.close()


# --- finding -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "path", ["/dav/{user}/", "/dav/{user}", "/dav/{user}/team/", "/dav/{user}/team/event.ics?"]
)
async def test_an_event_is_found_where_the_template_says(server: Calendars, make: Make, path: str) -> None:
    if path.endswith("?"):
        server.events = {f"{HOME}team/{KEY.uid}.ics": PLAIN}
        path = "/dav/{user}/team/{uid}.ics"
    writer = make(path)
    assert plain(await writer.write(TASK)) == WRITTEN
    assert plain(await writer.write(TASK)) == FOUND
    assert plain(await writer.write(UNTASK)) == Stands(changed=True, bears=False)
    (content,) = server.events.values()
    assert content.replace(b"LOCATION:\r\n", b"") == PLAIN
    (first, _) = server.asked("PUT")
    assert first.headers["if-match"] == tag(PLAIN)
    assert first.headers["authorization"].startswith("Basic ")
    assert "scheduling-enabled" not in first.headers


@pytest.mark.parametrize("well_known", [True, False])
async def test_the_server_is_asked_where_there_is_no_template(
    server: Calendars, make: Make, tmp_path: Path, well_known: bool
) -> None:
    server.well_known = well_known
    (tmp_path / "users").write_text(f"# ours\n\n{KEY.organizer}:pass:word\nolga@corp.example:x\n")
    writer = make(
        "" if well_known else "/dav/", password="", username="", passwords_file=str(tmp_path / "users")
    )
    assert plain(await writer.write(TASK)) == WRITTEN
    assert (await writer.probe("")).endswith(f"shows {KEY.organizer} 1 calendars")
    with pytest.raises(Permanent, match="no line for petr"):
        await writer.write(replace(TASK, key=replace(KEY, organizer="petr@corp.example")))
    (tmp_path / "users").unlink()
    with pytest.raises(Misconfigured, match="cannot be used: No such file"):
        await writer.write(TASK)


async def test_only_calendars_of_events_are_searched(server: Calendars, make: Make) -> None:
    server.collections = {f"{HOME}tasks/": "VTODO", f"{HOME}team/": "VEVENT", f"{HOME}home/": "VEVENT"}
    assert plain(await make().write(TASK)) == WRITTEN
    assert [each.path for each in server.asked("REPORT")] == [f"{HOME}team/", f"{HOME}home/"]


async def test_each_copy_of_it_is_written_and_no_other_event(server: Calendars, make: Make) -> None:
    other = {
        f"{HOME}team/{name}.ics": PLAIN.replace(b"UID:uid-1", f"UID:{name}".encode()) for name in ("uid-12",)
    }
    foreign = {f"{HOME}team/foreign.ics": PLAIN.replace(b"Ivan@corp", b"petr@corp")}
    copies = {f"{HOME}team/{number}.ics": PLAIN for number in range(2)}
    server.events = {**other, **foreign, **copies}
    assert plain(await make().write(TASK)) == WRITTEN
    assert {each.path for each in server.asked("PUT")} == set(copies)
    server.events = {f"{HOME}team/{number}.ics": PLAIN for number in range(20)}
    server.seen.clear()
    await make().write(TASK)
    assert len(server.asked("PUT")) == MAX_COPIES


async def test_a_calendar_that_cannot_be_searched_hides_no_other(server: Calendars, make: Make) -> None:
    server.collections = {f"{HOME}closed/": "VEVENT", f"{HOME}team/": "VEVENT"}
    server.answers["REPORT"] = [Answer(403)]
    assert plain(await make().write(TASK)) == WRITTEN
    server.answers["REPORT"] = [Answer(403)]
    server.events = {}
    for task in (TASK, UNTASK):
        server.answers["REPORT"] = [Answer(403)]
        with pytest.raises(Permanent, match="does not let mailhook read"):
            await make().write(task)


@pytest.mark.parametrize("user", ["..", "", "a/b", "..\\olga", "../olga"])
async def test_no_address_leads_out_of_the_template(server: Calendars, make: Make, user: str) -> None:
    with pytest.raises(Permanent, match="cannot stand in"):
        await make().write(replace(TASK, key=replace(KEY, organizer=f"{user}@corp.example")))
    assert server.seen == []


async def test_an_address_is_quoted(server: Calendars, make: Make) -> None:
    with pytest.raises(Permanent, match="404"):
        await make().write(replace(TASK, key=replace(KEY, organizer="a?b#c%d@corp.example")))
    assert [each.path for each in server.seen] == ["/dav/a?b#c%d/"]


# --- not there ---------------------------------------------------------------------------------------------


async def test_an_event_that_is_not_there_yet_comes_later(server: Calendars, make: Make) -> None:
    server.events = {}
    for path in ("/dav/{user}/", "/dav/{user}/team/{uid}.ics"):
        with pytest.raises(Temporary, match="no such event"):
            await make(path).write(TASK)
        assert plain(await make(path).write(UNTASK)) == Stands(changed=False, bears=False)
    server.collections = {}
    with pytest.raises(Temporary, match="no calendar of ivan"):
        await make().write(UNTASK)
    assert server.asked("PUT") == []


# --- changing ----------------------------------------------------------------------------------------------


async def test_what_somebody_else_has_changed_meanwhile_is_read_again(server: Calendars, make: Make) -> None:
    newer = [PLAIN.replace(b"SEQUENCE:0", f"SEQUENCE:{n}".encode()) for n in range(1, TRIES)]

    def meddle() -> None:
        if newer:
            server.events[EVENT] = newer.pop(0)

    server.meddle = meddle
    assert plain(await make().write(TASK)) == WRITTEN
    assert f"SEQUENCE:{TRIES - 1}".encode() in server.events[EVENT]
    assert LINK.link.encode() in server.events[EVENT].replace(b"\r\n ", b"")


async def test_an_event_that_changes_all_the_time_comes_later(server: Calendars, make: Make) -> None:
    server.answers["PUT"] = [Answer(412)] * 100
    with pytest.raises(Temporary, match="changes all the time"):
        await make().write(TASK)
    assert len(server.asked("PUT")) == TRIES
    assert server.events[EVENT] == PLAIN


@pytest.mark.parametrize(
    ("tags", "condition"),
    [
        ({"ETag": 'W/"1"', "Schedule-Tag": '"s"'}, ("if-schedule-tag-match", '"s"')),
        ({"Schedule-Tag": '"s"'}, ("if-schedule-tag-match", '"s"')),
        ({"ETag": '"1"', "Schedule-Tag": '"s"'}, ("if-match", '"1"')),
    ],
)
async def test_the_condition_under_which_it_is_changed(
    server: Calendars, make: Make, tags: dict[str, str], condition: tuple[str, str]
) -> None:
    server.tags = lambda _: tags
    assert plain(await make().write(TASK)) == WRITTEN
    (put,) = server.asked("PUT")
    name, value = condition
    assert put.headers[name] == value
    assert ("if-match" in put.headers) is (name == "if-match")


@pytest.mark.parametrize("tags", [{}, {"ETag": 'W/"1"'}])
async def test_nothing_is_changed_without_a_condition(
    server: Calendars, make: Make, tags: dict[str, str]
) -> None:
    server.tags = lambda _: tags
    with pytest.raises(Permanent, match="no strong ETag"):
        await make().write(TASK)
    assert server.asked("PUT") == []


@pytest.mark.parametrize(
    ("own", "header", "shown"),
    [
        ({"profile": "cyrus"}, "F", {"DESCRIPTION", "LOCATION", "URL", "CONFERENCE"}),
        ({"profile": "sogo"}, None, {"DESCRIPTION", "URL", "CONFERENCE"}),
        ({"profile": "sabre"}, None, {"URL", "CONFERENCE"}),
        ({"profile": "cyrus", "write": "conference"}, "F", {"CONFERENCE"}),
        ({"write": "conference"}, None, {"CONFERENCE"}),
        ({}, None, {"DESCRIPTION", "LOCATION", "URL", "CONFERENCE"}),
    ],
)
async def test_what_keeps_a_server_silent(
    server: Calendars, make: Make, own: dict[str, str], header: str | None, shown: set[str]
) -> None:
    assert (await make(**own).write(TASK)).changed
    (put,) = server.asked("PUT")
    assert put.headers.get("scheduling-enabled") == header
    lines = put.body.replace(b"\r\n ", b"").split(b"\r\n")
    assert {
        line.decode().partition(":")[0].partition(";")[0] for line in lines if LINK.link.encode() in line
    } == shown
    assert b"SCHEDULE-AGENT" not in put.body


# --- faults ------------------------------------------------------------------------------------------------

METHODS = ("PROPFIND", "REPORT", "GET", "PUT")


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(
    ("status", "error", "said"),
    [
        (401, Permanent, "refuses the login of mailhook"),
        (403, Permanent, "does not let mailhook (read|change) the calendar"),
        (400, Permanent, "answers 400"),
        (409, Temporary, "answers 409"),
        (423, Temporary, "answers 423"),
        (429, Temporary, "answers 429"),
        (500, Temporary, "answers 500"),
        (503, Temporary, "answers 503"),
        (507, Temporary, "answers 507"),
    ],
)
async def test_what_a_status_means(
    server: Calendars, make: Make, method: str, status: int, error: type[MailhookError], said: str
) -> None:
    server.answers[method] = [Answer(status, b"secret words")]
    with pytest.raises(error, match=said) as caught:
        await make().write(TASK)
    assert "secret" not in str(caught.value)
    assert server.events[EVENT] == PLAIN
    assert plain(await make().write(TASK)) == WRITTEN


@pytest.mark.parametrize("method", ["PROPFIND", "REPORT"])
@pytest.mark.parametrize(
    "body",
    [b"", b"<html>", BOMB, BOMB.decode().encode("utf-16"), b"x" * (MAX_ANSWER + 1), b"<D:x xmlns:D='DAV:'/>"],
    ids=["nothing", "html", "bomb", "bomb in UTF-16", "too long", "another root"],
)
async def test_an_answer_that_is_none(server: Calendars, make: Make, method: str, body: bytes) -> None:
    server.answers[method] = [Answer(207, body)]
    with pytest.raises(Temporary):
        await make().write(TASK)
    assert server.events[EVENT] == PLAIN


async def test_a_login_never_leaves_the_server(server: Calendars, make: Make) -> None:
    for place in ("https://elsewhere.example/", "//elsewhere.example/", "http://[/"):
        server.answers["PROPFIND"] = [Answer(301, headers={"Location": place})]
        with pytest.raises(Permanent, match="another server"):
            await make().write(TASK)
        server.answers["REPORT"] = [multistatus((place, "<D:getetag/>"))]
        with pytest.raises(Permanent, match="another server"):
            await make().write(TASK)
    server.answers["PROPFIND"] = [Answer(301, headers={"Location": "/dav/"})] * 9
    with pytest.raises(Permanent, match="circles"):
        await make().write(TASK)
    server.answers["PUT"] = [Answer(301, headers={"Location": "/dav/"})]
    with pytest.raises(Permanent, match="answers 301"):
        await make().write(TASK)


async def test_a_server_that_is_down(server: Calendars, make: Make) -> None:
    writer = make()
    await server.server.stop()
    with pytest.raises(Temporary, match="failed"):
        await writer.write(TASK)


async def test_what_is_stored_is_no_calendar(server: Calendars, make: Make) -> None:
    server.answers["GET"] = [Answer(200, b"uid-1", {"ETag": '"1"'})]
    with pytest.raises(Permanent, match="cannot be edited"):
        await make().write(TASK)


async def test_a_token(server: Calendars, make: Make) -> None:
    await make(password="", username="", token="t0k").write(TASK)
    assert {each.headers["authorization"] for each in server.seen} == {"Bearer t0k"}


async def test_the_doctor_asks_what_holds_for_every_organizer(server: Calendars, make: Make) -> None:
    assert (await make().probe("")).endswith("accepts the login of mailhook")
    for status in (401, 403, 404, 503):
        server.answers["PROPFIND"] = [Answer(status)]
        with pytest.raises(MailhookError):
            await make().probe("")


async def test_the_doctor_looks_at_an_organizers_calendars(server: Calendars, make: Make) -> None:
    assert (await make().probe(KEY.organizer)).endswith("shows mailhook 1 calendars")
    with pytest.raises(Permanent, match="404"):
        await make().probe("nobody@corp.example")
    server.owners = {HOME: "/principals/ivan/", f"{HOME}team/": "/principals/anna/"}
    with pytest.raises(Permanent, match="no calendar that is"):
        await make().probe(KEY.organizer)


def test_an_authority_that_is_none(make: Make, tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("nothing")
    with pytest.raises(Misconfigured, match="ca_file"):
        make(ca_file=str(tmp_path / "ca.pem"))


# --- looking again -----------------------------------------------------------------------------------------


async def looking(make: Make, path: str = "/dav/{user}/") -> tuple[CalDavWriter, LookTask]:
    writer = make(path)
    await writer.write(TASK)
    places = (await writer.write(TASK)).places
    return writer, LookTask(KEY, TASK.organizer, places)


async def test_an_event_that_has_not_changed_costs_one_request(server: Calendars, make: Make) -> None:
    writer, task = await looking(make)
    server.seen.clear()
    assert await writer.look(task) == Unchanged()
    (asked,) = server.seen
    assert asked.headers["if-none-match"] == tag(server.events[EVENT])


async def test_an_event_that_has_changed_is_read(server: Calendars, make: Make) -> None:
    writer, task = await looking(make)
    server.events[EVENT] = PLAIN
    seen = await writer.look(task)
    assert seen == Present(PLAIN, (Place(f"{server.url}{EVENT}", tag(PLAIN)),))
    again = replace(task, places=seen.places if isinstance(seen, Present) else ())
    assert await writer.look(again) == Unchanged()


async def test_an_event_in_another_calendar_is_found(server: Calendars, make: Make) -> None:
    writer, task = await looking(make)
    server.collections[f"{HOME}home/"] = "VEVENT"
    moved = f"{HOME}home/other.ics"
    server.events = {moved: server.events[EVENT], EVENT: PLAIN.replace(b"UID:uid-1", b"UID:another")}
    seen = await writer.look(task)
    assert isinstance(seen, Present)
    assert [place.url for place in seen.places] == [f"{server.url}{moved}"]


@pytest.mark.parametrize("others", [True, False])
async def test_an_event_that_is_gone(server: Calendars, make: Make, others: bool) -> None:
    writer, task = await looking(make)
    server.events = {f"{HOME}team/other.ics": PLAIN.replace(b"UID:uid-1", b"UID:x")} if others else {}
    seen = await writer.look(task)
    assert isinstance(seen, Absent)
    assert [place.url for place in seen.beside] == [f"{server.url}{each}" for each in server.events]


async def test_absence_from_the_only_calendar_that_is_named_is_not_all(server: Calendars, make: Make) -> None:
    writer, task = await looking(make, "/dav/{user}/team/")
    server.events = {f"{HOME}team/other.ics": PLAIN.replace(b"UID:uid-1", b"UID:x")}
    assert await writer.look(task) == Absent()


@pytest.mark.parametrize("other", ["home/", "team2/", "team-old/"])
async def test_an_event_whose_calendar_is_not_shown_any_more_is_not_missed(
    server: Calendars, make: Make, other: str
) -> None:
    writer, task = await looking(make)
    server.collections = {f"{HOME}{other}": "VEVENT"}
    server.events = {f"{HOME}{other}other.ics": PLAIN.replace(b"UID:uid-1", b"UID:x")}
    with pytest.raises(Temporary, match="does not show the calendar any more"):
        await writer.look(task)


async def test_a_calendar_whose_name_begins_like_another_ones_is_another(
    server: Calendars, make: Make
) -> None:
    server.collections = {f"{HOME}team2/": "VEVENT"}
    server.events = {f"{HOME}team2/event.ics": PLAIN}
    writer, task = await looking(make)
    server.collections = {f"{HOME}team": "VEVENT"}
    server.events = {f"{HOME}team/other.ics": PLAIN.replace(b"UID:uid-1", b"UID:x")}
    with pytest.raises(Temporary, match="does not show the calendar any more"):
        await writer.look(task)


@pytest.mark.parametrize(
    ("path", "organizer"),
    [
        (EVENT, b"ORGANIZER:mailto:i.ivanov@corp.example"),
        (f"{HOME}team/new.ics", b"ORGANIZER:mailto:i.ivanov@corp.example"),
        (f"{HOME}team/new.ics", b"ORGANIZER:/principals/ivan/"),
        (f"{HOME}team/new.ics", b"X-NONE:1"),
    ],
)
async def test_an_event_with_its_uid_is_no_absence(
    server: Calendars, make: Make, path: str, organizer: bytes
) -> None:
    writer, task = await looking(make)
    stored_lines = server.events[EVENT].replace(b"\r\n ", b"").split(b"\r\n")
    text = b"\r\n".join(organizer if line.startswith(b"ORGANIZER") else line for line in stored_lines)
    server.events = {path: text, f"{HOME}team/other.ics": PLAIN.replace(b"UID:uid-1", b"UID:x")}
    assert await writer.look(task) == Veiled()


# --- whose calendar it is ----------------------------------------------------------------------------------

HERS = f"{HOME}shared-by-anna/"


@pytest.mark.parametrize(
    ("hers", "owners"),
    [
        (HERS, {HOME: "/principals/ivan/", HERS: "/principals/anna/"}),
        (HERS, {HERS: "/principals/anna/"}),
        (HERS, {HERS: "shared"}),
    ],
    ids=["another owner than the home", "another name", "said to be shared"],
)
async def test_a_calendar_of_somebody_else_is_neither_written_nor_believed(
    server: Calendars, make: Make, hers: str, owners: dict[str, str]
) -> None:
    server.owners = {f"{HOME}team/": "/principals/ivan/", **owners}
    server.collections = {hers: "VEVENT", f"{HOME}team/": "VEVENT"}
    server.events = {f"{hers}x.ics": PLAIN, EVENT: PLAIN}
    writer, task = await looking(make)
    assert server.events[f"{hers}x.ics"] == PLAIN
    assert [each.path for each in server.asked("PUT")] == [EVENT]
    assert [place.url for place in task.places] == [f"{server.url}{EVENT}"]
    del server.events[EVENT]
    assert await writer.look(task) == Veiled()


async def test_where_no_owner_is_told_a_second_calendar_with_the_event_is_a_doubt(
    server: Calendars, make: Make
) -> None:
    writer, task = await looking(make)
    server.collections[HERS] = "VEVENT"
    server.events = {f"{HERS}x.ics": PLAIN, f"{HOME}team/new.ics": PLAIN}
    with pytest.raises(Permanent, match="does not tell owners"):
        await writer.write(TASK)
    assert set(server.events.values()) == {PLAIN}
    with pytest.raises(Permanent, match="does not tell owners"):
        await writer.look(task)


async def test_a_calendar_that_sogo_shows_as_subscribed_is_not_his(server: Calendars, make: Make) -> None:
    home = "/SOGo/dav/ivan/Calendar/"
    server.collections = {f"{home}personal/": "VEVENT", f"{home}olga_personal/": "VEVENT"}
    server.events = {f"{home}olga_personal/1.ics": PLAIN, f"{home}personal/1.ics": PLAIN}
    await make("/SOGo/dav/{user}/Calendar/").write(TASK)
    assert [each.path for each in server.asked("PUT")] == [f"{home}personal/1.ics"]


async def test_one_place_that_cannot_be_changed_hides_no_other(server: Calendars, make: Make) -> None:
    server.events = {f"{HOME}team/1.ics": PLAIN, f"{HOME}team/2.ics": PLAIN}
    server.answers["PUT"] = [Answer(403)]
    assert plain(await make().write(TASK)) == WRITTEN
    assert sum(LINK.link.encode() in each.replace(b"\r\n ", b"") for each in server.events.values()) == 1


@pytest.mark.parametrize("answer", [Answer(403), Answer(404), Answer(503), Answer(200, b"", {"ETag": '"9"'})])
async def test_one_place_that_is_what_it_was_is_enough(server: Calendars, make: Make, answer: Answer) -> None:
    server.events = {f"{HOME}team/1.ics": PLAIN, f"{HOME}team/2.ics": PLAIN}
    writer, task = await looking(make)
    assert len(task.places) == 2
    server.answers["GET"] = [answer]
    assert await writer.look(task) == Unchanged()


async def test_of_two_places_that_have_changed_both_are_told(server: Calendars, make: Make) -> None:
    server.events = {f"{HOME}team/1.ics": PLAIN, f"{HOME}team/2.ics": PLAIN}
    writer, task = await looking(make)
    server.events = dict.fromkeys(server.events, PLAIN)
    seen = await writer.look(task)
    assert isinstance(seen, Present)
    assert (len(seen.places), seen.twins) == (2, (PLAIN,))


async def test_a_template_of_the_event_itself_shows_no_others(server: Calendars, make: Make) -> None:
    server.events = {f"{HOME}team/{KEY.uid}.ics": PLAIN, f"{HOME}team/other.ics": PLAIN}
    writer, task = await looking(make, "/dav/{user}/team/{uid}.ics")
    del server.events[f"{HOME}team/{KEY.uid}.ics"]
    assert await writer.look(task) == Absent()


@pytest.mark.parametrize("method", ["GET", "REPORT", "PROPFIND"])
@pytest.mark.parametrize("status", [401, 403, 500, 503])
async def test_a_look_that_fails_tells_nothing(
    server: Calendars, make: Make, method: str, status: int
) -> None:
    writer, task = await looking(make)
    server.events = {f"{HOME}team/other.ics": PLAIN.replace(b"UID:uid-1", b"UID:x")}
    server.answers[method] = [Answer(status)]
    with pytest.raises(MailhookError):
        await writer.look(task)


async def test_a_calendar_that_cannot_be_searched_may_hold_it(server: Calendars, make: Make) -> None:
    writer, task = await looking(make)
    server.collections[f"{HOME}home/"] = "VEVENT"
    server.events = {f"{HOME}home/other.ics": PLAIN.replace(b"UID:uid-1", b"UID:x")}
    server.answers["REPORT"] = [Answer(403)]
    with pytest.raises(Permanent):
        await writer.look(task)


async def test_no_calendars_are_no_absence(server: Calendars, make: Make) -> None:
    writer, task = await looking(make)
    server.events, server.collections = {}, {}
    with pytest.raises(Temporary, match="no calendar"):
        await writer.look(task)
    server.answers["PROPFIND"] = [Answer(404)]
    with pytest.raises(Permanent):
        await writer.look(task)
