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
    LoginRefused,
    MessageType,
    NotSent,
    NotSupported,
    Text,
    Welcome,
    connect,
)
from chat.client.connection.events import Event
from chat.client.runtime.runtime import Runtime
from tests.client.runtimes import with_both_runtimes
from tests.peers.original_client import OriginalClient
from tests.peers.original_server import FILE, IMAGE, LOGIN, UTF8, VOICE, OriginalServer

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
        names = [event.saving and event.saving.wait(30).name for event in attachments]
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
        with pytest.raises(NotSupported, match="it has 20 KiB, and the limit is 16 KiB"):
            alice.send_file(io.BytesIO(bytes(20 * 1024)))
        with pytest.raises(NotSent, match="it has 1 byte more than the limit of 16 KiB"):
            alice.send_text("x" * 16385)
        alice.send_file(io.BytesIO(bytes(16 * 1024)))
        alice.send_text("x" * 16384)
        echoes = [event for event in (alice.read() for _ in range(3)) if event]
        assert [type(event) for event in echoes] == [Welcome, Attachment, Text]
        assert len(server.received) == 2


@pytest.mark.parametrize("name", ['qu"ote', "back\\slash", "tab\tbed", "bell\a", "{alice}"])
def test_no_name_of_ours_ends_an_original_client(runtime: Runtime, name: str) -> None:
    with (
        OriginalServer() as server,
        OriginalClient(server.wire_address, "carol") as carol,
    ):
        carol.expect(LOGIN, "carol")
        with pytest.raises(LoginRefused):
            connect(server.address, name, runtime=runtime)
        with connect(server.address, "alice", runtime=runtime):
            carol.expect(LOGIN, "alice")  # and nobody else came in


@pytest.mark.parametrize(
    ("name", "arrives"),
    [
        ('a "b".txt', "a _b_.txt"),
        ("C:\\dir\\c.txt", "c.txt"),
        ("../../etc/passwd", "passwd"),
        ("new\nline\x1b[2J\x7f.txt", "newline[2J.txt"),
        ("\ufeff{json}", "_json}"),
        ("отчёт.pdf", "отчёт.pdf"),
        ("x" * 500 + ".txt", "x" * 196 + ".txt"),
        ("half \udcff.txt", "half .txt"),
    ],
)
def test_no_file_name_of_ours_ends_an_original_client(
    runtime: Runtime, name: str, arrives: str
) -> None:
    with (
        OriginalServer() as server,
        OriginalClient(server.wire_address, "carol") as carol,
        connect(server.address, "alice", runtime=runtime) as alice,
    ):
        carol.expect(LOGIN, "carol")
        carol.expect(LOGIN, "alice")
        alice.send_file(io.BytesIO(b"x"), filename=name)
        carol.expect(FILE, "alice", b"x", arrives)


def test_no_text_of_ours_ends_an_original_client(runtime: Runtime) -> None:
    texts = ['qu"ote \\ and {', "two\nlines", "\0\x1b[2J\u202e", "\ufeff", "😀" * 4096]
    with (
        OriginalServer() as server,
        OriginalClient(server.wire_address, "carol") as carol,
        connect(server.address, "alice", runtime=runtime) as alice,
    ):
        carol.expect(LOGIN, "carol")
        carol.expect(LOGIN, "alice")
        for text in texts:
            alice.send_text(text)
            carol.expect_text(text, "alice")


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
