"""In which language an invitation is written, and what its templates learn of it."""

from pathlib import Path

import pytest

from mailhook.core import itip, message
from mailhook.core.conference import JoinDetails
from mailhook.core.itip import Invitation
from mailhook.core.policy import Envelope, Policy, defaults
from mailhook.core.wording import FILES, Block, Wording
from mailhook.journal import Story
from mailhook.phrasebook import read_templates, shipped
from mailhook.writer import Carriage, Manner, Writer
from tests.relay.mails import ANNA, BORIS, IVAN, Event, invitation

POLICY = Policy(organizer_domains=("corp.example",))
SHIPPED = read_templates(shipped("templates"))
GERMAN = {
    f"de/{file}": SHIPPED[f"en/{file}"].replace("Videomost conference", "Konferenz")
    for file in FILES.values()
}
NAMES = {"Конференция в Videomost": "ru", "Videomost conference": "en", "Konferenz in Videomost": "de"}
DETAILS = JoinDetails("1", "https://vm.example/service/join/?confid=1&confpass=2")


def block(
    content: bytes,
    recipients: tuple[str, ...] = (ANNA,),
    sources: dict[str, str] | None = None,
    **manner: object,
) -> Block:
    found = itip.read(message.read(content), defaults(POLICY))
    assert isinstance(found, Invitation)
    wording = Wording(SHIPPED | (sources or {}), str(manner.get("language", "ru")))
    return Writer(POLICY, lambda: wording, Manner(**manner)).block(found, DETAILS, recipients)  # type: ignore[arg-type]


def spoken(organizer: str, attendee: str, recipients: tuple[str, ...], **manner: object) -> str:
    """The language of the block, where the calendar user's LANGUAGE is as given, "" for none."""
    content = invitation(Event(attendees=(ANNA, BORIS)))
    if organizer:
        content = content.replace(b"ORGANIZER:", f"ORGANIZER;LANGUAGE={organizer}:".encode())
    if attendee:
        told = f"ATTENDEE;LANGUAGE={attendee};CUTYPE=INDIVIDUAL:mailto:{ANNA}".encode()
        content = content.replace(f"ATTENDEE;CUTYPE=INDIVIDUAL:mailto:{ANNA}".encode(), told)
    german = {name: text.replace("Konferenz", "Konferenz in Videomost") for name, text in GERMAN.items()}
    return NAMES[block(content, recipients, german, **manner).text.partition("\n")[0]]


ENGLISH_PARTNER = {"languages": (("partner.example", "en"),)}


@pytest.mark.parametrize(
    ("organizer", "attendee", "recipients", "manner", "language"),
    [
        # A sole recipient's own comes first.
        ("ru", "en", (ANNA,), {}, "en"),
        ("", "en-GB", (ANNA,), {}, "en"),
        ("", "EN_us", (ANNA,), {}, "en"),
        ("en", "ru", (ANNA,), ENGLISH_PARTNER, "ru"),
        ("ru", "de", (ANNA,), {}, "de"),
        # Of several recipients none is asked.
        ("ru", "en", (ANNA, BORIS), {}, "ru"),
        ("", "en", (ANNA, BORIS), {}, "ru"),
        # Then the organizer's.
        ("en", "", (ANNA,), {}, "en"),
        ("en", "", (ANNA, BORIS), {}, "en"),
        ("en", "de", (BORIS,), {}, "en"),
        ("ru", "", (ANNA,), ENGLISH_PARTNER, "ru"),
        # Then that of the recipient's domain.
        ("", "", (ANNA,), ENGLISH_PARTNER, "en"),
        ("", "", (ANNA, BORIS), ENGLISH_PARTNER, "en"),
        ("", "", (ANNA, "carol@third.example"), ENGLISH_PARTNER, "ru"),
        ("", "", ("carol@third.example",), ENGLISH_PARTNER, "ru"),
        # Then the setting.
        ("", "", (ANNA,), {}, "ru"),
        ("", "", (ANNA,), {"language": "en"}, "en"),
        ("", "", (), {"language": "de"}, "de"),
        # What there are no templates for counts as not told.
        ("en", "fr", (ANNA,), {}, "en"),
        ("fr", "fr", (ANNA,), ENGLISH_PARTNER, "en"),
        ("fr", "fr-CA", (ANNA,), {}, "ru"),
        ("", "../en", (ANNA,), {}, "ru"),
    ],
)
def test_the_language(
    organizer: str, attendee: str, recipients: tuple[str, ...], manner: dict[str, object], language: str
) -> None:
    assert spoken(organizer, attendee, recipients, **manner) == language


def test_the_region_of_a_tag_says_how_dates_are_written() -> None:
    shows = {"en/body.txt.j2": "{{ start | date('short') }}"}
    for tag, date in (("en", "11/30/26"), ("en-GB", "30/11/2026"), ("en-AU", "30/11/26")):
        content = invitation(Event()).replace(b"ORGANIZER:", f"ORGANIZER;LANGUAGE={tag}:".encode())
        assert block(content, sources=shows).text == date


WHEN = "{{ when }}\n{{ duration }}\n{{ timezone }}\n{{ 'yes' if repeats else 'no' }}"
ZONE = (
    "BEGIN:VTIMEZONE\r\nTZID:Ours\r\nBEGIN:STANDARD\r\nDTSTART:19700101T000000\r\nTZOFFSETFROM:+0400\r\n"
    "TZOFFSETTO:+0430\r\nEND:STANDARD\r\nEND:VTIMEZONE\r\nBEGIN:VEVENT"
)


@pytest.mark.parametrize(
    ("start", "end", "extra", "told"),
    [
        (
            *("DTSTART:20261130T060000Z", "DTEND:20261130T070000Z", ""),
            ["понедельник, 30 ноября 2026 г., 09:00 – 10:00 (Москва, UTC+3)", "1 час", "Москва, UTC+3", "no"],
        ),
        (
            *(
                "DTSTART;TZID=Asia/Omsk:20261130T060000",
                "DTEND;TZID=Asia/Omsk:20261130T080000",
                "RRULE:FREQ=DAILY",
            ),
            ["понедельник, 30 ноября 2026 г., 06:00 – 08:00 (Омск, UTC+6)", "2 часа", "Омск, UTC+6", "yes"],
        ),
        (
            *("DTSTART;TZID=Ours:20261130T060000", "DTEND;TZID=Ours:20261130T063000", ""),
            ["понедельник, 30 ноября 2026 г., 06:00 – 06:30 (UTC+4:30)", "30 минут", "UTC+4:30", "no"],
        ),
        (
            *("DTSTART;VALUE=DATE:20261130", "DTEND;VALUE=DATE:20261202", ""),
            ["понедельник, 30 ноября 2026 г. – вторник, 1 декабря 2026 г.", "2 дня", "", "no"],
        ),
        (*("DTSTART:nonsense", "X-NOTHING:1", ""), ["", "", "", "no"]),
        (*("DTSTART;TZID=Asia/Omsk:99991231T235900", "DURATION:P1D", ""), ["", "", "", "no"]),
    ],
)
def test_when_the_meeting_is(start: str, end: str, extra: str, told: list[str]) -> None:
    content = invitation(Event()).decode()
    content = content.replace("DTSTART:20261130T003000Z", start).replace("DTEND:20261130T013000Z", end)
    content = content.replace("SEQUENCE:0", f"SEQUENCE:0\r\n{extra}" if extra else "SEQUENCE:0")
    content = content.replace("BEGIN:VEVENT", ZONE)
    assert start in content
    assert end in content
    assert block(content.encode(), sources={"ru/body.txt.j2": WHEN}).text.split("\n") == "\n".join(
        told
    ).strip("\n").split("\n")


def test_the_series_is_told_of_and_not_its_exception() -> None:
    content = invitation(Event()).decode()
    exception = (
        "BEGIN:VEVENT\r\nUID:meeting-1@corp.example\r\nRECURRENCE-ID:20261207T003000Z\r\nSUMMARY:Other\r\n"
    )
    exception += f"DTSTART:20261207T103000Z\r\nORGANIZER:mailto:{IVAN}\r\nEND:VEVENT\r\nBEGIN:VEVENT"
    shows = {"ru/body.txt.j2": "{{ topic }}, {{ start | date('short') }}"}
    assert (
        block(content.replace("BEGIN:VEVENT", exception).encode(), sources=shows).text == "Бюджет, 30.11.2026"
    )


def test_a_title_is_one_short_line_without_what_is_not_seen() -> None:
    title = "Plan\\n" + "-- \\n\u202egnp.exe" + "x" * 100_000
    shows = {"ru/body.txt.j2": "{{ topic }}"}
    text = block(invitation(Event(summary=title)), sources=shows).text
    assert text.startswith("Plan -- gnp.exexxx")
    assert (len(text), "\n" in text) == (250, False)


def test_every_shipped_folder_is_a_language_or_the_demos() -> None:
    folders = {path.name for path in shipped("templates").iterdir() if path.is_dir()}
    assert folders == {"ru", "en", "demo"}
    assert Path(shipped("templates") / "ru" / "body.txt.j2").is_file()


@pytest.mark.parametrize(("line", "reason"), [("..", "rewritten"), (".", "no-place")])
def test_a_template_cannot_put_a_lone_dot_between_bare_line_ends(line: str, reason: str) -> None:
    """docs/security.md: what the listener refuses, we do not make ourselves."""
    head, _, body = invitation(Event(attendees=(ANNA,))).partition(b"\r\n\r\n")
    content = head + b"\r\n\r\n" + body.replace(b"\r\n", b"\n")
    parsed = message.read(content)
    found = itip.read(parsed, defaults(POLICY))
    assert isinstance(found, Invitation)
    source = {"ru/body.txt.j2": f"{line}\n{{{{ link }}}}\n{line}\n"}
    writer = Writer(POLICY, lambda: Wording(SHIPPED | source, "ru"), Manner())
    envelope = Envelope(IVAN, "192.0.2.1", (ANNA,))
    verdict = writer.rewritten(parsed, found, DETAILS, envelope, Carriage(True, None), Story())
    assert verdict.reason == reason
