"""What was measured: a value for each round, by workload, hop and kind of figure.

What: `Figures` keeps them; `spread` is how a table shows them.

Not here: measuring (workloads, latency), tables (page).

Errors: none.
"""

from dataclasses import dataclass, field
from statistics import median


@dataclass
class Figures:
    kept: dict[tuple[str, str, str], list[float]] = field(default_factory=dict)

    def note(self, workload: str, hop: str, what: str, value: float) -> None:
        self.kept.setdefault((workload, hop, what), []).append(value)

    def of(self, workload: str, hop: str, what: str) -> list[float]:
        """[] if it was not measured."""
        return self.kept.get((workload, hop, what), [])

    def hops(self, workload: str) -> list[str]:
        """In the order in which they were measured."""
        return list(dict.fromkeys(hop for each, hop, _ in self.kept if each == workload))

    def ratios(self, workload: str, hop: str, other: str, what: str = "rate") -> list[float]:
        """Round by round: whatever else the machine did then has met both. [] beside itself."""
        ours, theirs = self.of(workload, hop, what), self.of(workload, other, what)
        return [a / b for a, b in zip(ours, theirs, strict=True)] if theirs and hop != other else []

    def added(self, workload: str, hop: str, other: str, what: str) -> list[float]:
        """As `ratios`."""
        ours, theirs = self.of(workload, hop, what), self.of(workload, other, what)
        return [a - b for a, b in zip(ours, theirs, strict=True)] if theirs and hop != other else []


def spread(values: list[float], digits: int = 2) -> str:
    """The median, with the lowest and the highest."""
    if not values:
        return "–"
    shown = f"{median(values):.{digits}f}"
    return shown if len(values) == 1 else f"{shown} ({min(values):.{digits}f}–{max(values):.{digits}f})"
