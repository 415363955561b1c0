from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import combinations

import pytest

from chat.client.program.settings import THEMES
from chat.client.screen.text.colours import rgb_of
from chat.client.screen.text.styles import (
    CODE,
    CODE_KEYWORD,
    CODE_NAME,
    CODE_NUMBER,
    CODE_STRING,
    ERROR,
    LOOKS,
    NAME_STYLES,
    PRIVATE,
    Appearance,
    Layered,
)
from chat.client.screen.text.themes import Background, Theme, background_of, looks_of
from tests.tables import table

OF_CODE = (CODE, CODE_KEYWORD, CODE_NAME, CODE_NUMBER, CODE_STRING)
DARK, LIGHT = Background.DARK, Background.LIGHT
# Usual backgrounds.
GROUNDS = {DARK: (0x000000, 0x1E1E1E, 0x282C34), LIGHT: (0xFFFFFF, 0xFDF6E3)}
# What is left of red, green and blue (linear) for people without one kind of cone (Machado et al. 2009, severity 1).
SIGHTS = {
    "usual": ((1, 0, 0), (0, 1, 0), (0, 0, 1)),
    "protanopia": (
        (0.152286, 1.052583, -0.204868),
        (0.114503, 0.786281, 0.099216),
        (-0.003882, -0.048116, 1.051998),
    ),
    "deuteranopia": (
        (0.367322, 0.860646, -0.227968),
        (0.280085, 0.672501, 0.047413),
        (-0.011820, 0.042940, 0.968881),
    ),
    "tritanopia": (
        (1.255528, -0.076749, -0.178779),
        (-0.078411, 0.930809, 0.147602),
        (0.004733, 0.691367, 0.303900),
    ),
}


def linear(rgb: int) -> list[float]:
    channels = ((rgb >> shift & 255) / 255 for shift in (16, 8, 0))
    return [c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]


def product(row: Sequence[float], column: Sequence[float]) -> float:
    return sum(one * other for one, other in zip(row, column, strict=True))


def contrast(rgb: int, other: int) -> float:
    """Return the contrast of two colours by WCAG 2, from 1 to 21."""
    weights = (0.2126, 0.7152, 0.0722)
    one, two = (product(weights, linear(each)) for each in (rgb, other))
    return (max(one, two) + 0.05) / (min(one, two) + 0.05)


def seen(rgb: int, sight: str) -> tuple[float, float, float]:
    """Return the colour in CIE L*a*b*, where distances are those that people see."""
    red, green, blue = (min(1.0, max(0.0, product(row, linear(rgb)))) for row in SIGHTS[sight])
    x = (0.4124 * red + 0.3576 * green + 0.1805 * blue) / 0.9505
    y = 0.2126 * red + 0.7152 * green + 0.0722 * blue
    z = (0.0193 * red + 0.1192 * green + 0.9505 * blue) / 1.089
    fx, fy, fz = (t ** (1 / 3) if t > 0.008856 else 7.787 * t + 16 / 116 for t in (x, y, z))
    return 116 * fy - 16, 500 * (fx - fy), 200 * (fy - fz)


def coloured(theme: str, background: Background | None) -> dict[str, Appearance]:
    looks = looks_of(theme, background)
    return {style: looks[style] for style in (*NAME_STYLES, ERROR, PRIVATE, *OF_CODE)}


@table(
    ("answer", "background"),
    [
        ("]11;rgb:0000/0000/0000", DARK),
        ("]11;rgb:1e1e/1e1e/1e1e", DARK),
        ("]11;rgb:00/2b/36", DARK),
        ("]11;rgb:0/0/f", DARK),
        ("]11;rgb:ffff/ffff/ffff", LIGHT),
        ("]11;rgb:FD/F6/E3", LIGHT),
        ("]11;rgba:eeee/eeee/eeee/ffff", LIGHT),
        ("]11;rgb:8080/8080/8080", LIGHT),
        ("]10;rgb:ffff/ffff/ffff", None),
        ("]11;rgb:ffff/ffff", None),
        ("]11;rgb:fffff/ffff/ffff", None),
        ("]11;rgb:gg/gg/gg", None),
        ("]11;?", None),
        ("", None),
    ],
)
def test_a_terminal_answers_with_its_background(answer: str, background: Background | None) -> None:
    assert background_of(answer) is background


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize("background", [None, DARK, LIGHT])
def test_a_theme_has_all_styles(theme: str, background: Background | None) -> None:
    looks = looks_of(theme, background)
    assert looks.keys() == LOOKS.keys()
    for look in looks.values():
        assert (look.colour is None) == (look.basic is None)
        # The first 16 differ from one user to the next; black and white are somebody's background.
        assert look.colour is None or 16 <= look.colour < 256
        assert look.basic is None or 1 <= look.basic <= 6
    assert len({looks[style] for style in NAME_STYLES}) == len(NAME_STYLES)


def test_only_two_themes_depend_on_the_background() -> None:
    for theme in THEMES:
        differs = looks_of(theme, DARK) != looks_of(theme, LIGHT)
        assert differs == Theme(theme).asks_background
    assert looks_of("auto", None) == LOOKS
    assert looks_of("auto", DARK) == looks_of("dark", LIGHT)
    assert looks_of("auto", LIGHT) == looks_of("light", DARK)


@pytest.mark.parametrize("theme", ["auto", "colour-blind"])
@pytest.mark.parametrize("background", [DARK, LIGHT])
def test_text_is_readable(theme: str, background: Background) -> None:
    for style, look in coloured(theme, background).items():
        assert look.colour is not None
        assert min(contrast(rgb_of(look.colour), g) for g in GROUNDS[background]) >= 4.5, style


@pytest.mark.parametrize("theme", ["auto", "colour-blind"])
def test_text_is_readable_before_the_background_is_known(theme: str) -> None:
    for style, look in coloured(theme, None).items():
        assert look.colour is not None
        assert min(contrast(rgb_of(look.colour), g) for g in (0x000000, 0xFFFFFF)) >= 2.5, style


@pytest.mark.parametrize("background", [None, DARK, LIGHT])
@pytest.mark.parametrize("sight", SIGHTS)
def test_colours_differ_for_everyone(background: Background | None, sight: str) -> None:
    colours = {look.colour or 0 for look in coloured("colour-blind", background).values()}
    for one, other in combinations(sorted(colours), 2):
        assert math.dist(seen(rgb_of(one), sight), seen(rgb_of(other), sight)) > 15, (one, other)


def test_colours_of_the_usual_theme_do_not() -> None:
    colours = sorted({look.colour or 0 for look in coloured("dark", None).values()})
    assert any(
        math.dist(seen(rgb_of(one), "deuteranopia"), seen(rgb_of(other), "deuteranopia")) < 15
        for one, other in combinations(colours, 2)
    )


def test_a_look_over_another() -> None:
    below = Appearance(133, 5, dim=True, ground=20, basic_ground=4)
    assert Appearance(bold=True, italic=True).over(below) == below._replace(bold=True, italic=True)
    assert Appearance(30, 6).over(below) == below._replace(colour=30, basic=6)
    over = Appearance(ground=21, basic_ground=5).over(below)
    assert over == below._replace(ground=21, basic_ground=5)


def test_the_look_of_styles_one_over_the_other() -> None:
    theme = Theme("dark", {"strong": Appearance(underline=True)})
    assert theme.look("private") == theme.looks["private"]
    assert theme.look("no-style") == Appearance()
    code = theme.looks["code"]
    look = theme.look(Layered("private", ("strong", "code")))
    assert look == code._replace(underline=True)
