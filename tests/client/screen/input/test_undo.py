from __future__ import annotations

import pytest

from chat.client.screen.input import undo as module
from chat.client.screen.input.undo import Snapshot, Undo

EMPTY, A, AB = Snapshot("", 0), Snapshot("a", 1), Snapshot("ab", 2)


def test_nothing_is_undone_where_nothing_was_done() -> None:
    undo = Undo()
    assert undo.undo(EMPTY) is None
    assert undo.redo(EMPTY) is None


def test_back_and_forth() -> None:
    undo = Undo()
    undo.record(EMPTY)
    undo.record(A)
    assert undo.undo(AB) == A
    assert undo.undo(A) == EMPTY
    assert undo.undo(EMPTY) is None
    assert undo.redo(EMPTY) == A
    assert undo.redo(A) == AB
    assert undo.redo(AB) is None
    assert undo.undo(AB) == A


def test_a_change_ends_what_could_be_done_again() -> None:
    undo = Undo()
    undo.record(EMPTY)
    undo.undo(A)
    undo.record(EMPTY)
    assert undo.redo(AB) is None


def test_what_is_forgotten_does_not_come_back() -> None:
    undo = Undo()
    undo.record(EMPTY)
    undo.record(A)
    undo.undo(AB)
    undo.forget()
    assert undo.undo(A) is None
    assert undo.redo(A) is None


def steps_back(undo: Undo) -> int:
    count = 0
    while undo.undo(EMPTY):
        count += 1
    return count


def test_steps_are_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_STEPS", 3)
    undo = Undo()
    for _ in range(5):
        undo.record(EMPTY)
    assert steps_back(undo) == 3


def test_the_characters_of_all_steps_are_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_CHARACTERS", 10)
    undo = Undo()
    for _ in range(5):
        undo.record(Snapshot("four", 0))
    assert steps_back(undo) == 2
    for _ in range(5):
        undo.record(Snapshot("four", 0))
    assert steps_back(undo) == 2  # what was undone is not counted any more
