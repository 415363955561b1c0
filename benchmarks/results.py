"""Hold what was measured: samples, their medians, and the file that stores them."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from enum import Enum
from pathlib import Path
from statistics import median
from typing import NamedTuple


class Better(Enum):
    """Say which values of a figure are good."""

    LESS = "less is better"
    MORE = "more is better"
    NEITHER = "says how it was measured"


class Figure(NamedTuple):
    """Describe one quantity that is measured. A value times ``scale`` is in ``unit``.

    Values below ``resolution`` are too small to be told apart: a ratio takes them all as equal to it.
    """

    key: str
    title: str
    unit: str
    scale: float = 1.0
    better: Better = Better.LESS
    resolution: float = 0.0


CPU_PER_DELIVERY = Figure("cpu_per_delivery", "server CPU per delivery", "µs", 1e6)
THROUGHPUT = Figure("throughput", "deliveries a second", "thousands", 1e-3, Better.MORE)
# Most work goes on until the server has used enough of it, so it is no cost.
SERVER_CPU = Figure("server_cpu", "server CPU", "s", better=Better.NEITHER)
CPU_PER_LINE = Figure("cpu_per_line", "client CPU per line", "µs", 1e6)
FIRST_SCREEN = Figure("first_screen", "time to the first screen", "ms", 1e3)
# Above 1, the load costs more than the server that it measures.
GENERATOR = Figure("generator", "CPU of the load / of the server", "", better=Better.NEITHER)
CLIENT_GENERATOR = GENERATOR._replace(title="CPU of the load / of the client")


class Sample(NamedTuple):
    """Hold what one program did in one round: values by the keys of the work's figures, in SI units and bytes."""

    work: str
    case: str
    peer: str
    round: int
    values: dict[str, float]


@dataclass
class Results:
    """Hold all samples.

    ``machine`` and ``versions`` (by peer) say on what they were measured; ``failures`` are the measurements that
    failed.
    """

    machine: dict[str, str]
    versions: dict[str, str]
    samples: list[Sample] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)

    def peers(self, work: str | None = None) -> list[str]:
        """Return the programs that have a sample, of one piece of work if that is named."""
        measured = {s.peer for s in self.samples if work in (None, s.work)}
        return [peer for peer in self.versions if peer in measured]

    def cases(self, work: str) -> list[str]:
        """Return the cases in the order in which they were measured first."""
        return list(dict.fromkeys(s.case for s in self.samples if s.work == work))

    def median(self, work: str, case: str, peer: str, key: str) -> float | None:
        """Return the median of all rounds; None if nothing was measured."""
        values = [s.values[key] for s in self._of(work, case, peer) if key in s.values]
        return median(values) if values else None

    def by_round(self, work: str, case: str, peer: str, key: str) -> dict[int, float]:
        """Return the value of each round in which it was measured; of several in a round, the median."""
        values: dict[int, list[float]] = {}
        for sample in self._of(work, case, peer):
            if key in sample.values:
                values.setdefault(sample.round, []).append(sample.values[key])
        return {round: median(measured) for round, measured in values.items()}

    def save(self, path: Path) -> None:
        path.write_text(json.dumps(asdict(self), indent=1, ensure_ascii=False) + "\n")

    @classmethod
    def load(cls, path: Path) -> Results:
        """Read results from a file. Raises OSError, and ValueError for another kind of file."""
        try:
            fields = json.loads(path.read_text())
            samples = [Sample(*sample) for sample in fields.pop("samples")]
            return cls(**fields, samples=samples)
        except (KeyError, TypeError, AttributeError) as problem:
            raise ValueError(f"{path} holds no results") from problem

    def _of(self, work: str, case: str, peer: str) -> Iterable[Sample]:
        return (s for s in self.samples if (s.work, s.case, s.peer) == (work, case, peer))


def quantile(values: Sequence[float], fraction: float) -> float:
    """Return the value that a ``fraction`` of ``values`` does not exceed."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(fraction * len(ordered)) - 1)]
