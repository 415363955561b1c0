"""A connection whose server falls silent, freezes or does not know pings: the library, in both runtimes."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from chat.client import (
    Connection,
    ConnectionLost,
    MessageType,
    Notice,
    Status,
    Text,
    Welcome,
    connect,
)
from chat.client.connection.connect import connect_through
from chat.client.connection.events import Event
from chat.client.connection.liveness import Silence
from chat.client.runtime.runtime import Pulse, Runtime
from chat.client.trust.connector import Connector, TrustPolicy
from chat.net.address import parse_address
from chat.protocol.commands import Command, Verb
from tests.client.runtimes import with_both_runtimes
from tests.peers.scripted_server import Peer, ScriptedServer

pytestmark = with_both_runtimes

HASTE = Silence(ping_after=0.05, give_up_after=10.0, lag_from=0.02, look_every=0.01)
IMPATIENCE = HASTE._replace(give_up_after=0.1)


def enter(
    server: ScriptedServer, runtime: Runtime, silence: Silence = HASTE, *, ping: bool = True
) -> Connection:
    connector = Connector(runtime, parse_address(server.address), TrustPolicy(tls="off"))
    return connect_through(connector, "alice", ping=ping, silence=silence)


def wait_for_looks(room: Connection, runtime: Runtime, count: int = 30) -> None:
    """Wait until the connection has been looked at ``count`` times."""
    # No public name tells of a look that found nothing to do.
    stream = room._link.stream
    look, looks = stream.pulse, [0]

    def counted() -> Pulse:
        looks[0] += 1
        return look()

    stream.pulse = counted  # type: ignore[method-assign]
    while looks[0] < count:
        runtime.sleep(0.001)


def pinged(peer: Peer) -> str:
    """Wait for a ping; its nonce."""
    fields = peer.expect(MessageType.UTF8).fields
    assert fields.pop("command") == "ping"
    nonce = fields.pop("nonce")
    assert fields == {}
    return str(nonce)


def answers_done(peer: Peer) -> None:
    peer.notice("done", "The server is here.", nonce=pinged(peer))


def answers_bad_command(peer: Peer) -> None:
    """Answer a ping as a server of ours does that is older than pings."""
    peer.notice("bad-command", "Unknown command; expected one of: ping.", nonce=pinged(peer))


def answers_empty(peer: Peer) -> None:
    """Answer a ping as a server does that is older than commands."""
    peer.notice("empty", "A text must not be empty.", nonce=pinged(peer))


@pytest.mark.parametrize("answer", [answers_done, answers_bad_command, answers_empty])
def test_the_answer_to_a_ping_is_shown_to_nobody(
    runtime: Runtime, answer: Callable[[Peer], None]
) -> None:
    def script(peer: Peer) -> None:
        peer.welcome()
        for _ in range(3):
            answer(peer)
        peer.say(MessageType.UTF8, "bob", b"hi")
        peer.wait_for_end()

    with ScriptedServer(script) as server, enter(server, runtime) as room:
        assert isinstance(room.read(), Welcome)
        assert isinstance(room.read(), Text)
        assert room.unanswered() == []


def test_a_ping_of_the_user_is_answered_to_the_user(runtime: Runtime) -> None:
    def script(peer: Peer) -> None:
        peer.welcome()
        answers_done(peer)
        peer.wait_for_end()

    with (
        ScriptedServer(script) as server,
        connect(server.address, "alice", runtime=runtime) as room,
    ):
        receipt = room.command(Command(Verb.PING.value))
        assert room.unanswered() == [receipt]
        assert isinstance(room.read(), Welcome)
        assert isinstance(room.read(), Notice)
        assert (receipt.status, receipt.answer) == (Status.ACCEPTED, "The server is here.")


@contextmanager
def frozen_server(runtime: Runtime) -> Iterator[Connection]:
    """A connection to a server that welcomes the client, and then reads and sends nothing."""
    thawed = threading.Event()

    def script(peer: Peer) -> None:
        peer.welcome()
        thawed.wait(30)

    silence = HASTE._replace(give_up_after=0.3)
    with ScriptedServer(script) as server, enter(server, runtime, silence) as room:
        try:
            assert isinstance(room.read(), Welcome)
            yield room
        finally:
            thawed.set()


def test_a_server_that_freezes_is_given_up(runtime: Runtime) -> None:
    with frozen_server(runtime) as room:
        receipt = room.send_text("are you there?")
        with pytest.raises(ConnectionLost, match=r"^The server has sent nothing for 0 s\.$"):
            room.read()
        assert (receipt.status, room.unanswered()) == (Status.LOST, [receipt])
        with pytest.raises(ConnectionLost, match="sent nothing"):
            room.send_text("and now?")


def flood(room: Connection) -> None:
    while True:
        room.send_text("x" * 60_000)


def test_a_sender_to_a_frozen_server_is_woken_as_well(runtime: Runtime) -> None:
    """The server's kernel takes nothing more, so the ping waits, too; nobody reads."""
    with frozen_server(runtime) as room, pytest.raises(ConnectionLost, match="sent nothing"):
        flood(room)


def test_the_lag_is_there_for_whoever_asks(runtime: Runtime) -> None:
    seen = threading.Event()

    def script(peer: Peer) -> None:
        peer.welcome()
        nonce = pinged(peer)
        seen.wait(30)
        peer.notice("done", "The server is here.", nonce=nonce)
        peer.wait_for_end()

    events: list[Event | None] = []
    with ScriptedServer(script) as server, enter(server, runtime) as room:
        assert isinstance(room.read(), Welcome)
        reader = runtime.spawn(lambda: events.append(room.read()))
        while not room.lag:
            runtime.sleep(0.001)
        seen.set()
        while room.lag:
            runtime.sleep(0.001)
        room.close()
        reader.join(30)
    assert events == [None]


def test_an_original_server_is_never_pinged_and_may_be_silent(runtime: Runtime) -> None:
    def refuse(peer: Peer) -> None:
        peer.expect(MessageType.LOGIN)
        peer.sock.sendall(b"\x05\x00" + bytes(14))

    def original(peer: Peer) -> None:
        peer.welcome_raw()
        frame = peer.read()
        assert frame is not None
        assert (frame.header, frame.content) == (b"", b"the first thing that is heard")
        peer.wait_for_end()

    with (
        ScriptedServer(refuse, original) as server,
        enter(server, runtime, IMPATIENCE) as room,
    ):
        assert room.original
        assert isinstance(room.read(), Welcome)
        wait_for_looks(room, runtime)
        room.send_text("the first thing that is heard")


def test_without_pings_a_server_may_be_silent(runtime: Runtime) -> None:
    def script(peer: Peer) -> None:
        peer.welcome()
        frame = peer.expect(MessageType.UTF8)
        assert frame.content == b"hello"
        peer.wait_for_end()

    with (
        ScriptedServer(script) as server,
        enter(server, runtime, IMPATIENCE, ping=False) as room,
    ):
        wait_for_looks(room, runtime)
        room.send_text("hello")
        assert room.lag == 0.0
