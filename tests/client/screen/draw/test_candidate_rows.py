from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chat.client.screen.draw.candidate_rows import candidate_rows
from chat.client.screen.draw.layout import Renderer, Size
from chat.client.screen.model.model import Candidates, Model
from chat.client.screen.text.spans import row_width, text_of
from chat.client.screen.text.styles import MATCH

NAMES = Candidates(("bob", "alice", "carol"))


def drawn(candidates: Candidates | None, width: int, height: int) -> list[str]:
    return [text_of(row).rstrip() for row in candidate_rows(candidates, width, height)]


def test_candidates_stand_in_columns() -> None:
    assert drawn(NAMES, 40, 3) == [" bob    alice  carol"]
    assert drawn(NAMES, 16, 3) == [" bob    alice", " carol"]
    assert drawn(NAMES, 10, 3) == [" bob", " alice", " carol"]


def test_without_candidates_or_room_there_are_no_rows() -> None:
    assert drawn(None, 40, 3) == []
    assert drawn(NAMES, 40, 0) == []


def test_those_that_do_not_fit_are_counted() -> None:
    many = Candidates(tuple(f"n{number:02}" for number in range(20)))
    assert drawn(many, 11, 3) == [" n00  n01", " n02  n03", " … 16 more"]
    assert drawn(many._replace(chosen=5), 11, 3) == [" n04  n05", " n06  n07", " … 16 more"]
    assert drawn(many._replace(chosen=19), 11, 3)[-2:] == [" n18  n19", " … 16 more"]


def test_the_chosen_one_is_marked() -> None:
    (row,) = candidate_rows(NAMES._replace(chosen=1), 40, 3)
    assert [span.text for span in row if span.style == MATCH] == ["alice"]


def test_names_of_files_are_harmless() -> None:
    (row,) = drawn(Candidates(("a\u202eb", "音乐")), 40, 3)
    assert row == " a<U+202E>b  音乐"


@pytest.mark.parametrize(("rows", "log_rows"), [(24, 14), (12, 6), (5, 2)])
def test_the_list_leaves_room_for_the_log(rows: int, log_rows: int) -> None:
    model = Model("chat.example:8080", "bob")
    model.candidates = Candidates(tuple(f"n{number:02}" for number in range(500)))
    screen = Renderer().render(model, Size(20, rows))
    shown = [text_of(row).rstrip() for row in screen.rows]
    assert len(shown) == rows
    assert shown.count("") - 1 == log_rows  # and the input


@given(
    st.lists(st.text(min_size=1, max_size=50), min_size=1, max_size=60),
    st.integers(0, 59),
    st.integers(1, 80),
    st.integers(0, 9),
)
def test_any_candidates_fit(labels: list[str], chosen: int, width: int, height: int) -> None:
    candidates = Candidates(tuple(labels), chosen if chosen < len(labels) else None)
    rows = candidate_rows(candidates, width, height)
    assert len(rows) <= height
    if candidates.chosen is not None and height:
        assert sum(span.style == MATCH for row in rows for span in row) == 1
    assert all(row_width(row) <= max(width, 2) for row in rows)
