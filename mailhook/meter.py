"""What a monitoring server is told: counters, histograms and gauges for Prometheus.

What: a `Meter` listens to the journal, so that whatever has its line in the log is counted, and is set to the present
`Load` now and then; `exposition` writes it all down, with what the store holds. If PROMETHEUS_MULTIPROC_DIR names a
folder when this module is first imported, the figures of all processes that share it are in the answer of each; who
starts them empties that folder before, and calls `metrics_folder.forget_process` for each that has ended. What such a
process has counted is folded into one file by the next that answers, so that files do not add up.

Not here: serving it (`front.http`), when the gauges are set (`monitoring`), what the metrics mean (docs/monitoring.md).

Errors: none.
"""

import logging
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from time import monotonic
from typing import Literal

from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    disable_created_metrics,
    generate_latest,
    values,
)
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from mailhook import door, journal
from mailhook.core.conference import State
from mailhook.core.pending import Pending
from mailhook.door import WHYS, LastHour, Verb, Why
from mailhook.journal import Story
from mailhook.many_processes import AllProcesses
from mailhook.metrics_folder import VARIABLE
from mailhook.ports import AMISS, BreakerState, Holdings, Load

STEP_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 60, 300)
CALL_SECONDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 60)
PENDING = (*(kind.value for kind in Pending), "due")
Across = Literal["livesum", "livemin"]
"""What becomes of the gauges of several processes."""
STATES = tuple(state.value for state in State)
OUTCOMES = {2: "delivered", 4: "deferred", 5: "refused"}
BREAKER_STATES: tuple[BreakerState, ...] = ("closed", "open", "probing")
# A series that begins with its first count has not risen, as far as Prometheus knows: what alerts wait for begins at 0.
AWAITED_MESSAGES = (
    *(("delivered", "pass", reason) for reason in AMISS),
    *(("deferred", "defer", reason) for reason in ("provider-unavailable", "busy")),
)
AWAITED_CALLS = tuple(
    (operation, "misconfigured") for operation in ("create", "update", "delete", "find", "ping")
)
AWAITED_EVENTS = (
    *("deletion-limit", "worker-died", "provider-down", "decisions-lost", "http-unavailable"),
    *("settings-kept", "sandbox-died"),
)
AWAITED_ANSWERS = tuple((verb, kind) for verb in ("EHLO", "MAIL", "RCPT") for kind in ("4xx", "5xx"))

METHODS = ("publish", "reply", "add", "counter", "refresh", "declinecounter")
"""Of RFC 5546 §1.4, that say nothing to us."""

# When a series began is of no use to anybody, and doubles their number.
disable_created_metrics()  # type: ignore[no-untyped-call]

if VARIABLE in os.environ:
    # Whenever it counts, each value asks which process it is in: a system call, and nobody who counts forks.
    values.ValueClass = values.MultiProcessValue(partial(int, os.getpid()))  # type: ignore[no-untyped-call]


class Meter:
    """One for a process. Labels are constants of the code: no address, no link, nothing that a message says."""

    content_type = CONTENT_TYPE_LATEST

    def __init__(self, version: str) -> None:
        self._version = version
        self._registry = registry = CollectorRegistry()
        self._messages = Counter(
            "mailhook_messages",
            "Mail transactions that have ended, by the reply to the client, what was done, and why.",
            ("outcome", "decision", "reason"),
            registry=registry,
        )
        self._octets = Counter(
            "mailhook_message_bytes", "Octets of the messages that came in.", registry=registry
        )
        self._steps = Histogram(
            "mailhook_step_seconds",
            "How long a step of the work on a message took.",
            ("step",),
            buckets=STEP_SECONDS,
            registry=registry,
        )
        self._invitations = Histogram(
            "mailhook_invitation_seconds",
            "How long a message that looked like an invitation took, from MAIL to the reply.",
            buckets=STEP_SECONDS,
            registry=registry,
        )
        self._calls = Counter(
            "mailhook_provider_calls",
            "Calls to the conference provider, by what came of them.",
            ("operation", "outcome"),
            registry=registry,
        )
        self._call_seconds = Histogram(
            "mailhook_provider_call_seconds",
            "How long a call to the conference provider took.",
            ("operation",),
            buckets=CALL_SECONDS,
            registry=registry,
        )
        self._warnings = Counter(
            "mailhook_warnings",
            "Events of the log, other than of single messages, that were warnings or errors.",
            ("event",),
            registry=registry,
        )
        self._doors(registry)
        self._hour = LastHour()
        self._gauges(registry)
        for counter, awaited in (
            (self._messages, AWAITED_MESSAGES),
            (self._calls, AWAITED_CALLS),
            (self._warnings, ((event,) for event in AWAITED_EVENTS)),
            (self._answers, AWAITED_ANSWERS),
            (self._turned, ((why,) for why in WHYS)),
        ):
            for labels in awaited:
                counter.labels(*labels)
        self._relay = self._steps.labels("relay")
        self._told: dict[tuple[str, str, str], int] = {}
        self._received = 0

    def _doors(self, registry: CollectorRegistry) -> None:
        self._answers = Counter(
            "mailhook_envelope_refusals",
            "Commands before the content that were answered in the negative.",
            ("command", "class"),
            registry=registry,
        )
        self._turned = Counter(
            "mailhook_clients_refused", "Clients that could not get in, by why.", ("why",), registry=registry
        )

    def _gauges(self, registry: CollectorRegistry) -> None:
        def gauge(name: str, what: str, *labels: str, mode: Across = "livesum") -> Gauge:
            return Gauge(name, what, labels, registry=registry, multiprocess_mode=mode)

        self._processes = gauge("mailhook_processes", "Processes that accept mail.")
        self._clients = gauge("mailhook_clients", "Clients that are connected.")
        self._sessions = gauge(
            "mailhook_nexthop_sessions",
            'Connections to the next hop: "busy" with a mail, or "idle" and to be used again.',
            "state",
        )
        self._waiting = gauge("mailhook_nexthop_waiting", "Mails that wait for a connection to the next hop.")
        self._held = gauge("mailhook_held_bytes", "Octets of the messages that are in hand.")
        self._breakers = gauge(
            "mailhook_provider_breakers", "Processes whose circuit breaker is in this state.", "state"
        )
        self._reachable = gauge(
            "mailhook_nexthop_reachable",
            "0 if the next hop could not be spoken to when that was last tried.",
            mode="livemin",
        )
        self._lately = gauge(
            "mailhook_clients_refused_last_hour", "Clients that could not get in during the last hour.", "why"
        )
        self._expiry = gauge(
            "mailhook_certificate_expiry_seconds",
            "Seconds until a certificate of ours ceases to be valid; below 0 it has.",
            "side",
            mode="livemin",
        )

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Count what the journal tells until the context is left."""
        hooks = (
            (journal.on_message, self.message),
            (journal.on_call, self.call),
            (journal.on_event, self.event),
            (door.on_turned_away, self.turned_away),
            (door.on_answered, self.answered),
        )
        for told, hook in hooks:
            told.append(hook)  # type: ignore[arg-type]
        self._processes.set(1)
        self._reachable.set(1)
        try:
            yield
        finally:
            for told, hook in hooks:
                told.remove(hook)  # type: ignore[arg-type]

    def message(self, story: Story) -> None:
        # Published once a second: a counter of Prometheus costs ten times as much.
        kind = _outcome(story.code), story.decision or "none", _reason(story.reason)
        self._told[kind] = self._told.get(kind, 0) + 1
        self._received += story.size
        if story.reason == "ordinary":
            # Most mail is: its one step is all that is looked at.
            self._relay.observe(story.times.get("relay", 0.0))
            return
        for step, seconds in story.times.items():
            self._steps.labels(step).observe(seconds)
        if story.decision != "aborted":
            self._invitations.observe(story.seconds)

    def call(self, operation: str, outcome: str, seconds: float) -> None:
        self._calls.labels(operation, outcome).inc()
        self._call_seconds.labels(operation).observe(seconds)

    def event(self, name: str, level: int) -> None:
        if level >= logging.WARNING:
            self._warnings.labels(name).inc()

    def turned_away(self, why: Why) -> None:
        self._turned.labels(why).inc()
        self._hour.note(why, monotonic())

    def answered(self, verb: Verb, code: int) -> None:
        self._answers.labels(verb, f"{code // 100}xx").inc()

    def publish(self, load: Load) -> None:
        """What was counted since the last time, and the gauges."""
        told, self._told = self._told, {}
        for kind, number in told.items():
            self._messages.labels(*kind).inc(number)
        self._octets.inc(self._received)
        self._received = 0
        self._clients.set(load.clients)
        self._sessions.labels("busy").set(load.busy)
        self._sessions.labels("idle").set(load.idle)
        self._waiting.set(load.waiting)
        self._held.set(load.held_bytes)
        for state in BREAKER_STATES:
            self._breakers.labels(state).set(load.breaker == state)
        if load.reachable is not None:
            self._reachable.set(load.reachable)
        lately = self._hour.counts(monotonic())
        for why in WHYS:
            self._lately.labels(why).set(lately.get(why, 0))
        for side, seconds in load.certificates.items():
            self._expiry.labels(side).set(seconds)

    def exposition(self, holdings: Holdings | None) -> bytes:
        """Prometheus' text format, version 0.0.4; `holdings`: None, if the store could not be read."""
        stored = CollectorRegistry()
        stored.register(_Stored(holdings, self._version))
        return bytes(generate_latest(self._shared())) + bytes(generate_latest(stored))

    def refused_lately(self) -> Mapping[str, int]:
        """Clients that could not get in during the last hour, by why; of all processes."""
        return {
            sample.labels["why"]: int(sample.value)
            for metric in self._shared().collect()
            if metric.name == "mailhook_clients_refused_last_hour"
            for sample in metric.samples
            if sample.value
        }

    def _shared(self) -> CollectorRegistry:
        """The figures of all processes."""
        if not (folder := os.environ.get(VARIABLE)):
            return self._registry
        registry = CollectorRegistry()
        registry.register(AllProcesses(Path(folder)))
        return registry


class _Stored(Collector):
    """What the store holds, as it is now."""

    def __init__(self, holdings: Holdings | None, version: str) -> None:
        self._holdings = holdings
        self._version = version

    def collect(self) -> Iterable[Metric]:
        build = GaugeMetricFamily("mailhook_build_info", "The version that runs.", labels=("version",))
        build.add_metric((self._version,), 1)
        yield build
        readable = self._holdings is not None
        yield GaugeMetricFamily("mailhook_store_readable", "1 if the store can be read.", float(readable))
        if self._holdings is not None:
            yield from _counted(self._holdings)


def _counted(holdings: Holdings) -> Iterator[Metric]:
    conferences = GaugeMetricFamily(
        "mailhook_conferences", "Meetings, by the state of their conference.", labels=("state",)
    )
    for state in STATES:
        conferences.add_metric((state,), holdings.conferences.get(state, 0))
    pending = GaugeMetricFamily(
        "mailhook_pending", "Meetings with something that is not yet as it should be.", labels=("kind",)
    )
    oldest = GaugeMetricFamily(
        "mailhook_pending_oldest_seconds", "For how long the oldest of them has been so.", labels=("kind",)
    )
    for kind in PENDING:
        pending.add_metric((kind,), holdings.pending.get(kind, 0))
        oldest.add_metric((kind,), holdings.oldest.get(kind, 0.0))
    yield from (conferences, pending, oldest)
    yield GaugeMetricFamily(
        "mailhook_doubtful", "Meetings of which nobody can tell whether they live.", holdings.doubtful
    )


def _outcome(code: int) -> str:
    """Of a transaction, by the code of the reply to its content."""
    return OUTCOMES.get(code // 100, "aborted")


def _reason(reason: str) -> str:
    """What a METHOD is called is the sender's to say, and there must not be a series for each."""
    method = reason.removeprefix("method-")
    return "method-other" if method != reason and method not in METHODS else reason or "none"
