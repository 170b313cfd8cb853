"""The figures of docs/performance.md, in markdown, from their heading to the targets: to be pasted as they are.

What: `page` puts together what was measured.

Not here: measuring (workloads, latency).

Errors: none.
"""

import os
import subprocess
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from platform import python_version
from statistics import median

from tests.benchmarks.hop.figures import Figures, spread
from tests.benchmarks.hop.hops import NONE, PUMP, environment
from tests.benchmarks.hop.latency import KINDS, LATENCY, WAITED
from tests.benchmarks.hop.peers import HARAKA
from tests.benchmarks.hop.workloads import FRESH, HUGE, INVITATIONS, LARGE, REUSED, SMTP_SOURCE, THROUGHPUT

POSTFIX = "Postfix smtpd proxy"
HARAKA_PROXY, AIOSMTPD = "Haraka smtp_proxy", "aiosmtpd Proxy"


def page(figures: Figures, chosen: Sequence[str], rounds: int, load: tuple[float, float]) -> Iterator[str]:
    """`load`: of the machine, before and after."""
    yield f"## Figures of {datetime.now(UTC):%Y-%m-%d}\n"
    yield (
        f"{', '.join(_versions())}; {os.cpu_count()} processors; {rounds} rounds; load {load[0]:.1f} before, "
        f"{load[1]:.1f} after (the run itself makes up to 3)."
    )
    for name in chosen:
        if name in THROUGHPUT:
            yield from _throughput(figures, name)
    for name, table in ((SMTP_SOURCE, _smtp_source), (INVITATIONS, _invitations), (LATENCY, _latency)):
        if name in chosen:
            yield from table(figures)
    yield from _targets(figures)


def _versions() -> Iterator[str]:
    yield f"Python {python_version()}"
    for package in ("aiosmtpd", "uvloop"):
        try:
            yield f"{package} {version(package)}"
        except PackageNotFoundError:
            yield f"no {package}"
    yield f"Postfix {_said('postconf', '-h', 'mail_version')}"
    yield f"Haraka {HARAKA.partition('@')[2]} on node {_said('node', '--version').removeprefix('v')}"


def _said(*line: str) -> str:
    try:
        return subprocess.run(
            line, check=True, capture_output=True, text=True, env=environment()
        ).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return "not there"


# --- tables -------------------------------------------------------------------------------------------------------


def _throughput(figures: Figures, workload: str) -> Iterator[str]:
    yield f"\n**{workload}**\n"
    yield f"| hop | mails/s | × {NONE} | × pump | × {POSTFIX} | CPU, ms per mail: user + system | peak, MiB |"
    yield "|---|---|---|---|---|---|---|"
    for hop in figures.hops(workload):
        ratios = (spread(figures.ratios(workload, hop, other)) for other in (NONE, PUMP, POSTFIX))
        peak = max(figures.of(workload, hop, "peak"))
        yield (
            f"| {hop} | {spread(figures.of(workload, hop, 'rate'), 0)} | {' | '.join(ratios)} "
            f"| {_cpu(figures, workload, hop)} | {peak:.0f} |"
        )


def _cpu(figures: Figures, workload: str, hop: str) -> str:
    return " + ".join(
        spread(figures.of(workload, hop, what)).partition(" ")[0] for what in ("user", "system")
    )


def _smtp_source(figures: Figures) -> Iterator[str]:
    yield "\n**Large mails from Postfix's smtp-source, reused connections**\n"
    yield f"| hop | 1 MiB, mails/s | × {NONE} | × pump | 25 MiB, mails/s | × {NONE} | × pump |"
    yield "|---|---|---|---|---|---|---|"
    for hop in figures.hops(SMTP_SOURCE):
        cells = [
            cell
            for size in (LARGE, HUGE)
            for cell in (
                spread(figures.of(SMTP_SOURCE, hop, size), 0),
                *(spread(figures.ratios(SMTP_SOURCE, hop, other, size)) for other in (NONE, PUMP)),
            )
        ]
        yield f"| {hop} | {' | '.join(cells)} |"


def _invitations(figures: Figures) -> Iterator[str]:
    yield "\n**Invitations, each a new meeting, one connection per mail**\n"
    yield (
        "| hop | rewritten/s | CPU, ms per mail: user + system | rewritten per second of CPU "
        "| CPU of the local Videomost, ms |"
    )
    yield "|---|---|---|---|---|"
    for hop in figures.hops(INVITATIONS):
        rate, each, room = (figures.of(INVITATIONS, hop, what) for what in ("rate", "cpu", "sandbox"))
        per_second = [1000 / cpu for cpu in each]
        yield (
            f"| {hop} | {spread(rate, 0)} | {_cpu(figures, INVITATIONS, hop)} | {spread(per_second, 0)} "
            f"| {spread(room)} |"
        )


def _latency(figures: Figures) -> Iterator[str]:
    yield "\n**Latency of 4 KiB, ms, one mail at a time**\n"
    yield "| way | hop | median | p99 | added median | added p99 |"
    yield "|---|---|---|---|---|---|"
    for kind in KINDS:
        for hop in figures.hops(kind):
            seen = (spread(figures.of(kind, hop, what)) for what in ("median", "p99"))
            more = (spread(figures.added(kind, hop, NONE, what)) for what in ("median", "p99"))
            yield f"| {kind} | {hop} | {' | '.join(seen)} | {' | '.join(more)} |"


# --- against the targets ------------------------------------------------------------------------------------------


Seen = Callable[[Figures, str], float | None]
"""What was seen of a hop."""


@dataclass(frozen=True)
class Target:
    """`wanted`: at least, or at most if `most`; `uvloop`: only where uvloop is (True), or is not (False)."""

    workload: str
    what: str
    wanted: float
    seen: Seen
    most: bool = False
    uvloop: bool | None = None

    def cell(self, figures: Figures, hop: str) -> str:
        value = self.seen(figures, hop)
        if value is None or (self.uvloop is not None and self.uvloop != ("uvloop" in hop)):
            return ""
        shown = f"{value:.2f}" if value < 10 else f"{value:.0f}"
        met = value <= self.wanted if self.most else value >= self.wanted
        return f"**{shown}**" if met else shown


def _ratio(workload: str, other: str, what: str = "rate") -> Seen:
    return lambda figures, hop: _median(figures.ratios(workload, hop, other, what))


def _peak(figures: Figures, hop: str) -> float | None:
    return max(figures.of(HUGE, hop, "peak"), default=None)


def _per_second_of_cpu(figures: Figures, hop: str) -> float | None:
    return _median([1000 / cpu for cpu in figures.of(INVITATIONS, hop, "cpu")])


def _added(kind: str, what: str) -> Seen:
    """Of mailhook, while invitations wait."""
    return lambda figures, hop: _median(figures.added(kind, WAITED if hop == "mailhook" else hop, NONE, what))


def _median(values: list[float]) -> float | None:
    return median(values) if values else None


TARGETS = (
    Target(FRESH, f"× {POSTFIX}", 1.0, _ratio(FRESH, POSTFIX)),
    Target(FRESH, f"× {HARAKA_PROXY}", 4.0, _ratio(FRESH, HARAKA_PROXY)),
    Target(FRESH, f"× {AIOSMTPD}", 4.0, _ratio(FRESH, AIOSMTPD)),
    Target(REUSED, f"× {POSTFIX}", 1.5, _ratio(REUSED, POSTFIX), uvloop=False),
    Target(REUSED, f"× {POSTFIX}, with uvloop", 2.0, _ratio(REUSED, POSTFIX), uvloop=True),
    Target(LARGE, f"× {NONE}", 0.8, _ratio(LARGE, NONE)),
    Target(LARGE, f"× {NONE}, from smtp-source", 0.8, _ratio(SMTP_SOURCE, NONE, LARGE)),
    Target(HUGE, f"× {NONE}", 0.7, _ratio(HUGE, NONE)),
    Target(HUGE, f"× {NONE}, from smtp-source", 0.7, _ratio(SMTP_SOURCE, NONE, HUGE)),
    Target(HUGE, "peak, MiB", 120, _peak, most=True),
    Target("invitations", "per second of CPU", 200, _per_second_of_cpu),
    *(
        Target(
            f"latency {kind}, invitations waiting", f"added {what}, ms", most, _added(kind, what), most=True
        )
        for kind in KINDS
        for what, most in (("median", 1.0), ("p99", 5.0))
    ),
)


def _targets(figures: Figures) -> Iterator[str]:
    """The pump is there too: what it misses, nothing that stands between two connections here can reach."""
    measured = (hop for name in (*THROUGHPUT, SMTP_SOURCE, INVITATIONS) for hop in figures.hops(name))
    hops = list(dict.fromkeys([PUMP, "mailhook", *(hop for hop in measured if hop.startswith("mailhook"))]))
    yield "\n## Against the targets\n\nIn bold: met.\n"
    yield f"| workload | figure | target | {' | '.join(hops)} |"
    yield f"|---|---|---|{'---|' * len(hops)}"
    for target in TARGETS:
        bound = "at most" if target.most else "at least"
        cells = [target.cell(figures, hop) for hop in hops]
        if any(cells):
            yield f"| {target.workload} | {target.what} | {bound} {target.wanted:g} | {' | '.join(cells)} |"
