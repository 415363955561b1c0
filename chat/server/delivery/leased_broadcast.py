"""Send to users only while this server may: one that was paused for long must not go on with what was pending."""

from __future__ import annotations

from collections.abc import Callable, Collection

from chat.server.delivery.broadcast import Broadcast
from chat.server.delivery.send_queue import SendQueue

# Users who get a batch between two looks. A process may be stopped in the middle of a batch.
_AT_ONCE = 256


class LeasedBroadcast(Broadcast):
    """A broadcast that calls ``check`` before it sends, which ends all connections if this server must not send."""

    def __init__(self, charge: Callable[[float], object], check: Callable[[], object]) -> None:
        super().__init__(charge)
        self._check = check

    def _give_one(self, data: bytes, send_queue: SendQueue) -> None:
        self._check()
        super()._give_one(data, send_queue)

    def _give(self, data: bytes, send_queues: Collection[SendQueue]) -> None:
        if len(send_queues) <= _AT_ONCE:
            self._check()
            super()._give(data, send_queues)
            return
        users = list(send_queues)
        for start in range(0, len(users), _AT_ONCE):
            self._check()
            super()._give(data, users[start : start + _AT_ONCE])
