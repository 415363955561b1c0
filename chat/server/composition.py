"""Put a server together. No other module knows all parts; each part gets only the parts that it uses."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from chat.net.address import Address
from chat.protocol.commands import Verb
from chat.server.accounts.account_changes import AccountChanges
from chat.server.accounts.accounts import Accounts
from chat.server.accounts.commands import AccountCommands
from chat.server.accounts.device_commands import DeviceCommands
from chat.server.accounts.devices import Devices
from chat.server.accounts.password_guard import PasswordGuard
from chat.server.accounts.passwords import Passwords
from chat.server.attachments.offers import OfferStore
from chat.server.attachments.spool import Spool
from chat.server.control.client import APPLY_CHANGES, PURGE
from chat.server.control.control_server import ControlServer
from chat.server.control.socket_file import listen_in
from chat.server.delivery.send_queue import BacklogLimits
from chat.server.directory.directory import Directory
from chat.server.entrance.entrance import Entrance
from chat.server.entrance.login_rejected import LoginRejected
from chat.server.entrance.placing import Placing
from chat.server.history.faults import HistoryFault
from chat.server.limits.address_limits import AddressLimits
from chat.server.limits.limits import ConnectionsPerAddress
from chat.server.listener import Listener
from chat.server.log.log import Log, LogClock, MemoryLog
from chat.server.log.operations import Operations
from chat.server.log.sharing import Sharing
from chat.server.mailboxes.account_mailboxes import AccountMailboxes
from chat.server.mailboxes.commands import MailboxCommands
from chat.server.message_path import MessagePath
from chat.server.moderation.bans import BanList
from chat.server.moderation_parts import ModerationParts
from chat.server.monitoring import snapshot
from chat.server.monitoring.recent_rates import RecentRates, Totals
from chat.server.net.certificates import make_certificates
from chat.server.net.connection_slots import ConnectionSlots, connection_capacity
from chat.server.net.handshakes import Handshakes
from chat.server.operator_commands import ALONE, OperatorCommands
from chat.server.process.counters import Counters
from chat.server.process.log_folding import FoldingLog
from chat.server.process.loop_share import LoopShare
from chat.server.process.memory import give_back_memory_after
from chat.server.reload import Reload
from chat.server.room.commands import CommandRefused, Commands, answer_ping
from chat.server.room.listing_files import FilesCommand
from chat.server.room.recall import Recall
from chat.server.room.searching import SearchCommand
from chat.server.room_parts import RoomParts
from chat.server.server import ChatServer, Stages
from chat.server.session_parts import SessionParts, silence_of
from chat.server.sessions.accept import Acceptor
from chat.server.sessions.connection_handler import ConnectionHandler
from chat.server.sessions.dead_peers import DeadPeerSweep
from chat.server.sessions.session import Session
from chat.server.settings import DRAIN_TIMEOUT, Settings
from chat.server.storage.database import Database, DatabaseThread
from chat.server.storage.database_watch import DatabaseWatch

if TYPE_CHECKING:
    # Imported at run time only if metrics are served: the status server needs a package that is an extra.
    from chat.server.monitoring.metrics import Metrics
    from chat.server.monitoring.status import StatusServer

log = logging.getLogger("chat.server")


class Composition:
    """A server with ``settings``, and its parts.

    The parts are attributes only for tests. The program uses ``server`` and ``make_status_server``. No part gets a
    Composition. ``make_log`` is called with the function that makes timestamps; not for a durable server.
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
        self.sharing = sharing = Sharing(is_shared=settings.cluster is not None)
        bans = BanList(clock.seconds)
        # What is stored: accounts, messages, and what belongs to accounts.
        kept_in = settings.data_directory
        self.database = DatabaseThread(Database(kept_in)) if kept_in is not None else None
        self.accounts = Accounts(self.database)
        self.path = path = MessagePath(
            settings,
            make_log,
            clock.local,
            charge=self.share.charge,
            on_epoch=self._announce_epoch,
            troubles=self.folding_log,
        )
        self.log, self.history, self.broadcast = path.log, path.history, path.broadcast
        self.operations = Operations(path.log, CommandRefused, LoginRejected, HistoryFault)
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
        self.devices = Devices(self.accounts, self.database)
        self.passwords = Passwords()
        self.password_guard = PasswordGuard(self.passwords, settings.exempt)
        moderating = ModerationParts(
            settings,
            rooms=rooms,
            directory=self.directory,
            bans=bans,
            accounts=self.accounts,
            database=self.database,
            history=self.history,
            offers=self.offers,
            operations=self.operations,
            clock=clock,
            sharing=sharing,
        )
        self.moderating, self.moderation = moderating, moderating.moderation
        self.entrance = Entrance(
            self.operations,
            Placing(settings, self.directory, self.moderation, silence_of),
            self.accounts,
            self.devices,
        )
        self.watch = DatabaseWatch(
            self.mailboxes.look,
            AccountChanges(self.accounts, self.directory, self.service, settings).look,
            self.moderation.look,
            self.rooms.maker.look,
        )
        self.commands = self._make_commands()
        self._operator = OperatorCommands(
            settings, self.directory, self.service, self.operations, moderating.purges, self.watch
        )
        # Connections, and what limits them.
        self.addresses = ConnectionsPerAddress(settings.max_per_address, settings.exempt)
        self.address_limits = AddressLimits(settings)
        self.connection_slots = ConnectionSlots(connection_capacity(), self.folding_log)
        self.certificates = make_certificates(settings)
        self.handshakes = (
            Handshakes(self.certificates, self.share) if self.certificates is not None else None
        )
        self.acceptor = self._make_acceptor()
        self.handler = ConnectionHandler(
            acceptor=self.acceptor,
            login=self._make_sessions().login,
            connection_slots=self.connection_slots,
            share=self.share,
            folding_log=self.folding_log,
        )
        self.server = ChatServer(
            settings,
            directory=self.directory,
            handler=self.handler,
            make_listener=partial(
                Listener,
                handler=self.handler,
                connection_slots=self.connection_slots,
                share=self.share,
                handshakes=self.handshakes,
                folding_log=self.folding_log,
            ),
            certificates=self.certificates,
            stages=self._list_stages(),
        )
        self.reload = Reload(settings, self.certificates, self._list_copies())

    def make_status_server(self, address: Address, is_healthy: Callable[[], bool]) -> StatusServer:
        """Make the server for monitoring on ``address``. Raises OSError if it cannot listen there."""
        from chat.server.monitoring.status import StatusServer

        return StatusServer(
            address,
            metrics=self.make_metrics(),
            folding_log=self.folding_log,
            is_healthy=is_healthy,
        )

    def make_control_server(
        self, directory: Path, metrics_addresses: Callable[[], Sequence[Address]]
    ) -> ControlServer:
        """Make the server for the operator's commands in the data directory. Raises OSError."""
        service, settings, commands = self.service, self.settings, self._operator
        status = snapshot.LiveStatus(
            lambda: snapshot.people(self.directory, self.connection_slots, settings),
            lambda: snapshot.rooms(service.rooms, settings),
            lambda: snapshot.traffic(self.rates, lambda: sum(service.said.values())),
            lambda: snapshot.space(settings, self.backlogs, self.spool),
            lambda: snapshot.kept(self.history, self.files, self.path.search),
            lambda: snapshot.guards(self.accounts, self.moderation),
            lambda: snapshot.doors(
                settings, self.certificates, lambda: self.server.addresses, metrics_addresses
            ),
        )
        return ControlServer(
            listen_in(directory),
            {
                "status": lambda fields: status.take(),
                "say": commands.announce,
                PURGE: commands.purge,
                APPLY_CHANGES: commands.apply_changes,
                **ALONE,
            },
        )

    def make_metrics(self) -> Metrics:
        """Make the reader of this server's metrics."""
        from chat.server.monitoring import metrics

        return metrics.Metrics(
            lambda: metrics.people(self.directory, self.connection_slots, self.counters),
            lambda: metrics.messages(self.service, self.broadcast),
            lambda: metrics.limited(self.settings, self.backlogs, self.spool, self.offers),
            lambda: metrics.kept(self.history, self.files),
            lambda: metrics.indexed(self.path.search),
            lambda: metrics.guards(self.passwords, self.accounts, self.moderation),
        )

    def _make_commands(self) -> Commands:
        commands = Commands(
            self.operations, self.service.is_here, self.service.remind, self.sharing
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
        AccountCommands(
            self.directory,
            self.settings,
            self.database,
            self.accounts,
            self.devices,
            self.passwords,
            self.password_guard,
            self.mailboxes.open,
        ).serve(commands)
        DeviceCommands(self.directory, self.accounts, self.devices).serve(commands)
        return commands

    def _make_acceptor(self) -> Acceptor:
        return Acceptor(
            settings=self.settings,
            share=self.share,
            folding_log=self.folding_log,
            addresses=self.addresses,
            address_limits=self.address_limits,
            moderation=self.moderation,
            handshakes=self.handshakes,
        )

    def _make_sessions(self) -> SessionParts:
        return SessionParts(
            self.settings,
            self.path,
            entrance=self.entrance,
            directory=self.directory,
            service=self.service,
            commands=self.commands,
            accounts=self.accounts,
            devices=self.devices,
            passwords=self.passwords,
            password_guard=self.password_guard,
            begin_mailbox=self.mailboxes.open,
            address_limits=self.address_limits,
            share=self.share,
            folding_log=self.folding_log,
            counters=self.counters,
            offers=self.offers,
            spool=self.spool,
            backlogs=self.backlogs,
            timestamp=self._clock,
        )

    def _list_stages(self) -> Stages:
        certificates, handshakes, database = self.certificates, self.handshakes, self.database
        purges = self.moderating.purges
        return Stages(
            prepare=(
                *((certificates.load,) if certificates is not None else ()),
                self.accounts.start,
                self.moderation.start,
                *((self.recording.start,) if self.recording is not None else ()),
                self.mailboxes.start,
                self.rooms.maker.start,
                self.broadcast.start,
            ),
            background=(
                DeadPeerSweep(self.directory, self.connection_slots).run,
                *(
                    (
                        self.watch.run,
                        self.devices.run,
                        self.mailboxes.run,
                        self.mailboxes.marks.run,
                        self.rooms.store.run,
                    )
                    if database is not None
                    else ()
                ),
                *((self.recording.remove_old,) if self.recording is not None else ()),
                *((purges.behind.run,) if purges is not None and self.sharing.is_shared else ()),
            ),
            housekeeping=(
                self.offers.drop_old,
                self.rooms.maker.sweep_if_due,
                self.password_guard.forget_old,
                lambda: give_back_memory_after(self.backlogs.pop_released()),
                self.folding_log.flush_if_due,
                self.rates.sample,
                self.address_limits.forget_old,
            ),
            farewell=(
                self._end_transfers,
                partial(self.log.close, DRAIN_TIMEOUT),
                self.service.close,
            ),
            close=(
                self.rooms.crowds.stop,
                self.broadcast.stop,
                self.path.stop,
                self.offers.clear,
                *((partial(self.files.stop, DRAIN_TIMEOUT),) if self.files is not None else ()),
                self.passwords.close,
                *((handshakes.close,) if handshakes is not None else ()),
                self.mailboxes.marks.write,
                self.rooms.store.write_waiting,
                *((self.devices.write, database.close) if database is not None else ()),
                self.folding_log.log_counts,
            ),
        )

    def _totals(self) -> Totals:
        service = self.service
        return Totals(
            sum(service.said.values()), sum(service.received.values()), self.broadcast.given
        )

    def _list_copies(self) -> Sequence[Callable[[], object]]:
        """Return the functions that hand changed settings to the parts that keep copies of values."""
        settings = self.settings
        return (
            lambda: self.addresses.adapt(settings.max_per_address, settings.exempt),
            lambda: self.address_limits.adapt(settings),
            lambda: self.password_guard.adapt(settings.exempt),
            lambda: self.backlogs.adapt(settings.max_backlog, settings.max_backlog_total),
            lambda: self.spool.adapt(settings.max_spool),
            lambda: self.files.adapt(settings.keep_files) if self.files is not None else None,
            lambda: list(map(Session.adapt, self.directory.here)),
        )

    def _announce_epoch(self, epoch: str) -> None:
        if self.recording is not None:
            self.recording.announce_epoch(epoch)

    def _end_transfers(self) -> None:
        for session in self.directory.here:
            session.transfers.end_all()
