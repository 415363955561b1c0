"""One connection is served and closed, whatever comes of it."""

from __future__ import annotations

import logging

import pytest
from gevent import socket

from chat import framing
from tests.server.house import House


def test_newcomers_who_are_gone_before_they_are_accepted_leave_no_trace(
    house: House, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    for _ in range(20):
        house.connect().reset()
    house.connections_end()

    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []
    assert capfd.readouterr().err == ""


def test_one_who_sends_a_login_too_slowly_is_refused(
    monkeypatch: pytest.MonkeyPatch, house: House, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "chat.server")
    monkeypatch.setattr(framing, "STALL_WINDOW", 0.05)
    client = house.connect()

    client.send_bytes(b"\0")

    assert client.at_end()
    assert "slower than 1024 bytes a second" in caplog.messages[-1]


def test_one_who_has_only_just_been_accepted_is_no_fault(
    house: House, capfd: pytest.CaptureFixture[str]
) -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        house.connections.spawn(house.parts.handler.handle, ours, "")
        house.server.stop()

    assert "Traceback" not in capfd.readouterr().err
