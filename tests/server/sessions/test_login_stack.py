"""A login leaves an idle user no more memory than the user needs."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from types import CodeType, FrameType

import pytest

from chat.server.sessions.login import MOST_STACK, Login
from tests.server.server_in_test import TestServer

_WORD = 8  # bytes
_OF_EACH_CALL = 10  # words besides variables and operands, in CPython 3.11


def _words(code: CodeType) -> int:
    own = len(set(code.co_cellvars) - set(code.co_varnames))
    return code.co_nlocals + own + len(code.co_freevars) + code.co_stacksize + _OF_EACH_CALL


@pytest.mark.skipif(sys.version_info < (3, 11), reason="calls had no stack of their own")
def test_the_calls_of_a_login_fit_into_a_page(
    open_a_chat_server: Callable[..., TestServer], tmp_path: Path
) -> None:
    chat_server = open_a_chat_server(data_directory=tmp_path / "data")
    deepest: list[str] = []
    largest = 0

    def measure(frame: FrameType, event: str, argument: object) -> None:
        nonlocal largest, deepest
        if event != "call":
            return
        calls = []
        called: FrameType | None = frame
        while called is not None:
            calls.append(called.f_code)
            called = called.f_back
        size = sum(map(_words, calls)) * _WORD
        if size > largest and Login.run.__code__ in calls:
            largest, deepest = size, [code.co_name for code in reversed(calls)]

    sys.setprofile(measure)
    try:
        chat_server.join("alice")
    finally:
        sys.setprofile(None)

    assert deepest[0] == "handle", "a user's greenlet begins there"
    assert "state" in deepest, "the welcome tells the state of the history"
    assert largest <= MOST_STACK, f"{largest} bytes: {deepest}"
