"""The file of settings: TOML, with the same keys as the options of the command line."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from chat.client.settings import OPTIONS, Given, Kind, Option
from chat.command_line import UsageError

_NAME = "client.toml"
_MAX_SIZE = 64 * 1024


def read_config_file(path: Path | None) -> dict[str, Given]:
    """What ``path`` says, by key; None: the user's own file, if there is one. Raises UsageError with one line."""
    if path is None:
        path = _users_own()
        if path is None:
            return {}
    table = _parse(_read(path), path)
    return {key: Given(_words(key, value, path), f"{path}: {key}") for key, value in table.items()}


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


def _read(path: Path) -> str:
    try:
        with open(path, "rb") as file:
            data = file.read(_MAX_SIZE + 1)
    except OSError as problem:
        raise UsageError(f"{path}: {problem.strerror}; expected a file of settings") from None
    if len(data) > _MAX_SIZE:
        raise UsageError(f"{path}: too long; expected at most {_MAX_SIZE} bytes of settings")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise UsageError(f"{path}: expected a text in UTF-8") from None


def _parse(text: str, path: Path) -> dict[str, Any]:
    # Takes a while to import, and most have no such file.
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as problem:
        raise UsageError(f'{path}: {problem}; expected TOML such as username = "bob"') from None


def _words(key: str, value: object, path: Path) -> str:
    """``value`` in the words that the command line has for it."""
    option = _find(key, path)
    match option.kind, value:
        case Kind.SWITCH, bool():
            return "on" if value else "off"
        case Kind.SIZE, int() if type(value) is int:
            return str(value)
        case ((Kind.TEXT | Kind.SIZE), str()):
            return value
        case Kind.NAMES, list() if all(isinstance(name, str) for name in value):
            return ",".join(value)
    raise UsageError(f"{path}: {key}: expected {option.kind.value}")


def _find(key: str, path: Path) -> Option:
    for option in OPTIONS:
        if option.name == key:
            if not option.in_file:
                raise UsageError(f"{path}: {key}: expected on the command line only, as --{key}")
            return option
    raise UsageError(f"{path}: {key}: no such setting{_suggestion(key)}")


def _suggestion(key: str) -> str:
    from difflib import get_close_matches

    known = [option.name for option in OPTIONS if option.in_file]
    nearest = get_close_matches(key.lower().replace("_", "-"), known, n=1)
    if nearest:
        return f"; expected {nearest[0]}?"
    return f"; expected one of {', '.join(known)}"
