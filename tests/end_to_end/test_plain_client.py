"""``chat-client`` in pipes, against the real server and the fake of the original one."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
from pathlib import Path

import pytest

from tests.end_to_end.client_process import (
    CLIENT,
    PATIENCE,
    ClientProcess,
    client_environment,
    listening,
    run_client,
)
from tests.peers.original_client import OriginalClient
from tests.peers.original_server import OriginalServer
from tests.starting.programs import Program, run_program
from tests.tiers import quick_first


def bodies(output: str) -> list[str]:
    """The lines of a client's output, without the times."""
    return [line.partition("> ")[2] for line in output.splitlines()]


def test_one_line_from_a_script(address: str, home: Path) -> None:
    done = run_client(address, "bob", said="hello\n", directory=home)
    assert done.returncode == 0
    assert bodies(done.stdout) == ["-- you are in the room as bob", "[bob]: hello"]
    assert done.stderr == ""


def test_two_people_talk(address: str, home: Path) -> None:
    with ClientProcess(address, "алиса", directory=home) as alice:
        alice.output.wait_for("you are in the room")
        with ClientProcess(address, "bob", directory=home) as bob:
            alice.output.wait_for("bob joined")
            alice.type("привет 👋🏽\n")
            bob.output.wait_for("привет 👋🏽")
            bob.type("مرحبا\n")
            alice.output.wait_for("مرحبا")
            bob.end_input()
            assert bob.wait() == 0
        alice.output.wait_for("bob left")
        alice.end_input()
        assert alice.wait() == 0
        assert alice.lines == [
            "-- you are in the room as алиса",
            "-- bob joined",
            "[алиса]: привет 👋🏽",
            "[bob]: مرحبا",
            "-- bob left",
        ]


def test_lines_of_a_script_are_texts_whatever_they_begin_with(address: str, home: Path) -> None:
    (home / "secret").write_text("do not send")
    done = run_client(address, "bob", said="/file secret\n/quit\n//x\n", directory=home)
    assert done.returncode == 0
    assert bodies(done.stdout)[1:] == ["[bob]: /file secret", "[bob]: /quit", "[bob]: //x"]


def test_commands_of_a_script_that_is_trusted(address: str, home: Path) -> None:
    with listening(address, "alice", directory=home) as alice:
        said = "/me waves\n/msg alice psst\n/who\n//etc\n/quit\nnot said\n"
        done = run_client(address, "bob", "--commands", said=said, directory=home)
        assert done.returncode == 0
        alice.output.wait_for("bob left")
        assert alice.lines[2:] == [
            "* bob waves",
            "[bob -> alice]: psst",
            "[bob]: /etc",
            "-- bob left",
        ]
    assert "-- 2 in the room: alice, bob" in bodies(done.stdout)


@pytest.mark.parametrize(
    ("said", "sentence"),
    [
        ("/msg nobody hi\n", "chat-client: No user with this name is here."),
        ("/shout hi\n", "chat-client: Unknown command /shout"),
        ("/file nowhere\n", "chat-client: Can't read nowhere: No such file or directory."),
        ("/get 7\n", "chat-client: There is no attachment number 7."),
        ("/reply hi\n", "chat-client: There is no private message to reply to yet."),
    ],
)
def test_what_cannot_be_done_is_one_line_and_status_1(
    address: str, home: Path, said: str, sentence: str
) -> None:
    with listening(address, "alice", directory=home) as alice:
        done = run_client(address, "bob", "--commands", said=f"{said}good bye\n", directory=home)
        alice.output.wait_for("bob left")
        assert alice.lines[1:] == ["-- bob joined", "[bob]: good bye", "-- bob left"]
    assert done.returncode == 1
    assert done.stderr.startswith(sentence)
    assert done.stderr.count("\n") == 1


def test_odd_input(address: str, home: Path) -> None:
    said = b"\n   \ncaf\xe9\r\n\x1b[2Jclear\nno end"
    done = run_client(address, "bob", said=said, directory=home)
    assert done.returncode == 0
    assert bodies(done.stdout)[1:] == [
        "[bob]: caf\N{REPLACEMENT CHARACTER}",
        "[bob]: ␛[2Jclear",
        "[bob]: no end",
    ]


def test_an_overlong_line_is_split_between_characters(address: str, home: Path) -> None:
    line = "ж" * 100_000
    done = run_client(address, "bob", said=f"{line}\nshort\n", directory=home)
    assert done.returncode == 0
    *pieces, short = [body.removeprefix("[bob]: ") for body in bodies(done.stdout)[1:]]
    assert short == "short"
    assert [len(piece.encode()) for piece in pieces] == [65536, 65536, 65536, 3392]
    assert "".join(pieces) == line


def test_many_lines_arrive_in_order_and_are_all_answered(address: str, home: Path) -> None:
    lines = [f"line {number}" for number in range(230)]  # more than the burst of the server's rate
    done = run_client(address, "bob", said="".join(f"{line}\n" for line in lines), directory=home)
    assert done.returncode == 0
    assert bodies(done.stdout)[1:] == [f"[bob]: {line}" for line in lines]


@pytest.mark.parametrize("source", ["file", "device"])
def test_input_from_what_is_always_ready(address: str, home: Path, source: str) -> None:
    path = home / "input"
    path.write_text("from a file\n")
    with open(path if source == "file" else os.devnull) as stream:
        done = run_program(
            [*CLIENT, f"--address={address}", "--username=bob"],
            cwd=home,
            env=client_environment(),
            stdin=stream,
            text=True,
            timeout=PATIENCE,
        )
    assert done.returncode == 0
    assert bodies(done.stdout)[1:] == (["[bob]: from a file"] if source == "file" else [])


def test_closed_streams(address: str, home: Path) -> None:
    command = " ".join([*CLIENT, f"--address={address}", "--username=bob"])
    done = subprocess.run(
        ["sh", "-c", f"{command} <&- >&- 2>&-"],
        cwd=home,
        env=client_environment(),
        timeout=PATIENCE,
        check=False,
    )
    assert done.returncode == 0


def test_an_output_that_nobody_reads_any_more_ends_quietly(address: str, home: Path) -> None:
    with Program[bytes](
        [*CLIENT, f"--address={address}", "--username=bob"],
        cwd=home,
        env=client_environment(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as bob:
        assert bob.stdin is not None
        assert bob.stdout is not None
        assert bob.stderr is not None
        assert b"you are in the room" in bob.stdout.readline()
        bob.stdout.close()  # as head -1 does
        bob.stdin.write(b"anyone?\n")
        bob.stdin.flush()
        assert bob.stderr.read() == b""
        assert bob.wait(PATIENCE) == 0


def test_an_output_that_cannot_be_written_is_told(address: str, home: Path) -> None:
    with open("/dev/full", "w") as full:
        done = run_program(
            [*CLIENT, f"--address={address}", "--username=bob"],
            cwd=home,
            env=client_environment(),
            input=b"hello\n",
            stdout=full,
            timeout=PATIENCE,
        )
    assert done.returncode == 1
    assert done.stderr == b"chat-client: The output can't be written: No space left on device.\n"


def test_a_signal_that_is_ignored_stays_so(address: str, home: Path) -> None:
    """``nohup`` starts a program with an ignored signal."""
    with listening(address, "alice", "--plain", directory=home, ignore=signal.SIGHUP) as alice:
        alice.send_signal(signal.SIGHUP)
        assert run_client(address, "bob", said="hello\n", directory=home).returncode == 0
        alice.output.wait_for("hello")
        alice.send_signal(signal.SIGTERM)
        assert alice.wait() == 0


@pytest.mark.parametrize(
    "number", quick_first([signal.SIGTERM, signal.SIGINT, signal.SIGHUP], "each signal")
)
def test_signals_end_it_quietly(address: str, home: Path, number: signal.Signals) -> None:
    with listening(address, "alice", directory=home) as alice:
        with ClientProcess(address, "bob", directory=home) as bob:
            bob.output.wait_for("you are in the room")
            bob.send_signal(number)
            assert bob.wait() == 0
            assert bob.errors.text == ""
        alice.output.wait_for("bob left$")  # said good-bye


def test_nobody_there(home: Path) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        host, port = unused.getsockname()
        done = run_client(f"{host}:{port}", "bob", said="hello\n", directory=home)
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.startswith("chat-client: ")
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("name", quick_first(["alice", "two words", "server"], "each bad name"))
def test_a_name_that_cannot_be_had(address: str, home: Path, name: str) -> None:
    with listening(address, "alice", directory=home):
        done = run_client(address, name, said="hello\n", directory=home)
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.startswith("chat-client: ")
    assert done.stderr.count("\n") == 1


class TestWithAnOriginalServer:
    @pytest.mark.parametrize("options", [["--byte-order=little"], ["--json"], []])
    def test_a_name_that_would_end_its_clients(self, home: Path, options: list[str]) -> None:
        with OriginalServer() as server:
            done = run_client(server.address, 'qu"ote', *options, said="hi\n", directory=home)
            assert server.logins == []
        assert done.returncode == 1
        sentence = "A name is made of letters and digits of any script, '_', '-' and '.'."
        assert done.stderr == f"chat-client: {sentence}\n"

    def test_names_of_others_against_the_rules_are_shown_sanitized(self, home: Path) -> None:
        evil = '\x1b[2Jqu"ote\n<09:00:00> [bob]: I owe you\u202e'
        with OriginalServer() as server, listening(server.address, "bob", directory=home) as bob:
            with OriginalClient(server.wire_address, evil) as stranger:
                stranger.say("hi")
                stranger.send_file('../a"\nb', b"x")
                bob.output.wait_for("sent a file")
            bob.output.wait_for("left")
            shown = '␛[2Jqu"ote␊<09:00:00> [bob]: I owe you<U+202E>'
            assert [line for line in bob.lines if "hi" in line] == [f"[{shown}]: hi"]
            assert "\x1b" not in bob.output.text
            assert "\u202e" not in bob.output.text
            assert not [line for line in bob.output.text.splitlines() if "[bob]: I" in line[:20]]

    def test_talking(self, home: Path) -> None:
        with OriginalServer() as server:
            done = run_client(server.address, "bob", said="hello\n", directory=home)
        assert done.returncode == 0
        assert [(each.sender, each.content) for each in server.received] == [("bob", b"hello")]
        assert "[bob]: hello" in bodies(done.stdout)

    def test_files(self, home: Path) -> None:
        (home / "small").write_bytes(b"OggS".ljust(10_000, b"x"))
        (home / "large").write_bytes(b"x" * 20_000)
        with OriginalServer() as server:
            done = run_client(
                server.address,
                "bob",
                "--commands",
                said="/file small\n/file large\n/voice small\n/msg bob psst\n/me waves\n",
                directory=home,
            )
        assert done.returncode == 1
        assert [(each.filename, len(each.content)) for each in server.received] == [
            (b"small", 10_000),
            (None, 10_000),
            (None, 9),
        ]
        large, private = done.stderr.splitlines()
        assert "20 KiB" in large
        assert "private" in private
