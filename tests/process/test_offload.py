"""Any failure in a thread reaches the caller that waits for it."""

from __future__ import annotations

import threading
from typing import NoReturn

import gevent
import pytest
from gevent.threadpool import ThreadPool

from chat.process.offload import Outcome, ThreadCall, WorkFailed, outcome_of, run_in
from chat.protocol.strict_json import decode_json


class Unraisable(Exception):
    """An exception that can neither be made again nor be described."""

    def __init__(self, one: object, two: object) -> None:
        super().__init__()

    def __str__(self) -> str:
        raise ValueError

    __repr__ = __str__


@pytest.fixture
def pool() -> ThreadPool:
    return ThreadPool(1)


def endless(depth: int = 0) -> int:
    return endless(depth + 1)


def fail(problem: BaseException) -> NoReturn:
    raise problem


def test_what_is_returned_comes_back(pool: ThreadPool) -> None:
    thread = run_in(pool, threading.get_ident)
    assert thread != threading.get_ident()
    assert run_in(pool, divmod, 7, 2) == (3, 1)


def test_a_recursion_without_end_comes_back(
    pool: ThreadPool, capfd: pytest.CaptureFixture[str]
) -> None:
    with gevent.Timeout(20), pytest.raises(RecursionError):
        run_in(pool, endless)
    with gevent.Timeout(20), pytest.raises(ValueError, match="nested too deeply"):
        run_in(pool, decode_json, "[" * 100_000)
    assert run_in(pool, int) == 0, "the thread is there for the next"
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    "problem",
    [ValueError("why"), MemoryError(), Unraisable(1, 2), StopIteration(), OSError(2, "x")],
)
def test_what_is_raised_is_raised_where_it_is_asked_for(
    pool: ThreadPool, problem: Exception, capfd: pytest.CaptureFixture[str]
) -> None:
    with gevent.Timeout(20), pytest.raises(type(problem)) as caught:
        run_in(pool, fail, problem)
    assert caught.value is problem
    with gevent.Timeout(20), pytest.raises(type(problem)):
        ThreadCall(pool, fail, problem).get()
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    "problem", [SystemExit(3), KeyboardInterrupt(), gevent.GreenletExit(), gevent.Timeout(1)]
)
def test_what_would_end_more_than_the_work_is_a_plain_failure(
    pool: ThreadPool, problem: BaseException, capfd: pytest.CaptureFixture[str]
) -> None:
    with gevent.Timeout(20), pytest.raises(WorkFailed, match=type(problem).__name__) as caught:
        run_in(pool, fail, problem)
    assert caught.value.__cause__ is problem
    assert run_in(pool, int) == 0
    assert capfd.readouterr() == ("", "")


def test_a_task_that_nobody_waits_for_any_more_is_still_seen_to_its_end(pool: ThreadPool) -> None:
    release, done = threading.Event(), gevent.event.Event()
    task = ThreadCall(pool, release.wait, 20)
    waiting = gevent.spawn(task.get)
    gevent.sleep(0)
    waiting.kill()
    task.when_done(done.set)
    assert not done.is_set()
    release.set()
    assert done.wait(20)


def test_an_outcome_without_a_pool() -> None:
    outcome: Outcome[int] = outcome_of(int, "7")
    assert outcome.get() == 7
    with pytest.raises(ValueError):
        outcome_of(int, "x").get()
