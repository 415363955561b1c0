"""Execute the commands of users about rooms: to join and leave, and to see which rooms and users there are."""

from __future__ import annotations

import logging
import time
from bisect import bisect_left, bisect_right
from collections.abc import Mapping, Sequence
from typing import NamedTuple, NoReturn

from chat.protocol.commands import Command, ListQuery, RoomKind, Verb
from chat.protocol.errors import UserNameError
from chat.protocol.headers import encode_json
from chat.protocol.names import UserName, name_key, parse_user_name
from chat.protocol.notices import NoticeCode
from chat.server.directory.member import Member
from chat.server.membership.membership import MAX_ROOMS, RoomMembership
from chat.server.membership.room_making import RoomMaker
from chat.server.room.commands import CommandAnswer, CommandRefused, Commands, NotSaved
from chat.server.room.reading import room_of
from chat.server.room.service import ChatService
from chat.server.rooms.room import ChatRoom
from chat.server.storage.database import DatabaseFault

log = logging.getLogger("chat.server")

# Names of a page of a list.
DEFAULT_NAMES, MAX_NAMES = 100, 500
# To sort the names of very many users takes long. So those of a room with so many may be so many seconds old.
_MANY, _MAX_AGE = 500, 1.0
_SORTED = 8  # rooms whose sorted names are held

_REASONS = {
    NoticeCode.NOT_INVITED: "This room is closed; an owner of it can invite you.",
    NoticeCode.TOO_MANY_ROOMS: f"You are in {MAX_ROOMS} rooms; leave one first.",
}


class _SortedNames(NamedTuple):
    """Hold the names of users by their keys, and the keys in order. ``since`` is by time.monotonic."""

    names: Mapping[str, str]
    keys: Sequence[str]
    since: float


class RoomCommands:
    """The commands ``join``, ``part``, ``rooms`` and ``names``."""

    def __init__(
        self,
        service: ChatService,
        membership: RoomMembership,
        maker: RoomMaker,
    ) -> None:
        self._service = service
        self._rooms = service.rooms
        self._membership = membership
        self._maker = maker
        self._sorted: dict[ChatRoom, _SortedNames] = {}

    def serve(self, commands: Commands) -> None:
        """Add the commands to the table of commands."""
        commands.add_shared(Verb.JOIN, lambda member, command, nonce: self._join(member, command))
        commands.add_shared(Verb.PART, lambda member, command, nonce: self._part(member, command))
        commands.add(Verb.ROOMS, lambda member, command, nonce: self._list(member, command))
        commands.add(Verb.NAMES, lambda member, command, nonce: self._names(member, command))

    def _join(self, member: Member, command: Command) -> CommandAnswer:
        if member.token_digest is None:
            sentence = "Only a client that logs in with JSON can be in other rooms."
            raise CommandRefused(NoticeCode.NOT_ALLOWED, sentence)
        name = room_name(command)
        if not member.knows_rooms:
            self._membership.begin(member)
        room = self._rooms.find(name.key)
        if room is None:
            self._require_place(member)
            room = self._make(member, name)
        code = self._membership.why_not(member, room)
        if code is not None:
            raise CommandRefused(code, _REASONS[code])
        self._membership.join(member, room)
        if member.is_elsewhere:
            return CommandAnswer("", {})  # the user's own server answers
        facts = self._service.room_facts(member, room.header_name)
        return _answer(room, self._with_users(room, facts))

    def _require_place(self, member: Member) -> None:
        if len(self._rooms.of_user(member)) >= MAX_ROOMS:
            code = NoticeCode.TOO_MANY_ROOMS
            raise CommandRefused(code, _REASONS[code])

    def _make(self, member: Member, name: UserName) -> ChatRoom:
        try:
            room = self._maker.make(member, name)
        except DatabaseFault as fault:
            log.error("cannot save a room: %s", fault)
            raise NotSaved from None
        # The user may have left while the disk was written, and another user may have the name now.
        if not self._service.is_here(member):
            raise CommandRefused(NoticeCode.GONE, "Your session has ended.")
        return room

    def _with_users(self, room: ChatRoom, facts: Mapping[str, object]) -> bytes:
        encoded = encode_json(facts)
        if room.is_crowded:
            return (
                encoded  # who comes and goes is not announced, so that a list would not stay true
            )
        # The names are JSON already.
        return b'%b,"users":%b}' % (encoded[:-1], room.members.json())

    def _part(self, member: Member, command: Command) -> CommandAnswer:
        invited = self._rooms.find(room_name(command).key)
        if invited is not None and self._membership.decline(member, invited):
            sentence = f"You have declined the invitation to {invited.name}."
            return CommandAnswer(sentence, {"room": invited.header_name})
        room = room_of(self._rooms, member, room_name(command).key)
        if room.is_default:
            sentence = "Everyone is in this room; to leave it, log out."
            raise CommandRefused(NoticeCode.NOT_ALLOWED, sentence)
        self._membership.part(member, room)
        self._maker.note_empty(room)
        return CommandAnswer(f"You have left {room.name}.", {"room": room.header_name})

    def _list(self, member: Member, command: Command) -> CommandAnswer:
        rooms = {room.state.name.key: room for room in self._rooms if room.may_know(member)}
        keys, more = page_of(sorted(rooms), command.listing or ListQuery())
        found = [self._about(member, rooms[key]) for key in keys]
        facts = {"found": len(found), "more": more or None}
        return CommandAnswer(encode_json(found).decode(), facts)

    def _about(self, member: Member, room: ChatRoom) -> dict[str, object]:
        state, is_in = room.state, room.has(member)
        # The topic of a closed room is for its members, and not for a user who is only invited.
        topic = state.topic if is_in or state.kind is not RoomKind.CLOSED else ""
        return {
            "room": room.name,
            "kind": state.kind.value,
            "topic": topic or None,
            "here": room.here,
            "joined": is_in,
        }

    def _names(self, member: Member, command: Command) -> CommandAnswer:
        room = room_of(self._rooms, member, command.room)
        names = self._sort(room)
        keys, more = page_of(names.keys, command.listing or ListQuery())
        found = [names.names[key] for key in keys]
        facts = {"room": room.header_name, "here": room.here, "found": len(found)}
        return CommandAnswer(encode_json(found).decode(), {**facts, "more": more or None})

    def _sort(self, room: ChatRoom) -> _SortedNames:
        now = time.monotonic()
        known = self._sorted.get(room)
        if known is not None and now - known.since < _MAX_AGE:
            return known
        names = {session.name.key: session.name.display for session in room.members.encoded}
        made = _SortedNames(names, sorted(names), now)
        if room.here > _MANY:
            if len(self._sorted) >= _SORTED:
                self._sorted.clear()
            self._sorted[room] = made
        return made


def room_name(command: Command) -> UserName:
    """Return the name of the room in a command. Raises CommandRefused."""
    if not command.room:
        raise CommandRefused(NoticeCode.BAD_COMMAND, "The command names no room.")
    try:
        return parse_user_name(command.room)
    except UserNameError as problem:
        sentence = str(problem)
    raise CommandRefused(NoticeCode.BAD_COMMAND, sentence)


def page_of(keys: Sequence[str], query: ListQuery) -> tuple[list[str], bool]:
    """Return the keys of a page of a sorted list, and whether others follow. Raises CommandRefused."""
    limit = DEFAULT_NAMES if query.limit is None else query.limit
    limit = max(1, min(limit, MAX_NAMES))
    after = name_key(query.after) if query.after else ""
    if after is None:
        _refuse("The value of 'after' must be a name.")
    prefix = ""
    if query.prefix:
        prefix = name_key(query.prefix) or query.prefix.casefold()
    start = max(bisect_right(keys, after), bisect_left(keys, prefix))
    found = [key for key in keys[start : start + limit + 1] if key.startswith(prefix)]
    return found[:limit], len(found) > limit


def _answer(room: ChatRoom, content: bytes) -> CommandAnswer:
    return CommandAnswer(content.decode(), {"room": room.header_name})


def _refuse(sentence: str) -> NoReturn:
    raise CommandRefused(NoticeCode.BAD_COMMAND, sentence)
