"""The screens in the documentation are what the client shows now."""

from __future__ import annotations

import shutil
from xml.etree import ElementTree

import pytest

from scripts.screens import SCREENS
from scripts.screens.drawing import LOOKS, Look, Screen, draw_svg
from scripts.screens.scenes import NAMES, play

pytestmark = pytest.mark.skipif(shutil.which("tmux") is None, reason="tmux is not installed")


@pytest.fixture(scope="module")
def played() -> dict[str, Screen]:
    return dict(play())


@pytest.mark.thorough("plays each screen of the documents in tmux; `make docs` writes them anew")
@pytest.mark.parametrize("name", NAMES)
def test_a_screen_is_what_is_shown_now(played: dict[str, Screen], name: str) -> None:
    committed = (SCREENS / f"{name}.txt").read_text(encoding="utf-8")
    assert played[name].text == committed, f"docs/screens/{name}.txt is out of date: make docs"


@pytest.mark.thorough("plays each screen of the documents in tmux; `make docs` writes them anew")
@pytest.mark.parametrize("look", LOOKS, ids=["dark", "light"])
@pytest.mark.parametrize("name", NAMES)
def test_a_drawing_shows_the_same_words(played: dict[str, Screen], name: str, look: Look) -> None:
    """Colours are left out: they may be those of another release of a library some day."""
    drawing = f"{name}{look.suffix}"
    committed = (SCREENS / f"{drawing}.svg").read_text(encoding="utf-8")
    # Where one style ends and the next begins may differ from one theme to the other.
    assert "".join(words(committed)) == "".join(
        words(draw_svg(played[name], f"screen-{drawing}", look))
    )


def test_drawings_for_light_pages_have_the_theme_for_light_backgrounds() -> None:
    dark, light = (
        (SCREENS / f"room{look.suffix}.svg").read_text(encoding="utf-8") for look in LOOKS
    )
    # The colour of alice's name in each of the two themes.
    for drawing, colour, other in ((dark, "#af87ff", "#5f00ff"), (light, "#5f00ff", "#af87ff")):
        assert colour in drawing
        assert other not in drawing


def words(svg: str) -> list[str]:
    return [
        "".join(text.split())
        for element in ElementTree.fromstring(svg).iter()
        if (text := element.text or "").strip() and element.tag.endswith("}text")
    ]
