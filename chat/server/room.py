"""The room: who is in it, and what each of them is to hear, in one order for all.

A member is a name and something that takes frames. The room knows no socket, no byte of the wire and no disk: it
makes headers and hands frames to the delivery, and contents that somebody wants offered to the shelf.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from typing import TYPE_CHECKING, Protocol

from chat.protocol.descriptor import MessageType
from chat.protocol.filenames import clean_filename
from chat.protocol.frames import Frame
from chat.protocol.headers import (
    ClientHeader,
    ServerHeader,
    encode_json,
    encode_plain_header,
    encode_server_header,
)
from chat.protocol.names import UserName, name_key
from chat.protocol.notices import SERVER_NAME, LeaveReason, Notice
from chat.protocol.pings import encode_ping_answer
from chat.protocol.texts import Texts

if TYPE_CHECKING:
    from chat.server.delivery import Delivery
    from chat.server.outbox import Outbox
    from chat.server.shelf import Shelf
    from chat.server.spool import SpooledFile


class Member(Protocol):
    """Who is in the room. ``serial`` counts who came in: a later one's is larger."""

    serial: int

    @property
    def name(self) -> UserName: ...

    @property
    def outbox(self) -> Outbox: ...


class NameTakenError(Exception):
    """Somebody in the room has that name."""


class NoSuchUserError(Exception):
    """Nobody in the room has that name; the text is a sentence for the sender."""


class Room:
    """``timestamp`` gives the time that a header says, as RFC 3339."""

    def __init__(
        self,
        delivery: Delivery,
        shelf: Shelf,
        timestamp: Callable[[], str],
    ) -> None:
        self.members: dict[str, Member] = {}
        # As each newcomer is told them: in JSON, since to write them anew for each is most of what many logins cost.
        self._names: dict[str, bytes] = {}
        # The same in one piece, empty when it is to be made anew: to join ten thousand is dearer than all else.
        self._joined_names = bytearray()
        self._delivery = delivery
        self._shelf = shelf
        self._timestamp = timestamp
        self._serial = 0

    def join(self, member: Member, welcome: Callable[[bytes], bytes] | None = None) -> None:
        """Let ``member`` in: his login is answered and his coming announced, to him first of all.

        ``welcome`` makes the content of his own announcement from ``names_json``.
        Raises NameTakenError.
        """
        if member.name.key in self.members:
            raise NameTakenError
        self._serial += 1
        member.serial = self._serial
        self.members[member.name.key] = member
        name = self._names[member.name.key] = encode_json(member.name.display)
        if self._joined_names:
            self._joined_names += b"," + name
        header = self._header(member.name.display)
        announcement = Frame(MessageType.LOGIN, header)
        own = announcement
        if welcome is not None:
            own = Frame(MessageType.LOGIN, header, welcome(self.names_json()))
        # Everyone else's comes from the post, which the newcomer joins behind.
        self._delivery.announce(announcement)
        self._delivery.add(member.outbox, (Frame(MessageType.LOGIN), own))

    def leave(self, member: Member, reason: LeaveReason) -> None:
        """Everyone else is told that ``member``, if he is still here, has left, and why."""
        if not self.is_here(member):
            return
        self._dismiss(member)
        header = self._header(member.name.display, reason=reason.value)
        self._delivery.announce(Frame(MessageType.LOGOUT, header))

    def close(self) -> None:
        """Everyone is told that the server stops, and hears nothing more: all at once.

        If they went one by one, somebody could see his message come back that those who went before never got.
        """
        for member in list(self.members.values()):
            self.notify(member, Notice.SHUTTING_DOWN, "The server is shutting down.")
            self._dismiss(member)

    def is_here(self, member: Member) -> bool:
        """Whether he has come and not left; another of his name may have come since."""
        return self.members.get(member.name.key) is member

    def names_json(self) -> bytes:
        """Who is here, in the order in which they came: an array."""
        if not self._joined_names:
            self._joined_names += b",".join(self._names.values())
        return b"".join((b"[", self._joined_names, b"]"))

    def find(self, name: str) -> Member:
        """The member that ``name``, in any case, is the name of. Raises NoSuchUserError."""
        key = name_key(name)
        member = self.members.get(key) if key is not None else None
        if member is None:
            raise NoSuchUserError("Nobody of that name is here.")
        return member

    def say(
        self,
        sender: Member,
        type: MessageType,
        content: bytes | SpooledFile,
        header: ClientHeader,
    ) -> None:
        """Give a message to everyone, or to one and its sender. Raises NoSuchUserError, and then nobody gets it."""
        recipient = self.find(header.to) if header.to is not None else None
        filename = None
        if type is not MessageType.UTF8:
            default = type.name.lower()
            filename = clean_filename(header.filename or default, default)
        fields = ServerHeader(
            sender.name.display,
            self._timestamp(),
            filename=filename,
            to=recipient.name.display if recipient is not None else None,
            nonce=header.nonce,
        )
        if isinstance(content, bytes):
            frame = Frame(type, encode_server_header(fields), content)
        else:
            frame = Frame(type, encode_server_header(fields), large=content)
        if recipient is None:
            self._say_to_all(frame, content, fields)
        else:
            self._say_privately(sender, recipient, frame, content, fields)

    def say_texts(self, sender: Member, texts: Texts) -> None:
        """The same for texts that have come together; ``sender`` must be here."""
        name = self._names[sender.name.key]
        if texts.to is None:
            self._delivery.post_texts(encode_plain_header(name, self._timestamp()), texts)
            return
        recipient = self.find(texts.to)
        header = encode_plain_header(name, self._timestamp(), self._names[recipient.name.key])
        both = dict.fromkeys((sender.outbox, recipient.outbox))
        self._delivery.put_texts(both, header, texts)

    def notify(
        self,
        member: Member,
        notice: Notice,
        sentence: str,
        nonce: str | None = None,
    ) -> None:
        """Tell ``member`` alone, as the server, if he is still here."""
        if self.is_here(member):
            self._delivery.put(member.outbox, self.notice_frame(member, notice, sentence, nonce))

    def answer_ping(self, member: Member, nonce: bytes) -> None:
        """Answer a ping of ``member``, if they are still here."""
        if not self.is_here(member):
            return
        name, outbox = self._names[member.name.key], member.outbox
        answer = encode_ping_answer(self._timestamp(), name, nonce, outbox.order)
        self._delivery.answer(outbox, answer)

    def announce(self, notice: Notice, sentence: str) -> None:
        """Tell everyone, as the server."""
        header = self._header(SERVER_NAME, notice=notice.value)
        self._delivery.post(Frame(MessageType.UTF8, header, sentence.encode()))

    def notice_frame(
        self,
        member: Member,
        notice: Notice,
        sentence: str,
        nonce: str | None = None,
    ) -> Frame:
        """The frame that tells it."""
        header = self._header(SERVER_NAME, to=member.name.display, notice=notice.value, nonce=nonce)
        return Frame(MessageType.UTF8, header, sentence.encode())

    def _dismiss(self, member: Member) -> None:
        del self.members[member.name.key], self._names[member.name.key]
        self._joined_names.clear()
        self._delivery.remove(member.outbox)

    def _say_to_all(self, frame: Frame, content: bytes | SpooledFile, fields: ServerHeader) -> None:
        outboxes = (member.outbox for member in self.members.values())
        if not self._is_offered(frame, outboxes):
            self._delivery.post(frame)
            return
        self._delivery.post(frame, self._offer(frame, content, fields, None))

    def _say_privately(
        self,
        sender: Member,
        recipient: Member,
        frame: Frame,
        content: bytes | SpooledFile,
        fields: ServerHeader,
    ) -> None:
        both = {sender.serial: sender.outbox, recipient.serial: recipient.outbox}
        offer = None
        if self._is_offered(frame, both.values()):
            offer = self._offer(frame, content, fields, frozenset(both))
        for outbox in both.values():
            wants = offer is not None and outbox.wants_offer(frame.content_size)
            self._delivery.put(outbox, offer if offer is not None and wants else frame)

    def _is_offered(self, frame: Frame, outboxes: Iterable[Outbox]) -> bool:
        """Whether any of them wants this content offered rather than sent."""
        if frame.type is MessageType.UTF8:
            return False
        size = frame.content_size
        return any(outbox.wants_offer(size) for outbox in outboxes)

    def _offer(
        self,
        frame: Frame,
        content: bytes | SpooledFile,
        fields: ServerHeader,
        serials: Collection[int] | None,
    ) -> Frame:
        """Keep the content; the frame that offers it."""
        id = self._shelf.keep(content, fields, latest=self._serial, serials=serials)
        header = encode_server_header(fields._replace(size=frame.content_size, id=id))
        return Frame(frame.type, header)

    def _header(
        self,
        sender: str,
        *,
        to: str | None = None,
        notice: str | None = None,
        reason: str | None = None,
        nonce: str | None = None,
    ) -> bytes:
        return encode_server_header(
            ServerHeader(
                sender, self._timestamp(), to=to, notice=notice, reason=reason, nonce=nonce
            )
        )
