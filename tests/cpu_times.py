"""The CPU time of each file of tests, for ``make test ARGS=--cpu=20``: the tests' own, and that of their programs.

Waiting costs little, because other workers run meanwhile. CPU time is what a run takes, divided by the processors.
"""

from __future__ import annotations

import resource
from collections import defaultdict
from collections.abc import Generator
from typing import Any

import pytest

_NAME = "cpu"


class CpuTimes:
    """Notes the seconds with each report, wherever the test runs, and adds them up where the results are shown."""

    def __init__(self, shown: int) -> None:
        self._shown = shown  # files
        self._spent = _seconds()
        self._files: dict[str, list[float]] = defaultdict(lambda: [0.0, 0.0])

    def pytest_collection_finish(self) -> None:
        self._spent = _seconds()

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(self) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        report = yield
        before, self._spent = self._spent, _seconds()
        spent = [now - then for now, then in zip(self._spent, before, strict=True)]
        report.user_properties.append((_NAME, spent))
        return report

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        # A later report of a test repeats what the earlier ones had.
        spent: list[Any] = [value for name, value in report.user_properties if name == _NAME][-1:]
        for each in spent:  # none, if the worker has crashed
            known = self._files[report.nodeid.partition("::")[0]]
            known[:] = [before + more for before, more in zip(known, each, strict=True)]

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        write = terminalreporter.write_line
        terminalreporter.section("seconds of CPU time: in all, of the tests, of programs")
        rows = sorted(self._files.items(), key=lambda row: -sum(row[1]))
        for file, (own, programs) in rows[: self._shown]:
            write(f"{own + programs:7.2f} {own:7.2f} {programs:7.2f}  {file}")
        own, programs = (sum(spent[kind] for spent in self._files.values()) for kind in (0, 1))
        write(f"{own + programs:7.2f} {own:7.2f} {programs:7.2f}  in {len(rows)} files")


def add_option(parser: pytest.Parser) -> None:
    parser.addoption(
        "--cpu", type=int, metavar="N", help="show the N files that took the most CPU time"
    )


def begin(config: pytest.Config) -> None:
    """Measure, if the command line asks for it."""
    if config.option.cpu is not None:
        config.pluginmanager.register(CpuTimes(config.option.cpu))


def _seconds() -> tuple[float, float]:
    """Return the CPU time of this process, and of the programs that it has waited for."""
    own, programs = map(resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return own.ru_utime + own.ru_stime, programs.ru_utime + programs.ru_stime
