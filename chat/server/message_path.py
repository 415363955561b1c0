"""Put together what a message passes on its way to the users: the log, history on the disk, and the broadcast.

Usually users hear a message at once, and the disk follows. In a durable server the disk comes first.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from chat.server.delivery.broadcast import Broadcast
from chat.server.delivery.held_broadcast import HeldBroadcast
from chat.server.delivery.leased_broadcast import LeasedBroadcast
from chat.server.history.files.kept_files import KeptFiles
from chat.server.history.history import HistoryStore
from chat.server.history.search.indexer import Indexer
from chat.server.history.search.message_search import MessageSearch
from chat.server.history.search.search_process import SearchProcess
from chat.server.limits.waits import NO_WAITS, DiskWaits
from chat.server.log.durable_log import DurableLog, RevocableSequences
from chat.server.log.log import Log, Sequences
from chat.server.process.log_folding import FoldingLog
from chat.server.room.kept import InTurn
from chat.server.settings import DRAIN_TIMEOUT, Settings

Timestamp = Callable[[], str]


class SharedParts(Protocol):
    """List what comes from the cluster."""

    @property
    def log(self) -> Log: ...

    @property
    def sequences(self) -> Sequences: ...

    def on_disk_fault(self, reason: str) -> object: ...

    def wait_for_room(self, timeout: float) -> bool: ...

    def check_lease(self) -> object: ...


class MessagePath:
    """The parts on the way of a message.

    ``make_log`` makes the log of a server that is not durable. ``charge`` and ``on_epoch`` are those of Broadcast and
    HistoryStore. ``history`` and ``files`` are None if no messages are kept, ``search`` also if none can be found.
    ``troubles`` gets the failures of the disk under the files. ``in_turn`` is that of HeldBroadcast, and None if
    nothing is held back. ``shared`` has the log of a server in a cluster; None: the server runs alone.
    """

    log: Log
    broadcast: Broadcast
    sequences: Sequences
    in_turn: InTurn | None = None
    waits = NO_WAITS

    def __init__(
        self,
        settings: Settings,
        make_log: Callable[[Timestamp], Log],
        timestamp: Timestamp,
        *,
        charge: Callable[[float], object],
        on_epoch: Callable[[str], object],
        troubles: FoldingLog,
        shared: SharedParts | None = None,
    ) -> None:
        directory = settings.data_directory if settings.history else None
        self.history: HistoryStore | None = None
        self.search: MessageSearch | None = None
        self.files: KeptFiles | None = None
        if directory is not None:
            limit, durable = settings.keep_files, settings.durable
            self.files = KeptFiles(directory, limit, durable=durable, troubles=troubles)
        indexer = Indexer(directory) if directory is not None and settings.search else None
        if shared is not None:
            assert directory is not None, "a server of a cluster has history"
            self.history = history = HistoryStore(
                directory, None, indexer, on_fault=shared.on_disk_fault
            )
            self.broadcast, self.sequences, self.log = (
                LeasedBroadcast(charge, shared.check_lease),
                shared.sequences,
                shared.log,
            )
            wait_for_engine = shared.wait_for_room
            self.waits = DiskWaits(
                lambda timeout: history.wait_for_room(timeout) and wait_for_engine(timeout)
            )
        elif settings.durable:
            if directory is None:
                raise ValueError("a durable server needs history")
            held, numbers = HeldBroadcast(charge), RevocableSequences()
            self.history = HistoryStore(directory, held, indexer, on_epoch=on_epoch)
            self.broadcast = held
            self.sequences = numbers
            self.log = DurableLog(timestamp, self.history, held, numbers)
            self.in_turn = held.in_turn
            self.waits = DiskWaits(self.history.wait_for_room, held.wait_for_turn)
        else:
            if directory is not None:
                self.history = HistoryStore(directory, None, indexer, on_epoch=on_epoch)
                self.waits = DiskWaits(self.history.wait_for_room)
            # Nothing between the room and the sockets: the broadcast is the most expensive part of a server.
            self.broadcast, self.sequences = Broadcast(charge), Sequences()
            self.log = make_log(timestamp)
        if self.history is not None and indexer is not None and directory is not None:
            self.search = MessageSearch(self.history, indexer, SearchProcess(directory))

    def stop(self) -> None:
        """Write what is left, and close the files, within ``DRAIN_TIMEOUT``."""
        if self.search is not None:
            self.search.stop()
        if self.history is not None:
            self.history.stop(DRAIN_TIMEOUT)
