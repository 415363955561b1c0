"""Streams that are closed or cannot be written to, for a small program and for ours."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.tiers import quick_first

CHECKOUT = Path(__file__).resolve().parent.parent.parent


def shell(command: str, *, buffered: bool = True) -> subprocess.CompletedProcess[str]:
    """Run it by a shell, which can close descriptors; ``python`` is this one."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    return subprocess.run(
        ["sh", "-c", command.replace("python", sys.executable)],
        cwd=CHECKOUT,
        env=environment if buffered else {**environment, "PYTHONUNBUFFERED": "1"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


def small(
    code: str, redirections: str, *, buffered: bool = True
) -> subprocess.CompletedProcess[str]:
    begin = "import os, sys; from chat.process.standard_streams import *"
    return shell(f"python -c '{begin}\n{code}' {redirections}", buffered=buffered)


CLOSED = ["<&- >&- 2>&-", "<&-", ">&-", "2>&-", "<&- >&-", ">&- 2>&-"]


@pytest.mark.parametrize("closed", quick_first(CLOSED, "each set of closed streams"))
def test_no_file_takes_the_place_of_a_closed_stream(closed: str, tmp_path: Path) -> None:
    done = small(
        f"""
open_missing_streams()
kept = os.open("{tmp_path}/file", os.O_RDWR | os.O_CREAT, 0o600)
assert kept > 2
assert all(os.get_inheritable(number) for number in range(3))
print("out")
print("err", file=sys.stderr)
assert sys.stdin.read() == ""
sys.exit(run_to_status("it", lambda: 7))
""",
        closed,
    )
    assert done.returncode == 7, done.stderr
    assert done.stdout == ("" if ">&- " in f"{closed} ".replace("2>&-", "") else "out\n")
    assert done.stderr == ("" if "2>&-" in closed else "err\n")
    assert (tmp_path / "file").read_text() == ""


@pytest.mark.parametrize(
    ("main", "redirections", "status", "said"),
    [
        ("0", "", 0, ""),
        ("3", "", 3, ""),
        ("print(1) or 0", ">/dev/full", 1, "No space left on device"),
        ("print(1) or sys.exit()", ">/dev/full", 1, "No space left on device"),
        ("sys.exit(4)", "", 4, ""),
        ('sys.exit("why")', "", 1, ""),
        ('print("x" * 100000) or 0', ">/dev/full", 1, "No space left on device"),
        ("print(1) or 0", "| true", 0, ""),
        ('print("x" * 10**6) or 0', "| true", 0, ""),
        ("print(1, file=sys.stderr, flush=True) or 0", "2>/dev/full", 1, ""),
        ("1 / 0", "", 1, "ZeroDivisionError"),
        ('open("/no/such/file")', "", 1, "FileNotFoundError"),
    ],
)
@pytest.mark.parametrize("buffered", quick_first([True, False], "PYTHONUNBUFFERED is rare"))
def test_the_exit_status_is_never_120(
    main: str, redirections: str, status: int, said: str, buffered: bool
) -> None:
    code = f'sys.exit(run_to_status("it", lambda: {main}))'
    done = small(code, redirections, buffered=buffered)
    assert done.returncode == status
    assert said in done.stderr
    assert "Exception ignored" not in done.stderr
    if said == "No space left on device":
        assert done.stderr == f"it: the output cannot be written: {said}\n"


def test_a_failure_stays_the_failure_that_it_is() -> None:
    done = small('sys.exit(run_to_status("it", lambda: print(1) or 3))', ">/dev/full")
    assert (done.returncode, done.stderr.count("\n")) == (3, 1)


def test_a_reader_that_went_away_is_a_failure_without_words() -> None:
    code = 'sys.exit(run_to_status("it", lambda: print("x" * 10**6) or 0))'
    begin = "import sys; from chat.process.standard_streams import *"
    done = subprocess.run(
        ["bash", "-c", f"set -o pipefail; {sys.executable} -c '{begin}\n{code}' | true"],
        cwd=CHECKOUT,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert (done.returncode, done.stderr) == (1, "")


def test_an_interrupted_command_ends_as_a_shell_expects() -> None:
    code = "def main():\n    raise KeyboardInterrupt\nsys.exit(run_to_status('it', main))"
    done = small(code.replace("'", '"'), "")
    assert (done.returncode, done.stderr) == (130, "")
