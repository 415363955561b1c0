"""Decide whether a client may have the name it asks for: by accounts, passwords, bans, and open sessions.

If only members may log in, nobody else must find out the names of the members. So until the password is right, every
name gets the same answer after the same time. Only then the server makes the checks that could tell a member from other
names: whether the name is in use, is banned, or looks like another name.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import NamedTuple

from chat.protocol.names import UserName, name_key
from chat.protocol.notices import Refusal
from chat.server.accounts.account_problems import AccountProblem
from chat.server.accounts.accounts import Account, Accounts
from chat.server.accounts.devices import Devices
from chat.server.accounts.password_guard import PasswordGuard, TooManyAttempts
from chat.server.accounts.passwords import Passwords, TooManyWaiting, is_outdated
from chat.server.entrance.joining import Joining, digest_of
from chat.server.entrance.login_rejected import LoginRejected
from chat.server.entrance.placing import Connected, Placing, password_needed, session_shown
from chat.server.log.log import LogFull
from chat.server.log.operations import NotYetCommitted
from chat.server.log.unicode_13 import TOO_NEW, is_in_unicode_13
from chat.server.sessions.connection import AcceptedConnection
from chat.server.sessions.login_request import LoginRequest
from chat.server.settings import Settings
from chat.server.storage.database import DatabaseFault

log = logging.getLogger("chat.server")


class Proof(NamedTuple):
    """The account that a login has proved to be its own; None for a guest.

    ``by_password``: the login has shown the password, so its device may be remembered. ``by_device``: a remembered
    device has stood for it.
    """

    account: Account | None
    by_password: bool = False
    by_device: bool = False


class Admission:
    """Apply the rules for all logins. Every public method raises LoginRejected.

    ``rehash`` stores another hash of an account's password, and returns the account as it is then. May wait; raises
    AccountProblem, LogFull, NotYetCommitted and DatabaseFault.
    """

    def __init__(
        self,
        *,
        settings: Settings,
        directory: Connected,
        placing: Placing,
        accounts: Accounts,
        devices: Devices,
        passwords: Passwords,
        password_guard: PasswordGuard,
        rehash: Callable[[Account, str], Account],
    ) -> None:
        self._settings = settings
        self._directory = directory
        self._accounts = accounts
        self._devices = devices
        self._placing = placing
        self._passwords = passwords
        self._password_guard = password_guard
        self._rehash = rehash

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
        if self._settings.cluster is not None and not is_in_unicode_13(name.display):
            raise LoginRejected(Refusal.BAD_USERNAME, TOO_NEW)
        if request.header.password is not None and not connection.is_private:
            sentence = "A password must not travel unencrypted; connect over TLS."
            raise LoginRejected(Refusal.ENCRYPTION_NEEDED, sentence)
        account = self._accounts.look().find(name.key)
        device = request.device
        if account is not None and device is not None and self._devices.remembers(account, device):
            return Proof(account, by_device=True)
        if self._is_proved_by_session(name, request, account):
            return Proof(account)
        proof = self._require_password(connection.host, name, request, account)
        if account is None:
            self._require_no_lookalike(name)
        return proof

    def require_place(self, joining: Joining) -> None:
        """Check that a login could enter now.

        So a login that must be refused is refused before it waits in line. The entrance decides again, and looks for
        changes of the accounts, which costs a system call.
        """
        self._placing.find(joining, self._accounts.known)

    def _is_proved_by_session(
        self, name: UserName, request: LoginRequest, account: Account | None
    ) -> bool:
        """Return whether the login needs no password by the user's open session.

        That session must have proved as much as a new login has to prove now.
        """
        session = session_shown(
            self._directory.sessions_of(name.key),
            digest_of(request.header.session),
            request.device,
        )
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
            raise LoginRejected(Refusal.PASSWORD_NEEDED, password_needed(settings))
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
            account = self._rehash_if_outdated(password, account)
        return Proof(account, by_password=True)

    def _require_no_lookalike(self, name: UserName) -> None:
        other = self._accounts.look().lookalike(name)
        if other is not None:
            sentence = f"This name looks like {other.name}, which is registered; choose another."
            raise LoginRejected(Refusal.BAD_USERNAME, sentence)

    def _rehash_if_outdated(self, password: str, account: Account) -> Account:
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
            return self._rehash(account, hash)
        except (AccountProblem, LogFull, NotYetCommitted):
            return account
        except DatabaseFault as fault:
            log.warning("cannot replace an outdated password hash: %s", fault)
            return account


def make_joining(
    number: int,
    connection: AcceptedConnection,
    name: UserName,
    request: LoginRequest,
    proof: Proof,
) -> Joining:
    """Return what decides about a login whose session has ``number`` at this server. It lacks the token."""
    header, account = request.header, proof.account
    return Joining(
        number,
        name,
        account.id if account is not None else None,
        account.proof if account is not None else None,
        proof.by_password,
        request.device,
        digest_of(header.session) if header.session is not None else None,
        None,
        connection.host,
        header.join,
        proof.by_device,
    )
