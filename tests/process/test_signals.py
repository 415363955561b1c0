"""Signals before a program can act on them. Each test uses a separate process."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parent.parent.parent

BEGIN = """
import os, signal
from signal import SIGHUP, SIGINT, SIGTERM, SIGUSR1
from chat.process import signals
from chat.process.signals import ENDING, was_received, hold, release, install_handler

def send(*numbers):
    for number in numbers:
        os.kill(os.getpid(), number)

def act(*arguments):
    print("acted", *arguments)

def install(number, function, *arguments):
    signal.signal(number, lambda number, frame: function(*arguments))

"""


def run(code: str) -> tuple[int, list[str]]:
    """The exit status, negative for a signal, and what was printed."""
    done = subprocess.run(
        [sys.executable, "-c", BEGIN + code],
        cwd=CHECKOUT,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    return done.returncode, done.stdout.splitlines()


def test_what_came_is_acted_on_when_somebody_can_and_once() -> None:
    status, said = run(
        """
hold(ENDING)
send(SIGHUP, SIGHUP, SIGTERM)
assert was_received(SIGTERM) and was_received(SIGHUP, SIGINT) and not was_received(SIGINT)
install_handler(SIGTERM, install, act, "at once")
assert not was_received(SIGTERM)
install_handler(SIGINT, install, act, "later")
print("taken over")
send(SIGINT)
"""
    )
    assert (status, said) == (0, ["acted at once", "taken over", "acted later"])


def test_what_was_blocked_before_is_delivered() -> None:
    status, said = run(
        """
signal.pthread_sigmask(signal.SIG_BLOCK, {SIGTERM, SIGUSR1})
send(SIGTERM, SIGUSR1)
hold(ENDING, ignored=[SIGUSR1])
install_handler(SIGTERM, install, act)
"""
    )
    assert (status, said) == (0, ["acted"])


@pytest.mark.parametrize("number", ["SIGTERM", "SIGINT"])
def test_a_second_signal_does_not_wait(number: str) -> None:
    status, said = run(f"hold(ENDING); send({number}); print('on', flush=True); send({number})")
    assert status == -getattr(__import__("signal"), number)
    assert said == ["on"]


def test_what_is_ignored_stays_so_unless_it_is_wanted_all_the_same() -> None:
    status, said = run(
        """
signal.signal(SIGHUP, signal.SIG_IGN)
hold(ENDING)
send(SIGHUP)
assert not was_received(SIGHUP)
install_handler(SIGHUP, install, act, "never")
send(SIGHUP)
install_handler(SIGHUP, install, act, "reload", even_ignored=True)
send(SIGHUP)
"""
    )
    assert (status, said) == (0, ["acted reload"])


def test_a_step_that_waits_is_interrupted_by_what_comes_and_by_what_came() -> None:
    status, said = run(
        """
hold(ENDING)
send(SIGHUP)
with signals.interruptible([SIGTERM]):
    print("hangups are none of it")
for _ in range(2):
    try:
        with signals.interruptible([SIGTERM]):
            print("waits")
            send(SIGTERM)
    except KeyboardInterrupt:
        print("interrupted")
install_handler(SIGTERM, install, act)
"""
    )
    assert (status, said) == (
        0,
        ["hangups are none of it", "waits", "interrupted", "interrupted", "acted"],
    )


def test_a_step_in_an_event_loop_is_woken_by_what_comes_and_by_what_came() -> None:
    status, said = run(
        """
def wake():
    print("woken")

hold(ENDING)
with signals.waking([SIGTERM], wake):
    send(SIGHUP)
    print("hangups are none of it")
    send(SIGTERM)
with signals.waking([SIGTERM], wake):
    print("waits")
install_handler(SIGTERM, install, act)
with signals.waking([SIGTERM], wake):
    print("it was handled")
"""
    )
    assert (status, said) == (
        0,
        ["hangups are none of it", "woken", "woken", "waits", "acted", "it was handled"],
    )


def test_a_short_command_is_interrupted_as_any_is() -> None:
    status, said = run(
        """
hold(ENDING)
send(SIGINT)
try:
    release()
except KeyboardInterrupt:
    print("interrupted")
assert signal.getsignal(SIGHUP) is signal.SIG_DFL
try:
    send(SIGINT)
except KeyboardInterrupt:
    print("again")
"""
    )
    assert (status, said) == (0, ["interrupted", "again"])


def test_a_short_command_that_was_told_to_end_ends() -> None:
    status, said = run("hold(ENDING); send(SIGTERM); release(); print('never')")
    assert (status, said) == (-15, [])
