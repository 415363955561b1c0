"""Read the styles that a user has chosen in the settings file, such as ``mention = "bold #ff8800"``."""

from __future__ import annotations

import re

from chat.client.program.settings import Table
from chat.client.screen.text.colours import nearest, rgb_of
from chat.client.screen.text.styles import LOOKS, Appearance
from chat.config.command_line import UsageError
from chat.config.options import suggestion

_ATTRIBUTES = ("bold", "dim", "italic", "reverse", "underline")
# The user's own first eight colours, whatever they are.
_NAMES = ("black", "red", "green", "yellow", "blue", "magenta", "cyan", "white")
_PLAIN = "plain"
_GROUND = "on"
_WORDS = [*_ATTRIBUTES, *_NAMES, _PLAIN, _GROUND]
_RGB = re.compile(r"#[0-9a-f]{6}")


def read_styles(table: Table | None) -> dict[str, Appearance]:
    """Return the looks in the table ``[styles]``, by style. Raises UsageError with one line."""
    looks = {}
    for name, words in () if table is None else table.entries:
        assert table is not None
        style = name.strip().lower()
        if style not in LOOKS:
            nearest_style = suggestion(style, list(LOOKS))
            raise UsageError(f"{table.where}: {name}: no such style; {nearest_style}")
        looks[style] = _appearance(words, f"{table.where}: {name}")
    return looks


def _appearance(text: str, where: str) -> Appearance:
    look = Appearance()
    words = text.lower().split()
    if not words:
        raise UsageError(
            f"{where}: empty; expected words such as 'bold red on #303030', or 'plain'"
        )
    is_ground = False
    for word in words:
        if word in _ATTRIBUTES:
            look = look._replace(**{word: True})
        elif word == _GROUND:
            is_ground = True
            continue
        elif word != _PLAIN:
            colour, basic = _colour(word, where)
            if is_ground:
                look = look._replace(ground=colour, basic_ground=basic)
            else:
                look = look._replace(colour=colour, basic=basic)
        is_ground = False
    if is_ground:
        raise UsageError(f"{where}: expected a colour after 'on'")
    return look


def _colour(word: str, where: str) -> tuple[int, int]:
    """Return the numbers of a colour, for terminals with 256 and with 8 colours."""
    if word in _NAMES:
        number = _NAMES.index(word)
        return number, number
    if _RGB.fullmatch(word):
        rgb = int(word[1:], 16)
        return nearest(rgb, 256), nearest(rgb, 8)
    if re.fullmatch(r"[0-9]{1,3}", word, re.ASCII) and int(word) < 256:
        return int(word), nearest(rgb_of(int(word)), 8)
    expected = suggestion(
        word, _WORDS, "bold, dim, italic, reverse, underline, a colour such as red, 208 or #ff8800"
    )
    raise UsageError(f"{where}: {word!r} is no style; {expected}")
