"""Execute the commands of the owners of rooms: topic, settings, invitations, removals."""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import partial
from typing import TypeVar

from chat.protocol.commands import Command, RoomKind, Verb, Visible
from chat.protocol.errors import UserNameError
from chat.protocol.names import UserName, parse_user_name
from chat.protocol.notices import NoticeCode
from chat.server.accounts.accounts import Account, AccountTable
from chat.server.directory.directory import NO_SUCH_USER, ConnectedUsers
from chat.server.directory.member import Member
from chat.server.log.sharing import ALONE, Sharing
from chat.server.mailboxes.account_mailboxes import AccountMailboxes
from chat.server.membership.membership import MAX_ROOMS, RoomMembership
from chat.server.membership.room_making import RoomMaker
from chat.server.membership.topics import BadTopic, read_topic
from chat.server.room.commands import (
    CommandAnswer,
    CommandRefused,
    Commands,
    NotSaved,
)
from chat.server.room.reading import room_of
from chat.server.room.service import ChatService
from chat.server.rooms.room import ChatRoom, RoomAccess, RoomState
from chat.server.rooms.room_store import RoomStore
from chat.server.storage.database import DatabaseFault

log = logging.getLogger("chat.server")

MAX_INVITED = 1000  # registered users who are invited to one room, and not in it

Choice = TypeVar("Choice", RoomKind, Visible)
_OwnerHandler = Callable[[Member, ChatRoom, Command], str]


class OwnerCommands:
    """The commands ``topic``, ``invite``, ``remove`` and ``room``. ``accounts`` returns all accounts without a wait."""

    def __init__(
        self,
        service: ChatService,
        directory: ConnectedUsers,
        membership: RoomMembership,
        maker: RoomMaker,
        store: RoomStore,
        mailboxes: AccountMailboxes,
        accounts: Callable[[], AccountTable],
        sharing: Sharing = ALONE,
    ) -> None:
        self._sharing = sharing
        self._service = service
        self._directory = directory
        self._membership = membership
        self._maker = maker
        self._store = store
        self._mailboxes = mailboxes
        self._accounts = accounts

    def serve(self, commands: Commands) -> None:
        """Add the commands to the table of commands."""
        for verb, handler in (
            (Verb.TOPIC, self._topic),
            (Verb.INVITE, self._invite),
            (Verb.REMOVE, self._remove),
            (Verb.ROOM, self._change),
        ):
            commands.add_shared(verb, partial(self._execute, handler), self._is_no_owner)

    def _is_no_owner(self, member: Member, command: Command) -> bool:
        """Return whether a command is refused now, so that it needs no entry of a log."""
        room = self._service.rooms.find(command.room)
        return room is None or not room.is_owner(member)

    def _execute(
        self, handler: _OwnerHandler, member: Member, command: Command, nonce: str | None
    ) -> CommandAnswer:
        self._require_owner(member, command)
        return self._sharing.to_the_end(self._attempt, handler, member, command)

    def _attempt(self, handler: _OwnerHandler, member: Member, command: Command) -> CommandAnswer:
        with self._maker.changing:
            try:
                # Again, after the wait: another owner, or the operator, may have been faster.
                room = self._require_owner(member, command)
                return CommandAnswer(handler(member, room, command), {"room": room.header_name})
            except (UserNameError, BadTopic) as problem:
                raise CommandRefused(NoticeCode.BAD_COMMAND, str(problem)) from None
            except DatabaseFault as fault:
                log.error("cannot save a change of a room: %s", fault)
                raise NotSaved from None

    def _require_owner(self, member: Member, command: Command) -> ChatRoom:
        room = room_of(self._service.rooms, member, command.room)
        if not room.is_owner(member):
            sentence = f"Only an owner of {room.name} may do that."
            raise CommandRefused(NoticeCode.NOT_ALLOWED, sentence)
        return room

    # The commands

    def _topic(self, member: Member, room: ChatRoom, command: Command) -> str:
        topic = read_topic(command.topic or "")
        self._put_state(room, room.state._replace(topic=topic))
        facts = {"user": member.name.display}
        self._service.announce(NoticeCode.TOPIC, topic, member, facts, room)
        return f"The topic is: {topic}" if topic else "The room has no topic now."

    def _invite(self, member: Member, room: ChatRoom, command: Command) -> str:
        name = _target(command)
        sessions = self._directory.sessions_of(name.key)
        account = self._account_of(name, sessions)
        if account is None and not sessions:
            raise CommandRefused(NoticeCode.NO_SUCH_USER, NO_SUCH_USER)
        shown = sessions[0].name.display if sessions else name.display
        if any(room.has(session) for session in sessions):
            raise CommandRefused(NoticeCode.BAD_COMMAND, f"{shown} is in the room already.")
        head = self._service.last_number(room.log)
        if account is not None:
            if self._mailboxes.is_blocked(account.id, member):
                sentence = f"{shown} takes no invitations from you."
                raise CommandRefused(NoticeCode.BLOCKED, sentence)
            if account.id not in room.access:
                self._require_few_invitations(room, account.id)
                access = RoomAccess(head)
                self._store.write(access={(room.state.name.key, account.id): access})
                self._membership.set_access(room, account.id, access)
        else:
            self._service.rooms.invite_guest(room, name.key, head)
        sentence = f"{member.name.display} invites you to the room {room.name}."
        facts = {"room": room.header_name, "user": member.name.display}
        for session in self._directory.sessions_of(name.key):
            if session.token is not None:
                self._service.notify(session, NoticeCode.INVITED, sentence, None, facts)
        return f"{shown} is invited."

    def _remove(self, member: Member, room: ChatRoom, command: Command) -> str:
        name = _target(command)
        sessions = self._directory.sessions_of(name.key)
        account = self._account_of(name, sessions)
        access = room.access.get(account.id) if account is not None else None
        if access is not None and access.is_owner:
            raise CommandRefused(NoticeCode.NOT_ALLOWED, f"{name.display} is an owner.")
        is_in = any(room.has(session) for session in sessions)
        is_known = access is not None or name.key in room.invited_guests
        if not is_in and not is_known:
            raise CommandRefused(NoticeCode.NO_SUCH_USER, "The room has no such member.")
        if account is not None:
            # Before it takes effect: a crash must not bring back somebody who was removed.
            self._store.write(access={(room.state.name.key, account.id): None})
            self._membership.set_access(room, account.id, None)
        self._service.rooms.uninvite_guest(room, name.key)
        by = member.name.display
        for session in self._directory.sessions_of(name.key):
            if room.has(session):
                self._membership.put_out(session, room, f"{by} removed you from {room.name}.")
        self._maker.note_empty(room)
        return f"{name.display} was removed from {room.name}."

    def _change(self, member: Member, room: ChatRoom, command: Command) -> str:
        change, state = command.change, room.state
        if change is None or not any(value is not None for value in change):
            sentence = "Expected a 'kind', 'keep', 'history' or 'owner'."
            raise CommandRefused(NoticeCode.BAD_COMMAND, sentence)
        head, done = self._service.last_number(room.log), []
        if change.kind is not None:
            kind = _one_of(RoomKind, "kind", change.kind)
            if state.kind is RoomKind.CLOSED and kind is not RoomKind.CLOSED:
                # What was said while the room was closed stays with those who could hear it.
                state = state._replace(opened=head, shows_all=False)
            state = state._replace(kind=kind)
            done.append(f"kind: {kind.value}")
        if change.history is not None:
            visible = _one_of(Visible, "history", change.history)
            state = state._replace(shows_all=visible is Visible.ALL)
            done.append(f"history: {visible.value}")
        if change.keep is not None:
            state = state._replace(keep=change.keep or None)
            done.append(f"keep: {change.keep or 'as the server'}")
        owner: Account | None = None
        if change.owner is not None:
            owner = self._accounts().find(parse_user_name(change.owner).key)
            if owner is None or owner.id not in room.access:
                sentence = "Only a registered member of the room can be an owner."
                raise CommandRefused(NoticeCode.NO_SUCH_USER, sentence)
            done.append(f"owner: {owner.name}")
        if owner is not None:
            access = room.access[owner.id]._replace(is_owner=True)
            self._store.write(access={(room.state.name.key, owner.id): access})
            self._membership.set_access(room, owner.id, access)
        if state != room.state:
            self._put_state(room, state)
        what = ", ".join(done)
        sentence = f"{member.name.display} changed the room {room.name}: {what}."
        facts = {"user": member.name.display}
        self._service.announce(NoticeCode.ROOM, sentence, member, facts, room)
        return f"The room {room.name} has changed: {what}."

    # Steps

    def _put_state(self, room: ChatRoom, state: RoomState) -> None:
        """Save the settings of ``room``, then apply them. Raises DatabaseFault."""
        self._store.write({state.name.key: state})
        room.state = state

    def _account_of(self, name: UserName, sessions: tuple[Member, ...]) -> Account | None:
        """Return the account of a user; None for a guest, and for a name without an account."""
        account = self._accounts().find(name.key)
        if sessions and (account is None or sessions[0].account_id != account.id):
            return None
        return account

    def _require_few_invitations(self, room: ChatRoom, account: bytes) -> None:
        waiting = sum(not access.is_member for access in room.access.values())
        rooms = self._service.rooms.of_account(account)
        theirs = sum(not each.access[account].is_member for each in rooms)
        if waiting >= MAX_INVITED or theirs >= MAX_ROOMS:
            sentence = "Too many invitations wait; try again when some were accepted."
            raise CommandRefused(NoticeCode.TOO_MANY_ROOMS, sentence)


def _target(command: Command) -> UserName:
    if not command.target:
        raise CommandRefused(NoticeCode.BAD_COMMAND, "The command names no user.")
    return parse_user_name(command.target)


def _one_of(kind: type[Choice], key: str, value: str) -> Choice:
    try:
        return kind(value)
    except ValueError:
        expected = ", ".join(each.value for each in kind)
        sentence = f"The value of {key!r} must be one of: {expected}."
    raise CommandRefused(NoticeCode.BAD_COMMAND, sentence)
