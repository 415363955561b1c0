"""Which tests a run leaves out."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest

from tests import tiers

SOURCES = pytest.Config.ArgsSource
FEATURES = [f"tests/end_to_end/{test}" for test in tiers.FEATURES.values()]


class Item:
    """A test, which is marked as thorough if ``reasons`` are given."""

    def __init__(self, nodeid: str, *reasons: str, is_thorough: bool = False) -> None:
        self.nodeid = nodeid
        self._mark = SimpleNamespace(args=reasons) if reasons or is_thorough else None

    def get_closest_marker(self, name: str) -> Any:
        return self._mark if name == "thorough" else None


def left_by(*added: Item, source: SOURCES = SOURCES.TESTPATHS, **options: Any) -> list[str]:
    """Return the names of the tests that a run leaves out, of a quick test for each feature and ``added``."""
    given = {"all": False, "keyword": "", "markexpr": "", "ignore": None, **options}
    left: list[Any] = []
    hook = SimpleNamespace(pytest_deselected=lambda items: left.extend(items))
    config = SimpleNamespace(args_source=source, option=SimpleNamespace(**given), hook=hook)
    items = [*map(Item, FEATURES), *added]
    before = len(items)
    tiers.leave_out(cast(pytest.Config, config), cast(list[pytest.Item], items))
    assert len(items) + len(left) == before
    return [each.nodeid for each in left]


SLOW = Item("tests/test_x.py::test_slow", "endurance")


def test_a_run_of_everything_leaves_out_the_thorough_ones() -> None:
    assert left_by(SLOW, Item("tests/test_x.py::test_y")) == [SLOW.nodeid]


def test_a_run_of_all_or_of_what_is_named_leaves_out_nothing() -> None:
    assert left_by(SLOW, all=True) == []
    assert left_by(SLOW, keyword="slow") == []
    assert left_by(SLOW, markexpr="thorough") == []
    assert left_by(SLOW, source=SOURCES.ARGS) == []


def test_a_feature_without_a_quick_test_ends_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    lost = "test_of_a_new_feature.py"
    monkeypatch.setitem(tiers.FEATURES, "a new feature", lost)
    slow = Item(f"tests/end_to_end/{lost}::test_it", "it is slow")
    with pytest.raises(pytest.UsageError, match="no quick test shows 'a new feature'"):
        left_by(slow)
    assert left_by(slow, source=SOURCES.ARGS) == []
    assert left_by(Item(f"tests/end_to_end/{lost}::test_it")) == []


def test_a_thorough_test_has_a_reason() -> None:
    with pytest.raises(pytest.UsageError, match="say why"):
        left_by(Item("tests/test_x.py::test_y", is_thorough=True))


def test_the_first_parameters_are_quick() -> None:
    marked = tiers.quick_first(["a", ("b", 1), "c"], "each letter", quick=2)
    assert [each.values for each in marked] == [("a",), ("b", 1), ("c",)]
    assert [[mark.args for mark in each.marks] for each in marked] == [[], [], [("each letter",)]]
