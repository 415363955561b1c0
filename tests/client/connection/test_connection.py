from __future__ import annotations

import io
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from chat.client import (
    BadFrame,
    ConnectError,
    Connection,
    ConnectionLost,
    Joined,
    Left,
    MessageType,
    Notice,
    NotSent,
    Status,
    Text,
    Welcome,
    connect,
)
from chat.client.connection.events import Event
from chat.client.runtime.runtime import Runtime
from tests.client.runtimes import with_both_runtimes
from tests.peers.scripted_server import Peer, ScriptedServer

pytestmark = with_both_runtimes


def read_until(connection: Connection, wanted: Callable[[Event], object]) -> Event:
    for event in connection:
        if wanted(event):
            return event
    raise AssertionError("the connection was closed")


def keep_open(peer: Peer) -> None:
    peer.welcome()
    peer.wait_for_end()


class TestReading:
    def test_the_welcome_comes_first(self, runtime: Runtime) -> None:
        def script(peer: Peer) -> None:
            peer.welcome(users=["alice", "bob"], motd="Be kind.", limits={"max_text": 1000})
            peer.say(MessageType.LOGIN, "carol")
            peer.say(MessageType.LOGOUT, "bob", reason="quit")
            peer.say(MessageType.UTF8, "carol", b"hi")
            peer.wait_for_end()

        with (
            ScriptedServer(script) as server,
            connect(server.address, "alice", runtime=runtime) as room,
        ):
            assert (room.username, room.users) == ("alice", ["alice", "bob"])
            assert (room.server, room.motd, room.limits.max_text) == (
                "scripted/1",
                "Be kind.",
                1000,
            )
            assert not room.original
            assert [type(room.read()) for _ in range(4)] == [Welcome, Joined, Left, Text]
            assert room.users == ["alice", "carol"]

    def test_a_server_that_does_not_announce_us(self, runtime: Runtime) -> None:
        def script(peer: Peer) -> None:
            peer.expect(MessageType.LOGIN)
            peer.send(MessageType.LOGIN)
            peer.say(MessageType.UTF8, "bob", b"hi")

        with ScriptedServer(script) as server, pytest.raises(ConnectError, match="no welcome"):
            connect(server.address, "alice", runtime=runtime)

    def test_a_server_that_keeps_the_welcome_to_itself(self, runtime: Runtime) -> None:
        def script(peer: Peer) -> None:
            peer.expect(MessageType.LOGIN)
            peer.send(MessageType.LOGIN)
            peer.wait_for_end()

        with ScriptedServer(script) as server, pytest.raises(ConnectError, match="too long"):
            connect(server.address, "alice", runtime=runtime, timeout=0.1)

    def test_broken_frames_are_told_and_skipped(self, runtime: Runtime) -> None:
        broken: list[tuple[int, bytes | dict[str, Any]]] = [
            (MessageType.UTF8, b'{"from'),
            (MessageType.UTF8, {"from": "bob"}),
            (MessageType.UTF8, {"from": 7, "timestamp": "now"}),
            (MessageType.FILE, b""),
            (MessageType.UTF8, {"from": "bob", "timestamp": "2026-02-31T00:00:00Z"}),
            (MessageType.BAD_LOGIN, {"from": "bob", "timestamp": "2026-02-01T00:00:00Z"}),
            (4711, {"from": "bob", "timestamp": "2026-02-01T00:00:00Z"}),
        ]

        def script(peer: Peer) -> None:
            peer.welcome()
            for type, header in broken:
                peer.send(type, header, b"content")
            peer.say(MessageType.UTF8, "bob", b"still here")
            peer.wait_for_end()

        with (
            ScriptedServer(script) as server,
            connect(server.address, "alice", runtime=runtime) as room,
        ):
            assert isinstance(room.read(), Welcome)
            events = [room.read() for _ in broken]
            assert all(
                isinstance(event, BadFrame) and event.problem.endswith(".") for event in events
            )
            assert isinstance(room.read(), Text)

    def test_the_end_of_the_server(self, runtime: Runtime) -> None:
        def script(peer: Peer) -> None:
            peer.welcome()
            peer.notice("shutting-down", "Back in a minute.")

        with (
            ScriptedServer(script) as server,
            connect(server.address, "alice", runtime=runtime) as room,
        ):
            assert isinstance(room.read(), Welcome)
            assert isinstance(room.read(), Notice)
            for _ in range(2):
                with pytest.raises(ConnectionLost, match=r"^Back in a minute\.$"):
                    room.read()
            with pytest.raises(ConnectionLost, match="Back in a minute"):
                room.send_text("too late")

    @pytest.mark.parametrize(
        ("end", "reason"),
        [
            (lambda peer: None, "The server closed the connection."),
            (lambda peer: peer.sock.sendall(b"\0"), "The connection ended inside a frame."),
            (Peer.reset, "Connection reset by peer."),
        ],
    )
    def test_other_ends(self, runtime: Runtime, end: Callable[[Peer], object], reason: str) -> None:
        with (
            ScriptedServer(lambda peer: (peer.welcome(), end(peer))) as server,
            connect(server.address, "alice", runtime=runtime) as room,
        ):
            with pytest.raises(ConnectionLost) as caught:
                list(room)
            assert str(caught.value) == reason


class TestSending:
    def test_answers_find_their_receipts(self, runtime: Runtime) -> None:
        def script(peer: Peer) -> None:
            peer.welcome()
            frames = [peer.expect(MessageType.UTF8) for _ in range(3)]
            assert [frame.content for frame in frames] == [b"one", b"two", "три".encode()]
            nonces = [frame.fields["nonce"] for frame in frames]
            assert frames[2].fields == {"to": "bob", "nonce": nonces[2]}
            peer.say(MessageType.UTF8, "alice", b"one", nonce=nonces[0])
            peer.notice("no-such-user", "Nobody.", nonce=nonces[2])
            peer.wait_for_end()

        with (
            ScriptedServer(script) as server,
            connect(server.address, "alice", runtime=runtime) as room,
        ):
            receipts = [
                room.send_text("one"),
                room.send_text("two"),
                room.send_text("три", to="bob"),
            ]
            assert room.unanswered() == receipts
            echo = read_until(room, lambda event: isinstance(event, Text))
            assert isinstance(echo, Text)
            assert echo.receipt is receipts[0]
            notice = read_until(room, lambda event: isinstance(event, Notice))
            assert isinstance(notice, Notice)
            assert notice.receipt is receipts[2]
            assert [r.status for r in receipts] == [Status.ACCEPTED, Status.WAITING, Status.REFUSED]
            assert room.unanswered() == [receipts[1]]
        assert receipts[1].status is Status.LOST
        assert room.unanswered() == [receipts[1]]

    def test_a_small_file_goes_along(self, runtime: Runtime, tmp_path: Path) -> None:
        def script(peer: Peer) -> None:
            peer.welcome()
            frame = peer.expect(MessageType.IMAGE)
            assert frame.content == b"\x89PNG"
            assert frame.fields["filename"] == "a.png"
            assert frame.fields["to"] == "bob"
            peer.wait_for_end()

        path = tmp_path / "a.png"
        path.write_bytes(b"\x89PNG")
        progress: list[tuple[int, int]] = []
        with (
            ScriptedServer(script) as server,
            connect(server.address, "alice", runtime=runtime) as room,
        ):
            room.send_file(
                path, kind=MessageType.IMAGE, to="bob", progress=lambda *p: progress.append(p)
            )
            room.close()
        assert progress == [(4, 4)]

    def test_refused_before_anything_is_sent(self, runtime: Runtime, tmp_path: Path) -> None:
        def script(peer: Peer) -> None:
            peer.welcome(limits={"max_text": 10, "max_file": 20})
            peer.expect(MessageType.LOGOUT)

        with (
            ScriptedServer(script) as server,
            connect(server.address, "alice", runtime=runtime) as room,
        ):
            with pytest.raises(NotSent, match="it has 11 bytes, and the limit is 10"):
                room.send_text("a" * 11)
            with pytest.raises(NotSent, match="empty"):
                room.send_text("")
            with pytest.raises(
                NotSent, match="'file' is too large: it has 21 bytes, and the limit is 20"
            ):
                room.send_file(io.BytesIO(bytes(21)))
            with pytest.raises(NotSent, match="No such file"):
                room.send_file(tmp_path / "nothing")
            with pytest.raises(ValueError, match="invalid kind"):
                room.send_file(io.BytesIO(b"x"), kind=MessageType.UTF8)
            assert room.unanswered() == []

    def test_many_senders_never_mix_their_frames(self, runtime: Runtime) -> None:
        senders, each = 8, 25

        def script(peer: Peer) -> None:
            peer.welcome()
            for _ in range(senders * each):
                frame = peer.expect(MessageType.UTF8)
                letter = frame.content[:1]
                assert frame.content == letter * 50_000
                peer.say(MessageType.UTF8, "alice", letter, nonce=frame.fields["nonce"])
            peer.wait_for_end()

        with (
            ScriptedServer(script) as server,
            connect(server.address, "alice", runtime=runtime) as room,
        ):

            def talk(letter: str) -> None:
                for _ in range(each):
                    room.send_text(letter * 50_000)

            tasks = [runtime.spawn(talk, chr(97 + n)) for n in range(senders)]
            assert isinstance(room.read(), Welcome)
            for _ in range(senders * each):
                event = room.read()
                assert isinstance(event, Text)
                assert event.receipt is not None
                assert event.receipt.text == event.text * 50_000
            for task in tasks:
                task.join(30)
            assert room.unanswered() == []

    def test_what_could_not_be_sent_is_not_unanswered(self, runtime: Runtime) -> None:
        """The answers to what was sent before can still be read."""
        broken = threading.Event()

        def script(peer: Peer) -> None:
            peer.welcome()
            frame = peer.expect(MessageType.UTF8)
            peer.say(MessageType.UTF8, "alice", b"one", nonce=frame.fields["nonce"])
            broken.wait(30)

        with (
            ScriptedServer(script) as server,
            connect(server.address, "alice", runtime=runtime) as room,
        ):
            receipt = room.send_text("one")
            while not room._link.stream.readable():
                runtime.pause()

            def fail(*_: object) -> None:
                raise BrokenPipeError(32, "Broken pipe")

            # The network cannot be made to fail exactly in this call.
            room._link.send = fail  # type: ignore[method-assign, assignment]
            with pytest.raises(ConnectionLost, match=r"^Broken pipe\.$"):
                room.send_text("two")
            with pytest.raises(ConnectionLost, match=r"^Broken pipe\.$"):
                room.send_text("three")
            with pytest.raises(ConnectionLost, match=r"^Broken pipe\.$"):
                list(room)
            broken.set()
            assert receipt.status is Status.ACCEPTED
            assert room.unanswered() == []

    def test_an_interrupted_sender_leaves_a_connection_of_no_use(self, runtime: Runtime) -> None:
        """Part of a frame may be out, so nothing may follow it."""
        with (
            ScriptedServer(keep_open) as server,
            connect(server.address, "alice", runtime=runtime) as room,
        ):

            def interrupt(*_: object) -> None:
                raise KeyboardInterrupt

            # No signal can be timed to arrive in this call.
            room._link.send = interrupt  # type: ignore[method-assign, assignment]
            with pytest.raises(KeyboardInterrupt):
                room.send_text("one")
            with pytest.raises(ConnectionLost, match="interrupted"):
                room.send_text("two")
            assert room.unanswered() == []


class TestClosing:
    def test_says_goodbye_and_reads_the_answers(self, runtime: Runtime) -> None:
        def script(peer: Peer) -> None:
            peer.welcome()
            frame = peer.expect(MessageType.UTF8)
            peer.expect(MessageType.LOGOUT)
            assert peer.read() is None
            peer.say(MessageType.UTF8, "alice", b"last words", nonce=frame.fields["nonce"])

        with (
            ScriptedServer(script) as server,
            connect(server.address, "alice", runtime=runtime) as room,
        ):
            receipt = room.send_text("last words")
        assert receipt.status is Status.ACCEPTED
        assert room.read() is None
        assert list(room) == []
        with pytest.raises(ConnectionLost, match="closed"):
            room.send_text("more")
        room.close()

    def test_from_another_task_ends_the_iteration(self, runtime: Runtime) -> None:
        with ScriptedServer(keep_open) as server:
            room = connect(server.address, "alice", runtime=runtime)
            events: list[Event] = []
            reader = runtime.spawn(lambda: events.extend(room))
            runtime.sleep(0.02)
            room.close()
            reader.join(30)
            assert [type(event) for event in events] == [Welcome]

    def test_who_reads_meanwhile_reads_to_the_end(self, runtime: Runtime) -> None:
        def script(peer: Peer) -> None:
            peer.welcome()
            peer.expect(MessageType.LOGOUT)
            for number in range(200):
                peer.say(MessageType.UTF8, "bob", b"%d" % number)

        with ScriptedServer(script) as server:
            room = connect(server.address, "alice", runtime=runtime)
            events: list[Event] = []
            reader = runtime.spawn(lambda: events.extend(room))
            runtime.sleep(0.02)
            room.close()
            reader.join(30)
            assert len(events) == 201

    def test_a_server_that_does_not_let_go(self, runtime: Runtime) -> None:
        over = threading.Event()
        with ScriptedServer(lambda peer: (peer.welcome(), over.wait(30))) as server:
            room = connect(server.address, "alice", runtime=runtime)
            reader = runtime.spawn(list, room)
            runtime.sleep(0.02)
            room.close(timeout=0.05)
            reader.join(30)
            alone = room.read()
            over.set()
            assert alone is None

    def test_a_server_that_takes_nothing_any_more(self, runtime: Runtime) -> None:
        over = threading.Event()

        def script(peer: Peer) -> None:
            peer.welcome()
            over.wait(30)

        with ScriptedServer(script) as server:
            room = connect(server.address, "alice", runtime=runtime)
            outcome: list[str] = []

            def talk() -> None:
                try:
                    while True:
                        room.send_text("x" * 60_000)
                except ConnectionLost as lost:
                    outcome.append(str(lost))

            sender = runtime.spawn(talk)
            runtime.sleep(0.2)
            room.close(timeout=0.05)
            sender.join(30)
            over.set()
        assert len(outcome) == 1
        assert room.unanswered() != []
