"""Read once what many ask for at the same time.

After a restart, thousands of users come back at once, and most of them miss the same messages.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

from gevent.event import AsyncResult

Result = TypeVar("Result")


class SharedReads(Generic[Result]):
    """Keep the last ``most`` results, as long as what is read is as it was: at one ``version``."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._version: object = None
        # A result of None: the greenlet that read it was killed.
        self._results: dict[Hashable, AsyncResult[Result | None]] = {}

    def get(self, version: object, key: Hashable, read: Callable[[], Result]) -> Result:
        """Return what ``read`` returns, or has returned for the same ``version`` and ``key``.

        Waits as ``read`` does, and raises what ``read`` raises.
        """
        if version != self._version:
            self._version = version
            self._results = {}
        known = self._results.get(key)
        if known is not None and (result := known.get()) is not None:
            return result
        return self._read(self._results, key, read)

    def _read(
        self,
        results: dict[Hashable, AsyncResult[Result | None]],
        key: Hashable,
        read: Callable[[], Result],
    ) -> Result:
        if len(results) >= self._most:
            del results[next(iter(results))]
        waiting: AsyncResult[Result | None] = AsyncResult()
        results[key] = waiting
        try:
            result = read()
        except BaseException as problem:
            results.pop(key, None)
            if isinstance(problem, Exception):
                waiting.set_exception(problem)
            else:
                waiting.set(None)
            raise
        waiting.set(result)
        return result
