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
