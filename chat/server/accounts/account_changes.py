"""Apply what the operator changes about accounts to users who are connected.

An account that is removed, and a moderator's right that is given or taken, take effect within a second: the server
looks at the file that the command line has changed. In a cluster the change is an operation, and its effects are part
of it. A new password does not concern users who have shown the old one: it counts at the next login, also of a
remembered device.
"""

from __future__ import annotations

import logging

from chat.protocol.notices import LeaveReason, NoticeCode
from chat.server.accounts.accounts import Account, Accounts, AccountTable
from chat.server.directory.directory import ConnectedUsers
from chat.server.directory.member import Member
from chat.server.room.service import ChatService
from chat.server.settings import Settings

log = logging.getLogger("chat.server")


class AccountChanges:
    """Compare the accounts with the connected users whenever the accounts were read again."""

    def __init__(
        self,
        accounts: Accounts,
        directory: ConnectedUsers,
        service: ChatService,
        settings: Settings,
    ) -> None:
        self._accounts = accounts
        self._directory = directory
        self._service = service
        self._settings = settings
        self._applied: AccountTable | None = None

    @property
    def allows_guests(self) -> bool:
        """Whether users who have shown no password may be here, by the settings of this server."""
        return not self._settings.members_only and self._settings.password is None

    def look(self) -> None:
        """Apply changes since the last look."""
        register = self._accounts.look()
        if register is self._applied:
            return
        self._applied = register
        # Without a wait in this loop. A user who registers meanwhile would otherwise seem to have no account.
        differing = [member for member in self._directory if _differs(member, register)]
        for member in differing:
            # Read again, if the file has changed again: only what differs now counts.
            now = self._accounts.look()
            if self._directory.is_here(member) and _differs(member, now):
                self._apply(member, now.find(member.name.key), allows_guests=self.allows_guests)

    def take_effect(self, key: str, *, allows_guests: bool) -> None:
        """Let a change of the account of one user take effect, by the ``key`` of the name. Does not wait."""
        register = self._accounts.known
        for member in self._directory.sessions_of(key):
            if self._directory.is_here(member) and _differs(member, register):
                self._apply(member, register.find(key), allows_guests=allows_guests)

    def _apply(self, member: Member, account: Account | None, *, allows_guests: bool) -> None:
        if account is not None and account.id == member.account_id:
            self._set_moderator(member, account.is_moderator)
        elif not allows_guests:
            # They have shown no password that would let them in now.
            sentence = "The operator removed your account. Only users with a password may be here."
            log.info("%s must leave: the account was removed", member.name.display)
            member.eject(LeaveReason.KICKED, NoticeCode.MODERATED, sentence)
        elif self._has_later_session(member):
            sentence = (
                "The operator removed your account. A guest has one session, and this one ends."
            )
            member.eject(LeaveReason.REPLACED, NoticeCode.REPLACED, sentence)
        else:
            role = "a guest, and no moderator" if member.moderator else "a guest"
            member.lost_account()
            log.info("%s is %s now: the account was removed", member.name.display, role)
            sentence = f"The operator removed your account. You are {role} from now on."
            self._service.notify(member, NoticeCode.ACCOUNT, sentence)

    def _has_later_session(self, member: Member) -> bool:
        sessions = self._directory.sessions_of(member.name.key)
        return any(
            each.account_id == member.account_id and each.serial > member.serial
            for each in sessions
        )

    def _set_moderator(self, member: Member, is_moderator: bool) -> None:
        member.moderator = is_moderator
        self._service.tell_status(member)
        role = "a moderator" if is_moderator else "no moderator any more"
        log.info("%s is %s", member.name.display, role)
        self._service.notify(
            member, NoticeCode.ACCOUNT, f"You are {role}: the operator decided so."
        )


def _differs(member: Member, register: AccountTable) -> bool:
    """Return whether a connected user is not what their account says. Guests have none."""
    if member.account_id is None:
        return False
    account = register.find(member.name.key)
    return (
        account is None
        # Removed, and added again for somebody else.
        or account.id != member.account_id
        or account.is_moderator != member.moderator
    )
