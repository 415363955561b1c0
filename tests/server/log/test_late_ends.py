"""Sessions and transfers that end while the log has not committed their messages: they wait for nobody."""

from __future__ import annotations

import random
from collections.abc import Callable

import gevent
import pytest

from chat.protocol.descriptor import MessageType
from chat.protocol.notices import LeaveReason, NoticeCode
from chat.server.sessions import answers
from tests.peers.wire_client import WireClient
from tests.server.fakes import wait_until
from tests.server.late_log import LateLog, commit_at_random
from tests.server.server_in_test import TestServer

UTF8, FILE = MessageType.UTF8, MessageType.FILE
K = 1024


@pytest.fixture
def late_chat_server(open_a_chat_server: Callable[..., TestServer]) -> TestServer:
    return open_a_chat_server(make_log=LateLog, rate=None, byte_rate=None)


def log_of(chat_server: TestServer) -> LateLog:
    log = chat_server.parts.log
    assert isinstance(log, LateLog)
    return log


def say(chat_server: TestServer, client: WireClient, text: str = "text") -> None:
    """Say a text, which waits for its commit when this returns."""
    client.say(text)
    wait_until(lambda: log_of(chat_server).waiting, "the text to be appended")


def test_a_user_who_resets_the_connection_leaves_at_once(late_chat_server: TestServer) -> None:
    alice = late_chat_server.join("alice")
    say(late_chat_server, alice)
    alice.reset()
    late_chat_server.connections_end()
    late_chat_server.join("alice")


def test_a_session_whose_answers_are_many_ends_with_its_connection(
    late_chat_server: TestServer,
) -> None:
    alice = late_chat_server.join("alice")
    texts = b"".join(alice.encode(UTF8, None, b"x" * 60 * K) for _ in range(20))
    sending = gevent.spawn(alice.send_bytes, texts)
    log, session = log_of(late_chat_server), late_chat_server.session("alice")
    wait_until(lambda: log.waiting_bytes > answers.MAX_OPEN, "the texts")
    session.send_queue.fail(LeaveReason.TOO_SLOW)
    late_chat_server.connections_end()
    sending.kill()


def test_a_transfer_ends_with_its_session(late_chat_server: TestServer) -> None:
    alice = late_chat_server.join("alice")
    transfer = late_chat_server.transfer(alice)
    transfer.send(FILE, {"nonce": "1"}, b"x" * 200 * K)
    wait_until(lambda: log_of(late_chat_server).waiting, "the file to be appended")
    late_chat_server.session("alice").eject(LeaveReason.KICKED, NoticeCode.MODERATED, "Kicked.")
    late_chat_server.connections_end()
    log_of(late_chat_server).commit()


@pytest.mark.parametrize("by_transfer", [False, True])
def test_a_user_whose_message_waits_is_told_so(
    late_chat_server: TestServer, monkeypatch: pytest.MonkeyPatch, by_transfer: bool
) -> None:
    monkeypatch.setattr(answers, "_LOOK", 0.01)
    monkeypatch.setattr("chat.server.sessions.transfer.REMINDER", 0.05)
    alice, raw = late_chat_server.join("alice"), late_chat_server.join("raw", raw=True)
    alice.expect_joined("raw")
    if by_transfer:
        late_chat_server.transfer(alice).send(FILE, {"nonce": "1"}, b"content")
        wait_until(lambda: log_of(late_chat_server).waiting, "the file to be appended")
    else:
        say(late_chat_server, alice)
        raw.say("raw")
    alice.expect_notice("waiting")
    alice.expect_notice("waiting")
    log_of(late_chat_server).commit()
    frames = [alice.read_frame()]
    while "notice" in frames[-1].header:
        frames.append(alice.read_frame())
    # Raw clients cannot tell a notice from a text.
    assert raw.read_frame().content == frames[-1].content
    # The next message does not inherit the wait.
    committing = gevent.spawn(commit_at_random, log_of(late_chat_server), random.Random(1))
    gevent.sleep(0.1)
    committing.kill()
    alice.send(UTF8, {"command": "ping", "nonce": "end"})
    while (frame := alice.read_frame()).header.get("nonce") != "end":
        assert frame.header.get("notice") != "waiting"


def test_thousands_of_answers_come_in_the_order_of_their_frames(
    late_chat_server: TestServer,
) -> None:
    rng = random.Random(11)
    alice, bob = late_chat_server.join("alice"), late_chat_server.join("bob")
    alice.expect_joined("bob")
    kinds: list[tuple[dict[str, object], bytes]] = [
        ({}, b"text"),
        ({"to": "bob"}, b"psst"),
        ({"to": "nobody"}, b"psst"),
        ({}, b""),
        ({"to": 1}, b"text"),
        ({"command": "ping"}, b""),
        ({"command": "bans"}, b""),
    ]
    frames = []
    for number in range(4000):
        header, content = rng.choice(kinds)
        frames.append(alice.encode(UTF8, {**header, "nonce": str(number)}, content))
    sending = gevent.spawn(alice.send_bytes, b"".join(frames))
    reading = gevent.spawn(_read_all, bob, 4000)
    committing = gevent.spawn(_commit_in_batches, log_of(late_chat_server), rng)
    nonces: list[int] = []
    while len(nonces) < 4000:
        frame = alice.read_frame()
        if "nonce" in frame.header:
            nonces.append(int(frame.header["nonce"]))
    committing.kill()
    reading.kill()
    sending.join()
    assert nonces == list(range(4000))


def _read_all(client: WireClient, count: int) -> None:
    for _ in range(count):
        client.read_frame()


def _commit_in_batches(log: LateLog, rng: random.Random) -> None:
    while True:
        gevent.sleep(rng.choice((0.001, 0.001, 0.004)))
        log.commit(rng.randint(1, 400))
