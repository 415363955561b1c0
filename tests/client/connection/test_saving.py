from __future__ import annotations

import errno
import os
from pathlib import Path
from tempfile import TemporaryFile
from typing import BinaryIO, cast

import pytest

from chat.client.connection.saving import FileSink, PartialFile, given_path
from chat.client.errors import SaveFailed


def save(directory: Path, filename: str, content: bytes = b"content") -> Path:
    part = PartialFile(directory, filename)
    part.write(content)
    return part.finish()


def test_appears_under_its_name_only_when_whole(tmp_path: Path) -> None:
    part = PartialFile(tmp_path, "notes.txt")
    part.write(b"one ")
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt.part"]
    part.write(memoryview(b"two"))
    assert part.size == 7
    assert part.finish() == tmp_path / "notes.txt"
    part.discard()
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]
    assert (tmp_path / "notes.txt").read_bytes() == b"one two"


def test_never_over_an_existing_file(tmp_path: Path) -> None:
    names = [save(tmp_path, "a.tar.gz", b"%d" % n).name for n in range(3)]
    assert names == ["a.tar.gz", "a.tar (1).gz", "a.tar (2).gz"]
    assert (tmp_path / "a.tar.gz").read_bytes() == b"0"


class TestManyOfOneName:
    """A sender may call five thousand files the same; each still costs a few looks at the directory."""

    @pytest.fixture
    def looks(self, monkeypatch: pytest.MonkeyPatch) -> list[str]:
        """The names that were looked for or tried."""
        looked: list[str] = []
        real_lexists, real_open, real_link = os.path.lexists, os.open, os.link

        def lexists(path: str) -> bool:
            looked.append(Path(path).name)
            return real_lexists(path)

        def open_(path: Path, *given: int) -> int:
            looked.append(path.name)
            return real_open(path, *given)

        def link(source: Path, target: Path, *, follow_symlinks: bool) -> None:
            looked.append(target.name)
            real_link(source, target, follow_symlinks=follow_symlinks)

        monkeypatch.setattr(os.path, "lexists", lexists)
        monkeypatch.setattr(os, "open", open_)
        monkeypatch.setattr(os, "link", link)
        return looked

    def test_from_an_earlier_run(self, tmp_path: Path, looks: list[str]) -> None:
        for name in ("same.txt", *(f"same ({number}).txt" for number in range(1, 1000))):
            (tmp_path / name).touch()
        looks.clear()
        assert save(tmp_path, "same.txt").name == "same (1000).txt"
        assert save(tmp_path, "same.txt").name == "same (1001).txt"
        assert len(looks) < 2 * 40

    def test_parts_that_were_left_by_a_client_that_was_killed(
        self, tmp_path: Path, looks: list[str]
    ) -> None:
        for name in ("x.part", *(f"x ({number}).part" for number in range(1, 1000))):
            (tmp_path / name).touch()
        looks.clear()
        assert save(tmp_path, "x") == tmp_path / "x"
        assert len(looks) < 40

    def test_where_some_were_removed(self, tmp_path: Path) -> None:
        taken = {"same", *(f"same ({number})" for number in (1, 2, 3, 5, 8, 13, 21, 34))}
        for name in taken:
            (tmp_path / name).write_bytes(b"old")
        new = {save(tmp_path, "same").name for _ in range(30)}
        assert len(new) == 30
        assert not new & taken
        assert {(tmp_path / name).read_bytes() for name in taken} == {b"old"}

    def test_names_that_differ_by_case_or_extension_alone(self, tmp_path: Path) -> None:
        names = ("a.txt", "A.TXT", "a.TXT", "a.log", "a")
        saved = [save(tmp_path, name, name.encode()) for name in names * 2]
        assert len({*saved}) == 10
        assert [path.read_bytes() for path in saved] == [name.encode() for name in names * 2]

    def test_another_process_that_is_faster_each_time(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        link = os.link
        taken: list[Path] = []

        def be_faster(source: Path, target: Path, *, follow_symlinks: bool) -> None:
            if len(taken) < 10:
                target.write_bytes(b"theirs")
                taken.append(target)
            link(source, target, follow_symlinks=follow_symlinks)

        monkeypatch.setattr(os, "link", be_faster)
        assert save(tmp_path, "same").read_bytes() == b"content"
        assert [path.read_bytes() for path in taken] == [b"theirs"] * 10


def test_several_of_one_name_at_a_time(tmp_path: Path) -> None:
    parts = [PartialFile(tmp_path, "same") for _ in range(3)]
    for number, part in enumerate(parts):
        part.write(b"%d" % number)
    contents = {part.finish().name: b"%d" % number for number, part in enumerate(parts)}
    assert contents == {"same": b"0", "same (1)": b"1", "same (2)": b"2"}
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == contents


@pytest.mark.parametrize(
    "name",
    [
        "../../etc/passwd",
        'a"b\\c',
        ".",
        "..",
        ".bashrc",
        "\U0001f600" * 300,
        "a\nb",
        "\u202egnp.exe",
        "",
    ],
)
def test_nothing_outside_or_hidden_whatever_the_name(tmp_path: Path, name: str) -> None:
    directory = tmp_path / "inner"
    directory.mkdir()
    path = save(directory, name)
    assert path.parent == directory
    assert not path.name.startswith(".")
    assert [entry.name for entry in tmp_path.iterdir()] == ["inner"]
    assert [entry.name for entry in directory.iterdir()] == [path.name]
    assert path.read_bytes() == b"content"


def test_does_not_follow_links(tmp_path: Path) -> None:
    directory = tmp_path / "inner"
    directory.mkdir()
    for name in ("x", "x.part"):
        (directory / name).symlink_to(tmp_path / "victim")
    assert save(directory, "x").name == "x (1)"
    assert not (tmp_path / "victim").exists()


def test_discarding_leaves_nothing(tmp_path: Path) -> None:
    part = PartialFile(tmp_path, "half")
    part.write(b"ha")
    part.discard()
    part.discard()
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_costs_the_file_in_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(descriptor: int, data: memoryview) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    part = PartialFile(tmp_path, "big")
    monkeypatch.setattr(os, "write", full)
    with pytest.raises(SaveFailed) as caught:
        part.write(b"content")
    assert str(caught.value) == f"Can't save 'big' in {tmp_path}: No space left on device."
    assert list(tmp_path.iterdir()) == []


def test_a_disk_that_says_so_only_at_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    close = os.close

    def fail(descriptor: int) -> None:
        close(descriptor)
        raise OSError(errno.EDQUOT, os.strerror(errno.EDQUOT))

    part = PartialFile(tmp_path, "big")
    part.write(b"content")
    with monkeypatch.context() as patch:
        patch.setattr(os, "close", fail)
        with pytest.raises(SaveFailed, match="quota"):
            part.finish()
    assert list(tmp_path.iterdir()) == []


def test_no_directory(tmp_path: Path) -> None:
    with pytest.raises(SaveFailed, match="No such file or directory"):
        PartialFile(tmp_path / "gone", "x")


def test_a_directory_that_goes_away_meanwhile(tmp_path: Path) -> None:
    directory = tmp_path / "inner"
    directory.mkdir()
    part = PartialFile(directory, "x")
    (directory / "x.part").unlink()
    directory.rmdir()
    with pytest.raises(SaveFailed, match="No such file or directory"):
        part.finish()


class TestWithoutHardLinks:
    """File systems without hard links, such as FAT and some network mounts."""

    @pytest.fixture(autouse=True)
    def no_links(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def refuse(source: Path, target: Path, *, follow_symlinks: bool) -> None:
            raise PermissionError(errno.EPERM, os.strerror(errno.EPERM))

        monkeypatch.setattr(os, "link", refuse)

    def test_the_same(self, tmp_path: Path) -> None:
        names = [save(tmp_path, "a.txt", b"%d" % n).name for n in range(2)]
        assert names == ["a.txt", "a (1).txt"]
        assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {
            "a.txt": b"0",
            "a (1).txt": b"1",
        }

    def test_a_dangling_link_is_in_the_way_too(self, tmp_path: Path) -> None:
        (tmp_path / "a.txt").symlink_to(tmp_path / "victim")
        assert save(tmp_path, "a.txt").name == "a (1).txt"
        assert not (tmp_path / "victim").exists()


class TestOpenFile:
    def test_takes_all_that_is_written(self) -> None:
        with TemporaryFile(buffering=0) as file:
            sink = FileSink(cast(BinaryIO, file), "a.png")
            for piece in (b"one ", memoryview(b"two"), b""):
                sink.write(piece)
            assert sink.size == 7
            file.seek(0)
            assert file.read() == b"one two"

    def test_a_full_disk_is_told_in_one_sentence(self) -> None:
        with open("/dev/full", "wb", buffering=0) as file, pytest.raises(SaveFailed) as caught:
            FileSink(cast(BinaryIO, file), "a.png").write(b"x")
        assert str(caught.value) == "Can't keep 'a.png': No space left on device."


@pytest.mark.parametrize("path", ["", " ", "\n"])
def test_no_path_is_not_the_current_directory(path: str) -> None:
    with pytest.raises(ValueError, match="empty path"):
        given_path(path)
    assert given_path(".") == Path()
