"""How fast mailhook is beside other hops, in one interleaved run; prints tables in markdown.

    python -m tests.benchmarks.hop [--rounds N] [--only WORKLOAD ...]

Every round sends each workload through each hop in turn, so that whatever else the machine does meets all of them;
the figures are medians over the rounds, with the lowest and the highest. "CPU": of the hop's own processes, per mail.

Needs root, gcc, Postfix, and node with npm (Haraka is installed below ~/.cache); what is missing is left out.
"""

import argparse
import json
import os
import shutil
import sys
import tempfile
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from statistics import median, quantiles
from time import monotonic, sleep

from tests.benchmarks.hop import hops, load
from tests.benchmarks.hop.hops import Hop
from tests.benchmarks.hop.load import MARK, Sink, send

NONE = "no hop"
POSTFIX = "Postfix smtpd proxy"
CACHE = Path.home() / ".cache" / "mailhook-benchmark"
WAITING = 10
"""Invitations that wait for the provider while the latency is measured."""
DELAY = 10
"""Seconds that the provider takes meanwhile."""


@dataclass(frozen=True)
class Throughput:
    message: str
    sessions: int
    seconds: int
    per_connection: int = 1_000_000


THROUGHPUT = {
    "4 KiB, one connection per mail": Throughput("4k", 20, 2, 1),
    "4 KiB, reused connections": Throughput("4k", 20, 2),
    "1 MiB": Throughput("1m", 8, 2),
    "25 MiB": Throughput("25m", 4, 3),
}
INVITATIONS = "invitations"
LATENCY = "latency"
WORKLOADS = (*THROUGHPUT, INVITATIONS, LATENCY)


@dataclass
class Bench:
    """Everything that runs. `figures`: (workload, hop, what) to its values, one per round."""

    home: Path
    sink: Sink
    marking: Sink
    hops: list[Hop]
    videomost: Hop
    invited: list[Hop]
    postfix: Hop | None
    ports: dict[str, int]
    figures: dict[tuple[str, str, str], list[float]] = field(default_factory=dict)

    def note(self, workload: str, hop: str, what: str, value: float) -> None:
        self.figures.setdefault((workload, hop, what), []).append(value)

    def throughput(self, name: str) -> None:
        work = THROUGHPUT[name]
        for hop in self.hops:
            hop.forget_peak()
            before = hop.cpu()
            sent = send(
                self.home,
                hop.port,
                work.message,
                sessions=work.sessions,
                seconds=work.seconds,
                per_connection=work.per_connection,
            )
            self.note(name, hop.name, "rate", sent.mails / sent.seconds)
            self.note(name, hop.name, "cpu", (hop.cpu() - before) / sent.mails * 1000)
            self.note(name, hop.name, "peak", hop.peak())

    def invitations(self) -> None:
        for hop in self.invited:
            before, room = hop.cpu(), self.videomost.cpu()
            sent = send(self.home, hop.port, "invitation", sessions=20, seconds=4, per_connection=1)
            taken = self.marking.taken()
            assert taken.marked == sent.mails, f"{taken.marked} of {sent.mails} were rewritten"
            self.note(INVITATIONS, hop.name, "rate", sent.mails / sent.seconds)
            self.note(INVITATIONS, hop.name, "cpu", (hop.cpu() - before) / sent.mails * 1000)
            self.note(INVITATIONS, hop.name, "sandbox", (self.videomost.cpu() - room) / sent.mails * 1000)

    def latency(self) -> None:
        """From the client's MAIL to the dot at the next hop, through Postfix's queue, without mailhook and with it."""
        self._through("direct", "Postfix alone")
        self._through("hooked", "with mailhook")
        self._delay(DELAY)
        try:
            for _ in range(WAITING):
                send(self.home, self.ports["hooked"], "invitation", sessions=1, seconds=1, mails=1)
            self._through("hooked", "with mailhook, 10 invitations waiting")
        finally:
            self._delay(0)
        end = monotonic() + 30
        count = self.sink.taken().mails
        while count < WAITING and monotonic() < end:
            sleep(0.2)
            count += self.sink.taken().mails

    def _through(self, port: str, name: str) -> None:
        count = 250
        self.sink.taken()
        send(self.home, self.ports[port], "stamped", sessions=1, seconds=9, mails=count, pause=15_000)
        micros: list[int] = []
        end = monotonic() + 5
        while len(micros) < count and monotonic() < end:
            micros += self.sink.taken().micros
            sleep(0.1)
        assert len(micros) == count, f"{name}: {len(micros)} of {count} mails have arrived"
        cuts = quantiles(micros, n=100)
        self.note(LATENCY, name, "median", cuts[49] / 1000)
        self.note(LATENCY, name, "p99", cuts[98] / 1000)

    def _delay(self, seconds: int) -> None:
        faults = json.dumps({"create": {"delay": seconds}} if seconds else {}).encode()
        address = f"http://127.0.0.1:{self.videomost.port}/sandbox/faults"
        urllib.request.urlopen(
            urllib.request.Request(address, faults, {"Content-Type": "application/json"}, method="POST"),
            timeout=5,
        ).close()

    def run(self, rounds: int, chosen: tuple[str, ...]) -> None:
        for number in range(rounds):
            for name in chosen:
                print(f"round {number + 1} of {rounds}: {name}", file=sys.stderr, flush=True)
                if name == INVITATIONS:
                    self.invitations()
                elif name == LATENCY:
                    if self.postfix is not None:
                        self.latency()
                else:
                    self.throughput(name)


# --- tables -----------------------------------------------------------------------------------------------------


def spread(values: list[float], digits: int = 2) -> str:
    return f"{median(values):.{digits}f} ({min(values):.{digits}f}–{max(values):.{digits}f})"


def ratios(bench: Bench, workload: str, hop: str, other: str) -> str:
    """Round by round."""
    ours, theirs = (bench.figures.get((workload, name, "rate"), []) for name in (hop, other))
    return spread([a / b for a, b in zip(ours, theirs, strict=True)]) if theirs else "–"


def throughput_table(bench: Bench, workload: str) -> Iterator[str]:
    yield f"\n**{workload}**\n"
    yield f"| hop | mails/s | × {NONE} | × {POSTFIX} | CPU, ms per mail | peak, MiB |"
    yield "|---|---|---|---|---|---|"
    for hop in bench.hops:
        rate, cpu, peak = (bench.figures[workload, hop.name, what] for what in ("rate", "cpu", "peak"))
        yield (
            f"| {hop.name} | {spread(rate, 0)} | {ratios(bench, workload, hop.name, NONE)} "
            f"| {ratios(bench, workload, hop.name, POSTFIX)} | {median(cpu):.2f} | {max(peak):.0f} |"
        )


def invitations_table(bench: Bench) -> Iterator[str]:
    yield "\n**Invitations, each a new meeting, one connection per mail**\n"
    yield "| hop | rewritten/s | CPU, ms per mail | rewritten per second of CPU | CPU of the local Videomost, ms |"
    yield "|---|---|---|---|---|"
    for hop in bench.invited:
        rate, cpu, room = (bench.figures[INVITATIONS, hop.name, what] for what in ("rate", "cpu", "sandbox"))
        yield (
            f"| {hop.name} | {spread(rate, 0)} | {spread(cpu)} | {1000 / median(cpu):.0f} | {median(room):.2f} |"
        )


def latency_table(bench: Bench) -> Iterator[str]:
    yield "\n**Latency of 4 KiB through Postfix's queue, ms, one mail at a time**\n"
    yield "| way | median | p99 | added median | added p99 |"
    yield "|---|---|---|---|---|"
    names = dict.fromkeys(name for workload, name, _ in bench.figures if workload == LATENCY)
    alone = {what: bench.figures[LATENCY, "Postfix alone", what] for what in ("median", "p99")}
    for name in names:
        half, late = (bench.figures[LATENCY, name, what] for what in ("median", "p99"))
        more = [
            spread([a - b for a, b in zip(values, alone[what], strict=True)])
            for what, values in (("median", half), ("p99", late))
        ]
        yield f"| {name} | {spread(half)} | {spread(late)} | {more[0]} | {more[1]} |"


def tables(bench: Bench, chosen: tuple[str, ...]) -> Iterator[str]:
    for name in chosen:
        if name == INVITATIONS:
            yield from invitations_table(bench)
        elif name == LATENCY:
            yield from latency_table(bench) if bench.postfix is not None else ()
        else:
            yield from throughput_table(bench, name)


# --- putting it together ----------------------------------------------------------------------------------------


def start(home: Path, stack: ExitStack) -> Bench:
    ports = hops.free_ports()

    def kept(hop: Hop) -> Hop:
        stack.callback(hop.stop)
        return hop

    load.build(home)
    load.messages(home)
    sink, marking = Sink(home, next(ports)), Sink(home, next(ports), MARK)
    stack.callback(sink.stop)
    stack.callback(marking.stop)
    videomost = kept(hops.sandbox(home, next(ports)))
    kinds = [False, True] if find_spec("uvloop") else [False]
    ours, invited = (
        [kept(hops.mailhook(path, next(ports), to.port, videomost.port, uvloop=uvloop)) for uvloop in kinds]
        for path, to in ((_made(home / "plain"), sink), (_made(home / "invited"), marking))
    )
    named = {name: next(ports) for name in ("proxy", "direct", "hooked")}
    named |= {"sink": sink.port, "mailhook": ours[0].port}
    postfix = None
    if shutil.which("postfix", path=f"{os.environ.get('PATH', '')}:/usr/sbin") and os.geteuid() == 0:
        postfix = kept(hops.postfix(home, named))
    others = [postfix] if postfix else []
    if shutil.which("npm"):
        others.append(kept(hops.haraka(home, CACHE, next(ports), sink.port)))
    others.append(kept(hops.proxy(home, next(ports), sink.port)))
    return Bench(
        home, sink, marking, [Hop(NONE, sink.port), *others, *ours], videomost, invited, postfix, named
    )


def _made(path: Path) -> Path:
    path.mkdir()
    return path


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.hop", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, metavar="N")
    parser.add_argument("--only", nargs="+", default=list(WORKLOADS), choices=WORKLOADS, metavar="WORKLOAD")
    options = parser.parse_args()
    chosen = tuple(options.only)
    home = Path(tempfile.mkdtemp(prefix="mailhook-benchmark-"))
    home.chmod(0o755)
    finish: Callable[[], None] = lambda: shutil.rmtree(home, ignore_errors=True)  # noqa: E731
    with ExitStack() as stack:
        stack.callback(finish)
        bench = start(home, stack)
        before = os.getloadavg()[0]
        bench.run(options.rounds, chosen)
        print("\n".join(tables(bench, chosen)))
        print(
            f"\n{options.rounds} rounds, {os.cpu_count()} processors, load {before:.1f} before the first round"
        )


if __name__ == "__main__":
    main()
