"""The results in short, in documents."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.results import Results, Sample
from benchmarks.summary import main
from chat.config.command_line import EXIT_FAILED, EXIT_OK

DOCUMENT = "# Before\n<!-- benchmarks -->\n{}<!-- /benchmarks -->\nafter\n"


@pytest.fixture
def results(tmp_path: Path) -> Path:
    samples = [
        Sample("fan-out", "100", "chat", 0, {"cpu_per_delivery": 0.05e-6, "throughput": 2e7}),
        Sample("fan-out", "100", "redis", 0, {"cpu_per_delivery": 0.2e-6, "throughput": 1e7}),
        Sample("idle", "10000", "chat", 0, {"memory": 11_500.0, "cpu_per_login": 0.0}),
        Sample("client-log", "1000", "irssi", 0, {"cpu_per_line": 1e-6}),
    ]
    path = tmp_path / "results.json"
    Results({}, {"chat": "1", "redis": "7", "irssi": "1"}, samples).save(path)
    return path


def test_a_table_stands_where_the_document_wants_it(tmp_path: Path, results: Path) -> None:
    document = tmp_path / "document.md"
    document.write_text(DOCUMENT.format("an old table\n"))

    for _ in range(2):  # it can be put there again
        assert main([str(results), str(document)]) == EXIT_OK

    assert document.read_text() == DOCUMENT.format(
        "| | chat | redis |\n"
        "|---|---:|---:|\n"
        "| CPU per delivery to 100, µs | 0.050 | 0.200 (0.25) |\n"
        "| deliveries a second to 100, thousands | 20000 | 10000 (2.00) |\n"
        "| 10,000 idle: memory of each, kB | 11.5 |  |\n"
        "| 10,000 logins: CPU of each, ms | 0.000 |  |\n"
    )


def test_a_document_without_a_place_for_it_is_left_alone(
    tmp_path: Path, results: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    document = tmp_path / "document.md"
    document.write_text("nothing\n")

    assert main([str(results), str(document)]) == EXIT_FAILED

    assert document.read_text() == "nothing\n"
    assert "has no place for it" in capsys.readouterr().err
