"""How fast mailhook is beside other hops, in one interleaved run; prints the figures of docs/performance.md.

    python -m tests.benchmarks.hop [--rounds N] [--only WORKLOAD ...]

Every round sends each workload through each hop in turn, so that whatever else the machine does meets all of them;
the figures are medians over the rounds, with the lowest and the highest. "CPU": of the hop's own processes, per mail.

Needs root, gcc, Postfix, and node with npm (Haraka is installed below ~/.cache); what is missing is left out.
"""

import argparse
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from tests.benchmarks.hop import hops, load, peers
from tests.benchmarks.hop.figures import Figures
from tests.benchmarks.hop.hops import NONE, Hop
from tests.benchmarks.hop.latency import LATENCY, Latency
from tests.benchmarks.hop.load import MARK, Sink
from tests.benchmarks.hop.page import AIOSMTPD, HARAKA_PROXY, page
from tests.benchmarks.hop.workloads import (
    INVITATIONS,
    SMTP_SOURCE,
    THROUGHPUT,
    by_smtp_source,
    invitations,
    throughput,
)

CACHE = Path.home() / ".cache" / "mailhook-benchmark"
WORKLOADS = (*THROUGHPUT, SMTP_SOURCE, INVITATIONS, LATENCY)
PATH = hops.environment()["PATH"]


@dataclass
class Bench:
    """Everything that runs. `invited`: hops for what is rewritten, which comes to `marking`."""

    home: Path
    hops: list[Hop]
    invited: list[Hop]
    marking: Sink
    videomost: Hop
    latency: Latency
    figures: Figures

    def run(self, rounds: int, chosen: tuple[str, ...]) -> None:
        for number in range(rounds):
            for name in chosen:
                print(f"round {number + 1} of {rounds}: {name}", file=sys.stderr, flush=True)
                self._one(name)

    def _one(self, name: str) -> None:
        if name == INVITATIONS:
            invitations(self.figures, self.home, self.invited, self.marking, self.videomost)
        elif name == LATENCY:
            self.latency.round()
        elif name != SMTP_SOURCE:
            throughput(self.figures, self.home, self.hops, name)
        elif shutil.which("smtp-source", path=PATH):
            # Haraka takes no 25 MiB from a client that says HELO; aiosmtpd takes seconds for each.
            slow = (HARAKA_PROXY, AIOSMTPD)
            by_smtp_source(self.figures, [hop for hop in self.hops if hop.name not in slow])


class Starter:
    """Starts one after the other, each below `home` on a port of its own; `stack` stops them."""

    def __init__(self, home: Path, stack: ExitStack) -> None:
        self.home = home
        self._stack = stack
        self._ports = hops.free_ports()

    def port(self) -> int:
        return next(self._ports)

    def kept(self, hop: Hop) -> Hop:
        self._stack.callback(hop.stop)
        return hop

    def sink(self, mark: str = "") -> Sink:
        sink = Sink(self.home, self.port(), mark)
        self._stack.callback(sink.stop)
        return sink

    def mailhooks(
        self, folder: str, to: Sink, videomost: Hop, kinds: list[tuple[int, bool]]
    ) -> Iterator[Hop]:
        """`kinds`: how many processes, and whether uvloop is there."""
        own = self.home / folder
        own.mkdir()
        for workers, uvloop in kinds:
            yield self.kept(
                hops.mailhook(own, self.port(), to.port, videomost.port, uvloop=uvloop, workers=workers)
            )

    def postfix(self, sink: Sink, after: dict[int, int]) -> Iterator[Hop]:
        """Its queue in memory, where there is such a folder: see docs/performance.md."""
        if shutil.which("postfix", path=PATH) and os.geteuid() == 0:
            own = folder(self._stack, "/dev/shm")
            yield self.kept(peers.postfix(own, self.port(), sink.port, after))

    def haraka(self, to: Sink) -> Iterator[Hop]:
        if shutil.which("npm"):
            yield self.kept(peers.haraka(self.home, CACHE, self.port(), to.port))


def folder(stack: ExitStack, where: str) -> Path:
    """Which the user "postfix" may enter; `where`, if there is such a place."""
    made = Path(tempfile.mkdtemp(prefix="mailhook-benchmark-", dir=where if Path(where).is_dir() else None))
    stack.callback(shutil.rmtree, made, ignore_errors=True)
    made.chmod(0o755)
    return made


def start(home: Path, stack: ExitStack) -> Bench:
    starter = Starter(home, stack)
    load.build(home)
    load.messages(home)
    sink, marking = starter.sink(), starter.sink(MARK)
    videomost, slow = (
        starter.kept(hops.sandbox(home, starter.port(), name)) for name in ("videomost", "slow")
    )
    loops = [False, True] if find_spec("uvloop") else [False]
    kinds = [(workers, uvloop) for workers in (1, 2) for uvloop in loops]
    ours = list(starter.mailhooks("plain", sink, slow, kinds))
    invited = list(starter.mailhooks("invited", marking, videomost, [(1, uvloop) for uvloop in loops]))
    latent = [Hop(NONE, sink.port), starter.kept(hops.pump(home, starter.port(), sink.port)), ours[0]]
    ways = {hop.name: starter.port() for hop in latent}
    postfix = list(starter.postfix(sink, {ways[hop.name]: hop.port for hop in latent}))
    others = [
        *latent[:2],
        *postfix,
        *starter.haraka(sink),
        starter.kept(peers.proxy(home, starter.port(), sink.port)),
    ]
    figures = Figures()
    latency = Latency(figures, home, sink, latent, slow, ways if postfix else {})
    return Bench(home, [*others, *ours], invited, marking, videomost, latency, figures)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.hop", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, metavar="N")
    parser.add_argument("--only", nargs="+", default=list(WORKLOADS), choices=WORKLOADS, metavar="WORKLOAD")
    options = parser.parse_args()
    chosen = tuple(options.only)
    with ExitStack() as stack:
        before = os.getloadavg()[0]
        bench = start(folder(stack, tempfile.gettempdir()), stack)
        bench.run(options.rounds, chosen)
        print("\n".join(page(bench.figures, chosen, options.rounds, (before, os.getloadavg()[0]))))


if __name__ == "__main__":
    main()
