"""The command ``files``: attachments that can be fetched, with search in their names."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from chat.protocol.descriptor import MessageType
from tests.peers.wire_client import WireClient, WireFrame
from tests.server.moderators import ask, bob_who_moderates, command
from tests.server.server_in_test import open_chat_server

K = 1024
FILE = MessageType.FILE


@pytest.fixture
def server(tmp_path: Path) -> Any:
    with open_chat_server(tmp_path, data_directory=tmp_path / "data", rate=None) as server:
        yield server


def send(client: WireClient, name: str, size: int = 100, **header: Any) -> None:
    client.send(FILE, {"filename": name, "nonce": "s", **header}, name.encode().ljust(size, b"."))
    while client.read_frame().header.get("nonce") != "s":
        continue


def files(client: WireClient, **query: Any) -> tuple[list[WireFrame], dict[str, Any]]:
    ask(client, "files", nonce="f", **query)
    found = []
    while (frame := client.read_frame()).header.get("nonce") != "f":
        if frame.header.get("for") == "f":
            found.append(frame)
    return found, frame.header


def names(client: WireClient, **query: Any) -> list[str]:
    found, answer = files(client, **query)
    assert answer["count"] == len(found)
    assert all(each.content == b"" and len(each.header["sha256"]) == 64 for each in found)
    return [each.header["filename"] for each in found]


def test_the_newest_come_first_and_names_are_found_in_any_case_and_width(server: Any) -> None:
    alice = server.join("alice", inline=0)
    for number, name in enumerate(("Plan A.pdf", "photo.jpg", "plan B.txt", "Ｐlan ц.PDF")):
        alice.say("between")
        send(alice, name, 100 if number % 2 else 100 * K)
    bob = server.join("bob")
    assert names(bob) == ["Ｐlan ц.PDF", "plan B.txt", "photo.jpg", "Plan A.pdf"]
    assert names(bob, query="PLAN") == ["Ｐlan ц.PDF", "plan B.txt", "Plan A.pdf"]
    assert names(bob, query="plan pdf") == ["Ｐlan ц.PDF", "Plan A.pdf"]
    assert names(bob, query="Ц") == ["Ｐlan ц.PDF"]
    assert names(bob, query="nothing %_") == []
    first, answer = files(bob, query="plan", limit=2)
    assert (answer["more"], answer["seq"]) == (True, first[-1].header["seq"])
    assert names(bob, query="plan", limit=2, before=answer["seq"]) == ["Plan A.pdf"]
    # Each can be fetched by the id in the list.
    with server.transfer(bob) as transfer:
        for offer in files(bob)[0]:
            transfer.send(FILE, {"fetch": offer.header["id"]})
            content = transfer.read_frame().content
            assert content.startswith(offer.header["filename"].encode())


def test_only_what_can_be_fetched_is_listed(server: Any) -> None:
    alice, bob = server.join("alice", inline=0), bob_who_moderates(server)
    for name, size in (("small", 100), ("large", 100 * K)):
        send(alice, name, size)
    assert names(alice) == ["large", "small"]
    command(bob, "purge", seq=1)
    assert names(alice) == ["large"]
    [digest] = server.parts.files._keeper.directory.sizes()
    server.parts.files._keeper.directory.remove(digest)
    with server.transfer(alice) as transfer:
        transfer.send(FILE, {"fetch": 2})
        transfer.expect_notice("gone")
    assert names(alice) == []


def test_private_ones_are_listed_for_their_two_users(server: Any, cheap_hashes: None) -> None:
    alice, bob, carol = (server.join(name, inline=0) for name in ("alice", "bob", "carol"))
    for client in (alice, bob, carol):
        command(client, "register", password="correct horse", nonce="r")
    send(alice, "secret", to="bob")
    assert names(alice) == names(carol) == names(carol, private=True) == []
    assert names(alice, private=True) == names(bob, private=True) == ["secret"]
    dave = server.join("dave")
    assert files(dave, private=True)[1]["notice"] == "no-history"
    assert files(dave, room="elsewhere")[1]["notice"] == "no-such-room"
    ask(dave, "files")
    while (frame := dave.read_frame()).header.get("notice") is None:
        continue
    assert frame.header["notice"] == "bad-command"
