from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from chat.client.program.password_file import FilePassword, read_password_file
from chat.config.command_line import UsageError

OPTION = "--password-file"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "password"
    path.touch(0o600)
    return path


@pytest.mark.parametrize(
    ("content", "password"),
    [
        ("secret\n", "secret"),
        ("secret", "secret"),
        ("secret\r\nof what this is\n", "secret"),
        (" with blanks \n", " with blanks "),
        ("пароль\n", "пароль"),
        ("x" * 1024 + "\n", "x" * 1024),
    ],
)
def test_the_first_line(file: Path, content: str, password: str) -> None:
    file.write_text(content, newline="")
    assert read_password_file(str(file), OPTION) == FilePassword(password)


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o644])
def test_others_who_may_read_it_are_a_reason_for_a_warning(file: Path, mode: int) -> None:
    file.write_text("secret")
    file.chmod(mode)
    found = read_password_file(str(file), OPTION)
    assert found.text == "secret"
    assert found.warning is not None
    assert "Other users can read" in found.warning


def test_it_may_be_a_pipe(tmp_path: Path) -> None:
    path = tmp_path / "pipe"
    os.mkfifo(path, 0o644)  # of which nobody else can read the same
    threading.Thread(target=path.write_text, args=["secret\n"], daemon=True).start()
    assert read_password_file(str(path), OPTION) == FilePassword("secret")


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", "its first line is empty"),
        (b"\nsecret\n", "its first line is empty"),
        (b"\xff\n", "UTF-8"),
        (b"x" * 1025, "at most 1024 bytes"),
    ],
)
def test_what_is_no_password(file: Path, content: bytes, problem: str) -> None:
    file.write_bytes(content)
    with pytest.raises(UsageError, match=problem) as caught:
        read_password_file(str(file), OPTION)
    assert str(caught.value).startswith(f"{OPTION}={file}: ")


@pytest.mark.parametrize("name", ["", ".", "no/such/file"])
def test_no_file(tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageError, match="expected a file whose first line is the password"):
        read_password_file(str(tmp_path / name) if name else "", OPTION)


def test_it_is_not_shown_by_accident() -> None:
    assert "secret" not in repr(FilePassword("secret"))
