"""A log that commits late: answers come in the order of their frames, and no more of them wait than is allowed."""

from __future__ import annotations

import random
from collections.abc import Callable

import gevent
import pytest

from chat.protocol.descriptor import MessageType
from chat.server.sessions.answers import MAX_OPEN
from tests.peers.wire_client import WireClient
from tests.server.late_log import LateLog
from tests.server.server_in_test import TestServer
from tests.tiers import quick_first

UTF8 = MessageType.UTF8
K = 1024
# Frames that are said, refused at once, refused when they are applied, or done as a command. Each has the notice that
# answers it, or "" for the echo.
FRAMES: list[tuple[dict[str, object], bytes, str]] = [
    ({}, b"text", ""),
    ({}, b"text", ""),
    ({"to": "bob"}, b"psst", ""),
    ({"to": "nobody"}, b"psst", "no-such-user"),
    ({}, b"", "empty"),
    ({}, b"\xff", "not-utf8"),
    ({"to": 1}, b"text", "bad-header"),
    ({"fetch": "x"}, b"text", "bad-header"),
    ({"command": "ping"}, b"", "done"),
    ({"command": "bans"}, b"", "not-allowed"),
]


@pytest.mark.parametrize(
    ("seed", "count"),
    quick_first([*((seed, 150) for seed in range(7)), (7, 10_000)], "many frames", quick=7),
)
def test_answers_come_in_the_order_of_frames_whenever_the_log_commits(
    open_a_chat_server: Callable[..., TestServer], seed: int, count: int
) -> None:
    """The kinds of the answers are right, too, and what waits of each user stays bounded."""
    rng = random.Random(seed)
    chat_server = open_a_chat_server(make_log=LateLog, rate=None, byte_rate=None)
    log = chat_server.parts.log
    assert isinstance(log, LateLog)
    guests = [chat_server.join(name) for name in ("alice", "bob", "carol")]
    for number, guest in enumerate(guests):
        for other in guests[number + 1 :]:
            guest.expect_joined(other.name)
    expected: dict[str, list[tuple[str, str]]] = {guest.name: [] for guest in guests}
    frames: dict[str, list[bytes]] = {guest.name: [] for guest in guests}
    for number in range(count):
        guest = rng.choice(guests)
        # A command is read no further than its turn, so with commands the limit would not be reached.
        header, content, answer = rng.choice(FRAMES if count < 1000 else FRAMES[:-1])
        nonce = f"{guest.name}-{number}"
        frames[guest.name].append(guest.encode(UTF8, {**header, "nonce": nonce}, content))
        expected[guest.name].append((nonce, answer))
    watch = OpenBytes(chat_server)
    committing = gevent.spawn(commit_and_watch, log, rng, watch, count // 500 + 5)
    sending = [gevent.spawn(send_in_bursts, each, frames[each.name], rng) for each in guests]
    reading = {each.name: gevent.spawn(answers_to, each, expected[each.name]) for each in guests}
    try:
        for name, task in reading.items():
            assert task.get(timeout=60) == expected[name]
        gevent.joinall(sending, raise_error=True)
    finally:
        committing.kill()
        log.commit()
    assert watch.most <= MAX_OPEN + 64 * K
    if count > 1000:
        assert watch.most > MAX_OPEN * 0.9, "the limit was reached"


class OpenBytes:
    """The most that waited of one user at any look."""

    def __init__(self, chat_server: TestServer) -> None:
        self._chat_server = chat_server
        self.most = 0

    def look(self) -> None:
        for name in self._chat_server.here():
            queue = self._chat_server.session(name)._answers  # the queue has no public name
            self.most = max(self.most, queue._open_bytes if queue is not None else 0)


def commit_and_watch(log: LateLog, rng: random.Random, watch: OpenBytes, most: int) -> None:
    """Commit up to ``most`` records at a time, after random pauses, until killed."""
    while True:
        gevent.sleep(rng.choice((0, 0, 0.0005, 0.003)))
        watch.look()
        log.commit(rng.randint(1, most))


def send_in_bursts(guest: WireClient, frames: list[bytes], rng: random.Random) -> None:
    start = 0
    while start < len(frames):
        end = start + rng.choice((1, 1, 3, 40, 400))
        guest.send_bytes(b"".join(frames[start:end]))
        start = end
        gevent.sleep(0)


def answers_to(guest: WireClient, expected: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """The nonces and notices of the answers to the guest's own frames, in their order, up to the last one."""
    answers: list[tuple[str, str]] = []
    while expected and expected[-1][0] not in (nonce for nonce, _ in answers[-1:]):
        frame = guest.read_frame()
        nonce = frame.header.get("nonce", "")
        # What another guest said bears their nonce.
        if nonce.startswith(guest.name):
            answers.append((nonce, frame.header.get("notice", "")))
    return answers
