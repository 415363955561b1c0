"""Set up a room in which everyone hears what anyone says."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from functools import partial
from typing import NamedTuple

from benchmarks.load import Crowd, Entrance, Sender, raise_descriptor_limit
from benchmarks.peers.peer import MARKERS, Peer, content_of
from benchmarks.plan import BenchmarkError
from benchmarks.processes import ServerProcess
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
        self, server: ServerProcess, crowd: Crowd, senders: Sequence[Sender], receivers: list[int]
    ) -> None:
        super().__init__(server, crowd, senders)
        self.receivers = receivers
        self._calibrate()

    @property
    def deliveries(self) -> int:
        """Return how many messages ``sent`` messages become."""
        return self.sent * len(self.receivers)

    def expected(self) -> dict[int, int]:
        return dict.fromkeys(self.receivers, self.sent)

    def _calibrate(self) -> None:
        """Learn ``size``, which must be equal for every sender, and count from here on."""
        self.crowd.settle()
        sizes: Counter[int] = Counter()
        for sender in self.senders:
            confirmed = partial(_is_confirmed, sender)
            before = dict(self.crowd.received)
            sender.start(1)
            self.crowd.turn_until(confirmed, "a message came")
            self.crowd.settle()
            sizes.update(self.crowd.received[fd] - before[fd] for fd in self.receivers)
            sender.sent = sender.confirmed = 0
        ((self.size, times),) = sizes.most_common(1)
        # A receiver may have got another message just then.
        if times < 0.9 * sum(sizes.values()):
            raise BenchmarkError(f"one message arrives in different sizes: {dict(sizes)}")
        for fd in self.receivers:
            self.crowd.received[fd] = 0


def _is_confirmed(sender: Sender) -> bool:
    return sender.confirmed == sender.sent


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
