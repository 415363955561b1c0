"""Received files have safe names, for any name that the sender gave."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator

import pytest

from chat.protocol.descriptor import ByteOrder, MessageType
from tests.end_to_end.server_process import ServerProcess, running_server
from tests.peers.wire_client import WireClient

ATTACHMENTS = (MessageType.FILE, MessageType.IMAGE, MessageType.VOICE)

HOSTILE = [
    ("../../etc/passwd", "passwd"),
    ("..\\..\\windows\\system.ini", "system.ini"),
    ('a"b\\c', "c"),
    ('say "hi" <now>|?*:.txt', "say _hi_ _now_____.txt"),
    (".", None),
    ("..", None),
    ("a/..", None),
    ("dir/", None),
    ("", None),
    (" \t\n ", None),
    (".bashrc", "bashrc"),
    (" .. .profile", "profile"),
    ("--checkpoint-action=exec=sh x", "_--checkpoint-action=exec=sh x"),
    ("dir/-rf", "_-rf"),
    ("line\nbreak\r\n.txt", "linebreak.txt"),
    ("\u202egnp.exe", "gnp.exe"),
    ("nul\0byte\x1b[2J\x9b.txt", "nulbyte[2J.txt"),
    ("отчёт.pdf", "отчёт.pdf"),
    ("\U0001f600" * 300, "\U0001f600" * 50),
    ("\U0001f600" * 300 + ".tar", "\U0001f600" * 49 + ".tar"),
]


@pytest.fixture(scope="module")
def server() -> Iterator[ServerProcess]:
    with running_server() as server:
        yield server


@pytest.mark.parametrize("order", ByteOrder)
@pytest.mark.parametrize("raw", [False, True])
def test_what_arrives_is_clean(server: ServerProcess, order: ByteOrder, raw: bool) -> None:
    with (
        WireClient.joined(server.address, "sender", order=order, raw=raw) as sender,
        WireClient.joined(server.address, "reader", order=order) as reader,
    ):
        sender.expect_joined("reader")
        for name, expected in HOSTILE:
            for type in ATTACHMENTS:
                # A raw header is the name itself, so no name that looks like JSON can be one.
                sender.send(type, name if raw else {"filename": name}, b"x")
                arrived = reader.expect(type, b"x").header["filename"]
                assert arrived == (expected or type.name.lower())
        for person in (sender, reader):  # their names are free again afterwards
            person.leave()
            person.read_to_end()


def test_no_name_of_any_character_is_a_path_hidden_or_in_need_of_an_escape(
    server: ServerProcess,
) -> None:
    with WireClient.joined(server.address, "sender") as sender:
        for first in range(0, 0x3000, 64):
            name = "".join(map(chr, range(first, first + 64)))
            sender.send(MessageType.FILE, {"filename": name}, b"x")
            arrived = sender.expect(MessageType.FILE, b"x").header["filename"]
            assert 0 < len(arrived.encode()) <= 200
            assert not set(arrived) & set('<>:"/\\|?*')
            assert not arrived.startswith((".", " "))
            assert not {unicodedata.category(c) for c in arrived} & {"Cc", "Cf"}
