from __future__ import annotations

import os
import select
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import gevent
import gevent.select
import pytest

from chat.client.runtime import happy_eyeballs
from chat.client.runtime.gevent_runtime import GEVENT
from chat.client.runtime.happy_eyeballs import (
    MAX_ADDRESSES,
    AllFailed,
    Cancelled,
    Means,
    Route,
    Target,
    interleave,
)
from chat.client.runtime.runtime import PLAIN, Runtime
from tests.client.runtimes import with_both_runtimes
from tests.peers.addresses import (
    GOOD,
    GOOD_6,
    NAME,
    OTHER_GOOD,
    OTHER_SILENT,
    REFUSING,
    SILENT,
    Listener,
    Resolver,
    silence_at,
)

LONG = 40.0  # seconds: what waits for this is not what it should be


@pytest.fixture
def good() -> Iterator[Listener]:
    listener = Listener(GOOD)
    yield listener
    listener.close()


@pytest.fixture
def port(good: Listener) -> int:
    return good.port


@pytest.fixture(autouse=True)
def no_socket_is_left() -> Iterator[None]:
    gevent.sleep(0)  # the loop has what it needs
    before = open_sockets()
    yield
    assert open_sockets() <= before


def open_sockets() -> int:
    count = 0
    for link in Path("/proc/self/fd").iterdir():
        with suppress(FileNotFoundError):  # what the listing itself had open
            count += str(link.readlink()).startswith("socket:")
    return count


def means(runtime: Runtime, resolve: Callable[..., Any]) -> Means:
    poll = select.poll if runtime is PLAIN else gevent.select.poll
    return Means(resolve, poll, runtime.event, runtime.spawn)


def connect(
    runtime: Runtime,
    resolve: Callable[..., Any],
    port: int,
    route: Route | None = None,
    timeout: float = LONG,
    is_cancelled: Callable[[], bool] = lambda: False,
    host: str = NAME,
) -> str:
    """The address of the winner."""
    ways = means(runtime, resolve)
    sock = happy_eyeballs.connect(host, port, timeout, ways, route, is_cancelled)
    with sock:
        return str(sock.getpeername()[0])


def strange_and(host: str, port: int) -> Callable[..., Any]:
    """A resolver that finds an address of a family that the system lacks, and ``host``."""
    return lambda *_, **__: [
        (family, 0, 0, "", (name, port)) for family, name in ((999, "far"), (socket.AF_INET, host))
    ]


V6 = [Target(socket.AF_INET6, (name,)) for name in "abc"]
V4 = [Target(socket.AF_INET, (name,)) for name in "xyz"]


@pytest.mark.parametrize(
    ("found", "order"),
    [
        ([*V6, *V4], "axbycz"),
        ([V4[0], *V6], "xabc"),
        ([*V4, V6[0]], "xayz"),
        (V4, "xyz"),
        ([], ""),
    ],
)
def test_the_families_take_turns(found: list[Target], order: str) -> None:
    assert "".join(map(str, interleave(found))) == order


@with_both_runtimes
class TestSeveralAddresses:
    def test_a_silent_first_one_holds_nobody_up(self, runtime: Runtime, port: int) -> None:
        begun = time.monotonic()
        with silence_at(port, SILENT):
            assert connect(runtime, Resolver(SILENT, GOOD), port) == GOOD
        assert time.monotonic() - begun < LONG / 2, "it waited for the first one's end"

    def test_silence_on_ipv4_leads_to_ipv6(self, runtime: Runtime) -> None:
        try:
            listener = Listener(GOOD_6)
        except OSError:
            pytest.skip("there is no IPv6 here")
        with silence_at(listener.port, SILENT, OTHER_SILENT):
            resolver = Resolver(SILENT, OTHER_SILENT, GOOD_6)
            assert connect(runtime, resolver, listener.port) == GOOD_6
        listener.close()

    def test_a_refusal_starts_the_next_at_once(
        self, runtime: Runtime, port: int, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(happy_eyeballs, "ATTEMPT_DELAY", 2 * LONG)
        assert connect(runtime, Resolver(REFUSING, GOOD), port) == GOOD

    def test_so_does_one_while_an_earlier_one_is_silent(
        self, runtime: Runtime, port: int, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        ways = means(runtime, Resolver(SILENT, REFUSING, GOOD))

        def poll() -> Any:
            """The first runs, and its successor starts soon; only a failure makes a third one start in time."""
            monkeypatch.setattr(happy_eyeballs, "ATTEMPT_DELAY", 2 * LONG)
            return ways.poll()

        with silence_at(port, SILENT):
            sock = happy_eyeballs.connect(NAME, port, LONG, ways._replace(poll=poll))
            with sock:
                assert sock.getpeername()[0] == GOOD

    def test_so_does_a_family_that_the_system_lacks(
        self, runtime: Runtime, port: int, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(happy_eyeballs, "ATTEMPT_DELAY", 2 * LONG)

        assert connect(runtime, strange_and(GOOD, port), port) == GOOD

    def test_a_slow_one_may_still_win(self, runtime: Runtime, port: int) -> None:
        """The kernel asks again after a second, and then it is answered."""
        with silence_at(port, SILENT, OTHER_SILENT) as (first, _):
            timer = threading.Timer(0.5, first.wake)
            timer.start()
            assert connect(runtime, Resolver(SILENT, OTHER_SILENT), port) == SILENT
            timer.join()

    def test_when_all_fail_each_is_named(self, runtime: Runtime, port: int) -> None:
        with silence_at(port, SILENT, OTHER_SILENT), pytest.raises(AllFailed) as caught:
            connect(runtime, Resolver(SILENT, REFUSING, OTHER_SILENT), port, timeout=0.6)
        assert caught.value.strerror is not None
        refused, silent, other = caught.value.strerror.split("; ")
        assert refused == f"{REFUSING}: Connection refused"
        assert silent.startswith(f"{SILENT}: no answer in 0.")
        assert other.startswith(f"{OTHER_SILENT}: no answer in 0.")

    def test_after_a_refusal_silence_is_not_waited_for_to_the_end(
        self, runtime: Runtime, port: int, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(happy_eyeballs, "AFTER_REFUSAL", 0.3)
        begun = time.monotonic()
        with silence_at(port, SILENT, OTHER_SILENT), pytest.raises(AllFailed):
            connect(runtime, Resolver(SILENT, REFUSING, OTHER_SILENT), port)
        assert time.monotonic() - begun < LONG / 2, "it waited for the silent ones"

    def test_but_nothing_follows_from_what_never_left_this_machine(
        self, runtime: Runtime, port: int, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(happy_eyeballs, "AFTER_REFUSAL", 0.0)

        begun = time.monotonic()
        with silence_at(port, SILENT), pytest.raises(AllFailed, match=r"far: .*not supported"):
            connect(runtime, strange_and(SILENT, port), port, timeout=1.0)
        assert time.monotonic() - begun >= 1.0, "the silent one had less time"

    def test_those_that_had_no_turn_are_counted(self, runtime: Runtime, port: int) -> None:
        with silence_at(port, SILENT), pytest.raises(AllFailed, match=r"no answer.*; and 1 more$"):
            connect(runtime, Resolver(REFUSING, SILENT, GOOD), port, timeout=0.1)

    def test_the_only_one_is_silent(self, runtime: Runtime, port: int) -> None:
        with silence_at(port, SILENT), pytest.raises(TimeoutError):
            connect(runtime, Resolver(SILENT), port, timeout=0.1)

    def test_the_only_one_refuses(self, runtime: Runtime, port: int) -> None:
        with pytest.raises(ConnectionRefusedError):
            connect(runtime, Resolver(REFUSING), port)

    def test_a_name_with_very_many(self, runtime: Runtime, port: int) -> None:
        resolver = Resolver(*(f"127.0.1.{n}" for n in range(1, 100)))
        with pytest.raises(AllFailed) as caught:
            connect(runtime, resolver, port)
        assert str(caught.value).count("refused") == MAX_ADDRESSES


@with_both_runtimes
class TestWhatWorked:
    def test_it_is_tried_first_and_without_a_look_up(
        self, runtime: Runtime, port: int, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        route, resolver = Route(), Resolver(SILENT, GOOD)
        with silence_at(port, SILENT):
            assert connect(runtime, resolver, port, route) == GOOD
            monkeypatch.setattr(happy_eyeballs, "ATTEMPT_DELAY", 2 * LONG)
            for _ in range(3):
                assert connect(runtime, resolver, port, route) == GOOD
        assert resolver.asked == 1

    def test_it_is_forgotten_when_it_refuses(
        self, runtime: Runtime, good: Listener, port: int
    ) -> None:
        route, resolver = Route(), Resolver(GOOD)
        connect(runtime, resolver, port, route)
        good.close()
        moved = Listener(OTHER_GOOD, port)
        resolver.hosts = (GOOD, OTHER_GOOD)
        assert connect(runtime, resolver, port, route) == OTHER_GOOD
        assert str(route.known) == OTHER_GOOD
        assert resolver.asked == 2
        moved.close()

    def test_it_is_not_waited_for_when_it_falls_silent(
        self, runtime: Runtime, good: Listener, port: int
    ) -> None:
        route, resolver = Route(), Resolver(GOOD, OTHER_GOOD)
        connect(runtime, resolver, port, route)
        good.close()
        other = Listener(OTHER_GOOD, port)
        with silence_at(port, GOOD):
            assert connect(runtime, resolver, port, route) == OTHER_GOOD
        assert str(route.known) == OTHER_GOOD
        other.close()

    def test_it_is_forgotten_when_nobody_answers_any_more(
        self, runtime: Runtime, good: Listener, port: int
    ) -> None:
        route = Route()
        connect(runtime, Resolver(GOOD), port, route)
        good.close()
        with silence_at(port, GOOD), pytest.raises(TimeoutError):
            connect(runtime, Resolver(GOOD), port, route, timeout=0.1)
        assert route.known is None

    def test_it_still_does_when_names_are_not_found_any_more(
        self, runtime: Runtime, port: int
    ) -> None:
        route = Route()
        connect(runtime, Resolver(GOOD), port, route)

        def offline(*_: Any, **__: Any) -> Any:
            raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")

        assert connect(runtime, offline, port, route) == GOOD

    def test_neither_it_nor_another_is_found(
        self, runtime: Runtime, good: Listener, port: int
    ) -> None:
        route = Route()
        connect(runtime, Resolver(GOOD), port, route)
        good.close()
        for answer in (Resolver(), Resolver(GOOD)):
            route.known = Target(socket.AF_INET, (GOOD, port))
            with pytest.raises(ConnectionRefusedError):
                connect(runtime, answer, port, route)
            assert route.known is None


class Stuck:
    """A resolver that answers once it is let to, in a thread as the system's does."""

    def __init__(self, *hosts: str) -> None:
        self.resolver = Resolver(*hosts)
        self.released = threading.Event()
        self.is_asked = threading.Event()
        self.asked = 0

    def __call__(self, *arguments: Any, **named: Any) -> Any:
        self.asked += 1
        self.is_asked.set()
        if gevent.getcurrent().parent is None:
            self.released.wait(LONG)  # a thread, which has no loop
        else:
            gevent.get_hub().threadpool.apply(self.released.wait, (LONG,))
        return self.resolver(*arguments, **named)


@with_both_runtimes
class TestTheLookUp:
    def test_it_is_bounded_and_shared(self, runtime: Runtime, port: int) -> None:
        stuck, route = Stuck(GOOD), Route()
        for _ in range(3):
            with pytest.raises(AllFailed, match=r"look-up of the name got no answer in \d\.\d s"):
                connect(runtime, stuck, port, route, timeout=0.1)
        assert stuck.asked == 1
        stuck.released.set()
        assert connect(runtime, stuck, port, route) == GOOD

    def test_others_run_meanwhile(self, runtime: Runtime, port: int) -> None:
        stuck = Stuck(GOOD)
        releasing = runtime.spawn(stuck.released.set)
        assert connect(runtime, stuck, port) == GOOD
        releasing.join(LONG)

    @pytest.mark.parametrize(
        "error",
        [
            socket.gaierror(socket.EAI_NONAME, "Name or service not known"),
            UnicodeError("label too long"),
        ],
    )
    def test_what_goes_wrong_is_raised_here(
        self, runtime: Runtime, port: int, error: Exception
    ) -> None:
        def fail(*_: Any, **__: Any) -> Any:
            raise error

        with pytest.raises(type(error), match=str(error.args[-1])):
            connect(runtime, fail, port)

    def test_a_name_without_an_address(self, runtime: Runtime, port: int) -> None:
        with pytest.raises(AllFailed, match="no address"):
            connect(runtime, Resolver(), port)

    def test_an_address_takes_none(self, runtime: Runtime, port: int) -> None:
        resolver = Resolver()
        assert connect(runtime, resolver, port, host=GOOD) == GOOD
        assert not resolver.asked


@with_both_runtimes
class TestCallingOff:
    def test_while_all_are_silent(self, runtime: Runtime, port: int) -> None:
        resolver = Resolver(SILENT, OTHER_SILENT)
        with silence_at(port, SILENT, OTHER_SILENT), pytest.raises(Cancelled):
            connect(runtime, resolver, port, is_cancelled=lambda: bool(resolver.asked))

    def test_while_the_name_is_looked_up(self, runtime: Runtime, port: int) -> None:
        stuck = Stuck(GOOD)
        with pytest.raises(Cancelled):
            connect(runtime, stuck, port, is_cancelled=stuck.is_asked.is_set)
        stuck.released.set()


def test_ctrl_c_closes_all_attempts(port: int) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGUSR1, interrupt)
    try:
        with silence_at(port, SILENT, OTHER_SILENT):
            timer = threading.Timer(0.4, os.kill, (os.getpid(), signal.SIGUSR1))
            timer.start()
            with pytest.raises(KeyboardInterrupt):
                connect(PLAIN, Resolver(SILENT, OTHER_SILENT), port)
            timer.join()
    finally:
        signal.signal(signal.SIGUSR1, before)


@pytest.mark.parametrize("is_stuck", [True, False])
def test_a_killed_greenlet_closes_all_attempts(port: int, is_stuck: bool) -> None:
    stuck = Stuck(SILENT, OTHER_SILENT)
    if not is_stuck:
        stuck.released.set()
    with silence_at(port, SILENT, OTHER_SILENT):
        task = gevent.spawn(connect, GEVENT, stuck, port)
        with gevent.Timeout(LONG):
            while not stuck.is_asked.is_set():
                gevent.sleep(0.001)
        gevent.sleep(0)
        task.kill(timeout=LONG)
        assert task.dead
        stuck.released.set()
