"""Connect the room with the history file: where its numbers go on, its last messages, and its epochs."""

from __future__ import annotations

from chat.protocol.notices import NoticeCode
from chat.server.history.files.kept_files import KeptFiles
from chat.server.history.history import HistoryStore
from chat.server.history.purging import Purge
from chat.server.history.retention import Retention
from chat.server.history.search.index_file import remove_index
from chat.server.history.stored import DEFAULT_ROOM, LogName
from chat.server.room.kept import KeptMessages
from chat.server.room.replay import PAGE
from chat.server.room.service import ChatService
from chat.server.settings import Settings


class RoomRecording:
    """Serve a ``room`` whose messages are in ``history``, and large contents in ``files``; ``kept`` hands them over."""

    def __init__(
        self,
        service: ChatService,
        history: HistoryStore,
        files: KeptFiles,
        kept: KeptMessages,
        settings: Settings,
    ) -> None:
        self._files = files
        self._service = service
        self._history = history
        self._kept = kept
        self._settings = settings

    def start(self) -> None:
        """Open the history file, and let the room go on where it ended. Raises HistoryFault."""
        if not self._settings.search and self._settings.data_directory is not None:
            # Without search, nobody would keep the index in step with what is removed.
            remove_index(self._settings.data_directory)
        self._history.start()
        self._files.start()
        self._history.on_purged = self._files.forget
        self._history.begin(DEFAULT_ROOM)
        self.load_recent()
        self._service.go_on_after(DEFAULT_ROOM, self._kept.last_number(DEFAULT_ROOM))

    def load_recent(self) -> None:
        """Read the last messages of the room from the file. Raises HistoryFault."""
        # Users talk on while the file is read.
        head = self._service.last_number(DEFAULT_ROOM)
        page = self._history.before(DEFAULT_ROOM, head + 1, PAGE)
        self._kept.recent.replace(page.runs, head)

    def purge(self, what: Purge) -> int:
        """Remove messages from the file; return how many. Raises HistoryFault.

        From memory, too, unless it is one message, which the caller removes there.
        """
        count = self._history.purge(what)
        if what.number is None:
            self.load_recent()
        return count

    def announce_epoch(self, epoch: str) -> None:
        """Tell all users under which epoch messages are numbered from now on."""
        self._files.doubt()
        sentence = "Messages are kept again."
        if self._history.is_suspended:
            sentence = "The server cannot keep messages now; the chat goes on."
        self._service.announce(NoticeCode.EPOCH, sentence, facts={"epoch": epoch})

    def remove_old(self) -> None:
        """Remove messages that are too old or too many, as long as the server runs."""
        settings = self._settings
        Retention(
            self._history,
            settings.keep,
            settings.keep_size,
            on_removed=self._files.forget_old,
            shorter=self._kept_shorter,
        ).run()

    def _kept_shorter(self) -> dict[LogName, float]:
        """Return the rooms whose owners want messages to be kept for a certain time."""
        rooms = self._service.rooms
        return {room.log: room.state.keep for room in rooms if room.state.keep is not None}
