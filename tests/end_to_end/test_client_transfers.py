"""Files between real clients, through the real server."""

from __future__ import annotations

import hashlib
import random
import tarfile
from pathlib import Path

import pytest

from tests.end_to_end.client_process import ClientProcess, listening, run_client

LARGE = 20 * 1024**2
PNG = b"\x89PNG\r\n\x1a\n"  # how a picture begins


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.fixture
def inbox(tmp_path: Path) -> Path:
    directory = tmp_path / "inbox"
    directory.mkdir()
    return directory


@pytest.fixture
def large(home: Path) -> Path:
    path = home / "large file.bin"
    path.write_bytes(random.Random(1).randbytes(LARGE))
    return path


def send(address: str, home: Path, *commands: str, name: str = "bob") -> None:
    """A whole visit of somebody who sends files."""
    said = "".join(f"{command}\n" for command in commands)
    done = run_client(address, name, "--commands", said=said, directory=home)
    assert (done.returncode, done.stderr) == (0, "")


def test_all_kinds_and_sizes_are_saved(address: str, home: Path, inbox: Path, large: Path) -> None:
    (home / "cat.png").write_bytes(PNG)
    (home / "hi.ogg").write_bytes(b"OggS")
    with listening(address, "alice", "--save-directory=.", directory=inbox) as alice:
        send(address, home, "/image cat.png", "/voice hi.ogg --to alice", "/file large file.bin")
        alice.output.wait_for("large file.bin, is saved as")
        assert (inbox / "cat.png").read_bytes() == PNG
        assert (inbox / "hi.ogg").read_bytes() == b"OggS"
        assert digest(inbox / "large file.bin") == digest(large)
        assert sorted(path.name for path in inbox.iterdir()) == [
            "cat.png",
            "hi.ogg",
            "large file.bin",
        ]
    assert not [path for path in home.iterdir() if "(1)" in path.name]  # one's own are not saved


def test_nothing_is_overwritten(address: str, home: Path, inbox: Path) -> None:
    (home / "a.txt").write_bytes(b"new")
    (inbox / "a.txt").write_bytes(b"old")
    with listening(address, "alice", "--save-directory=.", directory=inbox) as alice:
        send(address, home, "/file a.txt", "/file a.txt")
        alice.output.wait_for(r"saved as a \(2\)\.txt")
    assert (inbox / "a.txt").read_bytes() == b"old"
    assert (inbox / "a (1).txt").read_bytes() == b"new"
    assert (inbox / "a (2).txt").read_bytes() == b"new"


def test_a_directory_arrives_as_a_tar(address: str, home: Path, inbox: Path) -> None:
    (home / "holiday" / "day 1").mkdir(parents=True)
    (home / "holiday" / "day 1" / "sea.jpg").write_bytes(b"sea" * 50_000)
    with listening(address, "alice", "--save-directory=.", directory=inbox) as alice:
        send(address, home, "/file holiday --to alice")
        alice.output.wait_for("holiday.tar, is saved as")
    with tarfile.open(inbox / "holiday.tar") as tar:
        assert tar.getnames() == ["holiday", "holiday/day 1", "holiday/day 1/sea.jpg"]


def test_a_large_one_waits_until_it_is_asked_for(
    address: str, home: Path, inbox: Path, large: Path
) -> None:
    options = ("--commands", "--max-save=1M", "--save-directory=.")
    with ClientProcess(address, "alice", *options, directory=inbox) as alice:
        alice.output.wait_for("you are in the room")
        send(address, home, "/file large file.bin")
        alice.output.wait_for("large file.bin .*, number 1, /get 1 saves it$")
        alice.type("/transfers\n")
        alice.output.wait_for(": /get 1 saves it")
        assert list(inbox.iterdir()) == []
        alice.type("/get 1\n")
        alice.end_input()  # it leaves once that is done
        assert alice.wait() == 0
    assert digest(inbox / large.name) == digest(large)


def test_several_at_once_both_ways(address: str, home: Path, inbox: Path, large: Path) -> None:
    for number in range(5):
        (home / f"{number}.bin").write_bytes(large.read_bytes()[: 1024**2 * (number + 1)])
    with listening(address, "alice", "--save-directory=.", directory=inbox) as alice:
        send(address, home, *(f"/file {number}.bin" for number in range(5)), "and chat goes on")
        for number in range(5):
            alice.output.wait_for(f"{number}.bin, is saved as")
        assert "[bob]: and chat goes on" in alice.lines
    for number in range(5):
        assert digest(inbox / f"{number}.bin") == digest(home / f"{number}.bin")


def test_a_save_directory_that_went_away_costs_the_file_only(
    address: str, home: Path, tmp_path: Path
) -> None:
    (home / "a.txt").write_bytes(b"x")
    (home / "b.bin").write_bytes(b"x" * 100_000)
    (tmp_path / "gone").mkdir()
    with listening(
        address, "alice", f"--save_directory=={tmp_path / 'gone'}", directory=home
    ) as alice:
        (tmp_path / "gone").rmdir()
        send(address, home, "/file a.txt", "/file b.bin", "hello")
        alice.output.wait_for(r"\[bob\]: hello")
        alice.errors.wait_for("^chat-client: number 1, a.txt, failed: ")
        alice.errors.wait_for("^chat-client: number 2, b.bin, failed: ")
