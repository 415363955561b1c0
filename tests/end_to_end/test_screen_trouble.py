"""The full-screen client when something goes wrong, and what it leaves of the terminal."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from chat.client import MessageType, connect
from tests.end_to_end.client_process import listening
from tests.end_to_end.screens import (
    PyteScreen,
    TmuxScreen,
    broken_client,
    client,
    needs_tmux,
)
from tests.end_to_end.server_process import ServerProcess, eventually
from tests.tiers import quick_first

INSIDE = "you are in the room as"


@pytest.fixture
def servers() -> Iterator[list[ServerProcess]]:
    started = [ServerProcess(address="127.0.0.1:0")]
    yield started
    for server in started:
        server.end()


def address_of(server: ServerProcess) -> str:
    host, port = server.address
    return f"{host}:{port}"


def is_sane(screen: PyteScreen, before: list[int | list[bytes]]) -> bool:
    """The terminal is as it was, and reports neither pastes nor mice any more."""
    ends = (b"\x1b[?2004l", b"\x1b[?1000l", b"\x1b[?1004l", b"\x1b[?1007r", b"\x1b[?1049l")
    return screen.modes() == before and all(end in screen.raw for end in ends)


def test_leaving_leaves_the_terminal_as_it_was(address: str, home: Path) -> None:
    with PyteScreen(["cat"], home) as untouched:
        before = untouched.modes()
    with PyteScreen(client(address, "bob"), home) as bob:
        bob.wait_for(f"{INSIDE} bob")
        bob.press("<ctrl-d>")
        assert bob.wait() == 0
        assert is_sane(bob, before)


SIGNALS = [signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT]


@pytest.mark.parametrize("number", quick_first(SIGNALS, "each signal"))
def test_a_signal_ends_it_in_order(address: str, home: Path, number: signal.Signals) -> None:
    with PyteScreen(["cat"], home) as untouched:
        before = untouched.modes()
    with PyteScreen(client(address, "bob"), home) as bob:
        bob.wait_for(f"{INSIDE} bob")
        bob.process.send_signal(number)
        assert bob.wait() == 0
        assert is_sane(bob, before)


FAULTY = [
    "chat.client.screen.controller:Controller.press",
    "chat.client.screen.draw.layout:Renderer.render",
    "chat.client.screen.updates.model_updates:ModelUpdater.update",
]


@pytest.mark.parametrize("where", quick_first(FAULTY, "each part that may be faulty"))
def test_a_fault_of_its_own_leaves_a_sane_terminal_and_one_line(
    address: str, home: Path, where: str
) -> None:
    with PyteScreen(["cat"], home) as untouched:
        before = untouched.modes()
    state = {"HOME": str(home), "XDG_STATE_HOME": str(home / "state"), "LOGNAME": "bob"}
    with PyteScreen(broken_client(address, "bob", where), home, environment=state) as bob:
        bob.send("x")
        assert bob.wait() == 1
        if where.endswith("render"):  # nothing was ever drawn, so there is nothing to put right
            assert bob.modes() == before
            assert b"\x1b" not in bob.raw
        else:
            assert is_sane(bob, before)
        said = bob.raw.rpartition(b"\x1b[?1049l")[2].decode()
        assert "chat-client: internal fault: ZeroDivisionError: made by a test" in said
        assert "Traceback" not in said
        (report,) = (home / "state").rglob("fault-*.txt")
        assert str(report) in "".join(said.split("\r\n"))
        assert "Traceback" in report.read_text(encoding="utf-8")


def test_when_the_terminal_is_gone_no_process_is_left(address: str, home: Path) -> None:
    with listening(address, "alice", directory=home) as alice:
        with PyteScreen(client(address, "bob"), home) as bob:
            bob.wait_for(f"{INSIDE} bob")
            bob.pull_away()
            bob.process.wait(30)
        alice.output.wait_for("bob left$")


def test_an_unreachable_server_is_one_line_and_a_failure(home: Path) -> None:
    with PyteScreen(client("127.0.0.1:1", "bob"), home) as bob:
        assert bob.wait() == 1
        assert b"chat-client: Can't connect to 127.0.0.1:1" in bob.raw


def test_an_unknown_terminal_is_told_what_to_do(address: str, home: Path) -> None:
    with PyteScreen(client(address, "bob"), home, environment={"TERM": "no-such"}) as bob:
        assert bob.wait() == 1
        assert b"--plain, which needs no screen" in bob.raw


def test_a_refused_name_asks_for_another(address: str, home: Path) -> None:
    with (
        listening(address, "alice", directory=home),
        PyteScreen(client(address, "alice"), home) as screen,
    ):
        screen.wait_for("^another name: alice$")
        screen.press("<ctrl-u>", "bob", "<enter>")
        screen.wait_for(f"{INSIDE} bob, with alice", "│ bob │ 2 here")


def test_without_a_name_it_asks(address: str, home: Path) -> None:
    with PyteScreen(client(address, None), home, environment={"LOGNAME": "bob"}) as screen:
        screen.wait_for("^your name: bob$")
        screen.press("<enter>")
        screen.wait_for(f"{INSIDE} bob")
        screen.press("<ctrl-c>", "<ctrl-c>")
        assert screen.wait() == 0


def test_a_user_who_gives_no_name_leaves(address: str, home: Path) -> None:
    with PyteScreen(client(address, None), home) as screen:
        screen.wait_for("^your name: ")
        screen.press("<ctrl-u>", "<ctrl-d>")
        assert screen.wait() == 1


def test_a_server_that_comes_back_finds_the_draft_and_the_log(
    servers: list[ServerProcess], home: Path
) -> None:
    address = address_of(servers[0])
    with PyteScreen(client(address, "bob"), home) as bob:
        bob.wait_for(f"{INSIDE} bob")
        bob.command("before")
        bob.wait_for(r"\[bob\]: before$")
        servers[0].send_signal(signal.SIGKILL)
        servers[0].wait()
        bob.wait_for("no connection")
        bob.command("meanwhile")
        bob.press("a draft")
        bob.wait_for(r"\[bob\]: meanwhile …$", "^a draft$")
        servers.append(ServerProcess(address=address))
        with listening(address, "alice", directory=home) as alice:
            rows = bob.wait_for(r"back in the room as bob after \d", r"\[bob\]: meanwhile$")
            assert sum("meanwhile" in row for row in rows) == 1
            assert any(row.endswith("[bob]: before") for row in rows)
            assert rows[-1] == "a draft"
            bob.press("<enter>")
            alice.output.wait_for(r"\[bob\]: a draft$")
            assert alice.output.text.count("meanwhile") <= 1


def test_suspended_it_comes_back_whole(address: str, home: Path) -> None:
    shell = ["bash", "--norc", "--noprofile", "-i"]
    with PyteScreen(shell, home, environment={"PS1": "shell> "}) as screen:
        screen.wait_for("shell>")
        screen.send(" ".join(client(address, "bob")) + "\r")
        screen.wait_for(f"{INSIDE} bob")
        screen.press("a draft")
        screen.wait_for("^a draft$")
        screen.press("<ctrl-z>")
        screen.wait_for("Stopped", "shell>")
        screen.send("fg\r")
        screen.wait_for(f"{INSIDE} bob", "^a draft$")
        screen.press("!")
        screen.wait_for("^a draft!$")
        screen.press("<ctrl-c>", "<ctrl-c>")
        screen.wait_for("shell>")
        screen.send("echo $((6 * 7))\r")
        screen.wait_for("^42$")
        os.kill(screen.process.pid, signal.SIGHUP)


def test_stopped_without_a_word_it_comes_back_whole(address: str, home: Path) -> None:
    """SIGSTOP can't be seen to come; the shell that takes over sets the terminal to its own liking."""
    shell = ["bash", "--norc", "--noprofile", "-i"]
    with PyteScreen(shell, home, environment={"PS1": "shell> "}) as screen:
        screen.wait_for("shell>")
        screen.send(f"echo $$ > shell.pid; {' '.join(client(address, 'bob'))}\r")
        screen.wait_for(f"{INSIDE} bob")
        screen.press("a draft")
        screen.wait_for("^a draft$")
        (client_pid,) = children_of(int((home / "shell.pid").read_text()))
        os.kill(client_pid, signal.SIGSTOP)
        screen.wait_for("Stopped", "shell>")
        screen.send("reset; printf '\\e[?1049l\\e[?2004l\\e[?1000l\\e[?1004l'; stty sane\r")
        screen.wait_until(lambda rows: not any(f"{INSIDE} bob" in row for row in rows))
        screen.resize(60, 20)
        before = len(screen.raw)
        screen.send("fg\r")
        rows = screen.wait_for(f"{INSIDE} bob", "^a draft$")
        assert len(rows) == 20
        screen.press("!")  # it is shown, and not before Enter
        screen.wait_for("^a draft!$")
        modes = screen.raw[before:]
        assert all(f"\x1b[?{mode}h".encode() in modes for mode in (1049, 2004, 1004, 1007))
        screen.press("<ctrl-c>", "<ctrl-c>")
        screen.wait_for("shell>")
        screen.send("echo $((6 * 7))\r")
        screen.wait_for("^42$")
        os.kill(screen.process.pid, signal.SIGHUP)


def children_of(pid: int) -> list[int]:
    return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def test_what_others_send_changes_nothing_but_its_own_line(address: str, home: Path) -> None:
    evil = "\x1b[2J\x1b[1;1H\x1b]0;title\x07\x9b31mred\r\x08\u202egnp"
    with PyteScreen(client(address, "bob"), home) as bob:
        before = bob.wait_for(f"{INSIDE} bob")
        marker = len(bob.raw)
        (home / "a\x1b[2Jb.txt").write_text("hello", encoding="utf-8")
        with connect(address, "mallory") as mallory:
            mallory.send_text(f"look {evil} here")
            mallory.send_file(home / "a\x1b[2Jb.txt")
        rows = bob.wait_for("mallory left", "b.txt")
        assert rows[:3] == before[:3]
        # The text has a line end, so it begins below the name.
        named = next(number for number, row in enumerate(rows) if row.endswith("[mallory]:"))
        assert rows[named + 1].startswith(" ")
        assert "look" in rows[named + 1]
        assert "red" in rows[named + 1]
        sent = bob.raw[marker:]
        for sequence in (b"\x1b[2J", b"\x1b]0;", "\u202e".encode(), b"\xc2\x9b", b"\x08\x1b"):
            assert sequence not in sent


def test_what_nobody_has_answered_is_said_again_when_the_user_says_so(
    servers: list[ServerProcess], home: Path
) -> None:
    """The server is gone before it reads what is said."""
    address = address_of(servers[0])
    lines = [f"line {number}" for number in range(15)]
    with (
        listening(address, "alice", directory=home) as alice,
        PyteScreen(client(address, "bob"), home) as bob,
    ):
        bob.wait_for(f"{INSIDE} bob")
        servers[0].send_signal(signal.SIGSTOP)
        for line in lines:
            bob.command(line)
        bob.wait_for(r"\[bob\]: line 14 …$")
        servers[0].send_signal(signal.SIGKILL)
        servers[0].wait()
        bob.wait_for("no connection")
        servers.append(ServerProcess(address=address))
        bob.wait_for("back in the room as bob")
        # Another server, which can't know what the first one said: so only the user can decide.
        rows = bob.wait_until(lambda rows: not any(row.endswith("…") for row in rows))
        assert "perhaps said" in "\n".join(rows)
        assert not any(line.startswith("[bob]") for line in alice.lines)
        alice.output.wait_for("you are in the room", count=2)
        bob.command("/again")
        bob.wait_for(r"\[bob\]: line 14$")
        bob.command("the end")
        bob.wait_for(r"\[bob\]: the end$")
        alice.output.wait_for(r"\[bob\]: the end$")
        heard = [line.removeprefix("[bob]: ") for line in alice.lines if line.startswith("[bob]")]
        assert heard == [*lines, "the end"]


def test_a_picture_with_sequences_in_its_name(address: str, home: Path) -> None:
    """Also what is said of why it can't be drawn has the name in it."""
    name = "a\x1b[2J\x1b]0;title\x07\u202eb.png"
    (home / name).write_bytes(b"no picture\x1b[2J\x1b]0;title\x07")
    with PyteScreen(client(address, "bob"), home) as bob:
        before = bob.wait_for(f"{INSIDE} bob")
        marker = len(bob.raw)
        with connect(address, "mallory") as mallory:
            mallory.send_file(home / name, kind=MessageType.IMAGE)
            bob.wait_for("mallory sent an image: ", "no picture: ")
        bob.command("/transfers")
        rows = bob.wait_for("attachments:", "mallory left")
        assert rows[:3] == before[:3]
        for sequence in (b"\x1b[2J", b"\x1b]0;", "\u202e".encode()):
            assert sequence not in bob.raw[marker:]


@needs_tmux
def test_when_tmux_is_killed_no_process_is_left(address: str, home: Path) -> None:
    with listening(address, "alice", directory=home) as alice:
        with TmuxScreen(client(address, "bob"), home) as bob:
            bob.wait_for(f"{INSIDE} bob")
            client_pid, tmux_pid = bob.pids()
            os.kill(tmux_pid, signal.SIGKILL)
            eventually(lambda: not is_running(client_pid))
        alice.output.wait_for("bob left")


def is_running(pid: int) -> bool:
    """Or at least not yet waited for."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return "zombie" not in Path(f"/proc/{pid}/status").read_text()
