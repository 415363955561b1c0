"""Deliver what users say: to a room, or to one user.

For the service, a user is a name and a send queue. The service knows no socket, no byte order and no disk. It decides
on the records that the log has committed, makes headers, hands frames to the broadcast, and offered contents to the
offer store.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Protocol

from chat.protocol.descriptor import MESSAGES, Descriptor, MessageType
from chat.protocol.filenames import clean_filename
from chat.protocol.headers import ServerHeader
from chat.protocol.names import UserName
from chat.protocol.notices import NoticeCode
from chat.protocol.runs import Run, TextFrames, encode_shared_header
from chat.server.attachments.offers import OfferStore
from chat.server.delivery.broadcast import Broadcast
from chat.server.directory.directory import ConnectedUsers
from chat.server.directory.member import Member
from chat.server.history.stored import GUEST, LogName
from chat.server.log.log import (
    Change,
    Entry,
    Log,
    LogClosed,
    LogFull,
    Record,
    Rejection,
    Sequences,
)
from chat.server.log.operations import Operations
from chat.server.log.sharing import ALONE, Sharing
from chat.server.room.kept import KeptMessages
from chat.server.room.offering import Offering, offer_frame, whole_frame
from chat.server.room.presence import UserPresence
from chat.server.room.private_messages import Mailboxes, PrivateMessages, Recipient
from chat.server.room.server_notices import ServerNotices
from chat.server.rooms.room import ChatRoom
from chat.server.rooms.rooms import LOBBY

log = logging.getLogger("chat.server")

_ENDED = Rejection(NoticeCode.GONE, "Your session has ended.", is_fatal=True)
NO_SUCH_ROOM = "There is no room of this name."
_NO_SUCH_ROOM = Rejection(NoticeCode.NO_SUCH_ROOM, NO_SUCH_ROOM)
NOT_IN_ROOM = "You are not in this room."
_NOT_IN_ROOM = Rejection(NoticeCode.NOT_IN_ROOM, NOT_IN_ROOM)
_ONLY_OWNERS = Rejection(NoticeCode.NOT_ALLOWED, "Only its owners write in this room.")


class Mutes(Protocol):
    """List what the room needs from moderation.

    ``mutes`` is empty while nobody is muted. So in most rooms a message costs one look at an empty mapping.
    """

    @property
    def mutes(self) -> Mapping[str, object]: ...

    def why_muted(self, key: str) -> str | None:
        """Return a sentence for the muted user whose name has ``key``; None if the user is not muted."""


class ChatService(UserPresence):
    """Keep the order of messages in all rooms.

    ``timestamp`` returns the time of joins, leaves and notices, as RFC 3339 in UTC. A message has the timestamp of its
    log entry. ``kept`` keeps the messages; None: no message is kept. ``sequences`` numbers them. ``said`` counts the
    messages of each type that were delivered; ``received`` counts the bytes of their contents.
    """

    def __init__(
        self,
        *,
        log: Log,
        directory: ConnectedUsers,
        broadcast: Broadcast,
        offers: OfferStore,
        mutes: Mutes,
        mailboxes: Mailboxes,
        timestamp: Callable[[], str],
        operations: Operations | None = None,
        kept: KeptMessages | None = None,
        sequences: Sequences | None = None,
        default_room: UserName = LOBBY,
        sharing: Sharing = ALONE,
    ) -> None:
        self._sharing = sharing
        self.said = dict.fromkeys(MESSAGES, 0)
        self.received = dict.fromkeys(MESSAGES, 0)
        sequences = Sequences() if sequences is None else sequences
        keeps_now = kept.keeps_now if kept is not None else None
        self._offering = Offering(offers, directory, keeps_now, sharing)

        def private(notices: ServerNotices) -> PrivateMessages:
            names = notices.names
            parts = (directory, broadcast, self._offering, kept, sequences, names, mailboxes)
            return PrivateMessages(*parts)

        super().__init__(directory, broadcast, timestamp, kept, sequences, private, default_room)
        self._log = log
        self._operations = Operations(log) if operations is None else operations
        self._mutes = mutes
        log.follow(self._apply)

    def go_on_after(self, log: LogName, last: int) -> None:
        """Number the messages of a room after ``last``. Called once, before the first member joins."""
        self._sequences.go_on_after(log, last)

    def last_number(self, log: LogName) -> int:
        """Return the number of the last message that users know of a room, or of a user who is here; 0 for none."""
        if self._kept is None or log.kind == GUEST or self._sharing.is_shared:
            return self._sequences.last(log)
        # Not of those that still wait for the disk.
        return self._kept.last_number(log)

    # Messages

    def publish(self, sender: Member, run: Run) -> Record:
        """Append ``run`` to the log. The record tells, now or later, whether the run was delivered.

        The caller keeps its own hold on a large content. A record that is not settled yet holds it, too.
        """
        record = Record(sender, run)
        try:
            if sender.send_queue.closed:
                raise LogClosed
            self._log.append(record)
        except (LogFull, LogClosed) as problem:
            record.settle(_full(problem) if isinstance(problem, LogFull) else _ENDED)
        if not record.is_settled:
            record.hold()
        return record

    def judge(
        self, sender: Member, to: str | None, frame: Descriptor, room: str | None = None
    ) -> Rejection | None:
        """Return why ``sender`` must not send ``frame`` to the user ``to`` (None: to a room); None if they may.

        The room asks when it applies an entry, and only that answer counts. Sessions also ask before they read a large
        content, so that a user does not send 1 GiB only to be refused.
        """
        rejection = _ENDED if sender.send_queue.closed else self._judge(sender)
        if rejection is None and to is not None:
            rejection = self._private.judge(sender, to, frame)
        if rejection is None and room is not None:
            _, rejection = self._address_room(sender, room)
        return rejection

    def _judge(self, sender: Member) -> Rejection | None:
        if sender not in self.names:
            return _ENDED
        if self._mutes.mutes and (sentence := self._mutes.why_muted(sender.name.key)) is not None:
            return Rejection(NoticeCode.MUTED, sentence)
        return None

    def _address_room(
        self, sender: Member, name: str
    ) -> tuple[ChatRoom, None] | tuple[None, Rejection]:
        """Return the room with ``name``, or why ``sender`` must not write there."""
        room = self.rooms.find(name)
        if room is None:
            return None, _NO_SUCH_ROOM
        if not room.has(sender):
            return None, _NOT_IN_ROOM
        if not room.may_write(sender):
            return None, _ONLY_OWNERS
        return room, None

    def _apply(self, entry: Entry) -> None:
        """Decide on each record of ``entry``; deliver the runs that are not rejected."""
        for record in entry.records:
            if isinstance(record, Change):
                self._operations.carry_out(record, entry.writer)
                continue
            sender, run = record.sender, record.run
            try:
                # Asked now, not when the run was appended: with a late commit, the sender may be muted since.
                rejection, recipient = self._judge(sender), None
                room: ChatRoom | None = self.rooms.default
                if rejection is None and run.to is not None:
                    recipient, rejection = self._private.address(sender, run.to, run)
                elif rejection is None and run.room is not None:
                    room, rejection = self._address_room(sender, run.room)
                if rejection is None and (to := recipient or room) is not None:
                    # Counted here, so that a rejected run counts nowhere.
                    self.said[run.type] += len(run.contents)
                    self.received[run.type] += run.size
                    say = self._say_texts if run.type is MessageType.UTF8 else self._say_attachment
                    say(sender, run, to, entry.timestamp)
            except Exception as problem:  # noqa: BLE001 - a bug; others wait for this record and those behind it
                rejection = self._failure(problem)
            # After the delivery: this may make a session send further answers, which come after the echo.
            record.settle(rejection)

    def _failure(self, problem: Exception) -> Rejection:
        """Log ``problem``, or raise it if it ends this server; return the rejection of the run that it prevented."""
        if self._sharing.must_end(problem):
            raise problem
        log.error("cannot deliver a message", exc_info=problem)
        return Rejection(NoticeCode.NO_SPACE, "The server failed to deliver the message.")

    def _say_texts(
        self, sender: Member, run: Run, to: Recipient | ChatRoom, timestamp: str
    ) -> None:
        if not isinstance(to, ChatRoom):
            self._private.say_texts(sender, run, to, timestamp)
            return
        header = encode_shared_header(self.names[sender], timestamp, None, to.header_key)
        first = self._sequences.assign(to.log, len(run.contents))
        if self._kept is not None:
            self._kept.keep(to.log, first, sender, run, timestamp)
        self._broadcast.post(TextFrames(header, run, first), to.audience)

    def _say_attachment(
        self, sender: Member, run: Run, to: Recipient | ChatRoom, timestamp: str
    ) -> None:
        [nonce] = run.nonces
        # Cleaned for every receiver: clients, also the original ones, save files under the name that they get.
        default = run.type.name.lower()
        header = ServerHeader(
            sender.name.display,
            timestamp,
            filename=clean_filename(run.filename or default, default),
            to=None if isinstance(to, ChatRoom) else to.name,
            nonce=nonce.decode() if nonce is not None else None,
        )
        if not isinstance(to, ChatRoom):
            self._private.say_attachment(sender, run, to, header)
            return
        # The number is taken when the content is stored: that may fail, and the log must have no gap.
        number = self._sequences.last(to.log) + 1
        header = header._replace(seq=number, room=to.header_name)
        members = to.members.encoded
        # In the default room, users who come later are shown the last messages.
        serials = None if to.is_default else frozenset(member.serial for member in members)
        offer_id = self._offering.offer(run, header, to.log, members, serials)
        seq = self._sequences.assign(to.log, 1)
        if self._kept is not None:
            name = header.filename
            self._kept.keep(to.log, seq, sender, run, timestamp, None, name, offer_id)
        offer = None
        if offer_id is not None:
            offer = offer_frame(run, header, offer_id)
        self._broadcast.post_attachment(whole_frame(run, header), offer, to.audience)


def _full(problem: LogFull) -> Rejection:
    return Rejection(NoticeCode.NO_SPACE, str(problem))
