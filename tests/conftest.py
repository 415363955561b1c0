"""Settings for all tests."""

from __future__ import annotations

import gc
import os
import signal
from collections.abc import Iterator
from functools import partial
from typing import Any

import gevent
import pytest
import pytest_timeout  # type: ignore[import-untyped]

from tests import cpu_times, homes, tiers
from tests.watchdog import Watchdog

# Tests that run in the background, by nohup or a shell's &, start with some signals ignored. The programs under test
# would inherit that, and rightly go on ignoring the signals.
for number in (signal.SIGINT, signal.SIGHUP, signal.SIGQUIT):
    if signal.getsignal(number) is signal.SIG_IGN:
        signal.signal(number, signal.SIG_DFL)

# `make cover` measures the workers of the tests, which find it in their environment, and not the programs under test.
if "PYTEST_XDIST_WORKER" in os.environ:
    for name in ("COVERAGE_PROCESS_CONFIG", "COVERAGE_PROCESS_START"):
        os.environ.pop(name, None)

# Before any test is imported: some keep the environment of then for the programs that they start.
homes.move_in()


def pytest_addoption(parser: pytest.Parser) -> None:
    tiers.add_options(parser)
    cpu_times.add_option(parser)


def pytest_configure(config: pytest.Config) -> None:
    tiers.choose(config)
    cpu_times.begin(config)


def pytest_report_header(config: pytest.Config) -> str:
    return tiers.header(config)


def pytest_xdist_auto_num_workers() -> int:
    """Start three workers for each processor, since tests also wait: two leave half of the time unused.

    Each takes 3 s of CPU time before its first test.
    """
    return 3 * (os.cpu_count() or 1)


# Directories and files whose tests start programs: each file takes seconds.
_LONG = {"end_to_end", "benchmarks", "pictures", "scripts", "starting", "test_start.py"}


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Iterator[None]:
    """Collect no garbage while tests are collected: nearly all of the objects stay, and a search takes a second."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.enable()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Run the tests of whole programs first: the last to finish is then one of a thousand short ones."""
    tiers.leave_out(config, items)
    items.sort(key=lambda item: _LONG.isdisjoint(item.path.parts))


def pytest_collection_finish() -> None:
    """Seven thousand tests stay until the end; no collection of garbage need look at them again."""
    gc.collect()
    gc.freeze()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(item: pytest.Item, nextitem: pytest.Item | None) -> Iterator[None]:
    """Leave a small heap to the next file: many tests collect garbage, or look for objects that should be gone.

    Objects that are alive between two files stay. With all of them to look at, each such test takes up to a second.
    """
    yield
    if nextitem is not None and nextitem.path != item.path:
        gc.collect()
        gc.freeze()


_WATCHDOG = Watchdog()


@pytest.hookimpl(tryfirst=True)
def pytest_timeout_set_timer(item: pytest.Item, settings: Any) -> bool:
    """Have one thread for all tests, instead of one for each."""
    _WATCHDOG.watch(settings.timeout, partial(pytest_timeout.timeout_timer, item, settings))
    return True


@pytest.hookimpl(tryfirst=True)
def pytest_timeout_cancel_timer() -> bool:
    _WATCHDOG.rest()
    return True


def pytest_unconfigure() -> None:
    homes.clear()


@pytest.fixture(scope="session", autouse=True)
def _nobody_writes_into_the_home_of_the_tests() -> Iterator[None]:
    yield
    left = homes.left_at_home()
    assert not left, f"a program was started without a home of its own, and left there {left}"


@pytest.fixture(autouse=True)
def children_belong_to_whoever_started_them() -> Iterator[None]:
    """Once gevent has started a program, it reaps every child there is, and ``subprocess`` takes each to end with 0."""
    yield
    loop: Any = gevent.get_hub().loop
    loop.reset_sigchld()  # it will put its handler back when it needs one
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
