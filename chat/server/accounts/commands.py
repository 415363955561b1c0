"""What users do with their own accounts: make one of the name they have, and change its password.

Whoever asks waits for threads and the disk; nobody else does.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import NoReturn

from chat.protocol.commands import Command, Verb
from chat.protocol.notices import NoticeCode
from chat.server.accounts.accounts import AccountExists, Accounts, add_account, set_password
from chat.server.accounts.password_guard import PasswordGuard, TooManyAttempts
from chat.server.accounts.passwords import Passwords, TooManyWaiting, UnusablePassword, check_rules
from chat.server.directory.directory import People
from chat.server.directory.member import Peer
from chat.server.limits.limits import address_key
from chat.server.limits.throttle import SlidingWindow
from chat.server.room.commands import CommandRefused, Commands
from chat.server.settings import Settings
from chat.server.storage.database import DatabaseFault, DatabaseThread

log = logging.getLogger("chat.server")

REGISTRATIONS, REGISTRATION_WINDOW = 10, 3600.0  # of one address, in so many seconds
MAX_ACCOUNTS = 10_000  # beyond which only the operator makes more


class AccountCommands:
    """``thread`` is None for a server that keeps nothing."""

    def __init__(
        self,
        directory: People,
        settings: Settings,
        thread: DatabaseThread | None,
        accounts: Accounts,
        passwords: Passwords,
        guard: PasswordGuard,
    ) -> None:
        self._directory = directory
        self._settings = settings
        self._thread = thread
        self._accounts = accounts
        self._passwords = passwords
        self._guard = guard
        self._registrations = SlidingWindow(REGISTRATIONS, REGISTRATION_WINDOW)

    def serve(self, commands: Commands) -> None:
        """Take these commands from now on."""
        commands.add(Verb.REGISTER, partial(self._execute, self._register))
        commands.add(Verb.PASSWD, partial(self._execute, self._change_password))

    def _execute(
        self,
        handler: Callable[[Peer, Command, DatabaseThread], str],
        peer: Peer,
        command: Command,
    ) -> str:
        if not peer.is_private:
            sentence = "A password must not travel unencrypted: connect by TLS."
            raise CommandRefused(NoticeCode.ENCRYPTION_NEEDED, sentence)
        if self._thread is None:
            _refuse("This server keeps no accounts.")
        try:
            return handler(peer, command, self._thread)
        except (AccountExists, TooManyAttempts) as problem:
            _refuse(str(problem))
        except UnusablePassword as problem:
            raise CommandRefused(NoticeCode.BAD_COMMAND, str(problem)) from None
        except DatabaseFault as fault:
            log.error("an account was not kept: %s", fault)
            sentence = "The server cannot keep it now, so nothing has changed."
            raise CommandRefused(NoticeCode.NO_SPACE, sentence) from None

    def _register(self, peer: Peer, command: Command, thread: DatabaseThread) -> str:
        password = _required(command.password, "password")
        check_rules(password)
        if not self._settings.register or self._settings.members_only:
            _refuse("Here the operator alone registers names.")
        name, register = peer.name, self._accounts.look()
        if register.find(name.key) is not None:
            _refuse("Your name is registered already.")
        if len(register) >= MAX_ACCOUNTS:
            _refuse("There are so many accounts that only the operator makes more.")
        with self._one_more_of(peer.host):
            hash = self._hash(peer, password)
            thread.run(lambda database: add_account(database, name, hash))
        peer.became_registered()
        log.info("%s is registered, from %s", name.display, peer.label)
        return f"The name {name.display} is yours: from now on it needs your password."

    def _change_password(self, peer: Peer, command: Command, thread: DatabaseThread) -> str:
        old = _required(command.password, "password")
        new = _required(command.new_password, "new_password")
        check_rules(new)
        name, host = peer.name, peer.host
        account = self._accounts.look().find(name.key)
        if account is None:
            _refuse("Your name is not registered.")
        if not self._guard.verify(host, name.key, old, account.password):
            raise CommandRefused(NoticeCode.WRONG_PASSWORD, "That is not your password.")
        hash = self._hash(peer, new)
        if not thread.run(
            lambda database: set_password(database, name, hash, instead_of=account.password)
        ):
            _refuse("Your account has changed meanwhile; nothing was done.")
        log.info("%s has another password, from %s", name.display, peer.label)
        return "Your password is changed."

    @contextmanager
    def _one_more_of(self, host: str | None) -> Iterator[None]:
        """Count a registration, unless it comes to nothing."""
        address = address_key(host, self._settings.exempt)
        if self._registrations.admit(address):
            _refuse("Your address has registered many names; try again in an hour.")
        try:
            yield
        except BaseException:
            self._registrations.forgive(address)
            raise

    def _hash(self, peer: Peer, password: str) -> str:
        address = address_key(peer.host, self._settings.exempt)
        try:
            with self._passwords.turn(address):
                hash = self._passwords.hash(password)
        except TooManyWaiting:
            raise TooManyAttempts("The server has too much to do just now; try again.") from None
        if not self._directory.is_here(peer):
            raise CommandRefused(NoticeCode.GONE, "Your session has ended.")
        return hash


def _required(value: str | None, key: str) -> str:
    if value is None:
        raise CommandRefused(NoticeCode.BAD_COMMAND, f"There is no {key!r} in it.")
    return value


def _refuse(sentence: str) -> NoReturn:
    raise CommandRefused(NoticeCode.NOT_ALLOWED, sentence)
