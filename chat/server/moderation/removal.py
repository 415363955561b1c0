"""Execute the moderators' command ``purge``: remove the content of a message of the room."""

from __future__ import annotations

from chat.protocol.commands import Command, Verb
from chat.protocol.notices import NoticeCode
from chat.server.directory.member import Member
from chat.server.history.faults import HistoryFault
from chat.server.history.history import HistoryStore
from chat.server.history.pages import PageSize
from chat.server.history.stored import DEFAULT_ROOM, StoredRun
from chat.server.log.log import LogFull
from chat.server.log.sharing import run_to_the_end
from chat.server.moderation.moderation import require_moderator
from chat.server.moderation.purges import Purges
from chat.server.room.commands import CommandRefused, Commands
from chat.server.room.reading import Readable, readable
from chat.server.room.replay import Recent
from chat.server.rooms.rooms import Rooms

_ONE = PageSize(1, 0)
_NO_MESSAGE = "The server has no message of the room with this number."


class Removal:
    """The command ``purge``. ``archive`` keeps the messages, and ``recent`` has the last ones in memory.

    Both are None in a server that keeps no messages, and so is ``purges``. The server of the moderator finds out whose
    message it is, and the rest is an operation in the log.
    """

    def __init__(
        self,
        rooms: Rooms,
        archive: HistoryStore | None,
        recent: Recent | None,
        purges: Purges | None,
    ) -> None:
        self._rooms = rooms
        self._archive = archive
        self._recent = recent
        self._purges = purges

    def serve(self, commands: Commands) -> None:
        """Add the command to the table of commands."""
        commands.add_waiting_plain(Verb.PURGE, self._purge)

    def _purge(self, member: Member, command: Command) -> str:
        require_moderator(member)
        number = command.seq
        if self._archive is None:
            raise CommandRefused(NoticeCode.NO_HISTORY, "This server keeps no messages.")
        if number is None or command.private:
            sentence = "Name a message of the room by its number (seq)."
            raise CommandRefused(NoticeCode.BAD_COMMAND, sentence)
        # A moderator, too, learns nothing of the messages of a room that they are not in, or came to later.
        place = readable(self._rooms, member, command.room)
        if number <= place.since:
            raise CommandRefused(NoticeCode.BAD_PLACE, _NO_MESSAGE)
        try:
            return run_to_the_end(self._remove, member, number, place)
        except HistoryFault:
            sentence = "The server cannot change its history now; try again later."
            raise CommandRefused(NoticeCode.NO_HISTORY, sentence) from None
        except LogFull as problem:
            raise CommandRefused(NoticeCode.NO_SPACE, str(problem)) from None

    def _remove(self, member: Member, number: int, place: Readable) -> str:
        archive, recent, purges = self._archive, self._recent, self._purges
        assert archive is not None
        assert recent is not None
        assert purges is not None
        message = recent.message(number) if place.log == DEFAULT_ROOM else None
        message = message or _read(archive, place, number)
        if message is None:
            raise CommandRefused(NoticeCode.BAD_PLACE, _NO_MESSAGE)
        sender, again = message.sender, message.purged
        return purges.remove_message(member, place.log, number, sender, again=bool(again))


def _read(archive: HistoryStore, place: Readable, number: int) -> StoredRun | None:
    page = archive.after(place.log, number - 1, number + 1, _ONE)
    return page.runs[0] if page.runs else None
