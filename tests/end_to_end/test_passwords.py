"""A registered name, in all frontends of the client, at the real server."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from chat.client import Dismissed, connect
from tests.end_to_end.accounts import password_option, register
from tests.end_to_end.client_process import ClientProcess, run_client
from tests.end_to_end.screens import PyteScreen, client
from tests.end_to_end.server_process import ServerProcess, running_server

PASSWORD = "correct horse"
PROMPT = "the password of bob: "


@pytest.fixture
def server() -> Iterator[ServerProcess]:
    with running_server() as server:
        yield server


@pytest.fixture
def address(server: ServerProcess) -> str:
    host, port = server.address
    return f"{host}:{port}"


@pytest.fixture
def owned(server: ServerProcess, address: str) -> str:
    """Return the address of a server where bob is registered."""
    register(server.data_directory, "bob", PASSWORD)
    return address


class TestPlain:
    def bob_at(self, address: str, home: Path, *options: str) -> ClientProcess:
        return ClientProcess(address, "bob", "--plain", *options, directory=home, terminal=True)

    def test_from_a_free_name_to_a_registered_one(self, address: str, home: Path) -> None:
        with self.bob_at(address, home) as bob:
            bob.output.wait_for("you are in the room as bob")
            bob.type("/register\n")
            bob.output.wait_for("your new password")
            bob.type(f"{PASSWORD}\n")
            bob.output.wait_for("the new password again: ")
            bob.type(f"{PASSWORD}\n")
            bob.output.wait_for("the server says: The name bob is yours")
            bob.type("\x04")
            assert bob.wait() == 0
            assert PASSWORD not in bob.output.text
        with self.bob_at(address, home) as bob:
            bob.output.wait_for(PROMPT)
            bob.type("correct house\n")
            bob.output.wait_for(PROMPT, count=2)
            bob.type(f"{PASSWORD}\n")
            bob.output.wait_for("you are in the room as bob")
            bob.type("/passwd\n")
            for prompt, typed in (
                ("your current password: ", PASSWORD),
                ("your new password", "battery staple"),
                ("the new password again: ", "battery staple"),
            ):
                bob.output.wait_for(prompt)
                bob.type(f"{typed}\n")
            bob.output.wait_for("the server says: Your password was changed")
            bob.type("\x04")
            assert bob.wait() == 0
            for secret in (PASSWORD, "correct house", "battery staple"):
                assert secret not in bob.output.text
        option = password_option(home, "battery staple")
        assert run_client(address, "bob", option, said="hello\n", directory=home).returncode == 0

    def test_a_password_that_is_too_short(self, address: str, home: Path) -> None:
        with self.bob_at(address, home) as bob:
            bob.output.wait_for("you are in the room as bob")
            bob.type("/register\n")
            bob.output.wait_for(r"your new password \(8 characters or more\): ")
            bob.type("short\n")
            bob.output.wait_for("chat-client: A password must have 8 to 1024 bytes")
            assert "again" not in bob.output.text
            bob.type("still here\n")
            bob.output.wait_for(r"\[bob\]: still here")


class TestScreen:
    def test_nothing_of_a_password_is_left(self, owned: str, home: Path) -> None:
        with PyteScreen(client(owned, "bob", "--log=on"), home) as bob:
            bob.wait_for(f"^{PROMPT.rstrip()}$")
            bob.press("correct house")
            bob.wait_for(rf"^{PROMPT}\*{{13}}$")
            bob.press("<enter>")
            bob.wait_for("Wrong password")
            bob.wait_for(f"^{PROMPT.rstrip()}$")
            # Cut, which elsewhere can be put back, and typed again.
            bob.press(PASSWORD, "<ctrl-u>", PASSWORD, "<enter>")
            bob.wait_for("you are in the room as bob")
            bob.press("<ctrl-y>", "<up>", "said")
            bob.wait_for("^said$")
            bob.press("<enter>")
            bob.wait_for(r"\[bob\]: said$")
            bob.command("/quit")
            assert bob.wait() == 0
            assert b"correct" not in bob.raw
        written = [path for path in home.rglob("*") if path.is_file()]
        assert written, "there is a log"
        assert not [path for path in written if b"correct" in path.read_bytes()]

    def test_a_user_without_the_password_takes_another_name(self, owned: str, home: Path) -> None:
        with PyteScreen(client(owned, "bob"), home) as bob:
            bob.wait_for(f"^{PROMPT.rstrip()}$")
            bob.press("<ctrl-c>")
            bob.wait_for("^another name: bob$")
            bob.press("by", "<enter>")
            bob.wait_for("you are in the room as bobby")


class TestInAPipe:
    def test_one_line_and_no_more(self, owned: str, home: Path) -> None:
        done = run_client(owned, "bob", "--json", said="", directory=home)
        assert (done.returncode, done.stdout) == (1, "")
        assert done.stderr.count("\n") == 1
        assert "--password-file" in done.stderr

    def test_as_json(self, address: str, home: Path) -> None:
        with ClientProcess(address, "bob", "--json", directory=home) as bob:
            bob.ask(type="command", command="register", password=PASSWORD, id=1)
            bob.output.wait_for('"done","id":1,"message":"The name bob is yours')
            bob.ask(type="command", command="passwd", password="no", new_password=PASSWORD, id=2)
            bob.output.wait_for('"error","id":2,"code":"wrong-password"')
            bob.ask(type="command", command="bans", id=3)
            bob.output.wait_for('"error","id":3,"code":"not-allowed"')
            bob.end_input()
            assert bob.wait() == 1


class TestOnesOwnGhost:
    def test_a_client_that_stands_still_makes_way(self, owned: str, home: Path) -> None:
        """And when it goes on, it does not take the place back."""
        option = password_option(home, PASSWORD)
        with ClientProcess(owned, "bob", option, directory=home) as old:
            old.output.wait_for("you are in the room as bob")
            old.send_signal(signal.SIGSTOP)
            with ClientProcess(owned, "bob", option, directory=home) as new:
                new.output.wait_for("you are in the room as bob")
                old.send_signal(signal.SIGCONT)
                assert old.wait() == 1
                assert "You logged in from another place" in old.errors.text
                new.type("here\n")
                new.output.wait_for(r"\[bob\]: here$")
                new.end_input()
                assert new.wait() == 0

    def test_a_screen_stays_and_may_take_it_back(self, owned: str, home: Path) -> None:
        """Without a state file it has no device of its own, so that the next login of the user takes its place."""
        option = password_option(home, PASSWORD)
        with PyteScreen(client(owned, "bob", option, "--no-state"), home) as old:
            old.wait_for("you are in the room as bob")
            with connect(owned, "bob", password=PASSWORD) as new:
                old.wait_for("the server says: You logged in from another place")
                old.wait_for(
                    "-- Disconnected; /reconnect connects again",
                    "no connection: /reconnect or /quit │",
                )
                old.command("/reconnect")
                old.wait_for("-- back in the room as bob")
                with pytest.raises(Dismissed, match="from another place"):
                    list(new)

    def test_without_a_password_the_secret_of_the_last_session_will_do(
        self, address: str, home: Path
    ) -> None:
        old = connect(address, "bob")
        with connect(address, "bob", session=old.session) as new:
            assert new.users == ["bob"]
            with pytest.raises(Dismissed):
                list(old)
        old.close()


def test_a_password_by_tls(home: Path) -> None:
    with running_server("--tls=required") as server:
        register(server.data_directory, "bob", PASSWORD)
        host, port = server.address
        with connect(f"{host}:{port}", "bob", password=PASSWORD) as bob:
            assert bob.encrypted
            assert bob.is_private
            session = bob.session
            with connect(f"{host}:{port}", "bob", session=session, password=PASSWORD) as again:
                assert again.users == ["bob"]
