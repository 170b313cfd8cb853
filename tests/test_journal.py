"""The log tells a message's story in one line, and gives nothing away."""

import io
import json
import logging
import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailhook import journal
from mailhook.journal import Story, event, masked, queue_id

LINK = "https://videomost.example.org/service/join/?confid=aaaa0001&confpass=4711"

Lines = Callable[[], list[str]]
Told = Callable[[], list[dict[str, object]]]


@pytest.fixture(autouse=True)
def restored() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:], root.level = handlers, level
    journal.on_step.clear()


@pytest.fixture
def lines() -> Lines:
    stream = io.StringIO()
    journal.setup("debug", "console", stream)
    return lambda: stream.getvalue().split("\n")[:-1]


@pytest.fixture
def told() -> Told:
    stream = io.StringIO()
    journal.setup("info", "json", stream)
    return lambda: [json.loads(line) for line in stream.getvalue().split("\n")[:-1]]


def _rewritten() -> Story:
    story = Story(
        client="10.0.0.5", ident="4Xy1", sender="boss@example.org", recipients=3, accepted=2, size=4096
    )
    story.step("inspect")
    story.step("read")
    story.about("uid-1", "boss@example.org", "REQUEST")
    story.step("relay")
    story.decision, story.reason = "rewrite", "keyword"
    story.rewritten(["text/plain", "DESCRIPTION"], "room-1")
    story.answered(250, "2.0.0 Ok: queued as 4Xy2")
    return story


def test_a_story_is_one_line(lines: Lines) -> None:
    _rewritten().tell()
    (line,) = lines()
    assert re.fullmatch(
        r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z info    message client=10\.0\.0\.5 ident=4Xy1 sender=boss@example\.org"
        r" recipients=3 accepted=2 size=4096 decision=rewrite reason=keyword"
        r" method=REQUEST organizer=boss@example\.org uid=uid-1 places=text/plain,DESCRIPTION conference=room-1"
        r" code=250 hop_ident=4Xy2 ms=[\d.]+"
        r" steps=inspect:[\d.]+,read:[\d.]+,relay:[\d.]+",
        line,
    )


def test_the_same_in_json(told: Told) -> None:
    _rewritten().tell()
    (line,) = told()
    assert line["event"] == "message"
    assert line["level"] == "info"
    assert line["places"] == ["text/plain", "DESCRIPTION"]
    assert line["hop_ident"] == "4Xy2"
    assert list(line["steps"]) == ["inspect", "read", "relay"]  # type: ignore[call-overload]
    assert "error" not in line


def test_a_story_is_told_once(told: Told) -> None:
    story = Story(sender="a@example.org")
    story.tell()
    story.tell()
    assert [line["sender"] for line in told()] == ["a@example.org"]


@pytest.mark.parametrize(
    ("code", "error", "level"), [(250, "", "info"), (451, "", "warning"), (250, "x", "warning")]
)
def test_what_went_wrong_is_a_warning(told: Told, code: int, error: str, level: str) -> None:
    Story(code=code, error=error).tell()
    assert [line["level"] for line in told()] == [level]


def test_a_step_that_is_entered_again_adds_up(monkeypatch: pytest.MonkeyPatch) -> None:
    ticks = iter(range(100))
    monkeypatch.setattr(journal, "perf_counter", lambda: float(next(ticks)))
    story = Story(_begun=0.0)
    for name in ("read", "create", "read"):
        story.step(name)
    story.tell()
    assert story.times == {"read": 2.0, "create": 1.0}


def test_steps_call_the_hooks_of_crash_tests() -> None:
    seen: list[str] = []
    journal.on_step.append(seen.append)
    Story().step("decide")
    journal.step("reserved")
    assert seen == ["decide", "reserved"]


@pytest.mark.parametrize(
    ("text", "ident"),
    [
        ("2.0.0 Ok: queued as 4Xy2Zz", "4Xy2Zz"),
        ("250 2.0.0 from MTA(smtp:[127.0.0.1]:10026): 250 2.0.0 Ok: queued as 3A.b-c", "3A.b-c"),
        ("OK id=1abcDE-0001-xy", "1abcDE-0001-xy"),
        ("Ok", ""),
    ],
)
def test_the_next_hops_queue_id(text: str, ident: str) -> None:
    assert queue_id(text) == ident


def test_events(told: Told) -> None:
    event("listener", host="127.0.0.1", port=10225)
    event("provider", error="connection refused")
    event("deletion-limit", level=logging.ERROR, uid="u")
    assert [(line["event"], line["level"]) for line in told()] == [
        ("listener", "info"),
        ("provider", "warning"),
        ("deletion-limit", "error"),
    ]


def test_the_level_decides(lines: Lines) -> None:
    journal.setup("warning", "console", io.StringIO())
    stream = io.StringIO()
    journal.setup("warning", "console", stream)
    event("quiet")
    event("loud", error="x")
    assert [line.split()[2] for line in stream.getvalue().splitlines()] == ["loud"]
    assert lines() == []


def test_fields_that_say_nothing_are_left_out(told: Told) -> None:
    event("odd", none=None, text="", names=(), count=0, ms=0.0)
    assert told()[0].keys() - {"time", "level", "logger", "event"} == {"ms"}


def test_libraries_do_not_log_every_command(lines: Lines) -> None:
    logging.getLogger("mail.log").info("EHLO")
    logging.getLogger("httpx").info("HTTP Request: PUT https://videomost.example.org")
    logging.getLogger("mail.log").warning("odd")
    assert [line.split(" ", 2)[2] for line in lines()] == ["mail.log: odd"]


# --- what must not be in a log ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        LINK,
        LINK.upper(),
        f"see {LINK}.",
        f'<a href="{LINK.replace("&", "&amp;")}">',
        "http://x/login?next=%2Fjoin%2F%3Fconfid%3Daaaa0001%26confpass%3D4711",
        "confid=aaaa0001&confpass=4711",
        "https://x/?confpass=4711&confid=aaaa0001",
        f"{LINK} and {LINK}",
    ],
)
def test_join_links_are_masked(text: str) -> None:
    assert "[join link]" in masked(text)
    assert not re.search("aaaa0001|4711", masked(text), re.IGNORECASE)


def test_other_links_are_not() -> None:
    text = "https://videomost.example.org/api/v1/conferences/abc and a conference"
    assert masked(text) == text


@pytest.mark.parametrize("style", ["console", "json"])
def test_join_links_are_masked_wherever_they_come_from(style: str) -> None:
    stream = io.StringIO()
    journal.setup("info", style, stream)  # type: ignore[arg-type]
    Story(error=LINK, sender=LINK, places=(LINK,)).tell()
    event("odd", where={LINK: [LINK]}, raw=LINK.encode(), fault=ValueError(LINK))
    logging.getLogger("library").warning("got %s", LINK)
    try:
        raise ValueError(f"cannot open {LINK}")
    except ValueError:
        logging.getLogger("library").exception("failed")
    assert "[join link]" in stream.getvalue()
    assert "cannot open" in stream.getvalue()
    assert not re.search("aaaa0001|4711", stream.getvalue())


def test_a_masked_link_is_not_cut_before_it_is_recognised(told: Told) -> None:
    event("odd", text="x" * (journal.LONGEST_VALUE - 30) + LINK)
    assert "aaaa0001" not in str(told()[0]["text"])


@pytest.mark.parametrize("style", ["console", "json"])
@given(text=st.text(st.characters(), min_size=1))
def test_a_value_cannot_begin_a_line(style: str, text: str) -> None:
    stream = io.StringIO()
    journal.setup("info", style, stream)  # type: ignore[arg-type]
    event("odd", text=f"a\r\n{text}")
    logging.getLogger("library").warning("%s", f"b\n{text}")
    output = stream.getvalue()
    assert output.count("\n") == 2
    assert all(character.isprintable() for character in output.replace("\n", ""))


def test_a_traceback_cannot_pretend_to_be_a_record(lines: Lines) -> None:
    try:
        raise ValueError("x\n2026-11-23T00:00:00.000Z info message\x1b[2J")
    except ValueError:
        logging.getLogger("library").exception("failed")
    first, *rest = lines()
    assert first.endswith("library: failed")
    assert rest
    assert all(line.startswith("    ") and line.isprintable() for line in rest)


def test_long_values_are_cut(told: Told) -> None:
    event("odd", text="x" * 100_000, raw=b"\xff" * 100_000)
    line = told()[0]
    assert line["text"] == "x" * journal.LONGEST_VALUE + "…"
    assert len(str(line["raw"])) == journal.LONGEST_VALUE + 1


def test_a_value_made_to_be_slow_is_not() -> None:
    stream = io.StringIO()
    journal.setup("info", "console", stream)
    event("odd", text="http://" * 1_000_000 + "confid=1")
    assert len(stream.getvalue()) < 1000


def test_values_with_blanks_are_quoted(lines: Lines) -> None:
    event("odd", error='say "no"', size=0, names=["a b", "c"])
    assert lines()[0].endswith(r'odd error="say \"no\"" names="a b,c"')


@pytest.mark.parametrize("style", ["console", "json"])
def test_the_journal_is_told_how_grave_each_line_is(
    style: Literal["console", "json"], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with (tmp_path / "journal").open("w+", encoding="utf-8") as stream:
        file = os.fstat(stream.fileno())
        monkeypatch.setenv("JOURNAL_STREAM", f"{file.st_dev}:{file.st_ino}")
        journal.setup("debug", style, stream)
        for level in (logging.DEBUG, logging.INFO, logging.WARNING, logging.ERROR):
            event("something", level=level)
        stream.seek(0)
        assert re.findall(r"^<(.)>", stream.read(), re.MULTILINE) == ["7", "6", "4", "3"]


def test_each_line_of_a_traceback_is_as_grave_as_its_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with (tmp_path / "journal").open("w+", encoding="utf-8") as stream:
        file = os.fstat(stream.fileno())
        monkeypatch.setenv("JOURNAL_STREAM", f"{file.st_dev}:{file.st_ino}")
        journal.setup("info", "console", stream)
        Story().failed(ValueError("no"))
        stream.seek(0)
        lines = stream.read().splitlines()
    assert len(lines) > 1
    assert all(line.startswith("<3>") for line in lines)


def test_nobody_else_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where standard error is not what systemd has opened, as behind a pipe."""
    monkeypatch.setenv("JOURNAL_STREAM", "1:2")
    with (tmp_path / "log").open("w+", encoding="utf-8") as stream:
        journal.setup("info", "console", stream)
        event("something")
        stream.seek(0)
        assert not stream.read().startswith("<")
