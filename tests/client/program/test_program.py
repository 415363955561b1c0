"""The program as a process, against servers that do what no real one does."""

from __future__ import annotations

import json
import threading
from pathlib import Path

import pytest

from chat.protocol.descriptor import MessageType
from tests.end_to_end.client_process import PATIENCE, ClientProcess, run_client
from tests.peers.scripted_server import ClientFrame, Peer, ScriptedServer

UTF8, FILE = MessageType.UTF8, MessageType.FILE


def echo(peer: Peer, name: str) -> str:
    """Take a text and let it come back; the text."""
    frame = peer.expect(UTF8)
    peer.say(UTF8, name, frame.content, nonce=frame.fields["nonce"])
    return frame.content.decode()


def test_progress_of_a_transfer(tmp_path: Path) -> None:
    """Bars come and go, and never share a line with what is said."""
    over = threading.Event()
    (tmp_path / "large.bin").write_bytes(bytes(32 * 1024**2))

    def chat(peer: Peer) -> None:
        name = peer.welcome()
        assert echo(peer, name) == "meanwhile"
        peer.wait_for_end()
        over.set()

    def transfer(peer: Peer) -> None:
        peer.let_transfer()
        over.wait(PATIENCE)  # and not a byte of it is read

    with (
        ScriptedServer(chat, transfer) as server,
        ClientProcess(server.address, "bob", "--plain", directory=tmp_path, terminal=True) as bob,
    ):
        bob.output.wait_for("you are in the room")
        bob.type("/file large.bin\n")
        bob.output.wait_for(r"1\. large\.bin: +\d+%")
        bob.type("meanwhile\n")
        bob.output.wait_for(r"^(.*\r)? *\r<[0-9:]+> \[bob\]: meanwhile\r$")
        bob.type("/transfers\n")
        bob.output.wait_for(r"1\. large\.bin to everyone, 32 MiB: \d+ %")
        bob.type("/cancel 1\n")
        bob.output.wait_for("number 1, large.bin, is cancelled")
        bob.type("\x04")
        assert bob.wait() == 0
        assert "%" not in bob.output.text.rpartition("is cancelled")[2]


def test_a_server_that_sends_what_it_should_not(tmp_path: Path) -> None:
    def chat(peer: Peer) -> None:
        name = peer.welcome()
        peer.send(UTF8, b"no header at all", b"lost")
        peer.say(UTF8, "eve\x1b[2J", b"\xff\x1b[0m", to="\u202ebob")
        peer.say(FILE, "eve", b"x", filename="../../.bashrc")
        assert echo(peer, name) == "still here"
        peer.wait_for_end()

    with (
        ScriptedServer(chat) as server,
        ClientProcess(server.address, "bob", "--save-directory=.", directory=tmp_path) as bob,
    ):
        bob.output.wait_for("saved as bashrc")
        bob.type("still here\n")
        bob.end_input()
        assert bob.wait() == 0
        assert "\x1b" not in bob.output.text + bob.errors.text
        assert "\u202e" not in bob.output.text
        assert "[bob]: still here" in bob.lines
        assert bob.errors.text.startswith("chat-client: The server sent an invalid frame: ")
    assert [path.name for path in tmp_path.iterdir()] == ["bashrc"]


def test_json_from_a_server_that_sends_what_it_should_not(tmp_path: Path) -> None:
    def chat(peer: Peer) -> None:
        peer.welcome(motd="\u202eolleh\x9b")
        peer.send(UTF8, b"{", b"lost")
        peer.wait_for_end()

    with (
        ScriptedServer(chat) as server,
        ClientProcess(server.address, "bob", "--json", directory=tmp_path) as bob,
    ):
        bob.output.wait_for("trouble")
        bob.end_input()
        assert bob.wait() == 0
        assert "\u202e" not in bob.output.text
        welcome, trouble = bob.objects
        assert welcome["motd"] == "\u202eolleh\x9b"
        assert trouble["type"] == "trouble"


@pytest.mark.parametrize("option", ["--plain", "--json"])
def test_a_refusal_that_a_terminal_would_interpret(option: str, tmp_path: Path) -> None:
    def refuse(peer: Peer) -> None:
        peer.expect(MessageType.LOGIN)
        peer.send(
            MessageType.BAD_LOGIN,
            {"error": "\x1b]0;x\x07", "message": "go\x1b[2J\x9b1m\u202e\n<12:00:00> [alice]: hi"},
        )

    with ScriptedServer(refuse) as server:
        done = run_client(server.address, "bob", option, directory=tmp_path)
    assert done.returncode == 1
    first, second = done.stderr.splitlines()
    assert (first, second) == (
        "chat-client: go␛[2J<U+009B>1m<U+202E>",
        "chat-client: <12:00:00> [alice]: hi",
    )


KEPT = {
    "device": True,
    "history": True,
    "epoch": "e",
    "rooms": {"lobby": {"seq": 0, "oldest": 1, "lost": []}},
}


def test_what_was_not_answered_is_looked_up_over_the_next_connection(tmp_path: Path) -> None:
    heard: list[str] = []
    sent: list[tuple[str, str]] = []  # each text and its nonce

    def take(peer: Peer) -> ClientFrame:
        frame = peer.expect(UTF8)
        sent.append((frame.content.decode(), frame.fields["nonce"]))
        return frame

    def echo(peer: Peer, name: str) -> str:
        frame = take(peer)
        peer.say(UTF8, name, frame.content, nonce=frame.fields["nonce"])
        return frame.content.decode()

    def first(peer: Peer) -> None:
        name = peer.welcome(**KEPT)
        heard.append(echo(peer, name))
        for _ in range(2):  # "two" and "three" arrive, and nobody knows
            take(peer)
        peer.reset()

    def second(peer: Peer) -> None:
        peer.expect(MessageType.LOGIN)
        header = {"error": "username-exists", "message": "That name is in use."}
        peer.send(MessageType.USERNAME_EXISTS, header)

    def third(peer: Peer) -> None:
        rooms = {"lobby": {"seq": 2, "oldest": 1, "lost": []}}
        name = peer.welcome(**{**KEPT, "rooms": rooms})
        query = peer.expect(UTF8).fields
        assert (query["command"], query["after"], query["epoch"]) == ("history", 0, "e")
        assert query["nonces"] == [nonce for _, nonce in sent[1:]]
        asked = {"replay": True, "for": query["nonce"]}
        peer.say(UTF8, name, b"two", nonce=sent[1][1], seq=2, **asked)
        peer.say(UTF8, "server", b"1 messages.", notice="done", nonce=query["nonce"], count=1)
        # The message behind the place proves that the server has removed none meanwhile.
        proof = peer.expect(UTF8).fields
        assert (proof["after"], proof["limit"]) == (0, 1)
        asked["for"] = proof["nonce"]
        peer.say(UTF8, name, b"one", seq=1, **asked)
        peer.say(UTF8, "server", b"1 messages.", notice="done", nonce=proof["nonce"], count=1)
        heard.append(echo(peer, name))
        peer.wait_for_end()

    with ScriptedServer(first, second, third) as server:
        done = run_client(server.address, "bob", said="one\ntwo\nthree\n", directory=tmp_path)
    assert heard == ["one", "three"]
    assert sent[3] == sent[2]
    assert done.returncode == 0


def test_a_pipe_names_the_lines_that_were_perhaps_said_and_says_none_again(tmp_path: Path) -> None:
    """The server keeps no messages, so nobody can find out."""
    heard: list[bytes] = []

    def first(peer: Peer) -> None:
        peer.welcome()
        heard.extend(peer.expect(UTF8).content for _ in range(2))
        peer.reset()

    def second(peer: Peer) -> None:
        peer.welcome()
        peer.wait_for_end()

    with ScriptedServer(first, second) as server:
        done = run_client(server.address, "bob", said="one\ntwo\n", directory=tmp_path)
    assert heard == [b"one", b"two"]
    assert done.returncode == 1
    named = [line for line in done.stderr.splitlines() if "Perhaps said" in line]
    assert [word for line in named for word in ("'one'", "'two'") if word in line] == [
        "'one'",
        "'two'",
    ]
    assert "said" not in done.stdout


def test_a_name_that_is_refused_later_is_the_end(tmp_path: Path) -> None:
    def first(peer: Peer) -> None:
        peer.welcome()
        peer.expect(UTF8)
        peer.reset()

    def second(peer: Peer) -> None:
        peer.expect(MessageType.LOGIN)
        header = {"error": "bad-username", "message": "No bobs any more."}
        peer.send(MessageType.BAD_USERNAME, header)
        peer.wait_for_end()

    with ScriptedServer(first, second) as server:
        done = run_client(
            server.address, "bob", "--json", said=json_text("one"), directory=tmp_path
        )
    assert done.returncode == 1
    assert done.stderr == "chat-client: No bobs any more.\n"


def json_text(text: str) -> str:
    return json.dumps({"type": "text", "text": text}) + "\n"
