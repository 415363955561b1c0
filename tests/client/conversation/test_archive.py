from __future__ import annotations

import os
import tarfile
from pathlib import Path

import pytest

from chat.client.conversation.disk.archive import archive
from chat.client.errors import NotSent, TransferCancelled
from chat.client.runtime.cancellation import Cancellation

PLENTY = 1024**2


@pytest.fixture
def holiday(tmp_path: Path) -> Path:
    directory = tmp_path / "holiday photos"
    (directory / "day 1").mkdir(parents=True)
    (directory / "day 1" / "морe.jpg").write_bytes(b"sea")
    (directory / "notes").write_bytes(b"sun")
    return directory


def test_a_directory_becomes_a_tar(holiday: Path) -> None:
    with archive(holiday, PLENTY, Cancellation()) as file, tarfile.open(fileobj=file) as tar:
        assert set(tar.getnames()) == {
            "holiday photos",
            "holiday photos/day 1",
            "holiday photos/day 1/морe.jpg",
            "holiday photos/notes",
        }
        content = tar.extractfile("holiday photos/notes")
        assert content is not None
        assert content.read() == b"sun"


def test_the_owner_of_the_files_is_not_in_the_archive(holiday: Path) -> None:
    with archive(holiday, PLENTY, Cancellation()) as file, tarfile.open(fileobj=file) as tar:
        assert {(m.uid, m.gid, m.uname, m.gname) for m in tar} == {(0, 0, "", "")}


def test_what_is_no_file_stays_out_and_links_are_not_followed(holiday: Path) -> None:
    os.mkfifo(holiday / "pipe")
    (holiday / "link").symlink_to("/etc/passwd")
    with archive(holiday, PLENTY, Cancellation()) as file, tarfile.open(fileobj=file) as tar:
        assert "holiday photos/pipe" not in tar.getnames()
        assert tar.getmember("holiday photos/link").issym()


def test_a_directory_over_the_limit_is_refused(holiday: Path) -> None:
    with archive(holiday, 6, Cancellation()):
        pass
    with pytest.raises(NotSent, match="too large: the limit is 5 bytes"):
        archive(holiday, 5, Cancellation())


def test_a_directory_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(NotSent, match="nowhere"):
        archive(tmp_path / "nowhere", PLENTY, Cancellation())


def test_it_can_be_cancelled(holiday: Path) -> None:
    cancellation = Cancellation()
    cancellation.cancel()
    with pytest.raises(TransferCancelled):
        archive(holiday, PLENTY, cancellation)


def nested(directory: Path, depth: int) -> None:
    """Make ``depth`` directories in one another, with a file in the last."""
    home = Path.cwd()
    os.chdir(directory)
    try:
        for _ in range(depth):
            Path("d").mkdir()
            os.chdir("d")
        Path("end").write_bytes(b"deep")
    finally:
        os.chdir(home)


def remove_nested(directory: Path, depth: int) -> None:
    """Remove a tree whose paths are too long, and which is too deep, for ``shutil.rmtree`` and for pytest."""
    home = Path.cwd()
    os.chdir(directory)
    try:
        for _ in range(depth):
            os.chdir("d")
        Path("end").unlink()
        for _ in range(depth):
            os.chdir("..")
            Path("d").rmdir()
    finally:
        os.chdir(home)


def test_a_directory_that_is_deeper_than_python_recurses(tmp_path: Path) -> None:
    nested(tmp_path, 1500)
    try:
        with archive(tmp_path, PLENTY, Cancellation()) as file, tarfile.open(fileobj=file) as tar:
            names = tar.getnames()
    finally:
        remove_nested(tmp_path, 1500)
    assert len(names) == 1502
    assert names[-1] == f"{tmp_path.name}/{'d/' * 1500}end"


@pytest.mark.thorough("thousands of directories")
def test_a_directory_that_is_deeper_than_a_path_is_long_is_refused_in_a_line(
    tmp_path: Path,
) -> None:
    nested(tmp_path, 2500)
    try:
        with pytest.raises(NotSent, match=r"…/d: File name too long\.$") as caught:
            archive(tmp_path, PLENTY, Cancellation())
    finally:
        remove_nested(tmp_path, 2500)
    assert len(str(caught.value)) < 300
