"""Execute the moderators' command ``purge``: remove the content of a message of the room."""

from __future__ import annotations

import logging

from chat.protocol.commands import Command, Verb
from chat.protocol.notices import NoticeCode
from chat.server.attachments.offers import OfferStore
from chat.server.directory.member import Member
from chat.server.history.faults import HistoryFault
from chat.server.history.history import HistoryStore
from chat.server.history.pages import PageSize
from chat.server.history.purging import Purge
from chat.server.history.stored import StoredRun
from chat.server.moderation.moderation import require_moderator
from chat.server.room.commands import CommandRefused, Commands, run_to_the_end
from chat.server.room.reading import Readable, readable
from chat.server.room.replay import Recent
from chat.server.room.service import ChatService

log = logging.getLogger("chat.server")

_ONE = PageSize(1, 0)
_NO_MESSAGE = "The server has no message of the room with this number."


class Removal:
    """The command ``purge``. ``archive`` keeps the messages, and ``recent`` has the last ones in memory.

    Both are None in a server that keeps no messages.
    """

    def __init__(
        self,
        service: ChatService,
        archive: HistoryStore | None,
        recent: Recent | None,
        offers: OfferStore,
    ) -> None:
        self._service = service
        self._archive = archive
        self._recent = recent
        self._offers = offers

    def serve(self, commands: Commands) -> None:
        """Add the command to the table of commands."""
        commands.add_plain(Verb.PURGE, self._purge)

    def _purge(self, member: Member, command: Command) -> str:
        require_moderator(member)
        archive, recent, number = self._archive, self._recent, command.seq
        if archive is None or recent is None:
            raise CommandRefused(NoticeCode.NO_HISTORY, "This server keeps no messages.")
        if number is None or command.private:
            sentence = "Name a message of the room by its number (seq)."
            raise CommandRefused(NoticeCode.BAD_COMMAND, sentence)
        # A moderator, too, learns nothing of the messages of a room that they are not in, or came to later.
        place = readable(self._service.rooms, member, command.room)
        if number <= place.since:
            raise CommandRefused(NoticeCode.BAD_PLACE, _NO_MESSAGE)
        try:
            return run_to_the_end(self._remove, member, archive, recent, number, place)
        except HistoryFault:
            sentence = "The server cannot change its history now; try again later."
            raise CommandRefused(NoticeCode.NO_HISTORY, sentence) from None

    def _remove(
        self,
        member: Member,
        archive: HistoryStore,
        recent: Recent,
        number: int,
        place: Readable,
    ) -> str:
        is_default = place.room is None
        message = recent.message(number) if is_default else None
        message = message or _read(archive, place, number)
        if message is None:
            raise CommandRefused(NoticeCode.BAD_PLACE, _NO_MESSAGE)
        what = f"Message {number} of {message.sender}"
        # The memory first: from now on nobody sees the content again, however long the disk takes.
        if is_default:
            recent.purge(number)
        self._offers.drop_message(number, place.room)
        archive.purge(Purge(number=number, log=place.log))
        if message.purged:
            return f"{what} was removed before."
        by = member.name.display
        log.info("%s removes message %d of %s", by, number, message.sender)
        facts = {"seq": number, "purged": True}
        told = f"{what} was removed by {by}."
        room = self._service.rooms.of_log(place.log)
        if room is not None:  # it may have been removed meanwhile
            self._service.announce(NoticeCode.MODERATED, told, member, facts, room)
        return f"{what} was removed."


def _read(archive: HistoryStore, place: Readable, number: int) -> StoredRun | None:
    page = archive.after(place.log, number - 1, number + 1, _ONE)
    return page.runs[0] if page.runs else None
