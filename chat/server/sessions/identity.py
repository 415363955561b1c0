"""Say whose session this is: the name, the account, the device, and what history calls the user."""

from __future__ import annotations

import hashlib

from chat.protocol.names import UserName
from chat.server.accounts.accounts import Account
from chat.server.history.stored import mailbox_of


class Identity:
    """Hold who the user of a session is.

    ``account_id`` is the id of the account that owns the name, if the user has proved that it is theirs; None for a
    guest. ``device`` is the SHA-256 of the secret of the device; None if there is none that counts. ``mailbox`` is the
    log of the user's private messages. ``knows_rooms``: the client has shown that it knows rooms.
    """

    # The session inherits from this class: an object of its own would cost each idle user memory.
    __slots__ = ("account_id", "device", "knows_rooms", "mailbox", "moderator", "name")

    def __init__(self, name: UserName, account: Account | None, device: bytes | None) -> None:
        self.name = name
        self.device = device
        self.knows_rooms = False
        self.account_id = account.id if account is not None else None
        self.moderator = account is not None and account.is_moderator
        self.mailbox = mailbox_of(self.account_id, name.key)

    @property
    def registered(self) -> bool:
        return self.account_id is not None

    @property
    def author(self) -> bytes:
        return self.account_id or self._guest_author()

    @property
    def authors(self) -> tuple[bytes, ...]:
        return tuple(filter(None, (self.account_id, self._guest_author())))

    @property
    def uploader(self) -> bytes | None:
        """The account and device that may go on with an interrupted upload; None for a guest without a device."""
        if self.account_id is None and self.device is None:
            return None
        return self.author + (self.device or b"")

    @property
    def file_owner(self) -> str:
        """Whose share of the kept files an attachment counts towards: the id of the account; empty for all guests."""
        return self.account_id.hex() if self.account_id is not None else ""

    def own_name(self, account_id: bytes) -> None:
        """Note that the name is the user's account now."""
        self.account_id = account_id
        self.mailbox = mailbox_of(account_id, self.name.key)

    def lose_name(self) -> None:
        """Note that the user is a guest now."""
        self.account_id, self.moderator = None, False
        self.mailbox = mailbox_of(None, self.name.key)

    def _guest_author(self) -> bytes:
        """Return what stands for a guest in history: the device together with the name; empty without a device.

        So a guest finds the messages that they said under this name from this device, and nobody else does. The hash of
        the device alone would link the names that one device has used.
        """
        if self.device is None:
            return b""
        return hashlib.sha256(b"guest\0" + self.device + self.name.key.encode()).digest()
