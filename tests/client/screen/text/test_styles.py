from __future__ import annotations

from collections import Counter

from chat.client.screen.text import styles
from chat.client.screen.text.styles import LOOKS, NAME_STYLES, OWN_NAME, name_style
from tests.tables import table


def test_every_style_has_a_look() -> None:
    named = {value for name, value in vars(styles).items() if name.isupper() and type(value) is str}
    assert named | set(NAME_STYLES) == LOOKS.keys()


@table("style", LOOKS)
def test_a_look_can_be_had_in_256_and_in_8_colours(style: str) -> None:
    look = LOOKS[style]
    assert (look.colour is None) == (look.basic is None)
    assert (
        look.colour is None or 16 <= look.colour < 256
    )  # the first 16 differ from one user to the next
    assert look.basic is None or 1 <= look.basic <= 6  # black and white are somebody's ground


def test_what_matters_shows_without_colours() -> None:
    for style in (styles.MENTION, styles.OWN_NAME, styles.MATCH, styles.TITLE, styles.STATUS):
        look = LOOKS[style]
        assert look.bold or look.reverse or look.underline


def test_a_name_keeps_its_style() -> None:
    assert name_style("alice") == name_style("Alice") == "name-7"
    assert name_style("алиса") == "name-6"
    assert name_style("\ud800") in NAME_STYLES


def test_names_are_spread_over_all_styles_but_ones_own() -> None:
    counts = Counter(name_style(f"user{number}") for number in range(1600))
    assert set(counts) == set(NAME_STYLES)
    assert max(counts.values()) < 200
    assert OWN_NAME not in counts
