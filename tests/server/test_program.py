"""The process around a server: its signals, its messages to the service manager, and ends that come too early."""

from __future__ import annotations

import dataclasses
import logging
import os
import signal
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import gevent
import pytest
from gevent.event import Event

from chat.config.command_line import UsageError
from chat.net.address import Address, parse_address
from chat.server import program
from chat.server.config.options import Config
from chat.server.program import CannotStart, run
from chat.server.settings import Settings, TlsMode
from tests.peers.wire_client import WireClient
from tests.server.fakes import wait_until
from tests.server.server_in_test import open_chat_server

Signals = dict[int, Callable[[], None]]


@pytest.fixture
def signals(monkeypatch: pytest.MonkeyPatch) -> Iterator[Signals]:
    """Record the handlers that the program sets; the signals of the test process stay as they are."""
    handlers: Signals = {}
    monkeypatch.setattr(gevent, "signal_handler", handlers.__setitem__)
    monkeypatch.setattr(program, "raise_descriptor_limit", lambda: None)
    yield handlers
    assert set(handlers) <= {signal.SIGTERM, signal.SIGINT, signal.SIGHUP}


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(address=Address(path=str(tmp_path / "chat.socket")), spool_directory=tmp_path)


def start(settings: Settings) -> gevent.Greenlet[..., int]:
    """Start the program; it listens when this returns."""
    running = gevent.spawn(run, settings)
    gevent.sleep(0)
    return running


def joined(settings: Settings, name: str) -> WireClient:
    assert settings.address.path is not None
    return WireClient.joined(settings.address.path, name)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_stops_it_in_good_order(
    signals: Signals, settings: Settings, number: signal.Signals
) -> None:
    running = start(settings)
    with joined(settings, "alice") as alice:
        signals[number]()
        alice.expect_notice("shutting-down")
        alice.expect_closed()

    assert running.get(timeout=30) == 0
    assert not Path(settings.address.path or "").exists()


def test_a_second_signal_ends_it_at_once(
    monkeypatch: pytest.MonkeyPatch, signals: Signals, settings: Settings
) -> None:
    ended = Event()
    statuses: list[int] = []

    def end(status: int) -> None:
        statuses.append(status)
        ended.set()

    monkeypatch.setattr(os, "_exit", end)
    running = start(settings)
    with joined(settings, "alice") as alice:
        signals[signal.SIGINT]()
        alice.expect_notice("shutting-down")  # and the farewell goes on

        signals[signal.SIGINT]()

        assert ended.wait(30)
    running.get(timeout=30)
    assert statuses == [1]


def test_the_service_manager_is_told_of_every_step(
    signals: Signals, settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        manager.settimeout(30)
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        running = start(settings)
        ready = f"READY=1\nSTATUS=listening on {settings.address}"
        assert manager.recv(4096).decode() == ready
        signals[signal.SIGHUP]()
        assert manager.recv(4096).startswith(b"RELOADING=1\nMONOTONIC_USEC=")
        assert manager.recv(4096).decode() == ready
        signals[signal.SIGTERM]()
        assert running.get(timeout=30) == 0
        assert manager.recv(4096).startswith(b"STOPPING=1\n")


def test_a_hangup_has_the_server_read_again_what_it_can(
    signals: Signals, settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "chat.server")
    level = logging.getLogger().level
    changed = dataclasses.replace(settings, motd="changed", max_users=1)
    readings = iter([Config(changed, "error", ("a warning",))])
    running = gevent.spawn(run, settings, lambda: next(readings))
    gevent.sleep(0)
    try:
        signals[signal.SIGHUP]()

        assert "read the settings again: changed max-users, motd" in caplog.messages
        assert "a warning" in caplog.messages
        assert logging.getLogger().level == logging.ERROR
    finally:
        logging.getLogger().setLevel(level)
        signals[signal.SIGTERM]()
    assert running.get(timeout=30) == 0


@pytest.mark.parametrize("problem", [UsageError("x.toml: motd: cannot read it"), UsageError("")])
def test_settings_with_a_mistake_change_nothing_and_are_one_line(
    signals: Signals, settings: Settings, caplog: pytest.LogCaptureFixture, problem: UsageError
) -> None:
    def read_again() -> Config:
        raise problem

    running = gevent.spawn(run, settings, read_again)
    gevent.sleep(0)
    signals[signal.SIGHUP]()
    with joined(settings, "alice"):
        signals[signal.SIGTERM]()
        assert running.get(timeout=30) == 0
    errors = [each.getMessage() for each in caplog.records if each.levelno == logging.ERROR]
    assert errors == [f"cannot read the settings again; nothing was changed: {problem}"]


def test_the_service_manager_is_told_that_it_is_stopping(
    signals: Signals, settings: Settings, tmp_path: Path
) -> None:
    path = tmp_path / "watch.socket"
    running = start(dataclasses.replace(settings, metrics_address=Address(path=str(path))))

    def ask() -> bytes:
        with gevent.socket.socket(socket.AF_UNIX) as sock:
            sock.connect(str(path))
            sock.sendall(b"GET /healthz HTTP/1.0\r\n\r\n")
            return bytes(sock.recv(100))

    with joined(settings, "alice") as alice:
        assert ask().startswith(b"HTTP/1.1 200 OK")
        signals[signal.SIGTERM]()
        alice.expect_notice("shutting-down")  # and the farewell goes on
        assert ask().startswith(b"HTTP/1.1 503 ")
    assert running.get(timeout=30) == 0
    assert not path.exists()


def test_the_operator_may_give_commands_once_the_log_says_that_it_listens(
    signals: Signals, settings: Settings, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "chat.server")
    could_connect: list[bool] = []

    def connect(record: logging.LogRecord) -> bool:
        if record.getMessage().startswith("listening on "):
            with socket.socket(socket.AF_UNIX) as sock:
                could_connect.append(sock.connect_ex(str(tmp_path / "control.sock")) == 0)
        return True

    caplog.handler.addFilter(connect)
    running = start(dataclasses.replace(settings, data_directory=tmp_path))
    # The files in the directory are opened in threads, so the start takes a while.
    wait_until(lambda: signal.SIGTERM in signals, "the handlers of signals")
    signals[signal.SIGTERM]()
    assert running.get(timeout=30) == 0
    assert could_connect == [True]
    assert not (tmp_path / "control.sock").exists()


# Servers that cannot be started


def test_what_cannot_start_leaves_no_control_socket(
    signals: Signals, settings: Settings, tmp_path: Path
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = Address("127.0.0.1", taken.getsockname()[1])
        with pytest.raises(CannotStart):
            run(dataclasses.replace(settings, address=address, data_directory=tmp_path))
    assert not (tmp_path / "control.sock").exists()


def test_a_server_that_cannot_listen_ends_cleanly(
    signals: Signals, settings: Settings, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    data = tmp_path / "data"
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = Address("127.0.0.1", taken.getsockname()[1])
        with pytest.raises(CannotStart):
            run(dataclasses.replace(settings, address=address, data_directory=data))
    with open_chat_server(tmp_path, data_directory=data) as server:
        alice = server.join("alice")
        alice.say("hello")
        assert alice.expect_text("hello", "alice").header["seq"] == 1
    assert "no clean stop" not in caplog.text


def test_an_address_that_is_taken_is_one_line(signals: Signals, settings: Settings) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = Address("127.0.0.1", taken.getsockname()[1])
        for changed in (
            dataclasses.replace(settings, address=address),
            dataclasses.replace(settings, metrics_address=address),
        ):
            with pytest.raises(CannotStart) as caught:
                run(changed)
            assert str(caught.value) == (
                f"cannot listen on {address}: Address already in use; "
                "another program listens there: stop it, or choose another address"
            )


@pytest.mark.parametrize(
    "address", ["192.0.2.1:0", "no-such-host.invalid:0", "unix:/no/such/directory/chat.socket"]
)
def test_an_address_that_cannot_be_had_is_one_line(
    signals: Signals, settings: Settings, address: str
) -> None:
    with pytest.raises(CannotStart, match=f"^cannot listen on {address}: .+") as caught:
        run(dataclasses.replace(settings, address=parse_address(address)))
    assert "\n" not in str(caught.value)


def test_a_data_directory_that_cannot_be_made_is_one_line(
    signals: Signals, settings: Settings, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    path = tmp_path / "file" / "data"
    with pytest.raises(CannotStart, match=f"^cannot create {path}: (Not a directory|File exists)$"):
        run(dataclasses.replace(settings, data_directory=path))


def test_a_broken_database_is_one_line(
    signals: Signals, settings: Settings, tmp_path: Path
) -> None:
    (tmp_path / "chat.db").write_bytes(b"no database at all" * 1000)
    with pytest.raises(CannotStart) as caught:
        run(dataclasses.replace(settings, data_directory=tmp_path))
    assert str(tmp_path / "chat.db") in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_broken_certificate_is_one_line(
    signals: Signals, settings: Settings, tmp_path: Path
) -> None:
    (tmp_path / "server.crt").write_text("no certificate")
    (tmp_path / "server.key").write_text("no key")
    with pytest.raises(CannotStart) as caught:
        run(dataclasses.replace(settings, data_directory=tmp_path, tls=TlsMode.OPTIONAL))
    assert "\n" not in str(caught.value)
