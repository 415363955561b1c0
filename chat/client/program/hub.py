"""Prepare gevent's event loop for a program that reports its faults itself."""

from __future__ import annotations

import sys

import gevent


def quiet_hub() -> None:
    """Make the event loop, which prints no traceback of a greenlet that fails: the program tells of it in one line."""
    # With gevent's default, the hub would load pprint for its tracebacks, and with it a part of Python's compiler.
    gevent.config.format_context = "builtins.repr"
    if not sys.flags.dev_mode:
        gevent.get_hub().exception_stream = None
