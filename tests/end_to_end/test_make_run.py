"""``make run`` and ``make stop`` with the real programs, once the environment is there."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parent.parent.parent


@pytest.fixture
def checkout(tmp_path: Path) -> Iterator[Path]:
    """A copy, for .run and downloads/ are made beside the sources; no server survives the test."""
    copy = tmp_path / "my checkout"
    for directory in ("bin", "scripts", "chat"):
        ignored = shutil.ignore_patterns("__pycache__")
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
    assert "hello" in first.stdout.splitlines()[-1]

    second = run(checkout, "scripts.run", "again\n", CHAT_ADDRESS=address, CHAT_USERNAME="bob")
    assert second.returncode == 0, second.stderr
    assert f"A program listens on {address} already" in second.stdout
    assert "again" in second.stdout.splitlines()[-1]

    assert run(checkout, "scripts.stop").stdout == f"Stopped the server on {address}.\n"
    assert run(checkout, "scripts.stop").stdout == "No server of this checkout is running.\n"


@pytest.mark.parametrize("address", ["nowhere", "127.0.0.1:0", "unix:"])
def test_an_address_that_makes_no_sense_is_one_line(checkout: Path, address: str) -> None:
    result = run(checkout, "scripts.run", CHAT_ADDRESS=address)
    assert result.returncode == 2
    assert result.stderr.startswith("make run: ")
    assert result.stderr.count("\n") == 1
