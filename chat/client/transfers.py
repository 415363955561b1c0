"""Uploads and downloads on connections of their own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager


class Cancellation:
    """Give it to one transfer; ``cancel()``, from any task, ends that transfer with TransferCancelled."""

    def __init__(self) -> None:
        self.cancelled = False
        self._callbacks: list[Callable[[], object]] = []

    def cancel(self) -> None:
        self.cancelled = True
        for callback in list(self._callbacks):
            callback()

    @contextmanager
    def calls(self, callback: Callable[[], object]) -> Iterator[None]:
        """While inside, ``cancel()`` calls ``callback`` (maybe twice); at once if it was called before."""
        self._callbacks.append(callback)
        try:
            if self.cancelled:
                callback()
            yield
        finally:
            self._callbacks.remove(callback)
