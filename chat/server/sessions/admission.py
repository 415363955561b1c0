"""Decide whether a client may have the name it asks for: by accounts, passwords, bans, and open sessions.

If only members may log in, nobody else must find out the names of the members. So until the password is right, every
name gets the same answer after the same time. Only then the server makes the checks that could tell a member from other
names: whether the name is in use, is banned, or looks like another name.
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
    """Apply the rules for all logins. Every public method raises LoginRejected."""

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
        """Check that the client may use ``name``; return the account that owns the name, None for a guest.

        If there is an account, the client has proved that it belongs to them. Other sessions do not matter here: see
        ``find_former_session``. May wait: for a thread that hashes the password, or because of wrong passwords before.
        """
        if header.password is not None and not connection.is_private:
            sentence = "A password must not travel unencrypted; connect over TLS."
            raise LoginRejected(Refusal.ENCRYPTION_NEEDED, sentence)
        account = self._accounts.look().find(name.key)
        if self._has_valid_token(name, header, account):
            return account
        self._require_password(connection.host, name, header, account)
        if account is None:
            self._require_no_lookalike(name)
        return account

    def renew(self, name: UserName, account: Account | None) -> None:
        """Check after a wait that nobody has registered the name of a guest meanwhile."""
        if account is None and self._accounts.look().find(name.key) is not None:
            raise LoginRejected(Refusal.PASSWORD_NEEDED, self._needed())

    def find_former_session(
        self,
        connection: AcceptedConnection,
        name: UserName,
        header: LoginHeader,
        account: Account | None,
    ) -> Session | None:
        """Check that ``name`` can enter now; return the same user's session that still has the name, None if none.

        The caller ends that session. ``account`` is what ``prove`` returned. Does not wait: between this check and the
        entry, no other login must run.
        """
        self._require_no_ban(connection.host, name, account)
        held = self._directory.holder(name.key)
        if held is not None:
            if account is not None or self._session_shown(name, header) is held:
                return held
            raise LoginRejected(Refusal.USERNAME_EXISTS, "This name is already in use.")
        # After the check above: a user who replaces their own session takes no further place.
        if len(self._directory) >= self._settings.max_users:
            raise LoginRejected(
                Refusal.SERVER_FULL, "The room is full; try again later.", final=True
            )
        return None

    def _session_shown(self, name: UserName, header: LoginHeader) -> Session | None:
        """Return the session that has ``name``, if the login shows its token. A raw client's session has no token."""
        # A lookup in a dict, not a comparison of strings: a dict compares hashes first, and Python's key for hashes is
        # secret. So the time of the answer does not help to guess a token.
        session = self._directory.session(header.session or "")
        return session if session is not None and session.name.key == name.key else None

    def _has_valid_token(
        self, name: UserName, header: LoginHeader, account: Account | None
    ) -> bool:
        """Return whether the login shows a token of the user's open session, so that no password is needed.

        The session must have proved as much as a new login has to prove now.
        """
        session = self._session_shown(name, header)
        if session is None:
            return False
        if account is None:
            return not self._settings.members_only
        # A guest's token is no proof for an account: somebody else may have registered the name during the session.
        return session.registered

    def _require_password(
        self, host: str | None, name: UserName, header: LoginHeader, account: Account | None
    ) -> None:
        settings, password = self._settings, header.password
        if password is None:
            if account is None and not settings.members_only and settings.password is None:
                return
            raise LoginRejected(Refusal.PASSWORD_NEEDED, self._needed())
        # Without a hash the guard still takes as long as with one, so time does not tell which names are registered.
        hash = account.password if account is not None else None
        # The room's password is only for guests, who have no password of their own.
        for_all = settings.password if account is None and not settings.members_only else None
        try:
            is_right = self._password_guard.verify(host, name.key, password, hash, for_all)
        except TooManyAttempts as problem:
            raise LoginRejected(Refusal.TOO_MANY_ATTEMPTS, str(problem)) from None
        if not is_right:
            sentence = "Wrong password for this name."
            raise LoginRejected(Refusal.WRONG_PASSWORD, sentence)
        if account is not None:
            self._rehash_if_outdated(name, password, account)

    def _needed(self) -> str:
        """Return the sentence that asks for a password: the same for every name, unless anyone may log in."""
        if self._settings.members_only:
            return "Only members may log in here; log in with the password of your name."
        if self._settings.password is not None:
            return "A password is required: that of your name or, if it has none, of the room."
        return "This name is registered; log in with its password."

    def _require_no_lookalike(self, name: UserName) -> None:
        other = self._accounts.look().lookalike(name)
        if other is not None:
            sentence = f"This name looks like {other.name}, which is registered; choose another."
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

    def _rehash_if_outdated(self, name: UserName, password: str, account: Account) -> None:
        """Replace the hash of the password if its parameters are outdated.

        Only at a login the server knows the password. A failure costs nothing: the next login tries again.
        """
        if not is_outdated(account.password):
            return
        try:
            hash = self._passwords.hash(password)
        except TooManyWaiting:
            return  # too many logins hash passwords now
        try:
            self._accounts.replace_hash(name, hash, instead_of=account.password)
        except DatabaseFault as fault:
            log.warning("cannot replace an outdated password hash: %s", fault)
