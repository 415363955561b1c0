"""Find the data directory of a server for the commands of its operator."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from chat.config.command_line import UsageError
from chat.config.config_file import read_config_file
from chat.config.options import read_path
from chat.server.config.options import OPTIONS
from chat.server.storage.data_directory import default_data_directory, read_data_directory


def directory_of(options: dict[str, Any]) -> Path:
    """Find the data directory of the server: by option, settings file or default. Raises UsageError."""
    typed, file = options["--data-directory"], options["--config"]
    if typed is not None:
        return read_data_directory(typed, "--data-directory")
    if file is not None:
        problems: list[str] = []
        path = read_path(file, "--config", "a file of settings")
        given = read_config_file(path, OPTIONS, 'data-directory = "/var/lib/chat"', problems)
        if problems:
            raise UsageError(problems[0])
        if "data-directory" in given:
            return read_data_directory(*given["data-directory"])
    return read_data_directory(str(default_data_directory()), "--data-directory")
