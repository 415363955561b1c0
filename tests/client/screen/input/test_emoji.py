from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from chat.client.screen.input.emoji import MAX_FOUND, find_emoji
from chat.client.screen.text.cells import clusters
from chat.sanitize import sanitize


def names(begun: str) -> list[str]:
    return [name for _, name in find_emoji(begun)]


def test_exact_names_then_beginnings_then_words_each_from_the_shortest() -> None:
    found = names("heart")
    assert found[:4] == ["heart", "hearts", "heartbeat", "heart_eyes"]
    begins = [name.startswith("heart") for name in found]
    assert begins == sorted(begins, reverse=True)
    assert "two_hearts" in found


def test_an_emoji_is_found_once_by_its_best_name() -> None:
    assert [(c, n) for c, n in find_emoji("thumbs") if c == "👍"] == [("👍", "thumbsup")]
    assert find_emoji("ROCKET") == find_emoji("rocket")
    assert find_emoji("qqqq") == []
    assert len(find_emoji("fa")) == MAX_FOUND


@given(st.text(st.sampled_from("abcdefghijklmnopqrstuvwxyz_"), min_size=2, max_size=3))
def test_each_is_one_character_that_may_be_shown_and_sent(begun: str) -> None:
    for character, name in find_emoji(begun):
        assert clusters(character) == [character]
        assert sanitize(character) == character
        assert name.startswith(begun) or f"_{begun}" in name
