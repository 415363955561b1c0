"""Call functions in the threads of a pool, and pass their failures back as values.

A pool of gevent prints a traceback for an exception in its threads. A RecursionError never reaches the greenlet that
waits for it, which then waits for ever. So no exception may leave a thread, and only this module calls a pool.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, Protocol, TypeVar, cast

Result = TypeVar("Result")


class Pool(Protocol):
    """List what this module uses of ``gevent.threadpool.ThreadPool``."""

    def apply(self, function: Callable[..., Any], arguments: Any, /) -> Any: ...

    def spawn(self, function: Callable[..., Any], /, *arguments: Any) -> Any: ...


class Outcome(Generic[Result]):
    """Hold the result of a function, or the exception that it raised."""

    def __init__(self, result: Result | None, problem: BaseException | None) -> None:
        self._result = result
        self._problem = problem

    @property
    def problem(self) -> BaseException | None:
        """The exception that the function raised; None if it has a result."""
        return self._problem

    def get(self) -> Result:
        """Return the result of the function, or raise its exception.

        A BaseException that is no Exception (SystemExit, GreenletExit, KeyboardInterrupt) would silently end the
        caller, or the process. It is raised as WorkFailed.
        """
        problem = self._problem
        if problem is None:
            return cast(Result, self._result)
        try:
            if isinstance(problem, Exception):
                raise problem
            raise WorkFailed(f"{type(problem).__name__} in a thread") from problem
        finally:
            # Otherwise the exception and its traceback would refer to each other.
            self._problem = problem = None


class WorkFailed(Exception):
    """Report that a function in a thread raised a BaseException that is no Exception; see ``__cause__``."""


def outcome_of(function: Callable[..., Result], *arguments: Any) -> Outcome[Result]:
    """Call ``function``, and return its outcome. Raises nothing."""
    try:
        return Outcome(function(*arguments), None)
    except BaseException as problem:  # noqa: BLE001 - raised by Outcome.get
        return Outcome(None, problem)


def run_in(pool: Pool, function: Callable[..., Result], *arguments: Any) -> Result:
    """Call ``function`` in a thread of ``pool``; return its result or raise its exception."""
    outcome: Outcome[Result] = pool.apply(outcome_of, (function, *arguments))
    return outcome.get()


class ThreadCall(Generic[Result]):
    """Call a function in a thread of ``pool``, beginning at once."""

    def __init__(self, pool: Pool, function: Callable[..., Result], *arguments: Any) -> None:
        self._task = pool.spawn(outcome_of, function, *arguments)

    def get(self) -> Result:
        """Wait for the end of the call; return its result or raise its exception."""
        outcome: Outcome[Result] = self._task.get()
        return outcome.get()

    def wait(self, timeout: float | None) -> bool:
        """Wait for the end of the call, at most ``timeout`` seconds; return whether it has ended. None: no limit."""
        self._task.wait(timeout)
        is_done: bool = self._task.ready()
        return is_done

    def when_done(self, callback: Callable[[], object]) -> None:
        """Call ``callback`` in the event loop when the call ends, whether or not a greenlet waits for it."""
        self._task.rawlink(lambda task: callback())
