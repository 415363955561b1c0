from __future__ import annotations

import io
import os
import threading
from contextlib import suppress

import pytest

from chat.client import (
    Cancellation,
    Connection,
    NotSupported,
    Status,
    Text,
    TransferCancelled,
    TransferFailed,
)
from chat.client.connection import transfers
from chat.client.runtime.runtime import Runtime
from chat.protocol.descriptor import MessageType
from tests.client.rooms import room_at, the_offer
from tests.client.runtimes import with_both_runtimes
from tests.peers.scripted_server import ClientFrame, Peer, Script, ScriptedServer
from tests.peers.transfer_scripts import (
    CONTENT,
    answer_wrongly,
    only_welcome,
    refuse_login,
    reset_upload,
    take_upload,
)

pytestmark = with_both_runtimes


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transfers, "_PAUSES", (0.001, 0.002, 0.003))


def upload(room: Connection, cancel: Cancellation | None = None) -> Status:
    receipt = room.send_file(io.BytesIO(CONTENT), filename="big.bin", cancel=cancel)
    return receipt.status


def test_whole(runtime: Runtime) -> None:
    received: list[ClientFrame] = []

    def take(peer: Peer) -> None:
        peer.let_transfer()
        received.append(peer.expect(MessageType.VOICE))
        peer.send(MessageType.VOICE)

    progress: list[tuple[int, int]] = []
    with ScriptedServer(only_welcome, take) as server, room_at(server, runtime) as room:
        receipt = room.send_file(
            io.BytesIO(CONTENT),
            kind=MessageType.VOICE,
            filename="big.ogg",
            to="bob",
            progress=lambda *p: progress.append(p),
        )
        assert receipt.status is Status.ACCEPTED
    assert received[0].content == CONTENT
    assert received[0].fields == {"filename": "big.ogg", "to": "bob", "nonce": receipt.nonce}
    assert progress[-1] == (len(CONTENT), len(CONTENT))


def test_its_echo_comes_to_the_room_and_knows_its_receipt(runtime: Runtime) -> None:
    nonces: list[str] = []
    said = threading.Event()

    def main(peer: Peer) -> None:
        peer.welcome()
        said.wait(30)
        peer.say(
            MessageType.FILE,
            "alice",
            filename="big.bin",
            size=len(CONTENT),
            id="o",
            nonce=nonces[0],
        )
        peer.wait_for_end()

    def take(peer: Peer) -> None:
        peer.let_transfer()
        nonces.append(peer.expect(MessageType.FILE).fields["nonce"])
        peer.send(MessageType.FILE)

    with ScriptedServer(main, take) as server, room_at(server, runtime) as room:
        receipt = room.send_file(io.BytesIO(CONTENT))
        assert room.unanswered() == []
        said.set()
        echo = the_offer(room)
        assert echo.own
        assert echo.receipt is receipt


def test_refused(runtime: Runtime) -> None:
    def refuse(peer: Peer) -> None:
        peer.let_transfer()
        peer.expect(MessageType.FILE)
        peer.notice("no-space", "There is no room for it.")

    with ScriptedServer(only_welcome, refuse) as server, room_at(server, runtime) as room:
        receipt = room.send_file(io.BytesIO(CONTENT))
    assert receipt.status is Status.REFUSED
    assert (receipt.code, receipt.refusal) == ("no-space", "There is no room for it.")


def test_refused_at_once_is_not_sent_to_the_end(runtime: Runtime) -> None:
    def refuse(peer: Peer) -> None:
        peer.let_transfer()
        peer.sock.recv(16)
        peer.notice("no-space", "There is no room for it.")
        while peer.sock.recv(1 << 20):  # far less than it announced
            continue

    size = 1 << 40

    class Endless(io.BytesIO):
        def tell(self) -> int:
            return 0

        def seek(self, offset: int, whence: int = 0) -> int:
            return size

        def read(self, amount: int | None = -1) -> bytes:
            return bytes(amount or 0)

    def main(peer: Peer) -> None:
        peer.welcome(limits={"max_file": size})
        peer.wait_for_end()

    with ScriptedServer(main, refuse) as server, room_at(server, runtime) as room:
        assert room.send_file(Endless()).status is Status.REFUSED


def test_refused_and_closed(runtime: Runtime) -> None:
    """A file over the server's limit: the answer counts, not the reset that follows."""

    def refuse(peer: Peer) -> None:
        peer.let_transfer()
        peer.sock.recv(16)
        peer.notice("too-large", "It is too large.")

    with ScriptedServer(only_welcome, refuse) as server, room_at(server, runtime) as room:
        receipt = room.send_file(io.BytesIO(bytes(50_000_000)))
    assert (receipt.status, receipt.code) == (Status.REFUSED, "too-large")


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        (reset_upload, "was not sent: "),
        (take_upload, "The server closed the connection"),
        (answer_wrongly, "an invalid answer"),
    ],
    ids=["reset", "closed", "another answer"],
)
def test_a_broken_one_is_reported(runtime: Runtime, script: Script, reason: str) -> None:
    with ScriptedServer(only_welcome, script) as server, room_at(server, runtime) as room:
        with pytest.raises(TransferFailed, match=reason):
            upload(room)
        assert room.unanswered() == []


def test_cancelled(runtime: Runtime) -> None:
    cancel = Cancellation()

    def take(peer: Peer) -> None:
        peer.let_transfer()
        peer.sock.recv(1000)
        asked.set()
        with suppress(OSError):  # reset or ended, as it happens
            # Not by frames: the cancelled upload ends in the middle of its content.
            while peer.sock.recv(1024 * 1024):
                continue

    asked = threading.Event()
    with ScriptedServer(only_welcome, take) as server, room_at(server, runtime) as room:

        def watch() -> None:
            while not asked.is_set():
                runtime.sleep(0.001)
            cancel.cancel()

        watcher = runtime.spawn(watch)
        with pytest.raises(TransferCancelled):
            room.send_file(io.BytesIO(bytes(50_000_000)), cancel=cancel)
        watcher.join(30)


def test_an_echo_is_as_good_as_an_answer(runtime: Runtime) -> None:
    nonces: list[str] = []
    taken, heard = threading.Event(), threading.Event()

    def main(peer: Peer) -> None:
        peer.welcome()
        taken.wait(30)
        peer.say(MessageType.FILE, "alice", size=len(CONTENT), id="o", nonce=nonces[0])
        peer.wait_for_end()

    def take(peer: Peer) -> None:
        nonces.append(take_upload(peer).fields["nonce"])
        taken.set()
        heard.wait(30)
        peer.reset()

    with ScriptedServer(main, take) as server, room_at(server, runtime) as room:
        statuses: list[Status] = []
        task = runtime.spawn(lambda: statuses.append(upload(room)))
        assert the_offer(room).own
        heard.set()
        task.join(30)
        assert statuses == [Status.ACCEPTED]


def test_cancelled_before_it_began(runtime: Runtime) -> None:
    cancel = Cancellation()
    cancel.cancel()
    with ScriptedServer(only_welcome) as server, room_at(server, runtime) as room:
        with pytest.raises(TransferCancelled):
            upload(room, cancel)
        with pytest.raises(TransferCancelled):
            room.send_file(io.BytesIO(b"small"), cancel=cancel)


def test_an_old_connection_that_still_counts_is_waited_for(runtime: Runtime) -> None:
    def take(peer: Peer) -> None:
        take_upload(peer)
        peer.send(MessageType.FILE)

    refuse = refuse_login("too-many-transfers")
    with (
        ScriptedServer(only_welcome, refuse, refuse, take) as server,
        room_at(server, runtime) as room,
    ):
        assert upload(room) is Status.ACCEPTED


def test_waiting_for_the_old_ones_has_an_end(runtime: Runtime) -> None:
    refuse = refuse_login("too-many-transfers")
    with (
        ScriptedServer(only_welcome, *[refuse] * 4) as server,
        room_at(server, runtime) as room,
        pytest.raises(TransferFailed, match=r"^'big.bin' was not sent: Who\?$"),
    ):
        upload(room)


def test_a_server_without_sessions(runtime: Runtime) -> None:
    def script(peer: Peer) -> None:
        peer.welcome(session=None)
        peer.wait_for_end()

    with (
        ScriptedServer(script) as server,
        room_at(server, runtime) as room,
        pytest.raises(NotSupported, match="no large files"),
    ):
        upload(room)


def test_talk_goes_on_meanwhile(runtime: Runtime) -> None:
    talked = threading.Event()

    def main(peer: Peer) -> None:
        peer.welcome()
        frame = peer.expect(MessageType.UTF8)
        peer.say(MessageType.UTF8, "alice", b"hi", nonce=frame.fields["nonce"])
        peer.wait_for_end()

    def take(peer: Peer) -> None:
        peer.let_transfer()
        talked.wait(30)
        peer.expect(MessageType.FILE)
        peer.send(MessageType.FILE)

    with ScriptedServer(main, take) as server, room_at(server, runtime) as room:
        statuses: list[Status] = []
        task = runtime.spawn(lambda: statuses.append(upload(room)))
        room.send_text("hi")
        assert isinstance(room.read(), Text)
        assert statuses == []
        talked.set()
        task.join(30)
        assert statuses == [Status.ACCEPTED]


class TestOneThatTheServerStopsTaking:
    """Nobody can have got the upload, so it begins anew."""

    @pytest.fixture(autouse=True)
    def _short_window(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("chat.client.connection.link.STALL_WINDOW", 0.2)

    def test_it_is_sent_again_as_the_same_message(self, runtime: Runtime) -> None:
        content = os.urandom(20_000_000)
        received: list[bytes] = []
        nonces: list[str] = []

        def freeze(peer: Peer) -> None:
            peer.let_transfer()
            nonces.append(peer.read_header()["nonce"])
            done.wait(30)

        def take(peer: Peer) -> None:
            peer.let_transfer()
            frame = peer.expect(MessageType.FILE)
            received.append(frame.content)
            nonces.append(frame.fields["nonce"])
            peer.send(MessageType.FILE)

        done = threading.Event()
        source = io.BytesIO(b"before" + content)
        source.seek(6)
        with ScriptedServer(only_welcome, freeze, take) as server, room_at(server, runtime) as room:
            try:
                receipt = room.send_file(source, filename="big.bin")
                assert receipt.status is Status.ACCEPTED
            finally:
                done.set()
        assert received == [content]
        assert nonces == [receipt.nonce] * 2

    def test_but_not_for_ever(self, runtime: Runtime) -> None:
        def freeze(peer: Peer) -> None:
            peer.let_transfer()
            done.wait(30)

        done = threading.Event()
        with (
            ScriptedServer(only_welcome, *[freeze] * transfers.UPLOAD_TRIES) as server,
            room_at(server, runtime) as room,
        ):
            try:
                with pytest.raises(TransferFailed, match="takes less than"):
                    room.send_file(io.BytesIO(bytes(20_000_000)))
            finally:
                done.set()
