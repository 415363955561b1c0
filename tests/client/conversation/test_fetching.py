from __future__ import annotations

import hashlib
import threading
from pathlib import Path

import pytest

from chat.client import Cancellation, SaveFailed, TransferCancelled, TransferFailed
from chat.client.connection import transfers
from chat.client.runtime.runtime import Runtime
from chat.protocol.descriptor import MessageType
from chat.structs import replace
from tests.client.rooms import room_at, the_offer
from tests.client.runtimes import with_both_runtimes
from tests.peers.scripted_server import Peer, Script, ScriptedServer
from tests.peers.transfer_scripts import (
    CONTENT,
    announce,
    answer,
    offer,
    refuse_login,
    serve,
    take_request,
)

pytestmark = with_both_runtimes


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transfers, "_PAUSES", (0.001, 0.002, 0.003))


def test_whole(runtime: Runtime, tmp_path: Path) -> None:
    progress: list[tuple[int, int]] = []
    with ScriptedServer(offer(), serve()) as server, room_at(server, runtime) as room:
        path = room.fetch(
            the_offer(room), directory=tmp_path, progress=lambda *p: progress.append(p)
        )
    assert path == tmp_path / "big.bin"
    assert path.read_bytes() == CONTENT
    assert progress[-1] == (len(CONTENT), len(CONTENT))
    assert progress == sorted(progress)


def test_goes_on_where_it_broke(runtime: Runtime, tmp_path: Path) -> None:
    cuts = [serve(until=n * 90_000) for n in range(1, 11)]
    with ScriptedServer(offer(), *cuts, serve()) as server, room_at(server, runtime) as room:
        path = room.fetch(the_offer(room), directory=tmp_path)
    assert hashlib.sha256(path.read_bytes()).digest() == hashlib.sha256(CONTENT).digest()
    assert [entry.name for entry in tmp_path.iterdir()] == ["big.bin"]


def test_gives_up_when_it_gets_no_further(runtime: Runtime, tmp_path: Path) -> None:
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
    runtime: Runtime, tmp_path: Path
) -> None:
    refuse = refuse_login("too-many-transfers")
    with ScriptedServer(offer(), refuse, serve()) as server, room_at(server, runtime) as room:
        assert room.fetch(the_offer(room), directory=tmp_path).read_bytes() == CONTENT


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        (refuse_login("no-such-session"), r"^'big.bin' was not received: Who\?$"),
        (answer(lambda peer: peer.notice("gone", "It is gone.")), r"^It is gone\.$"),
        (answer(lambda peer: announce(peer, size=5)), "differs from its offer"),
        (answer(lambda peer: announce(peer, MessageType.VOICE)), "differs from its offer"),
        (answer(lambda peer: announce(peer, header=b"{")), "JSON object"),
        (answer(lambda peer: peer.say(MessageType.UTF8, "bob", b"hello")), "an invalid answer"),
    ],
    ids=["no session", "gone", "other size", "other type", "bad header", "no notice"],
)
def test_what_another_try_would_not_mend(
    runtime: Runtime, tmp_path: Path, script: Script, reason: str
) -> None:
    with (
        ScriptedServer(offer(), script) as server,
        room_at(server, runtime) as room,
        pytest.raises(TransferFailed, match=reason),
    ):
        room.fetch(the_offer(room), directory=tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_cancelled(runtime: Runtime, tmp_path: Path) -> None:
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


def test_a_failing_disk_is_not_tried_again(runtime: Runtime, tmp_path: Path) -> None:
    with (
        ScriptedServer(offer()) as server,
        room_at(server, runtime) as room,
        pytest.raises(SaveFailed, match="No such file"),
    ):
        room.fetch(the_offer(room), directory=tmp_path / "gone")


def test_leaving_the_room_ends_it(runtime: Runtime, tmp_path: Path) -> None:
    begun = threading.Event()

    def hang(peer: Peer) -> None:
        take_request(peer)
        begun.set()
        peer.wait_for_end()

    cancel = Cancellation()
    outcome: list[str] = []
    with ScriptedServer(offer(), hang) as server, room_at(server, runtime) as room:
        offered = the_offer(room)

        def fetch() -> None:
            try:
                room.fetch(offered, directory=tmp_path, cancel=cancel)
            except TransferFailed as failure:
                outcome.append(str(failure))

        task = runtime.spawn(fetch)
        while not begun.is_set():
            runtime.sleep(0.001)
        room.close()
        task.join(30)
    assert outcome == ["The connection to the server has ended."]
    assert not cancel.cancelled
    assert list(tmp_path.iterdir()) == []


def test_what_is_no_offer(runtime: Runtime, tmp_path: Path) -> None:
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


def test_one_that_falls_silent_goes_on_elsewhere(
    runtime: Runtime, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The connection lives, but no more bytes come."""
    monkeypatch.setattr(transfers, "SILENCE", 0.2)

    def freeze(peer: Peer) -> None:
        serve(400_000)(peer)
        peer.wait_for_end()

    def ignore(peer: Peer) -> None:
        take_request(peer)
        peer.wait_for_end()

    with (
        ScriptedServer(offer(), freeze, ignore, serve()) as server,
        room_at(server, runtime) as room,
    ):
        path = room.fetch(the_offer(room), directory=tmp_path)
    assert path.read_bytes() == CONTENT


def test_into_an_open_file(runtime: Runtime, tmp_path: Path) -> None:
    with (
        ScriptedServer(offer(), serve(until=90_000), serve()) as server,
        room_at(server, runtime) as room,
        open(tmp_path / "mine", "w+b") as file,
    ):
        offered = the_offer(room)
        room.fetch_into(offered, file)
        file.seek(0)
        assert file.read() == CONTENT
        with pytest.raises(ValueError, match="offer"):
            room.fetch_into(replace(offered, offer=None), file)
        with pytest.raises(ValueError, match="empty path"):
            room.fetch(offered, directory=" ")
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]
