"""The library against the real server: files in both directions over good and bad lines, and many talkers at once."""

from __future__ import annotations

import hashlib
import os
import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from chat.client import (
    Attachment,
    Cancellation,
    Connection,
    Event,
    LoginRefused,
    MessageType,
    Notice,
    Status,
    Text,
    TransferCancelled,
    TransferFailed,
    connect,
)
from chat.client.runtime.runtime import Runtime
from tests.client.runtimes import with_both_runtimes
from tests.end_to_end.server_process import ServerProcess, eventually, running_server
from tests.peers.cutting_proxy import CuttingProxy

pytestmark = with_both_runtimes

SIZE = 3_000_000


@pytest.fixture
def server() -> Iterator[ServerProcess]:
    with running_server("--rate=0") as process:
        yield process


@pytest.fixture
def big(tmp_path: Path) -> Path:
    path = tmp_path / "big.bin"
    path.write_bytes(random.Random(1).randbytes(SIZE))
    return path


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    path = tmp_path / "saved"
    path.mkdir()
    return path


def address_of(server: ServerProcess) -> str:
    host, port = server.address
    return f"{host}:{port}"


def checksum(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def next_attachment(room: Connection) -> Attachment:
    for event in room:
        if isinstance(event, Attachment):
            return event
    raise AssertionError("the connection was closed")


def test_a_large_file_there_and_back(
    runtime: Runtime, server: ServerProcess, big: Path, saved: Path
) -> None:
    address = address_of(server)
    with (
        connect(address, "alice", runtime=runtime) as alice,
        connect(address, "боб", runtime=runtime, save_directory=saved) as bob,
    ):
        receipt = alice.send_file(big, kind=MessageType.VOICE, to="боб")
        assert receipt.status is Status.ACCEPTED
        offer = next_attachment(bob)
        assert (offer.kind, offer.size, offer.to) == (MessageType.VOICE, SIZE, "боб")
        assert checksum(bob.fetch(offer)) == checksum(big)
        own = next_attachment(alice)
        assert (own.own, own.receipt) == (True, receipt)


def test_a_download_cut_ten_times(
    runtime: Runtime, server: ServerProcess, big: Path, saved: Path
) -> None:
    with (
        CuttingProxy(server.address, cuts=10, after=SIZE // 12) as line,
        connect(address_of(server), "alice", runtime=runtime) as alice,
        connect(line.address, "bob", tls="off", runtime=runtime, save_directory=saved) as bob,
    ):
        alice.send_file(big)
        done: list[int] = []
        path = bob.fetch(next_attachment(bob), progress=lambda so_far, _: done.append(so_far))
        assert line.cut == 10
        assert checksum(path) == checksum(big)
        assert done == sorted(set(done))
    assert [entry.name for entry in saved.iterdir()] == ["big.bin"]


def test_a_broken_upload_reaches_nobody_and_leaves_nothing(
    runtime: Runtime, server: ServerProcess, big: Path
) -> None:
    with (
        CuttingProxy(server.address, cuts=1, after=SIZE // 2, uploads=True) as line,
        connect(line.address, "alice", tls="off", runtime=runtime) as alice,
        connect(address_of(server), "bob", runtime=runtime) as bob,
    ):
        kept = server.temporary_files()
        with pytest.raises(TransferFailed, match=r"^'big.bin' was not sent: "):
            alice.send_file(big)
        eventually(lambda: server.temporary_files() == kept)
        assert alice.send_text("sorry").wait(0) is Status.WAITING
        heard = [event for event in until_text(bob) if isinstance(event, Attachment | Text)]
        assert [type(event) for event in heard] == [Text]


def until_text(room: Connection) -> Iterator[Event]:
    for event in room:
        yield event
        if isinstance(event, Text):
            return


def test_cancelling_in_either_direction(
    runtime: Runtime, server: ServerProcess, big: Path, saved: Path
) -> None:
    address = address_of(server)
    with (
        connect(address, "alice", runtime=runtime) as alice,
        connect(address, "bob", runtime=runtime, save_directory=saved) as bob,
    ):
        kept = server.temporary_files()
        up = Cancellation()
        with pytest.raises(TransferCancelled):
            alice.send_file(big, progress=lambda *_: up.cancel(), cancel=up)
        eventually(lambda: server.temporary_files() == kept)
        alice.send_file(big)
        offer = next_attachment(bob)
        down = Cancellation()
        with pytest.raises(TransferCancelled):
            bob.fetch(offer, progress=lambda *_: down.cancel(), cancel=down)
        assert list(saved.iterdir()) == []
        assert checksum(bob.fetch(offer)) == checksum(big), "it is still there"


def test_more_transfers_than_may_run_at_once(
    runtime: Runtime, server: ServerProcess, saved: Path, tmp_path: Path
) -> None:
    files = [tmp_path / f"{number}.bin" for number in range(7)]
    for path in files:
        path.write_bytes(os.urandom(400_000))
    address = address_of(server)
    with (
        connect(address, "alice", runtime=runtime) as alice,
        connect(address, "bob", runtime=runtime, save_directory=saved) as bob,
    ):
        statuses: list[Status] = []
        uploads = [
            runtime.spawn(lambda path=path: statuses.append(alice.send_file(path).status))
            for path in files
        ]
        fetched: list[Path] = []
        downloads = []
        for _ in files:
            offer = next_attachment(bob)
            downloads.append(runtime.spawn(lambda offer=offer: fetched.append(bob.fetch(offer))))
        for task in uploads + downloads:
            task.join(15)
    assert statuses == [Status.ACCEPTED] * len(files)
    assert {path.name: checksum(path) for path in fetched} == {
        path.name: checksum(path) for path in files
    }


def test_many_tasks_talk_over_one_connection(runtime: Runtime, server: ServerProcess) -> None:
    talkers, each = 8, 50
    with connect(address_of(server), "alice", runtime=runtime) as room:

        def talk(talker: int) -> None:
            for number in range(each):
                room.send_text(f"{talker}:{number}")

        tasks = [runtime.spawn(talk, talker) for talker in range(talkers)]
        heard: list[str] = []
        while len(heard) < talkers * each:
            event = room.read()
            if isinstance(event, Text):
                assert event.receipt is not None
                assert event.receipt.text == event.text
                heard.append(event.text)
        for task in tasks:
            task.join(15)
        assert room.unanswered() == []
    for talker in range(talkers):
        own = [text for text in heard if text.startswith(f"{talker}:")]
        assert own == [f"{talker}:{number}" for number in range(each)]


def test_good_and_bad_are_answered_each(runtime: Runtime, server: ServerProcess) -> None:
    with connect(address_of(server), "alice", runtime=runtime) as room:
        receipts = [
            room.send_text(str(number), to="nobody" if number % 3 == 0 else None)
            for number in range(100)
        ]
        answers = [event for event in read_some(room, 101) if isinstance(event, Text | Notice)]
        assert [event.receipt for event in answers] == receipts
        for number, receipt in enumerate(receipts):
            assert receipt.status is (Status.REFUSED if number % 3 == 0 else Status.ACCEPTED)


def read_some(room: Connection, count: int) -> list[Event | None]:
    return [room.read() for _ in range(count)]


def test_leaving_waits_for_the_answers(runtime: Runtime, server: ServerProcess) -> None:
    with connect(address_of(server), "alice", runtime=runtime) as room:
        receipts = [room.send_text(f"line {number}") for number in range(200)]
    assert {receipt.status for receipt in receipts} == {Status.ACCEPTED}
    server.wait_for_line("alice left: quit")


def test_a_raw_client_on_our_server(runtime: Runtime, server: ServerProcess) -> None:
    address = address_of(server)
    with (
        connect(address, "ＡＬＩＣＥ", runtime=runtime, byte_order="little") as alice,
        connect(address, "bob", runtime=runtime) as bob,
    ):
        assert alice.username == "ALICE"
        receipt = alice.send_text("hi")
        bob.send_text("psst", to="ALICE")
        heard: list[Text] = []
        while len(heard) < 2:
            event = alice.read()
            if isinstance(event, Text):
                heard.append(event)
        assert receipt.status is Status.ACCEPTED
        assert {(text.text, text.to) for text in heard} == {("hi", None), ("psst", "ALICE")}


def test_refused_logins(runtime: Runtime, server: ServerProcess) -> None:
    address = address_of(server)
    with connect(address, "alice", runtime=runtime):
        for name, code in (
            ("Alice", "username-exists"),
            ("a b", "bad-username"),
            ("", "bad-username"),
            ("server", "bad-username"),
        ):
            with pytest.raises(LoginRefused) as caught:
                connect(address, name, runtime=runtime)
            assert caught.value.code == code
            assert str(caught.value).endswith(".")
