"""The screens in the documentation are what the client shows now."""

from __future__ import annotations

import shutil
from xml.etree import ElementTree

import pytest

from scripts.screens import SCREENS
from scripts.screens.drawing import Screen, draw_svg
from scripts.screens.scenes import NAMES, play

pytestmark = pytest.mark.skipif(shutil.which("tmux") is None, reason="tmux is not installed")


@pytest.fixture(scope="module")
def played() -> dict[str, Screen]:
    return dict(play())


@pytest.mark.parametrize("name", NAMES)
def test_a_screen_is_what_is_shown_now(played: dict[str, Screen], name: str) -> None:
    committed = (SCREENS / f"{name}.txt").read_text(encoding="utf-8")
    assert played[name].text == committed, f"docs/screens/{name}.txt is out of date: make docs"


@pytest.mark.parametrize("name", NAMES)
def test_a_drawing_shows_the_same_words(played: dict[str, Screen], name: str) -> None:
    """Colours are left out: they may be those of another release of a library some day."""
    committed = (SCREENS / f"{name}.svg").read_text(encoding="utf-8")
    assert words(committed) == words(draw_svg(played[name], f"screen-{name}"))


def words(svg: str) -> list[str]:
    return [
        text
        for element in ElementTree.fromstring(svg).iter()
        if (text := element.text or "").strip() and element.tag.endswith("}text")
    ]
