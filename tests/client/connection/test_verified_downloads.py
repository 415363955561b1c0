"""Downloads that are compared with their SHA-256, and go on with what an earlier run has left."""

from __future__ import annotations

import hashlib
import io
import os
from pathlib import Path

import pytest

from chat.client import Cancellation, SaveFailed, TransferCancelled, TransferFailed
from chat.client.connection import transfers
from chat.client.connection.saving import PartialFile, is_unfinished
from chat.client.runtime.runtime import Runtime
from chat.protocol.descriptor import MessageType
from tests.client.rooms import room_at, the_offer
from tests.client.runtimes import with_both_runtimes
from tests.peers.scripted_server import Peer, Script, ScriptedServer
from tests.peers.transfer_scripts import CONTENT, serve, take_request

DIGEST = hashlib.sha256(CONTENT).hexdigest()
PART = f"big.bin.{DIGEST[:16]}.part"


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transfers, "_PAUSES", (0.001, 0.002, 0.003))


def offer(digest: str = DIGEST) -> Script:
    def script(peer: Peer) -> None:
        peer.welcome()
        peer.say(
            MessageType.FILE, "bob", filename="big.bin", size=len(CONTENT), id="o-1", sha256=digest
        )
        peer.wait_for_end()

    return script


def fetch(runtime: Runtime, directory: Path, *scripts: Script, announced: str = DIGEST) -> Path:
    """Fetch the file of an offer; ``scripts`` serve the transfer connections."""
    with ScriptedServer(offer(announced), *scripts) as server, room_at(server, runtime) as room:
        return room.fetch(the_offer(room), directory=directory)


def names_in(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.iterdir())


class Asked:
    """Serve the content, and note the offsets that were asked for. ``upto``: break off there."""

    def __init__(self) -> None:
        self.offsets: list[int] = []

    def serve(self, upto: int | None = None) -> Script:
        def script(peer: Peer) -> None:
            offset = take_request(peer)
            self.offsets.append(offset)
            peer.send(
                MessageType.FILE,
                {"from": "bob", "timestamp": "2026-11-24T12:00:00Z", "offset": offset},
                CONTENT[offset:upto],
                size=len(CONTENT) - offset,
            )

        return script


@with_both_runtimes
def test_a_later_run_goes_on_where_an_earlier_one_was_interrupted(
    runtime: Runtime, tmp_path: Path
) -> None:
    asked = Asked()
    broken = [asked.serve(upto=400_000), *(asked.serve(upto=0) for _ in range(3))]
    with pytest.raises(TransferFailed):
        fetch(runtime, tmp_path, *broken)
    assert names_in(tmp_path) == [PART]
    left = (tmp_path / PART).stat().st_size
    assert 0 < left <= 400_000
    asked = Asked()
    path = fetch(runtime, tmp_path, asked.serve())
    assert asked.offsets == [left]
    assert path.read_bytes() == CONTENT
    assert names_in(tmp_path) == ["big.bin"]


@with_both_runtimes
def test_a_content_that_differs_is_not_put_in_place(runtime: Runtime, tmp_path: Path) -> None:
    wrong = hashlib.sha256(b"another").hexdigest()
    with pytest.raises(TransferFailed, match="SHA-256"):
        fetch(runtime, tmp_path, serve(), announced=wrong)
    assert names_in(tmp_path) == []
    with (
        ScriptedServer(offer(wrong), serve()) as server,
        room_at(server, runtime) as room,
        pytest.raises(TransferFailed, match="SHA-256"),
    ):
        room.fetch_into(the_offer(room), io.BytesIO())


@with_both_runtimes
def test_wrong_bytes_of_an_earlier_run_are_fetched_again(runtime: Runtime, tmp_path: Path) -> None:
    (tmp_path / PART).write_bytes(os.urandom(300_000))
    asked = Asked()
    with (
        ScriptedServer(offer(), asked.serve(), asked.serve()) as server,
        room_at(server, runtime) as room,
    ):
        path = room.fetch(the_offer(room), directory=tmp_path)
    assert asked.offsets == [300_000, 0]
    assert path.read_bytes() == CONTENT


@with_both_runtimes
def test_a_whole_content_of_an_earlier_run_is_not_fetched_again(
    runtime: Runtime, tmp_path: Path
) -> None:
    (tmp_path / PART).write_bytes(CONTENT)

    def only_login(peer: Peer) -> None:
        peer.let_transfer()

    assert fetch(runtime, tmp_path, only_login).read_bytes() == CONTENT
    assert names_in(tmp_path) == ["big.bin"]


@with_both_runtimes
def test_what_is_cancelled_or_gone_leaves_nothing(runtime: Runtime, tmp_path: Path) -> None:
    cancel = Cancellation()

    def gone(peer: Peer) -> None:
        take_request(peer)
        fields = {"from": "server", "timestamp": "2026-11-24T12:00:00Z", "notice": "gone"}
        peer.send(MessageType.UTF8, fields, b"The content is no longer available.")

    (tmp_path / PART).write_bytes(CONTENT[:1000])
    with pytest.raises(TransferFailed, match="no longer available"):
        fetch(runtime, tmp_path, gone)
    assert names_in(tmp_path) == []

    def stall(peer: Peer) -> None:
        Asked().serve(upto=200_000)(peer)
        peer.wait_for_end()

    with (
        ScriptedServer(offer(), stall) as server,
        room_at(server, runtime) as room,
        pytest.raises(TransferCancelled),
    ):
        room.fetch(
            the_offer(room),
            directory=tmp_path,
            progress=lambda done, size: cancel.cancel(),
            cancel=cancel,
        )
    assert names_in(tmp_path) == []


# The files alone


def test_a_file_that_another_client_goes_on_with_is_left_alone(tmp_path: Path) -> None:
    first = PartialFile(tmp_path, "big.bin", DIGEST, len(CONTENT))
    first.write(CONTENT[:10])
    assert not is_unfinished(tmp_path, "big.bin", DIGEST)
    second = PartialFile(tmp_path, "big.bin", DIGEST, len(CONTENT))
    assert second.size == 0
    second.write(CONTENT)
    assert second.finish().read_bytes() == CONTENT
    first.put_down()
    assert is_unfinished(tmp_path, "big.bin", DIGEST)
    third = PartialFile(tmp_path, "big.bin", DIGEST, len(CONTENT))
    assert third.size == 10
    third.write(CONTENT[10:])
    assert third.finish() == tmp_path / "big (1).bin"
    assert (tmp_path / "big (1).bin").read_bytes() == CONTENT
    assert names_in(tmp_path) == ["big (1).bin", "big.bin"]


@pytest.mark.parametrize("kind", ["symlink", "hard link", "directory", "fifo", "too long"])
def test_only_a_usable_file_of_our_own_is_gone_on_with(tmp_path: Path, kind: str) -> None:
    precious = tmp_path / "precious"
    precious.write_bytes(b"precious")
    part = tmp_path / PART
    if kind == "symlink":
        part.symlink_to(precious)
    elif kind == "hard link":
        part.hardlink_to(precious)
    elif kind == "directory":
        part.mkdir()
    elif kind == "fifo":
        os.mkfifo(part)
    else:
        part.write_bytes(b"x" * 101)
    file = PartialFile(tmp_path, "big.bin", DIGEST, 100)
    assert file.size == 0
    file.write(b"content")
    assert file.finish().read_bytes() == b"content"
    assert precious.read_bytes() == b"precious"


def test_an_empty_or_unmarked_file_is_not_left(tmp_path: Path) -> None:
    PartialFile(tmp_path, "a", DIGEST, 10).put_down()
    unmarked = PartialFile(tmp_path, "b")
    unmarked.write(b"x")
    unmarked.put_down()
    assert names_in(tmp_path) == []


def test_a_directory_that_is_not_there_has_nothing_unfinished(tmp_path: Path) -> None:
    assert not is_unfinished(tmp_path / "nowhere", "a", DIGEST)
    with pytest.raises(SaveFailed):
        PartialFile(tmp_path / "nowhere", "a", DIGEST, 10)
