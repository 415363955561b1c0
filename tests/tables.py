"""Tests that are tables: one test for all rows, whose failure names the row."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Sequence
from functools import wraps
from typing import Any


def table(
    names: str | Sequence[str], rows: Iterable[Any]
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Call a test for each row, as ``pytest.mark.parametrize`` does, but as one test that stops at the first failure.

    Each test of its own would take some milliseconds for itself alone. This is for tests that need no fixtures.

    Raises:
        AssertionError: the test failed for a row; the message has the row.
    """
    keys = [key.strip() for key in names.split(",")] if isinstance(names, str) else list(names)
    cases = [dict(zip(keys, row if len(keys) > 1 else (row,), strict=True)) for row in rows]
    assert cases, "a table without rows tests nothing"

    def decorate(function: Callable[..., None]) -> Callable[..., None]:
        @wraps(function)
        def test(*instance: Any) -> None:
            for number, case in enumerate(cases, 1):
                try:
                    function(*instance, **case)
                except Exception as error:
                    raise AssertionError(f"row {number}, {case}: {error}") from error

        # pytest would take the names for fixtures.
        setattr(test, "__signature__", inspect.Signature())  # noqa: B010 - no attribute of functions by its type
        return test

    return decorate
