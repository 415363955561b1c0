"""Answer users who ask which attachments they can fetch."""

from __future__ import annotations

from collections.abc import Callable

from chat.protocol.commands import MAX_FOUND, Command, Verb
from chat.protocol.notices import NoticeCode
from chat.server.directory.directory import ConnectedUsers
from chat.server.directory.member import Member
from chat.server.history.faults import HistoryFault
from chat.server.history.files.kept_files import KeptFiles
from chat.server.history.history import HistoryStore
from chat.server.history.stored import GUEST, LogName
from chat.server.room.commands import CommandAnswer, CommandRefused, Commands, FoundMessages
from chat.server.room.reading import Readable, readable, require_still
from chat.server.room.recall import PATIENCE, PATIENT_BYTES
from chat.server.room.replay import Replay, Shown, Wishes
from chat.server.rooms.rooms import Rooms
from chat.sizes import counted

DEFAULT_LISTED = 20  # attachments of a page
_MAX_WORDS, _MAX_CHARACTERS = 16, 256
_UNREADABLE = "The server cannot read its history now; try again later."


class FilesCommand:
    """The command ``files``. ``archive`` and ``files`` are None if no messages are kept.

    ``opaque_id`` returns the id by which users know an account.
    """

    def __init__(
        self,
        archive: HistoryStore | None,
        rooms: Rooms,
        files: KeptFiles | None,
        directory: ConnectedUsers,
        opaque_id: Callable[[bytes], str | None],
    ) -> None:
        self._archive = archive
        self._rooms = rooms
        self._files = files
        self._directory = directory
        self._opaque_id = opaque_id

    def serve(self, commands: Commands) -> None:
        """Add the command to the table of commands."""
        commands.add(Verb.FILES, self._list)

    def _list(self, member: Member, command: Command, nonce: str | None) -> CommandAnswer:
        archive, files, query = self._archive, self._files, command.search
        if archive is None or files is None:
            raise CommandRefused(NoticeCode.NO_HISTORY, "This server keeps no messages.")
        if nonce is None or query is None:
            sentence = "A query needs a nonce, by which its answer is known."
            raise CommandRefused(NoticeCode.BAD_COMMAND, sentence)
        if len(query.words) > _MAX_CHARACTERS or len(query.words.split()) > _MAX_WORDS:
            sentence = f"At most {_MAX_WORDS} words and {_MAX_CHARACTERS} characters."
            raise CommandRefused(NoticeCode.BAD_COMMAND, sentence)
        place = Readable(member.mailbox)
        if not query.private:
            place = readable(self._rooms, member, query.room)
        elif query.room is not None:
            sentence = "A list is of a room, or of your private messages."
            raise CommandRefused(NoticeCode.BAD_COMMAND, sentence)
        log = place.log
        if member.send_queue.waiting > PATIENT_BYTES:
            member.send_queue.wait_until_drained(PATIENCE)
        limit = DEFAULT_LISTED if query.limit is None else max(1, min(query.limit, MAX_FOUND))
        newest = _find(files, log, query.words, query.before, limit + 1)
        numbers = [number for number in newest if number > place.since]
        try:
            runs = archive.messages(log, numbers[:limit]) if numbers else []
        except HistoryFault:
            raise CommandRefused(NoticeCode.NO_HISTORY, _UNREADABLE) from None
        # Meanwhile the user may have left, and another user may have the name, or the account may be gone.
        if not self._directory.is_here(member) or (query.private and member.mailbox != log):
            raise CommandRefused(NoticeCode.GONE, "Your session has ended.")
        require_still(self._rooms, member, place)
        shown = [Shown(run) for run in runs if run.filename is not None and not run.purged]
        facts = {"epoch": archive.epoch, "found": len(shown)}
        if len(numbers) > limit:
            facts.update(more=True, seq=numbers[limit - 1])
        # As offers, also the small ones: a list is no reason to send contents.
        replay = Replay(shown, Wishes(inline=0), nonce, self._opaque_id, place.room)
        return CommandAnswer(f"{counted(len(shown), 'file')}.", facts, FoundMessages(replay, 0))


def _find(files: KeptFiles, log: LogName, words: str, before: int | None, limit: int) -> list[int]:
    if log.kind == GUEST:
        sentence = "Private messages are kept only for registered users."
        raise CommandRefused(NoticeCode.NO_HISTORY, sentence)
    try:
        return files.find(log, words, before, limit)
    except HistoryFault:
        raise CommandRefused(NoticeCode.NO_HISTORY, _UNREADABLE) from None
