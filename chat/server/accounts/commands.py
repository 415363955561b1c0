"""Let users register the name they have, and change the password of their account.

Only the user who asks waits for the hashing threads, the log and the disk.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import NoReturn

from chat.protocol.commands import Command, Verb
from chat.protocol.notices import NoticeCode
from chat.server.accounts.account_operations import AccountOperations
from chat.server.accounts.account_problems import AccountProblem
from chat.server.accounts.accounts import Accounts
from chat.server.accounts.password_guard import PasswordGuard, TooManyAttempts
from chat.server.accounts.passwords import Passwords, TooManyWaiting, UnusablePassword, check_rules
from chat.server.directory.directory import ConnectedUsers
from chat.server.directory.member import Member
from chat.server.limits.limits import address_key
from chat.server.limits.throttle import SlidingWindow
from chat.server.log.log import LogFull
from chat.server.room.commands import CommandAnswer, CommandRefused, Commands, NotSaved
from chat.server.settings import Settings
from chat.server.storage.database import DatabaseFault

log = logging.getLogger("chat.server")

REGISTRATIONS, REGISTRATION_WINDOW = 10, 3600.0  # per address, in this many seconds


class AccountCommands:
    """The commands ``register`` and ``passwd``."""

    def __init__(
        self,
        directory: ConnectedUsers,
        settings: Settings,
        operations: AccountOperations,
        accounts: Accounts,
        passwords: Passwords,
        guard: PasswordGuard,
    ) -> None:
        self._directory = directory
        self._settings = settings
        self._operations = operations
        self._accounts = accounts
        self._passwords = passwords
        self._guard = guard
        self._registrations = SlidingWindow(REGISTRATIONS, REGISTRATION_WINDOW)

    def serve(self, commands: Commands) -> None:
        """Add the commands to the table of commands."""
        # The user's private messages are numbered anew from here on: those of the guest had numbers of their own.
        begins = {"private": True, "seq": 0}
        commands.add_waiting(
            Verb.REGISTER,
            lambda member, command, nonce: CommandAnswer(
                self._execute(self._register, member, command), begins
            ),
        )
        commands.add_waiting_plain(Verb.PASSWD, partial(self._execute, self._change_password))

    def _execute(
        self, handler: Callable[[Member, Command], str], member: Member, command: Command
    ) -> str:
        if not member.is_private:
            sentence = "Passwords need an encrypted connection: connect with TLS."
            raise CommandRefused(NoticeCode.ENCRYPTION_NEEDED, sentence)
        if not self._accounts.are_kept:
            _refuse("This server has no accounts.")
        try:
            return handler(member, command)
        except (AccountProblem, TooManyAttempts) as problem:
            _refuse(str(problem))
        except LogFull as problem:
            raise CommandRefused(NoticeCode.NO_SPACE, str(problem)) from None
        except UnusablePassword as problem:
            raise CommandRefused(NoticeCode.BAD_COMMAND, str(problem)) from None
        except DatabaseFault as fault:
            log.error("cannot save an account: %s", fault)
            raise NotSaved from None

    def _register(self, member: Member, command: Command) -> str:
        password = _required(command.password, "password")
        check_rules(password)
        if not self._settings.register or self._settings.members_only:
            _refuse("Only the operator can register names here.")
        # Also before the hash: the operation looks again.
        self._operations.require_may_register(member)
        with self._counted_registration(member.host):
            hash = self._hash(member, password)
            self._operations.add(member.name, hash, actor=member)
        name = member.name.display
        return f"The name {name} is yours: every login with it needs your password."

    def _change_password(self, member: Member, command: Command) -> str:
        old = _required(command.password, "password")
        new = _required(command.new_password, "new_password")
        check_rules(new)
        name = member.name
        account = self._accounts.look().find(name.key)
        if account is None:
            _refuse("Your name is not registered.")
        if not self._guard.verify(member.host, name.key, old, account.password):
            raise CommandRefused(NoticeCode.WRONG_PASSWORD, "Wrong password; nothing was changed.")
        hash = self._hash(member, new)
        # Only if the hash is the one that was checked: hashing takes a while, and the operator may have set another.
        ended = self._operations.replace_password(name, hash, instead_of=account, actor=member)
        others = f" Your other sessions have ended: {ended}." if ended else ""
        return f"Your password was changed.{others}"

    @contextmanager
    def _counted_registration(self, host: str | None) -> Iterator[None]:
        """Count a registration from ``host``; forget it again if the registration fails. Raises CommandRefused."""
        address = address_key(host, self._settings.exempt)
        if self._registrations.admit(address):
            _refuse("Your address has registered too many names; try again in an hour.")
        try:
            yield
        except BaseException:
            self._registrations.forgive(address)
            raise

    def _hash(self, peer: Member, password: str) -> str:
        """Hash ``password`` in a thread. Raises TooManyAttempts, or CommandRefused if the user has left meanwhile."""
        address = address_key(peer.host, self._settings.exempt)
        try:
            with self._passwords.turn(address):
                hash = self._passwords.hash(password)
        except TooManyWaiting:
            raise TooManyAttempts("The server is busy; try again in a moment.") from None
        # The hash may have waited for long. The user may have left, and another user may have the name now.
        if not self._directory.is_here(peer):
            raise CommandRefused(NoticeCode.GONE, "Your session has ended.")
        return hash


def _required(value: str | None, key: str) -> str:
    if value is None:
        raise CommandRefused(NoticeCode.BAD_COMMAND, f"The command has no {key!r}.")
    return value


def _refuse(sentence: str) -> NoReturn:
    raise CommandRefused(NoticeCode.NOT_ALLOWED, sentence)
