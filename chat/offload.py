"""Work in the threads of a pool, whose failure comes back as a value.

A pool of gevent reports what is raised in its threads by itself: it prints a traceback, and a RecursionError never
reaches the greenlet that waits for it, which then waits for ever. So nothing is raised there: nobody else calls a pool.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, Protocol, TypeVar, cast

Result = TypeVar("Result")


class Pool(Protocol):
    """As ``gevent.threadpool.ThreadPool``."""

    def apply(self, function: Callable[..., Any], arguments: Any, /) -> Any: ...

    def spawn(self, function: Callable[..., Any], /, *arguments: Any) -> Any: ...


class Outcome(Generic[Result]):
    """What a function returned or raised."""

    def __init__(self, result: Result | None, problem: BaseException | None) -> None:
        self._result = result
        self._problem = problem

    def get(self) -> Result:
        """Return what the function returned, or raise what it raised.

        What is no Exception (SystemExit, GreenletExit, KeyboardInterrupt) would end the one who asks without a word, or
        the process. It is raised as WorkFailed.
        """
        problem = self._problem
        if problem is None:
            return cast(Result, self._result)
        try:
            if isinstance(problem, Exception):
                raise problem
            raise WorkFailed(f"{type(problem).__name__} in a thread") from problem
        finally:
            # Else it would be in a circle with its own traceback.
            self._problem = problem = None


class WorkFailed(Exception):
    """A thread was left by something that is no Exception; that is the ``__cause__``."""


def outcome_of(function: Callable[..., Result], *arguments: Any) -> Outcome[Result]:
    """Call ``function``, and return what comes of it, whatever that is."""
    try:
        return Outcome(function(*arguments), None)
    except BaseException as problem:  # noqa: BLE001 - it is raised where it is asked for
        return Outcome(None, problem)


def run_in(pool: Pool, function: Callable[..., Result], *arguments: Any) -> Result:
    """Call ``function`` in a thread of ``pool``, and return or raise what it does; other greenlets run meanwhile."""
    outcome: Outcome[Result] = pool.apply(outcome_of, (function, *arguments))
    return outcome.get()


class Task(Generic[Result]):
    """A call in a thread of ``pool`` that has begun."""

    def __init__(self, pool: Pool, function: Callable[..., Result], *arguments: Any) -> None:
        self._task = pool.spawn(outcome_of, function, *arguments)

    def get(self) -> Result:
        """Wait for its end, and return or raise what it does."""
        outcome: Outcome[Result] = self._task.get()
        return outcome.get()

    def when_done(self, callback: Callable[[], object]) -> None:
        """Call ``callback`` in the event loop at its end, also if nobody waits for it any more."""
        self._task.rawlink(lambda task: callback())
