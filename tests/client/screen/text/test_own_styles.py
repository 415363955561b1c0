from __future__ import annotations

import pytest

from chat.client.program.settings import Table
from chat.client.screen.text.own_styles import read_styles
from chat.client.screen.text.styles import LOOKS, Appearance
from chat.client.screen.text.themes import Theme
from chat.config.command_line import UsageError


def table(**styles: str) -> Table:
    return Table(
        tuple((name.replace("_", "-"), words) for name, words in styles.items()), "f: styles"
    )


@pytest.mark.parametrize(
    ("words", "look"),
    [
        ("bold", Appearance(bold=True)),
        ("red", Appearance(1, 1)),
        ("Bold RED", Appearance(1, 1, bold=True)),
        ("italic", Appearance(italic=True)),
        ("dim underline 208", Appearance(208, 3, dim=True, underline=True)),
        ("#ff0000", Appearance(196, 1)),
        ("white on blue", Appearance(7, 7, ground=4, basic_ground=4)),
        ("reverse on #303030", Appearance(reverse=True, ground=236, basic_ground=0)),
        ("plain", Appearance()),
    ],
)
def test_words_for_a_style(words: str, look: Appearance) -> None:
    assert read_styles(table(mention=words)) == {"mention": look}


@pytest.mark.parametrize(
    ("name", "words", "problem"),
    [
        ("eror", "red", "f: styles: eror: no such style; expected error?"),
        ("error", "redd", "f: styles: error: 'redd' is no style; expected red?"),
        ("error", "undreline", "f: styles: error: 'undreline' is no style; expected underline?"),
        ("error", "256", "f: styles: error: '256' is no style; expected bold, dim"),
        ("error", "#ff", "f: styles: error: '#ff' is no style; expected bold, dim"),
        ("error", "red on", "f: styles: error: expected a colour after 'on'"),
        ("error", " ", "f: styles: error: empty; expected words such as"),
    ],
)
def test_a_mistake_is_one_line_with_a_suggestion(name: str, words: str, problem: str) -> None:
    with pytest.raises(UsageError) as caught:
        read_styles(table(**{name: words}))
    assert str(caught.value).startswith(problem)
    assert "\n" not in str(caught.value)


def test_own_styles_override_every_theme() -> None:
    own = read_styles(table(mention="bold red", name_1="208"))
    theme = Theme("auto", own)
    assert theme.looks["mention"] == Appearance(1, 1, bold=True)
    theme.hear("]11;rgb:ffff/ffff/ffff")
    assert theme.looks["mention"] == Appearance(1, 1, bold=True)
    assert theme.looks["name-2"] != LOOKS["name-2"]


def test_without_a_table_nothing_changes() -> None:
    assert read_styles(None) == {}
