"""Compare today's server or client with that of a commit: a ratio with its interval for each figure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from benchmarks.paired import FEWEST, Interval, ratio_interval
from benchmarks.results import Better, Figure, Results
from benchmarks.work import WORK


class Row(NamedTuple):
    """Hold the ratio today / commit of one figure.

    ``interval`` is None if there is none; ``rounds`` is how many rounds measured both.
    """

    work: str
    case: str
    figure: Figure
    commit: str
    rounds: int
    interval: Interval | None

    @property
    def name(self) -> str:
        return f"{self.work} {self.case}, {self.figure.title}"

    @property
    def is_judged(self) -> bool:
        return self.figure.better is not Better.NEITHER

    @property
    def worseness(self) -> Interval | None:
        """Return the ratio turned so that more is worse; None for a figure that is not judged, or has no ratio."""
        if self.interval is None or not self.is_judged:
            return None
        low, middle, high = self.interval
        if self.figure.better is Better.MORE:
            return Interval(1 / high, 1 / middle, 1 / low)
        return self.interval

    def is_worse_by(self, share: float) -> bool:
        """Return whether the whole interval is above 1 + ``share``, or below its inverse if more is better."""
        return self.worseness is not None and self.worseness.low > 1 + share

    def may_be_worse_by(self, share: float) -> bool:
        """Return whether at least a part of the interval is beyond ``share``."""
        return self.worseness is not None and self.worseness.high > 1 + share


def base_of(peer: str) -> str | None:
    """Return the name of today's program if ``peer`` is that program of a commit: ``chat`` for ``chat@1234567``."""
    base, at, _ = peer.partition("@")
    return base if at else None


def compare(results: Results) -> list[Row]:
    """Return a row for each figure of each case that a commit's program, or today's beside it, has done."""
    done = {(sample.work, sample.case, sample.peer) for sample in results.samples}
    return [
        _row(results, work.name, case, figure, commit, base)
        for commit in results.versions
        if (base := base_of(commit)) is not None
        for work in WORK
        for case in results.cases(work.name)
        if done & {(work.name, case, commit), (work.name, case, base)}
        for figure in work.figures
    ]


def draw_comparison(rows: Sequence[Row]) -> str:
    """Draw one block for each commit: the ratio of each figure, its interval, and whether that excludes 1."""
    return "\n".join(_lines(rows)) + "\n"


def judge(rows: Sequence[Row], share: float) -> list[str]:
    """Return what speaks against "at most ``share`` worse": a line for each figure that is worse or has no interval."""
    found = []
    for row in rows:
        if row.is_worse_by(share):
            found.append(
                f"more than {100 * share:g}% worse than {row.commit}: {row.name}: {row.interval}"
            )
        elif row.is_judged and row.interval is None:
            found.append(f"not compared with {row.commit}: {row.name}: {_why_none(row)}")
    return found


def describe_doubt(rows: Sequence[Row], share: float) -> str | None:
    """Return a sentence on the intervals that leave open whether a figure is worse by more than ``share``."""
    judged = [row for row in rows if row.worseness is not None]
    open_ = [row for row in judged if row.may_be_worse_by(share) and not row.is_worse_by(share)]
    if not open_:
        return None
    return (
        f"{len(open_)} of {len(judged)} intervals reach beyond {100 * share:g}%, "
        "so their figures may be that much worse; more --rounds make intervals narrower"
    )


def _row(results: Results, work: str, case: str, figure: Figure, commit: str, base: str) -> Row:
    ours = results.by_round(work, case, base, figure.key)
    theirs = results.by_round(work, case, commit, figure.key)
    rounds = sorted(ours.keys() & theirs.keys())
    values = [
        [max(measured[number], figure.resolution) for number in rounds]
        for measured in (ours, theirs)
    ]
    is_positive = all(value > 0 for each in values for value in each)
    interval = ratio_interval(*values) if is_positive else None
    return Row(work, case, figure, commit, len(rounds), interval)


def _lines(rows: Sequence[Row]) -> Iterator[str]:
    for commit in dict.fromkeys(row.commit for row in rows):
        yield f"{base_of(commit)} today / {commit}: the ratio, its 95 % interval, and what is certain of it"
        before: Row | None = None
        for row in rows:
            if row.commit != commit:
                continue
            if before is None or row.work != before.work:
                yield from ("", row.work)
                before = None
            yield _line(row, row.case if before is None or row.case != before.case else "")
            before = row
        yield ""
    yield (
        "The ratio is the Hodges-Lehmann estimate over the paired rounds, "
        "the interval the exact one of Wilcoxon's signed-rank statistic."
    )


def _line(row: Row, case: str) -> str:
    label = f"{case:8}{row.figure.title:40}"
    if row.interval is None:
        return f"{label}-  {_why_none(row)}"
    low, middle, high = row.interval
    return f"{label}{middle:8.3f}   {low:.3f} to {high:.3f}   {_verdict(row)}".rstrip()


def _verdict(row: Row) -> str:
    if not row.is_judged:
        return f"({row.figure.better.value})"
    if row.is_worse_by(0):
        return "worse"
    return "better" if row.worseness is not None and row.worseness.high < 1 else ""


def _why_none(row: Row) -> str:
    if row.rounds < FEWEST:
        return f"rounds in which both were measured: {row.rounds}; an interval takes {FEWEST}"
    return "a value that is not positive has no ratio"
