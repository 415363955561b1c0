"""``chat-server say`` and ``status``, and changes of the command line, at a server in this process."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import gevent
import pytest

from chat.protocol.descriptor import MessageType
from chat.protocol.names import parse_user_name
from chat.server import cli
from chat.server.accounts.accounts import add_account
from chat.server.storage import database_watch
from chat.server.storage.database import Database
from tests.cheap_hashes import hash_cheaply
from tests.server.membership.visitors import come
from tests.server.moderators import refused
from tests.server.server_in_test import TestServer

UTF8, LOGIN = MessageType.UTF8, MessageType.LOGIN


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return tmp_path / "data"


@pytest.fixture
def chat_server(
    open_a_chat_server: Callable[..., TestServer], directory: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[TestServer]:
    """Return a server that takes commands, and does not look for changes by itself."""
    monkeypatch.setattr(database_watch, "LOOK_INTERVAL", 1000.0)
    directory.mkdir()
    hall = parse_user_name("Hall")
    chat_server = open_a_chat_server(data_directory=directory, max_text=100, default_room=hall)
    control = chat_server.parts.make_control_server(directory, list)
    control.start()
    yield chat_server
    control.stop()


@pytest.fixture
def types(directory: Path, capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """Type a command in a thread, since it waits for the server; return its output."""

    def run(*words: str, status: int = 0) -> str:
        arguments = [words[0], f"--data-directory={directory}", *words[1:]]
        if words[0] in ("users", "bans", "rooms"):
            arguments = [*words, f"--data-directory={directory}"]
        found = gevent.get_hub().threadpool.apply(partial(cli.main, arguments))
        out, err = capsys.readouterr()
        assert found == status, (out, err)
        assert err.count("\n") == (status != 0)
        return err if status else out

    return run


def test_an_announcement_reaches_everyone_as_a_text_of_the_server(
    chat_server: TestServer, types: Callable[..., str], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "chat.server")
    alice, raw = chat_server.join("alice"), chat_server.join("raw", raw=True)
    alice.expect_joined("raw")

    assert types("say", "Restart", "at", "ten.") == "announced to 2 users\n"

    for client in (alice, raw):
        header = client.expect(UTF8, b"Restart at ten.", sender="server", notice="announcement")
        assert "to" not in header.header
    assert "the operator announced: Restart at ten." in caplog.messages


def test_an_announcement_of_several_lines_comes_from_the_standard_input(
    chat_server: TestServer, types: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    alice = chat_server.join("alice")
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO("Erstens\nzweitens ü\n".encode())))

    assert types("say") == "announced to 1 user\n"

    alice.expect(UTF8, "Erstens\nzweitens ü".encode(), sender="server", notice="announcement")


def test_an_announcement_answers_nothing_that_waits_for_an_answer(
    chat_server: TestServer, types: Callable[..., str]
) -> None:
    alice = chat_server.join("alice")
    types("say", "--", "-- a text with dashes")
    assert alice.expect(UTF8, notice="announcement").text == "-- a text with dashes"
    alice.say("hello")
    alice.expect_text("hello", "alice")


@pytest.mark.parametrize(
    ("text", "status", "phrase"),
    [(" ", 2, "is empty"), ("x" * 101, 1, "the limit (max-text) is 100"), ("\x1b", 1, "is empty")],
)
def test_what_cannot_be_announced_is_one_line(
    chat_server: TestServer, types: Callable[..., str], text: str, status: int, phrase: str
) -> None:
    assert phrase in types("say", text, status=status)


def test_no_room_gets_the_name_of_the_default_room_of_a_running_server(
    chat_server: TestServer, types: Callable[..., str]
) -> None:
    assert "Everyone is in hall" in types("rooms", "add", "hall", status=1)
    assert "H\u0430ll looks like Hall, a room" in types("rooms", "add", "H\u0430ll", status=1)
    assert "was added. The running server has applied this." in types("rooms", "add", "hallway")


def test_without_a_server_the_commands_say_so(directory: Path, types: Callable[..., str]) -> None:
    directory.mkdir()
    for words in (["say", "hello"], ["status"], ["status", "--json"]):
        assert types(*words, status=1).startswith(f"chat-server: no server runs on {directory};")


def test_nobody_types_a_text_for_a_server_that_does_not_run(
    directory: Path, types: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    class Terminal(io.TextIOWrapper):
        def isatty(self) -> bool:
            return True

        def read(self, size: int | None = -1) -> str:
            raise AssertionError("nothing is read")

    directory.mkdir()
    monkeypatch.setattr("sys.stdin", Terminal(io.BytesIO(b"hello")))
    assert "no server runs" in types("say", status=1)


def test_the_status_is_that_of_now(chat_server: TestServer, types: Callable[..., str]) -> None:
    alice = chat_server.join("alice")
    chat_server.join("raw", raw=True)
    alice.expect_joined("raw")
    alice.say("hello")
    alice.expect_text("hello", "alice")

    assert "rooms        0 of 1000 beside Hall; nobody is in them" in types("status")
    visitors = [come(chat_server, name) for name in ("carl", "dora")]
    for visitor in visitors:
        visitor.do("join", room="dev")
    visitors[0].do("join", room="den")
    rooms = json.loads(types("status", "--json"))["rooms"]
    assert rooms == {
        "default": "Hall",
        "rooms": 2,
        "members": 3,
        "largest": 2,
        "max_rooms": 1000,
    }
    assert "2 of 1000 beside Hall; 3 members here, 2 in the largest" in types("status")
    for visitor in visitors:
        visitor.close()
    chat_server.connections_are_accepted(2)
    status = json.loads(types("status", "--json"))

    assert (status["users"], status["json_users"], status["raw_users"]) == (2, 1, 1)
    assert status["addresses"] == [str(chat_server.listening)]
    assert status["messages"] == 1
    assert status["rates"]["messages"] > 0
    assert status["memory_bytes"] > 10_000_000
    assert "alice" not in json.dumps(status)
    lines = types("status").splitlines()
    assert any(line.startswith("sessions     2: 1 JSON, 1 raw; 0 over TLS") for line in lines)
    assert "users        2 of 10000; 0 registered" in lines
    assert f"addresses    {chat_server.listening}" in lines
    assert "accounts     0; 0 bans, 0 mutes" in lines


@pytest.mark.usefixtures("cheap_hashes")
def test_changes_of_the_command_line_take_effect_at_once(
    chat_server: TestServer, directory: Path, types: Callable[..., str]
) -> None:
    bob_name = parse_user_name("bob")
    add_account(Database(directory), bob_name, hash_cheaply("a password"), is_moderator=True)
    bob, alice = chat_server.connect(), chat_server.join("alice")
    assert bob.try_login({"to": "bob", "password": "a password"}).type == LOGIN
    bob.name = "bob"
    bob.expect(LOGIN, sender="bob")
    applied = "The running server has applied this.\n"

    assert types("users", "moderator", "bob", "off") == f"bob is no longer a moderator. {applied}"
    bob.expect(UTF8, notice="account")
    assert refused(bob, "kick", "alice") == "not-allowed"

    assert types("bans", "add", "alice").endswith(f"until further notice. {applied}")
    assert "alice" not in chat_server.here()
    assert types("bans", "remove", "alice").endswith(applied)
    assert types("users", "remove", "bob").endswith(applied)
    assert not chat_server.session("bob").registered
    alice.close()
