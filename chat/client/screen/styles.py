"""The styles in which a text can stand on the screen: their names, and what each looks like.

A style is a name out of the table, which the terminal turns into attributes for as many colours as it has, or a pair
of colours, which only pictures are made of.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple, TypeAlias
from zlib import crc32


class Colours(NamedTuple):
    """Of one cell of a picture, each 0xRRGGBB. A terminal takes the nearest that it has."""

    foreground: int
    background: int


Style: TypeAlias = str | Colours

TEXT = "text"
DIM = "dim"  # times, joins and leaves, the client's own words
PENDING = "pending"  # own words that the server has not sent back yet
ERROR = "error"
PRIVATE = "private"
MENTION = "mention"
OWN_NAME = "own-name"
RULE = "rule"  # where the day changes
UNREAD_MARKER = "unread-marker"
MATCH = "match"
TITLE = "title"
STATUS = "status"
STATUS_ALERT = "status-alert"  # in the status line: no connection, or somebody wants us
NAMES = "names"
PROMPT = "prompt"
INPUT = "input"


class Look(NamedTuple):
    """How a style looks: ``colour`` where the terminal has 256 of them, ``basic`` where it has 8; None: its own."""

    colour: int | None = None
    basic: int | None = None
    bold: bool = False
    dim: bool = False
    reverse: bool = False
    underline: bool = False


_RED, _GREEN, _YELLOW, _BLUE, _MAGENTA, _CYAN = range(1, 7)

# Of the 256 colours, those that can be read on a black and on a white ground, and told from each other.
_NAME_COLOURS = (
    (32, _BLUE),
    (35, _GREEN),
    (130, _YELLOW),
    (133, _MAGENTA),
    (37, _CYAN),
    (161, _RED),
    (64, _GREEN),
    (99, _BLUE),
    (166, _YELLOW),
    (168, _MAGENTA),
    (30, _CYAN),
    (68, _BLUE),
    (136, _YELLOW),
    (97, _MAGENTA),
    (71, _GREEN),
    (125, _RED),
)
NAME_STYLES = tuple(f"name-{number}" for number in range(len(_NAME_COLOURS)))

LOOKS: dict[str, Look] = {
    TEXT: Look(),
    DIM: Look(dim=True),
    PENDING: Look(dim=True),
    ERROR: Look(160, _RED),
    PRIVATE: Look(133, _MAGENTA),
    MENTION: Look(bold=True, reverse=True),
    OWN_NAME: Look(bold=True),
    RULE: Look(dim=True),
    UNREAD_MARKER: Look(160, _RED),
    MATCH: Look(reverse=True, underline=True),
    TITLE: Look(reverse=True),
    STATUS: Look(reverse=True),
    STATUS_ALERT: Look(bold=True, reverse=True),
    NAMES: Look(),
    PROMPT: Look(133, _MAGENTA, bold=True),
    INPUT: Look(),
    **{
        style: Look(colour, basic)
        for style, (colour, basic) in zip(NAME_STYLES, _NAME_COLOURS, strict=True)
    },
}


@lru_cache(maxsize=4096)
def name_style(name: str) -> str:
    """The style of somebody else's name: the same one on every day and every screen."""
    return NAME_STYLES[crc32(name.casefold().encode(errors="replace")) % len(NAME_STYLES)]
