"""A fault that lasts is in the log once, and again when it has come back."""

from __future__ import annotations

import logging

import pytest

from chat.server.process.lasting_fault import LastingFault


def test_the_same_reason_is_logged_once_until_it_is_over(caplog: pytest.LogCaptureFixture) -> None:
    fault = LastingFault("cannot save it", logging.WARNING)
    for reason in ("full", "full", "failed", "full"):
        fault.note(OSError(reason))
    fault.clear()
    fault.note(OSError("full"))
    reasons = ["full", "failed", "full", "full"]
    assert caplog.record_tuples == [
        ("chat.server", logging.WARNING, f"cannot save it: {reason}") for reason in reasons
    ]


def test_seconds_that_are_left_are_no_news(caplog: pytest.LogCaptureFixture) -> None:
    fault = LastingFault("cannot begin yet", logging.WARNING)
    for seconds in (15, 14, 9):
        fault.note(OSError(f"the lease ends in {seconds} s"))
    assert caplog.messages == ["cannot begin yet: the lease ends in 15 s"]
