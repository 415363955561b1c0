"""The full-screen client on other terminals and in other locales than the usual."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

from tests.end_to_end.client_process import CLIENT
from tests.end_to_end.screens import PyteScreen, client
from tests.tiers import quick_first

TEXT = "привет 日本 é"


def talk(address: str, home: Path, **environment: str) -> bytes:
    """Return the bytes that the terminal received while bob said something."""
    with PyteScreen(client(address, "bob"), home, environment=environment) as bob:
        bob.wait_for("you are in the room as bob")
        bob.press(TEXT)
        # The emulator puts something beside characters of two columns.
        bob.wait_until(lambda rows: rows[-1].replace(" ", "") == TEXT.replace(" ", ""))
        bob.press("<left>", "<backspace>", "<end>", "<enter>")
        bob.wait_until(
            lambda rows: rows[-1] == "" and any("[bob]: привет" in row for row in rows[:-1])
        )
        bob.press("<ctrl-d>")
        assert bob.wait() == 0
        return bob.raw


KINDS = ["vt100", "linux", "xterm", "xterm-256color", "screen", "tmux-256color"]


@pytest.mark.parametrize("kind", quick_first(KINDS, "each kind of terminal", quick=2))
def test_terminals(address: str, home: Path, kind: str) -> None:
    talk(address, home, TERM=kind)


LOCALES = ["C", "xx_XX.ISO8859-1", "POSIX", "C.UTF-8", ""]


@pytest.mark.parametrize("locale", quick_first(LOCALES, "each locale; the client is executed"))
def test_locales(address: str, home: Path, locale: str) -> None:
    talk(address, home, LC_ALL=locale, LANG=locale)


def test_no_colour_if_none_is_wanted(address: str, home: Path) -> None:
    colour = re.compile(rb"\x1b\[(?:[\d;]*;)?[34]\d[\d;]*m")  # SGR 30 to 49 (ECMA-48)
    assert colour.search(talk(address, home))
    assert not colour.search(talk(address, home, NO_COLOR="1"))


def test_a_client_that_is_ended_before_it_shows_anything_moves_no_cursor(
    address: str, home: Path
) -> None:
    # The signal comes when the command line has been read, and the terminal has not been touched.
    script = (
        "import os, signal, sys\n"
        "def hook(event, arguments):\n"
        "    if event == 'import' and arguments[0] == 'chat.client.screen.app':\n"
        "        os.kill(os.getpid(), signal.SIGTERM)\n"
        "sys.addaudithook(hook)\n"
        "from chat.start import client\n"
        "sys.exit(client())\n"
    )
    options = client(address, "bob")[len(CLIENT) :]
    # By way of a shell, so that it is executed: one that is forked has loaded the module already.
    command = ["sh", "-c", 'exec "$@"', "sh", sys.executable, "-c", script, *options]
    with PyteScreen(command, home) as bob:
        assert bob.wait() == 1
        assert bob.raw == b""
