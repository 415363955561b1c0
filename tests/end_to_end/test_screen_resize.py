"""The full-screen client while its terminal is made larger and smaller."""

from __future__ import annotations

import threading
from functools import partial
from pathlib import Path

from chat.client import connect
from tests.end_to_end.screens import PyteScreen, TmuxScreen, client, needs_tmux

SIZES = [(200, 60), (80, 24), (20, 5), (1, 1), (3, 2), (80, 24), (20, 5), (200, 60), (80, 24)]


def has_rows(count: int, seen: list[str]) -> bool:
    return len(seen) == count


@needs_tmux
def test_resizing_while_messages_flow(address: str, home: Path) -> None:
    draft = "a draft with 日本 in it"
    stop = threading.Event()

    def talk() -> None:
        with connect(address, "alice") as alice:
            number = 0
            while not stop.wait(0.005):
                alice.send_text(f"message {number} 日本 " + "words " * 12)
                number += 1
            alice.send_text("the last words")

    with TmuxScreen(client(address, "bob"), home) as bob:
        bob.wait_for("you are in the room as bob")
        bob.press(draft)
        talker = threading.Thread(target=talk)
        talker.start()
        try:
            for columns, rows in SIZES:
                bob.resize(columns, rows)
                bob.wait_until(partial(has_rows, rows))
                if columns >= 20:
                    bob.wait_until(lambda seen: seen[0].startswith(" 127.0.0.1"))
                if columns >= 80:
                    bob.wait_for(f"^{draft}$", "message")
        finally:
            stop.set()
            talker.join()
        bob.wait_for("the last words", "alice left")
        shown = bob.rows()
        bob.press("<ctrl-l>")
        bob.press("!")
        bob.wait_for(f"^{draft}!$")
        # Drawn again from nothing it is the same: no stale cell.
        assert bob.rows()[:-1] == shown[:-1]


@needs_tmux
def test_a_long_draft_grows_to_a_third_of_the_screen(address: str, home: Path) -> None:
    with TmuxScreen(client(address, "bob"), home, columns=40, rows=12) as bob:
        bob.wait_for("you are in the room as bob")
        bob.press("one", "<alt-enter>", "two", "<alt-enter>", "three")
        assert bob.wait_for("^three$")[-3:] == ["one", "two", "three"]
        bob.press(*["<alt-enter>"] * 9, "end")
        rows = bob.wait_for("^end$")
        assert rows[-4:] == ["", "", "", "end"]
        assert "you are in the room" in "".join(rows)


def test_a_terminal_of_one_cell(address: str, home: Path) -> None:
    """Nobody can read a terminal of one cell, but it does no harm, and once larger it is like any other."""
    with PyteScreen(client(address, "bob"), home, columns=1, rows=1) as bob:
        bob.wait_until(lambda rows: b"\x1b[?2004h" in bob.raw)
        bob.press("so", "<shift-up>", "<pageup>", "<ctrl-l>", "!")
        bob.resize(80, 24)
        bob.wait_for("you are in the room as bob")
        bob.wait_until(lambda rows: rows[-1] == "so!")
        bob.resize(1, 1)
        bob.press("<ctrl-c>", "<ctrl-d>")
        assert bob.wait() == 0
