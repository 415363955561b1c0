"""Decide which messages a user may read: those of the rooms that they are in, each from a number on."""

from __future__ import annotations

from typing import NamedTuple

from chat.protocol.notices import NoticeCode
from chat.server.directory.member import Member
from chat.server.history.stored import ROOM, HistoryPage, LogName
from chat.server.room.commands import CommandRefused
from chat.server.room.service import NO_SUCH_ROOM, NOT_IN_ROOM
from chat.server.rooms.room import ChatRoom
from chat.server.rooms.rooms import Rooms


class Readable(NamedTuple):
    """Name a log, and the number of the last message that the user may not read. ``room`` is the name in headers."""

    log: LogName
    since: int = 0
    room: str | None = None


def room_of(rooms: Rooms, member: Member, name: str | None) -> ChatRoom:
    """Return the room with ``name`` (None: the default room), which ``member`` is in. Raises CommandRefused."""
    room = rooms.find(name)
    if room is None:
        raise CommandRefused(NoticeCode.NO_SUCH_ROOM, NO_SUCH_ROOM)
    if not room.has(member):
        raise CommandRefused(NoticeCode.NOT_IN_ROOM, NOT_IN_ROOM)
    return room


def readable(rooms: Rooms, member: Member, name: str | None) -> Readable:
    """Return what ``member`` may read of the room with ``name``. Raises CommandRefused."""
    room = room_of(rooms, member, name)
    return Readable(room.log, room.since(member), room.header_name)


def require_still(rooms: Rooms, member: Member, before: Readable) -> None:
    """Raise CommandRefused if ``member`` may not read any more what they might ``before``, while a thread read it."""
    if before.log.kind != ROOM:
        return
    room = rooms.of_log(before.log)
    if room is None or not room.has(member) or room.since(member) > before.since:
        raise CommandRefused(NoticeCode.NOT_IN_ROOM, NOT_IN_ROOM)


def page_since(page: HistoryPage, since: int) -> HistoryPage:
    """Return the part of a page of the last messages that has numbers over ``since``."""
    if not since or not page.runs or page.runs[0].first > since + 1:
        return page if not since else page._replace(lost=[h for h in page.lost if h.last > since])
    runs = [part for run in page.runs if (part := run.slice(since, None)) is not None]
    lost = [hole for hole in page.lost if hole.last > since]
    return HistoryPage(runs, False, lost)
