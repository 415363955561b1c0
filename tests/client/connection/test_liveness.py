"""When a server is asked for a sign of life, and when it is given up."""

from __future__ import annotations

import time

import pytest

from chat.client.connection.link import Link
from chat.client.connection.liveness import SILENCE, Liveness, uptime
from chat.client.runtime.runtime import PLAIN, Pulse, Task
from chat.protocol.descriptor import ByteOrder
from tests.client.connection.test_link import SlowStream
from tests.server.fakes import FakeClock


class Line(SlowStream):
    """A connection whose signs of life the test makes."""

    def __init__(self) -> None:
        super().__init__(1e9)
        self.signs = Pulse(100, False, False)

    def pulse(self) -> Pulse:
        return self.signs


class AtOnce:
    """A runtime in which what is spawned has run already."""

    def spawn(self, function: object, *arguments: object) -> Task:
        assert callable(function)
        function(*arguments)
        return PLAIN.spawn(int)

    def __getattr__(self, name: str) -> object:
        return getattr(PLAIN, name)


class Watched:
    def __init__(self, *, pings: bool = True) -> None:
        self.clock = FakeClock()
        self.line = Line()
        self.link = Link(self.line, ByteOrder.BIG, PLAIN)
        self.pinged_at: list[float] = []
        self.is_owed = False
        self.began = self.clock.now
        self.liveness = Liveness(
            self.link,
            AtOnce(),  # type: ignore[arg-type]
            self._ping if pings else None,
            lambda: self.is_owed,
            SILENCE,
            self.clock,
        )
        assert self.liveness.look()

    def _ping(self) -> None:
        self.pinged_at.append(self.clock.now - self.began)

    def hear(self, size: int = 1) -> None:
        self.line.signs = self.line.signs._replace(received=self.line.signs.received + size)

    def wait(self, seconds: int) -> bool:
        """Look once a second, until it is given up; whether it is still watched."""
        for _ in range(seconds):
            self.clock.advance(1)
            if not self.liveness.look():
                return False
        return True

    @property
    def given_up_after(self) -> float:
        assert self.link.given_up is not None
        return self.clock.now - self.began


@pytest.fixture
def watched() -> Watched:
    return Watched()


def test_a_server_that_talks_is_not_pinged(watched: Watched) -> None:
    for _ in range(30):
        assert watched.wait(19)
        watched.hear()
    assert watched.pinged_at == []


def test_a_silent_server_is_pinged_once_and_then_given_up(watched: Watched) -> None:
    assert not watched.wait(100)
    assert watched.pinged_at == [20]
    assert watched.given_up_after == 60
    assert watched.link.given_up == "The server has sent nothing for 60 s."
    assert watched.line.sent == b"<shut>"


@pytest.mark.parametrize("received", [1, 16, 10_000])
def test_any_byte_is_a_sign_of_life(watched: Watched, received: int) -> None:
    for _ in range(5):
        assert watched.wait(59)
        watched.hear(received)
    assert watched.link.given_up is None


def test_each_silence_has_a_ping_of_its_own(watched: Watched) -> None:
    watched.wait(21)
    watched.hear()
    watched.wait(21)
    assert watched.pinged_at == [20, 42]


def test_what_nobody_has_read_yet_is_a_sign_of_life(watched: Watched) -> None:
    watched.line.signs = Pulse(100, True, False)
    assert watched.wait(300)
    assert watched.pinged_at == []


def test_a_peer_that_tcp_knows_to_be_gone_is_given_up_at_once(watched: Watched) -> None:
    watched.line.signs = Pulse(100, False, True)
    assert not watched.wait(1)
    assert "vanished" in str(watched.link.given_up)


class TestAnOriginalServer:
    def test_it_may_be_silent_for_ever(self) -> None:
        watched = Watched(pings=False)
        assert watched.wait(3600)
        assert (watched.pinged_at, watched.liveness.lag) == ([], 0.0)

    def test_it_may_vanish(self) -> None:
        watched = Watched(pings=False)
        watched.line.signs = Pulse(100, False, True)
        assert not watched.wait(1)


class TestLag:
    def test_it_counts_from_the_ping_on_and_is_told_from_five_seconds_on(
        self, watched: Watched
    ) -> None:
        lags = []
        for _ in range(30):
            watched.wait(1)
            lags.append(watched.liveness.lag)
        assert lags == [0.0] * 24 + [5.0, 6.0, 7.0, 8.0, 9.0, 10.0]

    def test_an_answer_ends_it(self, watched: Watched) -> None:
        watched.wait(30)
        watched.hear()
        watched.wait(1)
        assert watched.liveness.lag == 0.0

    def test_a_line_that_is_not_answered_counts_before_a_ping_does(self, watched: Watched) -> None:
        watched.wait(3)
        watched.is_owed = True
        watched.wait(7)
        assert watched.liveness.lag == 6.0
        assert watched.pinged_at == []

    def test_a_slow_download_before_an_answer_is_no_lag(self, watched: Watched) -> None:
        watched.is_owed = True
        for _ in range(60):
            watched.wait(3)
            watched.hear()
        assert watched.liveness.lag == 0.0


class TestAProgramThatWasStopped:
    def test_it_pings_first(self, watched: Watched) -> None:
        watched.wait(10)
        watched.clock.advance(1000)
        assert watched.liveness.look()
        assert watched.pinged_at == [1010]
        assert watched.wait(39)
        assert not watched.wait(1)

    def test_also_if_it_had_pinged_before(self, watched: Watched) -> None:
        watched.wait(50)
        watched.clock.advance(1000)
        assert watched.liveness.look()
        assert watched.pinged_at == [20, 1050]

    def test_what_has_come_meanwhile_counts(self, watched: Watched) -> None:
        watched.clock.advance(1000)
        watched.hear()
        assert watched.liveness.look()
        assert watched.wait(19)
        assert watched.pinged_at == []

    def test_a_moment_is_no_stop(self, watched: Watched) -> None:
        watched.wait(55)
        watched.clock.advance(5)
        assert not watched.liveness.look()


def test_it_looks_until_the_connection_has_ended() -> None:
    watched = Watched()
    ended = PLAIN.event()
    task = PLAIN.spawn(watched.liveness.run, ended)
    ended.set()
    task.join(5)
    assert watched.link.given_up is None


def test_the_clock_goes_on_while_the_machine_sleeps(monkeypatch: pytest.MonkeyPatch) -> None:
    assert uptime() <= uptime()
    if hasattr(time, "CLOCK_BOOTTIME"):
        assert uptime() == pytest.approx(time.clock_gettime(time.CLOCK_BOOTTIME), abs=5)
        monkeypatch.delattr(time, "CLOCK_BOOTTIME")
    assert uptime() == pytest.approx(time.monotonic(), abs=5)
