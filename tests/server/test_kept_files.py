"""Attachments that last: contents over 64 KiB are kept beside the history, over restarts of the server."""

from __future__ import annotations

import dataclasses
import hashlib
import logging
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from chat.files import syncing
from chat.protocol.descriptor import MessageType
from chat.server.history.files import file_directory
from chat.server.history.files.file_directory import FileDirectory
from chat.server.history.writer import Writer
from tests.peers.wire_client import WireClient, WireFrame
from tests.server.fakes import wait_until
from tests.server.moderators import ask, bob_who_moderates, command
from tests.server.server_in_test import TestServer, open_chat_server

K = 1024
FILE, TEXT = MessageType.FILE, MessageType.UTF8


def content_of(number: int, size: int = 100 * K) -> bytes:
    return hashlib.sha256(b"%d" % number).digest() * (size // 32)


class Place:
    """A data directory in which one server after the other runs."""

    def __init__(self, directory: Path) -> None:
        self.data, self.spool = directory / "data", directory / "spool"
        self.spool.mkdir()
        self.files = FileDirectory(self.data)

    def server(self, **changes: Any) -> Any:
        return open_chat_server(self.spool, data_directory=self.data, rate=None, **changes)


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def send(client: WireClient, content: bytes, **header: Any) -> WireFrame:
    """Send a file, and return its offer."""
    client.send(FILE, {"filename": "plan.bin", **header}, content)
    return client.expect(FILE, b"", size=len(content))


def fetch(server: TestServer, client: WireClient, what: object, **header: Any) -> WireFrame:
    with server.transfer(client) as transfer:
        transfer.send(FILE, {"fetch": what, **header})
        return transfer.read_frame()


def offers(client: WireClient, **query: Any) -> list[WireFrame]:
    """Return the attachments in the last messages, as history shows them."""
    ask(client, "history", nonce="n", **query)
    found = []
    while (frame := client.read_frame()).header.get("notice") is None:
        if frame.type == FILE:
            found.append(frame)
    return found


def gone(frame: WireFrame) -> str:
    assert frame.header.get("notice") == "gone", frame
    return frame.text


def test_a_content_can_be_fetched_after_a_restart_by_users_who_came_later(place: Place) -> None:
    content = content_of(1)
    small = content_of(2, 32 * K)
    with place.server() as server:
        alice = server.join("alice", inline=0)
        offer = send(alice, content)
        assert offer.header["sha256"] == hashlib.sha256(content).hexdigest()
        assert fetch(server, alice, offer.header["id"]).content == content
        send(alice, small)
    assert list(place.files.sizes().values()) == [len(content)]
    with place.server() as server:
        bob = server.join("bob", inline=0)
        shown = offers(bob)
        assert [each.header["sha256"] for each in shown] == [
            hashlib.sha256(each).hexdigest() for each in (content, small)
        ]
        assert shown[0].header["id"] == offer.header["id"]
        for each, said in zip(shown, (content, small), strict=True):
            for frame in (
                fetch(server, bob, each.header["id"]),
                fetch(server, bob, each.header["seq"]),
                fetch(server, bob, each.header["seq"], room="Lobby"),
            ):
                assert (frame.content, frame.header["size"]) == (said, len(said))
        rest = fetch(server, bob, offer.header["id"], offset=99_999)
        assert (rest.content, rest.header["offset"]) == (content[99_999:], 99_999)
        for nothing in (0, 3, 99, "r1.20000101000000000000", "m1.1", "x"):
            gone(fetch(server, bob, nothing))
        gone(fetch(server, bob, 1, room="elsewhere"))
        gone(fetch(server, bob, 1, private=True))


def test_a_damaged_content_is_set_aside_and_said(
    place: Place, caplog: pytest.LogCaptureFixture
) -> None:
    with place.server() as server:
        alice = server.join("alice", inline=0)
        send(alice, content_of(1))
    [digest] = place.files.sizes()
    path = place.files.path_of(digest)
    data = bytearray(path.read_bytes())
    data[50_000] ^= 1
    path.write_bytes(data)
    with place.server() as server, caplog.at_level(logging.ERROR, "chat.server"):
        alice = server.join("alice", inline=0)
        assert "damaged" in gone(fetch(server, alice, 1))
        assert "damaged" not in gone(fetch(server, alice, 1))
        files = server.parts.files
        assert files is not None
        # The user hears of it before the file has been moved.
        wait_until(lambda: files.status()[:2] == (0, 0))
        assert files.status().damaged == 1
        # Sent again, it is there again.
        send(alice, content_of(1))
        assert fetch(server, alice, 1).content == content_of(1)
    assert [line.message.rpartition(" ")[2] for line in caplog.records] == [
        str(place.files.damaged / digest.hex())
    ]


def test_a_purged_content_goes_unless_another_message_has_it(place: Place) -> None:
    with place.server() as server:
        alice, bob = server.join("alice", inline=0), bob_who_moderates(server)
        alice.expect_joined("bob")
        first = send(alice, content_of(1))
        second = send(alice, content_of(1))
        assert len(place.files.sizes()) == 1
        command(bob, "purge", seq=1)
        gone(fetch(server, alice, first.header["id"]))
        assert fetch(server, alice, second.header["id"]).content == content_of(1)
        command(bob, "purge", seq=2)
        gone(fetch(server, alice, 2))
        assert not place.files.sizes()


@pytest.mark.parametrize("durable", [False, True])
def test_what_does_not_fit_is_said_and_offered_for_a_while(place: Place, durable: bool) -> None:
    with place.server(keep_files=300 * K, durable=durable) as server:
        alice = server.join("alice", inline=0)
        large = send(alice, content_of(1, 200 * K))
        assert not place.files.sizes()
        assert fetch(server, alice, large.header["id"]).content == content_of(1, 200 * K)
        gone(fetch(server, alice, 1))
        old, new = (send(alice, content_of(number)) for number in (2, 3))
        gone(fetch(server, alice, old.header["id"]))
        assert fetch(server, alice, new.header["id"]).content == content_of(3)
    with place.server(keep_files=0) as server:
        assert not place.files.sizes()
        alice = server.join("alice", inline=0)
        gone(fetch(server, alice, new.header["id"]))


def test_a_message_that_is_refused_keeps_no_content(place: Place) -> None:
    with place.server() as server:
        alice, bob = server.join("alice", inline=0), bob_who_moderates(server)
        alice.expect_joined("bob")
        with server.transfer(alice) as transfer:
            frame = transfer.encode(FILE, {"filename": "f"}, content_of(1))
            transfer.send_bytes(frame[:90_000])
            server.upload_begins()
            command(bob, "mute", "alice")
            transfer.send_bytes(frame[90_000:])
            transfer.expect_notice("muted")
        server.space_is_given_back()
    assert not place.files.sizes()
    assert not list(place.files.incoming.iterdir())


def test_a_full_disk_refuses_a_durable_message_and_only_costs_another_its_file(
    place: Place, monkeypatch: pytest.MonkeyPatch, fail_to_place: Callable[[], None]
) -> None:
    for durable in (False, True):
        with place.server(durable=durable) as server:
            alice = server.join("alice", inline=0)
            with monkeypatch.context() as patch:
                patch.setattr(FileDirectory, "place", fail_to_place)
                if durable:
                    with server.transfer(alice) as transfer:
                        transfer.send(FILE, {"filename": "f"}, content_of(1))
                        transfer.expect_notice("no-space")
                else:
                    offer = send(alice, content_of(1))
                    assert fetch(server, alice, offer.header["id"]).content == content_of(1)
            assert not place.files.sizes()
            offer = send(alice, content_of(2))
            assert fetch(server, alice, offer.header["seq"]).content == content_of(2)
            command(bob_who_moderates(server), "purge", seq=offer.header["seq"])


@pytest.fixture
def fail_to_place() -> Callable[..., None]:
    def place(directory: FileDirectory, arrived: Path, digest: bytes) -> None:
        raise OSError(28, "No space left on device")

    return place


def test_the_order_of_messages_does_not_wait_for_the_thread_of_the_files(place: Place) -> None:
    with place.server() as server:
        files, alice = server.parts.files, server.join("alice", inline=0)
        goes_on = threading.Event()
        files._worker.do(lambda: goes_on.wait(30))
        for number in range(8):
            alice.send(FILE, {"filename": "small"}, b"content")
            alice.say(f"text {number}")
        for number in range(8):
            alice.expect(FILE, seq=2 * number + 1)
            alice.expect_text(f"text {number}", "alice", seq=2 * number + 2)
        goes_on.set()


@pytest.mark.parametrize("durable", [False, True])
def test_a_durable_server_has_the_content_on_the_disk_before_the_message(
    place: Place, monkeypatch: pytest.MonkeyPatch, durable: bool
) -> None:
    events: list[str] = []
    sync, write = syncing.sync_path, Writer.write

    def note_sync(path: Path) -> None:
        sync(path)
        events.append("content" if path.is_file() else path.name)

    def note_write(writer: Writer, runs: Any, *rest: Any) -> None:
        events.extend("message" for run in runs)
        write(writer, runs, *rest)

    with place.server(durable=durable) as server:
        alice = server.join("alice", inline=0)
        monkeypatch.setattr(file_directory, "sync_path", note_sync)
        monkeypatch.setattr(Writer, "write", note_write)
        offer = send(alice, content_of(1))
    synced = ["content", offer.header["sha256"][:2], "files"] if durable else []
    assert events == [*synced, "message"]


def test_contents_go_with_old_messages_and_with_a_smaller_limit(place: Place) -> None:
    with place.server() as server:
        alice = server.join("alice", inline=0)
        for number in (1, 2):
            send(alice, content_of(number))
        settings = dataclasses.replace(server.parts.settings, keep_files=250 * K)
        server.parts.reload.use(settings)  # 125 KiB for one user, but all are there already
        send(alice, content_of(3))
        assert len(place.files.sizes()) == 1
        server.parts.reload.use(dataclasses.replace(settings, keep_files=0))
        wait_until(lambda: not place.files.sizes(), "the contents to go")
        server.parts.reload.use(dataclasses.replace(settings, keep_files=10**9))
        send(alice, content_of(4))
        assert len(place.files.sizes()) == 1
    with place.server(keep=-10.0):  # also the messages of this second are too old
        wait_until(lambda: not place.files.sizes(), "the old contents to go")
