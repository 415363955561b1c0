"""A task that never has to wait still lets the event loop look at its sockets, again and again."""

from __future__ import annotations

import gevent
from gevent import socket

from chat.process.fairness import yield_to_loop


def test_a_message_is_received_while_two_give_each_other_way_and_go_on() -> None:
    ours, theirs = socket.socketpair()
    turns = 0

    def go_on() -> None:
        nonlocal turns
        while True:
            turns += 1
            yield_to_loop()

    busy = [gevent.spawn(go_on) for _ in range(2)]
    try:
        gevent.sleep(0.001)
        before = turns
        theirs.sendall(b"x")
        socket.wait_read(ours.fileno())
        assert turns - before <= 4
    finally:
        gevent.killall(busy)
        ours.close()
        theirs.close()


def test_one_who_is_killed_meanwhile_holds_up_nobody() -> None:
    ended: list[str] = []

    def wait(name: str) -> None:
        yield_to_loop()
        ended.append(name)

    waiting = [gevent.spawn(wait, name) for name in ("alice", "bob", "carol")]
    gevent.sleep(0)
    waiting[1].kill()
    gevent.joinall(waiting, timeout=30)

    assert ended == ["alice", "carol"]
    yield_to_loop()
