"""Rooms on a full screen, with a real server: as somebody sees them who lives in several."""

from __future__ import annotations

import re
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from chat.client import Connection, connect
from tests import homes
from tests.end_to_end.screens import PyteScreen, client
from tests.end_to_end.server_process import CHECKOUT, ServerProcess
from tests.starting.programs import run_program

INSIDE = "you are in the room as bob"
NAMES = [f"room{number:02}" for number in range(20)]


@pytest.fixture
def server(tmp_path: Path) -> Iterator[ServerProcess]:
    server = started(tmp_path)
    yield server
    server.end()


def started(tmp_path: Path, address: str = "127.0.0.1:0") -> ServerProcess:
    options = ("--history=on", f"--data-directory={tmp_path / 'data'}")
    return ServerProcess(*options, address=address)


def address_of(server: ServerProcess) -> str:
    host, port = server.address
    return f"{host}:{port}"


def views(rows: list[str]) -> list[str]:
    """Return the rows of the list of views, without the log beside it."""
    return [row.partition("│")[0].rstrip() for row in rows[1:-2] if "│" in row]


def log(rows: list[str]) -> list[str]:
    """Return the lines of the log beside the list, without times."""
    beside = (row.partition("│")[2] for row in rows[1:-2])
    return [match[1] for line in beside if (match := re.match(r"<[\d:]{8}> (.*)", line))]


def said(alice: Connection, text: str, room: str | None) -> None:
    receipt = alice.send_text(text, room=room)
    for event in alice:
        if getattr(event, "receipt", None) is receipt:
            return


def listed(bob: PyteScreen, *patterns: str) -> list[str]:
    """Wait until each pattern fits one whole row of the list of views; return the rows of the screen."""

    def shows(rows: list[str]) -> bool:
        return all(any(re.fullmatch(p, view) for view in views(rows)) for p in patterns)

    return bob.wait_until(shows)


def test_a_day_in_two_rooms(server: ServerProcess, home: Path) -> None:
    address = address_of(server)
    with (
        PyteScreen(client(address, "bob", "--tls=off"), home) as bob,
        connect(address, "alice", tls="off", rooms=()) as alice,
    ):
        bob.wait_for(INSIDE)
        bob.command("/join dev")
        listed(bob, " 1 #lobby", ">2 #dev")
        bob.command("in dev")
        bob.wait_for(r"\[bob\]: in dev$")
        bob.press("<alt-1>")
        listed(bob, ">1 #lobby", " 2 #dev")
        alice.join("dev")
        said(alice, "hello", "dev")
        said(alice, "bob, look", "dev")
        listed(bob, ">1 #lobby", r" 2 #dev +@1 2")
        bob.command("in the lobby")
        bob.press("half a li", "<alt-a>")
        rows = listed(bob, " 1 #lobby", ">2 #dev")
        assert log(rows)[-3:] == ["-- alice joined", "[alice]: hello", "[alice]: bob, look"]
        assert rows[-1] == "", "each view has its draft"
        bob.press("<alt-up>")
        bob.wait_until(lambda rows: rows[-1] == "half a li")
        bob.press("ne", "<enter>")
        rows = bob.wait_for(r"\[bob\]: half a line$")
        assert log(rows)[-2:] == ["[bob]: in the lobby", "[bob]: half a line"]
        bob.press("<alt-2>")
        rows = listed(bob, ">2 #dev")
        assert not any("half a line" in line for line in log(rows))
        # On a narrow screen, the status line lists the views.
        bob.resize(60, 16)
        bob.wait_for(r"^ \[1 lobby\] \[2 dev\]")
        bob.resize(80, 24)
        listed(bob, ">2 #dev")
        bob.command("/part")
        listed(bob, ">2 -dev")
        bob.wait_for("^ dev, not joined, at")
        bob.press("to nobody", "<enter>")
        bob.wait_for("not done: You are not in dev")
        said(alice, "last", "dev")
        assert not any(
            "to nobody" in getattr(e, "text", "") for e in alice.history(room="dev").messages
        )
        bob.command("/close")
        bob.wait_for(r"^ \[1 room\]")


def test_many_rooms_over_a_killed_server_and_a_killed_client(
    tmp_path: Path, home: Path, server: ServerProcess
) -> None:
    address = address_of(server)
    command = client(address, "bob", "--tls=off", f"--room={','.join(NAMES)}")
    with connect(address, "alice", tls="off", rooms=()) as alice:
        for name in NAMES:
            alice.join(name)
        with PyteScreen(command, home, rows=14) as bob:
            bob.wait_for(INSIDE)
            rows = listed(bob, ">1 #lobby", " 2 #room00")
            assert views(rows)[-1] == "… 11 more"
            for name in ("room01", "room19", "room19"):
                said(alice, "hello", name)
            listed(bob, r" 3 #room01 +1", r"… 11 more +2")
            bob.press("<alt-up>")  # the last follows the first
            rows = listed(bob, "> +#room19", r"… 11 more +1")
            assert log(rows)[-2:] == ["[alice]: hello", "[alice]: hello"]
            bob.press("a draft for nineteen")
            bob.wait_until(lambda rows: rows[-1] == "a draft for nineteen")
            bob.press("<alt-2>")
            bob.command("/notify none")
            bob.wait_for("messages of this room neither ring")
            server.send_signal(signal.SIGKILL)
            server.wait()
            bob.wait_for("no connection")
            bob.command("said meanwhile")
            bob.wait_for("said meanwhile …$")
            following = started(tmp_path, address)
            try:
                listed(bob, ">2 #room00")
                bob.wait_for(r"\[bob\]: said meanwhile$")
                bob.press("<alt-1>")
                # A quarter of a second is enough for the client to note it, as soon as it may.
                state = next(Path(home).rglob("*.state"))
                bob.wait_until(lambda rows: "a draft for nineteen" in state.read_text())
                bob.process.kill()
                bob.process.wait()
                find_it_again(address, home)
            finally:
                following.end()


def find_it_again(address: str, home: Path) -> None:
    """Start the client once more: all is as it was when it was killed."""
    with PyteScreen(client(address, "bob", "--tls=off"), home, rows=14) as bob:
        bob.wait_for(INSIDE)
        rows = listed(bob, ">1 #lobby", " 2 #room00", r" 3 #room01 +1")
        bob.press("<alt-up>")
        bob.wait_until(lambda rows: rows[-1] == "a draft for nineteen")
        bob.press("<alt-2>")
        rows = bob.wait_for(r"\[bob\]: said meanwhile$")
        assert sum("said meanwhile" in line for line in log(rows)) == 1
        bob.command("/notify")
        bob.wait_for("messages of this room neither ring")


def test_a_room_that_is_taken_away_stays_readable(
    server: ServerProcess, home: Path, tmp_path: Path
) -> None:
    address = address_of(server)
    with (
        PyteScreen(client(address, "bob", "--tls=off"), home) as bob,
        connect(address, "alice", tls="off", rooms=()) as alice,
    ):
        bob.wait_for(INSIDE)
        alice.join("dev")
        bob.command("/join dev")
        listed(bob, ">2 #dev")
        said(alice, "the last words", "dev")
        bob.wait_for("the last words$")
        bob.press("a line for dev")
        words = ("rooms", "remove", "dev", f"--data-directory={tmp_path / 'data'}")
        done = run_program(
            [sys.executable, "-m", "chat.server.cli", *words], cwd=CHECKOUT, env=homes.environment()
        )
        assert done.returncode == 0
        listed(bob, ">2 -dev")
        rows = bob.wait_for("the last words$", "you are not in the room any more", "/close closes")
        assert rows[-1] == "not in dev: a line for dev"
        bob.press("<enter>")
        bob.wait_for("not done: You are not in dev")
        said(alice, "who hears me?", None)
        listed(bob, r" 1 #lobby +1")
        bob.press("<alt-1>")
        rows = listed(bob, ">1 #lobby")
        assert not any("a line for dev" in line for line in log(rows))
