"""Execute the commands of users about what belongs to their accounts: read marks, and blocked users."""

from __future__ import annotations

import logging
from typing import NoReturn

from chat.protocol.commands import Command, Verb
from chat.protocol.errors import UserNameError
from chat.protocol.headers import encode_json
from chat.protocol.names import UserName, name_key, parse_user_name
from chat.protocol.notices import NoticeCode
from chat.server.accounts.accounts import Accounts
from chat.server.directory.directory import ConnectedUsers
from chat.server.directory.member import Member
from chat.server.mailboxes.account_mailboxes import AccountMailboxes
from chat.server.mailboxes.blocks import TooManyBlocks
from chat.server.mailboxes.read_marks import ROOM, Mark
from chat.server.room.commands import CommandAnswer, CommandRefused, Commands, NotSaved
from chat.server.room.reading import readable
from chat.server.room.service import ChatService
from chat.server.storage.database import DatabaseFault

log = logging.getLogger("chat.server")


class MailboxCommands:
    """The commands ``read``, ``block``, ``unblock`` and ``blocks``."""

    def __init__(
        self,
        mailboxes: AccountMailboxes,
        accounts: Accounts,
        directory: ConnectedUsers,
        service: ChatService,
    ) -> None:
        self._mailboxes = mailboxes
        self._accounts = accounts
        self._directory = directory
        self._service = service

    def serve(self, commands: Commands) -> None:
        """Add the commands to the table of commands."""
        commands.add_shared(
            Verb.READ,
            lambda member, command, nonce: self._read(member, command),
            self._moves_no_mark,
        )
        commands.add_shared_plain(Verb.BLOCK, self._block)
        commands.add_shared_plain(Verb.UNBLOCK, self._unblock)
        commands.add_plain(Verb.BLOCKS, self._blocks)

    def _moves_no_mark(self, member: Member, command: Command) -> bool:
        """Return whether a command ``read`` would change nothing now: clients send very many of them."""
        account, seq, partner = member.account_id, command.seq, command.partner
        if account is None or seq is None:
            return True
        marks = self._mailboxes.marks
        if partner is not None:
            key = name_key(partner)
            return key is None or seq <= marks.partner(account, key)
        room = self._service.rooms.find(command.room)
        if room is None:
            return True
        seq = min(seq, self._service.last_number(room.log))
        return seq <= (marks.of(account, Mark(ROOM, room.log.key)) or 0)

    def _read(self, member: Member, command: Command) -> CommandAnswer:
        seq, partner = command.seq, command.partner
        if seq is None:
            raise CommandRefused(NoticeCode.BAD_COMMAND, "The command has no 'seq'.")
        if command.private != (partner is not None):
            sentence = "The keys 'private' and 'with' belong together: a mark is for one partner."
            raise CommandRefused(NoticeCode.BAD_COMMAND, sentence)
        name = _name(partner) if partner is not None else None
        if name is not None and command.room is not None:
            raise CommandRefused(NoticeCode.BAD_COMMAND, "A mark is of a room or of one partner.")
        place = readable(self._service.rooms, member, command.room)
        log = member.mailbox if name is not None else place.log
        head = self._service.last_number(log)
        seq = min(seq, head)
        account = member.account_id
        # A guest has one session, and nobody comes back to read on: there is nothing to remember.
        if account is not None:
            if name is None:
                moves = self._mailboxes.read_room(account, seq, log.key)
            else:
                moves = self._mailboxes.read_partner(account, name.key, seq, head)
            if moves:
                self._tell_others(member, seq, name, place.room)
        return CommandAnswer(f"Read up to {seq}.", {"seq": seq})

    def _tell_others(
        self, member: Member, seq: int, partner: UserName | None, room: str | None
    ) -> None:
        """Tell the user's other sessions how far this one has read."""
        facts: dict[str, object] = {"seq": seq, "room": room}
        if partner is not None:
            facts.update(private=True, partner=partner.display)
        for session in self._directory.sessions_of(member.name.key):
            # A raw client does not know this notice, and would show it.
            if session is member or session.token is None:
                continue
            if session.account_id == member.account_id:
                sentence = f"You have read up to {seq} on another device."
                self._service.notify(session, NoticeCode.READ, sentence, None, facts)

    def _block(self, member: Member, command: Command) -> str:
        account, name = _account(member), _name(command.target)
        if name.key == member.name.key:
            raise CommandRefused(NoticeCode.NOT_ALLOWED, "You cannot block yourself.")
        owner = self._accounts.look().find(name.key)
        try:
            self._mailboxes.blocks.add(account, name, owner.id if owner is not None else None)
        except TooManyBlocks as problem:
            raise CommandRefused(NoticeCode.NO_SPACE, str(problem)) from None
        except DatabaseFault as fault:
            _cannot_save(fault)
        # The same sentence for every name: nobody learns here whether it is registered.
        return f"You get no private messages from {name.display} any more."

    def _unblock(self, member: Member, command: Command) -> str:
        account, name = _account(member), _name(command.target)
        try:
            was_blocked = self._mailboxes.blocks.remove(account, name)
        except DatabaseFault as fault:
            _cannot_save(fault)
        if not was_blocked:
            raise CommandRefused(NoticeCode.NO_SUCH_USER, f"You do not block {name.display}.")
        return f"{name.display} may write to you again."

    def _blocks(self, member: Member, command: Command) -> str:
        return encode_json(self._mailboxes.blocks.names(_account(member))).decode()


def _account(member: Member) -> bytes:
    if member.account_id is None:
        sentence = "Only a registered user can block others; register your name first."
        raise CommandRefused(NoticeCode.NOT_ALLOWED, sentence)
    return member.account_id


def _name(text: str | None) -> UserName:
    """Return the user name in a command. Raises CommandRefused."""
    if not text:
        raise CommandRefused(NoticeCode.BAD_COMMAND, "The command names no user.")
    try:
        return parse_user_name(text)
    except UserNameError as problem:
        raise CommandRefused(NoticeCode.BAD_COMMAND, str(problem)) from None


def _cannot_save(fault: DatabaseFault) -> NoReturn:
    log.error("cannot save whom a user blocks: %s", fault)
    raise NotSaved
