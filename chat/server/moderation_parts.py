"""Put together what moderators and the operator do to users and to their messages."""

from __future__ import annotations

from chat.server.accounts.accounts import Accounts
from chat.server.attachments.offers import OfferStore
from chat.server.directory.directory import ConnectedUsers
from chat.server.history.history import HistoryStore
from chat.server.log.log import LogClock
from chat.server.log.operations import Operations
from chat.server.log.sharing import Sharing
from chat.server.moderation.bans import BanList
from chat.server.moderation.moderation import Moderation
from chat.server.moderation.purges import Purges
from chat.server.moderation.removal import Removal
from chat.server.room.commands import Commands
from chat.server.room_parts import RoomParts
from chat.server.settings import Settings
from chat.server.storage.database import DatabaseThread


class ModerationParts:
    """The parts that moderate. ``purges`` is None if no messages are kept."""

    def __init__(
        self,
        settings: Settings,
        *,
        rooms: RoomParts,
        directory: ConnectedUsers,
        bans: BanList,
        accounts: Accounts,
        database: DatabaseThread | None,
        history: HistoryStore | None,
        offers: OfferStore,
        operations: Operations,
        clock: LogClock,
        sharing: Sharing,
    ) -> None:
        self._accounts = accounts
        self._sharing = sharing
        self.moderation = Moderation(
            rooms.service,
            directory,
            bans,
            settings,
            database,
            self._is_moderators,
            clock.seconds,
            sharing,
        )
        self.purges: Purges | None = None
        recent = rooms.kept.recent if rooms.kept is not None else None
        if recent is not None and rooms.recording is not None:
            from_history = rooms.recording.purge
            parts = (operations, rooms.service, recent, offers, from_history, clock, sharing)
            self.purges = Purges(*parts)
        self._removal = Removal(rooms.service.rooms, history, recent, self.purges)

    def serve(self, commands: Commands) -> None:
        """Add the commands of moderators to the table of commands."""
        self.moderation.serve(commands)
        self._removal.serve(commands)

    def _is_moderators(self, key: str) -> bool:
        if not self._sharing.is_shared:
            return self._accounts.is_moderators(key)
        # As the log has it, not the disk.
        account = self._accounts.known.find(key)
        return account is not None and account.is_moderator
