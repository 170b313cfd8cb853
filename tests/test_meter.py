"""What is counted for Prometheus, in one process and in several."""

import fcntl
import logging
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from mailhook import door, journal
from mailhook.door import LastHour, Verb, Why
from mailhook.journal import Story
from mailhook.meter import Meter
from mailhook.metrics_folder import Events, forget_process
from mailhook.ports import Holdings, Load

IDLE = Load(clients=0, busy=0, idle=0, waiting=0, held_bytes=0, breaker="closed")
EMPTY = Holdings({}, {}, {}, 0)


@pytest.fixture(name="meter")
def _meter() -> Iterator[Meter]:
    meter = Meter("1.2.3")
    with meter.listening():
        yield meter


def told(meter: Meter, load: Load = IDLE, holdings: Holdings | None = EMPTY) -> list[str]:
    """The samples that are not zero."""
    meter.publish(load)
    lines = meter.exposition(holdings).decode().splitlines()
    return [line for line in lines if not line.startswith("#") and float(line.rpartition(" ")[2])]


def message(decision: str, reason: str, code: int, size: int = 0, **times: float) -> None:
    Story(decision=decision, reason=reason, code=code, size=size, times=times).tell()


def test_messages_are_counted_by_what_became_of_them(meter: Meter) -> None:
    message("pass", "ordinary", 250, 1000, relay=0.02)
    message("pass", "ordinary", 250, 500, relay=0.02)
    message("rewrite", "rewritten", 250, 2000, read=0.001, create=0.3, relay=0.02)
    message("defer", "provider-unavailable", 451)
    message("pass", "no-marker", 550)
    message("aborted", "", 0)
    samples = told(meter)
    counted = [line for line in samples if line.startswith("mailhook_messages_total")]
    assert sorted(counted) == [
        'mailhook_messages_total{decision="aborted",outcome="aborted",reason="none"} 1.0',
        'mailhook_messages_total{decision="defer",outcome="deferred",reason="provider-unavailable"} 1.0',
        'mailhook_messages_total{decision="pass",outcome="delivered",reason="ordinary"} 2.0',
        'mailhook_messages_total{decision="pass",outcome="refused",reason="no-marker"} 1.0',
        'mailhook_messages_total{decision="rewrite",outcome="delivered",reason="rewritten"} 1.0',
    ]
    assert "mailhook_message_bytes_total 3500.0" in samples
    assert 'mailhook_step_seconds_count{step="relay"} 3.0' in samples
    assert 'mailhook_step_seconds_bucket{le="0.01",step="relay"} 0.0' not in samples
    assert 'mailhook_step_seconds_bucket{le="0.025",step="relay"} 3.0' in samples
    assert 'mailhook_step_seconds_count{step="create"} 1.0' in samples
    assert "mailhook_invitation_seconds_count 3.0" in samples


def test_a_story_is_counted_once(meter: Meter) -> None:
    story = Story(decision="pass", reason="ordinary", code=250)
    story.tell()
    story.tell()
    assert any(line.endswith('reason="ordinary"} 1.0') for line in told(meter))


def test_a_sender_cannot_make_series(meter: Meter) -> None:
    """What a METHOD is called is his to say."""
    for method in ("reply", "counter", "abc", "привет", "x" * 500):
        message("pass", f"method-{method}", 250)
    reasons = re.findall(r'reason="(.*?)"', "\n".join(told(meter)))
    assert sorted(reasons) == ["method-counter", "method-other", "method-reply"]


def test_calls_and_warnings_are_counted(meter: Meter) -> None:
    journal.called("create", "ok", 0.2)
    journal.called("create", "failed", 11)
    journal.event("provider-down", error="503")
    journal.event("listening", port=25)
    samples = told(meter)
    assert 'mailhook_provider_calls_total{operation="create",outcome="ok"} 1.0' in samples
    assert 'mailhook_provider_calls_total{operation="create",outcome="failed"} 1.0' in samples
    assert 'mailhook_provider_call_seconds_bucket{le="10.0",operation="create"} 1.0' in samples
    assert 'mailhook_provider_call_seconds_bucket{le="20.0",operation="create"} 2.0' in samples
    assert [line for line in samples if "warnings" in line] == [
        'mailhook_warnings_total{event="provider-down"} 1.0'
    ]


def test_what_is_in_hand(meter: Meter) -> None:
    samples = told(meter, Load(clients=7, busy=3, idle=2, waiting=1, held_bytes=4096, breaker="open"))
    assert set(samples) >= {
        "mailhook_clients 7.0",
        'mailhook_nexthop_sessions{state="busy"} 3.0',
        'mailhook_nexthop_sessions{state="idle"} 2.0',
        "mailhook_nexthop_waiting 1.0",
        "mailhook_held_bytes 4096.0",
        'mailhook_provider_breakers{state="open"} 1.0',
        "mailhook_processes 1.0",
    }
    assert not any('{state="closed"}' in line for line in samples)


def test_what_the_store_holds(meter: Meter) -> None:
    holdings = Holdings({"announced": 3, "gone": 9}, {"conference": 2, "due": 1}, {"conference": 90.5}, 4)
    samples = told(meter, holdings=holdings)
    assert set(samples) >= {
        'mailhook_conferences{state="announced"} 3.0',
        'mailhook_conferences{state="gone"} 9.0',
        'mailhook_pending{kind="conference"} 2.0',
        'mailhook_pending{kind="due"} 1.0',
        'mailhook_pending_oldest_seconds{kind="conference"} 90.5',
        "mailhook_doubtful 4.0",
        "mailhook_store_readable 1.0",
        'mailhook_build_info{version="1.2.3"} 1.0',
    }


def test_a_store_that_cannot_be_read_says_so(meter: Meter) -> None:
    samples = meter.exposition(None).decode()
    assert "mailhook_store_readable 0.0" in samples
    assert "mailhook_conferences{" not in samples


def test_who_cannot_get_in_is_counted(meter: Meter) -> None:
    whys: tuple[Why, ...] = ("login", "login", "tls")
    for why in whys:
        door.turned_away(why)
    negatives: tuple[tuple[Verb, int], ...] = (("EHLO", 421), ("MAIL", 451), ("RCPT", 550), ("RCPT", 551))
    for verb, code in negatives:
        door.answered(verb, code)
    assert set(told(meter)) >= {
        'mailhook_clients_refused_total{why="login"} 2.0',
        'mailhook_clients_refused_last_hour{why="login"} 2.0',
        'mailhook_clients_refused_last_hour{why="tls"} 1.0',
        'mailhook_envelope_refusals_total{class="4xx",command="EHLO"} 1.0',
        'mailhook_envelope_refusals_total{class="4xx",command="MAIL"} 1.0',
        'mailhook_envelope_refusals_total{class="5xx",command="RCPT"} 2.0',
    }
    assert meter.refused_lately() == {"login": 2, "tls": 1}


def test_an_hour_passes() -> None:
    hour = LastHour()
    for now in (0.0, 59.0, 60.0, 3000.0):
        hour.note("limits", now)
    assert hour.counts(3599.0) == {"limits": 4}
    assert hour.counts(3600.0) == {"limits": 2}
    assert hour.counts(6599.0) == {"limits": 1}
    assert hour.counts(6600.0) == {}


@pytest.mark.parametrize("reachable", [None, True, False])
def test_a_next_hop_counts_as_reachable_until_it_is_not(meter: Meter, *, reachable: bool | None) -> None:
    samples = told(meter, replace(IDLE, reachable=reachable, certificates={"listener": -5.0}))
    assert ("mailhook_nexthop_reachable 1.0" in samples) is (reachable is not False)
    assert 'mailhook_certificate_expiry_seconds{side="listener"} -5.0' in samples


def test_nothing_is_counted_when_nobody_listens(meter: Meter) -> None:
    other = Meter("")
    with other.listening():
        message("pass", "ordinary", 250)
    message("pass", "ordinary", 250)
    assert sum("messages_total" in line and line.endswith(" 1.0") for line in told(other)) == 1
    assert sum("messages_total" in line and line.endswith(" 2.0") for line in told(meter)) == 1


# --- several processes ------------------------------------------------------------------------------------------

WORKER = """
import os, sys
from pathlib import Path
from mailhook import journal
from mailhook.journal import Story
from mailhook.meter import Meter
from mailhook.metrics_folder import forget_process
from mailhook.ports import Holdings, Load
meter = Meter("1.2.3")
with meter.listening():
    for _ in range(3):
        Story(decision="pass", reason="ordinary", code=250, size=100, times={"relay": 0.02}).tell()
    journal.called("create", "ok", 0.2)
    meter.publish(Load(clients=2, busy=1, idle=0, waiting=0, held_bytes=10, breaker=sys.argv[1]))
print("ready", flush=True)
for line in sys.stdin:
    if line.startswith("forget"):
        forget_process(Path(os.environ["PROMETHEUS_MULTIPROC_DIR"]), int(line.split()[1]))
    print(meter.exposition(Holdings({"announced": 5}, {}, {}, 0)).decode(), "END", sep="", flush=True)
"""


class Worker:
    def __init__(self, folder: Path, breaker: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-c", WORKER, breaker],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={
                **os.environ,
                "PROMETHEUS_MULTIPROC_DIR": str(folder),
                "PYTHONPATH": str(Path(__file__).parents[1]),
            },
        )
        self.pid = self._process.pid
        assert self._process.stdout is not None
        assert self._process.stdout.readline() == "ready\n"

    def ask(self, line: str = "samples") -> list[str]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{line}\n")
        self._process.stdin.flush()
        lines = iter(self._process.stdout.readline, "END\n")
        return [text.rstrip() for text in lines if not text.startswith("#")]

    def kill(self) -> None:
        self._process.kill()
        self._process.communicate()


def test_any_process_answers_for_all(tmp_path: Path) -> None:
    one, two = Worker(tmp_path, "closed"), Worker(tmp_path, "open")
    try:
        for worker in (one, two):
            samples = worker.ask()
            assert set(samples) >= {
                'mailhook_messages_total{decision="pass",outcome="delivered",reason="ordinary"} 6.0',
                "mailhook_message_bytes_total 600.0",
                'mailhook_step_seconds_count{step="relay"} 6.0',
                'mailhook_provider_calls_total{operation="create",outcome="ok"} 2.0',
                "mailhook_clients 4.0",
                "mailhook_held_bytes 20.0",
                "mailhook_processes 2.0",
                'mailhook_provider_breakers{state="open"} 1.0',
                'mailhook_provider_breakers{state="closed"} 1.0',
                'mailhook_conferences{state="announced"} 5.0',
            }
    finally:
        one.kill()
        two.kill()


def test_a_process_that_has_died_holds_nothing_and_has_counted(tmp_path: Path) -> None:
    one, two = Worker(tmp_path, "closed"), Worker(tmp_path, "open")
    two.kill()
    try:
        assert "mailhook_processes 2.0" in one.ask()
        samples = one.ask(f"forget {two.pid}")
    finally:
        one.kill()
    assert set(samples) >= {
        'mailhook_messages_total{decision="pass",outcome="delivered",reason="ordinary"} 6.0',
        "mailhook_clients 2.0",
        "mailhook_held_bytes 10.0",
        "mailhook_processes 1.0",
        'mailhook_provider_breakers{state="open"} 0.0',
    }


def test_what_processes_have_counted_is_folded_when_they_have_ended(tmp_path: Path) -> None:
    """However many have ended: their files do not add up, and no figure falls."""
    one = Worker(tmp_path, "closed")
    message = 'mailhook_messages_total{decision="pass",outcome="delivered",reason="ordinary"}'
    try:
        for number in range(2, 5):
            other = Worker(tmp_path, "open")
            other.kill()
            forget_process(tmp_path, other.pid)
            for _ in range(2):
                samples = one.ask()
                assert f"{message} {number * 3}.0" in samples
                assert f'mailhook_step_seconds_bucket{{le="0.025",step="relay"}} {number * 3}.0' in samples
                assert f'mailhook_step_seconds_count{{step="relay"}} {number * 3}.0' in samples
        kept = {file.name for file in tmp_path.glob("*.db")}
    finally:
        one.kill()
    own = {f"{kind}_{one.pid}.db" for kind in ("counter", "histogram", "gauge_livesum", "gauge_livemin")}
    assert kept == own | {"counter_ended.db", "histogram_ended.db"}


def test_who_answers_waits_for_no_process_that_stands_still(tmp_path: Path) -> None:
    one = Worker(tmp_path, "closed")
    try:
        with (tmp_path / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            assert "mailhook_processes 1.0" in one.ask()
    finally:
        one.kill()


def test_events_of_the_supervisor_are_counted_with_those_of_the_workers(tmp_path: Path) -> None:
    one = Worker(tmp_path, "closed")
    told = Events(tmp_path)
    try:
        for _ in range(2):
            told("worker-died", logging.ERROR)
        told("other", logging.WARNING)
        told("listening", logging.INFO)
        samples = one.ask()
    finally:
        one.kill()
    assert [
        line for line in samples if line.startswith("mailhook_warnings_total") and line[-3:] != "0.0"
    ] == [
        'mailhook_warnings_total{event="worker-died"} 2.0',
        'mailhook_warnings_total{event="other"} 1.0',
    ]
