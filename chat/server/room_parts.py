"""Put the rooms together: the parts for their messages, their members, and the commands about them."""

from __future__ import annotations

from chat.server.accounts.accounts import Accounts
from chat.server.attachments.offers import OfferStore
from chat.server.attachments.spool import Spool
from chat.server.directory.directory import ConnectedUsers
from chat.server.log.log import LogClock
from chat.server.log.operations import Operations
from chat.server.log.sharing import Sharing
from chat.server.mailboxes.account_mailboxes import AccountMailboxes
from chat.server.membership.crowds import RoomCrowds
from chat.server.membership.membership import RoomMembership
from chat.server.membership.operator_rooms import OperatorRooms
from chat.server.membership.owner_commands import OwnerCommands
from chat.server.membership.room_commands import RoomCommands
from chat.server.membership.room_making import RoomMaker
from chat.server.message_path import MessagePath
from chat.server.room.commands import Commands
from chat.server.room.kept import KeptMessages
from chat.server.room.service import ChatService, Mutes
from chat.server.room_recording import RoomRecording
from chat.server.rooms.room_store import RoomStore
from chat.server.settings import Settings
from chat.server.storage.database import DatabaseThread


class RoomParts:
    """The parts that serve rooms. ``kept``, ``files`` and ``recording`` are None if no messages are kept."""

    def __init__(
        self,
        path: MessagePath,
        settings: Settings,
        *,
        directory: ConnectedUsers,
        offers: OfferStore,
        spool: Spool,
        mutes: Mutes,
        accounts: Accounts,
        database: DatabaseThread | None,
        mailboxes: AccountMailboxes,
        timestamp: LogClock,
        operations: Operations,
        sharing: Sharing,
    ) -> None:
        history = path.history
        self.kept: KeptMessages | None = None
        self.files = path.files
        if history is not None and self.files is not None:
            spool.keep_in(self.files)
            self.kept = KeptMessages(
                history,
                mailboxes,
                settings.keep,
                path.in_turn,
                self.files,
                has_search=settings.search,
                sharing=sharing,
            )
        self.service = ChatService(
            log=path.log,
            directory=directory,
            broadcast=path.broadcast,
            offers=offers,
            mutes=mutes,
            mailboxes=mailboxes,
            timestamp=timestamp,
            operations=operations,
            kept=self.kept,
            sequences=path.sequences,
            default_room=settings.default_room,
            sharing=sharing,
        )
        self.recording: RoomRecording | None = None
        if history is not None and self.files is not None and self.kept is not None:
            self.recording = RoomRecording(self.service, history, self.files, self.kept, settings)
        self.store = RoomStore(database)
        self.crowds = RoomCrowds(self.service, path.broadcast, lambda: settings.announce_up_to)
        self.membership = RoomMembership(
            self.service, path.broadcast, self.store, self.crowds, mailboxes, timestamp
        )
        self.service.memberships = self.membership
        known = lambda: accounts.known  # noqa: E731
        self.maker = RoomMaker(
            self.service,
            self.membership,
            self.store,
            history,
            known,
            settings,
            operations,
            timestamp.seconds,
            sharing,
        )
        self.operator = OperatorRooms(
            operations, self.service, self.membership, self.maker, self.store, known
        )
        self._commands = (
            RoomCommands(self.service, self.membership, self.maker),
            OwnerCommands(
                self.service,
                directory,
                self.membership,
                self.maker,
                self.store,
                mailboxes,
                known,
                sharing,
            ),
        )

    def serve(self, commands: Commands) -> None:
        """Add the commands about rooms to the table of commands."""
        for part in self._commands:
            part.serve(commands)
