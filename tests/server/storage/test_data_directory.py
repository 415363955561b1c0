from __future__ import annotations

from pathlib import Path

import platformdirs
import pytest

from chat.config.command_line import UsageError
from chat.files.private_files import make_private_directory
from chat.server.storage.data_directory import default_data_directory, read_data_directory


@pytest.mark.parametrize("given", ["/var/lib/chat-server", "/var/lib/chat-server:/var/lib/more"])
def test_that_of_the_service(given: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STATE_DIRECTORY", given)
    assert default_data_directory() == Path("/var/lib/chat-server")


def test_that_of_the_user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("STATE_DIRECTORY", raising=False)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    assert default_data_directory() == platformdirs.user_data_path("chat-server", appauthor=False)


def test_that_of_a_user_without_a_home(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("STATE_DIRECTORY", raising=False)
    monkeypatch.setattr(platformdirs, "user_data_path", lambda name, **_: Path("~") / name)
    with pytest.raises(UsageError, match=r"--data-directory is missing: .*set HOME; expected a"):
        default_data_directory()


def test_a_directory_is_accepted_before_it_is_made_and_after(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b"
    assert read_data_directory(str(path), "--data-directory") == path
    assert not path.parent.exists()
    make_private_directory(path)
    assert read_data_directory(str(path), "--data-directory") == path


def test_below_a_file_it_cannot_be_made(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()
    with pytest.raises(UsageError, match=f"{file} is not a directory"):
        read_data_directory(str(file / "a" / "b"), "--data-directory")


def test_where_nobody_may_write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.access", lambda path, mode: False)  # root may write anywhere
    with pytest.raises(UsageError, match=f"no permission to write in {tmp_path}"):
        read_data_directory(str(tmp_path / "data"), "--data-directory")
