from __future__ import annotations

import hashlib
import io
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from chat.client import (
    Attachment,
    Cancellation,
    Connection,
    Fate,
    NotSupported,
    SaveFailed,
    Text,
    TransferCancelled,
    TransferFailed,
    Welcome,
    connect,
    transfers,
)
from chat.client.runtime import Runtime
from chat.protocol.descriptor import MessageType
from tests.client.runtimes import with_both_runtimes
from tests.peers.scripted_server import ClientFrame, Peer, Script, ScriptedServer
from tests.peers.transfer_scripts import (
    CONTENT,
    announce,
    answer,
    answer_wrongly,
    offer,
    only_welcome,
    refuse_login,
    reset_upload,
    serve,
    take_request,
    take_upload,
)

pytestmark = with_both_runtimes


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transfers, "_PAUSES", (0.001, 0.002, 0.003))


@contextmanager
def room_at(server: ScriptedServer, runtime: Runtime) -> Iterator[Connection]:
    with connect(server.address, "alice", runtime=runtime) as room:
        assert isinstance(room.read(), Welcome)
        yield room


def the_offer(room: Connection) -> Attachment:
    event = room.read()
    assert isinstance(event, Attachment)
    return event


class TestDownloads:
    def test_whole(self, runtime: Runtime, tmp_path: Path) -> None:
        progress: list[tuple[int, int]] = []
        with ScriptedServer(offer(), serve()) as server, room_at(server, runtime) as room:
            path = room.fetch(
                the_offer(room), directory=tmp_path, progress=lambda *p: progress.append(p)
            )
        assert path == tmp_path / "big.bin"
        assert path.read_bytes() == CONTENT
        assert progress[-1] == (len(CONTENT), len(CONTENT))
        assert progress == sorted(progress)

    def test_goes_on_where_it_broke(self, runtime: Runtime, tmp_path: Path) -> None:
        cuts = [serve(until=n * 90_000) for n in range(1, 11)]
        with ScriptedServer(offer(), *cuts, serve()) as server, room_at(server, runtime) as room:
            path = room.fetch(the_offer(room), directory=tmp_path)
        assert hashlib.sha256(path.read_bytes()).digest() == hashlib.sha256(CONTENT).digest()
        assert [entry.name for entry in tmp_path.iterdir()] == ["big.bin"]

    def test_gives_up_when_it_gets_no_further(self, runtime: Runtime, tmp_path: Path) -> None:
        tries: list[int] = []

        def end(peer: Peer) -> None:
            tries.append(take_request(peer))

        with (
            ScriptedServer(offer(), serve(until=5), *[end] * 3) as server,
            room_at(server, runtime) as room,
            pytest.raises(TransferFailed, match=r"^'big.bin' was not received: The server closed"),
        ):
            room.fetch(the_offer(room), directory=tmp_path)
        assert tries == [5, 5, 5]
        assert list(tmp_path.iterdir()) == []

    def test_an_old_connection_that_still_counts_is_waited_for(
        self, runtime: Runtime, tmp_path: Path
    ) -> None:
        refuse = refuse_login("too-many-transfers")
        with ScriptedServer(offer(), refuse, serve()) as server, room_at(server, runtime) as room:
            assert room.fetch(the_offer(room), directory=tmp_path).read_bytes() == CONTENT

    @pytest.mark.parametrize(
        ("script", "reason"),
        [
            (refuse_login("no-such-session"), r"^'big.bin' was not received: Who\?$"),
            (answer(lambda peer: peer.notice("gone", "It is gone.")), r"^It is gone\.$"),
            (answer(lambda peer: announce(peer, size=5)), "something else than it offered"),
            (answer(lambda peer: announce(peer, MessageType.VOICE)), "something else than it"),
            (answer(lambda peer: announce(peer, header=b"{")), "JSON object"),
            (answer(lambda peer: peer.say(MessageType.UTF8, "bob", b"hello")), "makes no sense"),
        ],
        ids=["no session", "gone", "other size", "other type", "bad header", "no notice"],
    )
    def test_what_another_try_would_not_mend(
        self, runtime: Runtime, tmp_path: Path, script: Script, reason: str
    ) -> None:
        with (
            ScriptedServer(offer(), script) as server,
            room_at(server, runtime) as room,
            pytest.raises(TransferFailed, match=reason),
        ):
            room.fetch(the_offer(room), directory=tmp_path)
        assert list(tmp_path.iterdir()) == []

    def test_cancelled(self, runtime: Runtime, tmp_path: Path) -> None:
        def half(peer: Peer) -> None:
            take_request(peer)
            header = {"from": "bob", "timestamp": "2026-11-24T12:00:00Z"}
            peer.send(MessageType.FILE, header, CONTENT[:1000], size=len(CONTENT))
            peer.wait_for_end()

        cancel = Cancellation()
        with (
            ScriptedServer(offer(), half) as server,
            room_at(server, runtime) as room,
            pytest.raises(TransferCancelled),
        ):
            room.fetch(
                the_offer(room),
                directory=tmp_path,
                progress=lambda *_: runtime.spawn(cancel.cancel),
                cancel=cancel,
            )
        assert list(tmp_path.iterdir()) == []

    def test_a_failing_disk_is_not_tried_again(self, runtime: Runtime, tmp_path: Path) -> None:
        with (
            ScriptedServer(offer()) as server,
            room_at(server, runtime) as room,
            pytest.raises(SaveFailed, match="No such file"),
        ):
            room.fetch(the_offer(room), directory=tmp_path / "gone")

    def test_leaving_the_room_ends_it(self, runtime: Runtime, tmp_path: Path) -> None:
        begun = threading.Event()

        def hang(peer: Peer) -> None:
            take_request(peer)
            begun.set()
            peer.wait_for_end()

        outcome: list[str] = []
        with ScriptedServer(offer(), hang) as server, room_at(server, runtime) as room:
            offered = the_offer(room)

            def fetch() -> None:
                try:
                    room.fetch(offered, directory=tmp_path)
                except TransferFailed as failure:
                    outcome.append(str(failure))

            task = runtime.spawn(fetch)
            while not begun.is_set():
                runtime.sleep(0.001)
            room.close()
            task.join(5)
        assert outcome == ["The connection to the server has ended."]
        assert list(tmp_path.iterdir()) == []

    def test_what_is_no_offer(self, runtime: Runtime, tmp_path: Path) -> None:
        def script(peer: Peer) -> None:
            peer.welcome()
            peer.say(MessageType.FILE, "bob", b"here already", filename="small")
            peer.wait_for_end()

        with (
            ScriptedServer(script) as server,
            room_at(server, runtime) as room,
            pytest.raises(ValueError, match="offer"),
        ):
            room.fetch(the_offer(room), directory=tmp_path)


class TestUploads:
    def upload(self, room: Connection, cancel: Cancellation | None = None) -> Fate:
        receipt = room.send_file(io.BytesIO(CONTENT), filename="big.bin", cancel=cancel)
        return receipt.fate

    def test_whole(self, runtime: Runtime) -> None:
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
            assert receipt.fate is Fate.ACCEPTED
        assert received[0].content == CONTENT
        assert received[0].fields == {"filename": "big.ogg", "to": "bob", "nonce": receipt.nonce}
        assert progress[-1] == (len(CONTENT), len(CONTENT))

    def test_its_echo_comes_to_the_room_and_knows_its_receipt(self, runtime: Runtime) -> None:
        nonces: list[str] = []
        said = threading.Event()

        def main(peer: Peer) -> None:
            peer.welcome()
            said.wait(5)
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

    def test_refused(self, runtime: Runtime) -> None:
        def refuse(peer: Peer) -> None:
            peer.let_transfer()
            peer.expect(MessageType.FILE)
            peer.notice("no-space", "There is no room for it.")

        with ScriptedServer(only_welcome, refuse) as server, room_at(server, runtime) as room:
            receipt = room.send_file(io.BytesIO(CONTENT))
        assert receipt.fate is Fate.REFUSED
        assert (receipt.code, receipt.refusal) == ("no-space", "There is no room for it.")

    def test_refused_at_once_is_not_sent_to_the_end(self, runtime: Runtime) -> None:
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
            assert room.send_file(Endless()).fate is Fate.REFUSED

    def test_refused_and_closed(self, runtime: Runtime) -> None:
        """As a file over the server's limit is: the answer counts, not the reset that follows."""

        def refuse(peer: Peer) -> None:
            peer.let_transfer()
            peer.sock.recv(16)
            peer.notice("too-large", "It is too large.")

        with ScriptedServer(only_welcome, refuse) as server, room_at(server, runtime) as room:
            receipt = room.send_file(io.BytesIO(bytes(50_000_000)))
        assert (receipt.fate, receipt.code) == (Fate.REFUSED, "too-large")

    @pytest.mark.parametrize(
        ("script", "reason"),
        [
            (reset_upload, "was not sent: "),
            (take_upload, "The server closed the connection"),
            (answer_wrongly, "makes no sense"),
        ],
        ids=["reset", "closed", "another answer"],
    )
    def test_a_broken_one_is_reported(self, runtime: Runtime, script: Script, reason: str) -> None:
        with ScriptedServer(only_welcome, script) as server, room_at(server, runtime) as room:
            with pytest.raises(TransferFailed, match=reason):
                self.upload(room)
            assert room.unanswered() == []

    def test_cancelled(self, runtime: Runtime) -> None:
        cancel = Cancellation()

        def take(peer: Peer) -> None:
            peer.let_transfer()
            peer.sock.recv(1000)
            asked.set()
            with suppress(OSError):  # reset or ended, as it happens
                peer.wait_for_end()

        asked = threading.Event()
        with ScriptedServer(only_welcome, take) as server, room_at(server, runtime) as room:

            def watch() -> None:
                while not asked.is_set():
                    runtime.sleep(0.001)
                cancel.cancel()

            watcher = runtime.spawn(watch)
            with pytest.raises(TransferCancelled):
                room.send_file(io.BytesIO(bytes(50_000_000)), cancel=cancel)
            watcher.join(5)

    def test_cancelled_before_it_began(self, runtime: Runtime) -> None:
        cancel = Cancellation()
        cancel.cancel()
        with ScriptedServer(only_welcome) as server, room_at(server, runtime) as room:
            with pytest.raises(TransferCancelled):
                self.upload(room, cancel)
            with pytest.raises(TransferCancelled):
                room.send_file(io.BytesIO(b"small"), cancel=cancel)

    def test_a_server_without_sessions(self, runtime: Runtime) -> None:
        def script(peer: Peer) -> None:
            peer.welcome(session=None)
            peer.wait_for_end()

        with (
            ScriptedServer(script) as server,
            room_at(server, runtime) as room,
            pytest.raises(NotSupported, match="no large files"),
        ):
            self.upload(room)

    def test_talk_goes_on_meanwhile(self, runtime: Runtime) -> None:
        talked = threading.Event()

        def main(peer: Peer) -> None:
            peer.welcome()
            frame = peer.expect(MessageType.UTF8)
            peer.say(MessageType.UTF8, "alice", b"hi", nonce=frame.fields["nonce"])
            peer.wait_for_end()

        def take(peer: Peer) -> None:
            peer.let_transfer()
            talked.wait(5)
            peer.expect(MessageType.FILE)
            peer.send(MessageType.FILE)

        with ScriptedServer(main, take) as server, room_at(server, runtime) as room:
            fates: list[Fate] = []
            task = runtime.spawn(lambda: fates.append(self.upload(room)))
            room.send_text("hi")
            assert isinstance(room.read(), Text)
            assert fates == []
            talked.set()
            task.join(5)
            assert fates == [Fate.ACCEPTED]
