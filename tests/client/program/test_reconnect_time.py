from __future__ import annotations

import random
from collections.abc import Iterator

import gevent
import pytest

from chat.client.conversation.ui_events import Lag
from chat.client.errors import (
    ConnectError,
)
from chat.client.program import reconnect as reconnect_module
from chat.client.resuming.events import Disconnected
from chat.client.servers.retrying import Pauses, RetryPolicy
from tests.client.fake_connection import FakeConnection, run_until_idle
from tests.client.reconnector_world import World
from tests.server.fakes import FakeClock


@pytest.fixture
def world() -> Iterator[World]:
    made = World()
    yield made
    made.task.kill()


def texts(connection: FakeConnection) -> list[str | None]:
    return [receipt.text for receipt in connection.sent]


class TestTime:
    """Which passes by the clock of the machine, also while that sleeps."""

    @pytest.fixture
    def clock(self, monkeypatch: pytest.MonkeyPatch) -> FakeClock:
        clock = FakeClock()
        monkeypatch.setattr(reconnect_module, "uptime", clock)
        return clock

    def test_after_a_long_life_the_first_pause_is_about_a_second(
        self, world: World, clock: FakeClock
    ) -> None:
        """However many tries the connection itself had taken."""
        second, last = FakeConnection(), FakeConnection()
        world.start(*[ConnectError("No.")] * 3, second, last, patience=RetryPolicy(1.0, 60.0))
        world.first.lose()
        for _ in range(4):
            run_until_idle()
            clock.advance(20)
            world.reconnector._woken.set()
        world.wait_for(second)
        clock.advance(121)
        second.lose()
        run_until_idle()
        retry_in = world.audience.of(Disconnected)[-1].retry_in
        assert retry_in is not None
        assert 0.5 <= retry_in <= 1.5

    def test_those_who_lose_the_same_server_do_not_come_back_together(self) -> None:
        drawn = [Pauses(RetryPolicy(1.0, 60.0)) for _ in range(200)]
        firsts = [pauses.next() for pauses in drawn]
        assert min(firsts) < 0.7 < 1.3 < max(firsts)
        lasts = [[pauses.next() for _ in range(8)][-1] for pauses in drawn]
        assert all(30 <= pause <= 60 for pause in lasts)

    def test_a_machine_that_slept_tries_at_once_and_begins_anew(
        self, world: World, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(random, "uniform", lambda low, high: 1.0)
        last = FakeConnection()
        world.start(ConnectError("No network yet."), last, patience=RetryPolicy(40.0, 60.0))
        world.first.lose()
        run_until_idle()
        assert world.names == []
        clock.advance(3)  # it is looked at, and nothing is to be done yet
        world.reconnector._woken.set()
        run_until_idle()
        assert world.names == []
        clock.advance(20)
        world.reconnector._woken.set()
        run_until_idle()
        assert world.names == ["bob"]
        assert [news.retry_in for news in world.audience.of(Disconnected)] == [40.0, 40.0]


class TestLagging:
    @pytest.fixture(autouse=True)
    def _haste(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(reconnect_module, "_LAG_EVERY", 0.001)

    def wait_for(self, world: World, count: int) -> list[float]:
        with gevent.Timeout(30):
            while len(told := [news.seconds for news in world.audience.of(Lag)]) < count:
                gevent.sleep(0.001)
        return told

    def test_its_beginning_and_its_end_are_told(self, world: World) -> None:
        lags = [0.0, 0.0, 5.5, 6.5, 7.5, 0.0, 0.0, 9.0]

        class Lagging(FakeConnection):
            @property
            def lag(self) -> float:
                return lags.pop(0) if len(lags) > 1 else lags[0]

            @lag.setter
            def lag(self, value: float) -> None:
                """Ignore the value: the test decides the lag, and not the connection."""

        world.first = Lagging()
        world.start()
        assert self.wait_for(world, 3) == [5.5, 0.0, 9.0]

    def test_a_new_connection_begins_without(self, world: World) -> None:
        second = FakeConnection()
        world.start(second)
        world.first.lag = 50.0
        self.wait_for(world, 1)
        world.first.lose()
        world.wait_for(second)
        second.lag = 6.0
        assert self.wait_for(world, 2) == [50.0, 6.0]
