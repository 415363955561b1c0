"""Passwords in the program as a process: asked for on a terminal, from a file elsewhere; and who is told to leave."""

from __future__ import annotations

import json
import signal
import termios
from pathlib import Path

import pytest

from chat.protocol.descriptor import MessageType
from tests.end_to_end.client_process import ClientProcess, run_client
from tests.peers.scripted_server import Peer, Script, ScriptedServer

UTF8, LOGIN, BAD_LOGIN = MessageType.UTF8, MessageType.LOGIN, MessageType.BAD_LOGIN
NEEDED = {"error": "password-needed", "message": "This name is registered."}
WRONG = {"error": "wrong-password", "message": "That is not its password."}


def refuse(fields: dict[str, str], password: str | None) -> Script:
    """A login with this password."""

    def script(peer: Peer) -> None:
        assert peer.expect(LOGIN).fields.get("password") == password
        peer.send(BAD_LOGIN, fields)
        peer.wait_for_end()

    return script


def let_in(password: str | None, session: str | None = None) -> Script:
    def script(peer: Peer) -> None:
        fields = peer.expect(LOGIN).fields
        assert (fields.get("password"), fields.get("session")) == (password, session)
        peer.send(LOGIN)
        welcome = {"users": [fields["to"]], "session": "token"}
        peer.say(LOGIN, fields["to"], json.dumps(welcome).encode())
        peer.wait_for_end()

    return script


def shows_what_is_typed(client: ClientProcess) -> bool:
    return bool(termios.tcgetattr(client.terminal)[3] & termios.ECHO)


class TestOnATerminal:
    def test_it_asks_until_the_password_is_right(self, tmp_path: Path) -> None:
        scripts = [refuse(NEEDED, None), refuse(WRONG, "hunter1"), let_in("hunter2")]
        with (
            ScriptedServer(*scripts) as server,
            ClientProcess(
                server.address, "bob", "--plain", directory=tmp_path, terminal=True
            ) as bob,
        ):
            bob.output.wait_for("is registered")
            bob.output.wait_for("the password of bob: ")
            bob.type("hunter1\n")
            bob.output.wait_for("not its password")
            bob.output.wait_for("the password of bob: ", count=2)
            bob.type("hunter2\n")
            bob.output.wait_for("you are in the room as bob")
            assert shows_what_is_typed(bob)
            bob.type("\x04")
            assert bob.wait() == 0
            assert "hunter" not in bob.output.text

    def test_a_user_without_the_password_takes_another_name(self, tmp_path: Path) -> None:
        with (
            ScriptedServer(refuse(NEEDED, None), let_in(None)) as server,
            ClientProcess(
                server.address, "bob", "--plain", directory=tmp_path, terminal=True
            ) as bob,
        ):
            bob.output.wait_for("the password of bob: ")
            bob.type("\n")
            bob.output.wait_for("Another name: ")
            bob.type("bobby\n")
            bob.output.wait_for("you are in the room as bobby")

    @pytest.mark.parametrize("key", ["\x03", "\x04\x04"])  # Ctrl-C, Ctrl-D at both questions
    def test_the_terminal_is_left_as_it_was(self, tmp_path: Path, key: str) -> None:
        with (
            ScriptedServer(refuse(NEEDED, None)) as server,
            ClientProcess(
                server.address, "bob", "--plain", directory=tmp_path, terminal=True
            ) as bob,
        ):
            bob.output.wait_for("the password of bob: ")
            assert not shows_what_is_typed(bob)
            for one in key:
                bob.type(one)
                bob.output.wait_for("Another name: " if one == "\x04" else "")
            assert bob.process.wait(20) == 1
            assert shows_what_is_typed(bob)

    def test_registering(self, tmp_path: Path) -> None:
        def chat(peer: Peer) -> None:
            name = peer.welcome()
            frame = peer.expect(UTF8)
            nonce = frame.fields["nonce"]
            assert frame.fields == {"command": "register", "password": "hunter22", "nonce": nonce}
            peer.notice("done", "The name is yours.", to=name, nonce=nonce)
            peer.reset()

        with (
            ScriptedServer(chat, let_in("hunter22", "token")) as server,
            ClientProcess(
                server.address, "bob", "--plain", directory=tmp_path, terminal=True
            ) as bob,
        ):
            bob.output.wait_for("you are in the room")
            bob.type("/register\n")
            bob.output.wait_for("your new password")
            bob.type("hunter22\n")
            bob.output.wait_for("the new password again: ")
            bob.type("hunter22\n")
            bob.output.wait_for("-- the server says: The name is yours.")
            bob.output.wait_for("you are in the room", count=2)
            assert "hunter22" not in bob.output.text

    def test_leaving_in_the_middle_of_it(self, tmp_path: Path) -> None:
        with (
            ScriptedServer(let_in(None)) as server,
            ClientProcess(
                server.address, "bob", "--plain", directory=tmp_path, terminal=True
            ) as bob,
        ):
            bob.output.wait_for("you are in the room")
            bob.type("/register\n")
            bob.output.wait_for("your new password")
            bob.send_signal(signal.SIGTERM)
            bob.process.wait(20)
            assert shows_what_is_typed(bob)


class TestInAPipe:
    def test_without_a_password(self, tmp_path: Path) -> None:
        with ScriptedServer(refuse(NEEDED, None)) as server:
            done = run_client(server.address, "bob", said="hello\n", directory=tmp_path)
        assert (done.returncode, done.stdout) == (1, "")
        assert done.stderr == (
            "chat-client: This name is registered. Give it with --password-file=<file>.\n"
        )

    def test_with_the_wrong_one(self, tmp_path: Path) -> None:
        option = self._file(tmp_path, 0o644)
        with ScriptedServer(refuse(WRONG, "hunter2")) as server:
            done = run_client(server.address, "bob", option, "--json", directory=tmp_path)
        assert (done.returncode, done.stdout) == (1, "")
        warning, problem = done.stderr.splitlines()
        assert "Other users can read" in warning
        assert problem == "chat-client: That is not its password."

    def test_with_the_right_one(self, tmp_path: Path) -> None:
        option = self._file(tmp_path, 0o600)
        with ScriptedServer(let_in("hunter2")) as server:
            done = run_client(server.address, "bob", option, directory=tmp_path)
        assert (done.returncode, done.stderr) == (0, "")

    def _file(self, directory: Path, mode: int) -> str:
        path = directory / "password"
        path.write_text("hunter2\n")
        path.chmod(mode)
        return f"--password-file={path}"

    def test_nobody_can_be_asked(self, tmp_path: Path) -> None:
        with ScriptedServer(let_in(None)) as server:
            done = run_client(
                server.address, "bob", "--commands", said="/register\n", directory=tmp_path
            )
        assert done.returncode == 1
        assert "needs a terminal" in done.stderr

    def test_a_user_who_is_told_to_leave_goes(self, tmp_path: Path) -> None:
        def chat(peer: Peer) -> None:
            name = peer.welcome()
            peer.notice("moderated", "You were kicked by eve.", to=name)

        with (
            ScriptedServer(chat) as server,
            ClientProcess(server.address, "bob", "--json", directory=tmp_path) as bob,
        ):
            assert bob.wait() == 1
            assert bob.errors.text == "chat-client: You were kicked by eve.\n"
            assert [each["type"] for each in bob.objects] == ["welcome", "notice"]
