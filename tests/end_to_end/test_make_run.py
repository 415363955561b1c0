"""``make run`` and ``make stop`` with the real programs, once the environment is there."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from chat.net.address import Address, parse_address
from scripts import run as make_run
from scripts.background import stop_all
from tests.end_to_end.server_process import running_server
from tests.peers.listeners import listener

CHECKOUT = Path(__file__).resolve().parent.parent.parent


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A copy, for .run and downloads/ are made beside the sources; no server survives the tests."""
    copy = tmp_path_factory.mktemp("made") / "my checkout"
    for directory in ("bin", "scripts", "chat"):
        ignored = shutil.ignore_patterns("*.pyc.*")  # compiled files that are being written
        shutil.copytree(CHECKOUT / directory, copy / directory, ignore=ignored)
    yield copy
    run(copy, "scripts.stop")


def run(
    checkout: Path, module: str, typed: str = "", **variables: str
) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", module],
        cwd=checkout,
        env={"PATH": os.defpath, "HOME": str(checkout), **variables},
        input=typed,
        capture_output=True,
        text=True,
    )


def test_one_word_ends_in_a_working_client_and_another_ends_its_server(
    checkout: Path, tmp_path: Path
) -> None:
    address = f"unix:{tmp_path}/socket"

    first = run(checkout, "scripts.run", "hello\n", CHAT_ADDRESS=address, CHAT_USERNAME="bob")
    assert first.returncode == 0, first.stderr
    assert f"Started a server on {address}" in first.stdout
    assert f"its data (accounts, history) in {checkout / '.run' / 'data'}" in first.stdout
    assert "hello" in first.stdout.splitlines()[-1]

    second = run(checkout, "scripts.run", "again\n", CHAT_ADDRESS=address, CHAT_USERNAME="bob")
    assert second.returncode == 0, second.stderr
    assert f"A chat server listens on {address} already" in second.stdout
    assert "again" in second.stdout.splitlines()[-1]

    assert run(checkout, "scripts.stop").stdout == f"Stopped the server on {address}.\n"
    assert run(checkout, "scripts.stop").stdout == "No server of this checkout is running.\n"


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The directory of logs and pid files; servers that were started there end with the test."""
    monkeypatch.setattr("scripts.run.STATE", tmp_path / "state")
    yield tmp_path / "state"
    stop_all(tmp_path / "state")


def test_another_program_on_the_port_makes_the_server_take_the_next_one(
    state: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with listener("http") as port:
        taken = Address("127.0.0.1", port)
        address = make_run.start_server(taken, may_choose=True)
        assert address.port > port
        output = capsys.readouterr().out
        assert f"{taken} is in use: a program that answers HTTP listens there.\n" in output
        assert f"Started a server on {address}" in output

        # The second user of this machine finds the same server.
        assert make_run.start_server(taken, may_choose=True) == address
        assert f"A chat server listens on {address} already" in capsys.readouterr().out

    # Also when the port has become free.
    assert make_run.start_server(taken, may_choose=True) == address


def test_a_chat_server_of_somebody_else_is_joined(
    state: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with running_server("--tls=required") as server:
        address = Address(*server.address)
        assert make_run.start_server(address, may_choose=True) == address
    assert f"A chat server listens on {address} already" in capsys.readouterr().out


def test_a_chosen_address_that_is_in_use_is_one_line_with_a_way_out(checkout: Path) -> None:
    with listener("http") as port:
        result = run(checkout, "scripts.run", CHAT_ADDRESS=f"127.0.0.1:{port}")
    assert result.returncode == 1
    said, _, advice = result.stderr.partition(" Choose another address, such as: ")
    sentence = "is in use: a program that answers HTTP listens there."
    assert said == f"make run: 127.0.0.1:{port} {sentence}"
    assert parse_address(advice.strip().removeprefix("make run ADDRESS=")).port > port


def test_an_address_that_makes_no_sense_is_one_line(checkout: Path) -> None:
    for address in ("no where", "127.0.0.1:0", "unix:"):
        result = run(checkout, "scripts.run", CHAT_ADDRESS=address)
        assert result.returncode == 2, address
        assert result.stderr.startswith("make run: "), address
        assert result.stderr.count("\n") == 1, address
