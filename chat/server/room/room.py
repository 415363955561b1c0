"""Keep the members of the room, and send every member the same events in the same order.

For the room, a member is a name and a send queue. The room knows no socket, no byte order and no disk. It decides on
the records that the log has committed, makes headers, hands frames to the broadcast, and offered contents to the offer
store.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from chat.protocol.descriptor import MESSAGES, Descriptor, MessageType
from chat.protocol.filenames import clean_filename
from chat.protocol.frames import Frame
from chat.protocol.headers import ServerHeader, encode_server_header
from chat.protocol.notices import SERVER_NAME, LeaveReason, NoticeCode
from chat.protocol.pings import encode_ping_answer
from chat.protocol.runs import MAX_RUN, Run, TextFrames, encode_shared_header
from chat.server.attachments.offers import OfferStore
from chat.server.delivery.broadcast import Broadcast, Encodable
from chat.server.directory.directory import ConnectedUsers
from chat.server.directory.member import Member, Peer
from chat.server.history.stored import DEFAULT_ROOM, GUEST, LogName
from chat.server.log.log import (
    Entry,
    Log,
    LogClosed,
    LogFull,
    Record,
    Rejection,
    Sequences,
)
from chat.server.room.commands import FoundMessages
from chat.server.room.kept import KeptMessages
from chat.server.room.late_welcome import LateWelcome
from chat.server.room.offering import Offering, offer_frame, whole_frame
from chat.server.room.private_messages import Mailboxes, PrivateMessages, Recipient
from chat.server.room.roster import Roster, status_sentence

log = logging.getLogger("chat.server")

_ENDED = Rejection(NoticeCode.GONE, "Your session has ended.", is_fatal=True)

# Makes the content of a user's welcome from the names of all members, in JSON, and from facts about history.
Welcome = Callable[[bytes, Mapping[str, object]], bytes]


class Mutes(Protocol):
    """List what the room needs from moderation.

    ``mutes`` is empty while nobody is muted. So in most rooms a message costs one look at an empty mapping.
    """

    @property
    def mutes(self) -> Mapping[str, object]: ...

    def why_muted(self, key: str) -> str | None:
        """Return a sentence for the muted user whose name has ``key``; None if the user is not muted."""


class Room:
    """Keep membership and order.

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
        kept: KeptMessages | None = None,
        sequences: Sequences | None = None,
    ) -> None:
        self.said = dict.fromkeys(MESSAGES, 0)
        self.received = dict.fromkeys(MESSAGES, 0)
        self._roster = Roster()
        self._names = self._roster.names
        self._log = log
        self._directory = directory
        self._broadcast = broadcast
        self._offering = Offering(offers, directory, kept.keeps_now if kept is not None else None)
        self._mutes = mutes
        self._timestamp = timestamp
        self._kept = kept
        self._sequences = Sequences() if sequences is None else sequences
        self._private = PrivateMessages(
            directory, broadcast, self._offering, kept, self._sequences, self._names, mailboxes
        )
        log.follow(self._apply)

    def go_on_after(self, last: int) -> None:
        """Number the messages of the room after ``last``. Called once, before the first member joins."""
        self._sequences.go_on_after(DEFAULT_ROOM, last)

    def last_number(self, log: LogName) -> int:
        """Return the number of the last message that users know of the room, or of a user who is here; 0 for none."""
        if self._kept is None or log.kind == GUEST:
            return self._sequences.last(log)
        # Not of those that still wait for the disk.
        return self._kept.last_number(log)

    # Coming and going

    def join(
        self,
        member: Member,
        welcome: Welcome | None = None,
        replay: int = 0,
        *,
        quietly: bool = False,
    ) -> None:
        """Add ``member``: answer their login, and announce them to everyone, unless the user is here already.

        ``quietly``: the user was here until now, and nobody else has heard that they left.

        ``welcome`` makes the content of the new member's own copy of the announcement, from the JSON of the roster and
        facts about history. None: the copy has no content. ``replay``: so many of the last messages follow it.
        """
        others = self._other_sessions(member)
        self._roster.add(member, others)
        header = self._header(
            member.name.display,
            registered=member.registered or None,
            moderator=member.moderator or None,
            again=bool(others) or None,
        )
        announcement = Frame(MessageType.LOGIN, header)
        own: Encodable = announcement
        if welcome is not None:
            names, here = self._roster.json(), self._roster.users
            own = LateWelcome(header, lambda: welcome(names, self._facts(member, here)))
        first: list[Encodable] = [Frame(MessageType.LOGIN), own]
        if self._kept is not None:
            if not others:
                last = self._kept.last_number(member.mailbox)
                self._sequences.go_on_after(member.mailbox, last)
            first.append(self._kept.last_messages(member, replay))
        self._private.came(member)
        # In this order: the announcement joins the frames that are pending for everyone else, and the new member gets
        # only frames after it. So the list of names in the welcome is exact at that point of the stream.
        if not others and not quietly:
            self._broadcast.announce(announcement)
        self._broadcast.add(member.send_queue, first)

    def leave(self, member: Member, reason: LeaveReason, *, quietly: bool = False) -> None:
        """Remove ``member``, if they are still here, and tell everyone else the ``reason``.

        Others hear nothing while the user has another session here, or if the user comes back ``quietly`` at once.
        """
        if member not in self._names:
            return
        self._dismiss(member)
        if not quietly and not self._other_sessions(member):
            header = self._header(member.name.display, reason=reason.value)
            self._broadcast.announce(Frame(MessageType.LOGOUT, header))

    def close(self) -> None:
        """Tell every member that the server is shutting down, and remove all members.

        All at once, without a wait in between. If members left one by one, a user could get the echo of a message that
        members who left earlier never got.
        """
        for member in list(self._names):
            self.notify(member, NoticeCode.SHUTTING_DOWN, "The server is shutting down.")
            self._dismiss(member)

    def _facts(self, member: Member, here: int) -> Mapping[str, object]:
        return self._kept.facts(member, here) if self._kept else {"history": False}

    def is_here(self, member: Member) -> bool:
        """Return whether ``member`` has joined and not left. Another session with the same name does not count."""
        return member in self._names

    def names_json(self) -> bytes:
        """Return the names of the users in the order in which they joined, as a JSON array."""
        return self._roster.names_json()

    def tell_status(self, member: Member) -> None:
        """Tell members who want to know it that ``member`` is now registered or a moderator, or no longer so.

        Call it after each change of ``member.registered`` or ``member.moderator``, for each session of the user.
        """
        if member not in self._names:
            return
        others = self._other_sessions(member)
        self._roster.update(member, others)
        if any(other.moderator != member.moderator for other in others):
            return  # told once, with the last of the user's sessions
        header = self._header(
            SERVER_NAME,
            notice=NoticeCode.STATUS.value,
            user=member.name.display,
            registered=member.registered,
            moderator=member.moderator,
        )
        frame = Frame(MessageType.UTF8, header, status_sentence(member).encode())
        # One by one: such changes are rare, and clients that do not know this notice must not take it for an answer.
        for each in self._names:
            if each.wants_status:
                self._broadcast.put(each.send_queue, frame)

    # Messages

    def publish(self, sender: Member, run: Run) -> Record:
        """Append ``run`` to the log. The record tells, now or later, whether the run was delivered.

        The caller keeps its own hold on a large content, and releases it. A record that is not settled yet holds the
        content too.
        """
        assert 1 <= len(run.contents) <= MAX_RUN, "a run is 1 to 64 messages"
        record = Record(sender, run)
        try:
            self._log.append(record)
        except (LogFull, LogClosed) as problem:
            record.settle(_full(problem) if isinstance(problem, LogFull) else _ENDED)
        if not record.is_settled:
            record.hold()
        return record

    def judge(self, sender: Member, to: str | None, frame: Descriptor) -> Rejection | None:
        """Return why ``sender`` must not send ``frame`` to the user ``to`` (None: to everyone); None if they may.

        The room asks when it applies an entry, and only that answer counts. Sessions also ask before they read a large
        content, so that a user does not send 1 GiB only to be refused.
        """
        rejection = self._judge(sender)
        if rejection is None and to is not None:
            rejection = self._private.judge(sender, to, frame)
        return rejection

    def _judge(self, sender: Member) -> Rejection | None:
        if sender.send_queue.closed or sender not in self._names:
            return _ENDED
        if self._mutes.mutes:
            sentence = self._mutes.why_muted(sender.name.key)
            if sentence is not None:
                return Rejection(NoticeCode.MUTED, sentence)
        return None

    def _apply(self, entry: Entry) -> None:
        """Decide on each record of ``entry``; deliver the runs that are not rejected."""
        for record in entry.records:
            sender, run = record.sender, record.run
            try:
                # Asked now, not when the run was appended: with a late commit, the sender may be muted since.
                rejection, recipient = self._judge(sender), None
                if rejection is None and run.to is not None:
                    recipient, rejection = self._private.address(sender, run.to, run)
                if rejection is None:
                    # Counted here, so that a rejected run counts nowhere.
                    self.said[run.type] += len(run.contents)
                    self.received[run.type] += run.size
                    say = self._say_texts if run.type is MessageType.UTF8 else self._say_attachment
                    say(sender, run, recipient, entry.timestamp)
            except Exception:  # noqa: BLE001 - a bug; sessions and transfers wait for this record and those after it
                rejection = _failure()
            # After the delivery: this may make a session send further answers, which come after the echo.
            record.settle(rejection)

    def _say_texts(self, sender: Member, run: Run, to: Recipient | None, timestamp: str) -> None:
        if to is not None:
            self._private.say_texts(sender, run, to, timestamp)
            return
        header = encode_shared_header(self._names[sender], timestamp, None)
        first = self._sequences.assign(DEFAULT_ROOM, len(run.contents))
        if self._kept is not None:
            self._kept.keep(DEFAULT_ROOM, first, sender, run, timestamp)
        self._broadcast.post(TextFrames(header, run, first))

    def _say_attachment(
        self, sender: Member, run: Run, recipient: Recipient | None, timestamp: str
    ) -> None:
        [nonce] = run.nonces
        # Cleaned for every receiver: clients, also the original ones, save files under the name that they get.
        default = run.type.name.lower()
        header = ServerHeader(
            sender.name.display,
            timestamp,
            filename=clean_filename(run.filename or default, default),
            to=recipient.name if recipient is not None else None,
            nonce=nonce.decode() if nonce is not None else None,
        )
        if recipient is not None:
            self._private.say_attachment(sender, run, recipient, header)
            return
        # The number is taken when the content is stored: that may fail, and the log must have no gap.
        header = header._replace(seq=self._sequences.last(DEFAULT_ROOM) + 1)
        offer_id = self._offering.offer(run, header, DEFAULT_ROOM, self._names)
        seq = self._sequences.assign(DEFAULT_ROOM, 1)
        if self._kept is not None:
            name = header.filename
            self._kept.keep(DEFAULT_ROOM, seq, sender, run, timestamp, None, name, offer_id)
        offer = None
        if offer_id is not None:
            offer = offer_frame(run, header, offer_id)
        self._broadcast.post_attachment(whole_frame(run, header), offer)

    # What the server says

    def notify(
        self,
        member: Member,
        notice: NoticeCode,
        sentence: str,
        nonce: str | None = None,
        facts: Mapping[str, Any] | None = None,
        found: FoundMessages | None = None,
    ) -> None:
        """Send ``found`` and a notice to ``member`` alone, if they are here; ``facts`` are fields of the notice."""
        if member in self._names:
            if found is not None:
                self._broadcast.put(member.send_queue, found.frames)
            frame = self.notice_frame(member, notice, sentence, nonce, facts)
            self._broadcast.put(member.send_queue, frame)

    def remind(self, member: Member) -> None:
        """Tell ``member`` at once, if they are still here, that something of theirs still waits for its commit."""
        if member in self._names:
            sentence = "The server has not stored your message yet; it still waits."
            frame = self.notice_frame(member, NoticeCode.WAITING, sentence)
            send_queue = member.send_queue
            self._broadcast.remind(send_queue, frame.encode(send_queue.order))

    def answer_ping(self, member: Member, nonce: bytes) -> None:
        """Answer a ping of ``member``, if they are still here."""
        # Without encoding JSON, and without a flush of the frames for everyone: thousands of idle users send pings.
        name = self._names.get(member)
        if name is None:
            return
        send_queue = member.send_queue
        answer = encode_ping_answer(self._timestamp(), name, nonce, send_queue.order)
        self._broadcast.answer(send_queue, answer)

    def announce(
        self,
        notice: NoticeCode,
        sentence: str,
        besides: Peer | None = None,
        facts: Mapping[str, Any] | None = None,
    ) -> None:
        """Send a notice to everyone besides one session, which the answer to its command tells the same.

        ``facts`` are further fields of its header.
        """
        header = self._header(SERVER_NAME, notice=notice.value, **(facts or {}))
        frame = Frame(MessageType.UTF8, header, sentence.encode())
        for member in self._directory.sessions_of(besides.name.key) if besides else ():
            if member is besides and member in self._names:
                self._broadcast.post_to_others(member.send_queue, frame)
                return
        self._broadcast.post(frame)

    def notice_frame(
        self,
        member: Member,
        notice: NoticeCode,
        sentence: str,
        nonce: str | None = None,
        facts: Mapping[str, Any] | None = None,
    ) -> Frame:
        """Return the frame of a notice for ``member``; ``nonce`` is that of the frame that the notice answers."""
        to = member.name.display
        header = self._header(SERVER_NAME, to=to, notice=notice.value, nonce=nonce, **(facts or {}))
        return Frame(MessageType.UTF8, header, sentence.encode())

    def _other_sessions(self, member: Member) -> list[Member]:
        """Return the other sessions of the same user that are here."""
        sessions = self._directory.sessions_of(member.name.key)
        return [each for each in sessions if each is not member and each in self._names]

    def _dismiss(self, member: Member) -> None:
        self._roster.remove(member, self._other_sessions(member))
        if not member.registered:
            # A guest's private messages are numbered only while the guest is here.
            self._sequences.forget(member.mailbox)
        self._broadcast.remove(member.send_queue)

    def _header(self, sender: str, **fields: Any) -> bytes:
        """Return the header of a frame that is sent now; ``fields`` are those of ServerHeader."""
        return encode_server_header(ServerHeader(sender, self._timestamp(), **fields))


def _full(problem: LogFull) -> Rejection:
    return Rejection(NoticeCode.NO_SPACE, str(problem))


def _failure() -> Rejection:
    """Log the exception that is being handled; return the rejection of the run that it prevented."""
    log.exception("cannot deliver a message")  # noqa: LOG004 - called by a handler
    return Rejection(NoticeCode.NO_SPACE, "The server failed to deliver the message.")
