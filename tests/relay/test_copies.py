"""The link in the organizer's own event, all the way from the mails to his calendar server."""

import email
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from email.policy import default
from typing import Any

import pytest

from mailhook import admin
from mailhook.core.copies import LEASE, LONGEST_PAUSE
from mailhook.core.notice import SETTLE
from mailhook.core.watch import MISSING, SELDOM
from mailhook.core.written import OPEN
from mailhook.journal import on_step
from mailhook.own_copies import copy_kinds
from tests.organizer.calendars import HOME, Answer, Calendars, multistatus
from tests.relay.mails import ANNA, BORIS, IVAN, NOW, Event, invitation, link_in
from tests.relay.rig import World, world

NOTICE: Mapping[str, Any] = {"enabled": True, "sender": "videomost@corp.example"}
PLACE = f"{HOME}team/event.ics"
FIRST = Event()
LATER = replace(FIRST, sequence=1, stamp=NOW + timedelta(minutes=30), hours=2)


def stored(event: Event) -> bytes:
    return event.calendar().replace(f"METHOD:{event.method}\r\n", "").encode()


@asynccontextmanager
async def office(**own: Any) -> AsyncIterator[tuple[World, Calendars]]:
    """Ivan's calendar server, with the event in it, and mailhook."""
    calendars = Calendars(events={PLACE: stored(FIRST)})
    await calendars.server.start()
    caldav = {"url": f"{calendars.url}/dav/{{user}}/", "username": "mailhook", "password": "x"}
    try:
        async with world(caldav={**caldav, **own.pop("caldav", {})}, **own) as here:
            yield here, calendars
    finally:
        await calendars.server.stop()


def linked(calendars: Calendars, link: str) -> bool:
    return link.encode() in calendars.events[PLACE].replace(b"\r\n ", b"")


def kept(calendars: Calendars) -> tuple[str, ...]:
    """The lines of ours in the event that no program lets people change."""
    lines = calendars.events[PLACE].replace(b"\r\n ", b"").decode().split("\r\n")
    return tuple(line for line in lines if line.startswith(("CONFERENCE", "X-VIDEOMOST")))


async def shown(here: World) -> list[Any]:
    """What `conferences show` says of copies."""
    meeting = await here.meeting(FIRST.uid)
    assert meeting is not None
    settings = here.app.settings
    row = admin.everything(meeting, settings.policy, here.clock.now, links=False, kinds=copy_kinds(settings))
    assert all(here.sandbox.link(room) not in json.dumps(row) for room in here.rooms())
    return list(row["copies"])


async def test_the_link_is_written_once_after_all_mails_and_then_found() -> None:
    async with office() as (here, calendars):
        for person in (ANNA, BORIS):
            await here.passes(invitation(replace(FIRST, attendees=(ANNA, BORIS)), person), IVAN, person)
        assert calendars.seen == []
        (before,) = await shown(here)
        assert "why_not_yet" in before
        await here.written()
        assert linked(calendars, here.link())
        assert len(calendars.asked("PUT")) == 1
        assert await shown(here) == [{"by": "caldav", "link": (await shown(here))[0]["link"]}]
        known = len(calendars.seen)
        await here.written()
        assert len(calendars.seen) == known


async def test_the_mail_that_a_server_sends_for_our_edit_changes_nothing() -> None:
    async with office() as (here, calendars):
        await here.passes(invitation(FIRST))
        await here.written()
        put = calendars.events[PLACE].decode().replace("BEGIN:VEVENT", "METHOD:REQUEST\r\nBEGIN:VEVENT")
        mail = invitation(replace(FIRST, stamp=here.clock.now))
        head, _, rest = mail.partition(b"BEGIN:VCALENDAR")
        resent = head + put.strip().encode() + rest.partition(b"END:VCALENDAR")[2]
        arrived = (await here.passes(resent)).replace(b"\r\n ", b"")
        assert here.calls("create") == 1
        calendar = arrived.partition(b"BEGIN:VCALENDAR")[2]
        lines = [line for line in calendar.split(b"\r\n") if here.link().encode() in line]
        assert len({line.partition(b":")[0].partition(b";")[0] for line in lines}) == len(lines) == 4
        assert calendar.count(b"X-VIDEOMOST-CONFERENCE") == 1
        await here.written()
        assert len(calendars.asked("PUT")) == 1


async def test_a_reschedule_keeps_the_link_and_an_older_state_gets_it_again() -> None:
    async with office() as (here, calendars):
        await here.passes(invitation(FIRST))
        await here.written()
        calendars.events[PLACE] = stored(LATER)
        assert link_in(await here.passes(invitation(replace(LATER, stamp=NOW + timedelta(minutes=2)))))
        await here.written()
        assert linked(calendars, here.link())
        assert len(calendars.asked("PUT")) == 2


async def test_a_link_that_the_organizer_removes_takes_the_conference_and_the_rest_of_it() -> None:
    async with office(notice=NOTICE) as (here, calendars):
        await here.passes(invitation(FIRST))
        await here.written()
        here.clock.forward(OPEN)
        link, marks = here.link(), kept(calendars)
        calendars.events[PLACE] = stored(replace(LATER, stamp=here.clock.now, location="", extra=marks))
        bare = replace(LATER, stamp=here.clock.now, location="", extra=marks)
        assert link_in(await here.passes(invitation(bare))) == ""
        await here.written()
        assert not linked(calendars, link)
        assert b"X-VIDEOMOST" not in calendars.events[PLACE]
        here.clock.forward(timedelta(hours=1))
        await here.settle()
        assert here.rooms() == []
        (told,) = await shown(here)
        assert set(told) == {"by", "no_link"}


async def test_only_the_hidden_places_prove_nothing() -> None:
    async with office(caldav={"write": "conference"}) as (here, calendars):
        await here.passes(invitation(FIRST))
        await here.written()
        here.clock.forward(OPEN)
        assert linked(calendars, here.link())
        assert link_in(await here.passes(invitation(replace(LATER, stamp=here.clock.now))))


async def test_a_copy_that_is_written_needs_no_notice() -> None:
    async with office(notice=NOTICE) as (here, _):
        await here.passes(invitation(FIRST))
        assert here.app.courier is not None
        for _round in range(6):
            await here.app.courier.once()
            await here.written()
        assert len(here.messages) == 1


async def test_what_is_written_where_nobody_sees_it_is_brought_by_a_notice() -> None:
    async with office(notice=NOTICE, caldav={"write": "conference"}) as (here, calendars):
        await here.passes(invitation(FIRST))
        assert here.app.courier is not None
        for _round in range(6):
            await here.app.courier.once()
            await here.written()
        assert linked(calendars, here.link())
        assert len(here.messages) == 2


async def test_a_notice_brings_what_cannot_be_written() -> None:
    async with office(notice=NOTICE) as (here, calendars):
        calendars.answers["PROPFIND"] = [Answer(403)] * 1000
        await here.passes(invitation(FIRST))
        assert here.app.courier is not None
        for _round in range(6):
            await here.app.courier.once()
            await here.written()
        assert len(here.messages) == 2
        (told,) = await shown(here)
        assert "does not let mailhook read" in told["why_not_yet"]
        meeting = await here.meeting(FIRST.uid)
        assert meeting is not None
        assert admin.is_pending(meeting, here.clock.now)
        assert admin.pending(meeting)["why"].startswith("caldav: ")
        calendars.answers.clear()
        await admin.retry(here.app.store, meeting.key, here.app.settings.policy)
        await here.written()
        assert linked(calendars, here.link())


async def test_an_event_that_appears_late_is_written_then() -> None:
    async with office() as (here, calendars):
        event = calendars.events.pop(PLACE)
        await here.passes(invitation(FIRST))
        await here.written()
        assert "no such event" in (await shown(here))[0]["why_not_yet"]
        calendars.events[PLACE] = event
        here.clock.forward(timedelta(minutes=4))
        await here.written()
        assert linked(calendars, here.link())


async def test_what_a_server_overwrites_after_it_took_it_is_written_again() -> None:
    """SOGo, while its last mails go out."""
    async with office() as (here, calendars):
        await here.passes(invitation(FIRST))
        await here.written_once()
        await here.written_once()
        assert len(calendars.asked("PUT")) == 1
        calendars.events[PLACE] = stored(FIRST)
        await here.written()
        assert linked(calendars, here.link())
        assert len(calendars.asked("PUT")) == 2


@pytest.mark.parametrize("status", [401, 403, 412, 500])
async def test_whatever_a_server_answers_no_conference_goes(status: int) -> None:
    async with office() as (here, calendars):
        for method in ("PROPFIND", "REPORT", "GET", "PUT"):
            calendars.answers[method] = [Answer(status)] * 1000
        await here.passes(invitation(FIRST))
        for _round in range(3):
            await here.written()
            here.clock.forward(LONGEST_PAUSE)
        assert link_in(await here.passes(invitation(replace(LATER, stamp=here.clock.now))))
        await here.settle()
        assert len(here.rooms()) == 1


async def test_a_crash_after_writing_finds_it_written() -> None:
    def crash(step: str) -> None:
        if step == "copy-written":
            on_step.remove(crash)
            raise RuntimeError

    async with office() as (here, calendars):
        await here.passes(invitation(FIRST))
        on_step.append(crash)
        await here.written()
        assert crash not in on_step
        here.clock.forward(LEASE)
        await here.written()
        assert len(calendars.asked("PUT")) == 1
        assert "link" in (await shown(here))[0]


async def test_without_the_setting_there_is_none() -> None:
    async with world() as here:
        await here.passes(invitation(FIRST))
        assert here.app.scribes == ()
        assert await shown(here) == []


async def test_a_cancelled_event_is_left_alone() -> None:
    async with office() as (here, calendars):
        await here.passes(invitation(FIRST))
        await here.written()
        await here.passes(invitation(replace(FIRST, method="CANCEL", stamp=here.clock.now)))
        del calendars.events[PLACE]
        here.clock.forward(timedelta(hours=2) + SETTLE)
        await here.settle()
        await here.written()
        assert here.rooms() == []
        assert set((await shown(here))[0]) == {"by", "no_link"}


# --- what no mail tells ----------------------------------------------------------------------------------


@asynccontextmanager
async def standing(**own: Any) -> AsyncIterator[tuple[World, Calendars]]:
    """The link stands in the event, and another event beside it."""
    async with office(**own) as (here, calendars):
        calendars.events[f"{HOME}team/other.ics"] = stored(replace(FIRST, uid="another"))
        await here.passes(invitation(FIRST))
        await here.written()
        assert linked(calendars, here.link())
        here.clock.forward(OPEN)
        yield here, calendars


async def test_a_link_that_is_removed_without_a_mail_takes_the_conference() -> None:
    async with standing() as (here, calendars):
        bare = replace(FIRST, stamp=here.clock.now, location="", extra=kept(calendars))
        calendars.events[PLACE] = stored(bare)
        await here.looked()
        await here.written()
        assert b"X-VIDEOMOST" not in calendars.events[PLACE]
        here.clock.forward(timedelta(hours=1))
        await here.settle()
        assert here.rooms() == []


async def test_an_event_that_is_moved_without_a_mail_takes_the_conference_along() -> None:
    async with standing() as (here, calendars):
        moved = replace(
            FIRST, stamp=here.clock.now, start=FIRST.start + timedelta(days=1), location=here.link()
        )
        calendars.events[PLACE] = stored(moved)
        await here.looked()
        (room,) = here.rooms()
        assert room.spec.start == moved.start
        await here.written()
        assert linked(calendars, here.link())


@pytest.mark.parametrize("back", [False, True])
async def test_an_event_that_is_deleted_without_a_mail_takes_the_conference_after_an_hour_and_the_grace(
    back: bool,
) -> None:
    async with standing() as (here, calendars):
        await another(here, calendars)
        event = calendars.events.pop(PLACE)
        for _round in range(8):
            await here.looked()
        assert len(here.rooms()) == 2
        (told,) = await shown(here)
        assert "missing_since" in told
        if back:
            calendars.events[PLACE] = event
        for _round in range(16):
            await here.looked()
        assert len(here.rooms()) == 1 + int(back)


async def another(here: World, calendars: Calendars) -> None:
    """One more meeting of his, whose event bears its link; all were looked at since."""
    second = replace(FIRST, uid="second")
    calendars.events[f"{HOME}team/second.ics"] = stored(second)
    await here.passes(invitation(second))
    await here.written()
    for _round in range(SELDOM + 1):
        await here.looked()


@pytest.mark.parametrize("beside", ["foreign", "older", "imported", "both gone"])
async def test_a_calendar_that_lost_more_than_one_event_deletes_nothing(
    beside: str, caplog: pytest.LogCaptureFixture
) -> None:
    second = f"{HOME}team/second.ics"
    async with standing(notice=NOTICE) as (here, calendars):
        if beside != "foreign":
            await another(here, calendars)
        gone = f"{HOME}team/second.ics" if beside == "older" else PLACE
        del calendars.events[gone]
        if beside == "imported":
            calendars.events[second] += b"\r\n"
        if beside == "both gone":
            del calendars.events[second]
        for _round in range(60):
            await here.looked()
        assert len(here.rooms()) == 1 + int(beside != "foreign")
        meetings = await here.app.store.all()
        assert {meeting.delete_at for meeting in meetings} == {None}
        assert any(meeting.doubtful == MISSING for meeting in meetings)
        told = [record for record in caplog.records if record.getMessage() == "event-missing"]
        assert {record.levelname for record in told} == {"ERROR"}
        assert len(told) == sum(meeting.doubtful == MISSING for meeting in meetings)


async def test_an_event_that_is_cancelled_without_a_mail_takes_the_conference() -> None:
    async with standing() as (here, calendars):
        off = replace(FIRST, stamp=here.clock.now, location=here.link(), extra=("STATUS:CANCELLED",))
        calendars.events[PLACE] = stored(off)
        await here.looked()
        for _round in range(4):
            await here.looked()
        assert len(here.rooms()) == 1
        for _round in range(4):
            await here.looked()
        assert here.rooms() == []


@pytest.mark.parametrize(
    "answers",
    [
        {"GET": Answer(404), "REPORT": multistatus(), "PROPFIND": multistatus()},
        {"GET": Answer(404), "REPORT": multistatus()},
        {"GET": Answer(404), "REPORT": Answer(403)},
        {"GET": Answer(404), "PROPFIND": Answer(404)},
        {"GET": Answer(401)},
        {"GET": Answer(403)},
        {"GET": Answer(503)},
        {"GET": Answer(200, b"<html>maintenance")},
        {"GET": Answer(200, b"<html>"), "REPORT": multistatus()},
        {"GET": Answer(404)},
    ],
)
async def test_a_migration_or_lost_rights_delete_nothing(answers: dict[str, Answer]) -> None:
    async with standing() as (here, calendars):
        del calendars.events[f"{HOME}team/other.ics"]
        for method, answer in answers.items():
            calendars.answers[method] = [answer] * 1000
        for _round in range(30):
            await here.looked()
        assert len(here.rooms()) == 1
        meeting = await here.meeting(FIRST.uid)
        assert meeting is not None
        assert (meeting.delete_at, meeting.wanted) == (None, True)


async def test_a_restored_backup_gets_the_link_again() -> None:
    async with standing() as (here, calendars):
        calendars.events[PLACE] = stored(FIRST)
        await here.looked()
        await here.written()
        assert linked(calendars, here.link())
        assert len(here.rooms()) == 1


async def test_a_doubt_is_decided_by_the_calendar() -> None:
    petr = "petr@corp.example"
    both = replace(FIRST, attendees=(ANNA, petr))
    for there in (True, False):
        async with standing() as (here, calendars):
            first = here.link()
            await here.passes(invitation(replace(both, stamp=here.clock.now, location=first)))
            await here.written()
            await another(here, calendars)
            here.clock.forward(timedelta(minutes=1))
            await here.passes(invitation(replace(both, method="CANCEL", stamp=here.clock.now)))
            meeting = await here.meeting(FIRST.uid)
            assert meeting is not None
            assert meeting.doubtful
            if not there:
                del calendars.events[PLACE]
            for _round in range(24):
                await here.looked()
            meeting = await here.meeting(FIRST.uid)
            assert meeting is not None
            assert meeting.doubtful == ""
            assert len(here.rooms()) == 1 + int(there)


@pytest.mark.parametrize(
    ("what", "said"),
    [("gone", "больше нет"), ("cancelled", "отменено"), ("removed", "убрали")],
)
async def test_the_notice_of_a_deletion_names_its_cause(what: str, said: str) -> None:
    async with standing(notice=NOTICE) as (here, calendars):
        marks = kept(calendars)
        await another(here, calendars)
        match what:
            case "gone":
                del calendars.events[PLACE]
            case "cancelled":
                off = replace(FIRST, stamp=here.clock.now, extra=("STATUS:CANCELLED",))
                calendars.events[PLACE] = stored(off)
            case _:
                calendars.events[PLACE] = stored(
                    replace(FIRST, stamp=here.clock.now, location="", extra=marks)
                )
        assert here.app.courier is not None
        for _round in range(30):
            await here.looked()
            await here.app.courier.once()
        assert len(here.rooms()) == 1
        mails = [email.message_from_bytes(each.content, policy=default) for each in here.messages]
        told = [str(mail.get_content()) for mail in mails if mail["Auto-Submitted"]]
        assert said in told[-1]
        assert ("ошибка сервера календарей" in told[0]) is (what == "gone")


async def test_where_nothing_is_watched_only_mails_count() -> None:
    async with standing(caldav={"watch": "0s"}) as (here, calendars):
        del calendars.events[PLACE]
        calendars.seen.clear()
        for _round in range(16):
            await here.looked()
        assert calendars.seen == []
        assert len(here.rooms()) == 1
