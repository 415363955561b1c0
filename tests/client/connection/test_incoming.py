from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from chat.client import (
    Attachment,
    BadFrame,
    Connection,
    ConnectionLost,
    SaveFailed,
    Text,
    Welcome,
    connect,
)
from chat.client.connection import saver
from chat.client.connection.events import Event
from chat.client.connection.incoming import MAX_IN_MEMORY, MAX_TEXT_IN_MEMORY
from chat.client.connection.saving import PartialFile
from chat.client.runtime.runtime import Runtime
from chat.protocol.descriptor import MessageType
from tests.client.runtimes import with_both_runtimes
from tests.peers.scripted_server import Peer, Script, ScriptedServer

pytestmark = with_both_runtimes

SMALL = os.urandom(MAX_IN_MEMORY)
LARGE = os.urandom(MAX_IN_MEMORY + 1)
PATIENCE = 20  # seconds


@contextmanager
def room_of(
    script: Script, runtime: Runtime, directory: Path | None = None, max_save: int = 1 << 20
) -> Iterator[Connection]:
    """The room of a server that says what ``script`` does and stays until we leave."""

    def serve(peer: Peer) -> None:
        peer.welcome()
        script(peer)
        peer.wait_for_end()

    with (
        ScriptedServer(serve) as server,
        connect(
            server.address, "alice", runtime=runtime, save_directory=directory, max_save=max_save
        ) as room,
    ):
        assert isinstance(room.read(), Welcome)
        yield room


def attachment(event: Event | None) -> Attachment:
    assert isinstance(event, Attachment)
    return event


def saved(event: Event | None) -> Path:
    """Wait until the file is saved; return its path."""
    saving = attachment(event).saving
    assert saving is not None
    return saving.wait(PATIENCE)


def send_files(peer: Peer) -> None:
    """Send a file that fits in memory, one that does not, and a text to show that nothing got out of step."""
    peer.say(MessageType.FILE, "bob", SMALL, filename="small")
    peer.say(MessageType.FILE, "bob", LARGE, filename="large")
    peer.say(MessageType.UTF8, "bob", b"there you are")


def test_without_a_save_directory_only_small_contents_are_kept(runtime: Runtime) -> None:
    with room_of(send_files, runtime) as room:
        small, large = attachment(room.read()), attachment(room.read())
        assert (small.content, small.saving, small.problem) == (SMALL, None, None)
        assert (large.content, large.saving, large.size) == (None, None, len(LARGE))
        assert large.problem == (
            "It was not saved: it is too large for memory, and there is no save directory."
        )
        assert isinstance(room.read(), Text)


def test_with_one_both_are_saved(runtime: Runtime, tmp_path: Path) -> None:
    with room_of(send_files, runtime, tmp_path) as room:
        small, large = attachment(room.read()), attachment(room.read())
        assert (saved(small), small.content) == (tmp_path / "small", SMALL)
        assert (saved(large), large.content) == (tmp_path / "large", None)
        assert small.problem is large.problem is None
        assert isinstance(room.read(), Text)
    assert (tmp_path / "small").read_bytes() == SMALL
    assert (tmp_path / "large").read_bytes() == LARGE


def test_what_is_larger_than_wanted_is_skipped(runtime: Runtime, tmp_path: Path) -> None:
    with room_of(send_files, runtime, tmp_path, max_save=len(SMALL)) as room:
        assert saved(room.read()) == tmp_path / "small"
        problem = attachment(room.read()).problem
        assert problem == "It was not saved: it has 1 byte more than the limit of 64 KiB."
        assert isinstance(room.read(), Text)


def test_the_limit_holds_for_what_fits_in_memory_too(runtime: Runtime, tmp_path: Path) -> None:
    with room_of(send_files, runtime, tmp_path, max_save=len(SMALL) - 1) as room:
        small = attachment(room.read())
        assert small.problem == "It was not saved: it has 1 byte more than the limit of 64 KiB."
        assert (small.saving, small.content) == (None, SMALL)
    assert not list(tmp_path.iterdir())


def test_our_own_are_not_saved(runtime: Runtime, tmp_path: Path) -> None:
    def script(peer: Peer) -> None:
        peer.say(MessageType.FILE, "alice", SMALL, filename="small")
        peer.say(MessageType.FILE, "alice", LARGE, filename="large")

    with room_of(script, runtime, tmp_path) as room:
        small, large = attachment(room.read()), attachment(room.read())
        assert (small.own, small.saving, small.content) == (True, None, SMALL)
        assert (large.own, large.saving, large.content, large.problem) == (True, None, None, None)
    assert list(tmp_path.iterdir()) == []


def test_a_disk_that_fails_costs_the_file_alone(runtime: Runtime, tmp_path: Path) -> None:
    with room_of(send_files, runtime, tmp_path / "gone") as room:
        for _ in range(2):
            with pytest.raises(SaveFailed, match="No such file or directory"):
                saved(room.read())
        assert isinstance(room.read(), Text)


@pytest.mark.parametrize("written", [0, 70_000])
def test_a_disk_that_fills_up_costs_the_file_alone(
    runtime: Runtime, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, written: int
) -> None:
    content = os.urandom(500_000)
    room_left = written

    def write(descriptor: int, data: memoryview) -> int:
        nonlocal room_left
        taken = min(room_left, len(data))
        if not taken:
            raise OSError(28, "No space left on device")
        room_left -= taken
        return taken

    def script(peer: Peer) -> None:
        peer.say(MessageType.FILE, "bob", content, filename="large")
        peer.say(MessageType.UTF8, "bob", b"there you are")

    with monkeypatch.context() as patch, room_of(script, runtime, tmp_path) as room:
        patch.setattr("chat.client.connection.saving.os.write", write)
        event = attachment(room.read())
        assert isinstance(room.read(), Text)
        with pytest.raises(SaveFailed) as caught:
            saved(event)
        assert str(caught.value) == f"Can't save 'large' in {tmp_path}: No space left on device."
    assert list(tmp_path.iterdir()) == []


class SlowDisk:
    """No file is begun before ``go`` is set."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.go = threading.Event()

        def begin(directory: Path, filename: str) -> PartialFile:
            assert self.go.wait(PATIENCE)
            return PartialFile(directory, filename)

        monkeypatch.setattr(saver, "PartialFile", begin)


@pytest.fixture
def slow_disk(monkeypatch: pytest.MonkeyPatch) -> Iterator[SlowDisk]:
    disk = SlowDisk(monkeypatch)
    yield disk
    disk.go.set()


def test_a_slow_disk_does_not_hold_up_the_reader(
    runtime: Runtime, tmp_path: Path, slow_disk: SlowDisk
) -> None:
    with room_of(send_files, runtime, tmp_path) as room:
        files = [attachment(room.read()) for _ in range(2)]
        assert isinstance(room.read(), Text)
        assert not list(tmp_path.iterdir())
        assert not any(file.saving and file.saving.is_over for file in files)
        slow_disk.go.set()
        assert [saved(file).read_bytes() for file in files] == [SMALL, LARGE]


def test_a_disk_that_hangs_costs_what_does_not_fit_in_memory(
    runtime: Runtime, tmp_path: Path, slow_disk: SlowDisk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(saver, "MAX_WAITING", 100_000)
    monkeypatch.setattr(saver, "PATIENCE", 0.01)

    def script(peer: Peer) -> None:
        for name in ("waits", "is too much"):
            peer.say(MessageType.FILE, "bob", SMALL, filename=name)
        peer.say(MessageType.FILE, "bob", bytes(500_000), filename="is far too much")
        peer.say(MessageType.UTF8, "bob", b"there you are")
        peer.say(MessageType.FILE, "bob", b"x", filename="later")

    with room_of(script, runtime, tmp_path) as room:
        waits, *lost = (attachment(room.read()) for _ in range(3))
        assert isinstance(room.read(), Text)
        for event in lost:
            with pytest.raises(SaveFailed, match="the disk is too slow"):
                saved(event)
        slow_disk.go.set()
        assert saved(waits).read_bytes() == SMALL
        assert saved(room.read()).read_bytes() == b"x"
    assert {path.name for path in tmp_path.iterdir()} == {"waits", "later"}


def test_a_connection_that_breaks_in_the_middle_leaves_nothing(
    runtime: Runtime, tmp_path: Path
) -> None:
    def serve(peer: Peer) -> None:
        peer.welcome()
        header = {"from": "bob", "timestamp": "2026-11-24T12:00:00Z", "filename": "half"}
        peer.send(MessageType.FILE, header, LARGE, size=1_000_000)

    with (
        ScriptedServer(serve) as server,
        connect(server.address, "alice", runtime=runtime, save_directory=tmp_path) as room,
        pytest.raises(ConnectionLost, match="inside a frame"),
    ):
        list(room)
    assert list(tmp_path.iterdir()) == []


def test_a_text_without_end_is_not_held_in_memory(runtime: Runtime) -> None:
    def script(peer: Peer) -> None:
        peer.say(MessageType.UTF8, "bob", bytes(MAX_TEXT_IN_MEMORY + 1))
        peer.say(MessageType.UTF8, "bob", b"sorry")

    with room_of(script, runtime) as room:
        assert room.read() == BadFrame("The server sent a text that is too large.")
        assert isinstance(room.read(), Text)


def test_hostile_names(runtime: Runtime, tmp_path: Path) -> None:
    directory = tmp_path / "inner"
    directory.mkdir()
    names = ["../../etc/passwd", "/abs", ".bashrc", "a\nb", "x" * 60_000, "", "same", "same"]

    def script(peer: Peer) -> None:
        for content in (b"small", LARGE):
            for name in names:
                peer.say(MessageType.FILE, "bob", content, filename=name)

    with room_of(script, runtime, directory) as room:
        paths = [saved(room.read()) for _ in range(2 * len(names))]
    assert len({*paths}) == 2 * len(names)
    assert {*paths} == {*directory.iterdir()}
    assert [path.name for path in tmp_path.iterdir()] == ["inner"]
    assert not any(path.name.startswith(".") for path in directory.iterdir())


def test_nothing_is_saved_of_what_is_not_told(runtime: Runtime, tmp_path: Path) -> None:
    def send(peer: Peer) -> None:
        header = {"from": "bob", "timestamp": "0001-01-01T00:00:00+23:59", "filename": "large"}
        peer.send(MessageType.FILE, header, LARGE)
        peer.say(MessageType.UTF8, "bob", b"and then")

    with room_of(send, runtime, tmp_path) as room:
        assert isinstance(room.read(), BadFrame)
        assert isinstance(room.read(), Text)
    assert not list(tmp_path.iterdir())
