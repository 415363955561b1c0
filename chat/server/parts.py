"""Make the parts of a server that do not depend on connections: messages, rooms, accounts, sanctions, commands."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from chat.protocol.commands import Verb
from chat.server.accounts.account_parts import AccountParts
from chat.server.accounts.account_problems import AccountProblem
from chat.server.accounts.accounts import Accounts
from chat.server.attachments.offers import OfferStore
from chat.server.attachments.spool import Spool
from chat.server.delivery.send_queue import BacklogLimits
from chat.server.directory.directory import Directory
from chat.server.entrance.entrance import Entrance, no_other_servers
from chat.server.entrance.login_rejected import LoginRejected
from chat.server.entrance.placing import Placing
from chat.server.history.faults import HistoryFault
from chat.server.log.log import Log, LogClock, MemoryLog
from chat.server.log.operations import Operations
from chat.server.log.sharing import Sharing
from chat.server.mailboxes.account_mailboxes import AccountMailboxes
from chat.server.mailboxes.commands import MailboxCommands
from chat.server.message_path import MessagePath
from chat.server.moderation.bans import BanList
from chat.server.moderation.moderation_parts import ModerationParts
from chat.server.monitoring.recent_rates import RecentRates, Totals
from chat.server.operator_commands import OperatorCommands
from chat.server.process.counters import Counters
from chat.server.process.log_folding import FoldingLog
from chat.server.process.loop_share import LoopShare
from chat.server.room.commands import CommandRefused, Commands, answer_ping
from chat.server.room.listing_files import FilesCommand
from chat.server.room.recall import Recall
from chat.server.room.searching import SearchCommand
from chat.server.room_parts import RoomParts
from chat.server.session_parts import silence_of
from chat.server.sessions.session import Session
from chat.server.settings import Settings
from chat.server.storage.database import Database, DatabaseFault, DatabaseThread
from chat.server.storage.database_watch import DatabaseWatch

if TYPE_CHECKING:
    # Imported at run time only if metrics are served: the status server needs a package that is an extra.
    from chat.server.replication.cluster import Cluster

log = logging.getLogger("chat.server")


class ServerParts:
    """The parts of a server with ``settings``. No part gets this object.

    ``make_log`` is called with the function that makes timestamps; not for a durable server, or one in a cluster.
    """

    def __init__(
        self, settings: Settings, make_log: Callable[[Callable[[], str]], Log] = MemoryLog
    ) -> None:
        # A copy, since a reload changes it.
        self.settings = settings = replace(settings)
        self.folding_log = FoldingLog()
        self.counters = Counters()
        self.share = LoopShare()
        # Messages, and their way to the users.
        self.spool = Spool(settings.spool_directory, settings.max_spool, troubles=self.folding_log)
        self.offers = OfferStore(self.spool)
        self.backlogs = BacklogLimits(settings.max_backlog, settings.max_backlog_total)
        self.directory: Directory[Session] = Directory()
        self._clock = clock = LogClock()
        self.sharing = sharing = Sharing(
            is_shared=settings.cluster is not None,
            own_faults=(OSError, MemoryError, DatabaseFault, HistoryFault),
        )
        bans = BanList(clock.seconds)
        # The log of several servers; None: this one runs alone.
        self.cluster = make_cluster(settings, clock, self.directory)
        # What is stored: accounts, messages, and what belongs to accounts.
        kept_in = settings.data_directory
        self.database: DatabaseThread | None = None
        if self.cluster is not None:
            self.database = self.cluster.writer
        elif kept_in is not None:
            self.database = DatabaseThread(Database(kept_in))
        self.accounts = Accounts(self.database)
        self.path = path = MessagePath(
            settings,
            make_log,
            clock.local,
            charge=self.share.charge,
            on_epoch=self._announce_epoch,
            troubles=self.folding_log,
            shared=self.cluster,
        )
        self.log, self.history, self.broadcast = path.log, path.history, path.broadcast
        self.operations = Operations(
            *(path.log, CommandRefused, LoginRejected, AccountProblem),
            *(DatabaseFault, HistoryFault),
            sharing=sharing,
        )
        self.mailboxes = AccountMailboxes(
            self.accounts,
            self.database,
            self.history,
            settings.max_waiting,
            path.sequences if sharing.is_shared else None,
            clock.seconds,
        )
        self.rooms = rooms = RoomParts(
            path,
            settings,
            directory=self.directory,
            offers=self.offers,
            spool=self.spool,
            mutes=bans,
            accounts=self.accounts,
            database=self.database,
            mailboxes=self.mailboxes,
            timestamp=clock,
            operations=self.operations,
            sharing=sharing,
        )
        self.service, self.recording = rooms.service, rooms.recording
        self.kept, self.files = rooms.kept, rooms.files
        self.rates = RecentRates(self._totals)
        # Accounts and sanctions.
        self.account_parts = account_parts = AccountParts(
            settings,
            self.accounts,
            self.database,
            directory=self.directory,
            service=self.service,
            operations=self.operations,
            mailboxes=self.mailboxes,
            forget_in_rooms=rooms.maker.forget_accounts,
            clock=clock.seconds,
        )
        self.devices, self.passwords = account_parts.devices, account_parts.passwords
        self.password_guard = account_parts.password_guard
        self.moderating = moderating = ModerationParts(
            settings,
            service=self.service,
            recent=self.kept.recent if self.kept is not None else None,
            from_history=self.recording.purge if self.recording is not None else None,
            directory=self.directory,
            bans=bans,
            accounts=self.accounts,
            forget_devices=self.devices.forget_banned,
            database=self.database,
            history=self.history,
            offers=self.offers,
            operations=self.operations,
            clock=clock,
            sharing=sharing,
        )
        self.moderation = moderating.moderation
        self.entrance = Entrance(
            self.operations,
            Placing(
                *(settings, self.directory, self.moderation),
                silence_of if self.cluster is None else lambda member: -member.serial,
            ),
            self.accounts,
            self.devices,
            self.cluster.open_elsewhere if self.cluster is not None else no_other_servers,
        )
        if self.cluster is not None:
            self._connect(self.cluster)
        self.watch = DatabaseWatch(
            self.mailboxes.look,
            account_parts.changes.look,
            self.moderation.look,
            self.rooms.maker.look,
        )
        self.commands = self._make_commands()
        self.operator = OperatorCommands(
            settings, self.directory, self.service, self.operations, moderating.purges, self.watch
        )

    def _connect(self, cluster: Cluster) -> None:
        """Give the parts whose state is shared to the cluster."""
        from chat.server.replication.cluster import MemoryFact

        history, purges = self.history, self.moderating.purges
        assert history is not None, "a server of a cluster keeps messages"
        assert purges is not None
        rooms, mailboxes, behind = self.service.rooms, self.mailboxes, purges.behind
        memory = {
            "guests": MemoryFact(rooms.guest_invitations, rooms.restore_guest_invitations),
            "waiting": MemoryFact(mailboxes.waiting, mailboxes.restore_waiting),
            "purges": MemoryFact(behind.waiting, behind.restore),
        }
        self.service.about_node = self._about_node
        cluster.connect(self.service, self.operations, history, self._adapt, memory)
        self.moderation.protected = cluster.protected
        cluster.links.use(self.spool, self.files)
        cluster.writer.flushes = (
            mailboxes.marks.write,
            self.rooms.store.write_waiting,
            self.devices.write,
        )

    def _make_commands(self) -> Commands:
        service = self.service
        commands = Commands(
            self.operations, service.is_here, service.remind, self.sharing, service.notify
        )
        commands.add_plain(Verb.PING, answer_ping)
        rooms = self.service.rooms
        recent = self.kept.recent if self.kept is not None else None
        offer_of = recent.offer_of if recent is not None else lambda number: None
        directory, opaque_id = self.directory, self.mailboxes.opaque_id
        Recall(self.history, rooms, directory, offer_of, opaque_id).serve(commands)
        FilesCommand(self.history, rooms, self.files, directory, opaque_id).serve(commands)
        SearchCommand(self.path.search, rooms, directory, offer_of, opaque_id).serve(commands)
        MailboxCommands(self.mailboxes, self.accounts, self.directory, self.service).serve(commands)
        self.moderating.serve(commands)
        self.rooms.serve(commands)
        self.account_parts.serve(commands)
        return commands

    def _adapt(self) -> None:
        """Hand changed settings to the parts that keep copies of values: see ``Composition``."""

    def _about_node(self) -> dict[str, object]:
        assert self.cluster is not None
        return {"node": self.cluster.node, "servers": self.cluster.other_addresses()}

    def _totals(self) -> Totals:
        service = self.service
        return Totals(
            sum(service.said.values()), sum(service.received.values()), self.broadcast.given
        )

    def _announce_epoch(self, epoch: str) -> None:
        if self.recording is not None:
            self.recording.announce_epoch(epoch)


def make_cluster(
    settings: Settings, clock: LogClock, directory: Directory[Session]
) -> Cluster | None:
    """Make this server's part in its cluster; None for a server alone."""
    if settings.cluster is None:
        return None
    # Only now: it needs a package that is an extra.
    from chat.server.replication.cluster import Cluster

    assert settings.data_directory is not None, "a server of a cluster has a data directory"
    database = Database(settings.data_directory)
    return Cluster(settings.cluster, settings.node, database, clock, directory, settings)
