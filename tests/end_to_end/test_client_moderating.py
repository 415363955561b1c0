"""Moderators and the users on whom they act, with the frontends that work in pipes, at the real server."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from chat.client import LoginRefused, connect
from tests.end_to_end.accounts import password_option, register
from tests.end_to_end.client_process import ClientProcess, listening, run_client
from tests.end_to_end.server_process import eventually, running_server

PASSWORD = "correct horse"


@pytest.fixture
def address() -> Iterator[str]:
    """Return the address of a server where bob is a moderator."""
    with running_server() as server:
        register(server.data_directory, "bob", PASSWORD, is_moderator=True)
        host, port = server.address
        yield f"{host}:{port}"


@pytest.fixture
def bob(address: str, home: Path) -> Iterator[ClientProcess]:
    option = password_option(home, PASSWORD)
    with ClientProcess(address, "bob", "--commands", option, directory=home) as bob:
        bob.output.wait_for("you are in the room as bob")
        yield bob


def test_a_kicked_user_goes_and_may_come_again(
    address: str, home: Path, bob: ClientProcess
) -> None:
    with (
        listening(address, "carol", directory=home) as carol,
        listening(address, "mallory", directory=home) as mallory,
    ):
        bob.type("/kick mallory Enough.\n")
        assert mallory.wait() == 1
        assert mallory.errors.text == "chat-client: You were kicked by bob: Enough.\n"
        carol.output.wait_for(r"-- mallory left \(kicked\)$")
        carol.output.wait_for("-- the server says: mallory was kicked by bob: Enough")
        bob.output.wait_for(r"-- the server says: mallory was kicked\.$")
    with connect(address, "mallory"):
        pass


def test_a_ban_ends_when_it_was_to_end(address: str, bob: ClientProcess) -> None:
    bob.type("/ban mallory 4s spam\n")
    bob.output.wait_for(
        "-- the server says: mallory and all names that look like it are banned until "
    )
    assert not may_enter(address, "mallory")
    eventually(lambda: may_enter(address, "mallory"), pause=0.2)


def may_enter(address: str, name: str) -> bool:
    try:
        connect(address, name).close()
    except LoginRefused as refused:
        return refused.code != "banned"
    return True


def test_a_banned_user_does_not_try_again(address: str, home: Path, bob: ClientProcess) -> None:
    with ClientProcess(address, "mallory", "--json", directory=home) as mallory:
        mallory.output.wait_for("welcome")
        bob.type("/ban mallory spam\n")
        assert mallory.wait() == 1
        assert mallory.objects[-1]["code"] == "moderated"
        assert mallory.errors.text == "chat-client: You are banned until further notice: spam.\n"
    done = run_client(address, "mallory", said="hello\n", directory=home)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "chat-client: You are banned until further notice: spam.\n"


def test_a_muted_user_is_told_so_for_each_message(
    address: str, home: Path, bob: ClientProcess
) -> None:
    with ClientProcess(address, "mallory", "--json", directory=home) as mallory:
        mallory.output.wait_for("welcome")
        bob.type("/mute mallory 1h\n")
        bob.output.wait_for("-- the server says: mallory is muted until ")
        mallory.output.wait_for('"notice","code":"moderated"')
        mallory.ask(type="text", text="hello", id=1)
        mallory.output.wait_for('"error","id":1,"code":"muted"')
        bob.type("/unmute mallory\n")
        bob.output.wait_for("-- the server says: mallory is no longer muted")
        mallory.ask(type="text", text="hello", id=2)
        mallory.output.wait_for('"done","id":2')


def test_bans_are_listed_and_lifted(bob: ClientProcess) -> None:
    bob.type("/ban 192.0.2.7 7d\n/ban eve\n/bans\n/unban eve\n/unban eve\n")
    bob.output.wait_for(r"-- the server says: .*\n( +\| .*\n)*.*192\.0\.2\.7")
    bob.output.wait_for("-- the server says: No longer banned: eve")
    bob.errors.wait_for("chat-client: No ban of this name")
    bob.end_input()
    assert bob.wait() == 1


def test_others_may_not(address: str, home: Path) -> None:
    done = run_client(address, "eve", "--commands", said="/kick eve\n/bans\n", directory=home)
    assert done.returncode == 1
    assert done.stderr == "chat-client: Only a moderator may do that.\n" * 2


def test_a_user_at_a_terminal_stays_and_can_ask_to_come_back(
    address: str, home: Path, bob: ClientProcess
) -> None:
    with ClientProcess(address, "mallory", "--plain", directory=home, terminal=True) as mallory:
        mallory.output.wait_for("you are in the room as mallory")
        bob.type("/kick mallory Enough.\n")
        mallory.output.wait_for("Disconnected; /reconnect connects again")
        mallory.type("/reconnect\n")
        mallory.output.wait_for("you are in the room as mallory", 2)
        bob.type("/ban mallory spam\n")
        mallory.output.wait_for("You are banned until further notice: spam")
        mallory.output.wait_for("Disconnected;", 2)
        mallory.type("/reconnect\n")
        mallory.output.wait_for("Disconnected;", 3)
        mallory.output.wait_for("You are banned until further notice: spam", 2)
        mallory.type("/quit\n")
        assert mallory.wait() == 0
