"""Send messages of one user, on all connections of a session, at the rates of the user."""

from __future__ import annotations

import time
from typing import Protocol, cast

from chat.protocol.descriptor import Descriptor, MessageType
from chat.protocol.headers import ClientHeader
from chat.protocol.names import UserName
from chat.server.accounts.accounts import Account
from chat.server.directory.member import Member
from chat.server.entrance.joining import digest_of
from chat.server.limits.limits import SenderRates, pause
from chat.server.limits.waits import REMINDER, DiskWaits, Wait
from chat.server.log.log import Record
from chat.server.log.unicode_13 import in_unicode_13
from chat.server.room.service import ChatService
from chat.server.sessions.endings import OpenTransfers
from chat.server.sessions.identity import Identity
from chat.server.sessions.intake import Intake, refusal_of
from chat.server.settings import Settings


class SendingMember(Member, Protocol):
    """Describe the member as whom a ``Sender`` sends."""

    @property
    def uploader(self) -> bytes | None: ...

    @property
    def file_owner(self) -> str: ...


class Sender(Identity):
    """A user who sends. ``last_active`` is when they last sent something other than a ping (monotonic)."""

    __slots__ = (
        "_rates",
        "_service",
        "_settings",
        "_waits",
        "home",
        "last_active",
        "number",
        "token",
        "transfers",
    )

    is_elsewhere = False

    def __init__(
        self,
        name: UserName,
        account: Account | None,
        device: bytes | None,
        service: ChatService,
        settings: Settings,
        waits: DiskWaits,
    ) -> None:
        super().__init__(name, account, device)
        self.home = ""
        self.number = 0
        self.token: str | None = None
        self.last_active = time.monotonic()
        self.transfers = OpenTransfers()
        self._service = service
        self._settings = settings
        self._waits = waits
        # For the user, not for a connection: the transfer connections of the session pay from the same rates.
        self._rates = SenderRates(settings.rate, settings.byte_rate, settings.max_text)

    @property
    def member(self) -> SendingMember:
        """The member whose messages these are."""
        # Sessions have the rest of what makes a member.
        return cast(SendingMember, self)

    @property
    def token_digest(self) -> bytes | None:
        return digest_of(self.token)

    def adapt(self) -> None:
        """Go on with the rates of the settings, which a reload has changed."""
        settings = self._settings
        self._rates.adapt(settings.rate, settings.byte_rate, settings.max_text)

    def remind(self) -> None:
        """Tell the user that a message of theirs still waits for its commit."""
        if self.token is not None:
            self._service.remind(self.member)

    def _wait_with_reminders(self, wait: Wait | None) -> None:
        while wait is not None and not wait(REMINDER) and not self.member.send_queue.closed:
            self.remind()

    def pay(self, descriptor: Descriptor) -> None:
        """Wait until the user's rates allow a frame with this descriptor. Refused frames count too."""
        # Pings are not paid here: a program sends them, and they do not show that the user is there.
        self.last_active = time.monotonic()
        size = descriptor.content_size if descriptor.type == MessageType.UTF8 else 0
        pause(self._rates.consume(1, min(size, self._settings.max_text)))

    def pay_for_more(self) -> None:
        """Wait until the user's rates allow the next ``BILLED_BYTES`` of a content, which count as one message."""
        pause(self._rates.consume(1, 0))

    def publish_message(self, intake: Intake, frame: Descriptor, header: ClientHeader) -> Record:
        """Read the content of a message from ``intake``, and hand the message to the room. Raises FrameRefused."""
        # The room decides again when it applies the entry. This early answer spares the user an upload in vain.
        rejection = self._service.judge(self.member, header.to, frame, header.room)
        if rejection is not None:
            raise refusal_of(rejection, header.nonce)
        run = intake.read_message(frame, header, self.member.file_owner)
        if self._settings.cluster is not None and run.filename is not None:
            # All servers clean it alike.
            run = run._replace(filename=in_unicode_13(run.filename))
        try:
            self._wait_with_reminders(self._waits.for_room)
            return self._service.publish(self.member, run)
        finally:
            if run.large is not None:
                run.large.release()
