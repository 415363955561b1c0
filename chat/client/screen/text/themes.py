"""Choose what the styles look like: by the theme that the user wants, and by the background of the terminal.

A terminal tells its background if it is asked (xterm, OSC 11). Until it answers, and if it does not, the looks are
readable on any background.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from enum import Enum

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
    PROMPT,
    SIDEBAR_ALERT,
    TEXT,
    UNREAD_MARKER,
    Appearance,
    Layered,
)

_RED, _GREEN, _YELLOW, _BLUE, _MAGENTA, _CYAN = range(1, 7)

_OF_CODE = (CODE, CODE_KEYWORD, CODE_NAME, CODE_STRING, CODE_NUMBER)

# An answer of a terminal: one to four hexadecimal digits for each channel, and maybe for the opacity.
_ANSWER = re.compile(
    r"\]11;rgba?:([0-9a-f]{1,4})/([0-9a-f]{1,4})/([0-9a-f]{1,4})(?:/[0-9a-f]{1,4})?", re.I
)
# On a background with more light than this (WCAG, relative luminance), black text has more contrast than white text.
_MIDDLE = 0.179


class Background(Enum):
    """Name the kinds of background that look different."""

    DARK = "dark"
    LIGHT = "light"


class Theme:
    """Hold what the styles look like now: ``looks``.

    ``name`` is one of ``THEMES`` of the settings; ``own`` are looks of the user, which override those of the theme.
    """

    def __init__(self, name: str = "neutral", own: Mapping[str, Appearance] | None = None) -> None:
        self._name = name
        self._own = own or {}
        self._background: Background | None = None
        self.looks = {**looks_of(name, None), **self._own}

    def look(self, style: str | Layered) -> Appearance:
        """Return what ``style`` looks like now. An unknown style looks like usual text."""
        looks = self.looks
        if isinstance(style, str):
            return looks.get(style) or looks[TEXT]
        look = self.look(style.base)
        for name in style.over:
            look = self.look(name).over(look)
        return look

    @property
    def asks_background(self) -> bool:
        """Return whether the looks depend on the background of the terminal."""
        return self._name in ("auto", "colour-blind")

    def hear(self, answer: str) -> bool:
        """Take an answer of the terminal; return whether it changed the looks."""
        background = background_of(answer)
        if background is None or background is self._background or not self.asks_background:
            return False
        self._background = background
        self.looks = {**looks_of(self._name, background), **self._own}
        return True


def background_of(answer: str) -> Background | None:
    """Return the background in an ``answer`` of the terminal; None if it is no answer about the background."""
    match = _ANSWER.fullmatch(answer)
    if match is None:
        return None
    red, green, blue = (
        _linear(int(digits, 16) / (16 ** len(digits) - 1)) for digits in match.groups()
    )
    light = 0.2126 * red + 0.7152 * green + 0.0722 * blue
    return Background.LIGHT if light > _MIDDLE else Background.DARK


def looks_of(theme: str, background: Background | None) -> Mapping[str, Appearance]:
    """Return the looks of all styles in ``theme``; ``background`` is None as long as it is not known."""
    if theme == "colour-blind":
        return {None: _SAFE, Background.DARK: _SAFE_DARK, Background.LIGHT: _SAFE_LIGHT}[background]
    if theme == "auto" and background is not None:
        theme = background.value
    return {"dark": _DARK, "light": _LIGHT}.get(theme, LOOKS)


def _linear(channel: float) -> float:
    return channel / 12.92 if channel <= 0.03928 else ((channel + 0.055) / 1.055) ** 2.4


def _theme(
    error: Appearance,
    private: Appearance,
    code: Iterable[tuple[int, int]],
    names: Iterable[tuple[int, int]],
) -> dict[str, Appearance]:
    """Return looks with ``names`` as the colours of names, 256 and 8, in a round if there are fewer than styles.

    The second round is bold, and the third underlined, so that each name still looks different. ``code`` has the
    colours of code, in the order of ``_OF_CODE``.
    """
    colours = list(names)
    looks = {**LOOKS, ERROR: error, UNREAD_MARKER: error, PRIVATE: private}
    for style, colour in zip(_OF_CODE, code, strict=True):
        looks[style] = LOOKS[style]._replace(colour=colour[0], basic=colour[1])
    looks[SIDEBAR_ALERT] = error._replace(bold=True)
    looks[PROMPT] = private._replace(bold=True)
    for number, style in enumerate(NAME_STYLES):
        turn, which = divmod(number, len(colours))
        looks[style] = Appearance(*colours[which], bold=turn == 1, underline=turn == 2)
    return looks


# Each name keeps its hue in the looks for any background: these are the nearest with a contrast of at least 5 to 1
# against usual backgrounds (#282c34 and #fdf6e3), and far enough from each other.
_DARK = _theme(
    Appearance(203, _RED),
    Appearance(177, _MAGENTA),
    ((80, _CYAN), (177, _MAGENTA), (110, _CYAN), (150, _GREEN), (215, _YELLOW)),
    (
        *((39, _CYAN), (48, _GREEN), (208, _YELLOW), (207, _MAGENTA), (37, _CYAN), (205, _RED)),
        *((154, _GREEN), (141, _CYAN), (215, _YELLOW), (211, _MAGENTA), (51, _CYAN), (110, _CYAN)),
        *((178, _YELLOW), (176, _MAGENTA), (40, _GREEN), (206, _RED)),
    ),
)
_LIGHT = _theme(
    Appearance(124, _RED),
    Appearance(90, _MAGENTA),
    ((23, _BLUE), (90, _MAGENTA), (25, _BLUE), (22, _GREEN), (94, _RED)),
    (
        *((25, _BLUE), (23, _GREEN), (94, _RED), (90, _MAGENTA), (24, _BLUE), (125, _RED)),
        *((58, _GREEN), (57, _BLUE), (124, _RED), (52, _MAGENTA), (26, _BLUE), (17, _BLUE)),
        *((88, _RED), (55, _MAGENTA), (22, _GREEN), (89, _RED)),
    ),
)
# These colours differ also for people who don't see red, green or blue (Machado et al. 2009, full severity); a test
# measures it. What matters is never told by colour alone: errors are bold, and say what is wrong.
_SAFE_DARK = _theme(
    Appearance(227, _YELLOW, bold=True),
    Appearance(141, _CYAN),
    ((121, _CYAN), (205, _MAGENTA), (195, _CYAN), (227, _YELLOW), (173, _YELLOW)),
    (
        *((227, _YELLOW), (205, _MAGENTA), (121, _CYAN), (141, _CYAN), (70, _YELLOW)),
        *((195, _CYAN), (219, _MAGENTA), (173, _YELLOW)),
    ),
)
_SAFE_LIGHT = _theme(
    Appearance(160, _RED, bold=True),
    Appearance(54, _BLUE),
    ((19, _BLUE), (89, _MAGENTA), (26, _BLUE), (95, _RED), (93, _MAGENTA)),
    (
        *((19, _BLUE), (160, _RED), (89, _MAGENTA), (26, _BLUE), (95, _RED), (54, _BLUE)),
        (93, _MAGENTA),
    ),
)
_SAFE = _theme(
    Appearance(199, _RED, bold=True),
    Appearance(67, _BLUE),
    ((64, _BLUE), (164, _MAGENTA), (67, _BLUE), (101, _MAGENTA), (95, _RED)),
    (*((64, _BLUE), (164, _MAGENTA), (95, _RED), (199, _RED), (67, _BLUE), (101, _MAGENTA)),),
)
