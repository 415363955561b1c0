"""Run the servers that are measured: ours, others of its kind, and the least that any of them must do."""

from __future__ import annotations

from benchmarks.peers.chat import Chat
from benchmarks.peers.encrypted import ChatTls, RedisTls
from benchmarks.peers.floor import Floor
from benchmarks.peers.nats import Nats
from benchmarks.peers.ngircd import Ngircd
from benchmarks.peers.peer import Peer
from benchmarks.peers.redis import Redis

PEERS: tuple[Peer, ...] = (
    Chat(),
    Redis(),
    Nats(),
    Ngircd(),
    Floor(),
    ChatTls(),
    RedisTls(),
)
