"""One server's part in a cluster: its log, what it writes behind the log, and where it begins."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, NamedTuple

import gevent
from gevent.event import Event

from chat.net.engine_url import EngineUrl
from chat.protocol.names import UserName
from chat.protocol.notices import LeaveReason
from chat.server.accounts.accounts import Account, Accounts
from chat.server.cluster.lease import LeaseRefused
from chat.server.cluster.lease_watch import LeaseWatch
from chat.server.cluster.redis_connection import EngineAway
from chat.server.cluster.replicated_log import ReplicatedLog
from chat.server.cluster.replication_limits import DEFAULT_LIMITS, ReplicationLimits
from chat.server.cluster.standing import Standing
from chat.server.delivery.awaited import AwaitedContent
from chat.server.directory.directory import Directory
from chat.server.entrance.entrance import Entering
from chat.server.entrance.joining import Joining, read_joining
from chat.server.history.history import HistoryStore
from chat.server.history.stored import LogName
from chat.server.log.log import Change, LogClock, LogFull
from chat.server.log.operations import Operations
from chat.server.replication.beginning import stoppable, try_for_a_minute
from chat.server.replication.cluster_status import status_of
from chat.server.replication.faults import CannotFollow
from chat.server.replication.peer_links import PeerLinks
from chat.server.replication.record_codec import VERSION
from chat.server.replication.remote_member import RemoteMember
from chat.server.replication.server_list import ServerFacts, ServerList, facts_of
from chat.server.replication.shared_log import GONE, SharedLog
from chat.server.replication.shared_settings import SharedSettings, encode
from chat.server.replication.stored.fitting import require_fitting_history
from chat.server.replication.stored.founding import note_cut
from chat.server.replication.stored.place import AppliedPlace, SharedState, StateChanges, load_state
from chat.server.replication.stored.state_notes import SharedSequences, StateNotes
from chat.server.replication.stored.state_writer import StateWriter
from chat.server.room.service import ChatService
from chat.server.sessions.session import Session
from chat.server.settings import Network, Settings
from chat.server.storage.database import Database

log = logging.getLogger("chat.server")

# Names of facts in the database.
_SERVERS, _SETTINGS, _DEFAULT_ROOM = "servers", "settings", "default_room"
_RELEASE = 1.0  # seconds for giving back the lease after a start that has failed


class MemoryFact(NamedTuple):
    """Store something of the shared state as JSON can hold it, and restore it at the next start."""

    store: Callable[[], Any]
    restore: Callable[[Any], object]


class Cluster:
    """The server ``node`` in the cluster whose log is in the engine at ``url``.

    ``on_standing`` are called with each change of the standing, with a reason. ``ended`` is set when this run of the
    server has left the log for good.
    """

    def __init__(
        self,
        url: EngineUrl,
        node: str,
        database: Database,
        clock: LogClock,
        directory: Directory[Session],
        settings: Settings,
        limits: ReplicationLimits = DEFAULT_LIMITS,
    ) -> None:
        self.url = url
        self.node = node
        self.sequences = SharedSequences()
        self.writer = StateWriter(database)
        self.log = SharedLog(clock, directory.at, limits, self._note_applied)
        self.wait_for_room = self.log.wait_for_room
        self.links = PeerLinks(settings)
        self.log.await_content = self.links.await_content
        self.on_standing: list[Callable[[Standing, str], object]] = []
        self.standing = Standing.STARTING
        self.reason = ""
        self.ended = Event()
        self.replicated: ReplicatedLog | None = None
        self._limits = limits
        self._configured = replace(settings)
        self._settings = settings
        self._fingerprint = ""
        self.servers: ServerList | None = None
        self.shared_settings: SharedSettings | None = None
        self._directory = directory
        self._state: SharedState | None = None
        self._notes: StateNotes | None = None
        self._service: ChatService | None = None
        self._memory: Mapping[str, MemoryFact] = {}
        self._writing: gevent.Greenlet[..., None] | None = None
        self._watch: LeaseWatch | None = None
        self._epoch_of_history: Callable[[], str] = str
        self._heads_of_history: Callable[[], dict[LogName, int]] = dict
        self._moved = Event()  # something was applied, or the standing has changed

    def connect(
        self,
        service: ChatService,
        operations: Operations,
        history: HistoryStore,
        adapt: Callable[[], object],
        memory: Mapping[str, MemoryFact],
    ) -> None:
        """Get the parts whose state is shared. ``adapt`` is called when the shared settings have changed.

        ``memory`` has what is shared and in no table of a single server, by names.
        """
        self._service = service
        self._memory = memory
        self.servers = self.links.servers = servers = ServerList(operations)
        self.shared_settings = settings = SharedSettings(operations, self._settings, adapt)
        facts = {
            _SERVERS: servers.stored,
            _SETTINGS: settings.stored,
            _DEFAULT_ROOM: lambda: list(self._settings.default_room),
            **{name: fact.store for name, fact in memory.items()},
        }
        self._notes = StateNotes(self.sequences, self._directory, service.rooms, facts)
        self.writer.take_changes = self._take_changes
        self.writer.give_back = self._notes.give_back
        self.writer.until_kept = history.wait_until_written
        self._epoch_of_history = lambda: history.epoch
        self._heads_of_history = lambda: {name: state.head for name, state in history.states}
        operations.add(GONE, self._end_sessions)

    def open_elsewhere(
        self, joining: Joining, writer: str, name: UserName, account: Account | None
    ) -> Entering:
        """Return what stands for a session of the server run ``writer``."""
        assert self._service is not None, "connected before the log begins"
        return RemoteMember(joining, writer, name, account, self._service, self._directory)

    def on_disk_fault(self, reason: str) -> None:
        """Leave the cluster, since this server cannot write its history."""
        if self.replicated is not None:
            self.replicated.fail(reason)

    # The start

    def arrive(self) -> None:
        """Bring the data to the log: see ``PeerLinks.arrive``."""
        self.links.arrive(self._note_wait)

    def _note_wait(self, reason: str) -> None:
        self.reason = reason

    def load_numbers(self) -> None:
        """Read the state from the database, and begin with its numbers. Raises DatabaseFault and CannotFollow."""
        self._state = self.writer.run(load_state)
        if self._state is None:
            raise CannotFollow(
                "the data directory belongs to no cluster; see `chat-server cluster init --help`"
            )
        for name, last in self._state.heads.items():
            self.sequences.restore(name, last)
        facts = self._state.facts
        room = facts.get(_DEFAULT_ROOM)
        if room is not None and UserName(*room) != self._settings.default_room:
            reason = f"the cluster calls its default room {room[0]}: set --default-room"
            raise CannotFollow(reason, needs_operator=True)
        if self.servers is not None and self.shared_settings is not None:
            self.servers.restore(facts.get(_SERVERS, {}))
            self.shared_settings.restore(facts.get(_SETTINGS, {}))

    def load_sessions(self, accounts: Accounts) -> None:
        """Let the sessions be connected that were so at the place. Called when rooms and accounts are known."""
        assert self._state is not None, "the numbers were loaded"
        require_fitting_history(self._state, self._epoch_of_history(), self._heads_of_history())
        assert self._service is not None, "connected before the log begins"
        # First, since guests are in closed rooms by their invitations.
        for name, fact in self._memory.items():
            if name in self._state.facts:
                fact.restore(self._state.facts[name])
        for row in self._state.sessions:
            joining = read_joining(row.values)
            account = accounts.known.find(joining.name.key)
            if account is not None and account.id != joining.account:
                account = None
            member = RemoteMember(
                joining, row.home, joining.name, account, self._service, self._directory
            )
            member.restore(row.serial)
        if self._notes is not None:
            self._notes.begin()

    def follow(self) -> None:
        """Take the lease, and apply the log up to where it ends now.

        Raises CannotFollow, and KeyboardInterrupt for a signal to stop.
        """
        assert self._state is not None, "the state was loaded"
        try:
            with stoppable():
                head = self._follow(self._state.place)
        except KeyboardInterrupt:
            if self.replicated is not None:
                self.log.close(_RELEASE)
            raise
        if self.ended.is_set():
            raise CannotFollow(f"cannot follow the log: {self.reason}")
        self._require_no_lost_end()
        self._state = None
        log.info("follows the log of the cluster as %s, from entry %d on", self.node, head)
        self._writing = gevent.spawn(self.writer.run_to_the_end)
        self._watch = LeaseWatch(self.check_lease)

    def _follow(self, place: AppliedPlace) -> int:
        """Follow the log; return the number of its last entry at the beginning, when it is applied here."""
        self.replicated = replicated = self._begin(place)
        head = replicated.head
        while replicated.applied.n < head and not self.ended.is_set():
            self._moved.clear()
            self._moved.wait()
        return head

    def _require_no_lost_end(self) -> None:
        """Raise CannotFollow if the history has messages that the log has lost; note that for the next start.

        The state is on the disk once a second, and the history earlier. So the log may have the place of this server,
        and lack what came behind.
        """
        heads = self._heads_of_history()
        if not any(head > self.sequences.last(name) > 0 for name, head in heads.items()):
            return
        self.writer.run(note_cut)
        self.log.close(_RELEASE)
        raise CannotFollow("the log has lost messages that this server has")

    def introduce(self, fingerprint: str) -> None:
        """Tell the other servers about this one, and which settings count now. ``fingerprint`` is that of its key.

        Raises CannotFollow.
        """
        assert self.servers is not None
        assert self.shared_settings is not None
        try:
            self.links.open(self.log.incarnation)
            self._fingerprint = fingerprint
            self.servers.tell(self._facts(self._configured))
            if encode(self._configured) != self.shared_settings.stored():
                self.shared_settings.tell(self._configured)
        except LogFull as problem:
            raise CannotFollow(f"cannot follow the log: {self.reason or problem}") from None
        except CannotFollow:
            self.log.close(_RELEASE)
            raise
        self.servers.warn_of_other_keys(self.log.incarnation, fingerprint)

    def _facts(self, settings: Settings) -> ServerFacts:
        return facts_of(settings, self.links.address, self._fingerprint, VERSION)

    def share(self, wanted: Settings) -> Settings:
        """Have the log change what other servers know of the settings: see ``SharedSettings.ask``."""
        assert self.servers is not None
        assert self.shared_settings is not None
        own = self.servers.of(self.log.incarnation)
        facts = self._facts(wanted)
        if own is not None and own.protected != facts.protected:
            try:
                self.servers.tell_soon(facts)
            except LogFull:
                log.error("other servers do not know the new proxies yet; reload again later")
        return self.shared_settings.ask(wanted)

    def protected(self) -> tuple[Network, ...]:
        """Return the networks that no moderator can ban, alike on all servers."""
        return self.servers.protected() if self.servers is not None else ()

    def await_content(self, size: int, digest: bytes) -> AwaitedContent:
        """Return what stands for a content that is kept, but not here."""
        return self.links.await_content(size, digest, "")

    def other_addresses(self) -> list[str]:
        """Return where clients can go besides this server."""
        others = self.servers.others(self.log.incarnation) if self.servers is not None else []
        return [address for server in others for address in server.addresses]

    @property
    def is_following(self) -> bool:
        return self.standing is Standing.FOLLOWING

    def status(self) -> dict[str, Any]:
        """Return how this server stands to the cluster: see ``cluster_report``."""
        servers = self.servers.all() if self.servers is not None else {}
        homes = ((member.home, member.name.key) for member in self._directory)
        about = {"node": self.node, "standing": self.standing.value, "reason": self.reason}
        own = self.log.incarnation
        return {**about, **status_of(self.url, self.replicated, own, servers, homes)}

    def _begin(self, place: AppliedPlace) -> ReplicatedLog:
        """Return the log behind ``place``, with a lease. Raises CannotFollow."""

        def attempt() -> ReplicatedLog:
            replicated = ReplicatedLog(
                self.url,
                self.node,
                place.epoch,
                apply=self.log.take,
                tell=self._tell,
                applied=place.applied,
                fenced=place.fenced,
                limits=self._limits,
            )
            # Before the first entry comes.
            self.log.use(replicated)
            replicated.start()
            return replicated

        failures = (EngineAway, LeaseRefused)
        try:
            return try_for_a_minute(attempt, failures, "cannot follow the log yet", self._note_wait)
        except failures as problem:
            raise CannotFollow(f"cannot follow the log: {problem}") from None

    # While the server runs

    @property
    def has_failed(self) -> bool:
        """Whether this server had to leave the log, and was not asked to."""
        return self.ended.is_set() and self.standing is not Standing.CLOSED

    def check_lease(self) -> None:
        """Leave the log if the lease has run out. Called before users are sent anything."""
        if self.replicated is not None:
            self.replicated.lease.check()

    def _note_applied(self) -> None:
        self._moved.set()

    def _tell(self, standing: Standing, reason: str) -> None:
        self.standing, self.reason = standing, reason
        level = logging.INFO if standing in (Standing.FOLLOWING, Standing.CLOSED) else logging.ERROR
        log.log(level, "cluster: %s%s", standing.value, f": {reason}" if reason else "")
        if standing not in (Standing.STARTING, Standing.FOLLOWING, Standing.AWAY):
            if standing is Standing.CLOSED:
                self.writer.seal()
            else:
                # Perhaps in the middle of an entry. The next start applies again what is not written.
                self.writer.abandon()
            self.ended.set()
        self._moved.set()
        for tell in self.on_standing:
            try:
                tell(standing, reason)
            except Exception:
                # The others, and the end of the log, must not depend on it.
                log.exception("cannot tell a part of the server that its standing is %s", standing)
        if self.has_failed:
            # Behind the others, which have ended the connections: nobody gets these answers.
            self.log.give_up()

    def _end_sessions(self, change: Change) -> None:
        """End what stands for the sessions of a server that has ended."""
        run = change.fields["writer"]
        members = self._directory.of_home(run)
        for member in members:
            member.depart(LeaveReason.DISCONNECTED)
        if self.servers is not None:
            self.servers.forget(run, len(members))

    def _take_changes(
        self, written: AppliedPlace | None
    ) -> tuple[AppliedPlace, StateChanges] | None:
        replicated = self.replicated
        if replicated is None or self._notes is None:
            return None
        applied = replicated.applied
        if written is not None and applied == written.applied:
            return None
        place = AppliedPlace(replicated.epoch, applied, tuple(replicated.reader.fenced))
        return place, self._notes.take()

    # The end

    def stop(self) -> None:
        """Write the state a last time. Called when the log is closed, and before history is."""
        self.links.stop()
        if self._watch is not None:
            self._watch.stop()
        if self._writing is not None:
            self.writer.stop()
            self._writing.kill()
