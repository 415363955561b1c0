"""The library with the original server, which can do less than ours and must not notice."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import pytest

from chat.client import (
    Attachment,
    Connection,
    Joined,
    Left,
    MessageType,
    NotSent,
    NotSupported,
    Text,
    Welcome,
    connect,
)
from chat.client.events import Event
from chat.client.runtime import Runtime
from tests.client.runtimes import with_both_runtimes
from tests.peers.original_server import FILE, IMAGE, UTF8, VOICE, OriginalServer

pytestmark = with_both_runtimes


def read_until(connection: Connection, wanted: Callable[[Event], object]) -> Event:
    for event in connection:
        if wanted(event):
            return event
    raise AssertionError("the connection was closed")


def test_talking(runtime: Runtime) -> None:
    with (
        OriginalServer() as server,
        connect(server.address, "alice", runtime=runtime) as alice,
        connect(server.address, "борис", runtime=runtime) as boris,
    ):
        assert alice.original
        receipt = alice.send_text("/привет {world}")
        heard = read_until(boris, lambda event: isinstance(event, Text))
        assert isinstance(heard, Text)
        assert (heard.sender, heard.text, heard.own) == ("alice", "/привет {world}", False)
        own = read_until(alice, lambda event: isinstance(event, Text))
        assert isinstance(own, Text)
        assert (own.own, own.receipt) == (True, receipt)
        assert boris.users == ["борис", "alice"]
        assert server.received == [("alice", UTF8, None, "/привет {world}".encode())]


def test_files_images_and_voice(runtime: Runtime, tmp_path: Path) -> None:
    content = bytes(range(256)) * 40  # 10 KiB
    with (
        OriginalServer() as server,
        connect(server.address, "alice", runtime=runtime) as alice,
        connect(server.address, "bob", runtime=runtime, save_directory=tmp_path) as bob,
    ):
        for kind in (MessageType.FILE, MessageType.IMAGE, MessageType.VOICE):
            alice.send_file(io.BytesIO(content), kind=kind, filename="{a}.bin")
        attachments: list[Attachment] = []
        while len(attachments) < 3:
            event = bob.read()
            if isinstance(event, Attachment):
                attachments.append(event)
        names = [event.path and event.path.name for event in attachments]
        assert names == ["_a}.bin", "image", "voice"]
        assert all(event.content == content for event in attachments)
        assert [message[1:] for message in server.received] == [
            (FILE, b"_a}.bin", content),
            (IMAGE, None, content),
            (VOICE, None, content),
        ]


def test_what_it_cannot_do_is_refused_here(runtime: Runtime) -> None:
    with (
        OriginalServer() as server,
        connect(server.address, "alice", runtime=runtime) as alice,
    ):
        with pytest.raises(NotSupported, match="no private messages"):
            alice.send_text("psst", to="bob")
        with pytest.raises(NotSupported, match="no private messages"):
            alice.send_file(io.BytesIO(b"x"), to="bob")
        with pytest.raises(NotSupported, match="20480 bytes, and the server takes at most 16384"):
            alice.send_file(io.BytesIO(bytes(20 * 1024)))
        with pytest.raises(NotSent, match="at most 16384"):
            alice.send_text("x" * 16385)
        alice.send_file(io.BytesIO(bytes(16 * 1024)))
        alice.send_text("x" * 16384)
        echoes = [event for event in (alice.read() for _ in range(3)) if event]
        assert [type(event) for event in echoes] == [Welcome, Attachment, Text]
        assert len(server.received) == 2


def test_leaving(runtime: Runtime) -> None:
    with (
        OriginalServer() as server,
        connect(server.address, "alice", runtime=runtime) as alice,
    ):
        with connect(server.address, "bob", runtime=runtime):
            assert isinstance(read_until(alice, lambda e: isinstance(e, Joined)), Joined)
        left = read_until(alice, lambda event: isinstance(event, Left))
        assert isinstance(left, Left)
        assert (left.username, left.reason) == ("bob", None)
        assert alice.users == ["alice"]
