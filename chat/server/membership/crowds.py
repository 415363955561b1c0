"""Announce who joins and leaves a room: one by one, or as a count in rooms with very many members.

In the default room, clients that know nothing of counts get each announcement, however many users are here.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import gevent

from chat.protocol.frames import Frame
from chat.protocol.notices import NoticeCode
from chat.server.delivery.broadcast import Broadcast
from chat.server.room.service import ChatService
from chat.server.rooms.room import ChatRoom

PERIOD = 1.0  # seconds between two counts, at least
# A count goes to each user of the room. So many are told in a second, so that larger rooms are told less often.
_TOLD_A_SECOND = 5_000
# A room is announced one by one again only below this part of the limit, so that it does not change to and fro.
_BACK = 0.9


class RoomCrowds:
    """Know which rooms are crowded. ``limit`` returns the number of users above which a room is."""

    def __init__(
        self, service: ChatService, broadcast: Broadcast, limit: Callable[[], int]
    ) -> None:
        self._service = service
        self._broadcast = broadcast
        self._limit = limit
        self._uncounted: dict[ChatRoom, None] = {}
        self._timer: Any = None

    def announce(self, room: ChatRoom, frame: Frame) -> None:
        """Tell the audience of ``room`` by ``frame`` who has come or gone, or how many are here."""
        if room.here > self._limit():
            room.is_crowded = True
        if not room.is_crowded:
            self._broadcast.announce(frame, room.audience)
            return
        if room.is_default:
            self._broadcast.announce(frame, room.audience, counts=False)
        self._uncounted[room] = None
        if self._timer is None:
            pause = max(PERIOD, room.here / _TOLD_A_SECOND)
            self._timer = gevent.get_hub().loop.timer(pause)
            self._timer.start(self.count)

    def count(self) -> None:
        """Say how many users are in the rooms whose number has changed."""
        self.stop()
        uncounted, self._uncounted = self._uncounted, {}
        for room in uncounted:
            if room.here <= self._limit() * _BACK:
                room.is_crowded = False
            facts = {"here": room.here, "announced": None if room.is_crowded else True}
            sentence = f"{room.here} users are in {room.name}."
            frame = self._service.general_notice(NoticeCode.HERE, sentence, room, facts)
            self._broadcast.announce(frame, room.audience, counts=room.is_default or None)

    def stop(self) -> None:
        """Say nothing more by itself."""
        if self._timer is not None:
            self._timer.stop()
            self._timer.close()
            self._timer = None
