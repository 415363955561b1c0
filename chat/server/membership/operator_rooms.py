"""Change rooms as the operator wants it, by an operation in the log: for servers that share one.

There the log decides what the rooms are, so no other process may change the database.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Any, NoReturn

from chat.protocol.names import UserName
from chat.protocol.notices import NoticeCode
from chat.server.accounts.accounts import AccountTable
from chat.server.log.log import Change
from chat.server.log.operations import Operations
from chat.server.membership.membership import RoomMembership
from chat.server.membership.room_making import RoomMaker
from chat.server.membership.room_wishes import ADD, OPERATOR_ROOM, REMOVE, wished
from chat.server.room.commands import CommandRefused
from chat.server.room.service import ChatService
from chat.server.rooms.room import ChatRoom, RoomAccess
from chat.server.rooms.room_store import RoomStore

log = logging.getLogger("chat.server")


class OperatorRooms:
    """Carry out the operation. ``accounts`` returns all accounts without a wait.

    Its fields are the ``verb``, the ``name`` of the room, the wishes for it (see ``wished``), and with ``owner`` the
    name of a registered user; names are lists of what UserName has. A refusal is a CommandRefused.
    """

    def __init__(
        self,
        operations: Operations,
        service: ChatService,
        membership: RoomMembership,
        maker: RoomMaker,
        store: RoomStore,
        accounts: Callable[[], AccountTable],
    ) -> None:
        self._service = service
        self._rooms = service.rooms
        self._membership = membership
        self._maker = maker
        self._store = store
        self._accounts = accounts
        operations.add(OPERATOR_ROOM, self._carry_out)

    def _carry_out(self, change: Change) -> dict[str, Any]:
        fields = change.fields
        name, verb = UserName(*fields["name"]), fields["verb"]
        room = self._rooms.find(name.key)
        if room is not None and room.is_default:
            _refuse(f"Everyone is in {name.display}: it cannot be changed or removed.")
        owner = self._owner(fields)
        if verb == ADD:
            room = self._add(name, room)
        elif room is None:
            _refuse(f"There is no room {name.display}.")
        if verb == REMOVE:
            self._store.write({room.state.name.key: None})
            self._membership.dissolve(room)
        else:
            state = wished(room.state, fields, self._service.last_number(room.log))
            self._store.write({state.name.key: state})
            room.state = state
            if owner is not None:
                access = room.access.get(owner, RoomAccess())
                self._membership.set_access(room, owner, access._replace(is_owner=True))
        log.info("the operator changes rooms: %s %s", verb, room.name)
        return {"room": room.name}

    def _add(self, name: UserName, known: ChatRoom | None) -> ChatRoom:
        if known is not None:
            _refuse(f"There is a room {known.name} already.")
        other = self._rooms.lookalike(name)
        if other is not None:
            _refuse(f"{name.display} looks like {other.name}, a room.")
        return self._maker.add(name)

    def _owner(self, fields: Mapping[str, Any]) -> bytes | None:
        """Return the id of the account that becomes an owner."""
        if "owner" not in fields:
            return None
        name = UserName(*fields["owner"])
        account = self._accounts().find(name.key)
        if account is None:
            _refuse(f"{name.display} is not registered.")
        return account.id


def _refuse(sentence: str) -> NoReturn:
    raise CommandRefused(NoticeCode.BAD_COMMAND, sentence)
