"""Find the content that a user wants to fetch: an offer, or the content of a message that is kept.

A user who may read a message may fetch its content. Nothing tells a user that a content exists which others may read.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, NoReturn

from chat.protocol.frames import LargeContent
from chat.protocol.headers import ClientHeader, ServerHeader
from chat.protocol.notices import NoticeCode
from chat.server.attachments.offers import OfferStore
from chat.server.directory.member import Member
from chat.server.history.faults import HistoryFault
from chat.server.history.files.kept_files import KeptFiles
from chat.server.history.files.opened_files import FileDamaged, FileGone
from chat.server.history.history import HistoryStore
from chat.server.history.stored import GUEST, MAILBOX, LogName, StoredRun
from chat.server.room.commands import CommandRefused
from chat.server.room.offering import is_at, message_id, read_message_id
from chat.server.room.reading import Readable, readable, require_still
from chat.server.rooms.rooms import Rooms

_GONE = "The content is no longer available."
_DAMAGED = "The content was damaged on the disk of the server, and was set aside; ask for it to be sent again."
_UNREADABLE = "The server cannot read its disk now; try again later."


class Fetched(NamedTuple):
    """Hold a content, and the header of its message. A large content is held for the caller, who must release it."""

    content: bytes | LargeContent
    header: ServerHeader

    @property
    def size(self) -> int:
        return len(self.content) if isinstance(self.content, bytes) else self.content.size


class Fetching:
    """Find contents among ``offers``, in ``archive`` and in ``files``; None: messages, or files, are not kept.

    ``elsewhere`` returns a content, from its size and SHA-256, that another server may have; None: there is no other.
    """

    def __init__(
        self,
        offers: OfferStore,
        rooms: Rooms,
        archive: HistoryStore | None,
        files: KeptFiles | None,
        elsewhere: Callable[[int, bytes], LargeContent] | None = None,
    ) -> None:
        self._offers = offers
        self._rooms = rooms
        self._archive = archive
        self._files = files
        self._elsewhere = elsewhere

    def find(self, member: Member, header: ClientHeader) -> Fetched:
        """Return the content that ``header`` asks for. May wait for the disk. Raises CommandRefused."""
        wanted = header.fetch
        if isinstance(wanted, int):
            log = self._log(member, header.room, is_private=header.private)
            return self._find_message(member, log, wanted)
        # One answer for offers that are gone and for offers to others: the user must not learn that those exist.
        named = read_message_id(wanted or "")
        if named is not None:
            kind, number, digits, room = named
            log = self._log(member, room, is_private=kind == MAILBOX)
            return self._find_message(member, log, number, digits)
        offer = self._offers.find(wanted or "", member.serial)
        if offer is None:
            _refuse()
        if not isinstance(offer.content, bytes):
            offer.content.hold()
        return Fetched(offer.content, offer.header._replace(seq=None, size=offer.size, id=offer.id))

    def _log(self, member: Member, room: str | None, *, is_private: bool) -> Readable:
        """Return the log of private messages, or that of a room. Raises CommandRefused."""
        try:
            if not is_private:
                return readable(self._rooms, member, room)
        except CommandRefused:
            _refuse()
        if room is not None:
            _refuse()
        return Readable(member.mailbox)

    def _find_message(
        self, member: Member, place: Readable, number: int, digits: str | None = None
    ) -> Fetched:
        log = place.log
        run = self._read(log, number) if number > place.since else None
        try:
            require_still(self._rooms, member, place)
        except CommandRefused:
            _refuse()
        if run is None or run.purged or (digits is not None and not is_at(run.timestamp, digits)):
            _refuse()
        [content] = run.contents
        header = ServerHeader(
            run.sender,
            run.timestamp,
            filename=run.filename,
            to=run.to,
            size=run.size,
            id=message_id(log, number, run.timestamp),
            room=place.room,
        )
        if len(content) == run.size:
            return Fetched(content, header)
        digest = run.digest
        if digest is None or self._files is None:
            _refuse()
        found = header._replace(sha256=digest.hex())
        try:
            return Fetched(self._files.open(digest, run.size), found)
        except FileGone:
            if self._elsewhere is None:
                _refuse()
            return Fetched(self._elsewhere(run.size, digest), found)
        except FileDamaged:
            _refuse(_DAMAGED)
        except OSError:
            _refuse(_UNREADABLE)

    def _read(self, log: LogName, number: int) -> StoredRun | None:
        """Return the attachment with ``number`` in ``log``; None if there is none."""
        if self._archive is None or log.kind == GUEST:
            return None
        try:
            runs = self._archive.messages(log, [number])
        except HistoryFault:
            _refuse(_UNREADABLE)
        # Of a text there is nothing to fetch: ``history`` shows it.
        return runs[0] if runs and runs[0].filename is not None else None


def _refuse(sentence: str = _GONE) -> NoReturn:
    raise CommandRefused(NoticeCode.GONE, sentence)
