"""Put together what a message passes on its way to the users: the log, history on the disk, and the broadcast.

Usually users hear a message at once, and the disk follows. In a durable server the disk comes first.
"""

from __future__ import annotations

from collections.abc import Callable

from chat.server.delivery.broadcast import Broadcast
from chat.server.delivery.held_broadcast import HeldBroadcast
from chat.server.history.history import HistoryStore
from chat.server.log.durable_log import DurableLog, RevocableSequences
from chat.server.log.log import Log, Sequences
from chat.server.room.kept import InTurn
from chat.server.settings import Settings

Timestamp = Callable[[], str]


class MessagePath:
    """The parts on the way of a message.

    ``make_log`` makes the log of a server that is not durable. ``charge`` and ``on_epoch`` are those of Broadcast and
    HistoryStore. ``history`` is None if no messages are kept. ``in_turn`` and ``wait_for_turn`` are those of
    HeldBroadcast, and None if nothing is held back.
    """

    in_turn: InTurn | None = None
    wait_for_turn: Callable[[float], bool] | None = None

    def __init__(
        self,
        settings: Settings,
        make_log: Callable[[Timestamp], Log],
        timestamp: Timestamp,
        *,
        charge: Callable[[float], object],
        on_epoch: Callable[[str], object],
    ) -> None:
        directory = settings.data_directory if settings.history else None
        self.history: HistoryStore | None = None
        if settings.durable:
            if directory is None:
                raise ValueError("a durable server needs history")
            held, numbers = HeldBroadcast(charge), RevocableSequences()
            self.history = HistoryStore(directory, held, on_epoch=on_epoch)
            self.broadcast: Broadcast = held
            self.sequences: Sequences = numbers
            self.log: Log = DurableLog(timestamp, self.history, held, numbers)
            self.in_turn, self.wait_for_turn = held.in_turn, held.wait_for_turn
            return
        if directory is not None:
            self.history = HistoryStore(directory, on_epoch=on_epoch)
        # Nothing between the room and the sockets: the broadcast is the most expensive part of a server.
        self.broadcast, self.sequences = Broadcast(charge), Sequences()
        self.log = make_log(timestamp)
