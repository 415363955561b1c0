"""Change accounts and devices by operations in the log: alike on every server that shares it.

Before that, the server of the user or the operator has done what is slow or random: it has checked and hashed
passwords, and drawn ids. The log has hashes of passwords, never passwords.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any, Protocol

from chat.protocol.names import UserName
from chat.protocol.notices import LeaveReason, NoticeCode
from chat.server.accounts.account_changes import AccountChanges
from chat.server.accounts.account_problems import AccountChanged, AccountProblem
from chat.server.accounts.accounts import Account, Accounts, new_id
from chat.server.accounts.devices import Devices
from chat.server.directory.directory import ConnectedUsers
from chat.server.directory.member import Member
from chat.server.log.log import Change
from chat.server.log.operations import OPERATOR_PATIENCE, Operations
from chat.server.log.unicode_13 import TOO_NEW, is_in_unicode_13
from chat.server.room.commands import CommandRefused

log = logging.getLogger("chat.server")

# Seconds for which a login waits until a better hash of its password is stored, which is not urgent.
REHASH_PATIENCE = 2.0
MAX_ACCOUNTS = 10_000  # beyond that, only the operator can add accounts

ADD, REMOVE = "account-add", "account-remove"
PASSWORD, REHASH, MODERATOR = "account-password", "account-rehash", "account-moderator"
FORGET_DEVICE = "device-forget"


class Belongings(Protocol):
    """List what is told to the part that has the mailboxes of accounts."""

    def open(self, account: Account) -> None:
        """Open the mailbox of a new account."""

    def forget(self, account_id: bytes) -> None:
        """Forget what belongs to an account that was removed."""


class AccountOperations:
    """Have the operations carried out, and carry them out.

    Methods with an ``actor`` take the session that asks; None is the operator. They wait for the log, and raise
    AccountProblem, CommandRefused, LogFull, and DatabaseFault if the server waits for its disk. Those of the operator
    raise NotYetCommitted after ``OPERATOR_PATIENCE``. ``clock`` returns seconds since 1970. ``forget_in_rooms`` is
    called after an account was removed.
    """

    def __init__(
        self,
        operations: Operations,
        accounts: Accounts,
        devices: Devices,
        directory: ConnectedUsers,
        mailboxes: Belongings,
        changes: AccountChanges,
        clock: Callable[[], float],
        forget_in_rooms: Callable[[], object],
    ) -> None:
        self._operations = operations
        self._accounts = accounts
        self._devices = devices
        self._directory = directory
        self._mailboxes = mailboxes
        self._changes = changes
        self._clock = clock
        self._forget_in_rooms = forget_in_rooms
        operations.add(ADD, self._add)
        operations.add(REMOVE, self._remove)
        operations.add(PASSWORD, self._replace_password)
        operations.add(REHASH, self._rehash)
        operations.add(MODERATOR, self._set_moderator)
        operations.add(FORGET_DEVICE, self._forget_device)

    # Asked for

    def add(
        self,
        name: UserName,
        hash: str,
        *,
        is_moderator: bool = False,
        actor: Member | None = None,
    ) -> None:
        """Register ``name``; ``hash`` is that of the password."""
        if self._operations.travel and not is_in_unicode_13(name.display):
            raise AccountProblem(TOO_NEW)
        fields = {"name": list(name), "hash": hash, "id": new_id().hex(), "moderator": is_moderator}
        self._operations.perform(ADD, fields, actor, patience=_patience(actor))

    def remove(self, name: UserName) -> None:
        """Remove an account, so that anyone can use the name."""
        # The password for guests is no shared setting, so this server decides for all.
        guests = self._changes.allows_guests
        fields = {"name": list(name), "guests": guests}
        self._operations.perform(REMOVE, fields, patience=OPERATOR_PATIENCE)

    def replace_password(
        self,
        name: UserName,
        hash: str,
        *,
        instead_of: Account | None = None,
        actor: Member | None = None,
    ) -> int:
        """Let ``hash`` be the password; return how many other sessions of the user have ended.

        ``instead_of`` is the account as its password was checked; None: the operator need not know the former one.
        """
        proof = instead_of.proof.hex() if instead_of is not None else None
        fields = {"name": list(name), "hash": hash, "proof": proof}
        patience = _patience(actor)
        ended: int = self._operations.perform(PASSWORD, fields, actor, patience=patience)
        return ended

    def rehash(self, account: Account, hash: str) -> Account:
        """Store another ``hash`` of the password of ``account``; return the account as it is then.

        Raises NotYetCommitted after ``REHASH_PATIENCE`` seconds.
        """
        name = [account.name, account.key]
        fields = {"name": name, "hash": hash, "proof": account.proof.hex()}
        changed: Account = self._operations.perform(REHASH, fields, patience=REHASH_PATIENCE)
        return changed

    def set_moderator(self, name: UserName, is_moderator: bool) -> None:
        """Allow or forbid the account to moderate."""
        fields = {"name": list(name), "moderator": is_moderator}
        self._operations.perform(MODERATOR, fields, patience=OPERATOR_PATIENCE)

    def forget_device(self, actor: Member, hash: bytes) -> None:
        """Let a device of a user need the password at its next login, and end its sessions."""
        self._operations.perform(FORGET_DEVICE, {"device": hash.hex()}, actor)

    def require_may_register(self, member: Member) -> None:
        """Raise CommandRefused if a user must not register the name they have."""
        register = self._accounts.look()
        if register.find(member.name.key) is not None:
            _refuse("Your name is already registered.")
        if len(register) >= MAX_ACCOUNTS:
            _refuse("This server has too many accounts; only the operator can add more.")

    # Committed

    def _add(self, change: Change) -> None:
        fields, actor = change.fields, change.actor
        name = UserName(*fields["name"])
        if actor is not None:
            self._require_here(actor)
            self.require_may_register(actor)
        account = Account(
            name.display,
            name.key,
            fields["hash"],
            fields["moderator"],
            int(self._clock()),
            bytes.fromhex(fields["id"]),
        )
        self._accounts.add(account)
        self._mailboxes.open(account)
        if actor is None:
            log.info("the operator registered %s", name.display)
            return
        actor.became_registered(account.id)
        if actor.device is not None:
            self._devices.remember(account, actor.device)
        log.info("%s registered, from %s", name.display, actor.label)

    def _remove(self, change: Change) -> None:
        account = self._account(change)
        self._accounts.remove(account)
        self._devices.forget_others(account)
        self._mailboxes.forget(account.id)
        log.info("the operator removed the account of %s", account.name)
        self._changes.take_effect(account.key, allows_guests=change.fields["guests"])
        self._forget_in_rooms()

    def _replace_password(self, change: Change) -> int:
        actor = change.actor
        if actor is not None:
            self._require_here(actor)
        account = self._account(change)
        device = actor.device if actor is not None else None
        # From now on, a login that has shown the old password is refused, if it is still on its way.
        changed = self._accounts.replace_password(account, change.fields["hash"], device)
        self._devices.forget_others(changed, device)
        if actor is None:
            log.info("the operator changed the password of %s", account.name)
            return 0
        if device is not None:
            self._devices.remember(changed, device)
        log.info("%s changed the password, from %s", account.name, actor.label)
        return self._end_other_sessions(actor)

    def _rehash(self, change: Change) -> Account:
        return self._accounts.rehash(self._account(change), change.fields["hash"])

    def _set_moderator(self, change: Change) -> None:
        account = self._account(change)
        self._accounts.set_moderator(account, change.fields["moderator"])
        self._changes.take_effect(account.key, allows_guests=True)

    def _forget_device(self, change: Change) -> None:
        actor, hash = change.actor, bytes.fromhex(change.fields["device"])
        assert actor is not None, "a user asks"
        self._require_here(actor)
        account = self._accounts.look().find(actor.name.key)
        if account is None or account.id != actor.account_id:
            raise AccountChanged
        self._devices.forget(account, hash)
        log.info("%s forgets a device, from %s", account.name, actor.label)
        # The session that asks stays: it has just shown that it is the user's.
        sentence = "You removed this device from your account; log in with your password."
        self._end(actor, sentence, lambda session: session.device == hash)

    def _account(self, change: Change) -> Account:
        """Return the account that an operation names. Raises NoSuchAccount, AccountChanged."""
        name, proof = UserName(*change.fields["name"]), change.fields.get("proof")
        return self._accounts.require(name, bytes.fromhex(proof) if proof is not None else None)

    def _require_here(self, actor: Member) -> None:
        """Raise CommandRefused if the user has left meanwhile. Another user may have the name now."""
        if not self._directory.is_here(actor):
            raise CommandRefused(NoticeCode.GONE, "Your session has ended.")

    def _end_other_sessions(self, actor: Member) -> int:
        """End the sessions that have shown the old password; return their number."""
        sentence = "Your password was changed on another device; log in with the new one."
        return self._end(actor, sentence, lambda session: True)

    def _end(self, actor: Member, sentence: str, is_meant: Callable[[Member], Any]) -> int:
        ending = [
            session
            for session in self._directory.sessions_of(actor.name.key)
            if session is not actor and session.account_id == actor.account_id and is_meant(session)
        ]
        for session in ending:
            session.eject(LeaveReason.REPLACED, NoticeCode.REPLACED, sentence)
        return len(ending)


def _patience(actor: Member | None) -> float | None:
    return OPERATOR_PATIENCE if actor is None else None


def _refuse(sentence: str) -> None:
    raise CommandRefused(NoticeCode.NOT_ALLOWED, sentence)
