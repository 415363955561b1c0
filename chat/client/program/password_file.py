"""Read a password from the first line of a file.

As an argument, the password would be in the list of processes and in the history of the shell.
"""

from __future__ import annotations

import stat

from chat.config.command_line import UsageError
from chat.config.options import read_path
from chat.files.opening import read_beginning
from chat.structs import Struct, field

_MAX_SIZE = 1024  # bytes of the line
_OF_OTHERS = stat.S_IRGRP | stat.S_IROTH
_EXPECTED = "a file whose first line is the password"


class FilePassword(Struct):
    """A password from a file. ``warning`` is a sentence if other users may read the file, too."""

    text: str = field(repr=False)
    warning: str | None = None


def read_password_file(text: str, where: str) -> FilePassword:
    """Read the password from the path ``text``, the value of the option ``where``. Raises UsageError with one line."""
    path = read_path(text, where, _EXPECTED)
    try:
        # Two bytes more: the end of the line, or one byte too many.
        data, mode = read_beginning(path, _MAX_SIZE + 2, until=b"\n")
    except OSError as problem:
        raise UsageError(f"{where}={text}: {problem.strerror}; expected {_EXPECTED}") from None
    line = data.partition(b"\n")[0].removesuffix(b"\r")
    if not line:
        raise UsageError(f"{where}={text}: its first line is empty; expected {_EXPECTED}")
    if len(line) > _MAX_SIZE:
        raise UsageError(f"{where}={text}: expected a password of at most {_MAX_SIZE} bytes")
    try:
        password = line.decode()
    except UnicodeDecodeError:
        raise UsageError(f"{where}={text}: expected a text in UTF-8") from None
    warning = None
    if stat.S_ISREG(mode) and mode & _OF_OTHERS:
        warning = f"Other users can read the password in {text}; chmod 600 makes the file private."
    return FilePassword(password, warning)
