"""Describe the part that makes an index of the history, for the history."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol

from chat.server.history.rows import PackedRun
from chat.server.history.stored import LogName


class FollowsHistory(Protocol):
    """List what the history tells the part that makes an index of it. Only the last three may wait for the disk."""

    def start(self) -> None:
        """Begin to work: the history file exists."""

    def note_written(self, runs: Sequence[PackedRun]) -> None:
        """Note that the file has ``runs``."""

    def note_removed(self) -> None:
        """Note that old messages were removed from the file."""

    def note_new_file(self) -> None:
        """Note that another file took the place of the history file."""

    def begin_purge(self) -> None:
        """Note that contents are being removed from the file."""

    def finish_purge(self, purged: Mapping[LogName, Iterable[int]] | None) -> None:
        """Note that the contents of messages were ``purged``; None: of all that the file marks as purged."""

    def stop(self, timeout: float) -> None:
        """Stop within ``timeout`` seconds."""
