"""The handler serves one connection, and closes it after any error."""

from __future__ import annotations

import logging

import pytest
from gevent import socket

from chat import framing
from tests.server.server_in_test import TestServer


def test_newcomers_who_are_gone_before_they_are_accepted_leave_no_trace(
    chat_server: TestServer, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    for _ in range(20):
        chat_server.connect().reset()
    chat_server.connections_end()

    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []
    assert capfd.readouterr().err == ""


def test_one_who_sends_a_login_too_slowly_is_refused(
    monkeypatch: pytest.MonkeyPatch, chat_server: TestServer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "chat.server")
    monkeypatch.setattr(framing, "STALL_WINDOW", 0.05)
    client = chat_server.connect()

    client.send_bytes(b"\0")

    assert client.at_end()
    assert "slower than 1 KiB a second" in caplog.messages[-1]


def test_one_who_has_only_just_been_accepted_is_no_fault(
    chat_server: TestServer, capfd: pytest.CaptureFixture[str]
) -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        chat_server.connections.spawn(chat_server.parts.handler.handle, ours, "")
        chat_server.server.stop()

    assert "Traceback" not in capfd.readouterr().err
