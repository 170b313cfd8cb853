"""What a mail of 4 KiB waits for in a hop, one mail at a time, also while invitations wait for the provider.

What: `Latency.round` measures each of KINDS: through Postfix's queue, from the client's MAIL to the dot at the next
hop; directly, from the connection, or MAIL on a connection that is reused, to the reply to the dot. Each with nothing
between, with a pump, with mailhook, and with mailhook that has `WAITING` invitations in hand, for which the provider
has been asked and has not answered.

Not here: hops (hops, peers), tables (page).

Errors: AssertionError when mails were lost, or the invitations did not wait as long as the mails went.
"""

import json
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
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
THROUGH = "through Postfix's queue"
DIRECTLY = {"directly, reused connection": 1_000_000, "directly, one connection per mail": 1}
"""And how many mails go over one connection."""
KINDS = (THROUGH, *DIRECTLY)

WAITING = 10
WAITED = f"mailhook, {WAITING} invitations waiting"
DELAY = 10
"""Seconds that the provider takes."""
WARMING = 20
"""Mails that are not counted: Postfix starts its processes for the first."""


@dataclass(frozen=True)
class Latency:
    """`hops`: no hop, the pump, and last mailhook, which asks `slow`, a Videomost that takes `DELAY` seconds.

    All send to `sink`. `ports`: of Postfix, which hands what comes there to the hop of that name; {}: there is none.
    """

    figures: Figures
    home: Path
    sink: Sink
    hops: Sequence[Hop]
    slow: Hop
    ports: Mapping[str, int]

    def round(self) -> None:
        self._delay()
        if self.ports:
            for hop in self.hops:
                self._through(self.ports[hop.name], hop.name)
            with self._invitations_waiting(self.ports[self.hops[-1].name]):
                self._through(self.ports[self.hops[-1].name], WAITED)
        for kind in DIRECTLY:
            for hop in self.hops:
                self._directly(kind, hop.port, hop.name)
            with self._invitations_waiting(self.hops[-1].port):
                self._directly(kind, self.hops[-1].port, WAITED)

    def _through(self, port: int, name: str) -> None:
        count = 300
        self.sink.taken()
        # No pause that divides a second: what happens once a second would meet the same mails again and again.
        send(self.home, port, "stamped", sessions=1, seconds=9, mails=count, pause=13_700)
        micros: list[int] = []
        end = monotonic() + 5
        while len(micros) < count and monotonic() < end:
            micros += self.sink.taken().micros
            sleep(0.1)
        assert len(micros) == count, f"{name}: {len(micros)} of {count} mails have arrived"
        self._note(THROUGH, name, micros)

    def _directly(self, kind: str, port: int, name: str) -> None:
        each = DIRECTLY[kind]
        sent = send(self.home, port, "4k", sessions=1, seconds=4, mails=2000, per_connection=each, pause=1000)
        self._note(kind, name, sent.micros)

    def _note(self, kind: str, name: str, micros: list[int]) -> None:
        cuts = quantiles(micros[WARMING:], n=100)
        self.figures.note(kind, name, "median", cuts[49] / 1000)
        self.figures.note(kind, name, "p99", cuts[98] / 1000)

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
