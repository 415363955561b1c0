"""Find the data directory of a server, its default room and its engine, for the commands of its operator."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from chat.config.command_line import UsageError
from chat.config.config_file import read_config_file
from chat.config.options import Given, read_path
from chat.protocol.names import UserName
from chat.server.config.cluster_options import read_engine
from chat.server.config.options import OPTIONS, read_room_name
from chat.server.storage.data_directory import default_data_directory, read_data_directory

if TYPE_CHECKING:
    from chat.net.engine_url import EngineUrl


def directory_of(options: dict[str, Any]) -> Path:
    """Find the data directory of the server: by option, settings file or default. Raises UsageError."""
    typed = options["--data-directory"]
    if typed is not None:
        return read_data_directory(typed, "--data-directory")
    given = _settings(options)
    if "data-directory" in given:
        return read_data_directory(*given["data-directory"])
    return read_data_directory(str(default_data_directory()), "--data-directory")


def default_room_of(options: dict[str, Any]) -> UserName | None:
    """Return the name that the settings file gives the default room; None if none does. Raises UsageError."""
    given = _settings(options)
    return read_room_name(*given["default-room"]) if "default-room" in given else None


def engine_of(options: dict[str, Any]) -> EngineUrl:
    """Return the engine of the server's cluster: by option or settings file. Raises UsageError."""
    typed = options["--cluster"]
    if typed is not None:
        return read_engine(typed, "--cluster")
    given = _settings(options)
    if "cluster" in given:
        return read_engine(*given["cluster"])
    raise UsageError(
        "--cluster is missing: expected the engine's URL, or --config=FILE with a file that has it"
    )


def known_engine_of(options: dict[str, Any]) -> EngineUrl | None:
    """Return what ``engine_of`` does; None if there is none, or a file of its URL is for the service alone."""
    try:
        return engine_of(options)
    except UsageError:
        if options["--cluster"] is not None:
            raise
        return None


def _settings(options: dict[str, Any]) -> dict[str, Given]:
    file = options["--config"]
    if file is None:
        return {}
    problems: list[str] = []
    path = read_path(file, "--config", "a file of settings")
    given = read_config_file(path, OPTIONS, 'data-directory = "/var/lib/chat"', problems)
    if problems:
        raise UsageError(problems[0])
    return given
