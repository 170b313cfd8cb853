"""Dates, times and lengths as people write them."""

from datetime import UTC, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest
from babel import Locale
from hypothesis import given
from hypothesis import strategies as st

from mailhook.core.dates import NAMES, Timing, locale, values

MOSCOW = ZoneInfo("Europe/Moscow")
START = datetime(2026, 3, 10, 12, 0, tzinfo=MOSCOW)


def told(language: str, timing: Timing | None) -> dict[str, str]:
    rules = locale(language)
    assert rules is not None
    return {name: str(value) for name, value in values(timing, rules).items()}


def lasting(length: timedelta, start: datetime = START, zone: str = "Europe/Moscow") -> Timing:
    return Timing(start, (start.astimezone(UTC) + length).astimezone(start.tzinfo), zone)


@pytest.mark.parametrize(
    ("language", "when"),
    [
        ("ru", "вторник, 10 марта 2026 г., 12:00 – 13:30 (Москва, UTC+3)"),
        ("en", "Tuesday, March 10, 2026, 12:00 PM – 1:30 PM (Moscow, UTC+3)"),
        ("en-GB", "Tuesday, 10 March 2026, 12:00 – 13:30 (Moscow, UTC+3)"),
        ("de", "Dienstag, 10. März 2026, 12:00 – 13:30 (Moskau, UTC+3)"),
        ("kk", "2026 ж. 10 наурыз, сейсенбі, 12:00 – 13:30 (Мәскеу, UTC+3)"),
    ],
)
def test_when(language: str, when: str) -> None:
    assert told(language, lasting(timedelta(minutes=90)))["when"] == when


def test_a_meeting_over_midnight_names_both_days() -> None:
    until = "вторник, 10 марта 2026 г., 12:00 – среда, 11 марта 2026 г., 13:00 (Москва, UTC+3)"
    assert told("ru", lasting(timedelta(hours=25)))["when"] == until


@pytest.mark.parametrize(
    ("days", "when"),
    [
        (0, "вторник, 10 марта 2026 г."),
        (1, "вторник, 10 марта 2026 г."),
        (3, "вторник, 10 марта 2026 г. – четверг, 12 марта 2026 г."),
    ],
)
def test_whole_days_have_neither_hour_nor_zone(days: int, when: str) -> None:
    start = datetime(2026, 3, 10, tzinfo=UTC)
    found = told("ru", Timing(start, start + timedelta(days=days), all_day=True))
    assert (found["when"], found["timezone"]) == (when, "")


@pytest.mark.parametrize(
    ("minutes", "russian", "english"),
    [
        (1, "1 минута", "1 minute"),
        (2, "2 минуты", "2 minutes"),
        (5, "5 минут", "5 minutes"),
        (21, "21 минута", "21 minutes"),
        (60, "1 час", "1 hour"),
        (120, "2 часа", "2 hours"),
        (300, "5 часов", "5 hours"),
        (1260, "21 час", "21 hours"),
        (90, "1 час 30 минут", "1 hour, 30 minutes"),
        (1440, "1 день", "1 day"),
        (4 * 1440, "4 дня", "4 days"),
        (11 * 1440 + 61, "11 дней 1 час 1 минута", "11 days, 1 hour, 1 minute"),
        (0, "", ""),
    ],
)
def test_lengths(minutes: int, russian: str, english: str) -> None:
    found = lasting(timedelta(minutes=minutes))
    assert (told("ru", found)["duration"], told("en", found)["duration"]) == (russian, english)


def test_a_length_is_true_when_the_clock_is_changed_meanwhile() -> None:
    """Berlin, 29 March 2026: from 01:30 to 03:30 it is one hour."""
    berlin = ZoneInfo("Europe/Berlin")
    start, end = (datetime(2026, 3, 29, hour, 30, tzinfo=berlin) for hour in (1, 3))
    found = told("en-GB", Timing(start, end, "Europe/Berlin"))
    assert found["duration"] == "1 hour"
    assert found["when"] == "Sunday, 29 March 2026, 01:30 – 03:30 (Berlin, UTC+1)"


@pytest.mark.parametrize(
    ("place", "zone", "name"),
    [
        (MOSCOW, "Europe/Moscow", "Москва, UTC+3"),
        (ZoneInfo("Asia/Yekaterinburg"), "Asia/Yekaterinburg", "Екатеринбург, UTC+5"),
        (ZoneInfo("Asia/Kolkata"), "Asia/Kolkata", "Kolkata, UTC+5:30"),
        (ZoneInfo("America/St_Johns"), "America/St_Johns", "Сент-Джонс, UTC-2:30"),
        (ZoneInfo("Etc/GMT-3"), "Etc/GMT-3", "UTC+3"),
        (UTC, "UTC", "UTC"),
        (timezone(timedelta(hours=4)), "", "UTC+4"),
    ],
)
def test_zones(place: ZoneInfo, zone: str, name: str) -> None:
    assert (
        told("ru", lasting(timedelta(hours=1), datetime(2026, 7, 1, 9, 0, tzinfo=place), zone))["timezone"]
        == name
    )


def test_what_is_not_known_is_empty() -> None:
    assert told("ru", None) == dict.fromkeys(NAMES, "")


@pytest.mark.parametrize(
    ("tag", "name"),
    [
        ("ru", "ru"),
        ("EN_us", "en_US"),
        ("en-GB", "en_GB"),
        ("zh-Hant-TW", "zh_Hant_TW"),
        ("de-XY", "de"),
        ("xx", ""),
        ("", ""),
        ("../../etc/passwd", ""),
        ("en\x00", ""),
        ("a" * 5000, ""),
    ],
)
def test_languages(tag: str, name: str) -> None:
    found = locale(tag)
    assert (str(found) if found else "") == name


@given(st.text(max_size=40))
def test_no_tag_does_harm(tag: str) -> None:
    found = locale(tag)
    assert found is None or isinstance(found, Locale)
