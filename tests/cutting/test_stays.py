"""The checker of rooms that are made again, and whose members come and go. The evidence is made by hand."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.cutting.checker import faults
from tests.cutting.evidence import (
    LOGS,
    EpochShown,
    Event,
    Evidence,
    Fate,
    HoleShown,
    LineRecord,
    Message,
    Observed,
    RoomEntered,
    RoomLeft,
    Shown,
    StoredLog,
    log_of_room,
)

YARD = log_of_room("yard")
HEAD = ("e2", 9)


def shown(seq: int, epoch: str = "e1") -> Shown:
    return Shown(YARD, epoch, Message(seq, f"t{seq}", "anna", None, f"line {seq}", room="yard"))


def good_run() -> Evidence:
    """Anna joins, is killed, is put out and joins again, and a power failure brings another epoch."""
    first: list[Event] = [RoomEntered(YARD, "e1", 2), shown(3), shown(4)]
    second: list[Event] = [
        RoomEntered(YARD, "e1", 5),
        shown(4),
        shown(5),
        RoomLeft(YARD),
        RoomEntered(YARD, "e1", 6),
        shown(7),
        EpochShown(YARD, "e2"),
        RoomEntered(YARD, "e2", 9),
        HoleShown(YARD, "e2", 8, 8),
        shown(9, "e2"),
    ]
    lines = {
        f"line {seq}": LineRecord(f"line {seq}", None, Fate.ANSWERED, seq, room="yard")
        for seq in (3, 4, 5, 7, 9)
    }
    lines["refused"] = LineRecord("refused", None, Fate.REFUSED, room="yard")
    logs = (*LOGS, YARD)
    anna = Observed("anna", "anna", [first, second], lines, logs=logs, changing=(YARD,))
    empty = StoredLog("e2", 0, [], [])
    return Evidence([anna], empty, {"anna": empty}, changing={YARD: HEAD})


def life(run: Evidence, number: int) -> list[Event]:
    return run.observed[0].lives[number]


def fated(run: Evidence, body: str, fate: Fate) -> None:
    run.observed[0].lines[body].fate = fate


PLANTED: dict[str, Callable[[Evidence], object]] = {
    "lacks 3 to 3, and does not say so": lambda run: life(run, 0).pop(1),
    "has 4 behind 4": lambda run: life(run, 0).append(shown(4)),
    "has 4, and the client is not in the room": lambda run: life(run, 1).pop(0),
    "has 6, and the client is not in the room": lambda run: life(run, 1).insert(4, shown(6)),
    "lacks 8 to 8, and does not say so": lambda run: life(run, 1).insert(6, shown(9)),
    "ends at 8 of epoch e2": lambda run: life(run, 1).pop(),
    "'refused' was said although it is refused": lambda run: life(run, 1).append(
        Shown(YARD, "e2", Message(9, "t", "anna", None, "refused", room="yard"))
    ),
    "'line 3' was said although it is typed": lambda run: fated(run, "line 3", Fate.TYPED),
    "'refused' was neither answered nor marked": lambda run: fated(run, "refused", Fate.WAITING),
    "nobody has seen it": lambda run: fated(run, "refused", Fate.ANSWERED),
    "'line 3' is number 3": lambda run: life(run, 1).append(
        Shown(YARD, "e2", shown(3).message._replace(seq=10))
    ),
}


def test_a_good_run_has_no_faults() -> None:
    assert faults(good_run()) == []


@pytest.mark.parametrize("fault", PLANTED)
def test_a_fault_is_found(fault: str) -> None:
    run = good_run()
    PLANTED[fault](run)
    assert any(fault in each for each in faults(run)), faults(run)
