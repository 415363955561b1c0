"""A table is one test, and its failure names the row."""

from __future__ import annotations

import pytest

from tests.tables import table

CALLED: list[tuple[int, int]] = []


@table(("a", "b"), [(1, 2), (3, 4)])
def test_each_row_is_tried(a: int, b: int) -> None:
    CALLED.append((a, b))


class TestInAClass:
    @table("a", [1, 2])
    def test_it_has_its_instance(self, a: int) -> None:
        assert isinstance(self, TestInAClass)
        assert a in (1, 2)


def test_all_rows_were_tried() -> None:
    assert CALLED == [(1, 2), (3, 4)]


def test_the_failure_names_the_row() -> None:
    tried: list[int] = []

    @table("number", [1, 2, 3])
    def is_odd(number: int) -> None:
        tried.append(number)
        assert number % 2, "it is even"

    with pytest.raises(AssertionError, match=r"row 2, \{'number': 2\}: it is even") as caught:
        is_odd()
    assert tried == [1, 2]
    assert isinstance(caught.value.__cause__, AssertionError)


def test_a_table_without_rows_is_none() -> None:
    with pytest.raises(AssertionError, match="without rows"):
        table("number", [])
