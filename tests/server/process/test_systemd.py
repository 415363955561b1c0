from __future__ import annotations

import logging
import secrets
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import gevent
import pytest

from chat.server.process import systemd


@pytest.fixture(params=["path", "abstract"])
def manager(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[socket.socket]:
    """The socket of a service manager."""
    name = f"@{secrets.token_hex()}" if request.param == "abstract" else str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(name.replace("@", "\0"))
        manager.settimeout(30)
        monkeypatch.setenv("NOTIFY_SOCKET", name)
        yield manager


def test_what_the_manager_is_told(manager: socket.socket) -> None:
    systemd.ready("listening on :8080")
    assert manager.recv(4096) == b"READY=1\nSTATUS=listening on :8080"
    systemd.stopping()
    assert manager.recv(4096).startswith(b"STOPPING=1\n")


def test_a_reload_says_when_it_began(manager: socket.socket) -> None:
    before = time.monotonic_ns() // 1000
    systemd.reloading()
    first, second = manager.recv(4096).decode().split("\n")
    assert first == "RELOADING=1"
    key, _, moment = second.partition("=")
    assert key == "MONOTONIC_USEC"
    assert before <= int(moment) <= time.monotonic_ns() // 1000


def test_without_a_manager_nobody_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    monkeypatch.setattr("socket.socket", None)  # it would be an error to make one
    systemd.ready("listening")


@pytest.mark.parametrize("name", ["/no/such/socket", "/" + "x" * 200, "vsock:2:1"])
def test_a_manager_that_is_not_there_is_no_reason_to_stop(
    name: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("NOTIFY_SOCKET", name)
    with caplog.at_level(logging.WARNING):
        systemd.ready("listening")
    assert caplog.messages[0].startswith("cannot tell the service manager READY=1: ")


def fill(filler: socket.socket) -> None:
    """Write until there is no room."""
    try:
        while True:
            filler.send(b"x")
    except BlockingIOError:
        return


def test_a_manager_that_does_not_read_keeps_nobody_waiting(
    manager: socket.socket, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Its queue is full: others are served while it is waited for, and that has an end."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as filler:
        filler.setblocking(False)
        filler.connect(manager.getsockname())
        fill(filler)
    turns = 0

    def take_turns() -> None:
        nonlocal turns
        while True:
            turns += 1
            gevent.sleep(0.001)

    monkeypatch.setattr(systemd, "_TIMEOUT", 0.1)
    other = gevent.spawn(take_turns)
    systemd.ready("listening")
    other.kill()
    assert turns > 1
    assert caplog.messages == ["cannot tell the service manager READY=1: timed out"]
