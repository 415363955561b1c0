"""The examples do what they say, against the real server."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from chat.client import Connection, Text, connect
from tests import homes
from tests.end_to_end.server_process import CHECKOUT, PATIENCE, ServerProcess, running_server
from tests.tiers import quick_first


def address_of(server: ServerProcess) -> str:
    host, port = server.address
    return f"{host}:{port}"


@contextmanager
def example(name: str, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """Run an example; it must end quietly on Ctrl-C."""
    program = subprocess.Popen(
        [sys.executable, str(CHECKOUT / "examples" / name), *arguments],
        env=homes.environment(PYTHONPATH=str(CHECKOUT)),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield program
    finally:
        program.kill()
        program.communicate(timeout=PATIENCE)


def line(program: subprocess.Popen[str]) -> str:
    assert program.stdout is not None
    return program.stdout.readline()


def next_text(room: Connection) -> Text:
    """The next one that somebody else said."""
    for event in room:
        if isinstance(event, Text) and not event.own:
            return event
    raise AssertionError("the connection was closed")


def test_the_greeter_greets() -> None:
    with running_server() as server, example("greeter.py", address_of(server), "greeter"):
        server.wait_for_line("greeter joined")
        with connect(address_of(server), "alice") as room:
            assert next_text(room).text == "Hello, alice!"


def test_the_echo_bot_answers_in_kind() -> None:
    with running_server() as server, example("echo_bot.py", address_of(server), "echo") as bot:
        assert line(bot) == "echo is in a room with 0 others\n"
        with connect(address_of(server), "alice") as room:
            room.send_text("to all")
            room.send_text("to you", to="echo")
            heard = [next_text(room) for _ in range(2)]
            assert [(text.text, text.to) for text in heard] == [
                ("to all", None),
                ("to you", "alice"),
            ]


def test_the_helpdesk_passes_on_between_two_rooms() -> None:
    with (
        running_server() as server,
        example("helpdesk.py", address_of(server), "desk", "questions", "staff") as desk,
    ):
        assert line(desk) == "in questions and staff\n"
        with (
            connect(address_of(server), "alice", rooms=["questions"]) as alice,
            connect(address_of(server), "bob", rooms=["staff"]) as bob,
            connect(address_of(server), "eve") as eve,
        ):
            alice.send_text("It is broken.", room="questions")
            asked = next_text(bob)
            assert (asked.text, asked.room) == ("alice asks: It is broken.", "staff")
            bob.send_text("hm", room="staff")
            bob.send_text("eve: not there", room="staff")
            bob.send_text("alice: turn it off", room="staff")
            answer = next_text(alice)
            assert (answer.text, answer.room) == ("alice: turn it off", "questions")
            eve.send_text("hi")
            assert next_text(bob).text == "hi"


def test_an_example_that_cannot_connect_says_so_in_one_line() -> None:
    with example("echo_bot.py", "127.0.0.1:1", "echo") as bot:
        _, errors = bot.communicate(timeout=PATIENCE)
        assert errors == "Can't connect to 127.0.0.1:1: Connection refused.\n"
        assert bot.returncode == 1


EXAMPLES = sorted(path.name for path in (CHECKOUT / "examples").glob("*.py"))


def run_wrongly(name: str, *arguments: str) -> str:
    """Run an example that must fail in one line; return the line."""
    with example(name, *arguments) as bot:
        output, errors = bot.communicate(timeout=PATIENCE)
    assert bot.returncode == 1
    assert output == ""
    assert errors.count("\n") == 1
    return errors


@pytest.mark.parametrize("name", quick_first(EXAMPLES, "each example is executed"))
def test_an_example_says_in_one_line_what_it_expects(name: str) -> None:
    usage = run_wrongly(name)
    assert usage.startswith(f"usage: {name} ADDRESS ")
    assert run_wrongly(name, "127.0.0.1:1") == usage
    # As its docstring says it.
    assert f"``{usage.removeprefix('usage: ').strip()}``" in (
        CHECKOUT / "examples" / name
    ).read_text(encoding="utf-8")

    arguments = ["no address" if "ADDRESS" in word else "bot" for word in usage.split()[2:]]
    assert run_wrongly(name, *arguments).startswith("invalid address 'no address': expected HOST")


def test_the_file_fetcher_saves_small_and_large(tmp_path: Path) -> None:
    saved = tmp_path / "saved"
    saved.mkdir()
    small, large = tmp_path / "small.txt", tmp_path / "large.bin"
    small.write_bytes(b"small")
    large.write_bytes(os.urandom(300_000))
    with (
        running_server() as server,
        example("file_fetcher.py", address_of(server), "fetcher", str(saved)) as fetcher,
    ):
        line(fetcher)
        with connect(address_of(server), "alice") as room:
            room.send_file(large)
            room.send_file(small)
            assert sorted([line(fetcher), line(fetcher)]) == [
                "alice sent 'large.bin', 300000 bytes\n",
                "alice sent 'small.txt', 5 bytes\n",
            ]
    assert (saved / "small.txt").read_bytes() == b"small"
    assert (saved / "large.bin").read_bytes() == large.read_bytes()


def test_the_bridge_joins_two_rooms() -> None:
    with (
        running_server() as here,
        running_server() as there,
        example("bridge.py", address_of(here), address_of(there), "bridge") as bridge,
    ):
        line(bridge)
        with (
            connect(address_of(here), "alice") as alice,
            connect(address_of(there), "bob") as bob,
        ):
            alice.send_text("anybody there?")
            assert next_text(bob).text == "alice: anybody there?"
            bob.send_text("yes")
            assert next_text(alice).text == "bob: yes"
