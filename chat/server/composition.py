"""Put a server together. No other module knows all parts; each part gets only the parts that it uses."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

from chat.net.address import Address
from chat.server.accounts.operator_accounts import serve_operator
from chat.server.control.client import APPLY_CHANGES, PURGE
from chat.server.control.control_server import ControlServer, Handler
from chat.server.control.socket_file import listen_in
from chat.server.limits.address_limits import AddressLimits
from chat.server.limits.limits import ConnectionsPerAddress
from chat.server.listener import Listener
from chat.server.log.log import Log, MemoryLog
from chat.server.membership.room_wishes import OPERATOR_ROOM
from chat.server.moderation.bans import OPERATOR_BAN
from chat.server.monitoring import snapshot
from chat.server.moving.draining import Draining
from chat.server.moving.sending_away import SendingAway
from chat.server.net.certificates import make_certificates
from chat.server.net.connection_slots import ConnectionSlots, connection_capacity
from chat.server.net.handshakes import Handshakes
from chat.server.operator_commands import ALONE, cluster_commands
from chat.server.parts import ServerParts
from chat.server.process.memory import give_back_memory_after
from chat.server.reload import Reload
from chat.server.server import ChatServer, Stages
from chat.server.session_parts import SessionParts
from chat.server.sessions.accept import Acceptor
from chat.server.sessions.connection_handler import ConnectionHandler
from chat.server.sessions.dead_peers import DeadPeerSweep
from chat.server.sessions.login import Login
from chat.server.sessions.session import Session
from chat.server.settings import DRAIN_TIMEOUT, Settings

if TYPE_CHECKING:
    # Imported at run time only if metrics are served: the status server needs a package that is an extra.
    from chat.server.monitoring.metrics import Metrics
    from chat.server.monitoring.status import StatusServer

log = logging.getLogger("chat.server")


class Composition(ServerParts):
    """A server with ``settings``, and its parts.

    The parts are attributes only for tests. The program uses ``server`` and ``make_status_server``. No part gets a
    Composition. ``make_log`` is that of ServerParts.
    """

    def __init__(
        self, settings: Settings, make_log: Callable[[Callable[[], str]], Log] = MemoryLog
    ) -> None:
        super().__init__(settings, make_log)
        settings = self.settings
        # Connections, and what limits them.
        self.addresses = ConnectionsPerAddress(settings.max_per_address, settings.exempt)
        self.address_limits = AddressLimits(settings)
        self.connection_slots = ConnectionSlots(connection_capacity(), self.folding_log)
        self.certificates = make_certificates(settings)
        self.handshakes = (
            Handshakes(self.certificates, self.share) if self.certificates is not None else None
        )
        self.acceptor = self._make_acceptor()
        sessions = self._make_sessions()
        self.visitors = sessions.visitors
        self.draining = self._make_draining(sessions.login)
        self.handler = ConnectionHandler(
            acceptor=self.acceptor,
            login=sessions.login,
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
        self.reload = Reload(
            *(settings, self.certificates, self._list_copies()), *self._list_shares()
        )

    @property
    def trouble(self) -> str:
        """Why users cannot talk here; empty if they can. A server of a cluster has to follow the log."""
        if self.cluster is None or self.cluster.is_following:
            return ""
        return self.cluster.standing.value

    def make_status_server(self, address: Address, trouble: Callable[[], str]) -> StatusServer:
        """Make the server for monitoring on ``address``. Raises OSError if it cannot listen there."""
        from chat.server.monitoring.status import StatusServer

        return StatusServer(
            address,
            metrics=self.make_metrics(),
            folding_log=self.folding_log,
            trouble=trouble,
        )

    @property
    def has_failed(self) -> bool:
        """Whether the server has to end because it cannot take part in its cluster any more."""
        return self.cluster is not None and self.cluster.has_failed

    def when_failed(self, call: Callable[[], object]) -> None:
        """Call ``call`` when the server has to end. Its users have been sent away by then."""
        if self.cluster is not None:
            self.cluster.on_standing.append(
                lambda standing, reason: call() if self.has_failed else None
            )

    def make_control_server(
        self,
        directory: Path,
        metrics_addresses: Callable[[], Sequence[Address]],
        ask_to_stop: Callable[[], object] = lambda: None,
        more: Mapping[str, Handler] = MappingProxyType({}),
    ) -> ControlServer:
        """Make the server for the operator's commands in the data directory; ``ask_to_stop`` ends the program.

        ``more`` are commands that the program executes.

        Raises OSError.
        """
        service, settings = self.service, self.settings
        status = snapshot.LiveStatus(
            lambda: snapshot.people(
                self.directory, self.connection_slots, settings, self.visitors.count
            ),
            lambda: snapshot.rooms(service.rooms, settings),
            lambda: snapshot.traffic(self.rates, lambda: sum(service.said.values())),
            lambda: snapshot.space(settings, self.backlogs, self.spool),
            lambda: snapshot.kept(self.history, self.files, self.path.search),
            lambda: snapshot.guards(self.accounts, self.moderation),
            lambda: snapshot.doors(
                settings, self.certificates, lambda: self.server.addresses, metrics_addresses
            ),
        )
        commands = self.operator
        return ControlServer(
            listen_in(directory),
            {
                "status": lambda fields: status.take(),
                "say": commands.announce,
                PURGE: commands.purge,
                APPLY_CHANGES: commands.apply_changes,
                **{name: partial(commands.change, name) for name in (OPERATOR_BAN, OPERATOR_ROOM)},
                **more,
                **serve_operator(self.account_parts.operations, self.accounts),
                **(
                    cluster_commands(self.cluster, self.draining, ask_to_stop)
                    if self.cluster is not None and self.draining is not None
                    else ALONE
                ),
            },
        )

    def make_metrics(self) -> Metrics:
        """Make the reader of this server's metrics."""
        from chat.server.monitoring import cluster_metrics, metrics

        cluster = self.cluster
        return metrics.Metrics(
            lambda: metrics.people(
                self.directory, self.connection_slots, self.counters, self.visitors.count
            ),
            lambda: metrics.messages(self.service, self.broadcast),
            lambda: metrics.limited(self.settings, self.backlogs, self.spool, self.offers),
            lambda: metrics.kept(self.history, self.files),
            lambda: metrics.indexed(self.path.search),
            lambda: metrics.guards(self.passwords, self.accounts, self.moderation),
            *((lambda: cluster_metrics.cluster(cluster.status()),) if cluster is not None else ()),
        )

    def _make_draining(self, login: Login) -> Draining | None:
        """Make what moves users to other servers; None for a server alone."""
        cluster = self.cluster
        if cluster is None:
            return None
        away = SendingAway(self.directory, self.service, self.visitors, cluster.other_addresses)
        cluster.on_standing.append(
            lambda standing, reason: away.end_all() if cluster.has_failed else None
        )
        return Draining(
            self.directory,
            self.service,
            other_addresses=cluster.other_addresses,
            own_addresses=list(map(str, self.settings.public_addresses)),
            close_entrance=login.close,
            # Made later.
            end_connections=lambda: self.handler.end_all(DRAIN_TIMEOUT),
            ended=cluster.ended,
        )

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
            rehash=self.account_parts.operations.rehash,
            begin_mailbox=self.mailboxes.open,
            address_limits=self.address_limits,
            share=self.share,
            folding_log=self.folding_log,
            counters=self.counters,
            offers=self.offers,
            spool=self.spool,
            backlogs=self.backlogs,
            timestamp=self._clock,
            elsewhere=self.cluster.await_content if self.cluster is not None else None,
        )

    def _list_stages(self) -> Stages:
        certificates, handshakes, database = self.certificates, self.handshakes, self.database
        cluster, purges = self.cluster, self.moderating.purges
        return Stages(
            prepare=(
                *((cluster.arrive,) if cluster is not None else ()),
                *((certificates.load,) if certificates is not None else ()),
                *((cluster.load_numbers,) if cluster is not None else ()),
                self.accounts.start,
                self.moderation.start,
                *((self.recording.start,) if self.recording is not None else ()),
                self.mailboxes.start,
                self.rooms.maker.start,
                self.broadcast.start,
                *(
                    (self._load_sessions, cluster.follow, self._introduce)
                    if cluster is not None
                    else ()
                ),
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
                *((purges.behind.run,) if cluster is not None and purges is not None else ()),
                *((self.recording.remove_old,) if self.recording is not None else ()),
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
                *((cluster.stop,) if cluster is not None else ()),
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

    def _introduce(self) -> None:
        assert self.cluster is not None
        certificates = self.certificates
        self.cluster.introduce(str(certificates.fingerprint) if certificates is not None else "")

    def _load_sessions(self) -> None:
        assert self.cluster is not None
        self.cluster.load_sessions(self.accounts)

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
            self.visitors.adapt,
        )

    def _list_shares(self) -> Sequence[Callable[[Settings], Settings]]:
        return (self.cluster.share,) if self.cluster is not None else ()

    def _adapt(self) -> None:
        for adapt in self._list_copies():
            adapt()

    def _end_transfers(self) -> None:
        for session in self.directory.here:
            session.transfers.end_all()
        self.visitors.end_transfers()
