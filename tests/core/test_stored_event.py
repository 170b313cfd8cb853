"""The organizer's event as a calendar server stores it: the link goes in and comes out, and nothing else changes."""

from dataclasses import replace

import pytest
from icalendar import Calendar

from mailhook.core.conference import Person
from mailhook.core.copies import EMPTY, CopyTask, Stands
from mailhook.core.event_edit import Reach
from mailhook.core.order import Stamp
from mailhook.core.rewrite import Options
from mailhook.core.stored_event import Edited, EventEditor, Fashion
from mailhook.core.truncation import is_cut
from mailhook.core.wording import Wording
from mailhook.errors import Unreadable
from mailhook.phrasebook import read_templates, shipped
from tests.core.invitations import at
from tests.core.meetings import KEY, LINK

WORDING = Wording(read_templates(shipped("templates")), "ru")
OTHER = replace(LINK, conference_id="room-0", link="https://videomost.corp.example/0")
TASK = CopyTask(KEY, Person(KEY.organizer), "", "Бюджет", LINK, ("", ""), "f")
UNTASK = replace(TASK, details=None, former=(LINK.link, LINK.conference_id), standing=EMPTY)
STAMP = Stamp(0, at("2027-02-01 10:00"))
UNTOUCHED = ("SEQUENCE", "DTSTAMP", "LAST-MODIFIED", "ATTENDEE", "ORGANIZER", "DTSTART", "SUMMARY", "X-SOGO")


def editor(reach: Reach = "everywhere", options: Options | None = None) -> EventEditor:
    keywords = options or Options(keywords=("videomost",))
    return EventEditor(lambda: WORDING, Fashion(keywords, reach, aliases={"old.example": "corp.example"}))


def stored(*events: str, eol: str = "\r\n") -> bytes:
    lines = ["BEGIN:VCALENDAR", "VERSION:2.0"]
    for extra in events or ("",):
        lines += [
            "BEGIN:VEVENT",
            "UID:uid-1",
            "SEQUENCE:0",
            "DTSTAMP:20270201T100000Z",
            "DTSTART:20270301T070000Z",
            "SUMMARY;X-ODD = 1:Бюджет",
            "ORGANIZER;CN=Иван:MAILTO:Ivan@corp.example",
            "ATTENDEE;PARTSTAT=NEEDS-ACTION:mailto:anna@partner.example",
            *extra.splitlines(),
            "BEGIN:VALARM",
            "TRIGGER:-PT15M",
            "ACTION:DISPLAY",
            "DESCRIPTION:Скоро",
            "END:VALARM",
            "END:VEVENT",
        ]
    return eol.join([*lines, "END:VCALENDAR", ""]).encode()


DESCRIBED = stored("LOCATION:Videomost\nDESCRIPTION:Повестка: бюд\n жет")


def edit(content: bytes, task: CopyTask = TASK, reach: Reach = "everywhere") -> Edited:
    return editor(reach).edit(content, task)


def lines(content: bytes) -> list[bytes]:
    return content.replace(b"\r\n ", b"").splitlines()


@pytest.mark.parametrize("content", [DESCRIBED, stored(), stored("DESCRIPTION:a", "DESCRIPTION:b", "")])
@pytest.mark.parametrize("reach", ["everywhere", "links", "hidden"])
def test_once_is_twice_and_out_is_as_before(content: bytes, reach: Reach) -> None:
    once = edit(content, reach=reach)
    assert once.found == Stands(changed=True, bears=False, stamp=STAMP)
    again = edit(once.content, reach=reach)
    assert (again.content, again.found.changed) == (once.content, False)
    assert again.found.bears is (reach == "everywhere"), "what stands elsewhere proves nothing"
    out = edit(once.content, UNTASK, reach)
    kept = [
        line for line in lines(out.content) if line != b"DESCRIPTION:" and not line.startswith(b"LOCATION:")
    ]
    assert kept == [line for line in lines(content) if not line.startswith(b"LOCATION:")]
    assert edit(out.content, UNTASK, reach).found == Stands(changed=False, bears=False, stamp=STAMP)


def test_every_place_that_programs_show_bears_it() -> None:
    (event,) = Calendar.from_ical(edit(DESCRIBED).content.decode()).walk("VEVENT")
    assert LINK.link in str(event["DESCRIPTION"]).splitlines()
    assert (event["LOCATION"], event["URL"], event["CONFERENCE"]) == (LINK.link,) * 3
    assert "Повестка: бюджет" in str(event["DESCRIPTION"])
    assert event["X-VIDEOMOST-CONFERENCE"] == LINK.conference_id


def test_what_no_program_takes_for_a_change() -> None:
    before, after = lines(DESCRIBED), lines(edit(DESCRIBED, reach="hidden").content)
    added = [line for line in after if line not in before]
    assert [line.partition(b";")[0].partition(b":")[0] for line in added] == [
        b"CONFERENCE",
        b"X-VIDEOMOST-CONFERENCE",
    ]
    assert [line for line in after if line in before] == before


@pytest.mark.parametrize("eol", ["\r\n", "\n"])
def test_other_bytes_stay(eol: str) -> None:
    before = stored('X-SOGO:\\odd\nATTENDEE;CN="A,B":mailto:b@c', eol=eol)
    after = edit(before).content
    old, new = before.split(eol.encode()), after.split(eol.encode())
    assert [line for line in new if line in old] == old
    assert b"SCHEDULE-AGENT" not in after
    for name in UNTOUCHED:
        ours = [line for line in new if line.startswith(name.encode())]
        assert ours == [line for line in old if line.startswith(name.encode())]


def test_the_location_can_be_left_alone() -> None:
    silent = editor(options=Options(location="never")).edit(DESCRIBED, TASK)
    assert b"\r\nLOCATION:Videomost\r\n" in silent.content
    assert edit(silent.content).found.bears


def test_a_newer_link_takes_the_place_of_the_older() -> None:
    for reach in ("everywhere", "links", "hidden"):
        old = edit(DESCRIBED, replace(TASK, details=OTHER), reach).content
        new = edit(old, replace(TASK, former=(OTHER.link, OTHER.conference_id)), reach).content
        assert OTHER.link.encode() not in b"".join(lines(new))
        assert new == edit(DESCRIBED, TASK, reach).content


def test_how_far_into_the_description_it_stands() -> None:
    below = editor(options=Options(position="bottom"))
    once = below.edit(stored("DESCRIPTION:Повестка"), TASK).content
    assert below.edit(once, TASK).found.passage is not None, "though it stands in LOCATION too"
    kept = editor(options=Options(position="bottom", location="never"))
    found = kept.edit(kept.edit(stored("DESCRIPTION:Повестка"), TASK).content, TASK).found.passage
    assert found is not None
    assert (is_cut("Пов", found), is_cut("Повестка", found)) == (True, False)


def test_the_organizers_language() -> None:
    english = edit(DESCRIBED, replace(TASK, language="en-GB")).content
    assert english != edit(DESCRIBED).content


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "no calendar"),
        (b"BEGIN:VCALENDAR\r\nBEGIN:VEVENT\r\n", "not closed"),
        (DESCRIBED.replace(b"UID:uid-1", b"UID:uid-12"), "UID"),
        (DESCRIBED.replace(b"Ivan@corp", b"petr@corp"), "organizer"),
        (DESCRIBED.replace(b"ORGANIZER", b"X-ORGANIZER"), "organizer"),
    ],
)
def test_what_is_not_his_event_is_left_alone(content: bytes, why: str) -> None:
    with pytest.raises(Unreadable, match=why):
        edit(content)


def test_an_alias_of_his_domain_is_his() -> None:
    assert edit(DESCRIBED.replace(b"corp.example", b"old.example")).found.changed
