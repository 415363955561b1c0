"""Put a short table of the servers' figures into documents.

Typed as `python -m benchmarks.summary`.

Usage:
  summary <results> <document>...
  summary (-h | --help)

`results` is the results.json of a measurement. Each document has a line `<!-- benchmarks -->` and, further down, a
line `<!-- /benchmarks -->`: the lines between them are replaced by a table.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from benchmarks.results import CPU_PER_DELIVERY, THROUGHPUT, Figure, Results
from benchmarks.table import OURS, short_number
from benchmarks.work.file import CPU_PER_GIB, FILE_MEMORY
from benchmarks.work.idle import CPU_PER_LOGIN, MEMORY
from benchmarks.work.paced import P50, P99
from chat.config.command_line import (
    EXIT_FAILED,
    EXIT_OK,
    EXIT_USAGE,
    UsageError,
    parse_options,
    report,
)

_PROGRAM = "benchmarks.summary"
_SERVERS = ("chat", "redis", "nats", "ngircd", "floor")
_BLOCK = re.compile(
    r"(?<=<!-- benchmarks -->\n).*?(?=^<!-- /benchmarks -->)", re.DOTALL | re.MULTILINE
)


class _Row(NamedTuple):
    title: str
    work: str
    case: str
    figure: Figure


_ROWS = (
    *(
        _Row(f"CPU per delivery to {int(case):,}", "fan-out", case, CPU_PER_DELIVERY)
        for case in ("10", "100", "1000")
    ),
    _Row("deliveries a second to 100", "fan-out", "100", THROUGHPUT),
    _Row("deliveries a second to 1,000", "fan-out", "1000", THROUGHPUT),
    _Row("one message at a time: CPU per delivery to 100", "one-by-one", "100", CPU_PER_DELIVERY),
    _Row("100 messages a second: CPU per delivery to 1,000", "paced", "1000", CPU_PER_DELIVERY),
    _Row("100 messages a second: wait, p50", "paced", "1000", P50),
    _Row("100 messages a second: wait, p99", "paced", "1000", P99),
    _Row("private: CPU per delivery in 500 pairs", "private", "500", CPU_PER_DELIVERY),
    _Row("10,000 idle: memory of each", "idle", "10000", MEMORY),
    _Row("10,000 logins: CPU of each", "idle", "10000", CPU_PER_LOGIN),
    _Row("256 MiB to 8, as it comes: CPU per GiB", "file", "inline", CPU_PER_GIB),
    _Row("256 MiB to 8, fetched: CPU per GiB", "file", "fetched", CPU_PER_GIB),
    _Row("256 MiB to 8, fetched: memory grows by", "file", "fetched", FILE_MEMORY),
)


def main(argv: list[str] | None = None) -> int:
    """Write the documents, and return the exit status."""
    try:
        options = parse_options(__doc__ or "", argv, "")
        summary = draw_summary(Results.load(Path(options["<results>"])))
        for path in map(Path, options["<document>"]):
            path.write_text(_put(summary, path.read_text(), path))
    except UsageError as problem:
        report(_PROGRAM, str(problem))
        return EXIT_USAGE
    except (OSError, ValueError) as problem:
        report(_PROGRAM, str(problem))
        return EXIT_FAILED
    return EXIT_OK


def draw_summary(results: Results) -> str:
    """Return a table in Markdown: a line for each figure that was measured, a column for each server.

    In brackets: our figure divided by theirs.
    """
    return "\n".join(_lines(results)) + "\n"


def _lines(results: Results) -> Iterator[str]:
    servers = [server for server in _SERVERS if server in results.peers()]
    yield "| | " + " | ".join(servers) + " |"
    yield "|---|" + "---:|" * len(servers)
    for row in _ROWS:
        cells = [_cell(results, row, server) for server in servers]
        if any(cells):
            yield f"| {row.title}, {row.figure.unit} | " + " | ".join(cells) + " |"


def _cell(results: Results, row: _Row, server: str) -> str:
    value = results.median(row.work, row.case, server, row.figure.key)
    if value is None:
        return ""
    ours = results.median(row.work, row.case, OURS, row.figure.key)
    shown = short_number(value * row.figure.scale)
    return shown if server == OURS or not ours or not value else f"{shown} ({ours / value:.2f})"


def _put(summary: str, document: str, path: Path) -> str:
    if not _BLOCK.search(document):
        raise ValueError(f"{path} has no place for it: <!-- benchmarks --> to <!-- /benchmarks -->")
    return _BLOCK.sub(lambda found: summary, document)


if __name__ == "__main__":
    sys.exit(main())
