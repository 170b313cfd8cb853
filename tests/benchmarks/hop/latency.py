"""What a mail of 4 KiB waits for in the hop, one mail at a time, also while invitations wait for the provider.

What: `Latency.through_postfix`: from the client's MAIL to the dot at the next hop, through Postfix's queue;
`Latency.directly`: from the connection, or MAIL on a connection that is reused, to the reply to the dot. Each with
`WAITING` invitations that the provider has been asked for and has not answered.

Not here: hops (hops, peers), tables (page).

Errors: AssertionError when mails were lost, or the invitations did not wait as long as the mails went.
"""

import json
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import quantiles
from time import monotonic, sleep

from tests.benchmarks.hop.figures import Figures
from tests.benchmarks.hop.hops import Hop
from tests.benchmarks.hop.load import Sink, send

LATENCY = "latency"
WAITING = 10
DELAY = 10
"""Seconds that the provider takes."""
WARMING = 20
"""Mails that are not counted: Postfix starts its processes for the first."""

POSTFIX_ALONE = "through Postfix's queue, nothing behind it"
THROUGH, THROUGH_WAITING = "… mailhook", f"… mailhook, {WAITING} invitations waiting"
WAYS = (("reused connection", 1_000_000), ("one connection per mail", 1))


def directly_named(kind: str) -> tuple[str, str, str]:
    """No hop, mailhook, mailhook with invitations."""
    return (
        f"directly, {kind}, no hop",
        f"directly, {kind}, mailhook",
        f"directly, {kind}, mailhook, {WAITING} invitations waiting",
    )


@dataclass(frozen=True)
class Latency:
    """`slow`: a Videomost that takes `DELAY` seconds, `mailhook`: the hop that uses it; both send to `sink`.

    `ports`: of Postfix, "direct" and "hooked"; empty if there is none.
    """

    figures: Figures
    home: Path
    sink: Sink
    mailhook: Hop
    slow: Hop
    ports: dict[str, int]

    def round(self) -> None:
        self._delay()
        if self.ports:
            self._through("direct", POSTFIX_ALONE)
            self._through("hooked", THROUGH)
            with self._invitations_waiting(self.ports["hooked"]):
                self._through("hooked", THROUGH_WAITING)
        for kind, per_connection in WAYS:
            alone, hooked, waited = directly_named(kind)
            self._directly(self.sink.port, per_connection, alone)
            self._directly(self.mailhook.port, per_connection, hooked)
            with self._invitations_waiting(self.mailhook.port):
                self._directly(self.mailhook.port, per_connection, waited)

    def _through(self, port: str, name: str) -> None:
        count = 300
        self.sink.taken()
        # No pause that divides a second: what happens once a second would meet the same mails again and again.
        send(self.home, self.ports[port], "stamped", sessions=1, seconds=9, mails=count, pause=13_700)
        micros: list[int] = []
        end = monotonic() + 5
        while len(micros) < count and monotonic() < end:
            micros += self.sink.taken().micros
            sleep(0.1)
        assert len(micros) == count, f"{name}: {len(micros)} of {count} mails have arrived"
        self._note(name, micros[WARMING:])

    def _directly(self, port: int, per_connection: int, name: str) -> None:
        sent = send(
            self.home,
            port,
            "4k",
            sessions=1,
            seconds=4,
            mails=2000,
            per_connection=per_connection,
            pause=1000,
        )
        self._note(name, sent.micros[WARMING:])

    def _note(self, name: str, micros: list[int]) -> None:
        cuts = quantiles(micros, n=100)
        self.figures.note(LATENCY, name, "median", cuts[49] / 1000)
        self.figures.note(LATENCY, name, "p99", cuts[98] / 1000)

    @contextmanager
    def _invitations_waiting(self, port: int) -> Iterator[None]:
        """From when the provider has been asked for all; they are over when the context is left."""
        asked, begun = self._asked(), monotonic()
        with ThreadPoolExecutor() as aside:
            sending = aside.submit(
                send,
                self.home,
                port,
                "invitation",
                sessions=WAITING,
                seconds=5,
                mails=WAITING,
                per_connection=1,
            )
            while self._asked() < asked + WAITING:
                assert monotonic() < begun + DELAY, "the provider has not been asked for all invitations"
                sleep(0.05)
            yield
            assert monotonic() < begun + DELAY, "the invitations did not wait as long as the mails went"
            assert sending.result().mails == WAITING
        sleep(max(0.0, begun + DELAY + 1 - monotonic()))

    def _asked(self) -> int:
        """Conferences of which the provider has heard."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.slow.port}/sandbox/state", timeout=5) as answer:
            return len(json.load(answer)["counts"])

    def _delay(self) -> None:
        faults = json.dumps({"create": {"delay": DELAY}}).encode()
        address = f"http://127.0.0.1:{self.slow.port}/sandbox/faults"
        request = urllib.request.Request(address, faults, {"Content-Type": "application/json"}, method="POST")
        urllib.request.urlopen(request, timeout=5).close()
