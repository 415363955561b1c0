"""Decide whether a client may have the name it asks for: by accounts, passwords, bans, and open sessions.

If only members may log in, nobody else must find out the names of the members. So until the password is right, every
name gets the same answer after the same time. Only then the server makes the checks that could tell a member from other
names: whether the name is in use, is banned, or looks like another name.
"""

from __future__ import annotations

import logging
from typing import NamedTuple

from chat.protocol.names import UserName, name_key
from chat.protocol.notices import Refusal
from chat.server.accounts.accounts import Account, Accounts
from chat.server.accounts.devices import Devices
from chat.server.accounts.password_guard import PasswordGuard, TooManyAttempts
from chat.server.accounts.passwords import Passwords, TooManyWaiting, is_outdated
from chat.server.directory.directory import Directory
from chat.server.moderation.moderation import Moderation
from chat.server.sessions.connection import AcceptedConnection
from chat.server.sessions.login_rejected import LoginRejected
from chat.server.sessions.login_request import LoginRequest
from chat.server.sessions.session import Session
from chat.server.settings import Settings
from chat.server.storage.database import DatabaseFault

log = logging.getLogger("chat.server")


class Proof(NamedTuple):
    """The account that a login has proved to be its own; None for a guest.

    ``by_password``: the login has shown the password, so its device may be remembered.
    """

    account: Account | None
    by_password: bool = False


class LoginPlace(NamedTuple):
    """The place of a login among the sessions that are here.

    ``name`` is the name as the user is known here. The caller ends the ``former`` sessions, whose place this is.
    ``quietly``: the user is the same as before, so others need not hear of it.
    """

    name: UserName
    former: tuple[Session, ...]
    quietly: bool


class Admission:
    """Apply the rules for all logins. Every public method raises LoginRejected."""

    def __init__(
        self,
        *,
        settings: Settings,
        directory: Directory[Session],
        accounts: Accounts,
        devices: Devices,
        moderation: Moderation,
        passwords: Passwords,
        password_guard: PasswordGuard,
    ) -> None:
        self._settings = settings
        self._directory = directory
        self._accounts = accounts
        self._devices = devices
        self._moderation = moderation
        self._passwords = passwords
        self._password_guard = password_guard

    def is_remembered(self, request: LoginRequest) -> bool:
        """Return whether the device of the login stands for the password of the account. Does not wait.

        Only to let the login pass the limits for strangers: ``prove`` looks again.
        """
        if request.device is None:
            return False
        account = self._accounts.known.find(name_key(request.header.name) or "")
        return account is not None and self._devices.remembers(account, request.device)

    def prove(self, connection: AcceptedConnection, name: UserName, request: LoginRequest) -> Proof:
        """Check that the client may use ``name``.

        If there is an account, the client has proved that it belongs to them. Other sessions do not matter here: see
        ``find_place``. May wait: for a thread that hashes the password, or because of wrong passwords before.
        """
        if request.header.password is not None and not connection.is_private:
            sentence = "A password must not travel unencrypted; connect over TLS."
            raise LoginRejected(Refusal.ENCRYPTION_NEEDED, sentence)
        account = self._accounts.look().find(name.key)
        if self._is_proved_without_password(name, request, account):
            return Proof(account)
        proof = self._require_password(connection.host, name, request, account)
        if account is None:
            self._require_no_lookalike(name)
        return proof

    def renew(self, name: UserName, account: Account | None) -> None:
        """Check after a wait that what the login has proved still counts.

        Nobody has registered the name of a guest meanwhile, and the account has the same password.
        """
        now = self._accounts.look().find(name.key)
        proved = (account.id, account.password) if account is not None else None
        if proved != ((now.id, now.password) if now is not None else None):
            raise LoginRejected(Refusal.PASSWORD_NEEDED, self._needed())

    def find_place(
        self,
        connection: AcceptedConnection,
        name: UserName,
        request: LoginRequest,
        account: Account | None,
    ) -> LoginPlace:
        """Check that ``name`` can enter now; return its place.

        ``account`` is what ``prove`` returned. Does not wait: between this check and the entry, no other login must
        run.
        """
        self._require_no_ban(connection.host, name, account)
        here = self._directory.sessions_of(name.key)
        # A user who is here already takes no further place.
        if not here and self._directory.users >= self._settings.max_users:
            raise LoginRejected(
                Refusal.SERVER_FULL, "The room is full; try again later.", final=True
            )
        shown = self._session_shown(name, request)
        if account is not None:
            former = self._former_sessions(here, shown, request, account)
        elif not here or shown in here:
            former = here
        else:
            raise LoginRejected(Refusal.USERNAME_EXISTS, "This name is already in use.")
        staying = [session for session in here if session not in former]
        quietly = request.device is not None and any(
            _is_same_user(session, name, account) for session in former
        )
        return LoginPlace(staying[0].name if staying else name, former, quietly)

    def _former_sessions(
        self,
        here: tuple[Session, ...],
        shown: Session | None,
        request: LoginRequest,
        account: Account,
    ) -> tuple[Session, ...]:
        """Return the sessions whose place a login of ``account`` takes: see docs/protocol.md."""
        # Others have the name without the account: a guest, or the owner of an account that was removed.
        former = [
            session
            for session in here
            if session.account_id != account.id
            or session is shown
            or session.device == request.device
        ]
        staying = [session for session in here if session not in former]
        staying.sort(key=lambda session: session.last_active)
        too_many = len(staying) + 1 - self._settings.max_sessions
        return (*former, *staying[: max(0, too_many)])

    def _session_shown(self, name: UserName, request: LoginRequest) -> Session | None:
        """Return the session that has ``name``, if the login shows its token. A raw client's session has no token.

        A guest also shows their session by its device.
        """
        # A lookup in a dict, not a comparison of strings: a dict compares hashes first, and Python's key for hashes is
        # secret. So the time of the answer does not help to guess a token.
        session = self._directory.session(request.header.session or "")
        if session is not None and session.name.key == name.key:
            return session
        if request.device is None:
            return None
        # Hashes of secrets: the time of a comparison tells nothing about the secrets.
        for session in self._directory.sessions_of(name.key):
            if not session.registered and session.device == request.device:
                return session
        return None

    def _is_proved_without_password(
        self, name: UserName, request: LoginRequest, account: Account | None
    ) -> bool:
        """Return whether the login needs no password: by a remembered device, or by the user's open session.

        That session must have proved as much as a new login has to prove now.
        """
        device = request.device
        if account is not None and device is not None and self._devices.remembers(account, device):
            return True
        session = self._session_shown(name, request)
        if session is None:
            return False
        if account is None:
            return not self._settings.members_only
        # A guest's session is no proof for an account: somebody else may have registered the name during the session.
        return session.account_id == account.id

    def _require_password(
        self, host: str | None, name: UserName, request: LoginRequest, account: Account | None
    ) -> Proof:
        settings, password = self._settings, request.header.password
        if password is None:
            if account is None and not settings.members_only and settings.password is None:
                return Proof(None)
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
            account = self._rehash_if_outdated(name, password, account)
        return Proof(account, by_password=True)

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

    def _rehash_if_outdated(self, name: UserName, password: str, account: Account) -> Account:
        """Replace the hash of the password if its parameters are outdated; return the account as it is now.

        Only at a login the server knows the password. A failure costs nothing: the next login tries again.
        """
        if not is_outdated(account.password):
            return account
        try:
            hash = self._passwords.hash(password)
        except TooManyWaiting:
            return account  # too many logins hash passwords now
        try:
            if self._accounts.replace_hash(name, hash, instead_of=account.password):
                return account._replace(password=hash)
        except DatabaseFault as fault:
            log.warning("cannot replace an outdated password hash: %s", fault)
        return account


def _is_same_user(session: Session, name: UserName, account: Account | None) -> bool:
    """Return whether others see the same user in ``session`` as in a new one of ``account`` under ``name``."""
    id, is_moderator = (account.id, account.is_moderator) if account is not None else (None, False)
    return (
        session.account_id == id
        and session.name.display == name.display
        and session.moderator == is_moderator
    )
