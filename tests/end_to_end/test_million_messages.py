"""A server that has kept a million messages: original clients log in and live, and pages are found at once."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path

import pytest

from chat.protocol.descriptor import MessageType
from chat.server.history.rows import pack
from chat.server.history.stored import DEFAULT_ROOM, StoredRun
from chat.server.history.writer import Writer
from tests.end_to_end.server_process import ServerProcess, running_server
from tests.peers.original_client import FILE, LOGIN, OriginalClient
from tests.peers.wire import Wire
from tests.peers.wire_client import WireClient
from tests.wire.replay import original_captures

pytestmark = pytest.mark.thorough("a million messages; test_earlier_messages.py has some")

COUNT = 1_000_000
RUN = 64
RUNS_AT_ONCE = 250
REPLAY = 50  # texts that a raw client gets
TIME = "2026-11-24T09:30:00.000000Z"


def text(number: int) -> str:
    return f"message {number} of a long history".ljust(100, ".")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    directory = tmp_path_factory.mktemp("long") / "data"
    fill(directory)
    with running_server("--history=on", f"--data-directory={directory}") as server:
        yield server


def fill(directory: Path) -> None:
    writer = Writer(directory, bound=0)
    writer.add_logs([DEFAULT_ROOM])
    numbers = range(1, COUNT + 1, RUN)
    for start in range(0, len(numbers), RUNS_AT_ONCE):
        writer.write([pack(run(first)) for first in numbers[start : start + RUNS_AT_ONCE]])
    writer.close()


def run(first: int) -> StoredRun:
    contents = [text(number).encode() for number in range(first, first + RUN)]
    kind = MessageType.UTF8
    return StoredRun(DEFAULT_ROOM, first, TIME, "alice", None, b"", kind, [None] * RUN, contents)


def test_the_strict_original_client_lives(server: ServerProcess) -> None:
    with OriginalClient(server.address, "strict") as client:
        client.expect(LOGIN, "strict")
        heard = [client.hear() for _ in range(REPLAY)]
        assert [each.content.decode() for each in heard] == [
            text(number) for number in range(COUNT - REPLAY + 1, COUNT + 1)
        ]
        assert {(each.sender, each.timestamp) for each in heard} == {("alice", TIME)}
        client.say("at last")
        client.expect_text("at last", "strict")
        client.send_file("note.txt", b"a note")
        client.expect(FILE, "strict", b"a note", "note.txt")
        client.send_image(b"a picture")
        assert client.hear().content == b"a picture"


def test_what_the_original_client_sent_is_answered(server: ServerProcess) -> None:
    """The bytes are those that the original program really sent."""
    captures = {
        capture.connection: capture.data
        for capture in original_captures()
        if capture.sender == "client"
    }
    with Wire(server.address) as client:
        client.send_bytes(captures["alice"])
        assert read_frame(client)[0] == MessageType.LOGIN  # the reply
        assert read_frame(client)[0] == MessageType.LOGIN  # the announcement
        said = list(frames_of(captures["alice"]))[1:]
        heard = [read_frame(client)]
        while heard[-len(said) :] != said:
            heard.append(read_frame(client))
        replayed = heard[: -len(said)]
        # Attachments among the last messages are not shown again.
        assert REPLAY - 5 < len(replayed) <= REPLAY
        assert {type for type, _ in replayed} == {MessageType.UTF8}


def test_pages_of_a_long_history(server: ServerProcess) -> None:
    with WireClient.joined(server.address, "reader") as reader:
        head = reader.welcome["rooms"]["lobby"]["seq"]
        assert head >= COUNT
        for query, first in (
            ({"after": 0}, 1),
            ({"after": 499_999}, 500_000),
            ({"before": 500_001}, 500_001 - REPLAY),
            ({"at": TIME}, 1),
        ):
            reader.send(MessageType.UTF8, {"command": "history", "nonce": "q", **query})
            for number in range(first, first + REPLAY):
                reader.expect_text(text(number), "alice", seq=number, replay=True)
            reader.expect_notice("done", count=REPLAY)


def frames_of(data: bytes) -> Iterator[tuple[int, bytes]]:
    while data:
        type, header, size = struct.unpack("<HH4xQ", data[:16])
        yield type, data[16 + header : 16 + header + size]
        data = data[16 + header + size :]


def read_frame(client: Wire) -> tuple[int, bytes]:
    type, header, size = struct.unpack("<HH4xQ", client.receive_exactly(16))
    client.receive_exactly(header)
    return type, client.receive_exactly(size)
