"""Hold conversations of two, many at a time."""

from __future__ import annotations

import socket
from collections.abc import Sequence
from contextlib import closing

from benchmarks.audience import SPARE_DESCRIPTORS
from benchmarks.load import Crowd, Entrance, Sender, counting, raise_descriptor_limit
from benchmarks.peers.peer import Peer, content_of
from benchmarks.plan import Plan
from benchmarks.processes import ServerProcess
from benchmarks.results import CPU_PER_DELIVERY, GENERATOR, SERVER_CPU, THROUGHPUT
from benchmarks.sizes import CALIBRATING, Sizes, learn, usual
from benchmarks.traffic import Traffic
from benchmarks.work.work import ServerWork

_WINDOW = 8
_CONTENT = 100


class Private(ServerWork):
    """Have one user of each pair write to the other, who confirms.

    A delivery is a message that arrives at the other; echoes do not count.
    """

    name = "private"
    title = "private messages of 100 bytes, 8 under way in each pair, by number of pairs"
    figures = (CPU_PER_DELIVERY, THROUGHPUT, SERVER_CPU, GENERATOR)

    def cases(self, plan: Plan) -> Sequence[str]:
        return ["10"] if plan.quick else ["500"]

    def suits(self, peer: Peer, case: str) -> bool:
        return not peer.encrypted and peer.is_server and 2 * int(case) <= peer.max_receivers

    def measure(self, peer: Peer, case: str, plan: Plan) -> dict[str, float]:
        pairs = int(case)
        raise_descriptor_limit(2 * pairs + SPARE_DESCRIPTORS)
        with peer.running() as server, closing(Crowd()) as crowd:
            entrance = Entrance(crowd, server.address, peer.at_a_time)
            writers = entrance.let_in(peer.sender(number) for number in range(pairs))
            readers = entrance.let_in(peer.user(number) for number in range(pairs))
            senders = []
            for number, writer in enumerate(writers):
                message = peer.private_message(number, content_of(_CONTENT))
                senders.append(Sender(crowd, writer, message, _WINDOW))
            return _Pairs(server, crowd, senders, readers).run(plan)


class _Pairs(Traffic):
    """Hold the pairs: each reader has the index of its sender."""

    def __init__(
        self,
        server: ServerProcess,
        crowd: Crowd,
        senders: Sequence[Sender],
        readers: Sequence[socket.socket],
    ) -> None:
        super().__init__(server, crowd, senders)
        self._readers = [sock.fileno() for sock in readers]
        self.sizes = self._calibrate()
        for sender, sock in zip(senders, readers, strict=True):
            crowd.read_by(sock, _Confirming(self, sender, sock))

    @property
    def deliveries(self) -> int:
        return self.sent

    def expected(self) -> dict[int, int]:
        sent = (sender.sent for sender in self.senders)
        return dict(zip(self._readers, sent, strict=True))

    def _calibrate(self) -> Sizes:
        """Learn the sizes, which must be equal for every pair, and count from here on."""
        self.crowd.settle()
        size = self._send(1, 1)
        rest = CALIBRATING - 1
        sizes = learn(size, rest, self._send(rest, rest * size))
        for sender, fd in zip(self.senders, self._readers, strict=True):
            sender.sent = 0
            self.crowd.received[fd] = 0
        return sizes

    def _send(self, messages: int, least: int) -> int:
        """Have everyone send so many; return how many bytes each reader got, ``least`` or more."""
        before = dict(self.crowd.received)
        for sender in self.senders:
            for _ in range(messages):
                sender.say()
        received = self.crowd.received
        self.crowd.turn_until(
            lambda: all(received[fd] >= before[fd] + least for fd in self._readers),
            "the first messages had arrived",
        )
        self.crowd.settle()
        return usual([received[fd] - before[fd] for fd in self._readers])


class _Confirming:
    """Read for a user, and confirm to the sender what has arrived."""

    def __init__(self, pairs: _Pairs, sender: Sender, sock: socket.socket) -> None:
        self._pairs = pairs
        self._sender = sender
        self._fd = sock.fileno()
        self._count = counting(sock)

    def __call__(self) -> int:
        count = self._count()
        messages = self._pairs.sizes.messages(self._pairs.crowd.received[self._fd] + count)
        self._sender.confirm(messages - self._sender.confirmed)
        return count
