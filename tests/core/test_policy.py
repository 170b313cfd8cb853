"""Who may act, and whether a conference is wanted."""

from dataclasses import replace
from datetime import timedelta
from ipaddress import ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailhook.core import itip, message
from mailhook.core.itip import Defaults, Invitation
from mailhook.core.policy import Envelope, OptedOut, Policy, Unwanted, Wanted, Wish, may_act, wish

POLICY = Policy(
    organizer_domains=("corp.example",),
    domain_aliases={"old.example": "corp.example"},
    trusted_senders=("noreply@cloud.example",),
    resource=("videomost@corp.example",),
)
ALWAYS = replace(POLICY, trigger="always")


def invitation(
    *rows: str, header: str = "", organizer: str = "ORGANIZER:mailto:ivan@corp.example"
) -> Invitation:
    """A REQUEST of one event: a guest, and `rows` beside what an event needs."""
    event = (
        "UID:1",
        "DTSTART:20270301T070000Z",
        "DTEND:20270301T080000Z",
        organizer,
        *(
            rows
            if any(row.startswith("ATTENDEE") for row in rows)
            else (*rows, "ATTENDEE:mailto:anna@partner.example")
        ),
    )
    calendar = "\r\n".join(
        ("BEGIN:VCALENDAR", "METHOD:REQUEST", "BEGIN:VEVENT", *event, "END:VEVENT", "END:VCALENDAR", "")
    )
    raw = f"From: ivan@corp.example\r\n{header}Content-Type: text/calendar; charset=utf-8\r\n\r\n{calendar}"
    read = itip.read(
        message.read(raw.encode()), Defaults("Europe/Moscow", timedelta(hours=1), POLICY.domain_aliases)
    )
    assert isinstance(read, Invitation)
    return read


# --- who may act ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("organizer", "sender", "reason"),
    [
        ("ORGANIZER:mailto:ivan@corp.example", "ivan@corp.example", ""),
        ("ORGANIZER:MAILTO:Ivan@Corp.Example", "ivan@corp.example", ""),
        ("ORGANIZER:mailto:ivan@old.example", "ivan@corp.example", ""),
        ("ORGANIZER:mailto:ivan@corp.example", "ivan@old.example", ""),
        ("ORGANIZER:mailto:ivan@corp.example", "noreply@cloud.example", ""),
        ("ORGANIZER:mailto:ivan@corp.example", "petr@corp.example", "untrusted-sender"),
        ("ORGANIZER:mailto:ivan@corp.example", "ivan@partner.example", "untrusted-sender"),
        ("ORGANIZER:mailto:ivan@corp.example", "", "untrusted-sender"),
        ('ORGANIZER;SENT-BY="mailto:Olga@corp.example":mailto:ivan@corp.example', "olga@corp.example", ""),
        ('ORGANIZER;SENT-BY="mailto:olga@old.example":mailto:ivan@corp.example', "olga@corp.example", ""),
        ('ORGANIZER;SENT-BY="mailto:eve@e.example":mailto:ivan@corp.example', "eve@e.example", "untrusted-sender"),
        ('ORGANIZER;SENT-BY="mailto:olga@corp.example":mailto:ivan@corp.example', "eve@e.example", "untrusted-sender"),
        ("ORGANIZER:mailto:anna@partner.example", "anna@partner.example", "foreign-organizer"),
        ("ORGANIZER:mailto:ivan@sub.corp.example", "ivan@sub.corp.example", "foreign-organizer"),
        ("ORGANIZER:mailto:ivan@corp.example.evil.example", "ivan@corp.example", "foreign-organizer"),
    ],
)  # fmt: skip
def test_envelope_sender(organizer: str, sender: str, reason: str) -> None:
    assert may_act(POLICY, invitation(organizer=organizer), Envelope(sender, "192.0.2.1")) == reason


@pytest.mark.parametrize(
    ("header", "reason"),
    [
        ("", ""),
        ("Sender: Ivan <ivan@corp.example>\r\n", ""),
        ("Sender: Olga <olga@corp.example>\r\n", ""),
        ("Sender: list@corp.example\r\n", "forwarded"),
    ],
)
def test_sender_header(header: str, reason: str) -> None:
    organizer = 'ORGANIZER;SENT-BY="mailto:olga@corp.example":mailto:ivan@corp.example'
    read = invitation(header=header, organizer=organizer)
    assert may_act(POLICY, read, Envelope("ivan@corp.example", "192.0.2.1")) == reason


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("192.0.2.7", ""),
        ("192.0.3.7", "untrusted-network"),
        ("::ffff:192.0.2.7", ""),
        ("2001:db8::25", ""),
        ("2001:db9::25", "untrusted-network"),
        ("mail.corp.example", "untrusted-network"),
        ("", "untrusted-network"),
    ],
)
def test_network(source: str, reason: str) -> None:
    policy = replace(POLICY, trusted_networks=(ip_network("192.0.2.0/24"), ip_network("2001:db8::/32")))
    assert may_act(policy, invitation(), Envelope("ivan@corp.example", source)) == reason


@given(st.text(max_size=40), st.text(max_size=40))
def test_nobody_else_may_act(sender: str, source: str) -> None:
    may = may_act(POLICY, invitation(), Envelope(sender, source))
    assert may or sender in {"ivan@corp.example", "ivan@old.example", "noreply@cloud.example"}


# --- whether a conference is wanted --------------------------------------------------------------------

MARKED: list[tuple[str, Wish]] = [
    ("LOCATION:Videomost", Wanted("keyword")),
    ("LOCATION:переговорная\\, ВИДЕОМОСТ", Wanted("keyword")),
    ("LOCATION:в Видеомосте", Unwanted("no-marker")),
    ("LOCATION:VideomostRoom", Unwanted("no-marker")),
    ("LOCATION:videomost_2", Unwanted("no-marker")),
    ("LOCATION:https://videomost.corp.example/service/join/?confid=1&confpass=2", Unwanted("no-marker")),
    ("SUMMARY:Videomost", Unwanted("no-marker")),
    ("SUMMARY:План #videomost", Wanted("tag")),
    ("DESCRIPTION:повестка\\n#VideoMost\\nвопросы", Wanted("tag")),
    ("DESCRIPTION:#videomosts", Unwanted("no-marker")),
    ("DESCRIPTION:our videomost page", Unwanted("no-marker")),
    ("ATTENDEE;CUTYPE=RESOURCE:mailto:Videomost@corp.example", Wanted("resource")),
    ("ATTENDEE:mailto:videomost@partner.example", Unwanted("no-marker")),
    ("X-VIDEOMOST-REQUIRED:TRUE", Wanted("property")),
    ("x-videomost-required: true", Wanted("property")),
    ("X-VIDEOMOST-REQUIRED:FALSE", Unwanted("no-marker")),
    ("CATEGORIES:Work,videomost", Wanted("category")),
    ("CATEGORIES:Videomost calls", Unwanted("no-marker")),
    ("LOCATION:room 5", Unwanted("no-marker")),
]


@pytest.mark.parametrize(("row", "expected"), MARKED)
def test_marker(row: str, expected: Wish) -> None:
    assert wish(POLICY, invitation(row)) == expected


@pytest.mark.parametrize(
    "row", ["SUMMARY:#novideomost", "DESCRIPTION:без связи #NoVideomost", "LOCATION:Videomost #novideomost"]
)
@pytest.mark.parametrize("policy", [POLICY, ALWAYS])
def test_opt_out_is_looked_at_first(policy: Policy, row: str) -> None:
    marked = invitation(row, "X-VIDEOMOST-REQUIRED:TRUE", "CATEGORIES:Videomost")
    assert wish(policy, marked) == OptedOut()


@pytest.mark.parametrize(
    ("row", "foreign"),
    [
        ("LOCATION:https://teams.microsoft.com/l/meetup-join/1", True),
        ("DESCRIPTION:Join: https://us02web.zoom.us/j/1?pwd=x", True),
        ("X-GOOGLE-CONFERENCE:https://meet.google.com/abc-defg-hij", True),
        ("CONFERENCE;VALUE=URI:https://telemost.yandex.ru/j/1", True),
        ("URL:HTTPS://TELEMOST.YANDEX.RU/j/1", True),
        ("DESCRIPTION:https://zoom.us", True),
        ("DESCRIPTION:https://zoom.us.", True),
        ("DESCRIPTION:we leave zoom.us behind", False),
        ("DESCRIPTION:https://zoom.us.evil.example/j/1", False),
        ("DESCRIPTION:https://notzoom.us/j/1", False),
        ("URL:https://wiki.corp.example/zoom.us", False),
    ],
)
def test_foreign_link(row: str, foreign: bool) -> None:
    expected = Unwanted("foreign-link") if foreign else Wanted("property")
    assert wish(POLICY, invitation(row, "X-VIDEOMOST-REQUIRED:TRUE")) == expected
    assert wish(ALWAYS, invitation(row)) == (Unwanted("foreign-link") if foreign else Wanted("always"))


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ((), Wanted("always")),
        (("ATTENDEE:mailto:ivan@corp.example",), Unwanted("no-attendee")),
        (("ATTENDEE;CUTYPE=ROOM:mailto:room5@corp.example",), Unwanted("no-attendee")),
        (("ATTENDEE;CUTYPE=resource:mailto:beamer@corp.example",), Unwanted("no-attendee")),
        (("ATTENDEE;CUTYPE=GROUP:mailto:all@corp.example",), Wanted("always")),
        (("TRANSP:TRANSPARENT",), Unwanted("transparent")),
        (("TRANSP:OPAQUE",), Wanted("always")),
        (("TRANSP:TRANSPARENT", "LOCATION:Videomost"), Wanted("keyword")),
    ],
)
def test_always(rows: tuple[str, ...], expected: Wish) -> None:
    assert wish(ALWAYS, invitation(*rows)) == expected


def test_the_organizer_under_an_alias_is_no_guest() -> None:
    alone = invitation("ATTENDEE:mailto:ivan@old.example", organizer="ORGANIZER:mailto:ivan@old.example")
    assert wish(ALWAYS, alone) == Unwanted("no-attendee")


def test_settings_let_all_day_and_transparent_events_in() -> None:
    read = invitation("TRANSP:TRANSPARENT")
    assert wish(replace(ALWAYS, transparent=True), read) == Wanted("always")
    event = replace(read.events[0], all_day=True, transparent=False)
    day = replace(read, events=(event,))
    assert wish(ALWAYS, day) == Unwanted("all-day")
    assert wish(replace(ALWAYS, all_day=True), day) == Wanted("always")
    assert wish(ALWAYS, replace(read, events=(event, replace(event, all_day=False)))) == Wanted("always")


@given(st.text(max_size=60))
def test_a_marker_survives_whatever_stands_around_it(text: str) -> None:
    read = invitation()
    event = replace(read.events[0], description=f"{text}\n#videomost\n", location="")
    found = wish(POLICY, replace(read, events=(event,)))
    assert isinstance(found, Wanted) or "http" in text or "#novideomost" in text.lower()
