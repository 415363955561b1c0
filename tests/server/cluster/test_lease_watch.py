"""The look at the lease comes before everything that the event loop reports."""

from __future__ import annotations

import os
import time

import gevent
from gevent import socket

from chat.server.cluster.lease_watch import LeaseWatch


def test_the_look_comes_before_input_timers_and_what_was_begun() -> None:
    done: list[str] = []
    ours, theirs = socket.socketpair()

    def read() -> None:
        ours.recv(1)
        done.append("input")

    loop = gevent.get_hub().loop
    reading = gevent.spawn(read)
    timer = loop.timer(0.01)
    gevent.sleep(0)
    timer.start(lambda: done.append("timer"))
    watch = LeaseWatch(lambda: done.append("look"))
    try:
        # The loop stands still, as that of a stopped process does, while a byte comes and the timer falls due.
        os.write(theirs.fileno(), b"x")
        time.sleep(0.02)
        reading.join()
        gevent.sleep(0.01)
    finally:
        watch.stop()
        timer.close()
    assert done[0] == "look"
    assert {"input", "timer"} <= set(done)
    ours.close()
    theirs.close()


def test_it_ends() -> None:
    looks: list[int] = []
    watch = LeaseWatch(lambda: looks.append(1))
    gevent.sleep(0.001)
    assert looks
    watch.stop()
    count = len(looks)
    gevent.sleep(0.001)
    assert len(looks) == count
