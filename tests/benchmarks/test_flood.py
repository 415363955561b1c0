"""The messages of a flood match the titles of the figures."""

from __future__ import annotations

from benchmarks.clients.flood import LAST, SIZE, flood, last_message


def test_all_texts_are_of_one_size_and_different() -> None:
    texts = [message.text for message in flood(1000)]

    assert {len(text) for text in texts} == {SIZE}
    assert len(set(texts)) == 1000
    assert len(last_message().text) == SIZE


def test_the_last_one_is_not_drawn_over_equal_characters() -> None:
    used = {character for message in flood(1000) for character in message.text}

    assert not used & set(LAST)
