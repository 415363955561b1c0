"""Write the log to a file: once, or appended to while the client runs."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TextIO

from chat.client.screen.model.entries import Entry
from chat.client.screen.model.views import View
from chat.client.screen.save import Follower, saved_lines
from chat.files.home import log_directory
from chat.files.opening import open_to_append
from chat.files.private_files import FILE_MODE, make_private_directory, private_opener

# Entries after which other greenlets run: about a millisecond.
AT_ONCE = 50


def default_path(address: str) -> Path:
    """Return the default path of the log of the room at ``address``. Raises NoHome."""
    return log_directory("chat") / f"{re.sub(r'[^A-Za-z0-9.-]+', '_', address)}.log"


def save(entries: Iterable[Entry], path: Path, pause: Callable[[], object]) -> int:
    """Write a log to a new file, and return how many entries it has. ``pause`` is called after every 50 entries.

    Raises OSError, also if the file exists.
    """
    count = 0
    # Mode x never overwrites a file. The opener makes it private, since a log has private messages.
    with open(path, "x", encoding="utf-8", errors="replace", opener=private_opener) as file:
        for count, entry in enumerate(entries, 1):
            file.writelines(f"{line}\n" for line in saved_lines([entry]))
            if count % AT_ONCE == 0:
                pause()
    return count


class LogFile:
    """Append new entries of ``view`` to the file at ``path``, and those of the views that ``others`` returns.

    Raises OSError.

    A file that was moved away or removed (by logrotate, or by the user) is made anew at its path. A file that was
    truncated goes on at its beginning, because every write appends.
    """

    def __init__(
        self, view: View, path: Path, others: Callable[[], Iterable[View]] = tuple
    ) -> None:
        self.path = path
        self._others = others
        # By the id of the view, which the follower keeps.
        self._followers = {id(each): Follower(each) for each in (view, *others())}
        self._file: TextIO = self._open()

    def write_new(self) -> bool:
        """Append the next 50 entries of each view that are new, and return whether there are more. Raises OSError."""
        for view in self._others():
            if id(view) not in self._followers:
                self._followers[id(view)] = Follower(view, from_first=True)
        followers = [*self._followers.values()]
        lines = [line for each in followers for line in each.new_lines(AT_ONCE)]
        if lines:
            # One system call for each write, and an idle room writes nothing.
            if self._is_elsewhere():
                file, self._file = self._file, self._open()
                file.close()
            self._file.write("".join(f"{line}\n" for line in lines))
            self._file.flush()
        return any(each.has_more for each in followers)

    def _open(self) -> TextIO:
        make_private_directory(self.path.parent)
        return open_to_append(self.path, FILE_MODE)

    def _is_elsewhere(self) -> bool:
        """Return whether the path no longer leads to the open file."""
        try:
            there = self.path.stat()
        except FileNotFoundError:
            return True
        except OSError:
            return (
                False  # a directory that can't be read for now: the open file still takes the lines
            )
        return not os.path.samestat(there, os.fstat(self._file.fileno()))

    def close(self) -> None:
        """Append what is new, and close the file. Raises OSError."""
        try:
            while self.write_new():
                pass
        finally:
            self._file.close()
