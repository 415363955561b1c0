"""Uploads to a server that keeps what has arrived of an interrupted one."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable

import pytest

from chat.client import Status, TransferFailed
from chat.client.connection import transfers
from chat.client.runtime.runtime import Runtime
from chat.protocol.descriptor import MessageType
from tests.client.rooms import room_at
from tests.client.runtimes import with_both_runtimes
from tests.peers.scripted_server import ClientFrame, Peer, Script, ScriptedServer
from tests.peers.transfer_scripts import CONTENT

pytestmark = with_both_runtimes
FILE = MessageType.FILE
WHEN = {"from": "alice", "timestamp": "2026-11-24T12:00:00Z"}


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transfers, "_PAUSES", (0.001, 0.002, 0.003))


def welcome(peer: Peer) -> None:
    peer.welcome(limits={"resume": True})
    peer.wait_for_end()


class Desk:
    """The server's side of uploads: ``nonces`` that were asked for, and the frames that came."""

    def __init__(self) -> None:
        self.nonces: list[str] = []
        self.frames: list[ClientFrame] = []

    def answer(self, offset: int, content: bytes = CONTENT) -> Callable[[Peer], None]:
        """Let a transfer in, and say that ``offset`` bytes of ``content`` are there."""

        def script(peer: Peer) -> None:
            peer.let_transfer()
            fields = peer.expect(FILE).fields
            assert fields["size"] == len(CONTENT)
            self.nonces.append(fields["resume"])
            digest = hashlib.sha256(content[:offset]).hexdigest()
            peer.send(FILE, {**WHEN, "offset": offset, "sha256": digest, "size": len(CONTENT)})

        return script

    def take(self, offset: int, content: bytes = CONTENT) -> Script:
        def script(peer: Peer) -> None:
            self.answer(offset, content)(peer)
            self.frames.append(peer.expect(FILE))
            peer.send(FILE)

        return script

    def break_off(self, offset: int) -> Script:
        def script(peer: Peer) -> None:
            self.answer(offset)(peer)
            peer.reset()

        return script


def said(peer: Peer) -> None:
    peer.let_transfer()
    peer.expect(FILE)
    notice = {"from": "server", "timestamp": WHEN["timestamp"], "notice": "done", "seq": 7}
    peer.send(MessageType.UTF8, notice, b"The message was said before.")


def upload(runtime: Runtime, *scripts: Script, progress: list[int] | None = None) -> Status:
    with ScriptedServer(welcome, *scripts) as server, room_at(server, runtime) as room:
        seen = progress if progress is not None else []
        receipt = room.send_file(
            io.BytesIO(CONTENT), filename="big.bin", progress=lambda done, size: seen.append(done)
        )
        return receipt.status


def test_it_goes_on_behind_what_the_server_has(runtime: Runtime) -> None:
    desk, progress = Desk(), list[int]()
    scripts = (desk.break_off(0), desk.break_off(0), desk.break_off(1000), desk.take(400_000))
    assert upload(runtime, *scripts, progress=progress) is Status.ACCEPTED
    assert len(set(desk.nonces)) == 1
    [frame] = desk.frames
    assert (frame.fields["offset"], frame.fields["nonce"]) == (400_000, desk.nonces[0])
    assert frame.content == CONTENT[400_000:]
    assert progress[-1] == len(CONTENT)


def test_what_the_server_has_of_another_content_is_sent_again(runtime: Runtime) -> None:
    desk = Desk()
    assert upload(runtime, desk.take(400_000, bytes(len(CONTENT)))) is Status.ACCEPTED
    [frame] = desk.frames
    assert "offset" not in frame.fields
    assert frame.content == CONTENT


def test_a_message_that_was_said_is_not_sent_again(runtime: Runtime) -> None:
    assert upload(runtime, Desk().break_off(0), said) is Status.ACCEPTED


def test_it_is_given_up_after_several_tries_without_progress(runtime: Runtime) -> None:
    desk = Desk()
    with pytest.raises(TransferFailed, match="was not sent"):
        upload(runtime, *(desk.break_off(0) for _ in range(3)))
    assert len(desk.nonces) == 3
