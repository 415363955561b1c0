"""Say private messages: to all sessions of the sender and of the recipient, and into the log of each.

The two logs give a message different numbers. So each of the two users has a copy of their own, which is encoded once
for all their sessions.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import NamedTuple, Protocol

from chat.protocol.descriptor import ByteOrder, Descriptor, MessageType
from chat.protocol.frames import Frame
from chat.protocol.headers import ServerHeader, encode_json
from chat.protocol.names import name_key
from chat.protocol.notices import NoticeCode
from chat.protocol.runs import Run, TextFrames, encode_private_keys, encode_shared_header
from chat.server.delivery.broadcast import Broadcast
from chat.server.directory.directory import NO_SUCH_USER, ConnectedUsers
from chat.server.directory.member import Member, Peer
from chat.server.history.stored import LogName, mailbox_of
from chat.server.log.log import Rejection, Sequences
from chat.server.room.kept import Action, KeptMessages, PrivateCopy
from chat.server.room.offering import Offering, message_id, offer_frame, whole_frame
from chat.server.settings import MAX_IN_MEMORY
from chat.sizes import byte_count


class Owner(Protocol):
    """List what the room needs to know of an account: the name as it is shown, and the random id."""

    @property
    def name(self) -> str: ...

    @property
    def id(self) -> bytes: ...


class Mailboxes(Protocol):
    """List what the room needs to know about accounts. An account is named by its random id."""

    def owner(self, key: str) -> Owner | None:
        """Return the account that owns the name with ``key``, if messages can wait for it."""

    def is_blocked(self, account: bytes, sender: Peer) -> bool:
        """Return whether ``account`` refuses private messages of ``sender``."""

    def why_full(self, account: bytes, sender: bytes, count: int, size: int) -> str | None:
        """Return why ``count`` messages of ``size`` bytes cannot wait for ``account``, in words; None if they can."""

    def opaque_id(self, account: bytes | None) -> str | None:
        """Return the id by which users know an account; None for a guest."""

    def received(self, account: bytes, sender: Member, first: int, count: int) -> None:
        """Count messages of ``sender`` for ``account``, numbered from ``first`` on, as unread."""

    def waits(self, account: bytes, sender: bytes, count: int, size: int) -> None:
        """Count messages of the account ``sender`` that wait for ``account``, whose user is not here."""

    def waits_no_more(self, account: bytes, sender: bytes, count: int, size: int) -> None:
        """Take back what ``waits`` has counted: the messages were refused."""

    def came(self, account: bytes, head: int) -> None:
        """Note that the user is here. ``head`` is the last number of the mailbox."""


class Recipient(NamedTuple):
    """The user whom a private message is for: the name as the server knows it, their log, account and sessions.

    ``sessions`` is empty if the user is not here, but has an account for which messages can wait.
    """

    name: str
    mailbox: LogName
    account: bytes | None
    sessions: tuple[Member, ...]


class PrivateMessages:
    """Deliver private messages that the room has accepted. ``names`` has the name of each member of the room in JSON.

    ``kept`` keeps the messages; None: no message is kept.
    """

    def __init__(
        self,
        directory: ConnectedUsers,
        broadcast: Broadcast,
        offering: Offering,
        kept: KeptMessages | None,
        sequences: Sequences,
        names: Mapping[Member, bytes],
        mailboxes: Mailboxes,
    ) -> None:
        self._directory = directory
        self._broadcast = broadcast
        self._offering = offering
        self._kept = kept
        self._sequences = sequences
        self._names = names
        self._mailboxes = mailboxes

    def judge(self, sender: Member, to: str, frame: Descriptor) -> Rejection | None:
        """Return why ``sender`` must not send ``frame`` to the user ``to``; None if they may."""
        size = frame.content_size
        is_large = _is_large(frame.type, size)
        return self._judge(sender, self._find(sender, to), 1, size, is_large=is_large)

    def address(
        self, sender: Member, to: str, run: Run
    ) -> tuple[Recipient | None, Rejection | None]:
        """Return whom ``run`` is for, and why ``sender`` must not send it to them; None if they may."""
        recipient = self._find(sender, to)
        if recipient is not None and recipient.account is None:
            return recipient, None  # a guest takes messages of everyone
        is_large = _is_large(run.type, run.size)
        count = len(run.contents)
        return recipient, self._judge(sender, recipient, count, run.size, is_large=is_large)

    def _find(self, sender: Member, to: str) -> Recipient | None:
        """Return the user whose name is ``to`` in any case; None if ``sender`` can write to no such user."""
        # A text that is no valid name has no key, and no user has it.
        key = name_key(to)
        if key is None:
            return None
        sessions = self._directory.sessions_of(key)
        if sessions:
            first = sessions[0]
            own = _of_log(sessions, first.mailbox)
            return Recipient(first.name.display, first.mailbox, first.account_id, own)
        # A guest learns no more than before: an account that is not here is nobody.
        owner = self._mailboxes.owner(key) if sender.account_id is not None else None
        if owner is None:
            return None
        return Recipient(owner.name, mailbox_of(owner.id, key), owner.id, ())

    def _judge(
        self, sender: Member, recipient: Recipient | None, count: int, size: int, *, is_large: bool
    ) -> Rejection | None:
        """Return why ``sender`` must not send ``count`` messages to ``recipient``; None if they may.

        ``size`` is in bytes. A content that is ``is_large`` does not stay in memory, and cannot be kept.
        """
        if recipient is None:
            return Rejection(NoticeCode.NO_SUCH_USER, NO_SUCH_USER)
        name, _, account, sessions = recipient
        if account is None:
            return None
        if self._mailboxes.is_blocked(account, sender):
            sentence = f"{name} does not take private messages from you."
            return Rejection(NoticeCode.BLOCKED, sentence)
        if sessions:
            return None
        if is_large:
            limit = byte_count(MAX_IN_MEMORY)
            sentence = f"{name} is not here; a content that waits has at most {limit}."
            return Rejection(NoticeCode.TOO_LARGE, sentence)
        if self._kept is None or not self._kept.keeps_now():
            sentence = f"{name} is not here, and the server cannot keep messages now."
            return Rejection(NoticeCode.NO_SPACE, sentence)
        assert sender.account_id is not None, "guests find only users who are here"
        reason = self._mailboxes.why_full(account, sender.account_id, count, size)
        if reason is not None:
            sentence = f"{name} is not here, and {reason}. Try again when {name} is back."
            return Rejection(NoticeCode.MAILBOX_FULL, sentence)
        return None

    def came(self, member: Member) -> None:
        """Note that a user has joined."""
        if member.account_id is not None:
            self._mailboxes.came(member.account_id, self._sequences.last(member.mailbox))

    def say_texts(self, sender: Member, run: Run, recipient: Recipient, timestamp: str) -> None:
        """Number and deliver a run of texts."""
        name, mailbox, account, sessions = recipient
        own = self._names[sender]
        # Encoded already, unless the recipient is in no room.
        to = (self._names.get(sessions[0]) if sessions else None) or encode_json(name)
        if account is None and sender.account_id is None:
            # Guests' messages are not kept, both copies have the same header, and each guest has one session.
            header, count = encode_shared_header(own, timestamp, to), len(run.contents)
            for member in (sender,) if sender is sessions[0] else (sender, sessions[0]):
                first = self._sequences.assign(member.mailbox, count)
                self._broadcast.put(member.send_queue, TextFrames(header, run, first))
            return
        header = encode_shared_header(own, timestamp, to, self._keys(account, sessions))
        if sender.mailbox != mailbox:
            first = self._number_own(sender, run, recipient, timestamp)
            self._put(self._sessions_of(sender), TextFrames(header, run, first))
            keys = self._keys(sender.account_id, sessions)
            header = encode_shared_header(own, timestamp, to, keys)
        first = self._number(sender, run, recipient, timestamp)
        self._put(sessions, TextFrames(header, run, first))

    def say_attachment(
        self, sender: Member, run: Run, recipient: Recipient, header: ServerHeader
    ) -> None:
        """Number and deliver a file, an image or a voice note. ``header`` has no ``seq`` yet."""
        _, mailbox, account, sessions = recipient
        time, filename = header.timestamp, header.filename
        own = self._sessions_of(sender) if sender.mailbox != mailbox else ()
        everyone = (*own, *sessions)
        serials = frozenset(session.serial for session in everyone)
        # Of a copy that is not kept. The stored header has no ``seq``: the two copies have different numbers.
        logs = (sender.mailbox, mailbox)
        unkept = [log for log in logs if not self._offering.is_kept(run, log)]
        offer_id = None
        if unkept:
            offer_id = self._offering.offer(run, header, unkept[0], everyone, serials)
        opaque_id = self._mailboxes.opaque_id
        if sender.mailbox != mailbox:
            # Assigned whether a copy is inline or an offer, since a log has no gaps.
            seq = self._number_own(sender, run, recipient, time, filename)
            is_waiting = None if sessions else True
            copy = header._replace(seq=seq, account=opaque_id(account), waiting=is_waiting)
            self._put_attachment(own, run, copy, sender.mailbox, offer_id)
        seq = self._number(sender, run, recipient, time, filename)
        copy = header._replace(seq=seq, account=opaque_id(sender.account_id))
        self._put_attachment(sessions, run, copy, mailbox, offer_id)

    def _sessions_of(self, sender: Member) -> tuple[Member, ...]:
        return _of_log(self._directory.sessions_of(sender.name.key), sender.mailbox)

    def _number_own(
        self,
        sender: Member,
        run: Run,
        recipient: Recipient,
        timestamp: str,
        filename: str | None = None,
    ) -> int:
        """Take the numbers of the sender's copy, and keep it; return its first number."""
        first = self._sequences.assign(sender.mailbox, len(run.contents))
        if self._kept is not None and sender.account_id is not None:
            private = PrivateCopy(recipient.name, recipient.account or b"", not recipient.sessions)
            self._kept.keep(sender.mailbox, first, sender, run, timestamp, private, filename)
        return first

    def _number(
        self,
        sender: Member,
        run: Run,
        recipient: Recipient,
        timestamp: str,
        filename: str | None = None,
    ) -> int:
        """Take the numbers of the recipient's copy, keep it, and count it as unread; return its first number."""
        name, mailbox, account, sessions = recipient
        if not sessions and self._kept is not None:
            # The numbers of a user who is not here may be in the file only.
            self._sequences.go_on_after(mailbox, self._kept.last_number(mailbox))
        count = len(run.contents)
        first = self._sequences.assign(mailbox, count)
        if account is not None:
            if self._kept is not None:
                private = PrivateCopy(name, sender.account_id or b"", not sessions)
                self._kept.keep(mailbox, first, sender, run, timestamp, private, filename)
            if sender.mailbox != mailbox:
                self._count(sender, account, first, run, is_waiting=not sessions)
        return first

    def _count(
        self, sender: Member, account: bytes, first: int, run: Run, *, is_waiting: bool
    ) -> None:
        mailboxes, count = self._mailboxes, len(run.contents)
        received = partial(mailboxes.received, account, sender, first, count)
        refused: Action = _do_nothing
        if is_waiting:
            # At once: the limits are asked for the next message before the disk has this one.
            what = (account, sender.account_id or b"", count, run.size)
            mailboxes.waits(*what)
            refused = partial(mailboxes.waits_no_more, *what)
        if self._kept is None:
            received()
        else:
            # Users learn of unread messages when they log in, and must not learn of any that may still be refused.
            self._kept.when_heard(received, refused)

    def _keys(self, partner: bytes | None, sessions: tuple[Member, ...]) -> bytes:
        """Return the keys of a copy's header that tell of the account of the other user, and whether it waits."""
        id = self._mailboxes.opaque_id(partner) if partner is not None else None
        return encode_private_keys(id, waits=not sessions)

    def _put_attachment(
        self,
        sessions: tuple[Member, ...],
        run: Run,
        header: ServerHeader,
        log: LogName,
        offer_id: str | None,
    ) -> None:
        if self._offering.is_kept(run, log):
            offer_id = message_id(log, header.seq or 0, header.timestamp)
        whole = whole_frame(run, header)
        offer = offer_frame(run, header, offer_id) if offer_id is not None else None
        for session in sessions:
            send_queue = session.send_queue
            wants_offer = offer is not None and send_queue.wants_offer(run.size)
            self._broadcast.put(send_queue, offer if offer and wants_offer else whole)

    def _put(self, sessions: tuple[Member, ...], frames: TextFrames) -> None:
        if len(sessions) == 1:
            self._broadcast.put(sessions[0].send_queue, frames)
            return
        copy = _EncodedOnce(frames)
        for session in sessions:
            self._broadcast.put(session.send_queue, copy)


class _EncodedOnce:
    """Frames for several sessions of one user: encoded once for each byte order."""

    def __init__(self, frames: TextFrames | Frame) -> None:
        self._frames = frames
        self._encoded: dict[ByteOrder, bytes] = {}

    def encode(self, order: ByteOrder) -> bytes:
        encoded = self._encoded.get(order)
        if encoded is None:
            encoded = self._encoded[order] = self._frames.encode(order)
        return encoded


def _is_large(type: int, size: int) -> bool:
    """Return whether a message is too large for memory. Not every server that delivers it has the content at hand."""
    return size > MAX_IN_MEMORY and type != MessageType.UTF8


def _do_nothing() -> None:
    """Take the place of an action where there is nothing to take back."""


def _of_log(sessions: tuple[Member, ...], mailbox: LogName) -> tuple[Member, ...]:
    """Return the sessions of one user whose private messages are in the log ``mailbox``.

    Sessions of one name may belong to two accounts for a moment, after the name was given up and registered again.
    """
    if len(sessions) == 1:
        return sessions
    return tuple(session for session in sessions if session.mailbox == mailbox)
