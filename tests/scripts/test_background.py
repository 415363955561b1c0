"""Servers in the background, with small programs in their place."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from chat.net.address import Address
from scripts.background import (
    AddressesInUse,
    BackgroundServerError,
    Found,
    ensure_listening,
    first_free,
    listens,
    stop_all,
)
from scripts.occupant import Occupant
from tests.peers.listeners import listener

SERVER = """
import os, signal, socket, sys

def asked(number, frame):
    print("asked", flush=True)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)

if sys.argv[2:] == ["stubborn"]:
    signal.signal(signal.SIGTERM, asked)
listener = socket.socket(socket.AF_UNIX)
listener.bind(sys.argv[1])
print("session", os.getsid(0) == os.getpid(), "input", sys.stdin.read() == "", flush=True)
listener.listen()
while True:
    listener.accept()[0].close()
"""


@pytest.fixture
def state(tmp_path: Path) -> Iterator[Path]:
    """The directory of logs and pid files; servers that were started there end with the test."""
    directory = tmp_path / "state"
    yield directory
    if directory.exists():
        stop_all(directory)


@pytest.fixture
def address(tmp_path: Path) -> Address:
    return Address(path=str(tmp_path / "socket"))


def server(address: Address, *arguments: str) -> list[str]:
    return [sys.executable, "-c", SERVER, str(address.path), *arguments]


def test_starts_a_server_that_listens_out_of_reach_of_the_terminal(
    state: Path, address: Address
) -> None:
    assert ensure_listening([address], server, state) == Found(address, True, [])
    assert listens(address)
    (log,) = state.glob("*.log")
    assert log.read_text() == "session True input True\n"


def test_what_listens_already_is_left_alone(state: Path, address: Address) -> None:
    ensure_listening([address], server, state)
    assert ensure_listening([address], lambda _: ["false"], state) == Found(address, False, [])


def test_an_address_that_another_program_uses_is_passed_over(
    state: Path, address: Address, tmp_path: Path
) -> None:
    with listener("banner") as port:
        taken = Address("127.0.0.1", port)
        found = ensure_listening([taken, address], server, state)
        assert found == Found(address, True, [(taken, Occupant.OTHER)])
        assert first_free([taken, Address(path=str(tmp_path / "x"))]) == Address(
            path=str(tmp_path / "x")
        )
        with pytest.raises(AddressesInUse, match=r"^127.0.0.1:\d+ is in use: a program"):
            ensure_listening([taken], server, state)


def test_a_server_that_ends_is_reported_with_the_end_of_its_log(
    state: Path, address: Address
) -> None:
    command = [sys.executable, "-c", "for n in range(30): print('line', n)\nraise SystemExit(3)"]
    with pytest.raises(BackgroundServerError, match="ended with status 3") as caught:
        ensure_listening([address], lambda _: command, state)
    assert str(caught.value).splitlines()[1:] == [f"    line {n}" for n in range(10, 30)]


def test_stops_what_it_started_and_only_once(state: Path, address: Address) -> None:
    ensure_listening([address], server, state)
    assert stop_all(state) == [str(address)]
    assert not listens(address)
    assert stop_all(state) == []


def test_a_second_signal_ends_who_does_not_heed_the_first(
    state: Path, address: Address, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("scripts.background.STOP_PATIENCE", 0.2)
    ensure_listening([address], lambda each: server(each, "stubborn"), state)
    assert stop_all(state) == [str(address)]
    assert not listens(address)
    (log,) = state.glob("*.log")
    assert log.read_text().splitlines()[1:] == ["asked"]


def test_a_pid_file_left_by_a_dead_server_harms_nobody(state: Path, address: Address) -> None:
    state.mkdir()
    (state / "stale.pid").write_text(f"{os.getpid()} {address}")
    assert stop_all(state) == []
    assert not list(state.glob("*.pid"))
