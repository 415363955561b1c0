"""Draw the results as text: medians, and how they compare."""

from __future__ import annotations

from collections.abc import Iterator

from benchmarks.results import GENERATOR, Figure, Results
from benchmarks.work import WORK
from benchmarks.work.work import Work

_COLUMN = 18
OURS = "chat"


def draw_table(results: Results) -> str:
    """Draw one block for each piece of work: a line for each case and figure, a column for each program.

    In brackets beside the first figure: our figure divided by theirs; below 1, ours needs less.
    """
    return "\n".join(_lines(results)) + "\n"


def _lines(results: Results) -> Iterator[str]:
    yield from (f"{key}: {value}" for key, value in results.machine.items())
    yield from (f"{peer}: {version}" for peer, version in results.versions.items())
    for work in WORK:
        cases = results.cases(work.name)
        if not cases:
            continue
        peers = results.peers(work.name)
        yield ""
        yield f"{work.name}: {work.title}"
        yield f"{'':8}{'':40}" + "".join(f"{peer:>{_COLUMN}}" for peer in peers)
        for case in cases:
            for figure in work.figures:
                yield _line(results, work, case, figure, peers)
    yield ""
    yield "In brackets: our figure divided by theirs; below 1, ours needs less. Medians of all rounds."
    yield from _warnings(results)


def _line(results: Results, work: Work, case: str, figure: Figure, peers: list[str]) -> str:
    ours = results.median(work.name, case, OURS, figure.key)
    cells = []
    for peer in peers:
        value = results.median(work.name, case, peer, figure.key)
        if value is None:
            cells.append("-")
            continue
        cell = short_number(value * figure.scale)
        if figure is work.figures[0] and peer != OURS and ours:
            cell += f" ({ours / value:.2f})"
        cells.append(cell)
    unit = f", {figure.unit}" if figure.unit else ""
    is_first = figure is work.figures[0]
    label = f"{case if is_first else '':8}{figure.title + unit:40}"
    return label + "".join(f"{cell:>{_COLUMN}}" for cell in cells)


def short_number(value: float) -> str:
    """Return a number with three significant digits."""
    size = abs(value)
    return f"{value:.{0 if size >= 100 else 1 if size >= 10 else 2 if size >= 1 else 3}f}"


def _warnings(results: Results) -> Iterator[str]:
    for work in WORK:
        for case in results.cases(work.name):
            for peer in results.peers(work.name):
                share = results.median(work.name, case, peer, GENERATOR.key)
                if share is not None and share > 1:
                    yield (
                        f"Mind: in {work.name} {case} the load took {share:.1f} times the CPU of {peer}."
                    )
    yield from (f"Not measured: {failure}" for failure in results.failures)
