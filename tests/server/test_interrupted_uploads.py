"""Uploads that go on: over further connections of the same account and device, and over restarts of the server."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import secrets
from pathlib import Path
from typing import Any

import pytest

from chat.protocol.descriptor import MessageType
from chat.server.attachments import parts as parts_module
from chat.server.attachments import spool as spool_module
from tests.peers.wire_client import WireClient, WireFrame
from tests.server.disk import Disk
from tests.server.fakes import wait_until
from tests.server.moderators import ask
from tests.server.server_in_test import TestServer, open_chat_server

K = 1024
FILE, TEXT = MessageType.FILE, MessageType.UTF8
CONTENT = hashlib.sha256(b"content").digest() * 8 * K  # 256 KiB
PASSWORD = "correct horse"


class Place:
    """A data directory in which one server after the other runs."""

    def __init__(self, directory: Path) -> None:
        self.data, self.spool = directory / "data", directory / "spool"
        self.spool.mkdir()
        self.parts = self.data / "files" / "parts"

    def server(self, **changes: Any) -> Any:
        return open_chat_server(self.spool, data_directory=self.data, rate=None, **changes)


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


@pytest.fixture(autouse=True)
def _cheap(cheap_hashes: None) -> None:
    """Let registrations take no time."""


def come(server: TestServer, name: str, device: str | None, *, registers: bool = False) -> Any:
    client = server.remember(WireClient(server.address))
    header = {"to": name, "inline": 0, "device": device}
    assert (
        client.try_login({key: each for key, each in header.items() if each is not None}).type == 1
    )
    while client.name != name:
        frame = client.read_frame()
        if frame.sender == name:
            client.name = name
            client.welcome = json.loads(frame.content)
    if registers:
        ask(client, "register", password=PASSWORD, nonce="r")
        client.expect_notice("done", nonce="r")
    return client


def device() -> str:
    return secrets.token_urlsafe(16)


def begin(server: TestServer, client: WireClient, size: int, nonce: str = "n1") -> WireClient:
    """Send the first ``size`` bytes of the content, which the server has when this returns."""
    transfer = server.transfer(client)
    frame = transfer.encode(FILE, {"filename": "f", "nonce": nonce}, CONTENT)
    transfer.send_bytes(frame[: len(frame) - len(CONTENT) + size])
    spool = server.parts.spool
    wait_until(lambda: size in {file.received for file in spool._files}, "the beginning")
    return transfer


def interrupt(server: TestServer, client: WireClient, size: int, nonce: str = "n1") -> None:
    begin(server, client, size, nonce).close()
    server.space_is_given_back()


def question(server: TestServer, client: WireClient, nonce: str = "n1", **header: Any) -> WireFrame:
    with server.transfer(client) as transfer:
        transfer.send(FILE, {"resume": nonce, "size": len(CONTENT), "nonce": "q", **header})
        answer = transfer.read_frame()
        assert answer.header["nonce"] == "q"
        assert not answer.content or answer.type == TEXT
        return answer


def go_on(server: TestServer, client: WireClient, offset: int, nonce: str = "n1") -> WireFrame:
    with server.transfer(client) as transfer:
        header = {"filename": "f", "nonce": nonce, "offset": offset}
        transfer.send(FILE, header, CONTENT[offset:])
        return transfer.read_frame()


def fetch(server: TestServer, client: WireClient, seq: int) -> bytes:
    with server.transfer(client) as transfer:
        transfer.send(FILE, {"fetch": seq})
        return transfer.read_frame().content


@pytest.mark.parametrize("restarts", [False, True])
@pytest.mark.parametrize("registers", [False, True])
def test_an_upload_goes_on_where_it_was(place: Place, restarts: bool, registers: bool) -> None:
    own = device()
    with place.server() as server:
        alice = come(server, "alice", own, registers=registers)
        assert alice.welcome["limits"]["resume"]
        assert question(server, alice).header["offset"] == 0
        interrupt(server, alice, 100 * K)
        if not restarts:
            finish(server, alice)
    if restarts:
        with place.server() as server:
            finish(server, come(server, "alice", own))
    assert not list(place.parts.iterdir())


def finish(server: TestServer, alice: WireClient) -> None:
    answer = question(server, alice)
    digest = hashlib.sha256(CONTENT[: 100 * K]).hexdigest()
    assert (answer.header["offset"], answer.header["sha256"]) == (100 * K, digest)
    assert go_on(server, alice, 100 * K) == (FILE, {}, b"")
    offer = alice.expect(FILE, sender="alice", nonce="n1", filename="f", size=len(CONTENT))
    assert offer.header["sha256"] == hashlib.sha256(CONTENT).hexdigest()
    assert fetch(server, alice, offer.header["seq"]) == CONTENT
    said = question(server, alice)
    assert (said.header["notice"], said.header["seq"]) == ("done", offer.header["seq"])


def test_only_the_same_user_with_the_same_device_goes_on(place: Place) -> None:
    own = device()
    with place.server() as server:
        interrupt(server, come(server, "alice", own, registers=True), 100 * K)
        alice = come(server, "alice", own)
        assert question(server, alice).header["offset"] == 100 * K
        for size in (1, len(CONTENT) - 1):
            assert question(server, alice, size=size).header["offset"] == 0
        assert question(server, alice, "n2").header["offset"] == 0
        other = server.remember(WireClient(server.address))
        login = {"to": "alice", "inline": 0, "device": device(), "password": PASSWORD}
        assert other.try_login(login).type == 1
        while not other.welcome:
            frame = other.read_frame()
            other.welcome = json.loads(frame.content or b"{}")
        for stranger in (other, come(server, "bob", own), come(server, "carol", None)):
            assert question(server, stranger).header["offset"] == 0
            refused = go_on(server, stranger, 100 * K)
            assert refused.header["notice"] == "bad-header"
        # A guest without a device leaves nothing.
        dave = come(server, "dave", None)
        interrupt(server, dave, 100 * K, "n4")
        assert question(server, dave, "n4").header["offset"] == 0
        assert len(list(place.parts.iterdir())) == 1


def test_an_upload_goes_on_only_at_its_end(place: Place) -> None:
    with place.server() as server:
        alice = come(server, "alice", device())
        interrupt(server, alice, 100 * K)
        for offset in (100 * K - 1, 100 * K + 1, len(CONTENT)):
            assert go_on(server, alice, offset).header["notice"] == "bad-header"
        assert question(server, alice).header["offset"] == 100 * K
        # Begun anew, it is whole all the same.
        assert go_on(server, alice, 0) == (FILE, {}, b"")
        alice.expect(FILE, sender="alice", nonce="n1", size=len(CONTENT))
        assert fetch(server, alice, 1) == CONTENT
        for bad in ({"size": None}, {"size": 1, "resume": "?"}):
            assert question(server, alice, **bad).header["notice"] == "bad-header"
        alice.send(FILE, {"filename": "f", "offset": 5}, b"rest")
        alice.expect_notice("bad-header")


def test_a_newer_connection_takes_an_upload_over_from_one_that_hangs(place: Place) -> None:
    with place.server() as server:
        alice = come(server, "alice", device())
        hanging = begin(server, alice, 100 * K)
        assert question(server, alice).header["offset"] == 100 * K
        assert hanging.at_end()
        second = begin(server, alice, 150 * K)
        assert go_on(server, alice, 0) == (FILE, {}, b"")
        assert second.at_end()
        alice.expect(FILE, sender="alice", nonce="n1")
        assert question(server, alice).header["notice"] == "done"


def test_a_message_that_waits_for_the_disk_is_not_sent_a_second_time(
    place: Place, disk: Disk
) -> None:
    with place.server(durable=True) as server:
        alice = come(server, "alice", device())
        disk.goes_on.clear()
        with server.transfer(alice) as transfer, server.transfer(alice) as asking:
            transfer.send(FILE, {"filename": "f", "nonce": "n1"}, CONTENT)
            wait_until(lambda: server.parts.history._queue.unwritten, "the message")
            transfer.close()
            asking.send(FILE, {"resume": "n1", "size": len(CONTENT)})
            alice.send(TEXT, {"command": "ping", "nonce": "p"})
            alice.expect_notice("done", nonce="p")
            disk.goes_on.set()
            assert asking.read_frame().header["notice"] == "done"
        alice.expect(FILE, sender="alice", nonce="n1", seq=1)


def test_parts_stay_for_a_day_and_take_a_bounded_space(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    with place.server(keep_files=1 << 20) as server:  # half of it for parts
        alice = come(server, "alice", device())
        for number in range(8):
            interrupt(server, alice, 100 * K, f"n{number}")
            for age, path in enumerate(sorted(place.parts.iterdir(), key=_modified, reverse=True)):
                os.utime(path, (0, _modified(path) - age))
        wait_until(lambda: len(list(place.parts.iterdir())) == 5, "the oldest to go")
        assert question(server, alice, "n7").header["offset"] == 100 * K
        assert question(server, alice, "n0").header["offset"] == 0
        monkeypatch.setattr(parts_module, "MAX_AGE", -10.0)
        interrupt(server, alice, 100 * K, "last")
        wait_until(lambda: not list(place.parts.iterdir()), "all to go")


def test_a_full_disk_keeps_no_part(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    def fill_up(fd: int, data: memoryview, digest: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with place.server() as server:
        alice = come(server, "alice", device())
        transfer = begin(server, alice, 100 * K)
        monkeypatch.setattr(spool_module, "_write_all", fill_up)
        transfer.send_bytes(CONTENT[100 * K :])
        transfer.expect_notice("no-space", nonce="n1")
        server.space_is_given_back()
        wait_until(lambda: not list(place.parts.iterdir()), "the part to go")


def _modified(path: Path) -> float:
    return path.stat().st_mtime
