from __future__ import annotations

from pathlib import Path

import pytest

from chat.address import Address
from chat.client.cli import read_command_line
from chat.client.settings import Mode
from chat.command_line import UsageError


def test_only_the_name_is_required() -> None:
    settings = read_command_line(["--username=bob"])
    assert settings.username == "bob"
    assert settings.address == Address("127.0.0.1", 8080)
    assert settings.save_directory == Path()
    assert settings.byte_order == "auto"
    assert settings.mode is Mode.PLAIN
    assert settings.max_save == 100 * 1024**2
    assert not settings.commands
    assert not settings.listen


@pytest.mark.parametrize(
    "option",
    ["--save_directory={}", "--save-directory={}", "--save_directory=={}", "--save-directory=={}"],
)
def test_the_save_directory_in_every_spelling(option: str, tmp_path: Path) -> None:
    settings = read_command_line(["--username=bob", option.format(tmp_path)])
    assert settings.save_directory == tmp_path


def test_both_spellings_may_agree(tmp_path: Path) -> None:
    both = [f"--save_directory={tmp_path}", f"--save-directory={tmp_path}"]
    assert read_command_line(["--username=bob", *both]).save_directory == tmp_path


def test_both_spellings_may_not_disagree(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="give one"):
        read_command_line(["--username=bob", f"--save_directory={tmp_path}", "--save-directory=/"])


def test_home_directories(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    settings = read_command_line(["--username=bob", "--save_directory=~"])
    assert settings.save_directory == tmp_path


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--address=nowhere"], "expected HOST:PORT"),
        (["--address=127.0.0.1:99999"], "port from 0 to 65535"),
        (["--byte-order=middle"], "expected auto, little or big"),
        (["--max-save=lots"], "expected a size"),
        (["--save_directory=/nowhere/at/all"], "expected a directory"),
        (["--save_directory="], "expected a directory"),
        (["--save_directory=/etc/passwd"], "expected a directory"),
        (["--save_directory=a\0b"], "expected a directory"),
        (["--save_directory=~nobody-of-that-name/x"], "expected a directory"),
        (["--json", "--plain"], "exclude each other"),
        (["--json", "--commands"], "--commands is for --plain"),
        (["--username="], "--username"),
    ],
)
def test_an_unusable_value_is_explained_in_one_line(arguments: list[str], sentence: str) -> None:
    name = [] if any("--username" in argument for argument in arguments) else ["--username=bob"]
    with pytest.raises(UsageError, match=sentence) as caught:
        read_command_line([*name, *arguments])
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["", "  ", "\udcff"])
def test_a_name_that_cannot_be_asked_for(name: str) -> None:
    with pytest.raises(UsageError, match="--username"):
        read_command_line([f"--username={name}"])
