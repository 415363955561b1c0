"""Say private messages: to all sessions of the sender and of the recipient, and into the log of each.

The two logs give a message different numbers. So each of the two users has a copy of their own, which is encoded once
for all their sessions.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from chat.protocol.descriptor import ByteOrder
from chat.protocol.frames import Frame
from chat.protocol.headers import ServerHeader, encode_json
from chat.protocol.names import name_key
from chat.protocol.runs import Run, TextFrames, encode_shared_header
from chat.server.delivery.broadcast import Broadcast, Encodable
from chat.server.directory.directory import ConnectedUsers
from chat.server.directory.member import Member
from chat.server.history.stored import LogName
from chat.server.log.log import Sequences
from chat.server.room.kept import KeptMessages
from chat.server.room.offering import Offering, offer_frame, whole_frame


class Recipient(NamedTuple):
    """The user whom a private message is for: the name as the server knows it, their log, and their sessions."""

    name: str
    mailbox: LogName
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
    ) -> None:
        self._directory = directory
        self._broadcast = broadcast
        self._offering = offering
        self._kept = kept
        self._sequences = sequences
        self._names = names

    def find(self, to: str) -> Recipient | None:
        """Return the user whose name is ``to`` in any case; None if no such user is here."""
        # A text that is no valid name has no key, and no user has it.
        key = name_key(to)
        sessions = self._directory.sessions_of(key) if key is not None else ()
        if not sessions:
            return None
        first = sessions[0]
        return Recipient(first.name.display, first.mailbox, _of_log(sessions, first.mailbox))

    def say_texts(self, sender: Member, run: Run, recipient: Recipient, timestamp: str) -> None:
        """Number and deliver a run of texts."""
        # Encoded already, unless the recipient is in no room.
        to_json = self._names.get(recipient.sessions[0]) or encode_json(recipient.name)
        header = encode_shared_header(self._names[sender], timestamp, to_json)
        for mailbox, sessions in self._copies(sender, recipient):
            first = self._sequences.assign(mailbox, len(run.contents))
            if self._kept is not None:
                self._kept.keep(mailbox, first, sender, run, timestamp, recipient.name)
            self._put(sessions, TextFrames(header, run, first))

    def say_attachment(
        self, sender: Member, run: Run, recipient: Recipient, header: ServerHeader
    ) -> None:
        """Number and deliver a file, an image or a voice note. ``header`` has no ``seq`` yet."""
        copies = self._copies(sender, recipient)
        everyone = [session for _, sessions in copies for session in sessions]
        serials = frozenset(session.serial for session in everyone)
        # The stored header has no ``seq``: the two copies have different numbers.
        offer_id = self._offering.offer(run, header, everyone, serials)
        for mailbox, sessions in copies:
            # Assigned whether the copy is inline or an offer, since a log has no gaps.
            seq = self._sequences.assign(mailbox, 1)
            own = header._replace(seq=seq)
            if self._kept is not None:
                name, time = header.filename, header.timestamp
                self._kept.keep(mailbox, seq, sender, run, time, recipient.name, name)
            whole = whole_frame(run, own)
            offer = offer_frame(run, own, offer_id) if offer_id is not None else None
            for session in sessions:
                send_queue = session.send_queue
                wants_offer = offer is not None and send_queue.wants_offer(run.size)
                self._broadcast.put(send_queue, offer if offer and wants_offer else whole)

    def _copies(
        self, sender: Member, recipient: Recipient
    ) -> list[tuple[LogName, tuple[Member, ...]]]:
        """Return the log of each of the two users, and their sessions; one log for a user who writes to themselves."""
        copies = [(recipient.mailbox, recipient.sessions)]
        if sender.mailbox != recipient.mailbox:
            sessions = self._directory.sessions_of(sender.name.key)
            copies.insert(0, (sender.mailbox, _of_log(sessions, sender.mailbox)))
        return copies

    def _put(self, sessions: tuple[Member, ...], frames: TextFrames) -> None:
        copy: Encodable = frames if len(sessions) == 1 else _EncodedOnce(frames)
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


def _of_log(sessions: tuple[Member, ...], mailbox: LogName) -> tuple[Member, ...]:
    """Return the sessions of one user whose private messages are in the log ``mailbox``.

    Sessions of one name may belong to two accounts for a moment, after the name was given up and registered again.
    """
    if len(sessions) == 1:
        return sessions
    return tuple(session for session in sessions if session.mailbox == mailbox)
