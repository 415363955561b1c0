"""Say whose session this is: the name, the account, and what history calls the user."""

from __future__ import annotations

from chat.protocol.names import UserName
from chat.server.accounts.accounts import Account
from chat.server.history.stored import mailbox_of


class Identity:
    """Hold who the user of a session is.

    ``account_id`` is the id of the account that owns the name, if the user has proved that it is theirs; None for a
    guest. ``mailbox`` is the log of the user's private messages.
    """

    # The session inherits from this class: an object of its own would cost each idle user memory.
    __slots__ = ("account_id", "mailbox", "moderator", "name")

    def __init__(self, name: UserName, account: Account | None) -> None:
        self.name = name
        self.account_id = account.id if account is not None else None
        self.moderator = account is not None and account.is_moderator
        self.mailbox = mailbox_of(self.account_id, name.key)

    @property
    def registered(self) -> bool:
        return self.account_id is not None

    @property
    def author(self) -> bytes:
        return self.account_id or b""

    def own_name(self, account_id: bytes) -> None:
        """Note that the name is the user's account now."""
        self.account_id = account_id
        self.mailbox = mailbox_of(account_id, self.name.key)

    def lose_name(self) -> None:
        """Note that the user is a guest now."""
        self.account_id, self.moderator = None, False
        self.mailbox = mailbox_of(None, self.name.key)
