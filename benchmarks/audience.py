"""Set up a room in which everyone hears what anyone says."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from typing import NamedTuple

from benchmarks.load import Crowd, Entrance, Sender, raise_descriptor_limit
from benchmarks.peers.peer import MARKERS, Peer, content_of
from benchmarks.processes import Costs
from benchmarks.sizes import CALIBRATING, Sizes, learn, usual
from benchmarks.traffic import Traffic

SPARE_DESCRIPTORS = 200


class Demand(NamedTuple):
    """Say how many receive, how many send, with how many messages under way each, of how many bytes."""

    receivers: int
    senders: int = 2
    window: int = 64
    content: int = 100


class Audience(Traffic):
    """Hold the connections of a room; ``receivers`` are descriptors."""

    def __init__(
        self, server: Costs, crowd: Crowd, senders: Sequence[Sender], receivers: list[int]
    ) -> None:
        super().__init__(server, crowd, senders)
        self.receivers = receivers
        self.sizes = self._calibrate()

    @property
    def deliveries(self) -> int:
        """Return how many messages ``sent`` messages become."""
        return self.sent * len(self.receivers)

    def expected(self) -> dict[int, int]:
        return dict.fromkeys(self.receivers, self.sent)

    def _calibrate(self) -> Sizes:
        """Learn the sizes, which must be equal for every sender, and count from here on."""
        self.crowd.settle()
        # A server may hold back announcements of who came, and send them with the next message.
        self._send(self.senders[0], 1)
        singles = [count for sender in self.senders for count in self._send(sender, 1)]
        rest = CALIBRATING - 1 - len(self.senders)
        sizes = learn(usual(singles), rest, usual(self._send(self.senders[0], rest)))
        for sender in self.senders:
            sender.sent = sender.confirmed = 0
        for fd in self.receivers:
            self.crowd.received[fd] = 0
        return sizes

    def _send(self, sender: Sender, messages: int) -> list[int]:
        """Have ``sender`` send so many messages; return how many bytes each receiver got."""
        before = dict(self.crowd.received)
        sender.start(messages)
        self.crowd.turn_until(
            lambda: sender.confirmed == sender.sent, "the first messages had arrived"
        )
        self.crowd.settle()
        return [self.crowd.received[fd] - before[fd] for fd in self.receivers]


@contextmanager
def audience(peer: Peer, demand: Demand) -> Iterator[Audience]:
    """Run a fresh server with an audience until the block ends. Raises BenchmarkError."""
    raise_descriptor_limit(demand.receivers + SPARE_DESCRIPTORS)
    with peer.running() as server, closing(Crowd()) as crowd:
        entrance = Entrance(crowd, server.address, peer.at_a_time, is_encrypted=peer.encrypted)
        others = demand.receivers - (demand.senders if peer.senders_receive else 0)
        half = others // 2
        # Some servers serve the first connections first, others the last. The sender that confirms is connected in the
        # middle.
        hearing = entrance.let_in(peer.receiver(number) for number in range(half))
        speaking = entrance.let_in(peer.sender(number) for number in range(demand.senders))
        if peer.senders_receive:
            hearing += speaking
        hearing += entrance.let_in(peer.receiver(number) for number in range(half, others))
        confirming = hearing[half : half + demand.senders]
        senders = []
        for sock, confirmer, marker in zip(speaking, confirming, MARKERS, strict=False):
            message = peer.message(content_of(demand.content, marker))
            sender = Sender(crowd, sock, message, demand.window)
            sender.confirm_by(confirmer, marker)
            senders.append(sender)
        yield Audience(server, crowd, senders, [sock.fileno() for sock in hearing])
