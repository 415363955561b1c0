"""The file of settings: the one that is named, or else the user's own."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

from chat.client.program.settings import OPTIONS
from chat.config import config_file
from chat.config.command_line import UsageError
from chat.config.options import Given

_NAME = "client.toml"


def read_config_file(path: Path | None) -> dict[str, Given]:
    """What ``path`` says, by key; None: the user's own file, if there is one. Raises UsageError with one line."""
    if path is None:
        path = _users_own()
        if path is None:
            return {}
    problems: list[str] = []
    given = config_file.read_config_file(path, OPTIONS, 'username = "bob"', problems)
    if problems:
        raise UsageError(problems[0])
    return given


def _users_own() -> Path | None:
    if sys.platform == "linux" and not any(map(_exists, _xdg_paths())):
        return None  # platformdirs would say the same, but takes longer to import than all else here together
    import platformdirs

    path = platformdirs.user_config_path("chat") / _NAME
    return path if _exists(path) else None


def _xdg_paths() -> Iterator[Path]:
    """Where it could be by the XDG Base Directory Specification."""
    for directory in (os.environ.get("XDG_CONFIG_HOME", ""), "~/.config"):
        try:
            yield Path(directory.strip()).expanduser() / "chat" / _NAME
        except RuntimeError:  # there is no home
            continue


def _exists(path: Path) -> bool:
    """Unlike that of Path, no error where one may not look."""
    return os.access(path, os.F_OK)
