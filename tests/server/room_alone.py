"""A room with all that it is given, without sockets."""

from __future__ import annotations

from chat.protocol.descriptor import ByteOrder, MessageType
from chat.protocol.headers import ClientHeader
from chat.protocol.notices import LeaveReason, NoticeCode
from chat.protocol.runs import Run
from chat.server.accounts.accounts import Accounts
from chat.server.attachments.offers import OfferStore
from chat.server.attachments.spool import Spool, SpooledFile
from chat.server.delivery.broadcast import Broadcast
from chat.server.directory.directory import Directory
from chat.server.log.log import MemoryLog
from chat.server.log.operations import Operations
from chat.server.mailboxes.account_mailboxes import AccountMailboxes
from chat.server.moderation.bans import BanList
from chat.server.room.presence import Welcome
from chat.server.room.service import ChatService as Room
from chat.server.settings import Settings
from tests.server.fakes import FakeMember, run_ready_greenlets

PUBLIC = ClientHeader()
TEXT, FILE = MessageType.UTF8, MessageType.FILE
TIMESTAMP = "2026-11-24T09:30:00.000000Z"


class RoomAlone:
    """A room with all that it is given, and an easy way in."""

    def __init__(self, spool: Spool) -> None:
        self.spool = spool
        self.offers = OfferStore(spool)
        self.broadcast = Broadcast()
        self.directory: Directory[FakeMember] = Directory()
        self.bans = BanList()
        log = MemoryLog(lambda: TIMESTAMP)
        self.operations = Operations(log)
        self.room = Room(
            log=log,
            directory=self.directory,
            broadcast=self.broadcast,
            offers=self.offers,
            mutes=self.bans,
            mailboxes=AccountMailboxes(Accounts(None), None, None, Settings().max_waiting),
            timestamp=lambda: TIMESTAMP,
            operations=self.operations,
        )
        self.broadcast.start()

    def enter(
        self, name: str, order: ByteOrder = ByteOrder.BIG, *, inline: int | None = None
    ) -> FakeMember:
        """Return a user who is in the room, and has heard all messages so far."""
        member = FakeMember(name, order, inline=inline)
        self.join(member)
        self.heard(member)
        return member

    def join(self, member: FakeMember, welcome: Welcome | None = None) -> None:
        member.serial = self.directory.enter(member)
        self.room.join(member, welcome)

    def leave(self, member: FakeMember, reason: LeaveReason = LeaveReason.QUIT) -> None:
        self.room.leave(member, reason)
        self.directory.leave(member)

    def say(
        self,
        sender: FakeMember,
        type: MessageType,
        content: bytes | SpooledFile,
        header: ClientHeader = PUBLIC,
    ) -> NoticeCode | None:
        """Publish one message; the code of the notice if it is rejected."""
        nonce = header.nonce.encode() if header.nonce is not None else None
        if isinstance(content, bytes):
            run = Run(type, [content], [nonce], len(content), header.to, header.filename)
        else:
            run = Run(
                type,
                [b""],
                [nonce],
                content.size,
                header.to,
                header.filename,
                content,
                content.digest,
            )
        return self.publish(sender, run)

    def say_texts(
        self, sender: FakeMember, *texts: bytes, to: str | None = None
    ) -> NoticeCode | None:
        """Publish texts that came together; the code of the notice if they are rejected."""
        nonces = [None] * len(texts)
        return self.publish(sender, Run(TEXT, texts, nonces, sum(map(len, texts)), to))

    def publish(self, sender: FakeMember, run: Run) -> NoticeCode | None:
        record = self.room.publish(sender, run)
        assert record.is_settled, "a log in memory commits at once"
        return record.rejection.notice if record.rejection is not None else None

    def heard(self, *members: FakeMember) -> list[list[str]]:
        run_ready_greenlets()
        return [member.heard for member in members]

    def spooled(self, data: bytes, owner: str = "alice") -> SpooledFile:
        """A large content that has come in whole."""
        file = self.spool.reserve(owner, len(data), lambda: None)
        file.append(memoryview(data))
        return file
