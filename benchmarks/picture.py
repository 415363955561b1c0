"""The results as a picture: what a delivery costs each server, and how that grows."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from html import escape
from typing import NamedTuple

from benchmarks.results import CPU_PER_DELIVERY, Results

_COLOURS = {
    "chat": "#0969da",
    "redis": "#cf222e",
    "nats": "#8250df",
    "ngircd": "#bf8700",
    "floor": "#8c959f",
}
_OTHER = "#57606a"
_WIDTH, _HEIGHT = 960, 720
# In both light and dark surroundings.
_STYLE = """\
text { font: 13px system-ui, sans-serif; fill: #57606a }
.title { font-weight: 600; font-size: 15px }
.axis { stroke: #8c959f; stroke-width: 1; fill: none }
.grid { stroke: #8c959f; stroke-opacity: .25 }
.curve { stroke-width: 2.5; fill: none }
"""


class _Frame(NamedTuple):
    """Where a chart is, in pixels of the picture."""

    left: float
    top: float
    width: float
    height: float

    @property
    def bottom(self) -> float:
        return self.top + self.height


class _Scale(NamedTuple):
    """Logarithmic, from ``low`` to ``high``, to pixels from ``start`` to ``end``."""

    low: float
    high: float
    start: float
    end: float

    def __call__(self, value: float) -> float:
        part = math.log(value / self.low) / math.log(self.high / self.low)
        return self.start + part * (self.end - self.start)


def draw_picture(results: Results) -> str:
    """An SVG document."""
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img">',
        "<title>Server CPU per delivered message</title>",
        f"<style>{_STYLE}</style>",
        *_legend(results.peers()),
        *_bars(results, _Frame(70, 90, 860, 230)),
        *_curves(results, "growth-receivers", "receivers", _Frame(70, 420, 390, 230)),
        *_curves(results, "growth-size", "bytes of a message", _Frame(540, 420, 390, 230)),
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def _legend(peers: Sequence[str]) -> Iterator[str]:
    for number, peer in enumerate(peers):
        x = 70 + 110 * number
        yield f'<rect x="{x}" y="20" width="14" height="14" fill="{_colour(peer)}"/>'
        yield _text(x + 20, 32, peer)


def _bars(results: Results, frame: _Frame) -> Iterator[str]:
    """Groups by number of receivers, a bar for each server: microseconds of server CPU per delivery."""
    work, peers = "fan-out", results.peers()
    bars = [
        (number, peer, value)
        for number, case in enumerate(results.cases(work))
        for peer in peers
        if (value := _micros(results, work, case, peer)) is not None
    ]
    if not bars:
        return
    yield _text(frame.left, frame.top - 20, _title("receivers"), "title")
    highest = max(value for _, _, value in bars)
    groups = len(results.cases(work))
    step = frame.width / groups
    width = 0.8 * step / len(peers)
    for number, peer, value in bars:
        x = frame.left + number * step + (0.1 * step) + peers.index(peer) * width
        height = frame.height * value / highest
        yield (
            f'<rect x="{x:.1f}" y="{frame.bottom - height:.1f}" width="{0.9 * width:.1f}" '
            f'height="{height:.1f}" fill="{_colour(peer)}"/>'
        )
        yield _text(x + 0.45 * width, frame.bottom - height - 5, f"{value:.2f}", anchor="middle")
    for number, case in enumerate(results.cases(work)):
        middle = frame.left + (number + 0.5) * step
        yield _text(middle, frame.bottom + 20, f"{int(case):,} receivers", anchor="middle")
    yield f'<path class="axis" d="M{frame.left},{frame.bottom}h{frame.width}"/>'


def _curves(results: Results, work: str, axis: str, frame: _Frame) -> Iterator[str]:
    """A curve for each server over the cases, which are numbers; both axes logarithmic."""
    curves = {
        peer: [
            (int(case), value)
            for case in results.cases(work)
            if (value := _micros(results, work, case, peer)) is not None
        ]
        for peer in results.peers()
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
