"""Name the styles of text on the screen, and define what each looks like.

A style is a name in the table, or several of them one over the other, or a pair of colours, which only pictures use.
The terminal turns a name into attributes for as many colours as it has.
"""

from __future__ import annotations

from binascii import crc32
from functools import lru_cache
from typing import NamedTuple, TypeAlias


class Colours(NamedTuple):
    """Hold the colours of one cell of a picture, each 0xRRGGBB; a terminal shows the nearest that it has."""

    foreground: int
    background: int


class Layered(NamedTuple):
    """Name a style, and others over it: code in a private message, for example. The last that has a colour wins."""

    base: str
    over: tuple[str, ...]


Style: TypeAlias = str | Colours | Layered

TEXT = "text"
DIM = "dim"  # times, joins and leaves, the client's own words
PENDING = "pending"  # own words that the server has not sent back yet
EARLIER = "earlier"  # what was said before the user came
PERHAPS = "perhaps"  # own words of which nobody knows whether they were said
ERROR = "error"
PRIVATE = "private"
MENTION = "mention"
OWN_NAME = "own-name"
HEADING = "heading"  # on a page
RULE = "rule"  # where the day changes
UNREAD_MARKER = "unread-marker"
MATCH = "match"
CURRENT_MATCH = "current-match"
TITLE = "title"
STATUS = "status"
STATUS_ALERT = "status-alert"  # in the status line: no connection, or messages for the user
STATUS_ACTIVE = "status-active"  # in the status line: the view that is shown
TOPIC = "topic"  # below the title
NAMES = "names"
SIDEBAR = "sidebar"
SIDEBAR_ACTIVE = "sidebar-active"  # the current view
SIDEBAR_ALERT = "sidebar-alert"  # with messages for the user
SIDEBAR_UNREAD = "sidebar-unread"
PROMPT = "prompt"
INPUT = "input"
# Markup in texts, over the style of the text.
MARKER = "marker"  # what makes the markup: stars, backticks
CODE = "code"
EMPHASIS = "emphasis"
STRONG = "strong"
LINK = "link"
QUOTE = "quote"
CODE_KEYWORD = "code-keyword"
CODE_NAME = "code-name"  # of functions and classes
CODE_STRING = "code-string"
CODE_NUMBER = "code-number"
CODE_COMMENT = "code-comment"


class Appearance(NamedTuple):
    """Define a style: ``colour`` for a terminal with 256 colours, ``basic`` for 8; None is the default colour.

    ``ground`` and ``basic_ground`` are the colours behind the text. ``italic`` is underlined where a terminal has no
    italics.
    """

    colour: int | None = None
    basic: int | None = None
    bold: bool = False
    dim: bool = False
    reverse: bool = False
    underline: bool = False
    ground: int | None = None
    basic_ground: int | None = None
    italic: bool = False

    def over(self, below: Appearance) -> Appearance:
        """Return this look over ``below``: with the attributes of both, and its own colours where it has any."""
        colours, grounds = (self, below)[self.colour is None], (self, below)[self.ground is None]
        return Appearance(
            colours.colour,
            colours.basic,
            self.bold or below.bold,
            self.dim or below.dim,
            self.reverse or below.reverse,
            self.underline or below.underline,
            grounds.ground,
            grounds.basic_ground,
            self.italic or below.italic,
        )


_RED, _GREEN, _YELLOW, _BLUE, _MAGENTA, _CYAN = range(1, 7)

# Colours out of 256 that are readable on black and on white, and that differ enough from each other.
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

# Readable on any background; ``chat.client.screen.text.themes`` has the looks for a background that is known.
LOOKS: dict[str, Appearance] = {
    TEXT: Appearance(),
    DIM: Appearance(dim=True),
    PENDING: Appearance(dim=True),
    EARLIER: Appearance(dim=True),
    PERHAPS: Appearance(136, _YELLOW),
    ERROR: Appearance(160, _RED),
    PRIVATE: Appearance(133, _MAGENTA),
    MENTION: Appearance(bold=True, reverse=True),
    OWN_NAME: Appearance(bold=True),
    HEADING: Appearance(bold=True),
    RULE: Appearance(dim=True),
    UNREAD_MARKER: Appearance(160, _RED),
    # Without colours, only the current match is reversed.
    MATCH: Appearance(136, _YELLOW, bold=True, underline=True),
    CURRENT_MATCH: Appearance(136, _YELLOW, bold=True, reverse=True, underline=True),
    TITLE: Appearance(reverse=True),
    STATUS: Appearance(reverse=True),
    STATUS_ALERT: Appearance(bold=True, reverse=True),
    STATUS_ACTIVE: Appearance(bold=True),
    TOPIC: Appearance(dim=True),
    NAMES: Appearance(),
    SIDEBAR: Appearance(),
    SIDEBAR_ACTIVE: Appearance(reverse=True),
    SIDEBAR_ALERT: Appearance(160, _RED, bold=True),
    SIDEBAR_UNREAD: Appearance(bold=True),
    PROMPT: Appearance(133, _MAGENTA, bold=True),
    INPUT: Appearance(),
    MARKER: Appearance(dim=True),
    CODE: Appearance(30, _CYAN),
    EMPHASIS: Appearance(italic=True),
    STRONG: Appearance(bold=True),
    LINK: Appearance(underline=True),
    QUOTE: Appearance(dim=True),
    CODE_KEYWORD: Appearance(133, _MAGENTA, bold=True),
    CODE_NAME: Appearance(68, _BLUE),
    CODE_STRING: Appearance(71, _GREEN),
    CODE_NUMBER: Appearance(136, _YELLOW),
    CODE_COMMENT: Appearance(dim=True),
    **{
        style: Appearance(colour, basic)
        for style, (colour, basic) in zip(NAME_STYLES, _NAME_COLOURS, strict=True)
    },
}


@lru_cache(maxsize=4096)
def name_style(name: str) -> str:
    """Return the style of another user's name: always the same, on every screen."""
    # Not hash(): Python salts it for each process, and a name would change its colour with every start.
    return NAME_STYLES[crc32(name.casefold().encode(errors="replace")) % len(NAME_STYLES)]
