"""Make rooms and remove them: at the wish of users, by the operator, and when they have been empty for a day."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from contextlib import suppress

from gevent.lock import BoundedSemaphore

from chat.protocol.names import UserName
from chat.protocol.notices import NoticeCode
from chat.server.accounts.accounts import AccountTable
from chat.server.directory.member import Member
from chat.server.history.history import HistoryStore
from chat.server.history.stored import ROOM, LogName
from chat.server.log.log import LogFull
from chat.server.log.operations import Operations
from chat.server.log.sharing import ALONE, Sharing
from chat.server.membership.membership import RoomMembership
from chat.server.process.lasting_fault import LastingFault
from chat.server.room.commands import CommandRefused
from chat.server.room.service import NO_SUCH_ROOM, ChatService
from chat.server.rooms.room import ChatRoom, RoomAccess, RoomState
from chat.server.rooms.room_records import UNKNOWN_HEAD, StoredRooms
from chat.server.rooms.room_store import RoomStore
from chat.server.rooms.rooms import name_in_the_way, why_taken
from chat.server.settings import CreateRooms, Settings
from chat.server.storage.database import DatabaseFault

log = logging.getLogger("chat.server")

EMPTY_FOR = 86400  # seconds after which an empty room goes that has no owner
_PERIOD = 60.0  # seconds between two looks
SWEEP = "sweep-rooms"  # the operation


class DefaultRoomTaken(Exception):
    """The default room cannot have its name, since another room has it. The text is one line for the operator."""


class RoomMaker:
    """Make the rooms of a server, and remove them.

    ``history`` is None if no messages are kept. ``changing`` is held by every change of a room that waits for the disk.
    ``accounts`` returns all accounts without a wait.
    """

    def __init__(
        self,
        service: ChatService,
        membership: RoomMembership,
        store: RoomStore,
        history: HistoryStore | None,
        accounts: Callable[[], AccountTable],
        settings: Settings,
        operations: Operations,
        clock: Callable[[], float] = time.time,
        sharing: Sharing = ALONE,
    ) -> None:
        self.changing = BoundedSemaphore(1)
        self._service = service
        self._rooms = service.rooms
        self._membership = membership
        self._store = store
        self._history = history
        self._accounts = accounts
        self._known_accounts: AccountTable | None = None
        self._settings = settings
        self._clock = clock
        self._swept = clock()
        self._was_swept = False
        self._fault = LastingFault("cannot read the rooms again; the old ones stay")
        self._operations = operations
        self._sharing = sharing
        operations.add(SWEEP, lambda change: self.sweep())

    def start(self) -> None:
        """Read the stored rooms before anyone can log in. Raises DatabaseFault and DefaultRoomTaken."""
        stored = self._store.read()
        default = self._rooms.default.state.name
        other = name_in_the_way(default, (state.name for state in stored.rooms))
        if other is not None:
            raise DefaultRoomTaken(why_taken(default, other))
        self._use(stored)
        if not self._sharing.is_shared:
            for room in self._rooms:
                self.note_empty(room)

    def make(self, member: Member, name: UserName) -> ChatRoom:
        """Return the room with ``name``; make it if there is none. Waits for the disk.

        Raises CommandRefused and DatabaseFault.
        """
        self._require_may_make(member)
        with self.changing:
            found = self._rooms.find(name.key)
            if found is not None:
                return found
            self._require_no_lookalike(name, member)
            self._make_place()
            account = member.account_id
            head = self._begin_log(name)
            state = RoomState(name, start=head, opened=head, created=int(self._clock()))
            access: dict[bytes, RoomAccess] = {}
            if account is not None:
                access[account] = RoomAccess(None, is_member=True, is_owner=True)
            self._store.write(
                {name.key: state}, {(name.key, id): each for id, each in access.items()}
            )
            if account != member.account_id:
                access.clear()  # the account was removed meanwhile
            room = self._add(state, access)
        log.info("%s makes the room %s", member.name.display, name.display)
        return room

    def add(self, name: UserName) -> ChatRoom:
        """Make the operator's room with ``name``, which is free. The caller writes it."""
        head = self._begin_log(name)
        created = int(self._clock())
        state = RoomState(name, is_operators=True, start=head, opened=head, created=created)
        return self._add(state, {})

    def note_empty(self, room: ChatRoom) -> None:
        """Note since when nobody is in a room that has no owner, or that somebody is."""
        state = room.state
        is_kept = room.is_default or room.is_registered or not room.is_empty
        if is_kept != (state.empty_since is None):
            since = None if is_kept else int(self._clock())
            room.state = state._replace(empty_since=since)
            self._store.note_numbers(room.state)

    def sweep_if_due(self) -> None:
        """Remove rooms that have been empty for long, once a minute."""
        now = self._clock()
        if self._was_swept:
            # Noted only here: in an entry of the log, the clock is that of the engine, which may differ by hours.
            self._was_swept, self._swept = False, now
        if not 0 <= now - self._swept < _PERIOD:
            self._swept = now
            with suppress(LogFull):  # the next minute comes
                self._operations.post(SWEEP, {})

    def sweep(self) -> None:
        """Remove rooms that have no owner and have been empty for a day, by the time of the log."""
        # Of several servers, one is enough.
        self._was_swept = True
        for room in list(self._rooms):
            if room.is_default:
                continue
            self.note_empty(room)
            since = room.state.empty_since
            if since is None or self._clock() - since < EMPTY_FOR:
                continue
            with self.changing:
                if room.is_empty and self._rooms.find(room.state.name.key) is room:
                    try:
                        self._store.write({room.state.name.key: None})
                    except DatabaseFault as fault:
                        log.error("cannot remove an empty room: %s", fault)
                        return
                    if room.is_empty:
                        self._membership.dissolve(room)
                        log.info("the room %s was empty for a day, and is removed", room.name)

    def look(self) -> None:
        """Apply what another program has changed about rooms, and forget accounts that were removed."""
        self.forget_accounts()
        try:
            with self.changing:
                stored = self._store.read_if_changed()
                if stored is not None:
                    self._use(stored)
            self._fault.clear()
        except DatabaseFault as fault:
            self._fault.note(fault)

    def _use(self, stored: StoredRooms) -> None:
        by_key = {state.name.key: state for state in stored.rooms}
        for room in list(self._rooms):
            if not room.is_default and room.state.name.key not in by_key:
                self._membership.dissolve(room)
                log.info("the operator removed the room %s", room.name)
        for key, state in by_key.items():
            known = self._rooms.find(key)
            of_room = {id: each for (at, id), each in stored.access.items() if at == key}
            if known is None:
                self._begin_log(state.name)
                self._add(state, of_room)
            elif known.is_default:
                # Nobody can be in a room whose name means the default room; a restart says so, too.
                log.error(
                    "the room %s is not used: the default room has its name", state.name.display
                )
            else:
                known.state = state._replace(empty_since=known.state.empty_since)
                self._find_numbers(known)
                self._use_owners(known, of_room)

    def _use_owners(self, room: ChatRoom, stored: dict[bytes, RoomAccess]) -> None:
        """Take over who owns ``room``. All else about members is newer in memory."""
        owners = {id for id, access in stored.items() if access.is_owner}
        for id in owners | {id for id, access in room.access.items() if access.is_owner}:
            access = room.access.get(id) or stored.get(id) or RoomAccess()
            self._membership.set_access(room, id, access._replace(is_owner=id in owners))

    def forget_accounts(self) -> None:
        """Forget what accounts that were removed have been in rooms."""
        accounts = self._accounts()
        if accounts is self._known_accounts:
            return
        self._known_accounts = accounts
        ids = {account.id for account in accounts}
        for room in self._rooms:
            for id in room.access.keys() - ids:
                # The database has forgotten them together with the account.
                self._rooms.set_access(room, id, None)

    def _add(self, state: RoomState, access: dict[bytes, RoomAccess]) -> ChatRoom:
        room = ChatRoom(state, LogName(ROOM, state.name.key))
        room.access.update(access)
        self._rooms.add(room)
        self._service.go_on_after(room.log, self._service.last_number(room.log))
        self._find_numbers(room)
        return room

    def _find_numbers(self, room: ChatRoom) -> None:
        """Fill in what the operator's program cannot know."""
        state, head = room.state, self._service.last_number(room.log)
        if UNKNOWN_HEAD in (state.start, state.opened):
            start = head if state.start == UNKNOWN_HEAD else state.start
            room.state = state._replace(start=start, opened=head)
            self._store.note_numbers(room.state)

    def _begin_log(self, name: UserName) -> int:
        """Begin the log of a room; return its last number: there may have been a room of this name before."""
        name_of_log = LogName(ROOM, name.key)
        if self._history is not None:
            self._history.begin(name_of_log)
        return self._service.last_number(name_of_log)

    def _require_may_make(self, member: Member) -> None:
        who = self._settings.create_rooms
        if who is CreateRooms.ANYONE or member.moderator:
            return
        if who is CreateRooms.REGISTERED and member.registered:
            return
        whose = "registered users" if who is CreateRooms.REGISTERED else "moderators"
        sentence = f"{NO_SUCH_ROOM} Only {whose} can make rooms."
        raise CommandRefused(NoticeCode.NO_SUCH_ROOM, sentence)

    def _require_no_lookalike(self, name: UserName, member: Member) -> None:
        other = self._rooms.lookalike(name)
        if other is not None:
            # The name of a closed room is not for strangers.
            which = f": {other.name}" if other.may_know(member) else ""
            sentence = f"There is a room whose name looks like {name.display}{which}."
            raise CommandRefused(NoticeCode.NOT_ALLOWED, sentence)

    def _make_place(self) -> None:
        """Remove the room that has been empty for longest if the server can have no more. Raises CommandRefused.

        Otherwise a guest who makes and leaves many rooms would keep others from making any for a day.
        """
        if len(self._rooms) < self._settings.max_rooms:
            return
        empty = [room for room in self._rooms if not room.is_default and room.is_empty]
        free = [room for room in empty if not room.is_registered]
        # Rooms whose time is not noted yet have been empty for less than a minute.
        oldest = min(free, key=self._since_and_name, default=None)
        if oldest is not None:
            self._store.write({oldest.state.name.key: None})
            if oldest.is_empty:
                self._membership.dissolve(oldest)
                log.info("the empty room %s makes place, and is removed", oldest.name)
        if len(self._rooms) >= self._settings.max_rooms:
            sentence = f"The server has {len(self._rooms)} rooms, and can have no more."
            raise CommandRefused(NoticeCode.TOO_MANY_ROOMS, sentence)

    def _since_and_name(self, room: ChatRoom) -> tuple[float, str]:
        return room.state.empty_since or self._clock(), room.state.name.key
