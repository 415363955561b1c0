"""Run two servers that share one chat, and the engine with their log, until Ctrl-C: ``make cluster``.

All data is below ``.run/cluster``, and is new at each start. CHAT_PORT (``make cluster PORT=``) is the port of the
first server; the second one has the next port. The engine and the connections between the servers use further ports.
"""

import fcntl
import os
import secrets
import shutil
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import NamedTuple

from chat.files.private_files import make_private_directory, private_opener
from chat.net.address import Address, parse_address
from scripts.background import (
    BackgroundServerError,
    ensure_listening,
    is_running,
    stop_all,
)
from scripts.occupant import Occupant, occupant_of

ROOT = Path(__file__).resolve().parent.parent
STATE = ROOT / ".run" / "cluster"
DEFAULT_PORT = 8081
ENGINES = ("redis-server", "valkey-server")
NAMES = ("chat1", "chat2")
LOOK_INTERVAL = 0.5  # seconds between two looks at what has ended
# Ports are so far behind: the port of a server for the other one, and the port of the engine behind the first server's.
PEER_PORT, ENGINE_PORT = 10, 20


class Member(NamedTuple):
    """One of the servers: its name, and the address for clients."""

    name: str
    address: Address

    @property
    def data(self) -> Path:
        return STATE / self.name


def main() -> int:
    """Run all, and return the exit status."""
    try:
        port = first_port(os.environ.get("CHAT_PORT", ""))
        engine = find_engine()
        with alone():
            return run(engine, port)
    except ValueError as problem:
        print(f"make cluster: {problem}", file=sys.stderr)
        return 2
    except BackgroundServerError as problem:
        print(f"make cluster: {problem}", file=sys.stderr)
        return 1


def first_port(text: str) -> int:
    """Return the port in ``text``. Raises ValueError."""
    if not text:
        return DEFAULT_PORT
    last = 65535 - ENGINE_PORT
    if not text.isascii() or not text.isdigit() or not 1 <= int(text[:9]) <= last:
        raise ValueError(f"invalid port {text!r}: expected 1 to {last}")
    return int(text)


def find_engine() -> str:
    """Return the program of Redis or Valkey. Raises BackgroundServerError."""
    found = next(filter(None, map(shutil.which, ENGINES)), None)
    if found is None:
        raise BackgroundServerError(
            "Neither Redis nor Valkey is installed. Install one of them, version 7 or newer;"
            " on Debian and Ubuntu: apt-get install redis-server"
        )
    return found


@contextmanager
def alone() -> Iterator[None]:
    """Hold the directory for this program. Raises BackgroundServerError if another one holds it."""
    make_private_directory(STATE)
    with open(STATE / "held", "w", opener=private_opener) as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise BackgroundServerError(
                "Another `make cluster` of this checkout is running; end it with Ctrl-C."
            ) from None
        yield


def run(engine: str, port: int) -> int:
    """Start all, wait for Ctrl-C or until both servers have ended, and stop all."""
    stop_all(STATE)  # what an earlier program left when it was killed
    members = [Member(name, local(port + number)) for number, name in enumerate(NAMES)]
    for address in (*(member.address for member in members), local(port + ENGINE_PORT)):
        occupant = occupant_of(address)
        if occupant is not Occupant.NOTHING:
            raise BackgroundServerError(
                f"{address} is in use: {occupant.value}. Choose another port: make cluster PORT={port + 100}"
            )
    try:
        with interrupted_by(signal.SIGTERM, signal.SIGHUP):
            start(engine, local(port + ENGINE_PORT), members)
            tell(members)
            wait(members)
    except KeyboardInterrupt:
        print("\nStopping both servers, then the engine.", flush=True)
    finally:
        # A second Ctrl-C must not leave half of them running.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        stop_all(STATE)
    return 0


def start(engine: str, address: Address, members: list[Member]) -> None:
    """Start the engine, then the servers. Raises BackgroundServerError."""
    for name in ("engine", *NAMES):
        shutil.rmtree(STATE / name, ignore_errors=True)
        make_private_directory(STATE / name)
    secret = STATE / "secret"
    with open(secret, "w", opener=private_opener) as file:
        file.write(f"{secrets.token_hex(32)}\n")
    ensure_listening([address], lambda _: engine_command(engine, address), STATE)
    # The first one begins the log, and the second one takes a copy.
    for member in members:
        ensure_listening(
            [member.address], partial(server_command, address, secret, member.name), STATE
        )


def engine_command(program: str, address: Address) -> list[str]:
    """Return the command that starts the engine on ``address``."""
    return [
        *(program, "--bind", address.host, "--port", str(address.port)),
        *("--dir", str(STATE / "engine"), "--appendonly", "yes", "--save", ""),
    ]


def server_command(engine: Address, secret: Path, name: str, address: Address) -> list[str]:
    """Return the command that starts the server ``name`` on ``address``, with the log in ``engine``."""
    return [
        *(sys.executable, str(ROOT / "bin" / "chat-server")),
        f"--address={address}",
        f"--data-directory={STATE / name}",
        f"--cluster=redis://{engine}",
        f"--node={name}",
        f"--public-address={address}",
        f"--peer-listen={local(address.port + PEER_PORT)}",
        f"--peer-secret-file={secret}",
    ]


def tell(members: list[Member]) -> None:
    """Say how to join, and what to try."""
    first, second = members
    client, server = ROOT / "bin" / "chat-client", ROOT / "bin" / "chat-server"
    print(
        f"""\
Two servers share one chat: {first.address} and {second.address}. Their logs are in {STATE}.
Join them in two other terminals:

    {client} alice@{first.address}
    {client} bob@{second.address}

Both read what either of them says. Then look at the cluster, and drain the server of alice, so that alice goes to the
other one:

    {server} cluster status --data-directory={first.data}
    {server} drain --data-directory={first.data}

Ctrl-C ends all of it.""",
        flush=True,
    )


def wait(members: list[Member]) -> None:
    """Return when all servers have ended; say it when one does."""
    running = list(members)
    while running:
        time.sleep(LOOK_INTERVAL)
        for member in running[:]:
            if not is_running(member.address, STATE):
                running.remove(member)
                print(f"The server {member.name} on {member.address} has ended.", flush=True)


@contextmanager
def interrupted_by(*numbers: signal.Signals) -> Iterator[None]:
    """Let these signals end the block as Ctrl-C does."""

    def interrupt(number: int, frame: object) -> None:
        raise KeyboardInterrupt

    former = {number: signal.signal(number, interrupt) for number in numbers}
    try:
        yield
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)


def local(port: int) -> Address:
    """Return the address of a port of this machine."""
    return parse_address(str(port))


if __name__ == "__main__":
    sys.exit(main())
