"""Read the metrics of the server for Prometheus.

The parts of the server are read only when Prometheus asks, so the metrics cost nothing in between. Names and units
follow https://prometheus.io/docs/practices/naming/. No label has the name or the address of a user.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator

from prometheus_client import CollectorRegistry, PlatformCollector, ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

from chat import __version__
from chat.protocol.descriptor import MessageType
from chat.protocol.notices import Refusal
from chat.server.accounts.accounts import Accounts
from chat.server.accounts.passwords import Passwords
from chat.server.attachments.offers import OfferStore
from chat.server.attachments.spool import Spool
from chat.server.delivery.broadcast import Broadcast
from chat.server.delivery.send_queue import BacklogLimits
from chat.server.directory.directory import Directory
from chat.server.history.files.kept_files import KeptFiles
from chat.server.history.history import HistoryStore
from chat.server.history.search.message_search import MessageSearch
from chat.server.moderation.bans import NAME, NETWORK, Ban
from chat.server.moderation.moderation import Moderation
from chat.server.net.connection_slots import ConnectionSlots
from chat.server.process.counters import Counters
from chat.server.room.service import ChatService
from chat.server.rooms.rooms import Rooms
from chat.server.sessions.session import Session
from chat.server.settings import Settings

# The labels of the types of messages. The protocol names a text by its encoding, UTF8.
_KINDS = {
    MessageType.UTF8: "text",
    MessageType.FILE: "file",
    MessageType.IMAGE: "image",
    MessageType.VOICE: "voice",
}
_CLIENTS = {True: "json", False: "raw"}
_ENCRYPTION = {True: "tls", False: "none"}


# A function that reads the metrics of some parts of the server.
Source = Callable[[], Iterable[Metric]]


class Metrics:
    """All metrics of one server and of its process. ``sources`` are read in their order."""

    def __init__(self, *sources: Source) -> None:
        # With auto_describe, the registry would read all sources once already at registration.
        self._registry = CollectorRegistry(auto_describe=False)
        self._registry.register(_Collector((version, *sources)))
        ProcessCollector(registry=self._registry)
        PlatformCollector(registry=self._registry)

    def render(self, accept: str) -> tuple[bytes, str]:
        """Return the metrics and their content type, in the format that ``accept`` (the HTTP header) prefers."""
        try:
            encode, content_type = choose_encoder(accept)
        except (
            TypeError,
            ValueError,
        ):  # the library fails if a version in the header is not a number
            encode, content_type = choose_encoder("")
        return encode(self._registry), content_type


class _Collector(Collector):
    def __init__(self, sources: Iterable[Source]) -> None:
        self._sources = sources

    def collect(self) -> Iterator[Metric]:
        for source in self._sources:
            yield from source()


def version() -> Iterator[Metric]:
    """Yield the version of the server."""
    yield _gauge("chat_build_info", "The version that runs; always 1.", 1, version=__version__)


def people(
    directory: Directory[Session],
    connection_slots: ConnectionSlots,
    counters: Counters,
    visiting: Callable[[], int] = lambda: 0,
) -> Iterator[Metric]:
    """Yield the numbers of users, connections and logins; ``visiting`` is that of ``snapshot.people``."""
    users = GaugeMetricFamily(
        "chat_users",
        "Users in the room, by protocol and encryption of the client that came first.",
        labels=["client", "encryption"],
    )
    present: Counter[tuple[bool, bool]] = Counter()
    transfers = visiting()
    counted: set[str] = set()  # a user may have several sessions
    for session in directory.here:
        if session.name.key not in counted:
            counted.add(session.name.key)
            present[session.token is not None, session.connection.is_encrypted] += 1
        transfers += len(session.transfers)
    for is_json, client in _CLIENTS.items():
        for is_encrypted, encryption in _ENCRYPTION.items():
            users.add_metric([client, encryption], present[is_json, is_encrypted])
    yield users
    yield _gauge("chat_sessions", "Sessions of users; a user may have several.", len(directory))
    yield _gauge(
        "chat_connections",
        "Open connections: of users, of their transfers, and of clients that have not logged in.",
        len(connection_slots),
    )
    yield _gauge("chat_transfers", "Open transfer connections.", transfers)
    logins = CounterMetricFamily("chat_logins", "Successful logins.", labels=["client"])
    for is_json, client in _CLIENTS.items():
        logins.add_metric([client], counters.logins[is_json])
    yield logins
    refusals = CounterMetricFamily(
        "chat_refused_logins", "Refused logins, by reason.", labels=["reason"]
    )
    for refusal in Refusal:
        refusals.add_metric([refusal.value], counters.refusals[refusal])
    yield refusals


def messages(service: ChatService, broadcast: Broadcast) -> Iterator[Metric]:
    """Yield the numbers of messages and of their bytes, in and out."""
    said = CounterMetricFamily("chat_messages", "Messages that users have sent.", labels=["type"])
    received = CounterMetricFamily(
        "chat_received_bytes",
        "Bytes in the contents of messages that users have sent.",
        labels=["type"],
    )
    for type, kind in _KINDS.items():
        said.add_metric([kind], service.said[type])
        received.add_metric([kind], service.received[type])
    yield said
    yield received
    yield from _rooms(service.rooms)
    yield CounterMetricFamily(
        "chat_delivered_bytes",
        "Bytes queued or sent to users, counted once for each recipient; without large contents.",
        broadcast.given,
    )


def _rooms(rooms: Rooms) -> Iterator[Metric]:
    status = rooms.status()
    yield _gauge("chat_rooms", "Rooms beside the one that everyone is in.", status.rooms)
    yield _gauge(
        "chat_room_members",
        "Users who are here in rooms beside the one that everyone is in, counted in each.",
        status.members,
    )
    yield _gauge(
        "chat_largest_room_members",
        "Users who are here in the largest room beside the one that everyone is in.",
        status.largest,
    )


def limited(
    settings: Settings, backlogs: BacklogLimits, spool: Spool, offers: OfferStore
) -> Iterator[Metric]:
    """Yield how much of each limited resource is used, and the limit."""
    for name, documentation, used, bound in (
        (
            "chat_backlog_bytes",
            "Bytes in memory that wait for slow readers",
            backlogs.used,
            settings.max_backlog_total,
        ),
        (
            "chat_spool_bytes",
            "Bytes on disk in large contents",
            spool.used,
            settings.max_spool,
        ),
        ("chat_spool_files", "Large contents on disk", spool.files, spool.max_files),
    ):
        stem, unit = name.rsplit("_", 1)
        yield _gauge(name, f"{documentation}.", used)
        yield _gauge(f"{stem}_limit_{unit}", f"{documentation}, at most.", bound)
    yield _gauge("chat_users_limit", "Users in the room, at most.", settings.max_users)
    yield _gauge("chat_offers", "Offered contents that can be fetched.", len(offers))


def kept(history: HistoryStore | None, kept_files: KeptFiles | None) -> Iterator[Metric]:
    """Yield what waits for the disk, and what the disk has; nothing in a server that keeps no messages."""
    if history is None or kept_files is None:
        return
    yield from _files(kept_files)
    status = history.status()
    yield _gauge(
        "chat_history_suspended",
        "1 while the disk fails or stands still, and messages are not kept.",
        status.is_suspended,
    )
    yield _gauge(
        "chat_history_waiting_messages", "Messages that wait for the disk.", status.messages
    )
    yield _gauge(
        "chat_history_waiting_limit_messages",
        "Messages that wait for the disk, at most.",
        history.max_waiting,
    )
    yield _gauge(
        "chat_history_waiting_bytes", "Bytes in messages that wait for the disk.", status.bytes
    )
    yield _gauge(
        "chat_history_waiting_seconds",
        "How long the oldest message has waited for the disk.",
        status.age,
    )
    yield _gauge(
        "chat_history_file_bytes",
        "The size of the history file with its write-ahead log.",
        status.file_bytes,
    )
    yield _gauge(
        "chat_history_last_write_timestamp_seconds",
        "When messages were last written, in seconds since 1970.",
        status.last_write,
    )


def _files(kept_files: KeptFiles) -> Iterator[Metric]:
    status = kept_files.status()
    yield _gauge("chat_files", "Large contents of attachments that are kept.", status.files)
    yield _gauge("chat_files_bytes", "Bytes in kept contents.", status.bytes)
    yield _gauge("chat_files_limit_bytes", "Bytes in kept contents, at most.", status.max_bytes)
    yield CounterMetricFamily(
        "chat_damaged_files", "Kept contents that the disk has damaged.", status.damaged
    )


def indexed(search: MessageSearch | None) -> Iterator[Metric]:
    """Yield how far the index of the search is behind; nothing in a server without search."""
    if search is None:
        return
    status = search.indexer.status()
    yield _gauge(
        "chat_search_waiting_messages",
        "Messages that are not in the index of the search yet.",
        status.messages,
    )
    yield _gauge(
        "chat_search_file_bytes",
        "The size of the index with its write-ahead log.",
        status.file_bytes,
    )
    yield _gauge(
        "chat_search_failing",
        "1 while the index cannot be written.",
        status.has_failed,
    )


def guards(passwords: Passwords, accounts: Accounts, moderation: Moderation) -> Iterator[Metric]:
    """Yield the numbers of password hashes, accounts, bans and mutes."""
    yield CounterMetricFamily(
        "chat_password_hashes",
        "Passwords that were hashed, to check or to store them.",
        passwords.hashed,
    )
    yield _gauge(
        "chat_password_hashes_waiting", "Passwords that wait to be hashed.", passwords.waiting
    )
    yield _gauge("chat_accounts", "Registered names.", len(accounts.look()))
    entries = moderation.entries.all()
    kinds = Counter(entry.kind for entry in entries if isinstance(entry, Ban))
    bans = GaugeMetricFamily("chat_bans", "Bans in force.", labels=["kind"])
    for kind in (NAME, NETWORK):
        bans.add_metric([kind], kinds[kind])
    yield bans
    yield _gauge("chat_mutes", "Mutes in force.", len(entries) - kinds.total())


def _gauge(name: str, documentation: str, value: float, **labels: str) -> Metric:
    gauge = GaugeMetricFamily(name, documentation, labels=list(labels))
    gauge.add_metric(list(labels.values()), value)
    return gauge
