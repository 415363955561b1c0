"""Users who come late, or come back, see what was said: on the screen, in plain mode, and in a pipe."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from chat.client import connect
from tests.end_to_end.client_process import ClientProcess, run_client
from tests.end_to_end.screens import PyteScreen, Screen, client
from tests.end_to_end.server_process import ServerProcess

INSIDE = "you are in the room as"
KEPT = "messages are kept for 30 days on this server"


class Rooms:
    """A server that keeps messages, and its successors."""

    def __init__(self, directory: Path) -> None:
        self._options = ("--history=on", f"--data-directory={directory}")
        self.server = ServerProcess(*self._options)

    @property
    def address(self) -> str:
        host, port = self.server.address
        return f"{host}:{port}"

    def restart(self, *before: str) -> None:
        """Stop the server, and start another one, in which ``before`` is said before anyone comes back."""
        address = self.address
        self._stop()
        # On another port: nobody else comes until these texts are said.
        self.server = ServerProcess(*self._options)
        self.say(*before)
        self._stop()
        self.server = ServerProcess(*self._options, address=address)

    def _stop(self) -> None:
        assert self.server.stop() == 0
        self.server.end()

    def say(self, *texts: str, name: str = "alice") -> None:
        with connect(self.address, name, tls="off") as room:
            receipts = [room.send_text(text) for text in texts]
            for event in room:
                if getattr(event, "receipt", None) is receipts[-1]:
                    return


@pytest.fixture
def rooms(tmp_path: Path) -> Iterator[Rooms]:
    rooms = Rooms(tmp_path / "data")
    yield rooms
    rooms.server.end()


def said(screen: Screen) -> list[str]:
    """The log, without the times, the days and what is indented."""
    return [match[1] for row in screen.rows() if (match := re.match(r"<[\d:]{8}> (.*)", row))]


@contextmanager
def on_screen(rooms: Rooms, home: Path, *options: str) -> Iterator[PyteScreen]:
    with PyteScreen([*client(rooms.address, "bob"), *options], home) as bob:
        bob.wait_for(f"{INSIDE} bob")
        yield bob


def test_the_screen_over_a_restart_of_the_server(rooms: Rooms, home: Path) -> None:
    rooms.say("one", "bob, two")
    with on_screen(rooms, home) as bob:
        bob.wait_for(KEPT)
        assert said(bob) == [
            "[alice]: one",
            "[alice]: bob, two",
            "-- above: 2 earlier messages",
            f"-- {INSIDE} bob",
        ]
        assert b"\a" not in bob.raw
        bob.command("/mentions")
        bob.wait_for("nobody has mentioned you yet")
        bob.command("hello")
        bob.wait_for(r"\[bob\]: hello$")
        rooms.restart("three", "bob, four")
        rows = bob.wait_for("back in the room as bob")
        log = [re.sub("^<.*?> ", "", row) for row in rows if row.startswith(("<", "── "))]
        rule, *missed, above = log[-5:-1]
        assert missed == ["[alice]: three", "[alice]: bob, four"]
        assert re.match(r"── 2 new since \d\d:\d\d, 1 for you ─", rule)
        assert re.fullmatch(r"-- above: 2 messages since \d\d:\d\d", above)
        assert b"\a" not in bob.raw
        bob.command("/mentions")
        bob.wait_for(r"\[alice\]: bob, four$")
        assert sum("]: one" in row for row in rows) == 1
        rooms.say("five")
        bob.wait_for(r"\[alice\]: five$")


def test_a_user_who_wants_nothing_old(rooms: Rooms, home: Path) -> None:
    rooms.say("one")
    with on_screen(rooms, home, "--replay=0") as bob:
        assert said(bob) == [f"-- {INSIDE} bob"]


def test_plain_mode_on_a_terminal(rooms: Rooms, home: Path) -> None:
    rooms.say("one", "two")
    with ClientProcess(
        rooms.address, "bob", "--plain", "--replay=1", directory=home, terminal=True
    ) as bob:
        bob.output.wait_for(KEPT)
        shown = [line.rstrip() for line in bob.lines][:5]
        assert shown[:4] == [
            "-- 1 earlier message:",
            "[alice]: two",
            "-- end of the 1 earlier message",
            f"-- {INSIDE} bob",
        ]


def test_a_pipe_hears_nothing_old_unless_it_asks(rooms: Rooms, home: Path) -> None:
    rooms.say("one", "two")
    assert "one" not in run_client(rooms.address, "bob", said="hi\n", directory=home).stdout
    asking = run_client(rooms.address, "bob", "--replay=2", said="hi\n", directory=home).stdout
    assert [line.partition("> ")[2] for line in asking.splitlines()][:3] == [
        "-- 2 earlier messages:",
        "[alice]: two",
        "[bob]: hi",
    ]
    with ClientProcess(rooms.address, "carol", "--json", "--replay=1", directory=home) as carol:
        carol.output.wait_for('"replay": ?true')
        welcome, begins, text = carol.objects[:3]
        assert (welcome["type"], begins["type"]) == ("welcome", "catching-up")
        assert (text["text"], text["seq"], text["replay"]) == ("hi", 4, True)
