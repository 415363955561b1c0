"""The answers to one client come in the order of its frames, in whatever rooms they are; and all hear one order."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gevent
import pytest

from chat.protocol.descriptor import MessageType
from chat.server.log.log import Log, MemoryLog
from tests.peers.wire_client import WireFrame
from tests.server.late_log import LateLog, commit_at_random
from tests.server.membership.visitors import Visitor, come
from tests.server.server_in_test import TestServer, open_chat_server

FRAMES = 10_000
ROOMS = ("one", "two", "three")


def frames_of(
    alice: Visitor, rng: random.Random, count: int
) -> tuple[bytes, list[tuple[str, str | None]]]:
    """Frames of all kinds, with their nonces, and the code that answers each; None for an echo."""
    data, expected = [], []
    for number in range(count):
        nonce = f"n{number}"
        kinds: list[tuple[int, dict[str, Any], bytes, str | None]] = [
            *((7, {"room": room}, b"hi", None) for room in ROOMS),
            (7, {}, b"hi", None),
            (7, {"to": "bob"}, b"psst", None),
            (7, {"to": "nobody"}, b"psst", "no-such-user"),
            (7, {"room": "four"}, b"hi", "not-in-room"),
            (7, {"room": "nowhere"}, b"hi", "no-such-room"),
            (7, {"command": "ping"}, b"", "done"),
            (7, {"command": "names", "room": "two"}, b"", "done"),
            (8, {"room": "one", "filename": "a"}, b"content", None),
            (7, {"room": "one"}, b"\xff", "not-utf8"),
        ]
        type, header, content, code = rng.choices(kinds, [9, 9, 9, 9, 9, 1, 1, 1, 1, 1, 1, 1])[0]
        data.append(alice.encode(type, {**header, "nonce": nonce}, content))
        expected.append((nonce, code))
    return b"".join(data), expected


@pytest.mark.parametrize(("count", "is_late"), [(FRAMES, False), (FRAMES // 5, True)])
def test_answers_keep_the_order_of_their_frames(
    tmp_path: Path, count: int, *, is_late: bool
) -> None:
    rng = random.Random(5)
    logs: list[LateLog] = []

    def make_late(timestamp: Callable[[], str]) -> Log:
        logs.append(LateLog(timestamp))
        return logs[-1]

    options: dict[str, Any] = {"rate": None, "max_backlog": 1 << 30}
    with open_chat_server(tmp_path, make_late if is_late else MemoryLog, **options) as server:
        commits = [gevent.spawn(commit_at_random, log, rng) for log in logs]
        alice, bob = come(server, "alice"), come(server, "bob")
        bob.do("join", room="four")
        for room in ROOMS:
            alice.do("join", room=room)
            bob.do("join", room=room)
        data, expected = frames_of(alice, rng, count)
        heard = gevent.spawn(read_all, bob, "alice", sum(code is None for _, code in expected))
        sent = gevent.spawn(alice.send_bytes, data)
        answers: list[tuple[str, str | None]] = []
        own: list[WireFrame] = []
        while len(answers) < count:
            frame = alice.read_frame()
            if (nonce := frame.header.get("nonce")) is not None:
                answers.append((nonce, frame.header.get("notice")))
                own.append(frame)
        sent.get()
        assert answers == expected
        # Everyone hears one order, and each room counts its own messages.
        echoes = [frame for frame in own if "notice" not in frame.header]
        assert [f.header["nonce"] for f in heard.get()] == [f.header["nonce"] for f in echoes]
        seqs = defaultdict(list)
        for frame in echoes:
            seqs[frame.header.get("room"), frame.header.get("to")].append(frame.header["seq"])
        assert len(seqs) == len(ROOMS) + 2
        for numbers in seqs.values():
            assert numbers == list(range(1, len(numbers) + 1))
        gevent.killall(commits)


def read_all(visitor: Visitor, sender: str, count: int) -> list[WireFrame]:
    """Read until so many messages of ``sender`` have come."""
    messages: list[WireFrame] = []
    while len(messages) < count:
        frame = visitor.read_frame()
        if frame.sender == sender and frame.type in (MessageType.UTF8, MessageType.FILE):
            messages.append(frame)
    return messages


def test_all_hear_what_they_share_in_one_order(tmp_path: Path) -> None:
    """Any two users in several rooms hear their common messages in one order."""
    rng = random.Random(3)
    with open_chat_server(tmp_path, rate=None) as server:
        users = [come(server, f"user{number}") for number in range(6)]
        for user in users:
            for room in rng.sample(ROOMS, 2):
                user.do("join", room=room)
        for user in users:
            user.hear()
        talking = [gevent.spawn(talk, server, user, rng.randrange(1 << 30)) for user in users]
        gevent.joinall(talking, raise_error=True)
        orders = [
            [
                frame.text
                for frame in user.hear()
                if frame.type == MessageType.UTF8 and frame.sender != "server"
            ]
            for user in users
        ]
        for one in orders:
            places = {text: place for place, text in enumerate(one)}
            for other in orders:
                shared = [places[text] for text in other if text in places]
                assert shared == sorted(shared)


def talk(server: TestServer, user: Visitor, seed: int) -> None:
    """Say texts in rooms, to all and to others, and join and leave meanwhile."""
    rng = random.Random(seed)
    for number in range(150):
        text, room = f"{user.name} {number}".encode(), rng.choice((*ROOMS, None))
        what = rng.randrange(12)
        if what == 0:
            user.send(7, {"command": rng.choice(("join", "part")), "room": rng.choice(ROOMS)})
        elif what == 1:
            user.send(7, {"to": f"user{rng.randrange(6)}"}, text)
        else:
            user.send(7, None if room is None else {"room": room}, text)
        if not number % 7:
            gevent.sleep(0)
