from __future__ import annotations

import pytest

from chat.client.screen.text.glyphs import Glyphs
from chat.sanitize import UNKNOWN


def test_ascii_is_known_everywhere() -> None:
    text = "hello"
    assert Glyphs(lambda code: -1).shown(text) is text


def test_what_both_agree_on_stays() -> None:
    glyphs = Glyphs(lambda code: 2 if code == ord("日") else 1)
    assert glyphs.shown("é日") == "é日"


def test_what_the_library_takes_for_narrower_fits_as_it_is() -> None:
    assert Glyphs(lambda code: 1).shown("🇩🇪日") == "🇩🇪日"


def test_what_it_takes_for_wider_would_not_fit() -> None:
    assert Glyphs(lambda code: 2 if code == ord("é") else 1).shown("aéb") == f"a{UNKNOWN}b"


def test_what_it_does_not_know_keeps_its_cells() -> None:
    assert Glyphs(lambda code: -1 if code == ord("日") else 1).shown("日b") == f"{UNKNOWN} b"


def test_where_not_even_that_can_be_shown() -> None:
    glyphs = Glyphs(lambda code: -1)
    assert glyphs.shown("日é") == "? ?"


def test_a_mark_that_the_library_gives_a_cell_is_left_out() -> None:
    assert Glyphs(lambda code: 1).shown("e\u0301") == "e"


def test_a_mark_that_it_does_not_know_is_left_out() -> None:
    assert Glyphs(lambda code: -1 if code == 0x301 else 1).shown("e\u0301x") == "ex"


@pytest.mark.parametrize("text", ["мир", "日本語", "e\u0301", "👩🏽‍🚀 🇩🇪", "שלום", "─│▀…"])
def test_by_the_library_of_this_system_all_of_it_is_shown(text: str) -> None:
    assert Glyphs().shown(text) == text


@pytest.mark.parametrize("text", ["\U0010eeee", "\U000f0001", "\U00100000"])
def test_where_a_terminal_would_put_a_picture_nothing_is(text: str) -> None:
    assert Glyphs(lambda code: 1).shown(f"a{text}b") == f"a{UNKNOWN}b"
