from __future__ import annotations

import pytest

from chat.client.attention import ignored as module
from chat.client.attention.ignored import Ignored
from tests.tables import table


def test_nobody_is_ignored_at_first() -> None:
    assert "alice" not in Ignored()


@table(
    ("pattern", "name", "is_hidden"),
    [
        ("alice", "Alice", True),
        ("ＡＬＩＣＥ", "alice", True),
        ("alice", "alice-2", False),
        ("*-bot", "build-bot", True),
        ("*-BOT", "Build-bot", True),
        ("*-bot", "botanist", False),
        ("guest-?", "guest-7", True),
        ("guest-?", "guest-77", False),
        ("guest-[0-4]", "guest-7", False),
        ("борис*", "Борис-2", True),
        ("a.b", "axb", False),
        ("*", "anybody", True),
    ],
)
def test_a_pattern_hides_the_names_that_match(pattern: str, name: str, is_hidden: bool) -> None:
    assert (name in Ignored([pattern])) is is_hidden


def test_a_pattern_is_removed_in_any_case() -> None:
    ignored = Ignored(["Alice", "*-bot"])
    assert "alice" in ignored
    assert ignored.remove("ALICE")
    assert not ignored.remove("ALICE")
    assert "alice" not in ignored
    assert "my-bot" in ignored
    assert ignored.patterns == ["*-bot"]


def test_the_patterns_that_hide_a_name_are_told() -> None:
    assert Ignored(["my-*", "*-bot", "eve"]).matching("My-Bot") == ["my-*", "*-bot"]


def test_many_names_do_not_fill_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_MAX_KNOWN", 10)
    ignored = Ignored(["*7"])
    assert [number for number in range(100) if f"user-{number}" in ignored] == [*range(7, 100, 10)]
    assert len(ignored._known) <= 10
