"""Newcomers' share of the loop: in order, in slices, and a third of it while others keep the loop busy."""

from __future__ import annotations

import time
from collections.abc import Callable

import gevent
import gevent.socket
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chat.server.process import loop_share
from chat.server.process.loop_share import SLICE, LoopShare, TooBusy
from tests.server.fakes import FakeClock


class FakeWatcher:
    priority = 0

    def __init__(self) -> None:
        self.fire: Callable[[], object] | None = None

    def start(self, callback: Callable[[], object]) -> None:
        self.fire = callback

    def stop(self) -> None:
        self.fire = None


class FakeLoop:
    """A loop that looks when the test says so, and finds nothing to do or something."""

    MINPRI = -2

    def __init__(self) -> None:
        self.idle_watcher = FakeWatcher()
        self.check_watcher = FakeWatcher()

    def idle(self) -> FakeWatcher:
        return self.idle_watcher

    def check(self) -> FakeWatcher:
        return self.check_watcher

    def look(self, *, is_busy: bool) -> None:
        if self.check_watcher.fire is not None:
            self.check_watcher.fire()
        if not is_busy and self.idle_watcher.fire is not None:
            self.idle_watcher.fire()


class Stage:
    """A share with a loop and a clock that the test moves."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.loop = FakeLoop()
        self.share = LoopShare(self.clock, self.loop)
        self.begun: list[tuple[str, float]] = []

    def ask(self, name: str, seconds: float) -> None:
        """A turn that takes so long."""

        def turn() -> None:
            self.begun.append((name, self.clock.now))
            self.clock.advance(seconds)

        self.share.call(turn)

    @property
    def names(self) -> list[str]:
        return [name for name, _ in self.begun]

    def expect_after(self, early: float, late: float, *names: str) -> None:
        """A busy loop begins nothing at ``early``, and the turns of ``names`` at ``late``: seconds from now."""
        before = self.names
        self.clock.advance(early)
        self.loop.look(is_busy=True)
        assert self.names == before
        self.clock.advance(late - early)
        self.loop.look(is_busy=True)
        assert self.names == [*before, *names]


@pytest.fixture
def stage() -> Stage:
    return Stage()


def test_turns_come_in_the_order_in_which_they_were_asked_for(stage: Stage) -> None:
    for name in "abcd":
        stage.ask(name, 0.0001)

    stage.loop.look(is_busy=False)

    assert stage.names == list("abcd")
    assert stage.share.waiting == 0
    assert stage.loop.idle_watcher.fire is None, "nobody waits: the loop may sleep"
    assert stage.loop.check_watcher.fire is None


def test_after_a_slice_the_loop_looks_at_its_sockets(stage: Stage) -> None:
    for name in "abcd":
        stage.ask(name, 0.6 * SLICE)

    stage.loop.look(is_busy=False)
    assert stage.names == ["a", "b"]
    stage.loop.look(is_busy=False)
    assert stage.names == list("abcd")


def test_while_nobody_else_wants_the_loop_newcomers_have_all_of_it(stage: Stage) -> None:
    for number in range(100):
        stage.ask(str(number), SLICE)
    began = stage.clock.now

    while stage.share.waiting:
        stage.loop.look(is_busy=False)

    assert stage.clock.now - began == pytest.approx(100 * SLICE)


def test_while_others_are_busy_a_slice_waits_for_twice_what_the_last_took(stage: Stage) -> None:
    for name in "ab":
        stage.ask(name, 0.003)
    stage.loop.look(is_busy=True)
    assert stage.names == ["a"]

    stage.expect_after(0.0059, 0.0061, "b")


@given(
    turns=st.lists(st.floats(0.00001, 0.01), min_size=1, max_size=200),
    looks=st.lists(st.floats(0.00001, 0.01), min_size=1, max_size=50),
)
def test_of_a_loop_that_is_busy_newcomers_have_a_third_at_most(
    turns: list[float], looks: list[float]
) -> None:
    stage = Stage()
    for number, seconds in enumerate(turns):
        stage.ask(str(number), seconds)
    began, others = stage.clock.now, 0.0
    latest = 0.0  # what the last slice took: others have not had their two thirds after it yet

    while stage.share.waiting:
        for seconds in looks:
            before = stage.clock.now
            stage.loop.look(is_busy=True)
            latest = stage.clock.now - before or latest
            stage.clock.advance(seconds)
            others += seconds

    address_limits = sum(turns)
    assert address_limits - latest <= (stage.clock.now - began) / 3 + 1e-9
    assert address_limits + others == pytest.approx(stage.clock.now - began)


@pytest.mark.parametrize("charges", [[0.1], [0.05, 0.05]])
def test_charges_are_taken_from_the_share(stage: Stage, charges: list[float]) -> None:
    for charge in charges:
        stage.share.charge(charge)
    stage.ask("a", 0.001)

    stage.expect_after(0.19, 0.21, "a")


def test_a_charge_is_not_paid_for_ever(stage: Stage) -> None:
    stage.share.charge(3600.0)
    stage.ask("a", 0.001)

    stage.expect_after(0.4, 0.6, "a")


def test_a_slice_that_comes_early_since_nobody_is_busy_pays_no_charge(stage: Stage) -> None:
    stage.share.charge(0.1)
    for name in "ab":
        stage.ask(name, SLICE)
    stage.loop.look(is_busy=False)
    assert stage.names == ["a"]

    stage.expect_after(0.1, 0.2, "b")


def test_a_turn_that_fails_ends_no_other(stage: Stage) -> None:
    def fail() -> None:
        raise RuntimeError

    stage.share.call(fail)
    stage.ask("a", 0.001)
    with pytest.raises(RuntimeError):
        stage.loop.look(is_busy=False)
    assert not stage.share.has_turn

    stage.loop.look(is_busy=False)
    assert stage.names == ["a"]


def test_a_greenlet_has_its_turn_until_it_waits() -> None:
    share = LoopShare()
    seen: list[bool] = []

    def come() -> None:
        seen.append(share.has_turn)
        share.wait()
        seen.append(share.has_turn)
        share.wait()  # the turn goes on
        seen.append(share.has_turn)
        gevent.sleep(0)
        seen.append(share.has_turn)

    gevent.spawn(come).join(timeout=30)

    assert seen == [False, True, True, False]


def test_one_who_has_a_turn_does_not_stand_in_line_again(monkeypatch: pytest.MonkeyPatch) -> None:
    share = LoopShare()
    steps: list[str] = []

    def come(name: str) -> None:
        share.wait()
        steps.append(name)
        share.wait()
        steps.append(name)
        monkeypatch.setattr(loop_share, "MAX_WAITING", 0)
        share.wait_if_few()
        steps.append(name)

    gevent.joinall([gevent.spawn(come, name) for name in "ab"], timeout=30)

    assert steps == list("aaabbb")


def test_one_who_is_killed_meanwhile_holds_up_nobody() -> None:
    share = LoopShare()
    ended: list[str] = []

    def come(name: str) -> None:
        share.wait()
        ended.append(name)

    coming = [gevent.spawn(come, name) for name in ("alice", "bob", "carol")]
    gevent.idle()
    coming = [gevent.spawn(come, name) for name in ("alice", "bob", "carol")]
    coming[1].kill()
    gevent.joinall(coming, timeout=30)

    assert ended.count("alice") == 2
    assert ended.count("carol") == 2
    share.wait()


def test_no_more_wait_than_so_many(monkeypatch: pytest.MonkeyPatch, stage: Stage) -> None:
    monkeypatch.setattr(loop_share, "MAX_WAITING", 1)
    stage.ask("a", 0.001)

    with pytest.raises(TooBusy):
        stage.share.wait_if_few()


def test_one_who_talks_is_served_while_newcomers_never_end() -> None:
    share = LoopShare()
    turns = 0

    def go_on() -> None:
        nonlocal turns
        turns += 1
        share.call(go_on)

    share.call(go_on)
    before = turns
    gevent.sleep(0.001)  # a timer, as good as a socket
    assert turns > before
    share._queue.clear()


def test_what_other_processes_take_from_a_slice_is_not_waited_for() -> None:
    """The process is not run for a while in the middle of a slice, while users keep the loop busy."""
    share = LoopShare()
    near, far = gevent.socket.socketpair()
    passes = 0

    def talk() -> None:
        nonlocal passes
        while near.send(b"x") and far.recv(1):
            passes += 1
            gevent.socket.wait_write(near.fileno())  # so each look finds something

    user = gevent.spawn(talk)
    gevent.sleep(0)
    share.call(lambda: time.sleep(100 * SLICE))  # which takes no CPU time
    begun = passes
    share.wait()
    passed = passes - begun
    user.kill()
    near.close()
    far.close()

    assert passed < 200  # by the time of day, users would have the loop for 400 ms
