"""``chat-client`` on a real terminal, in plain mode."""

from __future__ import annotations

import termios
from pathlib import Path

import pytest

from tests.end_to_end.client_process import ClientProcess, listening

INTERRUPT, END_OF_INPUT = "\x03", "\x04"


def at_a_terminal(address: str, name: str, *options: str, directory: Path) -> ClientProcess:
    return ClientProcess(address, name, "--plain", *options, directory=directory, terminal=True)


def test_talking_and_commands(address: str, home: Path) -> None:
    with listening(address, "alice", directory=home) as alice:
        with at_a_terminal(address, "bob", directory=home) as bob:
            bob.output.wait_for("you are in the room as bob, with alice")
            bob.type("hello\n")
            bob.output.wait_for(r"\[bob\]: hello")
            bob.type("/msg alice psst\n")
            bob.output.wait_for(r"\[bob -> alice\]: psst")
            bob.type("/shout\n")
            bob.output.wait_for("Unknown command /shout")
            bob.type("/copy 2\n")
            bob.output.wait_for(r"copied 5 characters of bob")
            assert "\x1b]52;c;aGVsbG8=\x07" in bob.output.text
            bob.type("/help msg\n")
            bob.output.wait_for("/msg NAME TEXT  send a text to one user")
            bob.type("last words\n/quit\n")
            assert bob.wait() == 0  # a user at the terminal has seen the refusal
        alice.output.wait_for("bob left$")
        assert alice.lines[1:] == [
            "-- bob joined",
            "[bob]: hello",
            "[bob -> alice]: psst",
            "[bob]: last words",
            "-- bob left",
        ]


def test_control_d_leaves_once_all_is_said(address: str, home: Path) -> None:
    with listening(address, "alice", directory=home) as alice:
        with at_a_terminal(address, "bob", directory=home) as bob:
            bob.output.wait_for("you are in the room")
            bob.type("good bye\n" + END_OF_INPUT)
            assert bob.wait() == 0
            assert "[bob]: good bye" in bob.output.text
        alice.output.wait_for("bob left$")


def test_control_c_leaves_at_once(address: str, home: Path) -> None:
    with listening(address, "alice", directory=home) as alice:
        with at_a_terminal(address, "bob", directory=home) as bob:
            bob.output.wait_for("you are in the room")
            bob.type("half a line" + INTERRUPT)
            assert bob.wait() == 0
            assert "chat-client:" not in bob.output.text
        alice.output.wait_for("bob left$")
        assert "half a line" not in alice.output.text


def test_the_terminal_is_left_as_it_was(address: str, home: Path) -> None:
    with at_a_terminal(address, "bob", directory=home) as bob:
        before = termios.tcgetattr(bob.terminal)
        bob.output.wait_for("you are in the room")
        assert termios.tcgetattr(bob.terminal) == before
        bob.type(INTERRUPT)
        bob.wait()


def test_another_name_is_asked_for(address: str, home: Path) -> None:
    with (
        listening(address, "alice", directory=home),
        at_a_terminal(address, "alice", directory=home) as bob,
    ):
        bob.output.wait_for("Another name: ")
        bob.type("two words\n")
        bob.output.wait_for("Another name: ", count=2)
        bob.type("\n")
        bob.output.wait_for("Another name: ", count=3)
        bob.type("bob\nhello\n")
        bob.output.wait_for("you are in the room as bob, with alice")
        bob.output.wait_for(r"\[bob\]: hello")
        bob.type(END_OF_INPUT)
        assert bob.wait() == 0


@pytest.mark.parametrize("key", [END_OF_INPUT, INTERRUPT])
def test_giving_up_instead_of_another_name(address: str, home: Path, key: str) -> None:
    with (
        listening(address, "alice", directory=home),
        at_a_terminal(address, "alice", directory=home) as bob,
    ):
        bob.output.wait_for("Another name: ")
        bob.type(key)
        assert bob.wait() == 1


def test_nobody_can_move_the_cursor(address: str, home: Path) -> None:
    with at_a_terminal(address, "bob", directory=home) as bob:
        bob.output.wait_for("you are in the room")
        with ClientProcess(address, "eve", directory=home) as eve:
            eve.type("\x1b[2J\x1b]0;owned\x07\x9b31m\u202e\n")
            bob.output.wait_for(r"\[eve\]: ␛\[2J␛\]0;owned␇<U\+009B>31m<U\+202E>")
        assert "\x1b" not in bob.output.text
        bob.type(INTERRUPT)
        assert bob.wait() == 0


PASTED = "".join(f"line {number}\n" if number % 2 else "/file secret\n" for number in range(31))


@pytest.mark.parametrize("answer", ["yes", "no"])
def test_what_is_pasted_is_one_message_or_none(address: str, home: Path, answer: str) -> None:
    (home / "secret").write_text("nobody is to get this", encoding="utf-8")
    with (
        listening(address, "alice", directory=home) as alice,
        at_a_terminal(address, "bob", directory=home) as bob,
    ):
        bob.output.wait_for("you are in the room")
        bob.type(PASTED)
        bob.output.wait_for("31 lines came at once. Send them as one message")
        bob.type("yes\nyes\n")  # more of the paste
        bob.output.wait_for("Send these 33 lines as one message")
        bob.type("perhaps\n")
        bob.output.wait_for("Send these 33 lines as one message", 2)
        bob.type(f"{answer}\n")
        if answer == "no":
            bob.output.wait_for("Nothing was sent")
        else:
            bob.output.wait_for(r"\[bob\]:\s+\| /file secret")
        bob.type("nothing else\n")
        alice.output.wait_for("nothing else")
        text = PASTED + "yes\nyes"
        lines = [f"         | {line}" for line in text.splitlines()]
        said = ["[bob]:", *lines] if answer == "yes" else []
        assert alice.lines[2:] == [*said, "[bob]: nothing else"]


@pytest.mark.parametrize("pasted", ["see\n/file secret\n", "/msg alice psst\nand that\n"])
def test_a_command_in_a_short_paste_is_not_carried_out(
    address: str, home: Path, pasted: str
) -> None:
    (home / "secret").write_text("nobody is to get this", encoding="utf-8")
    with (
        listening(address, "alice", directory=home) as alice,
        at_a_terminal(address, "bob", directory=home) as bob,
    ):
        bob.output.wait_for("you are in the room")
        bob.type("first\nsecond\n")  # said as they come
        bob.output.wait_for(r"\[bob\]: second")
        bob.type(pasted)
        bob.output.wait_for("2 lines came at once. Send them as one message")
        bob.type("no\n")
        bob.output.wait_for("Nothing was sent")
        bob.type("nothing else\n")
        alice.output.wait_for("nothing else")
        said = [f"[bob]: {text}" for text in ("first", "second", "nothing else")]
        assert alice.lines[2:] == said
