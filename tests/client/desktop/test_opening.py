"""Files that are handed to programs: the desktop's, or those of the user's choice."""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Callable
from pathlib import Path

import gevent
import pytest

from chat.client.desktop import opening
from chat.client.desktop.open_rules import parse_rules
from chat.client.desktop.programs import DesktopError
from chat.protocol.descriptor import MessageType
from tests.client.desktop.programs import Programs

OPENER = "open" if sys.platform == "darwin" else "xdg-open"
FILE = MessageType.FILE


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Programs:
    return Programs(tmp_path, monkeypatch)


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    path = tmp_path / "-cat of alice.png"
    path.write_bytes(b"\x89PNG")
    return path


def open_file(path: Path, rules: str = "", kind: MessageType = FILE) -> None:
    opening.open_file(path, kind, parse_rules(rules))


def test_the_opener_gets_the_whole_path(programs: Programs, picture: Path) -> None:
    programs.install(OPENER)
    open_file(picture)
    assert programs.called_with() == [str(picture)]


def test_a_path_is_no_option_and_no_address(
    programs: Programs, picture: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    programs.install(OPENER)
    monkeypatch.chdir(picture.parent)
    open_file(Path(picture.name))
    assert programs.called_with() == [str(picture)]


def test_an_opener_that_stays_is_not_waited_for(
    programs: Programs, picture: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(opening, "_PATIENCE", 0.01)
    programs.install(OPENER, then="exec /bin/sleep 1")
    open_file(picture)
    assert programs.called_with() == [str(picture)]


def test_others_run_on_meanwhile(
    programs: Programs, picture: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    programs.install(OPENER, then=f"while [ ! -e '{picture}.seen' ]; do /bin/sleep 0.01; done")

    def let_it_end() -> None:
        programs.called_with()
        Path(f"{picture}.seen").touch()

    other = gevent.spawn(let_it_end)
    open_file(picture)
    assert other.ready()
    other.get()


def test_an_opener_that_finds_nothing_says_so(programs: Programs, picture: Path) -> None:
    programs.install(OPENER, then="exit 3")
    with pytest.raises(DesktopError, match=r"^Can't open '-cat.*found no program that opens it\.$"):
        open_file(picture)


def test_there_is_no_opener(programs: Programs, picture: Path) -> None:
    with pytest.raises(DesktopError, match=f"^The program {OPENER} is not installed[.]$"):
        open_file(picture)


def test_the_file_is_gone(programs: Programs, picture: Path) -> None:
    picture.unlink()
    with pytest.raises(DesktopError, match=r"^Can't open '-cat.*': No such file or directory\.$"):
        open_file(picture)


@pytest.mark.parametrize("make", [os.mkdir, os.mkfifo])
def test_what_is_no_file(programs: Programs, tmp_path: Path, make: Callable[[Path], None]) -> None:
    make(tmp_path / "it")
    with pytest.raises(DesktopError, match=r"^Can't open 'it': it is not a regular file\.$"):
        open_file(tmp_path / "it")


@pytest.mark.parametrize("name", ["a\0b", "loop", "a\x1b[2J\u202e"])
def test_a_strange_path_is_one_sanitized_sentence(
    programs: Programs, tmp_path: Path, name: str
) -> None:
    (tmp_path / "loop").symlink_to("loop")
    with pytest.raises(DesktopError, match=r"^Can't open .*\.$") as caught:
        open_file(tmp_path / name)
    assert str(caught.value).isprintable()


@pytest.mark.parametrize("permission", [stat.S_IXUSR, stat.S_IXGRP, stat.S_IXOTH])
def test_a_program_is_not_run(programs: Programs, picture: Path, permission: int) -> None:
    programs.install(OPENER)
    picture.chmod(0o600 | permission)
    with pytest.raises(DesktopError, match="it is executable"):
        open_file(picture)
    assert not programs.told.exists()


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("cat.desktop", b""),
        ("cat.png.DESKTOP", b""),
        ("cat.exe", b""),
        ("cat\n.sh", b""),
        (".lnk", b""),
        ("cat", b"\x7fELF..."),
        ("cat.png", b"#!/bin/sh\nid\n"),
        ("cat", b"# a comment\n\n[Desktop Entry]\nExec=id\n"),
        ("cat", b"MZ\x90\0"),
    ],
)
def test_what_a_desktop_might_run_is_not_opened(
    programs: Programs, tmp_path: Path, name: str, content: bytes
) -> None:
    programs.install(OPENER)
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DesktopError, match="looks like a program"):
        open_file(tmp_path / name)
    assert not programs.told.exists()


# Programs of the user's choice


def test_the_first_rule_that_fits_names_the_program(programs: Programs, picture: Path) -> None:
    for name in ("feh", "gimp", OPENER):
        programs.install(name, then=f"echo {name} >>'{programs.told}.names'")
    open_file(picture, "*.pdf=zathura; image/*=feh --fullscreen; *=gimp")
    assert programs.called_with() == ["--fullscreen", str(picture)]


def test_a_rule_for_names_fits_in_any_case(programs: Programs, tmp_path: Path) -> None:
    programs.install("zathura")
    (tmp_path / "Report.PDF").write_bytes(b"%PDF")
    open_file(tmp_path / "Report.PDF", "*.pdf = zathura '--page=2'  {} --fork")
    assert programs.called_with() == ["--page=2", str(tmp_path / "Report.PDF"), "--fork"]


def test_an_image_without_a_known_suffix_is_an_image(programs: Programs, tmp_path: Path) -> None:
    programs.install("feh")
    (tmp_path / "image").write_bytes(b"\x89PNG")
    open_file(tmp_path / "image", "image/*=feh", MessageType.IMAGE)
    assert programs.called_with() == [str(tmp_path / "image")]


def test_no_shell_sees_the_path_or_the_command(programs: Programs, tmp_path: Path) -> None:
    programs.install("feh")
    path = tmp_path / "$(id) && x.png"
    path.write_bytes(b"\x89PNG")
    open_file(path, "*.png=feh '$HOME' {}")
    assert programs.called_with() == ["$HOME", str(path)]


def test_what_no_rule_fits_goes_to_the_desktop(programs: Programs, picture: Path) -> None:
    programs.install(OPENER)
    open_file(picture, "*.pdf=zathura")
    assert programs.called_with() == [str(picture)]


def test_a_chosen_program_shows_also_what_a_desktop_would_run(
    programs: Programs, tmp_path: Path
) -> None:
    programs.install("gvim")
    (tmp_path / "build.sh").write_text("#!/bin/sh\n", encoding="utf-8")
    open_file(tmp_path / "build.sh", "*.sh=gvim")
    assert programs.called_with() == [str(tmp_path / "build.sh")]


def test_but_not_if_the_chosen_program_asks_the_desktop(programs: Programs, tmp_path: Path) -> None:
    programs.install(OPENER)
    (tmp_path / "build.sh").write_text("#!/bin/sh\n", encoding="utf-8")
    with pytest.raises(DesktopError, match="looks like a program"):
        open_file(tmp_path / "build.sh", f"*={programs.directory}/{OPENER}")
    assert not programs.told.exists()


def test_a_chosen_program_that_is_missing_or_fails_says_so(
    programs: Programs, picture: Path
) -> None:
    with pytest.raises(DesktopError, match=r"^The program feh is not installed\.$"):
        open_file(picture, "image/*=feh")
    programs.install("feh", then="exit 1")
    with pytest.raises(DesktopError, match=r"^Can't open '-cat.*': feh failed\.$"):
        open_file(picture, "image/*=feh")


@pytest.mark.skipif(sys.platform == "darwin", reason="it has one opener")
def test_another_opener_of_the_desktop_is_found(programs: Programs, picture: Path) -> None:
    programs.install("gio")
    open_file(picture)
    assert programs.called_with() == ["open", str(picture)]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("feh", "expected PATTERN=COMMAND"),
        ("image/*=", "expected PATTERN=COMMAND"),
        ("=feh", "expected PATTERN=COMMAND"),
        ("image/*=feh 'a", "is no command: No closing quotation"),
        ("image/*=''", "it names no program"),
    ],
)
def test_what_is_no_table_of_programs(text: str, problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        parse_rules(text)
