"""Let users register the name they have, and change the password of their account.

Only the user who asks waits for the hashing threads and the disk.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import NoReturn

from chat.protocol.commands import Command, Verb
from chat.protocol.notices import LeaveReason, NoticeCode
from chat.server.accounts.accounts import (
    Account,
    AccountExists,
    Accounts,
    add_account,
    change_password,
)
from chat.server.accounts.devices import Devices
from chat.server.accounts.password_guard import PasswordGuard, TooManyAttempts
from chat.server.accounts.passwords import Passwords, TooManyWaiting, UnusablePassword, check_rules
from chat.server.directory.directory import ConnectedUsers
from chat.server.directory.member import Peer
from chat.server.limits.limits import address_key
from chat.server.limits.throttle import SlidingWindow
from chat.server.room.commands import CommandAnswer, CommandRefused, Commands, NotSaved
from chat.server.settings import Settings
from chat.server.storage.database import DatabaseFault, DatabaseThread

log = logging.getLogger("chat.server")

REGISTRATIONS, REGISTRATION_WINDOW = 10, 3600.0  # per address, in this many seconds
MAX_ACCOUNTS = 10_000  # beyond that, only the operator can add accounts


class AccountCommands:
    """The commands ``register`` and ``passwd``. ``thread`` is None for a server without a data directory.

    ``begin_mailbox`` is called with a new account. It waits for the disk.
    """

    def __init__(
        self,
        directory: ConnectedUsers,
        settings: Settings,
        thread: DatabaseThread | None,
        accounts: Accounts,
        devices: Devices,
        passwords: Passwords,
        guard: PasswordGuard,
        begin_mailbox: Callable[[Account], object],
    ) -> None:
        self._directory = directory
        self._settings = settings
        self._thread = thread
        self._accounts = accounts
        self._devices = devices
        self._passwords = passwords
        self._guard = guard
        self._begin_mailbox = begin_mailbox
        self._registrations = SlidingWindow(REGISTRATIONS, REGISTRATION_WINDOW)

    def serve(self, commands: Commands) -> None:
        """Add the commands to the table of commands."""
        # The user's private messages are numbered anew from here on: those of the guest had numbers of their own.
        begins = {"private": True, "seq": 0}
        commands.add(
            Verb.REGISTER,
            lambda peer, command, nonce: CommandAnswer(
                self._execute(self._register, peer, command), begins
            ),
        )
        commands.add_plain(Verb.PASSWD, partial(self._execute, self._change_password))

    def _execute(
        self,
        handler: Callable[[Peer, Command, DatabaseThread], str],
        peer: Peer,
        command: Command,
    ) -> str:
        if not peer.is_private:
            sentence = "Passwords need an encrypted connection: connect with TLS."
            raise CommandRefused(NoticeCode.ENCRYPTION_NEEDED, sentence)
        if self._thread is None:
            _refuse("This server has no accounts.")
        try:
            return handler(peer, command, self._thread)
        except (AccountExists, TooManyAttempts) as problem:
            _refuse(str(problem))
        except UnusablePassword as problem:
            raise CommandRefused(NoticeCode.BAD_COMMAND, str(problem)) from None
        except DatabaseFault as fault:
            log.error("cannot save an account: %s", fault)
            raise NotSaved from None

    def _register(self, peer: Peer, command: Command, thread: DatabaseThread) -> str:
        password = _required(command.password, "password")
        check_rules(password)
        if not self._settings.register or self._settings.members_only:
            _refuse("Only the operator can register names here.")
        name, register = peer.name, self._accounts.look()
        if register.find(name.key) is not None:
            _refuse("Your name is already registered.")
        if len(register) >= MAX_ACCOUNTS:
            _refuse("This server has too many accounts; only the operator can add more.")
        with self._counted_registration(peer.host):
            hash = self._hash(peer, password)
            account = thread.run(lambda database: add_account(database, name, hash))
        # Read again, so that everything that looks accounts up without a wait knows this one.
        self._accounts.look()
        self._begin_mailbox(account)
        peer.became_registered(account.id)
        if peer.device is not None:
            self._devices.remember(account, peer.device)
        log.info("%s registered, from %s", name.display, peer.label)
        return f"The name {name.display} is yours: every login with it needs your password."

    def _change_password(self, peer: Peer, command: Command, thread: DatabaseThread) -> str:
        old = _required(command.password, "password")
        new = _required(command.new_password, "new_password")
        check_rules(new)
        name, host = peer.name, peer.host
        account = self._accounts.look().find(name.key)
        if account is None:
            _refuse("Your name is not registered.")
        if not self._guard.verify(host, name.key, old, account.password):
            raise CommandRefused(NoticeCode.WRONG_PASSWORD, "Wrong password; nothing was changed.")
        hash = self._hash(peer, new)
        # Only if the hash is the one that was checked: hashing takes a while, and the operator may have set another.
        if not thread.run(
            lambda database: change_password(
                database, name, hash, instead_of=account.password, device=peer.device
            )
        ):
            _refuse("Your account was changed meanwhile; try again.")
        # From now on, a login that has shown the old password is refused, if it is still on its way.
        self._accounts.look()
        if peer.device is not None:
            self._devices.remember(account._replace(password=hash), peer.device)
        ended = self._end_other_sessions(peer)
        log.info("%s changed the password, from %s", name.display, peer.label)
        others = f" Your other sessions have ended: {ended}." if ended else ""
        return f"Your password was changed.{others}"

    def _end_other_sessions(self, peer: Peer) -> int:
        """End the sessions that have shown the old password; return their number."""
        others = [
            session
            for session in self._directory.sessions_of(peer.name.key)
            if session is not peer and session.account_id == peer.account_id
        ]
        sentence = "Your password was changed on another device; log in with the new one."
        for session in others:
            session.eject(LeaveReason.REPLACED, NoticeCode.REPLACED, sentence)
        return len(others)

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

    def _hash(self, peer: Peer, password: str) -> str:
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
