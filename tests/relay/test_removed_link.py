"""The organizer takes the link away: mails that SOGo sent for events which bear one, and a server that keeps HTML."""

import re
from dataclasses import replace
from datetime import timedelta
from email import message_from_bytes
from html import escape
from pathlib import Path
from urllib.parse import quote

import pytest

from mailhook.core.conference import State
from mailhook.core.splice_html import marked
from mailhook.core.text_blocks import marked as marked_text
from tests.relay.mails import ANNA, BORIS, IVAN, NOW, PUBLIC, Event, invitation, link_in
from tests.relay.rig import World, world

SOGO = Path(__file__).parents[1] / "golden" / "sogo" / "with-link"
LINK = "https://vm.corp.example/j/123"
GRACE = timedelta(hours=1, seconds=1)


def recorded(place: str) -> str:
    """The calendar that Anna gets of an event whose copy bears LINK in one place."""
    mail = message_from_bytes((SOGO / f"20-next-reschedule-{place}-anna_partner.example.eml").read_bytes())
    part = next(part for part in mail.walk() if part.get_content_type() == "text/calendar")
    content = part.get_payload(decode=True)
    assert isinstance(content, bytes)
    return content.decode()


def revised(calendar: str, number: int) -> str:
    """The same as a later revision."""
    times = re.sub(r"(DTSTAMP|LAST-MODIFIED):20261123T00", rf"\1:20261123T{number:02}", calendar)
    return re.sub(r"SEQUENCE:\d+", f"SEQUENCE:{number + 10}", times)


def without(calendar: str) -> str:
    """As if its organizer had taken the link away."""
    lines = re.sub(rf"\r?\n(CONFERENCE|URL|X-GOOGLE-CONFERENCE)[^\r\n]*{LINK}", "", calendar)
    return lines.replace(f"\\n\\nСсылка: {LINK}", "").replace(f" {LINK}", "").replace(LINK, "")


def mail(calendar: str) -> bytes:
    kind = "Content-Type: text/calendar; charset=utf-8; method=REQUEST"
    head = f"From: <{IVAN}>\r\n{kind}\r\nContent-Transfer-Encoding: 8bit\r\n\r\n"
    return f"{head}{calendar}".encode()


async def after(here: World, time: timedelta) -> None:
    await here.settle()
    here.clock.forward(time)
    await here.settle()


@pytest.mark.parametrize(
    ("place", "removed"),
    [
        ("description", True),
        ("hdr-scheduling-enabled-F", True),
        ("location", True),
        ("location-x-sogo-two-puts", True),
        ("url-only", True),
        ("conference-only", False),
        ("xprop-only", False),
    ],
)
async def test_from_each_place(place: str, removed: bool) -> None:
    async with world() as here:
        calendar = recorded(place)
        assert LINK in calendar
        assert LINK not in without(calendar)
        await here.passes(mail(without(calendar)), IVAN, ANNA)
        await here.passes(mail(revised(calendar, 1).replace(LINK, here.link())), IVAN, ANNA)
        assert here.stories[-1]["reason"] == "rewritten"
        last = mail(without(revised(calendar, 2)))
        arrived = await here.passes(last, IVAN, ANNA)
        assert (arrived == last) is removed
        assert here.stories[-1]["reason"] == ("link-removed" if removed else "rewritten")
        await after(here, GRACE)
        assert len(here.rooms()) == (0 if removed else 1)


EVENT = Event(attendees=(ANNA, BORIS))


def revised_as(event: Event, number: int, **changes: str) -> Event:
    return replace(event, sequence=number, stamp=NOW + timedelta(minutes=number), **changes)  # type: ignore[arg-type]


def revision(number: int, **changes: str) -> Event:
    return revised_as(EVENT, number, **changes)


async def test_what_is_left_in_the_html_is_cut() -> None:
    async with world() as here:
        await here.passes(invitation(EVENT))
        link = here.link()
        await here.passes(invitation(revision(1, location="", description=f"join: {link}")))
        clean = invitation(revision(2, location=""))
        block = marked(f'<a href="{link.replace("&", "&amp;")}">x</a>').replace("\n", "\r\n").encode()
        arrived = await here.passes(clean.replace(b"<body>", b"<body>" + block + b"\r\n"))
        marker = next(line for line in arrived.split(b"\r\n") if line.startswith(b"X-Mailhook-Conference"))
        assert arrived.replace(marker + b"\r\n", b"") == clean
        assert await here.passes(invitation(revision(2, location=""), BORIS), IVAN, BORIS) == invitation(
            revision(2, location=""), BORIS
        )
        await after(here, GRACE)
        assert here.rooms() == []
        meeting = await here.meeting(EVENT.uid)
        assert meeting is not None
        assert meeting.conference.state is State.GONE


async def test_after_a_removal_a_new_marker_makes_a_new_conference() -> None:
    async with world() as here:
        await here.passes(invitation(EVENT))
        first = here.link()
        await here.passes(invitation(revision(1, location="", description=first)))
        await here.passes(invitation(revision(2, location="")))
        await after(here, GRACE)
        assert link_in(await here.passes(invitation(revision(3, location="")))) == ""
        second = link_in(await here.passes(invitation(revision(4))))
        assert second == here.link() != first


async def test_a_copied_event_has_a_conference_of_its_own() -> None:
    async with world() as here:
        arrived = (await here.passes(invitation(EVENT))).decode()
        first = here.link()
        copied = arrived.replace(EVENT.uid, "copy@corp.example")
        copied = re.sub("X-Mailhook-Conference.*\r\n", "", copied)
        copy = (await here.passes(copied.encode())).decode()
        assert here.calls("create") == 2
        second = link_in(copy.encode())
        assert second != first
        assert first not in copy
        assert copy.count(second) == arrived.count(first)


PETR, ROOM = "petr@corp.example", "videomost@corp.example"


REST = "rest@corp.example"
SOLE = replace(EVENT, attendees=(ANNA,))


@pytest.mark.parametrize(
    ("uid", "organizer", "location", "description", "url"),
    [
        # "This and following": the client makes a second event, and keeps no more than the bare link.
        (REST, IVAN, "{link}", "Agenda", ""),
        (REST, IVAN, "Room 5; {link}", "Agenda", ""),
        (REST, IVAN, "", "Agenda\\nJoin: {link}\\nand be there", ""),
        (REST, IVAN, "", "Agenda", "{link}"),
        # Another organizer takes the event over.
        (EVENT.uid, PETR, "{link}", "Agenda", ""),
    ],
)
async def test_our_own_bare_link_in_another_event(
    uid: str, organizer: str, location: str, description: str, url: str
) -> None:
    async with world() as here:
        await here.passes(invitation(SOLE))
        first = here.link()
        texts = [text.format(link=first) for text in (location, description, url)]
        event = replace(SOLE, uid=uid, organizer=organizer, location=texts[0], description=texts[1])
        event = replace(event, extra=(f"URL:{texts[2]}",) if url else ())
        html = invitation(event).replace(b"</body>", f"<a href='{escape(first)}'>join</a></body>".encode())
        arrived = await here.passes(html, event.organizer)
        second = link_in(arrived)
        assert second != first
        assert first not in arrived.decode()
        assert escape(first) not in arrived.decode()
        await here.passes(invitation(replace(SOLE, method="CANCEL", sequence=1)))
        await after(here, GRACE)
        assert here.link() == second


@pytest.mark.parametrize(
    "written",
    [
        "[{link}]",
        "«{link}»",
        "*{link}*",
        "{link}—здесь",
        "{link}|x",
        "{link}#anchor",
        "{link}/",
        "{link}&lang=ru",
        '<a href="{escaped}">join</a>',
        "HTTPS://VIDEOMOST.corp.example{rest}",
        "http://videomost.corp.example{rest}",
        "https://safelinks.example/?url={quoted}&data=1",
    ],
)
async def test_our_own_link_however_it_is_written(written: str) -> None:
    async with world() as here:
        await here.passes(invitation(SOLE))
        first = here.link()
        rest = first.removeprefix(PUBLIC)
        text = written.format(link=first, escaped=escape(first), rest=rest, quoted=quote(first, safe=""))
        value = text.replace(",", "\\,").replace(";", "\\;")
        arrived = await here.passes(invitation(replace(SOLE, uid=REST, location="", description=value)))
        second = link_in(arrived)
        assert second not in {"", first}
        old = first.partition("confid=")[2].partition("&")[0]
        assert old not in arrived.decode().replace("\r\n ", "")
        await here.passes(invitation(replace(SOLE, method="CANCEL", sequence=1)))
        await after(here, GRACE)
        assert here.link() == second


async def test_what_other_products_made_of_our_link_follows() -> None:
    async with world() as here:
        await here.passes(invitation(SOLE))
        first = here.link()
        rows = (f"X-GOOGLE-CONFERENCE:{first}", f"X-MICROSOFT-SKYPETEAMSMEETINGURL:{first}")
        arrived = await here.passes(invitation(replace(SOLE, uid=REST, location=first, extra=rows)))
        assert first not in arrived.decode().replace("\r\n ", "")


async def test_links_of_the_organizers_other_meetings_are_left_alone() -> None:
    """Where the event has a conference itself, or names several."""
    async with world() as here:
        await here.passes(invitation(SOLE))
        first = here.link()
        other = replace(SOLE, uid=REST)
        second = link_in(await here.passes(invitation(other)))
        again = revised_as(other, 1, description=f"Next week: {first}")
        arrived = await here.passes(invitation(again))
        assert (link_in(arrived), first in arrived.decode().replace("\r\n ", "")) == (second, True)
        overview = replace(SOLE, uid="overview", location="", description=f"One: {first}\\nTwo: {second}")
        sent = invitation(overview)
        assert await here.passes(sent) == sent
        assert here.calls("create") == 2


async def test_a_copied_link_is_known_when_its_own_meeting_is_forgotten() -> None:
    async with world() as here:
        await here.passes(invitation(SOLE))
        first = here.link()
        rest = replace(SOLE, uid=REST, location=first)
        second = link_in(await here.passes(invitation(rest)))
        await here.passes(invitation(replace(SOLE, method="CANCEL", sequence=1)))
        await after(here, GRACE)
        await here.app.store.purge(here.clock.now + timedelta(days=1))
        assert await here.meeting(SOLE.uid) is None
        arrived = await here.passes(invitation(revised_as(rest, 1, summary="Later")))
        assert (link_in(arrived), first in arrived.decode()) == (second, False)
        third = link_in(await here.passes(invitation(replace(rest, uid="third@corp.example"))))
        assert third not in {"", first, second}


async def test_a_copied_link_that_is_taken_out_ends_the_conference() -> None:
    async with world() as here:
        await here.passes(invitation(SOLE))
        rest = replace(SOLE, uid=REST, location=here.link())
        await here.passes(invitation(rest))
        await here.passes(invitation(revised_as(rest, 1, location="Room 5")))
        assert here.stories[-1]["reason"] == "link-removed"


async def test_somebody_elses_room_to_which_he_invites_is_left_alone() -> None:
    async with world() as here:
        await here.passes(invitation(SOLE))
        event = replace(SOLE, uid="other@corp.example", organizer=PETR, location=here.link())
        sent = invitation(event)
        assert await here.passes(sent, PETR) == sent
        assert here.stories[-1]["reason"] == "bare-link"


async def test_the_link_of_a_conference_that_is_gone_asks_for_a_new_one() -> None:
    async with world() as here:
        await here.passes(invitation(SOLE))
        first = here.link()
        await here.passes(invitation(replace(SOLE, method="CANCEL", sequence=1)))
        await after(here, GRACE)
        assert here.rooms() == []
        arrived = await here.passes(invitation(replace(SOLE, uid="other@corp.example", location=first)))
        assert link_in(arrived) not in {"", first}
        assert first not in arrived.decode()


async def test_a_resource_that_was_called_off_stays_so_where_the_link_is_left_standing() -> None:
    """First the link of the conference that goes, then that of one which has gone."""
    async with world({"resource": (ROOM,)}) as here:
        booked = (f"ATTENDEE;CUTYPE=RESOURCE:mailto:{ROOM}",)
        people = (ANNA, BORIS)
        asked = replace(EVENT, attendees=people, location="", extra=booked)
        await here.passes(invitation(asked), IVAN, *people, ROOM)
        standing = replace(asked, sequence=1, location=here.link())
        await here.passes(invitation(standing), IVAN, *people)
        off = replace(standing, method="CANCEL", sequence=2)
        await here.passes(invitation(off), IVAN, ROOM)
        for number in (3, 4):
            later = NOW + timedelta(hours=number)
            event = replace(standing, sequence=number, stamp=later, extra=())
            await here.passes(invitation(event), IVAN, *people)
            assert here.stories[-1]["reason"] == "resource-removed"
            await after(here, GRACE)
        assert here.rooms() == []


async def test_a_link_that_somebody_made_by_hand_is_left_alone() -> None:
    async with world() as here:
        own = "https://videomost.corp.example/service/join/?confid=my&confpass=1"
        sent = invitation(replace(EVENT, description=f"join {own}"))
        assert await here.passes(sent) == sent
        assert here.stories[-1]["reason"] == "bare-link"
        assert here.rooms() == []


@pytest.mark.parametrize("policy", [{"trigger": "always"}, {"trigger": "marker"}])
@pytest.mark.parametrize("organizer", [IVAN, PETR])
@pytest.mark.parametrize("way", ["header", "lines"])
async def test_who_quotes_an_invitation_gets_a_conference_of_his_own(
    policy: dict[str, str], organizer: str, way: str
) -> None:
    async with world(policy) as here:
        arrived = await here.passes(invitation(replace(SOLE, location="Videomost")))
        first = link_in(arrived)
        block = marked_text(f"Videomost\n{first}").replace(";", "\\;").replace(",", "\\,")
        header = "-----Original Message-----\nFrom: Ivan\nSent: Monday\nSubject: Plan\n\n"
        quoted = header + block if way == "header" else "> " + block.replace("\n", "\n> ")
        text = f"see below\n\n{quoted}".replace("\n", "\\n")
        event = replace(SOLE, uid="other@corp.example", organizer=organizer, location="", description=text)
        arrived = await here.passes(
            invitation(replace(event, extra=("X-VIDEOMOST-REQUIRED:TRUE",))), organizer
        )
        assert here.stories[-1]["reason"] == "rewritten"
        assert link_in(arrived) not in {"", first}
        assert first in arrived.decode().replace("\r\n ", "")
