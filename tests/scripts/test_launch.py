"""bin/chat-server and bin/chat-client as they are typed, in checkouts that have their environment or lack it."""

import os
import shutil
import subprocess
import sys
import venv
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parent.parent.parent

# Stands for a program of ours: prints where it runs, its arguments, and which modules around it it can import.
REPORT = """
import importlib.util, os, sys

def main():
    print(sys.prefix)
    print(os.getcwd())
    print(sys.argv[1:])
    print(importlib.util.find_spec("intruder"))
    return 7
"""


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A copy, so that what is tested is never this checkout's own .venv; its path has a blank in it."""
    copy = tmp_path / "my checkout"
    for directory in ("bin", "scripts"):
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(CHECKOUT / directory, copy / directory, ignore=ignored)
    # Of the package, the tests change one file: the rest may be links.
    server = copy / "chat" / "server"
    server.mkdir(parents=True)
    for place in (copy / "chat", server):
        for original in (CHECKOUT / place.relative_to(copy)).iterdir():
            if original.name not in ("server", "cli.py", "__pycache__"):
                (place / original.name).symlink_to(original)
    shutil.copy(CHECKOUT / "chat" / "server" / "cli.py", server)
    return copy


@pytest.fixture
def environment(checkout: Path) -> Path:
    venv.create(checkout / ".venv")
    (checkout / "chat" / "server" / "cli.py").write_text(REPORT)
    return checkout / ".venv"


def run(*command: object, cwd: Path) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [str(part) for part in command],
        cwd=cwd,
        # The search path of a shell, with no environment of Python active.
        env={"PATH": os.defpath, "HOME": str(cwd)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
    )


@pytest.mark.parametrize("program", ["chat-server", "chat-client"])
def test_without_the_dependencies_one_line_says_what_to_run(checkout: Path, program: str) -> None:
    # -S: a Python without anything installed
    result = run(sys.executable, "-S", checkout / "bin" / program, "--help", cwd=checkout)
    assert result.returncode == 1
    assert result.stdout == ""
    assert result.stderr.startswith(f"{program}: ")
    assert result.stderr.endswith(f"is missing: run 'make install' in {checkout}\n")
    assert result.stderr.count("\n") == 1


def test_goes_on_in_the_environment_of_its_checkout(
    checkout: Path, environment: Path, tmp_path: Path
) -> None:
    link = tmp_path / "server"
    link.symlink_to(checkout / "bin" / "chat-server")
    result = run(sys.executable, "-S", link, "--motd=a b", "", cwd=tmp_path)
    assert result.stderr == ""
    assert result.stdout.splitlines()[:3] == [
        str(environment),
        str(tmp_path),
        "['--motd=a b', '']",
    ]


def test_leaves_with_the_status_of_the_program(checkout: Path, environment: Path) -> None:
    assert run(sys.executable, checkout / "bin" / "chat-server", cwd=checkout).returncode == 7


def test_runs_where_it_is_when_it_is_in_the_environment(checkout: Path, environment: Path) -> None:
    script = checkout / "bin" / "chat-server"
    result = run(environment / "bin" / "python", script, cwd=checkout)
    assert result.stdout.splitlines()[0] == str(environment)


def test_an_environment_without_its_configuration_does_not_start_itself_forever(
    checkout: Path, environment: Path
) -> None:
    (environment / "pyvenv.cfg").unlink()
    assert run(sys.executable, checkout / "bin" / "chat-server", cwd=checkout).returncode == 7


def test_an_environment_whose_python_does_not_start_is_named(
    checkout: Path, environment: Path
) -> None:
    interpreter = environment / "bin" / "python"
    interpreter.unlink()
    interpreter.write_bytes(b"\x7fELF")
    interpreter.chmod(0o755)
    result = run(sys.executable, checkout / "bin" / "chat-server", cwd=checkout)
    assert result.returncode == 1
    assert str(interpreter) in result.stderr
    assert result.stderr.count("\n") == 1


def test_received_files_are_never_imported(checkout: Path, environment: Path) -> None:
    for directory in (checkout, checkout / "bin"):
        (directory / "intruder.py").write_text("")
        result = run(sys.executable, checkout / "bin" / "chat-server", cwd=directory)
        assert result.stdout.splitlines()[3] == "None"
