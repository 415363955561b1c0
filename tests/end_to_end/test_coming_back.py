"""Clients and servers that are killed: nothing is said twice, and what was missed is seen."""

from __future__ import annotations

import io
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest

from chat.client import (
    Attachment,
    CatchUpBegan,
    Command,
    ReconnectingRoom,
    Status,
    Text,
    Verb,
    connect,
)
from chat.client.runtime.runtime import PLAIN, Runtime
from tests.client.runtimes import with_both_runtimes
from tests.end_to_end.accounts import password_option, register
from tests.end_to_end.client_process import CLIENT, client_environment
from tests.end_to_end.listening import Listening
from tests.end_to_end.server_process import ServerProcess, eventually
from tests.peers.cutting_proxy import CuttingProxy
from tests.starting.programs import Program

PASSWORD = "correct horse"
# A program that says each line of its input, and ends once all are answered.
SAYING = """
import sys, threading
from chat.client import connect
with connect(sys.argv[1], "bob", password=sys.argv[2], reconnect=True, state=sys.argv[3]) as room:
    threading.Thread(target=list, args=(room,), daemon=True).start()
    for line in sys.stdin:
        room.send_text(line.strip())
    print("said", flush=True)
    for receipt in room.unanswered():
        receipt.wait()
"""


class Servers:
    """A server that is killed and started again, on one address and one data directory."""

    def __init__(self, directory: Path) -> None:
        self._options = (f"--data-directory={directory}", "--history=on", "--rate=0")
        self.now = ServerProcess(*self._options)
        host, port = self.now.address
        self.address = f"{host}:{port}"
        register(directory, "bob", PASSWORD)

    def start(self) -> None:
        self.now = ServerProcess(*self._options, address=self.address)

    def end(self) -> None:
        self.now.send_signal(signal.SIGCONT)
        self.now.end()


@pytest.fixture
def servers(tmp_path: Path) -> Iterator[Servers]:
    directory = tmp_path / "data"
    directory.mkdir(0o700)
    started = Servers(directory)
    yield started
    started.end()


class Listener(Listening):
    """Eve, who hears everything, in a thread."""

    def __init__(self, address: str) -> None:
        super().__init__(connect(address, "eve", reconnect=True))

    @property
    def heard(self) -> list[str]:
        return [event.text for event in self.events if isinstance(event, Text)]


@pytest.fixture
def eve(servers: Servers) -> Iterator[Listener]:
    listener = Listener(servers.address)
    yield listener
    listener.close()


@contextmanager
def coming_back(
    address: str, state: Path, runtime: Runtime
) -> Iterator[tuple[ReconnectingRoom, list[object]]]:
    """Bob's room, which a task of the runtime reads, and the events that it has yielded."""
    events: list[object] = []
    room = connect(address, "bob", password=PASSWORD, reconnect=True, state=state, runtime=runtime)

    def read() -> None:
        for event in room:
            events.append(event)

    task = runtime.spawn(read)
    try:
        yield room, events
    finally:
        room.close()
        task.join()


def has_been_read(spool: Path, line: str) -> bool:
    return spool.exists() and f'"{line}"' in spool.read_text(encoding="utf-8")


def texts(events: list[object]) -> list[str]:
    return [event.text for event in events if isinstance(event, Text)]


@with_both_runtimes
def test_a_room_comes_back_with_all_that_was_said(
    servers: Servers, eve: Listener, tmp_path: Path, runtime: Runtime
) -> None:
    lines = [f"line {number}" for number in range(60)]
    with coming_back(servers.address, tmp_path / "bob", runtime) as (room, events):
        receipts = [room.send_text(line) for line in lines[:40]]
        eventually(lambda: len(eve.heard) > 5)
        servers.now.stop()
        receipts += [room.send_text(line) for line in lines[40:]]
        servers.start()
        eventually(lambda: all(receipt.status is Status.ACCEPTED for receipt in receipts))
        eventually(lambda: len(eve.heard) >= 60 and len(texts(events)) >= 60)
        assert sorted(eve.heard) == sorted(texts(events)) == sorted(lines)
        page = room.history(limit=7)
        assert [message.seq for message in page.messages] == list(range(54, 61))
    eve.room.send_text("while bob is away")
    eventually(lambda: len(eve.heard) >= 61)
    with coming_back(servers.address, tmp_path / "bob", runtime) as (_, events):
        eventually(lambda: texts(events) == ["while bob is away"])
        [missed] = [event for event in events if isinstance(event, Text)]
        assert missed.replay
        [began] = [event for event in events if isinstance(event, CatchUpBegan)]
        assert began.expected == 1


def test_an_open_file_is_sent_again_from_where_it_stood(
    servers: Servers, eve: Listener, tmp_path: Path
) -> None:
    content = bytes(range(256)) * 120
    source = io.BytesIO(b"read before" + content)
    source.read(len("read before"))
    with (
        CuttingProxy(servers.now.address, cuts=1, after=len(content) // 2, uploads=True) as line,
        coming_back(line.address, tmp_path / "bob", PLAIN) as (room, _),
    ):
        assert room.send_file(source, filename="a.bin").wait(20) is Status.ACCEPTED
        assert line.cut == 1
        eventually(lambda: any(isinstance(event, Attachment) for event in eve.events))
    [heard] = [event for event in eve.events if isinstance(event, Attachment)]
    assert heard.content == content


def test_a_killed_program_looks_up_what_it_has_said(
    servers: Servers, eve: Listener, tmp_path: Path
) -> None:
    """It is killed when it has sent everything, and has no answer."""
    arguments = [sys.executable, "-c", SAYING, servers.address, PASSWORD, str(tmp_path / "bob")]

    def run(said: list[str]) -> subprocess.Popen[str]:
        program = Program(
            arguments,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=client_environment(),
        )
        assert program.stdin is not None
        program.stdin.write("".join(f"{line}\n" for line in said))
        program.stdin.flush()
        return program

    lines = [f"line {number}" for number in range(50)]
    first = run(["hello"])
    eventually(lambda: eve.heard == ["hello"])
    servers.now.send_signal(signal.SIGSTOP)
    assert first.stdin is not None
    first.stdin.write("".join(f"{line}\n" for line in lines))
    first.stdin.close()
    assert first.stdout is not None
    assert first.stdout.readline() == "said\n"
    eventually(lambda: (tmp_path / "bob").read_bytes().count(b'"sent"'))
    first.kill()
    first.wait()
    servers.now.send_signal(signal.SIGCONT)
    second = run([])
    assert second.stdin is not None
    second.stdin.close()
    assert second.wait(20) == 0
    eventually(lambda: len(eve.heard) >= 51)
    eve.room.send_text("the end")
    eventually(lambda: eve.heard[-1] == "the end")
    assert sorted(eve.heard) == sorted(["hello", *lines, "the end"])


def test_a_killed_server_leaves_lines_that_were_perhaps_said(
    servers: Servers, eve: Listener, tmp_path: Path
) -> None:
    with coming_back(servers.address, tmp_path / "bob", PLAIN) as (room, _):
        known = room.send_text("known")
        assert known.wait(30) is Status.ACCEPTED
        servers.now.send_signal(signal.SIGSTOP)
        receipts = [room.send_text(f"line {number}") for number in range(5)]
        connection = room.connection
        assert connection is not None
        room.send_text("the last one, which may be on its way")
        eventually(lambda: len(connection.unanswered()) == 6)
        servers.now.send_signal(signal.SIGKILL)
        servers.now.wait()
        servers.start()
        for receipt in receipts:
            assert receipt.wait(20) is Status.LOST
        assert [line.text for line in room.perhaps_said][:5] == [f"line {n}" for n in range(5)]
        assert room.say_again(room.perhaps_said[0]).wait(30) is Status.ACCEPTED
        room.drop(room.perhaps_said[0])
    with coming_back(servers.address, tmp_path / "bob", PLAIN) as (room, _):
        assert [line.text for line in room.perhaps_said][:3] == ["line 2", "line 3", "line 4"]
        assert room.command(Command(Verb.PING.value)).wait(30) is Status.ACCEPTED
    eventually(lambda: "line 0" in eve.heard)
    assert [text for text in eve.heard if "last" not in text] == ["known", "line 0"]


def test_a_killed_pipe_with_a_spool_loses_nothing_and_says_nothing_twice(
    servers: Servers, eve: Listener, tmp_path: Path
) -> None:
    options = [
        f"--address={servers.address}",
        "--username=bob",
        password_option(tmp_path, PASSWORD),
        f"--spool={tmp_path / 'spool'}",
    ]

    def pipe() -> subprocess.Popen[str]:
        return Program(
            [*CLIENT, *options],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            text=True,
            env=client_environment(),
        )

    lines = [f"line {number}" for number in range(3000)]
    for start in range(0, 3000, 1000):
        program = pipe()
        assert program.stdin is not None
        program.stdin.write("".join(f"{line}\n" for line in lines[start : start + 1000]))
        program.stdin.flush()
        # All are in the spool, or already said: the rest of the pipe is empty.
        eventually(partial(has_been_read, tmp_path / "spool", lines[start + 999]))
        program.kill()
        program.wait()
    done = pipe()
    assert done.stdin is not None
    done.stdin.close()
    assert done.wait(30) == 0
    eventually(lambda: len(eve.heard) >= 3000)
    assert sorted(eve.heard) == sorted(lines)
