"""Clients whose home directory takes nothing, or hides what is in it: they get in, and say what they can't remember."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.client.connectors import ELSEWHERE
from tests.end_to_end.client_process import PATIENCE, client_environment
from tests.end_to_end.screens import PyteScreen, client
from tests.end_to_end.server_process import ServerProcess
from tests.starting.programs import run_program
from tests.tiers import quick_first

INSIDE = "you are in the room as bob"


class Server(NamedTuple):
    address: str
    key: str


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    """Run a server on this machine, which its clients do not know."""
    process = ServerProcess("--tls=optional")
    try:
        key = process.wait_for_line(r"the key is (SHA256:\S+)$")[1]
        yield Server(f"{ELSEWHERE}:{process.address[1]}", key)
    finally:
        process.end()


# Options of a small file system, and whether the test fills it.
MOUNTED = {"read-only": ("ro", False), "full": ("size=4k", True)}
NOT_DIRECTORIES = {"a device": os.devnull, "nowhere": "/proc/nowhere"}


@pytest.fixture(params=quick_first([*NOT_DIRECTORIES, *MOUNTED], "each poor home"))
def poor_home(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """Return a value of HOME at which nothing can be written."""
    if request.param in NOT_DIRECTORIES:
        yield NOT_DIRECTORIES[request.param]
        return
    options, is_filled = MOUNTED[request.param]
    path = tmp_path / "mounted"
    path.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", options, "none", str(path)]
    if os.geteuid() != 0 or subprocess.run(mount, stderr=subprocess.DEVNULL).returncode:
        pytest.skip("nothing can be mounted here")
    try:
        if is_filled:
            (path / "all").write_bytes(bytes(4096))
        yield str(path)
    finally:
        subprocess.run(["umount", "--lazy", str(path)], check=True)


def start(home: str, server: Server, directory: Path, *options: str) -> PyteScreen:
    command = client(server.address, "bob", *options)
    return PyteScreen(command, directory, columns=500, rows=40, environment={"HOME": home})


def pipe(
    home: str, server: Server, directory: Path, *options: str
) -> subprocess.CompletedProcess[str]:
    return run_program(
        client(server.address, "bob", *options),
        cwd=directory,
        env={**client_environment(), "HOME": home, "XDG_DATA_HOME": ""},
        input='{"type":"text","text":"hi"}\n' if "--json" in options else "hi\n",
        text=True,
        timeout=PATIENCE * 2,
    )


@pytest.mark.parametrize("mode", ["--plain", "--screen"])
def test_the_answer_counts_and_is_not_remembered(
    poor_home: str, server: Server, home: Path, mode: str
) -> None:
    for _ in range(2):
        with start(poor_home, server, home, mode) as bob:
            bob.wait_for("remember it")
            bob.press(*(["yes", "<enter>"] if mode == "--plain" else ["y"]))
            rows = bob.wait_for(INSIDE)
            text = " ".join(rows)
            assert text.count("Cannot remember the key of") == 1
            assert "known_hosts can't be written: " in text
            assert "You will be asked again next time" in text


@pytest.mark.parametrize("mode", ["--plain", "--screen"])
def test_no_is_still_no(server: Server, home: Path, mode: str) -> None:
    with start(os.devnull, server, home, mode) as bob:
        bob.wait_for("remember it")
        bob.press(*(["no", "<enter>"] if mode == "--plain" else ["n"]))
        assert bob.wait() == 1
        bob.wait_for("is not trusted")


@pytest.mark.parametrize("mode", ["--plain", "--json"])
def test_in_a_pipe_a_fingerprint_is_enough_and_needed(
    poor_home: str, server: Server, home: Path, mode: str
) -> None:
    done = pipe(poor_home, server, home, mode)
    assert done.returncode == 1
    assert f"give --fingerprint={server.key}" in done.stderr
    done = pipe(poor_home, server, home, mode, f"--fingerprint={server.key}")
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("kind", quick_first(["directory", "loop"], "each error"))
@pytest.mark.parametrize("mode", ["--plain", "--screen", "--json"])
def test_what_cannot_be_read_does_not_pass_for_unknown(
    server: Server, home: Path, kind: str, mode: str
) -> None:
    file = home / ".local" / "share" / "chat" / "known_hosts"
    file.parent.mkdir(parents=True)
    if kind == "directory":
        file.mkdir()
    else:
        file.symlink_to(file.name)  # root, whom no mode keeps out, can't read that either
    given = str(home)
    if mode == "--screen":
        with start(given, server, home, mode) as bob:
            assert bob.wait() == 1
            said = " ".join(bob.rows())
    else:
        done = pipe(given, server, home, mode)
        assert done.returncode == 1
        said = done.stderr
    assert "known_hosts can't be read: " in said
    assert "Give the key with --fingerprint=<fingerprint>" in said
    done = pipe(given, server, home, f"--fingerprint={server.key}")
    assert (done.returncode, done.stderr) == (0, "")
