"""The real client where names are looked up for ever, or the first address of a name is silent."""

from __future__ import annotations

import signal
import sys
from pathlib import Path

import pytest

from tests.end_to_end.client_process import PATIENCE, client_environment
from tests.end_to_end.screens import PyteScreen
from tests.end_to_end.server_process import ServerProcess
from tests.peers.addresses import NAME, SILENT, silence_at
from tests.starting.programs import run_program
from tests.tiers import quick_first

# The client, with another resolver: a name has the addresses that are given, or is looked up for ever.
SCRIPT = """
import sys, time, gevent, gevent.socket
from tests.peers.addresses import Resolver
from tests.starting.programs import run_program
from chat.client.cli import main
hosts = sys.argv.pop(1)
resolver = Resolver(*hosts.split(","))
def resolve(*arguments, **named):
    if hosts == "stuck":
        gevent.get_hub().threadpool.apply(time.sleep, (1000,))
    return resolver(*arguments, **named)
gevent.socket.getaddrinfo = resolve
sys.exit(main(sys.argv[1:]))
"""


def client(hosts: str, port: int, *options: str) -> list[str]:
    address = f"--address={NAME}:{port}"
    return [sys.executable, "-c", SCRIPT, hosts, address, "--username=bob", *options]


@pytest.mark.parametrize("number", quick_first([signal.SIGINT, signal.SIGTERM], "each signal"))
def test_a_look_up_that_hangs_keeps_nobody_from_leaving(home: Path, number: signal.Signals) -> None:
    with PyteScreen(client("stuck", 1, "--plain", "--tls=off"), home) as bob:
        bob.wait_for("Nothing is encrypted")
        bob.process.send_signal(number)
        assert bob.wait() == 1


def test_nor_on_the_screen(home: Path) -> None:
    with PyteScreen(client("stuck", 1), home) as bob:
        bob.wait_for("^ connecting │")
        bob.command("/quit")
        assert bob.wait() == 1


@pytest.mark.parametrize("mode", quick_first(["--plain", "--json"], "each frontend"))
def test_a_silent_address_is_passed_by(home: Path, mode: str) -> None:
    server = ServerProcess("--tls=optional")
    try:
        key = server.wait_for_line(r"the key is (SHA256:\S+)$")[1]
        (home / "big.bin").write_bytes(bytes(300_000))
        said = '{"type":"file","path":"big.bin"}\n' * 3 if mode == "--json" else "hi\n"
        with silence_at(server.address[1], SILENT):
            done = run_program(
                client(f"{SILENT},127.0.0.1", server.address[1], mode, f"--fingerprint={key}"),
                cwd=home,
                env=client_environment(),
                input=said,
                text=True,
                timeout=PATIENCE,  # less than the limit of one connection
            )
        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout.count("big.bin" if mode == "--json" else "[bob]: hi") >= 1
    finally:
        server.end()
