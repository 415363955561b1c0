"""A chat room over TCP: texts, files, images and voice.

Usage:
  chat-server [options]
  chat-server (-h | --help)
  chat-server --version

Where:
  --address=<address>          HOST:PORT, [IPv6]:PORT, :PORT for all interfaces, or unix:PATH
                               [default: 127.0.0.1:8080]
  --spool-directory=<path>     where large contents are kept for a while [default: /var/tmp]

Who, and how many:
  --max-users=<n>              users at once [default: 10000]
  --max-per-address=<n>        connections of one address: IPv4, or IPv6 /64 [default: 64]
  --exempt=<networks>          addresses that limits by address don't touch, with commas between;
                               unix sockets never count [default: 127.0.0.0/8,::1]
  --login-timeout=<seconds>    time to log in, for all of at most 5 tries [default: 30]
  --motd=<file>                words of welcome

How much (sizes take K, M, G: powers of 1024):
  --max-text=<size>            a text [default: 64K]
  --max-file=<size>            a file, an image, a voice note [default: 1G]
  --max-spool=<size>           temporary space in all, a quarter of it for one user [default: 10G]
  --max-backlog=<size>         what may wait for one slow reader; more closes him [default: 8M]
  --max-backlog-total=<size>   the same for all together; the largest goes first [default: 1G]

How fast (rates delay, they never drop):
  --rate=<rate>                one user's messages: so many a second, after a burst; 0: no limit to
                               this and the next [default: 50/200]
  --byte-rate=<rate>           the bytes of his texts [default: 256K/1M]

Other:
  --log-level=<level>          debug, info, warning or error [default: info]
  -h --help                    show this
  --version                    show the version

SIGTERM and SIGINT stop it: everyone is told, and what is queued goes out, for up to 10 seconds.
A second signal ends it at once. Exit status: 0; 1 if it cannot listen; 2 for an unusable option.
"""

from __future__ import annotations

import logging
import os
import signal
import sys
import tempfile
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import gevent
from gevent.event import Event

from chat import __version__
from chat.address import parse_address
from chat.command_line import (
    EXIT_FAILED,
    EXIT_OK,
    EXIT_USAGE,
    UsageError,
    parse_count,
    parse_options,
    parse_size,
    report,
)
from chat.server.limits import Network, Rate
from chat.server.server import ChatServer, raise_descriptor_limit
from chat.server.settings import Settings

PROGRAM = "chat-server"
_LOG_LEVELS = ("debug", "info", "warning", "error")
_MAX_MOTD = 16 * 1024


def main(argv: list[str] | None = None) -> int:
    """Run the server until it is told to stop; the exit status."""
    try:
        options = parse_options(__doc__ or "", argv, f"{PROGRAM} {__version__}")
        settings = read_settings(options)
        level = _choice(options, "--log-level", _LOG_LEVELS)
    except UsageError as problem:
        report(PROGRAM, str(problem))
        return EXIT_USAGE
    logging.basicConfig(
        stream=sys.stderr,
        level=level.upper(),
        format="%(asctime)s %(levelname)s %(message)s",
    )
    raise_descriptor_limit()
    # Who spawned whom is of use to a debugger, and takes a kilobyte for every three users.
    gevent.config.track_greenlet_tree = False
    server = ChatServer(settings)
    stop = Event()
    _stop_on_signals(stop)
    try:
        server.start()
    except OSError as problem:
        report(PROGRAM, f"cannot listen on {settings.address}: {problem.strerror or problem}")
        return EXIT_FAILED
    stop.wait()
    server.stop()
    return EXIT_OK


def read_settings(options: dict[str, Any]) -> Settings:
    """The settings that the command line asks for. Raises UsageError for a value that cannot be used."""
    rate = _rate(options, "--rate")
    byte_rate = _rate(options, "--byte-rate")
    return Settings(
        address=_address(options["--address"]),
        max_users=_count(options, "--max-users"),
        max_per_address=_count(options, "--max-per-address"),
        exempt=_networks(options["--exempt"]),
        login_timeout=_count(options, "--login-timeout"),
        max_text=_size(options, "--max-text"),
        max_file=_size(options, "--max-file"),
        max_spool=_size(options, "--max-spool"),
        spool_directory=_directory(options["--spool-directory"]),
        max_backlog=_size(options, "--max-backlog"),
        max_backlog_total=_size(options, "--max-backlog-total"),
        rate=rate,
        byte_rate=byte_rate if rate is not None else None,
        motd=_motd(options["--motd"]),
    )


def _stop_on_signals(stop: Event) -> None:
    def asked() -> None:
        if stop.is_set():
            # Somebody is waiting for the prompt: no farewell, no flush.
            os._exit(EXIT_FAILED)
        stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        gevent.signal_handler(number, asked)


def _address(text: str) -> Any:
    try:
        return parse_address(text)
    except ValueError as problem:
        raise UsageError(f"--address: {problem}") from None


def _count(options: dict[str, Any], option: str) -> int:
    return parse_count(options[option], option, minimum=1)


def _size(options: dict[str, Any], option: str) -> int:
    size = parse_size(options[option], option)
    if not size:
        raise UsageError(f"{option}={options[option]}: expected a size of at least one byte")
    return size


def _rate(options: dict[str, Any], option: str) -> Rate | None:
    """``50/200``: 50 a second after a burst of 200; ``50``: the burst is as much; ``0``: no limit."""
    text: str = options[option]
    per_second, slash, burst = text.partition("/")
    expected = f"{option}={text}: expected 0, RATE or RATE/BURST such as 50, 50/200 or 256K/1M"
    try:
        rate = Rate(
            parse_size(per_second, option), parse_size(burst if slash else per_second, option)
        )
    except UsageError:
        raise UsageError(expected) from None
    if not rate.per_second:
        return None
    if not rate.burst:
        raise UsageError(expected)
    return rate


def _networks(text: str) -> tuple[Network, ...]:
    try:
        return tuple(ip_network(part.strip()) for part in text.split(",") if part.strip())
    except ValueError:
        raise UsageError(
            f"--exempt={text}: expected networks such as 10.0.0.0/8,::1, with commas between"
        ) from None


def _directory(text: str) -> Path:
    """A directory that a temporary file can be made in."""
    try:
        # An empty one would be the current directory, which nobody means by it.
        with tempfile.TemporaryFile(dir=text or os.devnull):
            return Path(text)
    except OSError as problem:
        raise UsageError(
            f"--spool-directory={text}: expected a directory to write to ({problem.strerror})"
        ) from None


def _motd(path: str | None) -> str | None:
    if path is None:
        return None
    try:
        with open(path, "rb") as file:
            data = file.read(_MAX_MOTD + 1)
    except OSError as problem:
        raise UsageError(f"--motd={path}: cannot read it ({problem.strerror})") from None
    if len(data) > _MAX_MOTD:
        raise UsageError(f"--motd={path}: expected at most {_MAX_MOTD} bytes")
    try:
        return data.decode().strip() or None
    except UnicodeDecodeError:
        raise UsageError(f"--motd={path}: expected a text in UTF-8") from None


def _choice(options: dict[str, Any], option: str, values: tuple[str, ...]) -> str:
    value: str = options[option]
    if value not in values:
        raise UsageError(f"{option}={value}: expected one of {', '.join(values)}")
    return value


if __name__ == "__main__":
    sys.exit(main())
