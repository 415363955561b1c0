"""Put together what moderators and the operator do to users and to their messages."""

from __future__ import annotations

from collections.abc import Callable

from chat.server.accounts.accounts import Accounts
from chat.server.attachments.offers import OfferStore
from chat.server.directory.directory import ConnectedUsers
from chat.server.history.history import HistoryStore
from chat.server.log.log import LogClock
from chat.server.log.operations import Operations
from chat.server.log.sharing import Sharing
from chat.server.moderation.bans import BanList
from chat.server.moderation.moderation import Moderation
from chat.server.moderation.operator_bans import OperatorBans
from chat.server.moderation.purges import FromHistory, Purges
from chat.server.moderation.removal import Removal
from chat.server.room.commands import Commands
from chat.server.room.replay import Recent
from chat.server.room.service import ChatService
from chat.server.settings import Settings
from chat.server.storage.database import DatabaseThread


class ModerationParts:
    """The parts that moderate.

    ``recent``, ``from_history``, ``history`` and ``purges`` are None if no messages are kept.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        service: ChatService,
        recent: Recent | None,
        from_history: FromHistory | None,
        directory: ConnectedUsers,
        bans: BanList,
        accounts: Accounts,
        forget_devices: Callable[[str], object],
        database: DatabaseThread | None,
        history: HistoryStore | None,
        offers: OfferStore,
        operations: Operations,
        clock: LogClock,
        sharing: Sharing,
    ) -> None:
        self.moderation = Moderation(
            service,
            directory,
            bans,
            settings,
            database,
            accounts.is_moderators,
            forget_devices,
            clock.seconds,
            sharing,
        )
        self.operator = OperatorBans(operations, self.moderation)
        self.purges: Purges | None = None
        if recent is not None and from_history is not None:
            parts = (operations, service, recent, offers, from_history, clock, sharing)
            self.purges = Purges(*parts)
        self._removal = Removal(service.rooms, history, recent, self.purges)

    def serve(self, commands: Commands) -> None:
        """Add the commands of moderators to the table of commands."""
        self.moderation.serve(commands)
        self._removal.serve(commands)
