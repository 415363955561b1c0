"""Draw a captured terminal as text and as SVG, without the parts that differ from run to run."""

from __future__ import annotations

import re
from io import StringIO
from itertools import count
from typing import NamedTuple

from rich.cells import cell_len
from rich.console import Console
from rich.style import Style
from rich.terminal_theme import TerminalTheme
from rich.text import Text

from scripts.screens.tmux import Captured

_ADDRESS = "chat.local:8080"  # as long as the real address with a port of five digits
_TITLE = f"chat-client --address={_ADDRESS}"
_DAY = "Friday, 13 March 2026"
_FIRST = 21 * 3600 + 4 * 60 + 5  # the time of the first line, in seconds of the day
_STEP = 7  # seconds from one line to the next
# The parts that differ, and their replacements. If the widths differ, the blanks and rules after them make up for it.
_FIXED = (
    (re.compile(r"127\.0\.0\.1:\d+"), _ADDRESS),
    (re.compile(r"[A-Z][a-z]+day, \d+ [A-Z][a-z]+ \d{4}"), _DAY),
    (re.compile(r"[\d.]+ ([KM]iB|bytes)/s, [\d:]+ left"), "1.2 MiB/s, 0:12 left"),
    (re.compile(r"next try in \d+ s"), "next try in 4 s"),
    (re.compile(r"(?<=again in )[\d.]+ s"), "4 s"),
    (re.compile(r"since [0-9]{2}:[0-9]{2}"), "since 21:04"),
)
# At the edge of the screen, or of the list of views beside the log.
_TIME = re.compile(r"(?:^|(?<=│))<\d\d:\d\d:\d\d>")
_FILLING = re.compile(r"([ ─])\1+")

_DARK_THEME = TerminalTheme(
    background=(24, 26, 31),
    foreground=(212, 215, 220),
    normal=[
        (40, 44, 52),
        (224, 96, 100),
        (140, 190, 110),
        (222, 180, 105),
        (100, 160, 235),
        (190, 125, 215),
        (86, 182, 194),
        (190, 195, 205),
    ],
)
_LIGHT_THEME = TerminalTheme(
    background=(255, 255, 255),
    foreground=(36, 41, 47),
    normal=[
        (36, 41, 47),
        (207, 34, 46),
        (17, 99, 41),
        (77, 45, 0),
        (9, 105, 218),
        (130, 80, 223),
        (27, 124, 131),
        (110, 119, 129),
    ],
)


class Look(NamedTuple):
    """Draw screens for readers with a dark or a light background; ``suffix`` is part of the names of the files."""

    background: str
    theme: TerminalTheme
    suffix: str


DARK = Look("#181a1f", _DARK_THEME, "")
LIGHT = Look("#ffffff", _LIGHT_THEME, "-light")
LOOKS = (DARK, LIGHT)
_LINE_HEIGHT = 24.4  # of rich, whose characters are 20 high
_SVG = """\
<svg viewBox="0 0 {width} {height}" xmlns="http://www.w3.org/2000/svg" xml:space="preserve">
<style>
.{unique_id}-matrix {{
  font-family: "DejaVu Sans Mono", Menlo, Consolas, "Liberation Mono", monospace;
  font-size: {char_height}px;
  line-height: {line_height}px;
  white-space: pre;
}}
.{unique_id}-title {{ font: bold 18px sans-serif; }}
{styles}
</style>
<defs>
<clipPath id="{unique_id}-clip-terminal">
<rect x="0" y="0" width="{terminal_width}" height="{terminal_height}" />
</clipPath>
{lines}
</defs>
{chrome}
<g transform="translate({terminal_x}, {terminal_y})" clip-path="url(#{unique_id}-clip-terminal)">
{backgrounds}
<g class="{unique_id}-matrix">
{matrix}
</g>
</g>
</svg>
"""
_HALF_BLOCKS = re.compile(
    r'<text class="(?P<style>[^"]+)" x="(?P<x>[^"]+)" y="(?P<y>[^"]+)" textLength="(?P<width>[^"]+)"[^>]*>▀+</text>'
)


class Screen(NamedTuple):
    """Hold rows with their colours, and the cell of the cursor."""

    rows: tuple[Text, ...]
    column: int
    row: int

    @property
    def text(self) -> str:
        """Return the rows without colours."""
        return "".join(f"{row.plain.rstrip()}\n" for row in self.rows)


def read(captured: Captured) -> Screen:
    """Return the screen as any run would show it."""
    rows = Text.from_ansi(captured.ansi).split("\n")
    times = count(_FIRST, _STEP)
    fixed = []
    for row in rows:
        for pattern, instead in _FIXED:
            row = _replace(row, pattern, instead)
        if _TIME.search(row.plain):
            minutes, seconds = divmod(next(times), 60)
            row = _replace(row, _TIME, f"<{minutes // 60:02}:{minutes % 60:02}:{seconds:02}>")
        fixed.append(_trimmed(row))
    return Screen(tuple(fixed), captured.column, captured.row)


def draw_svg(screen: Screen, name: str, look: Look = DARK) -> str:
    """Draw ``screen``. ``name`` is the name of the file; it keeps the styles of several drawings on one page apart."""
    width = max(cell_len(row.plain) for row in screen.rows)
    console = Console(
        record=True, width=width, file=StringIO(), color_system="truecolor", legacy_windows=False
    )
    for number, row in enumerate(screen.rows):
        if number == screen.row:
            row = _with_cursor(row, screen.column)
        console.print(row, no_wrap=True, overflow="ignore", crop=False, soft_wrap=True)
    title = _TITLE if width > len(_TITLE) + 20 else _TITLE.split()[0]  # beside three buttons
    svg = console.export_svg(title=title, theme=look.theme, code_format=_SVG, unique_id=name)
    # Half-blocks should touch, but in most fonts they do not, so they are drawn as rectangles.
    svg = _HALF_BLOCKS.sub(_upper_half, svg)
    return "".join(f"{line.rstrip()}\n" for line in svg.splitlines() if line.strip())


def _upper_half(match: re.Match[str]) -> str:
    top = float(match["y"]) - 20 + 1.5
    return (
        f'<rect class="{match["style"]}" x="{match["x"]}" y="{top:g}" width="{match["width"]}"'
        f' height="{_LINE_HEIGHT / 2:g}" shape-rendering="crispEdges"/>'
    )


def _with_cursor(row: Text, column: int) -> Text:
    row = row.copy()
    row.pad_right(max(0, column + 1 - cell_len(row.plain)))
    position = 0
    while cell_len(row.plain[:position]) < column:
        position += 1
    row.stylize(Style(reverse=True), position, position + 1)
    return row


def _trimmed(row: Text) -> Text:
    """Drop invisible blanks at the end: whether they were ever written depends on the text before."""
    end = len(row)
    while end and row.plain[end - 1] == " " and not _is_seen(_style_at(row, end - 1)):
        end -= 1
    return row[:end]


def _is_seen(style: Style) -> bool:
    """Return whether a blank in this style is visible."""
    has_ground = style.bgcolor is not None and not style.bgcolor.is_default
    return bool(has_ground or style.reverse or style.underline)


def _replace(row: Text, pattern: re.Pattern[str], instead: str) -> Text:
    """Replace the first match by ``instead``; the text to the right of the filling keeps its columns."""
    match = pattern.search(row.plain)
    if match is None:
        return row
    start, end = match.span()
    new = Text(instead)
    new.stylize(_style_at(row, start), 0, len(instead))
    before, _, after = row.divide((start, end))
    more = cell_len(match[0]) - cell_len(instead)
    filling = _FILLING.search(after.plain)
    if filling is not None and more:
        at, to = filling.span()
        head, blanks, tail = after.divide((at, to))
        filler = Text(filling[1] * max(len(blanks) + more, 1))
        filler.stylize(_style_at(after, at))
        after = head + filler + tail
    return before + new + after


def _style_at(row: Text, position: int) -> Style:
    return Style.combine(
        span.style if isinstance(span.style, Style) else Style.parse(span.style)
        for span in row.spans
        if span.start <= position < span.end
    )
