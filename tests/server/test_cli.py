"""The command: what each option means, and one line for whatever cannot be used."""

from __future__ import annotations

import logging
import os
import signal
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import gevent
import pytest
from gevent.event import Event

from chat import __version__
from chat.server import cli
from chat.server.cli import main
from tests.peers.wire_client import WireClient

HELP = cli.__doc__ or ""


@pytest.fixture(autouse=True)
def data_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The one that systemd made, so to say."""
    monkeypatch.setenv("STATE_DIRECTORY", str(tmp_path / "data"))
    return tmp_path / "data"


def complaint(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """The one line for a command line that cannot be used."""
    assert main(list(arguments)) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("chat-server: ")
    assert err.count("\n") == 1
    return err


@pytest.mark.parametrize("option", ["--help", "-h"])
def test_help_is_the_documentation(capsys: pytest.CaptureFixture[str], option: str) -> None:
    with pytest.raises(SystemExit) as caught:
        main([option])

    assert not caught.value.code
    assert capsys.readouterr().out.strip() == HELP.strip()


def test_the_version(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["--version"])

    assert not caught.value.code
    assert capsys.readouterr().out == f"chat-server {__version__}\n"


def test_every_mistake_is_a_line(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    file = tmp_path / "server.toml"
    file.write_text('max-users = 0\nadress = ":1"\n')

    assert main([f"--config={file}", "--rate=x", "--address=nowhere"]) == 2

    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 4
    assert all(line.startswith("chat-server: ") for line in lines)


def test_a_check_that_finds_nothing(
    capsys: pytest.CaptureFixture[str], data_directory: Path
) -> None:
    assert main(["--check", "--address=127.0.0.1:0"]) == 0

    assert capsys.readouterr() == ("chat-server: all is well\n", "")
    assert not data_directory.exists()


def test_a_check_finds_what_a_start_would_only_then(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--check", "--address=192.0.2.1:80", "--max-users=0"]) == 2

    out, err = capsys.readouterr()
    assert out == ""
    assert err.splitlines() == [
        "chat-server: --max-users=0: expected a whole number, 1 or more",
        "chat-server: --address=192.0.2.1:80: cannot listen there (Cannot assign requested address)",
    ]


def test_a_check_tells_what_may_not_be_meant(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    password = tmp_path / "password"
    password.write_text("open sesame\n")
    password.chmod(0o644)

    assert main(["--check", "--address=:0", f"--password-file={password}"]) == 0

    out, err = capsys.readouterr()
    assert out == "chat-server: all is well\n"
    assert err == (
        f"chat-server: warning: --password-file={password} can be read by everyone here\n"
    )


def test_help_fits_a_terminal() -> None:
    assert max(map(len, HELP.splitlines())) <= 100


# Running


@pytest.fixture
def signals(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[int, Callable[[], None]]]:
    """What the command would do on each signal; the process of the tests keeps its own ways, and its log."""
    handlers: dict[int, Callable[[], None]] = {}
    monkeypatch.setattr(gevent, "signal_handler", handlers.__setitem__)
    monkeypatch.setattr(cli, "raise_descriptor_limit", lambda: None)
    monkeypatch.setattr(logging, "basicConfig", lambda **options: None)
    yield handlers
    assert set(handlers) <= {signal.SIGTERM, signal.SIGINT}


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_stops_it_in_good_order(
    signals: dict[int, Callable[[], None]], tmp_path: Path, number: signal.Signals
) -> None:
    path = tmp_path / "chat.socket"
    running = gevent.spawn(main, [f"--address=unix:{path}", f"--spool-directory={tmp_path}"])
    gevent.sleep(0)
    with WireClient.joined(str(path), "alice") as alice:
        signals[number]()
        alice.expect_notice("shutting-down")
        alice.expect_closed()

    assert running.get(timeout=5) == 0
    assert not path.exists()


def test_a_second_signal_ends_it_at_once(
    monkeypatch: pytest.MonkeyPatch, signals: dict[int, Callable[[], None]], tmp_path: Path
) -> None:
    ended = Event()
    statuses: list[int] = []

    def end(status: int) -> None:
        statuses.append(status)
        ended.set()

    monkeypatch.setattr(os, "_exit", end)
    path = tmp_path / "chat.socket"
    running = gevent.spawn(main, [f"--address=unix:{path}", f"--spool-directory={tmp_path}"])
    gevent.sleep(0)
    with WireClient.joined(str(path), "alice") as alice:
        signals[signal.SIGINT]()
        alice.expect_notice("shutting-down")  # and the farewell goes on

        signals[signal.SIGINT]()

        assert ended.wait(5)
    running.get(timeout=5)
    assert statuses == [1]


@pytest.mark.usefixtures("signals")
def test_an_address_that_is_taken_is_one_line(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]

        status = main([f"--address=127.0.0.1:{port}", f"--spool-directory={tmp_path}"])

    assert status == 1
    assert (
        capsys.readouterr().err
        == f"chat-server: cannot listen on 127.0.0.1:{port}: Address already in use\n"
    )


@pytest.mark.usefixtures("signals")
@pytest.mark.parametrize(
    "address", ["192.0.2.1:0", "no-such-host.invalid:0", "unix:/no/such/directory/chat.socket"]
)
def test_an_address_that_cannot_be_had_is_one_line(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, address: str
) -> None:
    assert main([f"--address={address}", f"--spool-directory={tmp_path}"]) == 1

    err = capsys.readouterr().err
    assert err.startswith(f"chat-server: cannot listen on {address}: ")
    assert err.count("\n") == 1
