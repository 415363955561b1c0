from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import platformdirs
import pytest

from chat.files.home import NoHome, data_directory, log_directory


@pytest.mark.parametrize(
    ("find", "variable"), [(data_directory, "XDG_DATA_HOME"), (log_directory, "XDG_STATE_HOME")]
)
def test_each_has_its_place(
    find: Callable[[str], Path], variable: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, str(tmp_path))
    assert find("chat").is_relative_to(tmp_path / "chat")


def unknown(name: str, **_: object) -> Path:
    raise RuntimeError(f"could not determine the home directory for {name}")


def left_as_it_is(name: str, **_: object) -> Path:
    return Path("~/.local/share") / name


@pytest.mark.parametrize("answer", [unknown, left_as_it_is])
def test_nobody_has_none(answer: Callable[..., Path], monkeypatch: pytest.MonkeyPatch) -> None:
    """Versions of platformdirs differ in the answer; any of them may be installed."""
    monkeypatch.setattr(platformdirs, "user_data_path", answer)
    monkeypatch.setattr(platformdirs, "user_log_path", answer)
    for find in (data_directory, log_directory):
        with pytest.raises(NoHome, match="set HOME"):
            find("chat")
