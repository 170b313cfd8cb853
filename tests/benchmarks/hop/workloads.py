"""How many mails pass through each hop, and what they cost.

What: `throughput` sends one of THROUGHPUT through each hop in turn, `by_smtp_source` the large ones from another
source, `invitations` what has to be rewritten. Each round of them notes one figure of each kind.

Not here: latency (latency), hops (hops, peers), tables (page).

Errors: AssertionError when mails were lost or not rewritten.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.benchmarks.hop.figures import Figures
from tests.benchmarks.hop.hops import Cpu, Hop
from tests.benchmarks.hop.load import SIZES, Sink, send, smtp_source


@dataclass(frozen=True)
class Throughput:
    message: str
    sessions: int
    seconds: int
    per_connection: int = 1_000_000


FRESH, REUSED, LARGE, HUGE = "4 KiB, one connection per mail", "4 KiB, reused connections", "1 MiB", "25 MiB"
THROUGHPUT = {
    FRESH: Throughput("4k", 20, 2, 1),
    REUSED: Throughput("4k", 20, 2),
    LARGE: Throughput("1m", 8, 2),
    HUGE: Throughput("25m", 4, 3),
}
SMTP_SOURCE = "smtp-source"
INVITATIONS = "invitations"


def throughput(figures: Figures, home: Path, hops: Sequence[Hop], name: str) -> None:
    work = THROUGHPUT[name]
    for hop in hops:
        hop.forget_peak()
        before = hop.cpu()
        sent = send(
            home,
            hop.port,
            work.message,
            sessions=work.sessions,
            seconds=work.seconds,
            per_connection=work.per_connection,
        )
        figures.note(name, hop.name, "rate", sent.mails / sent.seconds)
        _note_cpu(figures, name, hop, before, sent.mails)
        figures.note(name, hop.name, "peak", hop.peak())


def by_smtp_source(figures: Figures, hops: Sequence[Hop]) -> None:
    for name in (LARGE, HUGE):
        work = THROUGHPUT[name]
        for hop in hops:
            rate = smtp_source(
                hop.port, SIZES[work.message], sessions=work.sessions, seconds=work.seconds - 1
            )
            figures.note(SMTP_SOURCE, hop.name, name, rate)


def invitations(figures: Figures, home: Path, hops: Sequence[Hop], marking: Sink, videomost: Hop) -> None:
    for hop in hops:
        before, room = hop.cpu(), videomost.cpu()
        sent = send(home, hop.port, "invitation", sessions=20, seconds=4, per_connection=1)
        taken = marking.taken()
        assert taken.marked == sent.mails, f"{taken.marked} of {sent.mails} were rewritten"
        figures.note(INVITATIONS, hop.name, "rate", sent.mails / sent.seconds)
        _note_cpu(figures, INVITATIONS, hop, before, sent.mails)
        after = videomost.cpu()
        figures.note(INVITATIONS, hop.name, "sandbox", (sum(after) - sum(room)) / sent.mails * 1000)


def _note_cpu(figures: Figures, workload: str, hop: Hop, before: Cpu, mails: int) -> None:
    after = hop.cpu()
    for what, used in (("user", after.user - before.user), ("system", after.system - before.system)):
        figures.note(workload, hop.name, what, used / mails * 1000)
    figures.note(workload, hop.name, "cpu", (sum(after) - sum(before)) / mails * 1000)
