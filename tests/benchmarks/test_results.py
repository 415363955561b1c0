"""The results that are computed from samples."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.results import Results, Sample, quantile
from benchmarks.table import draw_table


def results_of(**cpu: list[float]) -> Results:
    """Make results from each peer's server CPU per delivery, in microseconds, round by round."""
    samples = [
        Sample("fan-out", "100", peer, round, {"cpu_per_delivery": value * 1e-6})
        for peer, values in cpu.items()
        for round, value in enumerate(values)
    ]
    return Results({}, dict.fromkeys(cpu, "1.0"), samples)


def test_the_median_of_all_rounds_counts() -> None:
    results = results_of(chat=[1, 9, 2])

    assert results.median("fan-out", "100", "chat", "cpu_per_delivery") == 2e-6
    assert results.median("fan-out", "100", "redis", "cpu_per_delivery") is None


def test_the_table_compares_others_with_us() -> None:
    table = draw_table(results_of(chat=[0.5], redis=[2.0]))

    (line,) = (line for line in table.splitlines() if "CPU per delivery" in line)
    assert line.split()[-3:] == ["0.500", "2.00", "(0.25)"]


def test_what_was_saved_is_loaded_again(tmp_path: Path) -> None:
    results = results_of(chat=[1], nats=[2])
    results.save(tmp_path / "results.json")

    assert Results.load(tmp_path / "results.json") == results


def test_a_file_of_something_else_is_refused(tmp_path: Path) -> None:
    (tmp_path / "results.json").write_text('{"version": 1}')

    with pytest.raises(ValueError, match="holds no results"):
        Results.load(tmp_path / "results.json")


def test_quantiles() -> None:
    values = [5.0, 1.0, 4.0, 2.0, 3.0]

    assert [quantile(values, fraction) for fraction in (0.0, 0.5, 0.99)] == [1.0, 3.0, 5.0]
