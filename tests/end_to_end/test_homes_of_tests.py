"""No test reads or writes a developer's files: each program that a test starts has an empty home."""

from __future__ import annotations

import os
import pwd
import subprocess
import sys
from pathlib import Path

import pytest

from tests import homes
from tests.end_to_end.client_process import listening
from tests.end_to_end.screens import PyteScreen, TmuxScreen, client
from tests.end_to_end.server_process import CHECKOUT, running_server

A_TALK = "test_plain_client.py::test_two_people_talk"
A_SCREEN = "test_screen_talk.py::test_three_people_talk"


@pytest.fixture
def executed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Programs are started by exec, so that the kernel tells their environment."""
    monkeypatch.setenv("CHAT_TESTS_EXEC", "1")


def environment_of(pid: int) -> dict[str, str]:
    """Return the environment with which a running program was started."""
    pairs = Path(f"/proc/{pid}/environ").read_text().split("\0")
    return dict(pair.split("=", 1) for pair in pairs if pair)


def test_the_tests_themselves_live_in_an_empty_home() -> None:
    assert os.environ["HOME"] != pwd.getpwuid(os.getuid()).pw_dir
    assert not list(Path.home().iterdir())


def test_a_file_that_is_left_in_the_home_of_the_tests_is_found() -> None:
    stray = Path.home() / ".local" / "stray"
    stray.parent.mkdir()
    stray.touch()

    assert homes.left_at_home() == [".local", ".local/stray"]

    stray.unlink()
    stray.parent.rmdir()
    assert homes.left_at_home() == []


@pytest.mark.thorough("executes its programs; each run of the tests ends with a look at its home")
@pytest.mark.usefixtures("executed")
def test_each_program_has_a_home_of_its_own(tmp_path: Path) -> None:
    with running_server() as server, running_server() as other:
        address = "{}:{}".format(*server.address)
        with (
            listening(address, "alice", directory=tmp_path) as alice,
            listening(address, "bob", directory=tmp_path) as bob,
        ):
            pids = [server.pid, other.pid, alice.process.pid, bob.process.pid]
            environments = [environment_of(pid) for pid in pids]

    taken = {each[name] for each in environments for name in ("HOME", "TMPDIR")}
    assert len(taken) == 8
    assert os.environ["HOME"] not in taken


@pytest.mark.thorough("executes its programs; each run of the tests ends with a look at its home")
@pytest.mark.usefixtures("executed")
@pytest.mark.parametrize("terminal", [PyteScreen, TmuxScreen])
def test_a_screen_has_a_home_of_its_own(
    terminal: type[PyteScreen | TmuxScreen], address: str, tmp_path: Path
) -> None:
    with terminal(client(address, "bob"), tmp_path) as screen:
        screen.wait_for("bob")
        pid = screen.process.pid if isinstance(screen, PyteScreen) else screen.pids()[0]
        environment = environment_of(pid)

    assert environment["HOME"] == str(tmp_path)
    assert not {name for name in environment if name.startswith("XDG_")}


@pytest.mark.thorough("runs pytest in pytest; each run of the tests ends with a look at its home")
def test_a_developers_files_are_neither_read_nor_written(tmp_path: Path) -> None:
    names = ("XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_STATE_HOME", "XDG_CACHE_HOME")
    places = {name: tmp_path / name for name in names}
    for place in (*places.values(), tmp_path / ".config", tmp_path / ".local" / "share"):
        (place / "chat").mkdir(parents=True)
        # A client that reads this file ends with status 2, and so does one that reads the next.
        (place / "chat" / "client.toml").write_text("no settings")
        (place / "chat" / "known_hosts").write_text("no key\n")
    before = contents_of(tmp_path)

    tests = [f"tests/end_to_end/{test}" for test in (A_TALK, A_SCREEN)]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *tests],
        cwd=CHECKOUT,
        env={**os.environ, "HOME": str(tmp_path), **{name: str(places[name]) for name in names}},
        capture_output=True,
        text=True,
    )

    assert done.returncode == 0, done.stdout
    assert "2 passed" in done.stdout
    assert contents_of(tmp_path) == before


def contents_of(directory: Path) -> dict[str, tuple[int, int]]:
    """List each path below ``directory``, with its size and the time of its last change."""
    return {
        str(path.relative_to(directory)): (status.st_size, status.st_mtime_ns)
        for path in directory.rglob("*")
        for status in [path.stat()]
    }
