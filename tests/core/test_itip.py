"""What an invitation says, as far as mailhook acts on it."""

import contextlib
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailhook.core import itip, message
from mailhook.core.conference import Person
from mailhook.core.itip import MAX_EVENTS, Invitation, NotOurs, canonical
from mailhook.core.meeting import MASTER, Attendee, MeetingKey
from mailhook.core.order import Stamp
from mailhook.core.recurrence import Occurrence, first
from mailhook.core.timing import MAX_DATES
from mailhook.errors import Unreadable
from tests.core.invitations import DEFAULTS, at, invitation, mail, read

DATA = Path(__file__).parent / "data"
EVENT = "DTSTART:20270301T070000Z"


def from_file(name: str) -> Invitation | NotOurs:
    return read((DATA / name).read_bytes())


@pytest.mark.parametrize(
    ("name", "method", "start", "zone", "attendees", "summary"),
    [
        (
            "sogo-create",
            "REQUEST",
            "2026-12-28 07:00",
            "Europe/Moscow",
            "anna boris petr",
            "Обсуждение бюджета",
        ),
        (
            "sogo-cancel",
            "CANCEL",
            "2026-12-28 11:30",
            "Europe/Moscow",
            "anna dmitry petr",
            "Обсуждение бюджета",
        ),
        ("sogo-location-keyword", "REQUEST", "2027-01-01 07:00", "Europe/Moscow", "anna petr", "Демо"),
        ("sogo-en-series", "REQUEST", "2027-01-05 09:00", "Europe/Moscow", "anna petr", "Еженедельная"),
        ("sogo-rich-properties", "REQUEST", "2027-01-05 07:00", "Europe/Moscow", "anna", "Событие с ALTREP"),
        ("nodemailer-request", "REQUEST", "2026-12-28 07:00", "UTC", "anna sidorov", "Собеседование"),
    ],
)
def test_real_messages(name: str, method: str, start: str, zone: str, attendees: str, summary: str) -> None:
    found = from_file(f"{name}.eml")
    assert isinstance(found, Invitation)
    component = found.events[0].component
    assert component.schedule is not None
    assert (found.method, found.key.organizer) == (method, "ivan@corp.example")
    assert first(component.schedule) == Occurrence(at(start), at(start) + timedelta(hours=1))
    assert component.schedule.zone == zone
    people = sorted(attendee.person.address.partition("@")[0] for attendee in component.attendees)
    assert " ".join(people) == attendees
    assert summary in component.summary


def test_a_real_reply_is_not_ours() -> None:
    assert from_file("sogo-reply.eml") == NotOurs("method-reply")


@pytest.mark.parametrize("name", sorted(path.name for path in DATA.glob("*.eml")))
def test_a_cut_message_is_read_or_refused(name: str) -> None:
    raw = (DATA / name).read_bytes()
    for end in range(0, len(raw), 97):
        with contextlib.suppress(Unreadable):
            assert isinstance(read(raw[:end]), Invitation | NotOurs)


def test_everything_of_an_event() -> None:
    found = invitation(
        """
        ORGANIZER;CN="Иванов, Иван";LANGUAGE=ru;SENT-BY="mailto:Olga@corp.example":MAILTO:Ivan@old.example
        DTSTAMP:20270201T100000Z
        LAST-MODIFIED:20270201T110000Z
        SEQUENCE:3
        DTSTART:20270301T070000Z
        DTEND:20270301T083000Z
        SUMMARY:Бюджет\\, план
        LOCATION:room 5\\; third floor
        DESCRIPTION:one\\ntwo
        CATEGORIES:Work,Video
        CATEGORIES:Videomost
        TRANSP:TRANSPARENT
        URL:https://wiki.corp.example/
        CONFERENCE;VALUE=URI:https://meet.google.com/x
        X-GOOGLE-CONFERENCE:https://meet.google.com/y
        X-VIDEOMOST-REQUIRED:TRUE
        ATTENDEE;CN=Anna;LANGUAGE=en-US:mailto:Anna@Partner.Example
        ATTENDEE;CUTYPE=room:mailto:room5@corp.example
        ATTENDEE;EMAIL=boris@partner.example:urn:uuid:1
        ATTENDEE:mailto:anna@partner.example
        ATTENDEE:invalid:nomail
        """,
        date="Mon, 1 Feb 2027 13:00:05 +0300",
    )
    event = found.events[0]
    component = event.component
    assert found.key == MeetingKey("ivan@corp.example", "uid-1")
    assert found.organizer == Person("ivan@old.example", "Иванов, Иван")
    assert (found.sent_by, found.forwarded, found.cancels) == ("olga@corp.example", False, False)
    assert found.languages == {"ivan@corp.example": "ru", "anna@partner.example": "en-US"}
    sent = at("2027-02-01 10:00") + timedelta(seconds=5)
    assert component.stamp == Stamp(3, at("2027-02-01 10:00"), at("2027-02-01 11:00"), sent)
    assert (component.key, component.summary, component.cancelled) == (MASTER, "Бюджет, план", False)
    assert component.attendees == (
        Attendee(Person("anna@partner.example")),
        Attendee(Person("room5@corp.example"), "ROOM"),
        Attendee(Person("boris@partner.example")),
    )
    assert (event.location, event.description) == ("room 5; third floor", "one\ntwo")
    assert event.categories == ("Work", "Video", "Videomost")
    assert event.properties["X-VIDEOMOST-REQUIRED"] == "TRUE"
    assert event.links == (
        "https://wiki.corp.example/",
        "https://meet.google.com/x",
        "https://meet.google.com/y",
    )
    assert (event.transparent, event.all_day) == (True, False)


@pytest.mark.parametrize(
    ("sequence", "number"), [("SEQUENCE:7", 7), ("SEQUENCE:-1", 0), ("SEQUENCE:x", 0), ("X-A:1", 0)]
)
def test_sequence(sequence: str, number: int) -> None:
    assert invitation(f"{EVENT}\n{sequence}").events[0].component.stamp.sequence == number


@pytest.mark.parametrize(
    ("method", "statuses", "cancels"),
    [
        ("REQUEST", ("CONFIRMED",), False),
        ("REQUEST", ("CANCELLED",), True),
        ("REQUEST", ("cancelled",), True),
        ("CANCEL", ("CONFIRMED",), True),
        ("ADD", ("CONFIRMED",), False),
        ("REQUEST", ("CONFIRMED", "CANCELLED"), False),
        ("REQUEST", ("CANCELLED", "CONFIRMED"), True),
    ],
)
def test_what_counts_as_a_cancel(method: str, statuses: tuple[str, ...], cancels: bool) -> None:
    events = [f"{EVENT}\nSTATUS:{status}" for status in statuses]
    overrides = [f"{event}\nRECURRENCE-ID:2027030{n}T070000Z" for n, event in enumerate(events[1:], 1)]
    assert invitation(events[0], *overrides, method=method).cancels is cancels


def test_a_cancelled_instance_alone_counts_as_a_cancel() -> None:
    assert invitation(f"{EVENT}\nRECURRENCE-ID:20270301T070000Z\nSTATUS:CANCELLED").cancels


def test_of_too_many_events_the_rest_is_not_looked_at() -> None:
    found = invitation(*[EVENT] * (MAX_EVENTS + 1))
    assert len(found.events) == MAX_EVENTS


def test_several_masters_share_the_bound_of_dates() -> None:
    days = ",".join(f"2027{month:02}{day:02}T070000Z" for month in range(1, 11) for day in range(1, 29))
    series = f"{EVENT}\nRRULE:FREQ=DAILY\n" + f"EXDATE:{days}\nEXDATE:{days.replace('2027', '2028')}"
    for masters in (1, 2, 10):
        schedules = [event.component.schedule for event in invitation(*[series] * masters).events]
        assert sum(len(each.exdates) for each in schedules if each) <= MAX_DATES


def test_what_add_brings_is_never_the_series() -> None:
    found = invitation("DTSTART;TZID=Europe/Moscow:20270301T100000", method="ADD")
    assert [event.component.key for event in found.events] == ["20270301T070000Z"]


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (b"Subject: x\r\n\r\ntext", "no-calendar"),
        (mail(EVENT, method="REPLY"), "method-reply"),
        (mail(EVENT, method="PUBLISH"), "method-publish"),
        (mail(EVENT, method=""), "no-method"),
        (mail(), "no-event"),
        (mail(EVENT, header="X-Mailhook-Conference: 1\r\n"), "marker-header"),
        (mail(f"{EVENT}\nUID:other").replace(b"UID:uid-1\r\n", b""), ""),
        (mail(EVENT).replace(b"UID:uid-1\r\n", b""), "not-one-uid"),
        (mail(EVENT, EVENT).replace(b"UID:uid-1", b"UID:uid-2", 1), "not-one-uid"),
        (mail(f"ORGANIZER:urn:uuid:1\n{EVENT}"), "not-one-organizer"),
        (mail(EVENT, f"ORGANIZER:mailto:petr@corp.example\n{EVENT}"), "not-one-organizer"),
        (mail(EVENT).replace(b"ORGANIZER", b"X-ORGANIZER"), "not-one-organizer"),
    ],
)
def test_not_ours(raw: bytes, reason: str) -> None:
    found = read(raw)
    assert (found.reason if isinstance(found, NotOurs) else "") == reason


@pytest.mark.parametrize(
    ("sender", "forwarded"),
    [("", False), ("Sender: <Ivan@corp.example>\r\n", False), ("Sender: list@corp.example\r\n", True)],
)
def test_forwarded(sender: str, forwarded: bool) -> None:
    assert invitation(EVENT, header=sender).forwarded is forwarded


@pytest.mark.parametrize("charset", ["windows-1251", "koi8-r", "utf-8"])
def test_the_charset_of_the_part_counts(charset: str) -> None:
    raw = mail(f"{EVENT}\nSUMMARY:Бюджет").decode().replace("utf-8", charset).encode(charset)
    found = read(raw)
    assert isinstance(found, Invitation)
    assert found.events[0].component.summary == "Бюджет"


def test_the_first_readable_calendar_counts() -> None:
    broken = b"Content-Type: text/calendar\r\n\r\nBEGIN:VCALENDAR\r\nBEGIN:VEVENT\r\n"
    whole = mail(EVENT).partition(b"\r\n")[2]
    head = b"From: ivan@corp.example\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n"
    attached = whole.replace(b"text/calendar", b"application/ics")
    assert isinstance(read(head + broken + b"\r\n--b\r\n" + attached + b"\r\n--b--\r\n"), Invitation)
    with pytest.raises(Unreadable):
        read(head + broken + b"\r\n--b--\r\n")


@pytest.mark.parametrize(
    ("address", "resolved"),
    [
        ("ivan@old.example", "ivan@corp.example"),
        ("ivan@corp.example", "ivan@corp.example"),
        ("ivan@sub.old.example", "ivan@sub.old.example"),
        ("", ""),
        ("old.example", "corp.example"),
    ],
)
def test_canonical(address: str, resolved: str) -> None:
    assert canonical(address, DEFAULTS.domain_aliases) == resolved


@given(st.binary(max_size=400))
def test_arbitrary_bytes(raw: bytes) -> None:
    with contextlib.suppress(Unreadable):
        read(raw)


NAMES = st.sampled_from(
    (
        *(
            "DTSTART",
            "DTEND",
            "DURATION",
            "RRULE",
            "EXDATE",
            "RDATE",
            "RECURRENCE-ID",
            "ORGANIZER",
            "ATTENDEE",
        ),
        *("SEQUENCE", "DTSTAMP", "UID", "SUMMARY", "STATUS", "TRANSP", "CATEGORIES", "X-A", "BEGIN", "END"),
        *("DTSTART;TZID=Europe/Berlin", "EXDATE;VALUE=DATE", "DTEND;TZID=X"),
    )
)
VALUES = st.one_of(
    st.text(max_size=30),
    st.sampled_from(["20270301T070000Z", "20270301", "99991231T235959", "00010101T000000", "PT1H", "-P9W", "VALARM"]),
    st.from_regex(r"FREQ=[A-Z]+;[A-Z]+=[-0-9A-Z,]+", fullmatch=True),
)  # fmt: skip


@given(st.lists(st.tuples(NAMES, VALUES), max_size=12), st.text(max_size=12))
def test_arbitrary_events(properties: list[tuple[str, str]], method: str) -> None:
    text = "\n".join(f"{name}:{' '.join(value.split())}" for name, value in properties)
    try:
        found = itip.read(message.read(mail(text, method=method or "REQUEST")), DEFAULTS)
    except Unreadable:
        return
    if isinstance(found, Invitation):
        assert all(event.component.instance is not None for event in found.events if event.component.key)


def test_what_is_more_than_is_looked_at_is_named() -> None:
    people = "\n".join(f"ATTENDEE:mailto:guest{number}@partner.example" for number in range(1001))
    days = ",".join(["20270301T070000Z"] * 1001)
    start = "DTSTART:20270301T070000Z"
    assert invitation(start).beyond == ()
    assert invitation(f"{start}\n{people}\nEXDATE:{days}").beyond == ("ATTENDEE", "EXDATE")
    overrides = [f"{start}\nRECURRENCE-ID:{20270301 + day % 28}T07{day % 60:02}00Z" for day in range(201)]
    assert invitation(*overrides).beyond == ("VEVENT",)
