"""Decide whether a client may have the name it asks for: by accounts, passwords, bans, and sessions that are here.

Where only members are let in, a stranger must not find out who is a member. So every name gets the same answer after
the same time until the password is right. Only then the server checks what could tell a member from others: that the
name is here already, is banned, or looks like another.
"""

from __future__ import annotations

import logging

from chat.protocol.headers import LoginHeader
from chat.protocol.names import UserName
from chat.protocol.notices import Refusal
from chat.server.accounts.accounts import Account, Accounts
from chat.server.accounts.password_guard import PasswordGuard, TooManyAttempts
from chat.server.accounts.passwords import Passwords, TooManyWaiting, is_outdated
from chat.server.directory.directory import Directory
from chat.server.moderation.moderation import Moderation
from chat.server.sessions.connection import AcceptedConnection
from chat.server.sessions.login_rejected import LoginRejected
from chat.server.sessions.session import Session
from chat.server.settings import Settings
from chat.server.storage.database import DatabaseFault

log = logging.getLogger("chat.server")


class Admission:
    """The rules for all logins. Everything raises LoginRefused."""

    def __init__(
        self,
        *,
        settings: Settings,
        directory: Directory[Session],
        accounts: Accounts,
        moderation: Moderation,
        passwords: Passwords,
        password_guard: PasswordGuard,
    ) -> None:
        self._settings = settings
        self._directory = directory
        self._accounts = accounts
        self._moderation = moderation
        self._passwords = passwords
        self._password_guard = password_guard

    def prove(
        self, connection: AcceptedConnection, name: UserName, header: LoginHeader
    ) -> Account | None:
        """Check that the client may have ``name`` if nobody has; return the account that owns the name, if any.

        The client has shown then that it is the owner. May wait, for threads or for a while.
        """
        if header.password is not None and not connection.is_private:
            sentence = "A password must not travel unencrypted: connect by TLS."
            raise LoginRejected(Refusal.ENCRYPTION_NEEDED, sentence)
        account = self._accounts.look().find(name.key)
        if self._is_known(name, header, account):
            return account
        self._require_password(connection.host, name, header, account)
        if account is None:
            self._require_own_look(name)
        return account

    def renew(self, name: UserName, account: Account | None) -> None:
        """Check after a wait that the name has not become somebody's meanwhile."""
        if account is None and self._accounts.look().find(name.key) is not None:
            raise LoginRejected(Refusal.PASSWORD_NEEDED, self._needed())

    def find_former_session(
        self,
        connection: AcceptedConnection,
        name: UserName,
        header: LoginHeader,
        account: Account | None,
    ) -> Session | None:
        """Check that there is a place for ``name``; return the user's own session that holds the name, if any.

        Does not wait. ``account`` is what ``prove`` returned.
        """
        self._require_no_ban(connection.host, name, account)
        held = self._directory.holder(name.key)
        if held is not None:
            if account is not None or self._session_shown(name, header) is held:
                return held
            raise LoginRejected(Refusal.USERNAME_EXISTS, "Somebody of that name is here already.")
        if len(self._directory) >= self._settings.max_users:
            raise LoginRejected(Refusal.SERVER_FULL, "The room is full.", final=True)
        return None

    def _session_shown(self, name: UserName, header: LoginHeader) -> Session | None:
        """Return the session that holds ``name``, if the login has its token; a raw client's session has none."""
        # By a lookup, whose time tells a guesser nothing: a dict compares hashes first, and their key is secret.
        session = self._directory.session(header.session or "")
        return session if session is not None and session.name.key == name.key else None

    def _is_known(self, name: UserName, header: LoginHeader, account: Account | None) -> bool:
        """Return whether the login has the token of a session that was let in by the rules of today."""
        session = self._session_shown(name, header)
        if session is None:
            return False
        if account is None:
            return not self._settings.members_only
        return session.registered

    def _require_password(
        self, host: str | None, name: UserName, header: LoginHeader, account: Account | None
    ) -> None:
        settings, password = self._settings, header.password
        if password is None:
            if account is None and not settings.members_only and settings.password is None:
                return
            raise LoginRejected(Refusal.PASSWORD_NEEDED, self._needed())
        hash = account.password if account is not None else None
        # The room's password is for those who can have none of their own.
        for_all = settings.password if account is None and not settings.members_only else None
        try:
            is_right = self._password_guard.verify(host, name.key, password, hash, for_all)
        except TooManyAttempts as problem:
            raise LoginRejected(Refusal.TOO_MANY_ATTEMPTS, str(problem)) from None
        if not is_right:
            sentence = "That name and that password don't belong together."
            raise LoginRejected(Refusal.WRONG_PASSWORD, sentence)
        if account is not None:
            self._keep_up_to_date(name, password, account)

    def _needed(self) -> str:
        if self._settings.members_only:
            return "This room is for members: log in with the password of your name."
        if self._settings.password is not None:
            return "A password is needed here: that of your name, or else the room's."
        return "That name belongs to somebody: log in with its password."

    def _require_own_look(self, name: UserName) -> None:
        other = self._accounts.look().lookalike(name)
        if other is not None:
            sentence = f"That looks like {other.name}, a name that belongs to somebody."
            raise LoginRejected(Refusal.BAD_USERNAME, sentence)

    def _require_no_ban(self, host: str | None, name: UserName, account: Account | None) -> None:
        sentence = self._moderation.refusal_for(
            name,
            host,
            owned=account is not None,
            is_moderator=account is not None and account.is_moderator,
        )
        if sentence is not None:
            raise LoginRejected(Refusal.BANNED, sentence)

    def _keep_up_to_date(self, name: UserName, password: str, account: Account) -> None:
        """Hash the password anew if its hash has outdated parameters: only now the server knows the password."""
        if not is_outdated(account.password):
            return
        try:
            hash = self._passwords.hash(password)
        except TooManyWaiting:
            return  # another time
        try:
            self._accounts.replace_hash(name, hash, instead_of=account.password)
        except DatabaseFault as fault:
            log.warning("a password keeps its outdated hash: %s", fault)
