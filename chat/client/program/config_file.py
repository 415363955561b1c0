"""Read the settings file: the file that an option names, or else the user's default file."""

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
    """Return the settings in ``path`` by key. None means the user's default file, if there is one.

    Raises UsageError with one line.
    """
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
    """Return the path of the user's default file, or None if there is none."""
    if sys.platform == "linux" and not any(map(_exists, _xdg_paths())):
        # platformdirs would find no file either, but its import takes longer than all other work here.
        return None
    import platformdirs

    path = platformdirs.user_config_path("chat") / _NAME
    return path if _exists(path) else None


def _xdg_paths() -> Iterator[Path]:
    """Return the paths that the default file could have by the XDG Base Directory Specification."""
    for directory in (os.environ.get("XDG_CONFIG_HOME", ""), "~/.config"):
        try:
            yield Path(directory.strip()).expanduser() / "chat" / _NAME
        except RuntimeError:  # the home directory is not known
            continue


def _exists(path: Path) -> bool:
    """Return whether ``path`` exists; ``Path.exists`` would raise an error for a directory that may not be read."""
    return os.access(path, os.F_OK)
