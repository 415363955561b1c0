"""The client on a terminal that takes nothing: nobody reads it, or Ctrl-S has stopped it."""

from __future__ import annotations

import signal
import termios
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest

from tests.end_to_end.client_process import PATIENCE
from tests.end_to_end.screen_stage import Stage, staged
from tests.end_to_end.screens import PyteScreen
from tests.end_to_end.server_process import eventually
from tests.tiers import quick_first

# Seconds. A client promises two; a busy machine may need a little more, and one that hangs never ends.
PROMPTLY = 8.0


@contextmanager
def stopped(screen: PyteScreen) -> Iterator[None]:
    """Stop the terminal as Ctrl-S does, where the terminal minds it."""
    termios.tcflow(screen.far, termios.TCOOFF)
    try:
        yield
    finally:
        termios.tcflow(screen.far, termios.TCOON)


Stuck = Callable[[PyteScreen], AbstractContextManager[None]]
WAYS = [pytest.param(PyteScreen.unread, id="unread"), pytest.param(stopped, id="stopped")]


@pytest.fixture
def log(home: Path) -> Path:
    return home / "log"


@pytest.fixture
def stage(home: Path, log: Path) -> Iterator[Stage]:
    with staged(home, "--log=on", f"--log-file={log}") as stage:
        yield stage


def is_cooked(screen: PyteScreen) -> bool:
    local = screen.modes()[3]
    assert isinstance(local, int)
    return bool(local & termios.ECHO and local & termios.ICANON)


@pytest.mark.parametrize("stuck", WAYS)
def test_the_connection_goes_on_and_the_screen_catches_up(
    stage: Stage, log: Path, stuck: Stuck
) -> None:
    bob = stage.bob
    with stuck(bob):
        for number in range(200):
            stage.say(f"{number} " + "x" * 2000)
        stage.say("the last")
        eventually(lambda: "the last" in log.read_text(encoding="utf-8"))
    bob.wait_for("the last")
    bob.command("I am back")
    stage.hear("I am back")


@pytest.mark.parametrize(
    "number", quick_first([signal.SIGTERM, signal.SIGHUP, signal.SIGINT], "each signal")
)
@pytest.mark.parametrize("stuck", WAYS)
def test_a_signal_ends_it(stage: Stage, log: Path, stuck: Stuck, number: signal.Signals) -> None:
    bob = stage.bob
    with stuck(bob):
        stage.say("something to draw")
        eventually(lambda: "something to draw" in log.read_text(encoding="utf-8"))
        bob.process.send_signal(number)
        assert bob.process.wait(PROMPTLY) == 0
        assert is_cooked(bob)


@pytest.mark.parametrize("stuck", WAYS)
def test_keys_end_it(stage: Stage, stuck: Stuck) -> None:
    bob = stage.bob
    with stuck(bob):
        stage.say("something to draw")
        bob.press("<ctrl-d>")
        assert bob.process.wait(PATIENCE) == 0
        assert is_cooked(bob)
