"""Whether one who asks for a name may have it: accounts, passwords, and a user's own session that still looks alive.

Where only members are let in, nobody can find out who is one: for every name there is the same answer, after the same
time, until the password is right. So what could tell (the name is here already, it is banned, it looks like another)
is looked at only after that.
"""

from __future__ import annotations

import hmac
import logging
from typing import NamedTuple

from chat.protocol.headers import LoginHeader
from chat.protocol.names import UserName
from chat.protocol.notices import Refusal
from chat.server.accounts import Account, set_password
from chat.server.connection import Connection
from chat.server.database import Database, DatabaseFault
from chat.server.login_refused import LoginRefused
from chat.server.password_guard import TooManyAttempts
from chat.server.passwords import TooManyWaiting, is_outdated
from chat.server.services import Services
from chat.server.session import Session

log = logging.getLogger("chat.server")


class Proof(NamedTuple):
    """What a login has shown: that it is the owner of ``account`` (None: the name is nobody's)."""

    account: Account | None = None


class Admission:
    """The rules for one connection. Everything raises LoginRefused."""

    def __init__(self, connection: Connection, services: Services) -> None:
        self._connection = connection
        self._services = services

    def prove(self, name: UserName, header: LoginHeader) -> Proof:
        """Whether whoever says ``header`` may be ``name``, if nobody is. May wait, for threads or for a while."""
        if header.password is not None and not self._connection.is_private:
            sentence = "A password must not travel unencrypted: connect by TLS."
            raise LoginRefused(Refusal.ENCRYPTION_NEEDED, sentence)
        account = self._services.accounts.look().find(name.key)
        if self._is_known(name, header, account):
            return Proof(account)
        self._require_password(name, header, account)
        if account is None:
            self._require_own_look(name)
        return Proof(account)

    def renew(self, name: UserName, proof: Proof) -> None:
        """After a wait: the name may have become somebody's meanwhile."""
        if proof.account is None and self._services.accounts.look().find(name.key) is not None:
            raise LoginRefused(Refusal.PASSWORD_NEEDED, self._needed())

    def make_room(self, name: UserName, header: LoginHeader, proof: Proof) -> Session | None:
        """See to a place for ``name``, which takes no time; his own session that has to make way for it, if any."""
        room = self._services.room
        self._require_no_ban(name, proof)
        held = room.members.get(name.key)
        if held is not None:
            if isinstance(held, Session) and (proof.account is not None or _shows(header, held)):
                return held
            raise LoginRefused(Refusal.USERNAME_EXISTS, "Somebody of that name is here already.")
        if len(room.members) >= self._services.settings.max_users:
            raise LoginRefused(Refusal.SERVER_FULL, "The room is full.", final=True)
        return None

    def _is_known(self, name: UserName, header: LoginHeader, account: Account | None) -> bool:
        """Whether he shows the token of the session that holds the name, and was asked for a password then, if ever."""
        held = self._services.room.members.get(name.key)
        if not isinstance(held, Session) or not _shows(header, held):
            return False
        if account is None:
            return not self._services.settings.members_only
        return held.registered

    def _require_password(
        self, name: UserName, header: LoginHeader, account: Account | None
    ) -> None:
        settings, password = self._services.settings, header.password
        if password is None:
            if account is None and not settings.members_only and settings.password is None:
                return
            raise LoginRefused(Refusal.PASSWORD_NEEDED, self._needed())
        hash = account.password if account is not None else None
        # The room's password is for those who can have none of their own.
        for_all = settings.password if account is None and not settings.members_only else None
        try:
            is_right = self._services.password_guard.verify(
                self._connection.host, name.key, password, hash, for_all
            )
        except TooManyAttempts as problem:
            raise LoginRefused(Refusal.TOO_MANY_ATTEMPTS, str(problem)) from None
        if not is_right:
            sentence = "That name and that password don't belong together."
            raise LoginRefused(Refusal.WRONG_PASSWORD, sentence)
        if account is not None:
            self._keep_up_to_date(name, password, account)

    def _needed(self) -> str:
        settings = self._services.settings
        if settings.members_only:
            return "This room is for members: log in with the password of your name."
        if settings.password is not None:
            return "A password is needed here: that of your name, or else the room's."
        return "That name belongs to somebody: log in with its password."

    def _require_own_look(self, name: UserName) -> None:
        other = self._services.accounts.look().lookalike(name)
        if other is not None:
            sentence = f"That looks like {other.name}, a name that belongs to somebody."
            raise LoginRefused(Refusal.BAD_USERNAME, sentence)

    def _require_no_ban(self, name: UserName, proof: Proof) -> None:
        account = proof.account
        sentence = self._services.moderation.refusal_for(
            name,
            self._connection.host,
            owned=account is not None,
            is_moderator=account is not None and account.is_moderator,
        )
        if sentence is not None:
            raise LoginRefused(Refusal.BANNED, sentence)

    def _keep_up_to_date(self, name: UserName, password: str, account: Account) -> None:
        """Hash it anew if that is done with other parameters now; this is the only moment when it is known."""
        database = self._services.database
        if database is None or not is_outdated(account.password):
            return
        try:
            hash = self._services.passwords.hash(password)
        except TooManyWaiting:
            return  # another time

        def renew(database: Database) -> None:
            set_password(database, name, hash, instead_of=account.password)

        try:
            database.run(renew)
        except DatabaseFault as fault:
            log.warning("a password keeps its outdated hash: %s", fault)


def _shows(header: LoginHeader, held: Session) -> bool:
    """Whether the login has the session's secret; one of a raw client has none."""
    if header.session is None or held.token is None:
        return False
    return hmac.compare_digest(header.session.encode(), held.token.encode())
