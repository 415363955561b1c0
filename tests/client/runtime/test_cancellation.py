from __future__ import annotations

import pytest

from chat.client.errors import TransferCancelled
from chat.client.runtime.cancellation import Cancellation, Turns
from chat.client.runtime.runtime import Runtime
from tests.client.runtimes import with_both_runtimes


def test_calls_back_while_somebody_listens() -> None:
    calls: list[str] = []
    cancel = Cancellation()
    with cancel.calls(lambda: calls.append("before")):
        pass
    with cancel.calls(lambda: calls.append("during")):
        cancel.cancel()
    with cancel.calls(lambda: calls.append("after")):
        pass
    assert calls == ["during", "after"]


def test_check_raises_once_it_is_cancelled() -> None:
    cancel = Cancellation()
    cancel.check()
    cancel.cancel()
    with pytest.raises(TransferCancelled):
        cancel.check()


@with_both_runtimes
def test_sleep_is_cut_short(runtime: Runtime) -> None:
    cancel = Cancellation()
    cancel.sleep(runtime, 0.001)
    task = runtime.spawn(cancel.cancel)
    with pytest.raises(TransferCancelled):
        cancel.sleep(runtime, 60)
    task.join(30)


@with_both_runtimes
class TestTurns:
    def test_no_more_than_so_many_at_a_time_and_in_order(self, runtime: Runtime) -> None:
        turns = Turns(runtime, 2)
        inside: list[int] = []
        most: list[int] = []
        order: list[int] = []
        are_two = runtime.event()

        def take(number: int) -> None:
            with turns.turn(Cancellation()):
                order.append(number)
                inside.append(number)
                most.append(len(inside))
                if len(inside) == 2:
                    are_two.set()
                are_two.wait(30)
                runtime.sleep(0.002)  # for a third one that should not come
                inside.remove(number)

        tasks = []
        for number in range(8):
            tasks.append(runtime.spawn(take, number))
            runtime.sleep(0.0005)
        for task in tasks:
            task.join(30)
        assert sorted(order) == list(range(8))
        assert max(most) == 2

    def test_cancelled_while_waiting(self, runtime: Runtime) -> None:
        turns = Turns(runtime, 1)
        outcome: list[str] = []
        cancel = Cancellation()

        def take() -> None:
            try:
                with turns.turn(cancel):
                    outcome.append("had it")
            except TransferCancelled:
                outcome.append("cancelled")

        with turns.turn(Cancellation()):
            task = runtime.spawn(take)
            runtime.sleep(0.005)
            cancel.cancel()
            task.join(30)
            assert outcome == ["cancelled"]
        with turns.turn(Cancellation()):  # nobody took its place
            outcome.append("had it")
        assert outcome == ["cancelled", "had it"]
