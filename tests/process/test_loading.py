"""While modules are loaded the garbage collector rests, and afterwards it leaves them alone."""

from __future__ import annotations

import gc
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from chat.process.loading import loading
from tests.tiers import quick_first

CHECKOUT = Path(__file__).resolve().parent.parent.parent

# Begins a program, and tells about the collector when the program ends.
ENDED = """
import atexit, gc, sys

atexit.register(lambda: print(gc.isenabled(), gc.get_freeze_count() > 1_000, file=sys.stderr))
from chat.start import %s as program
sys.exit(program())
"""


class Cycle:
    """An object that only the collector can free."""

    def __init__(self) -> None:
        self.itself = self


@pytest.fixture(autouse=True)
def collector() -> Iterator[None]:
    """The tests' own collector works afterwards."""
    yield
    gc.enable()


def test_nothing_is_collected_within() -> None:
    collections: list[str] = []
    gc.callbacks.append(lambda phase, info: collections.append(phase))
    try:
        with loading():
            kept = [Cycle() for _ in range(10_000)]
            assert not gc.isenabled()
    finally:
        gc.callbacks.pop()
    assert len(kept) == 10_000
    assert not collections
    assert gc.isenabled()


def test_what_was_loaded_is_never_looked_at_again() -> None:
    with loading():
        loaded = Cycle()
    later = Cycle()
    assert not any(each is loaded for each in gc.get_objects())
    assert any(each is later for each in gc.get_objects())


def test_the_collector_is_back_though_loading_failed() -> None:
    with pytest.raises(ModuleNotFoundError), loading():
        import chat.no_such_module  # type: ignore[import-not-found]  # noqa: F401
    assert gc.isenabled()


def test_a_collector_that_was_off_stays_off() -> None:
    gc.disable()
    with loading():
        pass
    assert not gc.isenabled()


@pytest.mark.parametrize(
    ("program", "arguments"),
    quick_first(
        [
            ("client", ["--help"]),
            ("client", ["--username=alice", "--address=unix:/no/such/socket"]),
            ("client", ["--username=alice", "--address=unix:/no/such/socket", "--json"]),
            ("client", ["--nonsense"]),
            ("server", ["--help"]),
            ("server", ["users", "list", "--data-directory=/no/such/directory"]),
            ("server", ["bans", "list", "--data-directory=/no/such/directory"]),
            ("server", ["--address=unix:/no/such/directory/socket", "--tls=off"]),
        ],
        "each way to start; the programs are executed",
    ),
)
def test_each_way_to_start_a_program_has_its_collector_back(
    program: str, arguments: list[str], tmp_path: Path
) -> None:
    done = subprocess.run(
        [sys.executable, "-c", ENDED % program, *arguments],
        cwd=CHECKOUT,
        env={"HOME": str(tmp_path)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stderr.splitlines()[-1] == "True True"
