"""Find the directories for the user's files."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any


class NoHome(FileNotFoundError):
    """Report that the user has no home directory, as in a container under a user id without an account.

    NoHome is an OSError: a file in that directory can be neither read nor written.
    """

    def __init__(self) -> None:
        super().__init__(errno.ENOENT, "no home directory is known; set HOME")


def data_directory(name: str) -> Path:
    """Return the directory for the data of the program ``name``; it need not exist. Raises NoHome."""
    import platformdirs  # takes a while to import

    return _absolute(platformdirs.user_data_path, name)


def log_directory(name: str) -> Path:
    """Return the directory for the logs of the program ``name``; it need not exist. Raises NoHome."""
    import platformdirs

    return _absolute(platformdirs.user_log_path, name)


def state_directory(name: str) -> Path:
    """Return the directory for the state of the program ``name``; it need not exist. Raises NoHome."""
    return _absolute(_state_path, name)


def _state_path(name: str, *, appauthor: bool) -> Path:
    if sys.platform == "linux":
        # What platformdirs finds too, but its import takes longer than all else that a client does with its state.
        base = os.environ.get("XDG_STATE_HOME", "").strip()
        return Path(base or os.path.expanduser("~/.local/state"), name)  # noqa: PTH111 - an unknown ~ stays
    import platformdirs

    return platformdirs.user_state_path(name, appauthor=appauthor)


def _absolute(find: Callable[..., Any], name: str) -> Path:
    try:
        path = Path(find(name, appauthor=False))
    except RuntimeError:
        raise NoHome from None
    # Older versions of platformdirs leave an unknown ``~`` as it is, which would be a directory below the current one.
    if not path.is_absolute():
        raise NoHome
    return path
