"""Draw the results: the cost of a delivery on each server, its growth, and the needs of clients."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from html import escape
from typing import NamedTuple, TypeAlias

from benchmarks.results import CPU_PER_DELIVERY, CPU_PER_LINE, FIRST_SCREEN, Figure, Results

_COLOURS = {
    "chat": "#0969da",
    "redis": "#cf222e",
    "nats": "#8250df",
    "ngircd": "#bf8700",
    "floor": "#8c959f",
    "irssi": "#1a7f37",
    "irssi-lenient": "#4ac26b",
    "weechat": "#bc4c00",
}
_OTHER = "#57606a"
_WIDTH = 960
# In both light and dark surroundings.
_STYLE = """\
text { font: 13px system-ui, sans-serif; fill: #57606a }
.title { font-weight: 600; font-size: 15px }
.axis { stroke: #8c959f; stroke-width: 1; fill: none }
.grid { stroke: #8c959f; stroke-opacity: .25 }
.curve { stroke-width: 2.5; fill: none }
"""


class _Frame(NamedTuple):
    """Give the place of a chart, in pixels of the picture."""

    left: float
    top: float
    width: float
    height: float

    @property
    def bottom(self) -> float:
        return self.top + self.height


class _Scale(NamedTuple):
    """Map ``low`` to ``high``, logarithmically, to pixels from ``start`` to ``end``."""

    low: float
    high: float
    start: float
    end: float

    def __call__(self, value: float) -> float:
        part = math.log(value / self.low) / math.log(self.high / self.low)
        return self.start + part * (self.end - self.start)


_Chart: TypeAlias = Callable[
    ..., Iterator[str]
]  # of the results, in the frame that is named ``frame``


def draw_picture(results: Results) -> str:
    """Return an SVG document. A chart without data is left out, and the next ones move up."""
    charts: list[str] = []
    bottom = 40.0
    rows: tuple[tuple[_Chart, ...], ...] = (
        (_receivers,),
        (
            partial(_curves, work="growth-receivers", axis="receivers"),
            partial(_curves, work="growth-size", axis="size in bytes"),
        ),
        (
            partial(_comparison, work="client-log", figure=CPU_PER_LINE),
            partial(_comparison, work="client-start", figure=FIRST_SCREEN),
        ),
    )
    for row in rows:
        width = (860 - 80 * (len(row) - 1)) / len(row)
        drawn = [
            part
            for number, chart in enumerate(row)
            for part in chart(
                results, frame=_Frame(70 + number * (width + 80), bottom + 50, width, 230)
            )
        ]
        if drawn:
            charts += drawn
            bottom += 330
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {bottom:.0f}" role="img">',
        "<title>What servers need for a delivered message, and clients for a shown one</title>",
        f"<style>{_STYLE}</style>",
        *_legend(results.peers()),
        *charts,
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def _legend(peers: Sequence[str]) -> Iterator[str]:
    x = 70
    for peer in peers:
        yield f'<rect x="{x}" y="20" width="14" height="14" fill="{_colour(peer)}"/>'
        yield _text(x + 20, 32, peer)
        x += 44 + 8 * len(peer)


def _receivers(results: Results, frame: _Frame) -> Iterator[str]:
    """Draw groups by number of receivers, a bar for each server: microseconds of server CPU per delivery."""
    labels = {case: f"{int(case):,} receivers" for case in results.cases("fan-out")}
    yield from _bars(results, "fan-out", CPU_PER_DELIVERY, labels, _title("receivers"), frame)


def _comparison(results: Results, work: str, figure: Figure, frame: _Frame) -> Iterator[str]:
    """Draw a bar for each client."""
    labels = dict.fromkeys(results.cases(work), "")
    title = f"{figure.title} ({figure.unit})"
    yield from _bars(results, work, figure, labels, title, frame)


def _bars(
    results: Results,
    work: str,
    figure: Figure,
    labels: Mapping[str, str],
    title: str,
    frame: _Frame,
) -> Iterator[str]:
    """Draw a group for each case in ``labels``, with a bar for each program that did the work."""
    peers = results.peers(work)
    bars = [
        (number, peer, value * figure.scale)
        for number, case in enumerate(labels)
        for peer in peers
        if (value := results.median(work, case, peer, figure.key)) is not None
    ]
    if not bars:
        return
    yield _text(frame.left, frame.top - 20, title, "title")
    highest = max(value for _, _, value in bars)
    step = frame.width / len(labels)
    width = 0.8 * step / len(peers)
    for number, peer, value in bars:
        x = frame.left + number * step + (0.1 * step) + peers.index(peer) * width
        height = frame.height * value / highest
        yield (
            f'<rect x="{x:.1f}" y="{frame.bottom - height:.1f}" width="{0.9 * width:.1f}" '
            f'height="{height:.1f}" fill="{_colour(peer)}"/>'
        )
        label = f"{value:.2f}" if value < 10 else f"{value:.0f}"
        yield _text(x + 0.45 * width, frame.bottom - height - 5, label, anchor="middle")
    for number, label in enumerate(labels.values()):
        middle = frame.left + (number + 0.5) * step
        yield _text(middle, frame.bottom + 20, label, anchor="middle")
    yield f'<path class="axis" d="M{frame.left},{frame.bottom}h{frame.width}"/>'


def _curves(results: Results, work: str, axis: str, frame: _Frame) -> Iterator[str]:
    """Draw a curve for each server over the cases, which are numbers; both axes are logarithmic."""
    curves = {
        peer: [
            (int(case), value)
            for case in results.cases(work)
            if (value := _micros(results, work, case, peer)) is not None
        ]
        for peer in results.peers(work)
    }
    points = [point for curve in curves.values() for point in curve]
    numbers = sorted({number for number, _ in points})
    if len(numbers) < 2:
        return
    across = _Scale(numbers[0], numbers[-1], frame.left, frame.left + frame.width)
    powers = range(
        math.floor(math.log10(min(value for _, value in points))),
        math.ceil(math.log10(max(value for _, value in points))) + 1,
    )
    up = _Scale(10.0 ** powers[0], 10.0 ** powers[-1], frame.bottom, frame.top)
    yield _text(frame.left, frame.top - 20, _title(axis), "title")
    for power in powers:
        y = up(10.0**power)
        yield f'<path class="grid" d="M{frame.left},{y:.1f}h{frame.width}"/>'
        yield _text(frame.left - 8, y + 4, f"{10.0**power:g}", anchor="end")
    for number in numbers:
        label = f"{number // 1024}K" if number >= 4096 and not number % 1024 else f"{number}"
        yield _text(across(number), frame.bottom + 20, label, anchor="middle")
    for peer, curve in curves.items():
        path = " ".join(f"{across(number):.1f},{up(value):.1f}" for number, value in curve)
        yield f'<polyline class="curve" stroke="{_colour(peer)}" points="{path}"/>'


def _title(axis: str) -> str:
    return f"server CPU per delivery (µs), by {axis}"


def _micros(results: Results, work: str, case: str, peer: str) -> float | None:
    value = results.median(work, case, peer, CPU_PER_DELIVERY.key)
    return None if value is None else value * CPU_PER_DELIVERY.scale


def _colour(peer: str) -> str:
    return _COLOURS.get(peer, _OTHER)


def _text(x: float, y: float, text: str, style: str = "", anchor: str = "start") -> str:
    kind = f' class="{style}"' if style else ""
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"{kind}>{escape(text)}</text>'
