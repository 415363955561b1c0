"""What was measured: samples, their medians, and the file they are kept in."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from enum import Enum
from pathlib import Path
from statistics import median
from typing import NamedTuple


class Better(Enum):
    """Which values of a figure are good ones."""

    LESS = "less is better"
    MORE = "more is better"
    NEITHER = "says how it was measured"


class Figure(NamedTuple):
    """One thing that is measured. A value times ``scale`` is in ``unit``.

    Values below ``resolution`` are too small to be told from each other: a ratio takes them all as equal to it.
    """

    key: str
    title: str
    unit: str
    scale: float = 1.0
    better: Better = Better.LESS
    resolution: float = 0.0


CPU_PER_DELIVERY = Figure("cpu_per_delivery", "server CPU per delivery", "µs", 1e6)
THROUGHPUT = Figure("throughput", "deliveries a second", "thousands", 1e-3, Better.MORE)
# Most work goes on until there is enough of it, so it is no cost.
SERVER_CPU = Figure("server_cpu", "server CPU", "s", better=Better.NEITHER)
CPU_PER_LINE = Figure("cpu_per_line", "client CPU per line", "µs", 1e6)
FIRST_SCREEN = Figure("first_screen", "time to the first screen", "ms", 1e3)
# Over 1 the load costs more than what it is to measure.
GENERATOR = Figure("generator", "CPU of the load / of the server", "", better=Better.NEITHER)
CLIENT_GENERATOR = GENERATOR._replace(title="CPU of the load / of the client")


class Sample(NamedTuple):
    """What one server or client did in one round: values by the keys of the work's figures, in SI units, and bytes."""

    work: str
    case: str
    peer: str
    round: int
    values: dict[str, float]


@dataclass
class Results:
    """``machine`` and ``versions`` (by peer) say what it was measured on; ``failures`` what could not be."""

    machine: dict[str, str]
    versions: dict[str, str]
    samples: list[Sample] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)

    def peers(self, work: str | None = None) -> list[str]:
        """Those who have a sample, of that work if one is named."""
        measured = {s.peer for s in self.samples if work in (None, s.work)}
        return [peer for peer in self.versions if peer in measured]

    def cases(self, work: str) -> list[str]:
        """In the order in which they were measured first."""
        return list(dict.fromkeys(s.case for s in self.samples if s.work == work))

    def median(self, work: str, case: str, peer: str, key: str) -> float | None:
        """Of all rounds; None if nothing was measured."""
        values = [s.values[key] for s in self._of(work, case, peer) if key in s.values]
        return median(values) if values else None

    def by_round(self, work: str, case: str, peer: str, key: str) -> dict[int, float]:
        """The value of each round in which it was measured; where it was oftener than once, the median."""
        values: dict[int, list[float]] = {}
        for sample in self._of(work, case, peer):
            if key in sample.values:
                values.setdefault(sample.round, []).append(sample.values[key])
        return {round: median(measured) for round, measured in values.items()}

    def save(self, path: Path) -> None:
        path.write_text(json.dumps(asdict(self), indent=1, ensure_ascii=False) + "\n")

    @classmethod
    def load(cls, path: Path) -> Results:
        """Raises OSError, and ValueError for a file that is not of ours."""
        try:
            fields = json.loads(path.read_text())
            samples = [Sample(*sample) for sample in fields.pop("samples")]
            return cls(**fields, samples=samples)
        except (KeyError, TypeError, AttributeError) as problem:
            raise ValueError(f"{path} holds no results") from problem

    def _of(self, work: str, case: str, peer: str) -> Iterable[Sample]:
        return (s for s in self.samples if (s.work, s.case, s.peer) == (work, case, peer))


def quantile(values: Sequence[float], fraction: float) -> float:
    """The value that ``fraction`` of ``values`` are not above."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(fraction * len(ordered)))]
