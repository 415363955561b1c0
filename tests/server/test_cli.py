"""The command: what each option means, and one line for whatever cannot be used."""

from __future__ import annotations

import logging
import os
import signal
import socket
from collections.abc import Callable, Iterator
from ipaddress import ip_network
from pathlib import Path

import gevent
import pytest
from gevent.event import Event

from chat import __version__
from chat.address import Address
from chat.command_line import parse_options
from chat.server import cli
from chat.server.cli import main, read_settings
from chat.server.limits import Rate
from chat.server.settings import Settings
from tests.peers.wire_client import WireClient

HELP = cli.__doc__ or ""


def settings(*arguments: str) -> Settings:
    """What the server would run with."""
    return read_settings(parse_options(HELP, list(arguments), "version"))


def complaint(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """The one line for a command line that cannot be used."""
    assert main(list(arguments)) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("chat-server: ")
    assert err.count("\n") == 1
    return err


# Options


def test_without_options_the_settings_are_the_defaults() -> None:
    assert settings() == Settings()


def test_each_option_is_a_setting(tmp_path: Path) -> None:
    motd = tmp_path / "motd.txt"
    motd.write_text("  Willkommen, привет!\nSecond line.\n\n", encoding="utf-8")

    assert settings(
        "--address=[::1]:9000",
        "--max-users=5",
        "--max-per-address=6",
        "--exempt=10.0.0.0/8, 2001:db8::/32,192.0.2.1",
        "--login-timeout=7",
        "--max-text=8",
        "--max-file=9K",
        "--max-spool=10m",
        f"--spool-directory={tmp_path}",
        "--max-backlog=11M",
        "--max-backlog-total=12G",
        "--rate=13/14",
        "--byte-rate=15K/16M",
        f"--motd={motd}",
    ) == Settings(
        address=Address("::1", 9000),
        max_users=5,
        max_per_address=6,
        exempt=(
            ip_network("10.0.0.0/8"),
            ip_network("2001:db8::/32"),
            ip_network("192.0.2.1/32"),
        ),
        login_timeout=7,
        max_text=8,
        max_file=9 * 1024,
        max_spool=10 * 1024**2,
        spool_directory=tmp_path,
        max_backlog=11 * 1024**2,
        max_backlog_total=12 * 1024**3,
        rate=Rate(13, 14),
        byte_rate=Rate(15 * 1024, 16 * 1024**2),
        motd="Willkommen, привет!\nSecond line.",
    )


@pytest.mark.parametrize(
    ("options", "rate", "byte_rate"),
    [
        (["--rate=5"], (5, 5), (256 * 1024, 1024**2)),
        (["--rate=0"], None, None),
        (["--rate=0/7"], None, None),
        (["--byte-rate=0"], (50, 200), None),
        (["--rate=0", "--byte-rate=1K"], None, None),
        (["--rate=5/1", "--byte-rate=1K"], (5, 1), (1024, 1024)),
    ],
)
def test_a_rate_of_zero_is_none_for_messages_and_then_for_bytes_too(
    options: list[str], rate: tuple[int, int] | None, byte_rate: tuple[int, int] | None
) -> None:
    read = settings(*options)

    assert read.rate == rate
    assert read.byte_rate == byte_rate


@pytest.mark.parametrize("networks", ["", " ", ",", " , "])
def test_nothing_may_be_exempt(networks: str) -> None:
    assert settings(f"--exempt={networks}").exempt == ()


def test_words_of_welcome_may_be_empty(tmp_path: Path) -> None:
    motd = tmp_path / "motd.txt"
    motd.write_bytes(b" \n")

    assert settings(f"--motd={motd}").motd is None


def test_words_of_welcome_may_just_fit(tmp_path: Path) -> None:
    motd = tmp_path / "motd.txt"
    motd.write_bytes(b"x" * 16 * 1024)

    assert settings(f"--motd={motd}").motd == "x" * 16 * 1024


# What cannot be used


@pytest.mark.parametrize(
    ("argument", "expected"),
    [
        ("--address=8080", "--address: '8080' is no address: expected HOST:PORT"),
        ("--address=localhost", "expected HOST:PORT"),
        ("--address=localhost:65536", "a port from 0 to 65535"),
        ("--address=::1:8080", "[IPv6]:PORT"),
        ("--address=unix:", "unix:PATH"),
        ("--max-users=0", "--max-users=0: expected a whole number, 1 or more"),
        ("--max-users=many", "--max-users=many: expected a whole number"),
        ("--max-users=-1", "expected a whole number"),
        ("--max-per-address=1.5", "--max-per-address=1.5: expected a whole number"),
        ("--login-timeout=0", "--login-timeout=0: expected a whole number, 1 or more"),
        ("--login-timeout=", "expected a whole number"),
        ("--exempt=10.0.0.1/8", "--exempt=10.0.0.1/8: expected networks such as"),
        ("--exempt=localhost", "expected networks such as"),
        ("--max-text=0", "--max-text=0: expected a size of at least one byte"),
        ("--max-text=64KB", "--max-text=64KB: expected a size such as"),
        ("--max-file=-1", "--max-file=-1: expected a size such as"),
        ("--max-spool=1T", "--max-spool=1T: expected a size such as"),
        ("--max-backlog=", "--max-backlog=: expected a size such as"),
        ("--max-backlog-total=x", "--max-backlog-total=x: expected a size such as"),
        ("--rate=fast", "--rate=fast: expected 0, RATE or RATE/BURST such as"),
        ("--rate=50/", "--rate=50/: expected 0, RATE or RATE/BURST"),
        ("--rate=/50", "--rate=/50: expected 0, RATE or RATE/BURST"),
        ("--rate=50/0", "--rate=50/0: expected 0, RATE or RATE/BURST"),
        ("--byte-rate=1/2/3", "--byte-rate=1/2/3: expected 0, RATE or RATE/BURST"),
        ("--spool-directory=/no/such", "--spool-directory=/no/such: expected a directory"),
        ("--spool-directory=", "--spool-directory=: expected a directory"),
        ("--spool-directory=/etc/passwd", "expected a directory to write to"),
        ("--motd=/no/such", "--motd=/no/such: cannot read it (No such file"),
        ("--motd=/", "--motd=/: cannot read it (Is a directory)"),
        ("--motd=/dev/zero", "--motd=/dev/zero: expected at most 16384 bytes"),
        ("--log-level=loud", "expected one of debug, info, warning, error"),
        ("--no-such-option", "--no-such-option"),
        ("argument", "argument"),
    ],
)
def test_a_value_that_cannot_be_used_is_named_in_one_line(
    capsys: pytest.CaptureFixture[str], argument: str, expected: str
) -> None:
    assert expected in complaint(capsys, argument)


def test_words_of_welcome_must_be_utf8(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    motd = tmp_path / "motd.txt"
    motd.write_bytes("Grüße".encode("latin-1"))

    assert "expected a text in UTF-8" in complaint(capsys, f"--motd={motd}")


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
