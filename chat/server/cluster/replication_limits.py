"""Times and sizes of a replicated log."""

from __future__ import annotations

from chat.structs import Struct

# Entries are kept at least so long, in seconds: a server that is away for less copies nothing.
SHORTEST_KEEP = 3600.0


class ReplicationLimits(Struct):
    """Hold times in seconds and sizes in bytes.

    ``lease`` is the time after which others may take a silent server for dead; each server renews its lease after
    ``renewal``. ``answer`` limits each call of the engine, and ``retry`` is the pause before the next try. ``look`` is
    how often a reader to whom nothing comes compares its place with the head of the log. An entry has at most
    ``max_entry``, or one record, of at most ``max_record``. Records of ``max_waiting``, and ``max_waiting_records``,
    wait for the log at most. ``keep`` is how long entries stay in the engine.
    """

    lease: float = 15.0
    renewal: float = 5.0
    answer: float = 3.0
    retry: float = 0.2
    look: float = 1.0
    trim: float = 60.0
    keep: float = 2 * 3600.0
    max_entry: int = 256 << 10
    max_record: int = 8 << 20
    max_waiting: int = 32 << 20
    max_waiting_records: int = 100_000


DEFAULT_LIMITS = ReplicationLimits()
