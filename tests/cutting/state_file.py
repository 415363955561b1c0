"""The file of the reference client, which outlives its process: the device, the places, and the unanswered lines."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import InitVar, dataclass, field
from pathlib import Path
from typing import NamedTuple

from tests.cutting.evidence import LOGS
from tests.cutting.lines import Line

_BETWEEN = 20  # steps between two writes: to a process that dies, they are far apart


class Place(NamedTuple):
    """Name the last message of a log that was shown, by its number and its time."""

    seq: int = 0
    time: str | None = None


@dataclass
class State:
    """Hold what is kept. ``logs`` are those that have a place.

    ``lines`` are those without an answer, in the order in which they were typed; ``said`` has the nonces of those that
    may have been said.
    """

    device: str
    logs: InitVar[Sequence[str]] = LOGS
    epoch: str | None = None
    places: dict[str, Place] = field(default_factory=dict)
    lines: list[Line] = field(default_factory=list)
    said: set[str] = field(default_factory=set)

    def __post_init__(self, logs: Sequence[str]) -> None:
        self.places = {**dict.fromkeys(logs, Place()), **self.places}

    def remove(self, line: Line) -> None:
        """Forget ``line``, which needs no further answer."""
        self.lines.remove(line)
        self.said.discard(line.nonce)


class StateFile:
    """Keep a state in the file ``path``.

    ``step`` is called before and behind each change of a file: there the process may die. ``in_one_write``: place and
    lines change together. Otherwise the places are in a file of their own, which is written first.
    """

    def __init__(self, path: Path, step: Callable[[], None], *, in_one_write: bool = True) -> None:
        self._path = path
        self._places = path.with_suffix(".places")
        self._step = step
        self._in_one_write = in_one_write

    def load(self) -> State | None:
        if not self._path.exists():
            return None
        fields = json.loads(self._path.read_text())
        if not self._in_one_write:
            fields.update(json.loads(self._places.read_text()))
        return State(
            fields["device"],
            (),
            fields["epoch"],
            {log: Place(*place) for log, place in fields["places"].items()},
            [Line(*line) for line in fields["lines"]],
            set(fields["said"]),
        )

    def save(self, state: State) -> None:
        places = {"epoch": state.epoch, "places": state.places}
        lines = {"lines": state.lines, "said": sorted(state.said)}
        fields = {"device": state.device, **lines, **places}
        self._step()
        if not self._in_one_write:
            _replace(self._places, places)
            for _ in range(_BETWEEN):
                self._step()
        _replace(self._path, fields)
        self._step()


def _replace(path: Path, fields: Mapping[str, object]) -> None:
    """Write a file in one step: it has the old content or the new one, whenever the process dies."""
    new = path.with_suffix(".new")
    new.write_text(json.dumps(fields))
    new.replace(path)
